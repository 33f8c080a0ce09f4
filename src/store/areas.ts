// Who is in which area, as rows: kept over restarts, and asked at each card. Who was let through and was not seen to go
// stands beside them.

import type { OccupantState } from '../domain/areas.ts';
import type { Db } from './db.ts';

/** `full_name`: as it is now, or, of somebody who was deleted, as it was. `seen_at`: let through last, and where. */
export type OccupantRow = {
  occupant_key: number;
  area: string;
  acs_user_id: string;
  full_name: string | null;
  state: OccupantState;
  entered_at: number;
  seen_at: number;
  acs_entrance_id: string;
  reader: string;
};
export type Stand = Pick<OccupantRow, 'state' | 'entered_at'>;
export type PassageRow = { acs_entrance_id: string; acs_user_id: string; reader: string; granted_at: number };
export type AreaCounts = { inside: number; unknown: number };
type Seen = { acs_user_id: string; atMs: number; acs_entrance_id: string; reader: string };

const IS_LISTED = `state <> 'outside'`;

export class AreaTable {
  readonly #stand;
  readonly #counts;
  readonly #list;
  readonly #ofUser;
  readonly #enter;
  readonly #leave;
  readonly #suspect;
  readonly #doubt;
  readonly #seen;
  readonly #forgiveOne;
  readonly #forgiveAll;
  readonly #forgetOutside;
  readonly #empty;
  readonly #takeOff;
  readonly #eraseName;
  readonly #named;
  readonly #passages;
  readonly #allPassages;
  readonly #passagesOf;
  readonly #putPassage;
  readonly #endPassages;

