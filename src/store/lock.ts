// One process for one database: two of them would write the same slots and drive the same doors. The lock is SQLite's
// own, on a file beside the database, so that the kernel lets go of it when its holder dies, however it dies.

import Database from 'better-sqlite3';
import { dirname } from 'node:path';
import { OperatingError } from '../domain/errors.ts';
import { isHeld } from './disk-errors.ts';
import { makeFolders } from './folders.ts';

export type Hold = { release(): void };

/**
 * Held until released or until this process ends. Throws `not_permitted` when another process holds it; null when the
 * folder lets nobody hold anything.
 */
export function holdDatabase(path: string): Hold | null {
  let db: Database.Database | null = null;
  try {
    makeFolders(dirname(path));
    db = new Database(`${path}.lock`, { timeout: 0 });
    db.exec('BEGIN EXCLUSIVE');
    const held = db;
    return { release: () => void held.close() };
  } catch (error) {
    db?.close();
    if (isHeld(error))
      throw new OperatingError(
        'not_permitted',
        `another lintel serves the database ${path}. Remedy: stop it first; two would drive the same doors`,
      );
    // What is wrong with the folder is said, with its remedy, when the database itself is opened.
    return null;
  }
}
