// The list of a whole facility on its way in: which snapshot is under way, its pages, sealed as every other secret is,
// and how far it is applied. Pages are read again by whoever goes on after a restart.

import type { Db } from './db.ts';
import type { Secrets } from './secrets.ts';

export type SnapshotRow = {
  snapshot_id: string;
  base_revision: number;
  revision: number;
  begun_at: number;
  touched_at: number;
  command_id: string | null;
  commit_order: string | null;
  progress: string | null;
};
export type PageInfo = { page: number; sha256: string; items: number; commands: string };
/** What of the facility a snapshot replaces, object by object. */
export type Replaced = 'credential' | 'grant' | 'user' | 'group' | 'space' | 'holiday' | 'schedule';
export type ObjectRow = { key: number; id: string };

const contextOf = (snapshotId: string, page: number): string => `snapshot ${snapshotId} page ${page}`;

const OBJECTS: Readonly<Record<Replaced, { table: string; key: string; id: string }>> = {
  credential: { table: 'credentials', key: 'credential_key', id: 'acs_credential_id' },
  grant: { table: 'access_grants', key: 'grant_key', id: 'access_grant_id' },
  user: { table: 'users', key: 'user_key', id: 'acs_user_id' },
  group: { table: 'access_groups', key: 'group_key', id: 'acs_access_group_id' },
  space: { table: 'spaces', key: 'space_key', id: 'space_id' },
  holiday: { table: 'holidays', key: 'holiday_key', id: 'holiday_id' },
  schedule: { table: 'schedules', key: 'schedule_key', id: 'schedule_id' },
};

export class Snapshots {
  readonly #secrets: Secrets;
  readonly #present;
  readonly #begin;
  readonly #touch;
  readonly #commit;
  readonly #uncommit;
  readonly #progress;
  readonly #end;
  readonly #putPage;
  readonly #pages;
  readonly #page;
  readonly #content;
  readonly #dropPages;
  readonly #size;
  readonly #behind: Readonly<Record<Replaced, (after: number, limit: number) => ObjectRow[]>>;

  constructor(db: Db, secrets: Secrets) {
    this.#secrets = secrets;
    this.#present = db.prepare<[], SnapshotRow>('SELECT * FROM snapshots LIMIT 1');
    this.#begin = db.prepare<[Omit<SnapshotRow, 'command_id' | 'commit_order' | 'progress'>]>(
      `INSERT INTO snapshots (snapshot_id, base_revision, revision, begun_at, touched_at)
       VALUES (:snapshot_id, :base_revision, :revision, :begun_at, :touched_at)`,
    );
    this.#touch = db.prepare<[number]>('UPDATE snapshots SET touched_at = ?');
    this.#commit = db.prepare<[string, string]>('UPDATE snapshots SET command_id = ?, commit_order = ?');
    this.#uncommit = db.prepare('UPDATE snapshots SET command_id = NULL, commit_order = NULL, progress = NULL');
    this.#progress = db.prepare<[string]>('UPDATE snapshots SET progress = ?');
    this.#end = db.prepare('DELETE FROM snapshots');
    this.#putPage = db.prepare<[number, string, number, string, Buffer]>(
      `INSERT INTO snapshot_pages (page, sha256, items, commands, content) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET sha256 = excluded.sha256, items = excluded.items, commands = excluded.commands, content = excluded.content`,
    );
    this.#pages = db.prepare<[], PageInfo>('SELECT page, sha256, items, commands FROM snapshot_pages ORDER BY page');
    this.#page = db.prepare<[number], PageInfo>(
      'SELECT page, sha256, items, commands FROM snapshot_pages WHERE page = ?',
    );
    this.#content = db.prepare<[number], Buffer>('SELECT content FROM snapshot_pages WHERE page = ?').pluck();
    this.#dropPages = db.prepare<[number]>(
      'DELETE FROM snapshot_pages WHERE page IN (SELECT page FROM snapshot_pages LIMIT ?)',
    );
    this.#size = db.prepare<[], { pages: number; items: number; bytes: number }>(
      'SELECT count(*) AS pages, coalesce(sum(items), 0) AS items, coalesce(sum(length(content)), 0) AS bytes FROM snapshot_pages',
    );
    const behind = ({ table, key, id }: (typeof OBJECTS)[Replaced]) => {
      const rows = db.prepare<[number, number], ObjectRow>(
        `SELECT ${key} AS key, ${id} AS id FROM ${table} WHERE ${key} > ? ORDER BY ${key} LIMIT ?`,
      );
      return (after: number, limit: number): ObjectRow[] => rows.all(after, limit);
    };
    this.#behind = {
      credential: behind(OBJECTS.credential),
      grant: behind(OBJECTS.grant),
      user: behind(OBJECTS.user),
      group: behind(OBJECTS.group),
      space: behind(OBJECTS.space),
      holiday: behind(OBJECTS.holiday),
      schedule: behind(OBJECTS.schedule),
    };
  }

  /** The one that is under way; undefined: none is. */
  present(): SnapshotRow | undefined {
    return this.#present.get();
  }

  begin(row: Omit<SnapshotRow, 'command_id' | 'commit_order' | 'progress'>): void {
    this.#begin.run(row);
  }

  /** From here on it is checked and applied, whatever happens to the process. */
  commit(commandId: string, order: string): void {
    this.#commit.run(commandId, order);
  }

  /** It was refused, and may be put right and committed again. */
  uncommit(): void {
    this.#uncommit.run();
  }

  saveProgress(json: string): void {
    this.#progress.run(json);
  }

  /** Nothing is under way any more; its pages are dropped behind, a few at a time. */
  end(): void {
    this.#end.run();
  }

  // ---- pages --------------------------------------------------------------------------------------------------------

  putPage(snapshotId: string, info: PageInfo, content: string, nowMs: number): void {
    const sealed = this.#secrets.seal(content, contextOf(snapshotId, info.page));
    this.#putPage.run(info.page, info.sha256, info.items, info.commands, sealed);
    this.#touch.run(nowMs);
  }

  /** In their order. */
  pages(): PageInfo[] {
    return this.#pages.all();
  }

  page(page: number): PageInfo | undefined {
    return this.#page.get(page);
  }

  /** Undefined: there is no such page. */
  content(snapshotId: string, page: number): string | undefined {
    const sealed = this.#content.get(page);
    return sealed === undefined ? undefined : this.#secrets.open(sealed, contextOf(snapshotId, page));
  }

  size(): { pages: number; items: number; bytes: number } {
    return this.#size.get() ?? { pages: 0, items: 0, bytes: 0 };
  }

  /** At most `limit` of them, -1: all; how many went. */
  dropPages(limit: number): number {
    return this.#dropPages.run(limit).changes;
  }

  // ---- what there is ------------------------------------------------------------------------------------------------

  /** Objects of the facility behind the key `after`, in the order of their keys. */
  objects(kind: Replaced, after: number, limit: number): ObjectRow[] {
    return this.#behind[kind](after, limit);
  }
}
