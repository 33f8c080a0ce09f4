// What wrong codes have cost, by place: a reader, an entrance, a card, the facility, a way of asking. No instant stands
// in a row: a clock that is set must neither end a lock nor prolong it, and nobody knows how long a process was away.

import type { Db } from './db.ts';

export type GuessRow = {
  name: string;
  /** Of the day's budget. */
  spent: number;
  /** In the window that is open. */
  failed: number;
  /** How often it has been locked in a row. */
  level: number;
  /** What was left of its lock, ms; 0: it was open. */
  lock_ms: number;
};

export class Guesses {
  readonly #all;
  readonly #put;
  readonly #delete;

  constructor(db: Db) {
    this.#all = db.prepare<[], GuessRow>('SELECT * FROM guesses');
    this.#put = db.prepare<[GuessRow]>(
      'INSERT OR REPLACE INTO guesses VALUES (:name, :spent, :failed, :level, :lock_ms)',
    );
    this.#delete = db.prepare<[string]>('DELETE FROM guesses WHERE name = ?');
  }

  all(): GuessRow[] {
    return this.#all.all();
  }

  put(row: GuessRow): void {
    this.#put.run(row);
  }

  delete(name: string): void {
    this.#delete.run(name);
  }
}
