// Access groups: who is in, each within a window of its own, and which entrances they open. A kind of path (reach.ts):
// a credential without a list opens what its user's groups open. The digest moves with every change here, so that no
// caller can forget it; what a group's rows add to it is kept in one number, so that a group goes as a whole at once.

import type { Db } from './db.ts';
import { addedUp, groupEntranceLine, groupLine, groupUserLine, hashOf, type Digest } from './digest.ts';
import { sealedColumns } from './seal.ts';
import { scheduleOfPath, type JoinedSchedule, type Link, type PathTo, type StoredPath } from './stored-path.ts';

export type GroupRow = {
  group_key: number;
  acs_access_group_id: string;
  name: string;
  /** The weekly schedule at which it opens; null: at all times. */
  schedule_key: number | null;
  metadata: string | null;
  user_count: number;
  entrance_count: number;
  parts_sum: string;
  created_at: number;
  /** Over what decides (seal.ts); never written from here. */
  seal?: Buffer | null;
};
export type NewGroup = Pick<GroupRow, 'acs_access_group_id' | 'name' | 'schedule_key' | 'metadata' | 'created_at'>;
export type Member = { user_key: number; starts_at: number | null; ends_at: number | null };
type Entrance = { entranceKey: number; acsEntranceId: string };
type Person = { user_key: number; acs_user_id: string };

/** More groups than these a decision would have to look through. */
export const MOST_GROUPS_OF_USER = 128;

type PathRow = JoinedSchedule & {
  group_key: number;
  acs_access_group_id: string;
  name: string;
  schedule_key: number | null;
  seal: Buffer | null;
  user_key: number;
  starts_at: number | null;
  ends_at: number | null;
  member_seal: Buffer | null;
  entrance_key: number;
  acs_entrance_id: string | null;
  entry_seal: Buffer | null;
};

// From the user's groups, for they are few; whoever asks for one entrance makes one more point look-up in each.
const PATHS = `SELECT g.group_key, g.acs_access_group_id, g.name, g.schedule_key, g.seal, m.user_key, m.starts_at, m.ends_at, m.seal AS member_seal,
    ge.entrance_key, e.acs_entrance_id, ge.seal AS entry_seal,
    s.schedule_id, s.name AS schedule_name, s.content AS schedule, s.seal AS schedule_seal
  FROM access_group_users m CROSS JOIN access_group_entrances ge ON ge.group_key = m.group_key CROSS JOIN access_groups g ON g.group_key = m.group_key
    LEFT JOIN entrances e ON e.entrance_key = ge.entrance_key LEFT JOIN schedules s ON s.schedule_key = g.schedule_key`;

export class AccessGroups {
  readonly #digest: Digest;
  readonly #byId;
  readonly #byKey;
  readonly #insert;
  readonly #update;
  readonly #delete;
  readonly #list;
  readonly #ofUser;
  readonly #ofUserCount;
  readonly #isMember;
  readonly #member;
  readonly #members;
  readonly #memberKeys;
  readonly #setMember;
  readonly #deleteMember;
  readonly #entrances;
  readonly #entriesLeft;
  readonly #addEntrance;
  readonly #entryOf;
  readonly #newcomers;
  readonly #deleteEntrance;
  readonly #setParts;
  readonly #pathsAt;
  readonly #pathsOf;
  readonly #entrancesOf;
  readonly #atEntrance;

