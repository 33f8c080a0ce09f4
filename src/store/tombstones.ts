// Ids that were deleted: never used again, whatever arrives late.

import type { Db } from './db.ts';

export type TombstoneKind =
  'credential' | 'user' | 'schedule' | 'holiday' | 'access_group' | 'access_grant' | 'access_method' | 'space';

export class Tombstones {
  readonly #has;
  readonly #add;

  constructor(db: Db) {
    this.#has = db.prepare<[string, string], { found: number }>(
      'SELECT 1 AS found FROM tombstones WHERE kind = ? AND id = ?',
    );
    this.#add = db.prepare<[string, string, number]>(
      'INSERT OR IGNORE INTO tombstones (kind, id, deleted_at) VALUES (?, ?, ?)',
    );
  }

  has(kind: TombstoneKind, id: string): boolean {
    return this.#has.get(kind, id) !== undefined;
  }

  add(kind: TombstoneKind, id: string, nowMs: number): void {
    this.#add.run(kind, id, nowMs);
  }
}
