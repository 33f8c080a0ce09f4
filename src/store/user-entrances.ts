// What a person may open beside the groups: said of one person and one entrance, with a window and a schedule of its own.
// A kind of path (reach.ts): every credential of the person without a list opens it.

import type { Db } from './db.ts';
import { accessLine, type Digest } from './digest.ts';
import { sealedColumns } from './seal.ts';
import { scheduleOfPath, type JoinedSchedule, type PathTo, type StoredPath } from './stored-path.ts';

export type Terms = { starts_at: number | null; ends_at: number | null; schedule_key: number | null };
type Entrance = { entranceKey: number; acsEntranceId: string };
type Person = { user_key: number; acs_user_id: string };

/** Of what was said of a person and an entrance alone. */
export const NO_GRANT = 0;

type PathRow = JoinedSchedule &
  Terms & {
    user_key: number;
    entrance_key: number;
    grant_key: number;
    acs_entrance_id: string | null;
    seal: Buffer | null;
    acs_user_id: string;
    access_grant_id: string | null;
    grant_name: string | null;
  };

const PATHS = `SELECT ue.user_key, ue.entrance_key, ue.grant_key, ue.starts_at, ue.ends_at, ue.schedule_key, ue.seal, e.acs_entrance_id, u.acs_user_id, g.access_grant_id, g.name AS grant_name,
    s.schedule_id, s.name AS schedule_name, s.content AS schedule, s.seal AS schedule_seal
  FROM user_entrances ue JOIN users u ON u.user_key = ue.user_key LEFT JOIN entrances e ON e.entrance_key = ue.entrance_key
    LEFT JOIN schedules s ON s.schedule_key = ue.schedule_key LEFT JOIN access_grants g ON g.grant_key = ue.grant_key`;

export class UserEntrances {
  readonly #digest: Digest;
  readonly #get;
  readonly #set;
  readonly #delete;
  readonly #ofUser;
  readonly #pathsAt;
  readonly #pathsOf;
  readonly #entrancesOf;
  readonly #atEntrance;
  readonly #scheduleIdOf;

