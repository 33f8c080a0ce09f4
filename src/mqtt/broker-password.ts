// The password of the built-in broker: made once, kept beside the database, and laid out for the members of the group
// where the control socket is.

import { chmodSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export const BROKER_USER = 'lintel';
const NAME = 'broker-password';
const LEAST_CHARACTERS = 16;

/** The one that is kept beside the database, or a new one by `make`, which is kept from now on. */
export function brokerPassword(databasePath: string, make: () => string): string {
  const file = join(dirname(databasePath), NAME);
  const kept = readKept(file);
  if (kept !== null) return kept;
  const made = make();
  writeWhole(file, made, 0o600);
  return made;
}

/** Lays it out in a folder that only the group enters; returns where. */
export function layOut(folder: string, password: string): string {
  const file = join(folder, NAME);
  writeWhole(file, password, 0o640);
  return file;
}

function readKept(file: string): string | null {
  try {
    const text = readFileSync(file, 'utf8').trim();
    return text.length >= LEAST_CHARACTERS ? text : null;
  } catch {
    return null;
  }
}

/** Never half a file, and never for a moment readable by more than it should be. */
function writeWhole(file: string, text: string, mode: number): void {
  const beside = `${file}.new`;
  writeFileSync(beside, `${text}\n`, { mode: 0o600 });
  chmodSync(beside, mode);
  renameSync(beside, file);
}
