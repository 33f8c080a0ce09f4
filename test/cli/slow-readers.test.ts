// A pipe takes 64 KiB at a time. Whoever reads more slowly than Lintel writes gets all of it nevertheless.

import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { PROGRAM } from '../support/program.ts';
import { say } from './lintel.ts';
import { serve } from './served.ts';

/** Its output, through a reader that begins only after a while. */
async function readLate(words: readonly string[]): Promise<string> {
  const line = `"$0" "$@" | (sleep 1; cat)`;
  const child = spawn('sh', ['-c', line, PROGRAM, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (bytes: Buffer) => chunks.push(bytes));
  await new Promise((resolve) => child.once('close', resolve));
  return Buffer.concat(chunks).toString();
}

describe('a reader that begins late', () => {
  it('gets a long text to its end', async () => {
    const { stdout } = await say('completion', 'fish');
    expect(Buffer.byteLength(stdout)).toBeGreaterThan(2 * 65_536);
    expect(await readLate(['completion', 'fish'])).toBe(stdout);
  });

  it('gets the whole log of events, in the file and on the pipe alike', async () => {
    const served = await serve();
    for (let i = 0; i < 150; i += 1)
      expect((await served.ask('users', 'create', '--full-name', `Person ${i} ${'x'.repeat(50)}`)).code).toBe(0);
    const { code, stdout } = await served.ask('audit', 'export', '--out', '-', '--to', '150');
    expect(code).toBe(0);
    expect(stdout.trim().split('\n')).toHaveLength(150);
    expect(Buffer.byteLength(stdout)).toBeGreaterThan(65_536);
    expect(await readLate(['audit', 'export', '--out', '-', '--to', '150', '--socket', served.socket])).toBe(stdout);
  });
});
