// The files of an open database, watched from below: SQLite goes on writing into a file that somebody deleted, renamed
// or hid behind a mount, and what is acknowledged from then on would be gone with the process. So before anything is
// called durable it is looked whether the files are still the ones that are open.

import { statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Clock } from '../domain/ports.ts';
import type { Db } from './db.ts';

/** What is missing: the database itself, or what belongs to it and can be made anew. */
export type Missing = { database: boolean; files: readonly string[] };

/** Within so short a time of a look nothing new is expected: a look costs as much as a tenth of a flush. */
const FRESH_MS = 20;

export class HeldFiles {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #folder: string | null;
  #database: string | null = null;
  #companions: readonly (readonly [string, string | null])[] = [];
  #lookedMs = -Infinity;

  /** Of a database that is open and has been written to. */
  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
    this.#folder = identityOf(dirname(path));
    this.hold();
  }

  /** The files that stand there now are ours. */
  hold(): void {
    this.#database = identityOf(this.#path);
    this.#companions = ['-wal', '-shm'].map((suffix) => [suffix, identityOf(this.#path + suffix)] as const);
  }

  /** Null while all is in its place, or where it was looked a moment ago. */
  look(isUrgent: boolean): Missing | null {
    const now = this.#clock.monotonicMs();
    if (!isUrgent && now - this.#lookedMs < FRESH_MS) return null;
    this.#lookedMs = now;
    if (identityOf(this.#path) !== this.#database) return { database: true, files: [basename(this.#path)] };
    const gone = this.#companions.filter(([suffix, held]) => held !== null && identityOf(this.#path + suffix) !== held);
    if (gone.length === 0) return null;
    this.#lookedMs = -Infinity;
    return { database: false, files: gone.map(([suffix]) => basename(this.#path) + suffix) };
  }

  /** Whether a copy put beside the database would stand where people look for it. */
  get isFolderThere(): boolean {
    return this.#folder !== null && identityOf(dirname(this.#path)) === this.#folder;
  }
}

/** Which file a path leads to; null: to none that we can see. */
function identityOf(path: string): string | null {
  try {
    const { dev, ino } = statSync(path);
    return `${dev}:${ino}`;
  } catch {
    return null;
  }
}

/**
 * Brings everything into the database file, which is in its place, and makes the files beside it anew. True when all
 * that was committed is in the database file; the files themselves may have to wait until nobody else reads.
 */
export function renewCompanions(db: Db): boolean {
  const timeout = Number(db.pragma('busy_timeout', { simple: true }));
  // The doors wait for this loop: what is in use now is tried again at the next look.
  db.pragma('busy_timeout = 0');
  try {
    try {
      db.pragma('locking_mode = NORMAL');
      db.pragma('journal_mode = DELETE');
      db.pragma('journal_mode = WAL');
      db.pragma('synchronous = FULL');
      db.pragma(`user_version = ${Number(db.pragma('user_version', { simple: true }))}`);
      return true;
    } catch {
      const [row] = db.pragma('wal_checkpoint(FULL)') as { busy: number; log: number; checkpointed: number }[];
      return row !== undefined && row.busy === 0 && row.log === row.checkpointed;
    }
  } finally {
    db.pragma(`busy_timeout = ${timeout}`);
  }
}
