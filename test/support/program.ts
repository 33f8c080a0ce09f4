// The program that tests start as a process of its own: bundled as a package has it, once for all of a run. It starts
// in a third of the time, and what is tried is what a site gets.

import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundle } from '../../packaging/bundle.ts';

const HOME = join(import.meta.dirname, '../..');

/** Outside a test run, and before `setup`, the project's own. */
export const program = (): string => join(process.env['LINTEL_TEST_HOME'] ?? HOME, 'bin/lintel');
export const PROGRAM = program();

/** Before the tests of a run; returns what is to be done behind them. */
export async function setup(): Promise<() => void> {
  const home = mkdtempSync(join(tmpdir(), 'lintel-program-'));
  await bundle(home);
  symlinkSync(join(HOME, 'node_modules'), join(home, 'node_modules'));
  symlinkSync(join(HOME, `node_modules/node-linux-${process.arch}`), join(home, 'node'));
  process.env['LINTEL_TEST_HOME'] = home;
  return () => rmSync(home, { recursive: true, force: true, maxRetries: 20 });
}
