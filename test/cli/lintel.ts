// The command line as people and scripts meet it: a child process, its output and its exit code. Nothing of it outlives
// the test.

import { spawn, type ChildProcess } from 'node:child_process';
import { onTestFinished } from 'vitest';
import { main } from '../../src/cli/main.ts';
import type { Terminal } from '../../src/cli/terminal.ts';
import { until } from '../support/ports.ts';
import { PROGRAM } from '../support/program.ts';

export type Ended = { code: number | null; stdout: string; stderr: string };

export type Options = {
  input?: string;
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** As a person has it: a terminal for all three streams, whose echo is seen as well. */
  isAtTerminal?: boolean;
};

/** Runs it to its end. */
export async function lintel(args: readonly string[], options: Options = {}): Promise<Ended> {
  const running = launch(args, options);
  return { code: await running.ended, stdout: running.stdout(), stderr: running.stderr() };
}

export type Running = {
  pid: number;
  stdout: () => string;
  stderr: () => string;
  /** Waits for this in what it says, on either stream. */
  says: (pattern: RegExp, timeoutMs?: number) => Promise<RegExpExecArray>;
  type: (line: string) => void;
  /** Whoever read what it says has gone. */
  stopReading: () => void;
  signal: (signal: NodeJS.Signals) => Promise<number | null>;
  ended: Promise<number | null>;
};

/** Starts it and leaves it running; killed when the test ends. */
export function launch(args: readonly string[], { input, env, cwd, isAtTerminal }: Options = {}): Running {
  const quoted = [PROGRAM, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  const [program, words] = isAtTerminal === true ? ['script', ['-qec', quoted, '/dev/null']] : [PROGRAM, args];
  const child: ChildProcess = spawn(program, words, {
    env: { ...process.env, NO_COLOR: '1', TZ: 'Europe/Oslo', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
  });
  let [stdout, stderr] = ['', ''];
  child.stdout?.on('data', (bytes: Buffer) => (stdout += bytes.toString()));
  child.stderr?.on('data', (bytes: Buffer) => (stderr += bytes.toString()));
  child.stdin?.on('error', () => undefined);
  if (input !== undefined) child.stdin?.end(input);
  const ended = new Promise<number | null>((resolve) => void child.once('close', (code) => resolve(code)));
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    child.kill(signal);
    return await ended;
  };
  onTestFinished(async () => {
    await end('SIGKILL');
  });
  return {
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => stderr,
    async says(pattern, timeoutMs = 20_000) {
      const found = (): RegExpExecArray | null => pattern.exec(stdout) ?? pattern.exec(stderr);
      await until(
        () => found() !== null || child.exitCode !== null,
        `lintel ${args.join(' ')} to say ${pattern}`,
        timeoutMs,
      );
      const match = found();
      if (match === null) throw new Error(`lintel ${args.join(' ')} ended with ${child.exitCode}: ${stdout}${stderr}`);
      return match;
    },
    type: (line) => {
      child.stdin?.write(`${line}\n`);
    },
    stopReading: () => {
      child.stdout?.destroy();
      child.stderr?.destroy();
    },
    signal: end,
    ended,
  };
}

/** The same command line within this process: quick, for whatever needs no process of its own. */
export async function say(...args: readonly string[]): Promise<Ended> {
  let [stdout, stderr] = ['', ''];
  const terminal: Terminal = {
    out: (text) => void (stdout += text),
    err: (text) => void (stderr += text),
    taken: () => Promise.resolve(),
    isTty: false,
    colour: false,
    width: 100,
    env: {},
    whenUnread: () => undefined,
  };
  const code = await main(args, terminal);
  return { code, stdout, stderr };
}
