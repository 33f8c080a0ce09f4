// Spaces: entrances that have a name together. Nothing opens by them: a grant that names one opens what it holds then.

import type { Db } from './db.ts';

export type SpaceRow = {
  space_key: number;
  space_id: string;
  name: string;
  metadata: string | null;
  created_at: number;
};
export type NewSpace = Omit<SpaceRow, 'space_key'>;

export class Spaces {
  readonly #byId;
  readonly #insert;
  readonly #update;
  readonly #delete;
  readonly #list;
  readonly #entrances;
  readonly #add;
  readonly #remove;

  constructor(db: Db) {
    this.#byId = db.prepare<[string], SpaceRow>('SELECT * FROM spaces WHERE space_id = ?');
    this.#insert = db.prepare<[NewSpace]>(
      'INSERT INTO spaces (space_id, name, metadata, created_at) VALUES (:space_id, :name, :metadata, :created_at)',
    );
    this.#update = db.prepare<[SpaceRow]>(
      'UPDATE spaces SET name = :name, metadata = :metadata WHERE space_key = :space_key',
    );
    this.#delete = db.prepare<[number]>('DELETE FROM spaces WHERE space_key = ?');
    this.#list = db.prepare<[{ after: number; search: string | null; limit: number }], SpaceRow>(
      `SELECT * FROM spaces WHERE space_key > :after AND (:search IS NULL OR instr(fold(name), :search) OR space_id = :search)
       ORDER BY space_key LIMIT :limit`,
    );
    this.#entrances = db
      .prepare<[number], number>('SELECT entrance_key FROM space_entrances WHERE space_key = ? ORDER BY entrance_key')
      .pluck();
    this.#add = db.prepare<[number, number]>(
      'INSERT OR IGNORE INTO space_entrances (space_key, entrance_key) VALUES (?, ?)',
    );
    this.#remove = db.prepare<[number, number]>('DELETE FROM space_entrances WHERE space_key = ? AND entrance_key = ?');
  }

  byId(spaceId: string): SpaceRow | undefined {
    return this.#byId.get(spaceId);
  }

  insert(space: NewSpace): number {
    return Number(this.#insert.run(space).lastInsertRowid);
  }

  update(space: SpaceRow): void {
    this.#update.run(space);
  }

  delete(spaceKey: number): void {
    this.#delete.run(spaceKey);
  }

  list(filter: { after: number; search: string | null; limit: number }): SpaceRow[] {
    return this.#list.all(filter);
  }

  entrances(spaceKey: number): number[] {
    return this.#entrances.all(spaceKey);
  }

  /** How many it did not hold before. */
  add(spaceKey: number, entranceKeys: readonly number[]): number {
    return entranceKeys.reduce((count, key) => count + this.#add.run(spaceKey, key).changes, 0);
  }

  /** How many it held before. */
  remove(spaceKey: number, entranceKeys: readonly number[]): number {
    return entranceKeys.reduce((count, key) => count + this.#remove.run(spaceKey, key).changes, 0);
  }
}
