// Measurements run in processes of their own, each with a clean heap, some with every flush stretched by a preloaded
// library.

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type ChildOptions = {
  /** Stretches every flush to the disk by this much. */
  flushMs?: number;
  exposeGc?: boolean;
};

let library: string | null = null;

/** Builds the preload library once per run. */
function slowFlushLibrary(): string {
  if (library !== null && existsSync(library)) return library;
  library = join(mkdtempSync(join(tmpdir(), 'lintel-bench-')), 'slow-flush.so');
  execFileSync('gcc', ['-O2', '-shared', '-fPIC', '-o', library, join(import.meta.dirname, 'slow-flush.c'), '-ldl']);
  return library;
}

/** Runs `script` of this folder with the arguments and returns the JSON of its last line. */
export async function runChild<T>(script: string, args: readonly string[], options: ChildOptions = {}): Promise<T> {
  const child = spawn(process.execPath, commandOf(script, args, options), {
    env: envOf(options),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => void child.once('exit', resolve));
  if (code !== 0) throw new Error(`${script} ${args.join(' ')} ended with ${code}`);
  return JSON.parse(output.trim().split('\n').at(-1) ?? '') as T;
}

export type AskedChild<Question, Answer> = {
  /** What the child said first of all, on its own. */
  first: Answer;
  /** One question at a time. */
  ask: (question: Question) => Promise<Answer>;
  end: () => void;
};

/** Starts `script` of this folder as a process that answers each message by one message. */
export async function startChild<Question extends string | number | object, Answer>(
  script: string,
  args: readonly string[],
  options: ChildOptions = {},
): Promise<AskedChild<Question, Answer>> {
  const child = spawn(process.execPath, commandOf(script, args, options), {
    env: envOf(options),
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const answer = (): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const ended = (code: number | null): void => reject(new Error(`${script} ended with ${code}`));
      child.once('exit', ended);
      child.once('message', (message) => {
        child.off('exit', ended);
        resolve(message as Answer);
      });
    });
  const first = await answer();
  const ask = async (question: Question): Promise<Answer> => {
    const answered = answer();
    child.send(question);
    return await answered;
  };
  return { first, ask, end: () => child.disconnect() };
}

const commandOf = (script: string, args: readonly string[], { exposeGc }: ChildOptions): string[] => [
  ...(exposeGc === true ? ['--expose-gc'] : []),
  join(import.meta.dirname, script),
  ...args,
];

function envOf({ flushMs }: ChildOptions): NodeJS.ProcessEnv {
  if (flushMs === undefined) return process.env;
  return { ...process.env, LD_PRELOAD: slowFlushLibrary(), LINTEL_FLUSH_US: String(Math.round(flushMs * 1000)) };
}
