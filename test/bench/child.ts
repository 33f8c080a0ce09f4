// Measurements run in processes of their own, each with a clean heap, some with every flush stretched by a preloaded library.

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
  const env = { ...process.env };
  if (options.flushMs !== undefined) {
    env['LD_PRELOAD'] = slowFlushLibrary();
    env['LINTEL_FLUSH_US'] = String(Math.round(options.flushMs * 1000));
  }
  const flags = options.exposeGc === true ? ['--expose-gc'] : [];
  const child = spawn(process.execPath, [...flags, join(import.meta.dirname, script), ...args], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => void child.once('exit', resolve));
  if (code !== 0) throw new Error(`${script} ${args.join(' ')} ended with ${code}`);
  return JSON.parse(output.trim().split('\n').at(-1) ?? '') as T;
}