  constructor(db: Db, digest: Digest) {
    this.#digest = digest;
    this.#get = db.prepare<[number, number, number], Terms>(
      'SELECT starts_at, ends_at, schedule_key FROM user_entrances WHERE user_key = ? AND entrance_key = ? AND grant_key = ?',
    );
    this.#set = db.prepare<
      [Terms & { user_key: number; entrance_key: number; grant_key: number; acs_entrance_id: string }]
    >(
      `INSERT INTO user_entrances (user_key, entrance_key, grant_key, acs_entrance_id, starts_at, ends_at, schedule_key)
       VALUES (:user_key, :entrance_key, :grant_key, :acs_entrance_id, :starts_at, :ends_at, :schedule_key)
       ON CONFLICT DO UPDATE SET starts_at = excluded.starts_at, ends_at = excluded.ends_at, schedule_key = excluded.schedule_key`,
    );
    this.#delete = db.prepare<[number, number, number]>(
      'DELETE FROM user_entrances WHERE user_key = ? AND entrance_key = ? AND grant_key = ?',
    );
    this.#ofUser = db.prepare<[number, number], { entrance_key: number; acs_entrance_id: string }>(
      'SELECT entrance_key, acs_entrance_id FROM user_entrances WHERE user_key = ? AND grant_key = ? ORDER BY entrance_key',
    );
    this.#pathsAt = db.prepare<[number, number], PathRow>(`${PATHS} WHERE ue.user_key = ? AND ue.entrance_key = ?`);
    this.#pathsOf = db.prepare<[number], PathRow>(
      `${PATHS} WHERE ue.user_key = ? ORDER BY ue.entrance_key, ue.grant_key`,
    );
    this.#entrancesOf = db
      .prepare<[number], number>('SELECT DISTINCT entrance_key FROM user_entrances WHERE user_key = ?')
      .pluck();
    this.#atEntrance = db.prepare<[number], { one: 1 }>(
      'SELECT 1 AS one FROM user_entrances WHERE entrance_key = ? LIMIT 1',
    );
    this.#scheduleIdOf = db
      .prepare<[number], string>('SELECT schedule_id FROM schedules WHERE schedule_key = ?')
      .pluck();
  }

  /** Undefined: nothing of the kind is said. */
  get(userKey: number, entranceKey: number): Terms | undefined {
    return this.#get.get(userKey, entranceKey, NO_GRANT);
  }

  /** Replaces what was said of the two. */
  set(person: Person, entrance: Entrance, terms: Terms): void {
    const before = this.#lineOf(person, entrance);
    this.#set.run({
      ...terms,
      user_key: person.user_key,
      entrance_key: entrance.entranceKey,
      grant_key: NO_GRANT,
      acs_entrance_id: entrance.acsEntranceId,
    });
    this.#digest.replace(before, this.#lineOf(person, entrance));
  }

  delete(person: Person, entrance: Entrance): boolean {
    const before = this.#lineOf(person, entrance);
    if (this.#delete.run(person.user_key, entrance.entranceKey, NO_GRANT).changes === 0) return false;
    this.#digest.replace(before, null);
    return true;
  }

  /** As `set`, of a grant; its digest is that of the grant. */
  setOfGrant(grantKey: number, userKey: number, { entranceKey, acsEntranceId }: Entrance, terms: Terms): void {
    const key = { user_key: userKey, entrance_key: entranceKey, grant_key: grantKey };
    this.#set.run({ ...terms, ...key, acs_entrance_id: acsEntranceId });
  }

  deleteOfGrant(grantKey: number, userKey: number, entranceKey: number): void {
    this.#delete.run(userKey, entranceKey, grantKey);
  }

  /** What was said of a person and an entrance alone, or, of a grant, what it opens. */
  said(userKey: number, grantKey = NO_GRANT): Entrance[] {
    return this.#ofUser
      .all(userKey, grantKey)
      .map(({ entrance_key: entranceKey, acs_entrance_id: acsEntranceId }) => ({ entranceKey, acsEntranceId }));
  }

  /** Whether anybody may open it. */
  isOpenedByAny(entranceKey: number): boolean {
    return this.#atEntrance.get(entranceKey) !== undefined;
  }

  // ---- as paths -----------------------------------------------------------------------------------------------------

  at(userKey: number, entranceKey: number): StoredPath[] {
    return this.#pathsAt.all(userKey, entranceKey).map(pathOf);
  }

  of(userKey: number): PathTo[] {
    return this.#pathsOf.all(userKey).map((row) => ({ entranceKey: row.entrance_key, path: pathOf(row) }));
  }

  entrancesOf(userKey: number): number[] {
    return this.#entrancesOf.all(userKey);
  }

  #lineOf({ user_key, acs_user_id }: Person, { entranceKey, acsEntranceId }: Entrance): string | null {
    const terms = this.get(user_key, entranceKey);
    if (terms === undefined) return null;
    const schedule_id = terms.schedule_key === null ? null : (this.#scheduleIdOf.get(terms.schedule_key) ?? null);
    return accessLine({ ...terms, acs_user_id, acs_entrance_id: acsEntranceId, schedule_id });
  }
}

function pathOf(row: PathRow): StoredPath {
  const id = row.acs_user_id;
  const { schedule, link } = scheduleOfPath(row, { table: 'user_entrances', id });
  const values = sealedColumns('user_entrances').map((name) => row[name as keyof PathRow]);
  return {
    kind: 'grant',
    id: row.access_grant_id,
    name: row.grant_name,
    window: { startsAtMs: row.starts_at, endsAtMs: row.ends_at },
    schedule,
    links: [{ table: 'user_entrances', id, values, seal: row.seal }, ...link],
  };
}