  constructor(db: Db) {
    this.#stand = db.prepare<[string, string], Stand>(
      'SELECT state, entered_at FROM area_occupants WHERE area = ? AND acs_user_id = ?',
    );
    this.#counts = db.prepare<[string], AreaCounts>('SELECT inside, unknown FROM area_counts WHERE area = ?');
    this.#list = db.prepare<[{ area: string | null; after: number; limit: number }], OccupantRow>(
      `SELECT o.occupant_key, o.area, o.acs_user_id, coalesce(u.full_name, o.full_name) AS full_name, o.state, o.entered_at, o.seen_at, o.acs_entrance_id, o.reader
       FROM area_occupants o LEFT JOIN users u USING (acs_user_id)
       WHERE (:area IS NULL OR o.area = :area) AND o.occupant_key > :after AND o.${IS_LISTED} ORDER BY o.occupant_key LIMIT :limit`,
    );
    this.#ofUser = db.prepare<[string], Pick<OccupantRow, 'area' | 'state'>>(
      'SELECT area, state FROM area_occupants WHERE acs_user_id = ? ORDER BY area',
    );
    const row = `(area, acs_user_id, full_name, state, entered_at, seen_at, acs_entrance_id, reader)
      VALUES (:area, :acs_user_id, (SELECT full_name FROM users WHERE acs_user_id = :acs_user_id), `;
    this.#enter = db.prepare<[Seen & { area: string }]>(
      `INSERT INTO area_occupants ${row} 'inside', :atMs, :atMs, :acs_entrance_id, :reader)
       ON CONFLICT (area, acs_user_id) DO UPDATE SET full_name = excluded.full_name, state = 'inside', entered_at = excluded.entered_at,
         seen_at = excluded.seen_at, acs_entrance_id = excluded.acs_entrance_id, reader = excluded.reader`,
    );
    this.#suspect = db.prepare<[Seen & { area: string }]>(
      `INSERT INTO area_occupants ${row} 'unknown', :atMs, :atMs, :acs_entrance_id, :reader)
       ON CONFLICT (area, acs_user_id) DO UPDATE SET full_name = excluded.full_name, state = 'unknown', entered_at = excluded.entered_at,
         seen_at = excluded.seen_at, acs_entrance_id = excluded.acs_entrance_id, reader = excluded.reader WHERE state = 'outside'`,
    );
    this.#leave = db.prepare<[Seen & { area: string }]>(
      `INSERT INTO area_occupants (area, acs_user_id, full_name, state, entered_at, seen_at, acs_entrance_id, reader)
       VALUES (:area, :acs_user_id, NULL, 'outside', :atMs, :atMs, :acs_entrance_id, :reader)
       ON CONFLICT (area, acs_user_id) DO UPDATE SET full_name = NULL, state = 'outside',
         seen_at = excluded.seen_at, acs_entrance_id = excluded.acs_entrance_id, reader = excluded.reader`,
    );
    this.#doubt = db.prepare<[string]>(
      `UPDATE area_occupants SET state = 'unsure' WHERE area = ? AND state = 'inside'`,
    );
    this.#seen = db.prepare<[Seen]>(
      `UPDATE area_occupants SET seen_at = :atMs, acs_entrance_id = :acs_entrance_id, reader = :reader WHERE acs_user_id = :acs_user_id AND ${IS_LISTED}`,
    );
    this.#forgiveOne = db.prepare<[string, string]>(
      `UPDATE area_occupants SET state = 'unknown' WHERE area = ? AND acs_user_id = ? AND (state = 'inside' OR state = 'unsure')`,
    );
    this.#forgiveAll = db.prepare<[string]>(
      `UPDATE area_occupants SET state = 'unknown' WHERE area = ? AND (state = 'inside' OR state = 'unsure')`,
    );
    this.#forgetOutside = db.prepare<[{ area: string; acs_user_id: string | null }]>(
      `DELETE FROM area_occupants WHERE area = :area AND state = 'outside' AND (:acs_user_id IS NULL OR acs_user_id = :acs_user_id)`,
    );
    this.#empty = db.prepare<[string]>('DELETE FROM area_occupants WHERE area = ?');
    this.#takeOff = db.prepare<[string, string]>('DELETE FROM area_occupants WHERE area = ? AND acs_user_id = ?');
    this.#eraseName = db.prepare<[string]>(
      'UPDATE area_occupants SET full_name = NULL WHERE acs_user_id = ? AND full_name IS NOT NULL',
    );
    this.#named = db.prepare<[], string>('SELECT DISTINCT area FROM area_counts').pluck();
    this.#passages = db.prepare<[string], PassageRow>(
      'SELECT * FROM area_passages WHERE acs_entrance_id = ? ORDER BY granted_at, acs_user_id',
    );
    this.#allPassages = db.prepare<[], PassageRow>('SELECT * FROM area_passages');
    this.#passagesOf = db.prepare<[string], PassageRow>('SELECT * FROM area_passages WHERE acs_user_id = ?');
    this.#putPassage = db.prepare<[PassageRow]>(
      'INSERT OR REPLACE INTO area_passages VALUES (:acs_entrance_id, :acs_user_id, :reader, :granted_at)',
    );
    this.#endPassages = db.prepare<[string]>('DELETE FROM area_passages WHERE acs_entrance_id = ?');
  }

  // ---- who is where -------------------------------------------------------------------------------------------------

  /** Undefined: never seen there. */
  stand(area: string, acsUserId: string): Stand | undefined {
    return this.#stand.get(area, acsUserId);
  }

  counts(area: string): AreaCounts {
    return this.#counts.get(area) ?? { inside: 0, unknown: 0 };
  }

  /** Without those who have left. `area` null: of all. */
  list(filter: { area: string | null; after: number; limit: number }): OccupantRow[] {
    return this.#list.all(filter);
  }

  ofUser(acsUserId: string): Pick<OccupantRow, 'area' | 'state'>[] {
    return this.#ofUser.all(acsUserId);
  }

  /** Areas that people were ever seen in. */
  /** Whoever is inside stays listed, by the id alone; returns in how many areas. */
  eraseName(acsUserId: string): number {
    return this.#eraseName.run(acsUserId).changes;
  }

  named(): string[] {
    return this.#named.all();
  }

  // ---- what changes it, inside a transaction ------------------------------------------------------------------------

  enter(area: string, seen: Seen): void {
    this.#enter.run({ area, ...seen });
  }

  leave(area: string, seen: Seen): void {
    this.#leave.run({ area, ...seen });
  }

  /** May be inside: nobody saw whether this person went. */
  suspect(area: string, seen: Seen): void {
    this.#suspect.run({ area, ...seen });
  }

  /** Whoever is inside may have left unseen. */
  doubt(area: string): number {
    return this.#doubt.run(area).changes;
  }

  /** Let through somewhere. */
  seen(seen: Seen): void {
    this.#seen.run(seen);
  }

  /** Nobody knows any more where they are: what they do next is right. `acsUserId` null: everybody. */
  forgive(area: string, acsUserId: string | null): number {
    this.#forgetOutside.run({ area, acs_user_id: acsUserId });
    return (acsUserId === null ? this.#forgiveAll.run(area) : this.#forgiveOne.run(area, acsUserId)).changes;
  }

  /** Nobody is there. */
  empty(area: string): void {
    this.#empty.run(area);
  }

  takeOff(area: string, acsUserId: string): void {
    this.#takeOff.run(area, acsUserId);
  }

  // ---- on the way through -------------------------------------------------------------------------------------------

  passages(acsEntranceId: string): PassageRow[] {
    return this.#passages.all(acsEntranceId);
  }

  /** All, of all doors: a few at most. */
  allPassages(): PassageRow[] {
    return this.#allPassages.all();
  }

  passagesOf(acsUserId: string): PassageRow[] {
    return this.#passagesOf.all(acsUserId);
  }

  putPassage(passage: PassageRow): void {
    this.#putPassage.run(passage);
  }

  endPassages(acsEntranceId: string): void {
    this.#endPassages.run(acsEntranceId);
  }
}
