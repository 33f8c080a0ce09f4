// What happens to a database file from outside: pages overwritten by another process, as a failing card or a careless
// hand does it.

import Database from 'better-sqlite3';
import { spawnSync } from 'node:child_process';

export type Place = { name: string; page: number };

/** Every table and index, with the page that its tree begins at. */
export function placesOf(path: string): Place[] {
  const db = new Database(path);
  const places = db
    .prepare<[], Place>('SELECT name, rootpage AS page FROM sqlite_schema WHERE rootpage > 0 ORDER BY rootpage')
    .all();
  db.close();
  return places;
}

/** Empties the -wal file into the database, and makes whoever has it open forget the pages that it knows by heart. */
export function settle(path: string): void {
  const db = new Database(path);
  db.exec(`INSERT INTO meta (key, value) VALUES ('settled', 1) ON CONFLICT (key) DO UPDATE SET value = value + 1`);
  db.pragma('wal_checkpoint(TRUNCATE)');
  db.close();
}

/**
 * Noise instead of `bytes` at `offset`. In another process: closing the file in this one would give up the locks of
 * SQLite.
 */
export function overwrite(path: string, offset: number, bytes: number): void {
  const done = spawnSync(
    'dd',
    ['if=/dev/urandom', `of=${path}`, 'bs=512', `seek=${offset / 512}`, `count=${bytes / 512}`, 'conv=notrunc'],
    { stdio: 'ignore' },
  );
  if (done.status !== 0) throw new Error('dd could not write');
}

export const PAGE_BYTES = 4096;
