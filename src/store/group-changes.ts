// Changes of a group that reach into controllers: written down with the change, and worked off member by member behind
// it (sync/followers.ts). What takes access away comes first.

import type { Db } from './db.ts';

export type GroupChange = {
  change_key: number;
  group_key: number;
  /** 1: the group is gone, and so go its rows. */
  is_gone: 0 | 1;
  takes_access: 0 | 1;
  /** The controllers concerned. */
  controllers: readonly string[];
  /** Behind which user it stands. */
  after_user: number;
};
type Stored = Omit<GroupChange, 'controllers'> & { controllers: string };

export class GroupChanges {
  readonly #next;
  readonly #add;
  readonly #same;
  readonly #move;
  readonly #delete;

  constructor(db: Db) {
    this.#next = db.prepare<[], Stored>('SELECT * FROM group_changes ORDER BY takes_access DESC, change_key LIMIT 1');
    this.#add = db.prepare<[number, 0 | 1, 0 | 1, string]>(
      'INSERT INTO group_changes (group_key, is_gone, takes_access, controllers) VALUES (?, ?, ?, ?)',
    );
    this.#same = db.prepare<[number, 0 | 1, 0 | 1, string], { one: 1 }>(
      'SELECT 1 AS one FROM group_changes WHERE group_key = ? AND is_gone = ? AND takes_access = ? AND controllers = ? AND after_user = 0',
    );
    this.#move = db.prepare<[number, number]>('UPDATE group_changes SET after_user = ? WHERE change_key = ?');
    this.#delete = db.prepare<[number]>('DELETE FROM group_changes WHERE change_key = ?');
  }

  /** The one to work on; undefined: there is none. */
  next(): GroupChange | undefined {
    const row = this.#next.get();
    return row === undefined ? undefined : { ...row, controllers: JSON.parse(row.controllers) as string[] };
  }

  /** With the change itself. One that has not begun yet, and is the same, is enough. */
  add(groupKey: number, what: { isGone: boolean; takesAccess: boolean }, controllers: readonly string[]): void {
    const row = [groupKey, what.isGone ? 1 : 0, what.takesAccess ? 1 : 0, JSON.stringify([...controllers].sort())] as const; // prettier-ignore
    if (this.#same.get(...row) === undefined) this.#add.run(...row);
  }

  move({ change_key: key }: GroupChange, afterUser: number): void {
    this.#move.run(afterUser, key);
  }

  delete({ change_key: key }: GroupChange): void {
    this.#delete.run(key);
  }
}
