// Wrong codes in a row, by name (a reader, or a card waiting for its code).

import type { Db } from './open.ts';

export type LockoutRow = {
  name: string;
  failed: number;
  first_failed_at: number;
  locked_until: number | null;
  level: number;
};

export class Lockouts {
  readonly #get;
  readonly #put;
  readonly #delete;

  constructor(db: Db) {
    this.#get = db.prepare<[string], LockoutRow>('SELECT * FROM lockouts WHERE name = ?');
    this.#put = db.prepare<[LockoutRow]>(
      'INSERT OR REPLACE INTO lockouts VALUES (:name, :failed, :first_failed_at, :locked_until, :level)',
    );
    this.#delete = db.prepare<[string]>('DELETE FROM lockouts WHERE name = ?');
  }

  get(name: string): LockoutRow | undefined {
    return this.#get.get(name);
  }

  put(row: LockoutRow): void {
    this.#put.run(row);
  }

  clear(name: string): void {
    this.#delete.run(name);
  }
}
