// What a command of the CLI sees of the world around it: where it writes, whether a person reads it, the environment.
// Handing it in lets commands say everything in one way and end with one of three exit codes.

import { OperatingError } from '../domain/errors.ts';

export type Terminal = {
  /** Standard output: what was asked for. */
  out(text: string): void;
  /** Standard error: what people must know besides. */
  err(text: string): void;
  /**
   * Resolves once whoever reads has taken all that was said: a pipe takes 64 KiB at a time, and the rest waits in this
   * process. Awaited before the process ends, and between the pages of what may be long.
   */
  taken(): Promise<void>;
  /** A person reads standard output. */
  isTty: boolean;
  /** It understands colour, and colour is wanted. */
  colour: boolean;
  /** Columns to wrap help to. */
  width: number;
  env: NodeJS.ProcessEnv;
  /** What to do once nobody reads any more, in place of ending at once. */
  whenUnread(then: () => void): void;
};

export const DONE = 0;
export const FAILED = 1;
export const WRONG_USE = 2;

/** The command line, or a file it names, is wrong: exit code 2. The message says what would be right. */
export class UsageError extends Error {}

/** Says what went wrong, and the exit code for it. Mistakes of our own are thrown on. */
export function complain(terminal: Terminal, error: unknown): number {
  if (error instanceof UsageError) {
    terminal.err(`lintel: ${error.message}\n`);
    return WRONG_USE;
  }
  if (error instanceof OperatingError) {
    terminal.err(`lintel: ${error.message}\n`);
    return FAILED;
  }
  throw error;
}

/** The process's own. */
export function processTerminal(): Terminal {
  const { stdout, stderr, env } = process;
  // Whoever read us has gone (`lintel events --follow | head`): there is nobody left to tell.
  let unread = (error: NodeJS.ErrnoException): void => process.exit(error.code === 'EPIPE' ? DONE : FAILED);
  for (const stream of [stdout, stderr]) stream.on('error', (error: NodeJS.ErrnoException) => unread(error));
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    taken: async () => {
      await Promise.all([stdout, stderr].map(emptied));
    },
    isTty: stdout.isTTY,
    colour: stdout.isTTY && (env['NO_COLOR'] ?? '') === '',
    width: Math.max(60, Math.min(stdout.isTTY ? stdout.columns : 100, 120)),
    env,
    whenUnread: (then) => (unread = then),
  };
}

function emptied(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0) return Promise.resolve();
  return new Promise((resolve) => stream.write('', () => resolve()));
}

export type Paint = (style: 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan', text: string) => string;

const STYLES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;

export const painter =
  (terminal: Pick<Terminal, 'colour'>): Paint =>
  (style, text) =>
    terminal.colour ? `\u001b[${STYLES[style]}m${text}\u001b[0m` : text;
