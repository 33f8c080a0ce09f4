// Slots of a controller that hold what is not ours: when each was first seen, what it held when it was seen last, and
// whether somebody has asked for it to be emptied.

import type { Db } from './db.ts';

export class ForeignSlots {
  readonly #of;
  readonly #count;
  readonly #at;
  readonly #add;
  readonly #remove;
  readonly #unwanted;
  readonly #unwant;

  constructor(db: Db) {
    this.#of = db.prepare<[string, number], { slot: number; first_seen_at: number }>(
      'SELECT slot, first_seen_at FROM foreign_slots WHERE controller = ? ORDER BY slot LIMIT ?',
    );
    this.#count = db.prepare<[string], { count: number }>(
      'SELECT count(*) AS count FROM foreign_slots WHERE controller = ?',
    );
    this.#at = db.prepare<[string, number], { slot: number }>(
      'SELECT slot FROM foreign_slots WHERE controller = ? AND slot = ?',
    );
    this.#add = db.prepare<[string, number, Buffer, number]>(
      `INSERT INTO foreign_slots (controller, slot, read_hash, first_seen_at) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET
         is_unwanted = CASE WHEN read_hash = excluded.read_hash THEN is_unwanted ELSE 0 END, read_hash = excluded.read_hash`,
    );
    this.#unwanted = db.prepare<[string], { slot: number; read_hash: Buffer }>(
      'SELECT slot, read_hash FROM foreign_slots WHERE controller = ? AND is_unwanted = 1 ORDER BY slot',
    );
    this.#unwant = db.prepare<[string, number]>(
      'UPDATE foreign_slots SET is_unwanted = 1 WHERE controller = ? AND slot = ?',
    );
    this.#remove = db.prepare<[string, number]>('DELETE FROM foreign_slots WHERE controller = ? AND slot = ?');
  }

  /** Those of a controller, at most `limit` of them, the lowest first. */
  of(controller: string, limit = Number.MAX_SAFE_INTEGER): { slot: number; first_seen_at: number }[] {
    return this.#of.all(controller, limit);
  }

  count(controller: string): number {
    return this.#count.get(controller)?.count ?? 0;
  }

  has(controller: string, slot: number): boolean {
    return this.#at.get(controller, slot) !== undefined;
  }

  note(controller: string, slot: number, readHash: Buffer, nowMs: number): void {
    this.#add.run(controller, slot, readHash, nowMs);
  }

  forget(controller: string, slot: number): void {
    this.#remove.run(controller, slot);
  }

  /** Foreign slots that somebody has asked to be emptied, with the keyed hash of what they held then. */
  unwanted(controller: string): { slot: number; read_hash: Buffer }[] {
    return this.#unwanted.all(controller);
  }

  unwant(controller: string, slot: number): void {
    this.#unwant.run(controller, slot);
  }
}
