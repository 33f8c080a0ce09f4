// The entrances of the facility file as the database knows them: an id, a name and a small key to join by.

import type { Db } from './db.ts';

export type EntranceRow = { entrance_key: number; acs_entrance_id: string; name: string };

export class EntranceTable {
  readonly #upsert;
  readonly #byId;
  readonly #byKey;

  constructor(db: Db) {
    this.#upsert = db.prepare<[string, string], { entrance_key: number }>(
      'INSERT INTO entrances (acs_entrance_id, name) VALUES (?, ?) ON CONFLICT (acs_entrance_id) DO UPDATE SET name = excluded.name RETURNING entrance_key',
    );
    this.#byId = db.prepare<[string], EntranceRow>('SELECT * FROM entrances WHERE acs_entrance_id = ?');
    this.#byKey = db.prepare<[number], EntranceRow>('SELECT * FROM entrances WHERE entrance_key = ?');
  }

  /** Makes the entrance known, or renames it; returns its key. */
  declare(acsEntranceId: string, name: string): number {
    const key = this.#upsert.get(acsEntranceId, name)?.entrance_key;
    if (key === undefined) throw new Error('an upsert returns its row');
    return key;
  }

  byId(acsEntranceId: string): EntranceRow | undefined {
    return this.#byId.get(acsEntranceId);
  }

  byKey(entranceKey: number): EntranceRow | undefined {
    return this.#byKey.get(entranceKey);
  }
}
