// Ids that were deleted: never used again, whatever arrives late.

import type { Db } from './db.ts';

/** The last three: keys that their manager took back (issued-keys.ts). */
export type TombstoneKind =
  | 'credential'
  | 'user'
  | 'biometric'
  | 'schedule'
  | 'holiday'
  | 'access_group'
  | 'access_grant'
  | 'access_method'
  | 'space'
  | 'token'
  | 'token_key'
  | 'tokens_before';

export class Tombstones {
  readonly #has;
  readonly #add;
  readonly #latest;
  readonly #startingWith;
  readonly #forget;
  readonly #removedAt;

  constructor(db: Db) {
    this.#has = db.prepare<[string, string], { found: number }>(
      'SELECT 1 AS found FROM tombstones WHERE kind = ? AND id = ?',
    );
    this.#add = db.prepare<[string, string, number, 0 | 1]>(
      'INSERT OR IGNORE INTO tombstones (kind, id, deleted_at, is_ended) VALUES (?, ?, ?, ?)',
    );
    this.#removedAt = db
      .prepare<[string, string], number>('SELECT deleted_at FROM tombstones WHERE kind = ? AND id = ? AND is_ended = 1')
      .pluck();
    this.#latest = db
      .prepare<[string, string, string], string | null>(
        'SELECT max(id) FROM tombstones WHERE kind = ? AND id >= ? AND id < ?',
      )
      .pluck();
    this.#startingWith = db.prepare<[string, string, string], { id: string; deleted_at: number }>(
      'SELECT id, deleted_at FROM tombstones WHERE kind = ? AND id >= ? AND id < ?',
    );
    this.#forget = db.prepare<[string, string]>('DELETE FROM tombstones WHERE kind = ? AND id = ?');
  }

  has(kind: TombstoneKind, id: string): boolean {
    return this.#has.get(kind, id) !== undefined;
  }

  /** `ended`: nobody deleted it; it was over long ago. */
  add(kind: TombstoneKind, id: string, nowMs: number, why: 'deleted' | 'ended' = 'deleted'): void {
    this.#add.run(kind, id, nowMs, why === 'ended' ? 1 : 0);
  }

  /** When it was removed because it had ended long ago; null: it was not. */
  endedRemovedAt(kind: TombstoneKind, id: string): number | null {
    return this.#removedAt.get(kind, id) ?? null;
  }

  /** The last in order of those that begin so; null: there is none. */
  latest(kind: TombstoneKind, prefix: string): string | null {
    return this.#latest.get(kind, prefix, `${prefix}\uffff`) ?? null;
  }

  startingWith(kind: TombstoneKind, prefix: string): { id: string; deleted_at: number }[] {
    return this.#startingWith.all(kind, prefix, `${prefix}\uffff`);
  }

  /** Only where nothing that it names can come any more. */
  forget(kind: TombstoneKind, id: string): void {
    this.#forget.run(kind, id);
  }
}