  constructor(db: Db, digest: Digest) {
    this.#digest = digest;
    this.#byId = db.prepare<[string], GroupRow>('SELECT * FROM access_groups WHERE acs_access_group_id = ?');
    this.#byKey = db.prepare<[number], GroupRow>('SELECT * FROM access_groups WHERE group_key = ?');
    this.#insert = db.prepare<[NewGroup]>(
      `INSERT INTO access_groups (acs_access_group_id, name, schedule_key, metadata, created_at)
       VALUES (:acs_access_group_id, :name, :schedule_key, :metadata, :created_at)`,
    );
    this.#update = db.prepare<[GroupRow]>(
      'UPDATE access_groups SET name = :name, schedule_key = :schedule_key, metadata = :metadata WHERE group_key = :group_key',
    );
    this.#delete = db.prepare<[number]>('DELETE FROM access_groups WHERE group_key = ?');
    this.#list = db.prepare<
      [{ after: number; search: string | null; userKey: number | null; limit: number }],
      GroupRow
    >(
      `SELECT * FROM access_groups g WHERE group_key > :after
         AND (:search IS NULL OR instr(fold(name), :search) OR acs_access_group_id = :search)
         AND (:userKey IS NULL OR EXISTS (SELECT 1 FROM access_group_users m WHERE m.user_key = :userKey AND m.group_key = g.group_key))
       ORDER BY group_key LIMIT :limit`,
    );
    this.#ofUser = db.prepare<[number], { group_key: number }>(
      'SELECT group_key FROM access_group_users WHERE user_key = ? ORDER BY group_key',
    );
    this.#ofUserCount = db
      .prepare<[number], number>(
        'SELECT count(*) FROM access_group_users m JOIN access_groups g USING (group_key) WHERE m.user_key = ?',
      )
      .pluck();
    this.#isMember = db.prepare<[{ userKey: number; group: string; now: number }], { one: 1 }>(
      `SELECT 1 AS one FROM access_groups g JOIN access_group_users m ON m.user_key = :userKey AND m.group_key = g.group_key
       WHERE g.acs_access_group_id = :group AND (m.starts_at IS NULL OR m.starts_at <= :now) AND (m.ends_at IS NULL OR m.ends_at > :now)`,
    );
    this.#member = db.prepare<[number, number], Member>(
      'SELECT user_key, starts_at, ends_at FROM access_group_users WHERE user_key = ? AND group_key = ?',
    );
    this.#members = db.prepare<[number, number, number], Member>(
      `SELECT user_key, starts_at, ends_at FROM access_group_users WHERE group_key = ? AND user_key > ? ORDER BY user_key LIMIT ?`,
    );
    this.#memberKeys = db
      .prepare<[number, number, number], number>(
        'SELECT user_key FROM access_group_users WHERE group_key = ? AND user_key > ? ORDER BY user_key LIMIT ?',
      )
      .pluck();
    this.#setMember = db.prepare<[Member & { group_key: number }]>(
      `INSERT INTO access_group_users (user_key, group_key, starts_at, ends_at) VALUES (:user_key, :group_key, :starts_at, :ends_at)
       ON CONFLICT DO UPDATE SET starts_at = excluded.starts_at, ends_at = excluded.ends_at`,
    );
    this.#deleteMember = db.prepare<[number, number]>(
      'DELETE FROM access_group_users WHERE user_key = ? AND group_key = ?',
    );
    this.#entrances = db
      .prepare<[number, number, number], number>(
        'SELECT entrance_key FROM access_group_entrances WHERE group_key = ? AND entrance_key > ? ORDER BY entrance_key LIMIT ?',
      )
      .pluck();
    this.#entriesLeft = db.prepare<[number, number], { entrance_key: number }>(
      'SELECT entrance_key FROM access_group_entrances WHERE group_key = ? LIMIT ?',
    );
    this.#entryOf = db
      .prepare<[number, number], string>(
        'SELECT acs_entrance_id FROM access_group_entrances WHERE group_key = ? AND entrance_key = ?',
      )
      .pluck();
    this.#newcomers = db
      .prepare<[{ group: number; controller: string; most: number }], number>(
        `SELECT count(*) FROM (SELECT 1 FROM access_group_users m JOIN credentials c ON c.user_key = m.user_key AND c.has_own_entrances = 0
           WHERE m.group_key = :group AND c.access_method <> 'mobile_key'
             AND NOT EXISTS (SELECT 1 FROM targets t WHERE t.controller = :controller AND t.credential_key = c.credential_key) LIMIT :most)`,
      )
      .pluck();
    this.#addEntrance = db.prepare<[number, number, string]>(
      'INSERT OR IGNORE INTO access_group_entrances (group_key, entrance_key, acs_entrance_id) VALUES (?, ?, ?)',
    );
    this.#deleteEntrance = db.prepare<[number, number]>(
      'DELETE FROM access_group_entrances WHERE group_key = ? AND entrance_key = ?',
    );
    this.#setParts = db.prepare<[string, number, number, number]>(
      'UPDATE access_groups SET parts_sum = ?, user_count = user_count + ?, entrance_count = entrance_count + ? WHERE group_key = ?',
    );
    this.#pathsAt = db.prepare<[number, number], PathRow>(`${PATHS} WHERE m.user_key = ? AND ge.entrance_key = ?`);
    this.#pathsOf = db.prepare<[number], PathRow>(
      `${PATHS} WHERE m.user_key = ? ORDER BY ge.entrance_key, g.group_key`,
    );
    this.#entrancesOf = db
      .prepare<[number], number>(
        `SELECT DISTINCT ge.entrance_key FROM access_group_users m CROSS JOIN access_groups g ON g.group_key = m.group_key
           CROSS JOIN access_group_entrances ge ON ge.group_key = m.group_key WHERE m.user_key = ?`,
      )
      .pluck();
    this.#atEntrance = db.prepare<[number], { one: 1 }>(
      'SELECT 1 AS one FROM access_group_entrances WHERE entrance_key = ? LIMIT 1',
    );
  }

  byId(acsAccessGroupId: string): GroupRow | undefined {
    return this.#byId.get(acsAccessGroupId);
  }

  byKey(groupKey: number): GroupRow | undefined {
    return this.#byKey.get(groupKey);
  }

  /** In order of creation, behind the key `after`. `userKey` null: whoever is in. */
  list(filter: { after: number; search: string | null; userKey: number | null; limit: number }): GroupRow[] {
    return this.#list.all(filter);
  }

  insert(group: NewGroup): number {
    const key = Number(this.#insert.run(group).lastInsertRowid);
    this.#digest.replace(null, this.#lineOf(key));
    return key;
  }

  update(group: GroupRow): void {
    const before = this.#lineOf(group.group_key);
    this.#update.run(group);
    this.#digest.replace(before, this.#lineOf(group.group_key));
  }

  /** Nothing opens by it any more. The rows of its members and entrances are left to whoever looks after them. */
  delete({ group_key: groupKey, parts_sum: partsSum }: GroupRow): void {
    this.#digest.replace(this.#lineOf(groupKey), null);
    this.#digest.shift(-BigInt(`0x${partsSum}`));
    this.#delete.run(groupKey);
  }

  // ---- who is in ----------------------------------------------------------------------------------------------------

  member(groupKey: number, userKey: number): Member | undefined {
    return this.#member.get(userKey, groupKey);
  }

  /** Whether the user is in, at this instant; schedules are not asked. */
  isMember(userKey: number, acsAccessGroupId: string, nowMs: number): boolean {
    return this.#isMember.get({ userKey, group: acsAccessGroupId, now: nowMs }) !== undefined;
  }

  /** The keys of the user's groups, and of some that are gone and of which a row is left. */
  ofUser(userKey: number): number[] {
    return this.#ofUser.all(userKey).map(({ group_key: key }) => key);
  }

  countOfUser(userKey: number): number {
    return this.#ofUserCount.get(userKey) ?? 0;
  }

  /** Behind the user `after`. */
  members(groupKey: number, after: number, limit: number): Member[] {
    return this.#members.all(groupKey, after, limit);
  }

  /** As `members`, also of a group that is gone. */
  memberKeys(groupKey: number, after: number, limit: number): number[] {
    return this.#memberKeys.all(groupKey, after, limit);
  }

  setMember(group: GroupRow, { user_key, acs_user_id }: Person, window: Omit<Member, 'user_key'>): void {
    const before = this.member(group.group_key, user_key);
    const line = (member: Omit<Member, 'user_key'>): string =>
      groupUserLine({ ...member, acs_user_id, acs_access_group_id: group.acs_access_group_id });
    this.#setMember.run({ ...window, user_key, group_key: group.group_key });
    this.#part(group.group_key, before === undefined ? null : line(before), line(window), {
      users: before === undefined ? 1 : 0,
    });
  }

  removeMember(groupKey: number, { user_key, acs_user_id }: Person): void {
    const before = this.member(groupKey, user_key);
    const group = this.byKey(groupKey);
    this.#deleteMember.run(user_key, groupKey);
    if (before === undefined || group === undefined) return;
    const line = groupUserLine({ ...before, acs_user_id, acs_access_group_id: group.acs_access_group_id });
    this.#part(groupKey, line, null, { users: -1 });
  }

  /** Of a group that is gone: the row that is left of a member. */
  forget(groupKey: number, userKey: number): void {
    this.#deleteMember.run(userKey, groupKey);
  }

  /** Of a group that is gone: at most `limit` of the rows that it has left for entrances; how many there were. */
  sweepEntrances(groupKey: number, limit: number): number {
    const left = this.#entriesLeft.all(groupKey, limit);
    for (const { entrance_key: key } of left) this.#deleteEntrance.run(groupKey, key);
    return left.length;
  }

  // ---- what they open -----------------------------------------------------------------------------------------------

  /** The keys of its entrances, behind the entrance `after`. */
  entrances(groupKey: number, after = 0, limit = -1): number[] {
    return this.#entrances.all(groupKey, after, limit);
  }

  addEntrance(group: GroupRow, { entranceKey, acsEntranceId }: Entrance): boolean {
    if (this.#addEntrance.run(group.group_key, entranceKey, acsEntranceId).changes === 0) return false;
    this.#part(group.group_key, null, groupEntranceLine(group.acs_access_group_id, acsEntranceId), { entrances: 1 });
    return true;
  }

  removeEntrance(group: GroupRow, { entranceKey, acsEntranceId }: Entrance): boolean {
    if (this.#deleteEntrance.run(group.group_key, entranceKey).changes === 0) return false;
    this.#part(group.group_key, groupEntranceLine(group.acs_access_group_id, acsEntranceId), null, { entrances: -1 });
    return true;
  }

  /** Of an entrance that has left the facility file. */
  removeGone(group: GroupRow, entranceKey: number): void {
    const acsEntranceId = this.#entryOf.get(group.group_key, entranceKey);
    if (acsEntranceId !== undefined) this.removeEntrance(group, { entranceKey, acsEntranceId });
  }

  /**
   * How many credentials that follow its members have no row at this controller, `most` at most. Costs a look at each
   * that has one.
   */
  newcomers(groupKey: number, controller: string, most: number): number {
    return this.#newcomers.get({ group: groupKey, controller, most }) ?? 0;
  }

  /** Whether any group opens it. */
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

  #part(
    groupKey: number,
    before: string | null,
    after: string | null,
    { users = 0, entrances = 0 }: { users?: number; entrances?: number },
  ): void {
    this.#digest.replace(before, after);
    const sum = this.byKey(groupKey)?.parts_sum ?? '0';
    const moved = (after === null ? 0n : hashOf(after)) - (before === null ? 0n : hashOf(before));
    this.#setParts.run(addedUp(BigInt(`0x${sum}`), moved), users, entrances, groupKey);
  }

  #lineOf(groupKey: number): string | null {
    const line = this.#digest.groupLineOf(groupKey);
    return line === undefined ? null : groupLine(line);
  }
}

function pathOf(row: PathRow): StoredPath {
  const { schedule, link } = scheduleOfPath(row, { table: 'access_groups', id: row.acs_access_group_id });
  const values = (table: 'access_groups' | 'access_group_users' | 'access_group_entrances'): Link['values'] =>
    sealedColumns(table).map((name) => row[name as keyof PathRow]);
  const id = row.acs_access_group_id;
  return {
    kind: 'access_group',
    id,
    name: row.name,
    window: { startsAtMs: row.starts_at, endsAtMs: row.ends_at },
    schedule,
    links: [
      { table: 'access_groups', id, values: values('access_groups'), seal: row.seal, isShared: true },
      { table: 'access_group_users', id, values: values('access_group_users'), seal: row.member_seal },
      {
        table: 'access_group_entrances',
        id,
        values: values('access_group_entrances'),
        seal: row.entry_seal,
        isShared: true,
      },
      ...link,
    ],
  };
}
