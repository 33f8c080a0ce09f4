// Saving what is still open: a database whose file was deleted or replaced lives on until its last holder lets go of
// it, and what was acknowledged meanwhile with it.

import { rmSync, writeFileSync } from 'node:fs';
import type { Db } from './db.ts';
import { putInPlace } from './durable.ts';
import { backupTarget, OURS_ALONE } from './open.ts';

/** Pages copied in one turn of the loop. */
const PAGES = 64;

/** A copy in `backups/`, made between the turns of the loop; returns its path. Rejects when there is no room for it. */
export async function rescue(db: Db, path: string, nowMs: number): Promise<string> {
  // Also empties the -wal file, which may stand beside another database by now, where it would be taken for that one's.
  db.pragma('wal_checkpoint(TRUNCATE)');
  const target = backupTarget(path, 'rescued', nowMs);
  const unfinished = `${target}.part`;
  rmSync(unfinished, { force: true });
  writeFileSync(unfinished, '', { flag: 'wx', mode: OURS_ALONE });
  try {
    await db.backup(unfinished, { progress: () => PAGES });
    putInPlace(unfinished, target);
    return target;
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error;
  }
}
