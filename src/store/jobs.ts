// When each job last completed its period, so that a start or a wake runs once what is due.

import type { Db } from './db.ts';

export class Jobs {
  readonly #get;
  readonly #set;

  constructor(db: Db) {
    this.#get = db.prepare<[string], { completed_at: number }>('SELECT completed_at FROM jobs WHERE name = ?');
    this.#set = db.prepare<[string, number]>(
      'INSERT INTO jobs (name, completed_at) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET completed_at = excluded.completed_at',
    );
  }

  completedAtMs(name: string): number | null {
    return this.#get.get(name)?.completed_at ?? null;
  }

  complete(name: string, atMs: number): void {
    this.#set.run(name, atMs);
  }
}
