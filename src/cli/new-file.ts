// A file for what only its owner may read. It is made before the work begins, so that nothing is asked of a person in
// vain and no other file is overwritten.

import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { whyUnmade } from '../facility/file-errors.ts';
import { UsageError } from './terminal.ts';

export type NewFile = { keep(content: Buffer): void; discard(): void };

/** Throws a UsageError when it is there already, or cannot be made. */
export function writeNewFile(path: string): NewFile {
  let handle: number;
  try {
    handle = openSync(path, 'wx', 0o600);
  } catch (error) {
    throw new UsageError(`${path} cannot be made: ${whyUnmade(error)}`);
  }
  return {
    keep(content) {
      writeSync(handle, content);
      closeSync(handle);
    },
    discard() {
      closeSync(handle);
      unlinkSync(path);
    },
  };
}
