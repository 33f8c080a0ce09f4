// Files that are there after a power cut, whole or not at all: what a name leads to is on the disk before the name is.

import { closeSync, fsyncSync, openSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';

/** A file, or the names in a folder. */
export function flush(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** File systems that flush no folder, as some of a network, say one of these: they have no better to give. */
const NOT_THERE: ReadonlySet<string> = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP']);

/** What was written beside it gets its name. */
export function putInPlace(unfinished: string, path: string): void {
  flush(unfinished);
  renameSync(unfinished, path);
  try {
    flush(dirname(path));
  } catch (error) {
    if (!NOT_THERE.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
