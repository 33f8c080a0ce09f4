// Single values that outlive a restart: cursors, the clock's floor, the revision.

import type { Db } from './db.ts';

export class Meta {
  readonly #get;
  readonly #set;
  readonly #delete;

  constructor(db: Db) {
    this.#get = db.prepare<[string], { value: unknown }>('SELECT value FROM meta WHERE key = ?');
    this.#set = db.prepare<[string, unknown]>(
      'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    );
    this.#delete = db.prepare<[string]>('DELETE FROM meta WHERE key = ?');
  }

  number(key: string): number | null {
    const value = this.#get.get(key)?.value;
    return typeof value === 'number' ? value : null;
  }

  text(key: string): string | null {
    const value = this.#get.get(key)?.value;
    return typeof value === 'string' ? value : null;
  }

  set(key: string, value: number | string): void {
    this.#set.run(key, value);
  }

  delete(key: string): void {
    this.#delete.run(key);
  }

  /** Adds one inside a transaction and returns the new value. */
  increment(key: string): number {
    const next = (this.number(key) ?? 0) + 1;
    this.set(key, next);
    return next;
  }
}
