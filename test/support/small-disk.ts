// A disk of its own for a test, small enough to be filled. It needs the right to mount, as the tests have where they
// run as root.

import { spawnSync } from 'node:child_process';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { temporaryFolder } from './store.ts';

export type SmallDisk = { folder: string; fill: () => void; free: () => void };

export function smallDisk(mebibytes: number): SmallDisk {
  const folder = temporaryFolder();
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', folder], {
    encoding: 'utf8',
  });
  if (mounted.status !== 0)
    throw new Error(
      `no disk of its own for this test: ${mounted.stderr}. Remedy: run the tests where mount is allowed`,
    );
  // Lazily: whatever still has it open lets go of it later.
  onTestFinished(() => void spawnSync('umount', ['-l', folder]));
  const filling = join(folder, 'filling');
  return {
    folder,
    fill() {
      const file = openSync(filling, 'a');
      try {
        for (const bytes of [1024 * 1024, 4096, 512]) for (;;) if (!wasWritten(file, bytes)) break;
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(filling, { force: true }),
  };
}

function wasWritten(file: number, bytes: number): boolean {
  try {
    return writeSync(file, Buffer.alloc(bytes)) > 0;
  } catch {
    return false;
  }
}
