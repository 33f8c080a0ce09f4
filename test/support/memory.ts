// Temporary files in memory, where the machine has room for it: a test commits as often as a site does in a month, and
// each commit waits for the disk.

import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';

const IN_MEMORY = '/dev/shm';
const NEEDED_BYTES = 2 ** 30;

/** Before the tests of a run; returns what is to be done behind them. */
export function setup(): () => void {
  if (!hasRoom()) return () => undefined;
  sweep();
  const folder = mkdtempSync(join(IN_MEMORY, `lintel-${process.pid}-`));
  // Brokers and services that leave root behind go through it.
  chmodSync(folder, 0o711);
  process.env['TMPDIR'] = folder;
  return () => rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
}

function hasRoom(): boolean {
  try {
    const { bavail, bsize } = statfsSync(IN_MEMORY);
    return bavail * bsize >= NEEDED_BYTES;
  } catch {
    return false;
  }
}

/** What runs have left that were killed: memory is dear. */
function sweep(): void {
  for (const name of readdirSync(IN_MEMORY)) {
    const pid = /^lintel-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`))
      rmSync(join(IN_MEMORY, name), { recursive: true, force: true, maxRetries: 20 });
  }
}
