// Snapshots: begun, filled with pages, and committed. A commit is accepted durably and carried out behind: the whole is
// checked, then applied in slices, whatever happens to the process meanwhile; its answer is kept with its last slice.

import { createHash } from 'node:crypto';
import { newEventAt } from '../../domain/events.ts';
import { refused } from '../../domain/errors.ts';
import type { Replaced, SnapshotRow } from '../../store/snapshots.ts';
import { outcomeError } from '../answers.ts';
import { canonicalJson } from '../canonical-json.ts';
import type { ParamsOf } from '../contract.ts';
import { MOST_ITEMS } from '../contract/snapshots.ts';
import type { ResultOf } from '../contract/results.ts';
import type { Asker, Call, Done, Outcome, Room, Work } from '../room.ts';
import { attribution, recordChange } from '../trace.ts';
import { AT_FIRST, SnapshotApply, type Progress } from './apply.ts';
import { SnapshotCheck } from './check.ts';
import { readItem } from './items.ts';
import { wouldGo } from './remove.ts';
import { pageText, StagedItems, Stopping, Turns } from './staged.ts';
import { Wanted } from './wanted.ts';

const DAY_MS = 24 * 3_600_000;
/** All pages together; what a gateway's disk must have room for beside its database. */
const MOST_BYTES = 512 * 1024 * 1024;
const PAGES_AT_ONCE = 2;
const OBJECTS_AT_ONCE = 256;
const COMMITTED = 'snapshot_committed';
const KINDS: readonly Replaced[] = ['credential', 'grant', 'user', 'group', 'space', 'holiday', 'schedule'];

type Order = { pages: number; sha256: string; expect_deleted: number | null; asker: Asker };
type Committed = { snapshot_id: string; sha256: string; result: ResultOf<'facility/commit_snapshot'> };

// ---- begin and pages ------------------------------------------------------------------------------------------------

export function beginSnapshot(
  room: Room,
  params: ParamsOf<'facility/begin_snapshot'>,
  call: Call,
): Outcome<'facility/begin_snapshot'> {
  const { store } = room;
  const { snapshot_id: id, base_revision: base, revision } = params;
  if (revision <= base) throw refused('invalid_input', 'revision', 'must be higher than base_revision');
  const present = store.snapshots.present();
  const isSame = present?.snapshot_id === id && present.base_revision === base && present.revision === revision;
  if (!isSame) refuseBase(room, base, 'base_revision');
  if (isSame) return { result: begun(room, id, null) };
  if (present !== undefined) abandon(room, present, 'replaced', call);
  const { nowMs } = call;
  store.snapshots.dropPages(-1);
  store.snapshots.begin({ snapshot_id: id, base_revision: base, revision, begun_at: nowMs, touched_at: nowMs });
  return { result: begun(room, id, present?.snapshot_id ?? null) };
}

const begun = ({ store }: Room, id: string, replaced: string | null): ResultOf<'facility/begin_snapshot'> => ({
  snapshot_id: id,
  pages: store.snapshots.pages().map(({ page }) => page),
  replaced_snapshot_id: replaced,
});

function refuseBase({ store }: Room, base: number, param: string): void {
  const present = store.revision();
  if (base === present) return;
  throw refused(
    'stale_revision',
    param,
    `the snapshot was made for revision ${base}, and the facility has ${present}. Remedy: look what has changed since, and begin a snapshot for that`,
  );
}

/** Inside a transaction. */
function abandon(
  { store, acsSystemId }: Pick<Room, 'store' | 'acsSystemId'>,
  row: SnapshotRow,
  why: 'replaced' | 'expired',
  call: Call,
): void {
  const { pages } = store.snapshots.size();
  const body = { acs_system_id: acsSystemId, snapshot_id: row.snapshot_id, pages, why, ...attribution(call) };
  store.events.add(newEventAt('facility.snapshot_abandoned', body, {}), call.nowMs);
  store.snapshots.dropPages(-1);
  store.snapshots.end();
}

function findSnapshot({ store }: Room, id: string): SnapshotRow {
  const row = store.snapshots.present();
  if (row?.snapshot_id === id) return row;
  const here = row === undefined ? 'none is' : `that is ${row.snapshot_id}`;
  throw refused(
    'snapshot_not_found',
    'snapshot_id',
    `no such snapshot is under way; ${here}. Remedy: facility/begin_snapshot first`,
  );
}

export function putPage(
  room: Room,
  params: ParamsOf<'facility/put_snapshot_page'>,
  call: Call,
): Outcome<'facility/put_snapshot_page'> {
  const { store, acsSystemId } = room;
  const { snapshots } = store;
  const { snapshot_id: id, page, items: given } = params;
  findSnapshot(room, id);
  const sha256 = createHash('sha256');
  for (const item of given) sha256.update(`${canonicalJson(item)}\n`);
  const digest = sha256.digest('hex');
  const known = snapshots.page(page);
  const answer = { snapshot_id: id, page, items: given.length, sha256: digest };
  if (known?.sha256 === digest) return { result: { ...answer, pages: snapshots.size().pages } };
  const items = given.map((item, position) => readItem(item, position, acsSystemId));
  const size = snapshots.size();
  if (size.items - (known?.items ?? 0) + items.length > MOST_ITEMS || size.bytes > MOST_BYTES)
    throw refused(
      'invalid_input',
      'items',
      `a snapshot has at most ${MOST_ITEMS} items, and ${MOST_BYTES / 1024 / 1024} MiB`,
    );
  const commands = [...new Set(items.map(({ command }) => command))].join(' ');
  snapshots.putPage(id, { page, sha256: digest, items: items.length, commands }, pageText(items), call.nowMs);
  return { result: { ...answer, pages: size.pages + (known === undefined ? 1 : 0) } };
}

/** One at which no page came for a day is dropped; its pages go with it. */
export function expireSnapshot(room: Pick<Room, 'store' | 'acsSystemId'>, nowMs: number): void {
  const row = room.store.snapshots.present();
  if (row === undefined || row.command_id !== null || nowMs - row.touched_at < DAY_MS) return;
  const call = { nowMs, commandId: 'expired', asker: { source: 'local' as const, sender: null } };
  room.store.group(() => abandon(room, row, 'expired', call));
}

// ---- commit ---------------------------------------------------------------------------------------------------------

/** Checks what can be told at once; throws it. */
export function prepareCommit(
  room: Room,
  params: ParamsOf<'facility/commit_snapshot'>,
  call: Call,
): Work<'facility/commit_snapshot'> {
  const { store } = room;
  const { snapshot_id: id, pages: count, sha256, expect_deleted = null } = params;
  const done = committedBefore(room, id, sha256);
  if (done !== null) return () => Promise.resolve({ result: done });
  const row = findSnapshot(room, id);
  if (row.command_id !== null) throw refused('not_permitted', 'snapshot_id', 'it is being committed');
  refuseBase(room, row.base_revision, 'snapshot_id');
  const here = store.snapshots.pages();
  const known = new Set(here.map(({ page }) => page));
  const missing = Array.from({ length: count }, (_, page) => page).filter((page) => !known.has(page));
  if (missing.length > 0)
    throw refused(
      'invalid_input',
      'pages',
      `pages are missing: ${listed(missing)}. Remedy: facility/put_snapshot_page for each`,
    );
  const more = here.map(({ page }) => page).filter((page) => page >= count);
  if (more.length > 0)
    throw refused(
      'invalid_input',
      'pages',
      `there are pages beyond that: ${listed(more)}. Remedy: the number of all pages, or facility/begin_snapshot anew`,
    );
  const digest = createHash('sha256')
    .update(here.map((page) => `${page.sha256}\n`).join(''))
    .digest('hex');
  if (digest !== sha256)
    throw refused(
      'invalid_input',
      'sha256',
      `over the pages that are here it is ${digest}. Remedy: compare the sha256 that was answered for each page`,
    );
  const order: Order = { pages: count, sha256, expect_deleted, asker: call.asker };
  store.group(() => store.snapshots.commit(call.commandId, JSON.stringify(order)));
  return commitWork(room, call.isStopping ?? (() => false));
}

const MOST_LISTED = 20;
const listed = (pages: readonly number[]): string =>
  `${pages.slice(0, MOST_LISTED).join(', ')}${pages.length > MOST_LISTED ? ` and ${pages.length - MOST_LISTED} more` : ''}`;

/** The answer was lost: it is the same again. */
function committedBefore({ store }: Room, id: string, sha256: string): Committed['result'] | null {
  const text = store.meta.text(COMMITTED);
  const last = text === null ? null : (JSON.parse(text) as Committed);
  const isOther = store.snapshots.present()?.snapshot_id === id;
  return last?.snapshot_id === id && last.sha256 === sha256 && !isOther ? last.result : null;
}

/** Of a snapshot whose commit was accepted, at this start or an earlier one. */
export function commitWork(room: Room, isStopping: () => boolean): Work<'facility/commit_snapshot'> {
  return async () => {
    const { store } = room;
    const row = store.snapshots.present();
    if (row?.commit_order == null || row.command_id === null) throw new Error('a commit under way has its snapshot');
    const order = JSON.parse(row.commit_order) as Order;
    const call = { nowMs: room.clock.nowMs(), commandId: row.command_id, asker: order.asker };
    const turns = new Turns(room, isStopping);
    try {
      const staged = new StagedItems(room, row.snapshot_id);
      const wanted = await Wanted.of(staged, turns);
      // What was begun is finished: the check is behind it.
      if (row.progress === null) {
        await new SnapshotCheck(room, wanted, staged, turns).run();
        await refuseDeletions(room, wanted, order.expect_deleted, turns);
      }
      const from = row.progress === null ? AT_FIRST : (JSON.parse(row.progress) as Progress);
      const progress = await new SnapshotApply(room, call, wanted, staged, turns, from).run();
      // All of it is durable; an answer is owed, for which no page is needed.
      while (store.group(() => store.snapshots.dropPages(PAGES_AT_ONCE)) > 0) await turns.next();
      return { finish: () => finish(room, row, order, progress, call) };
    } catch (error) {
      if (error instanceof Stopping) throw error;
      const refusal = outcomeError(error, room.log);
      return {
        finish: () => {
          store.snapshots.uncommit();
          return { error: refusal };
        },
      };
    }
  };
}

async function refuseDeletions(room: Room, wanted: Wanted, expected: number | null, turns: Turns): Promise<void> {
  const { snapshots } = room.store;
  const gone = new Map<Replaced, number>();
  let here = 0;
  for (const kind of KINDS) {
    for (let after = 0; ;) {
      const rows = snapshots.objects(kind, after, OBJECTS_AT_ONCE);
      for (const row of rows) gone.set(kind, (gone.get(kind) ?? 0) + wouldGo(room, wanted, kind, row));
      here += rows.length;
      await turns.take();
      const last = rows.at(-1);
      if (last === undefined || rows.length < OBJECTS_AT_ONCE) break;
      after = last.key;
    }
  }
  const all = [...gone.values()].reduce((sum, count) => sum + count, 0);
  if (expected === all || (expected === null && all * 5 <= here)) return;
  const told = [...gone].filter(([, count]) => count > 0).map(([kind, count]) => `${count} ${kind}s`);
  throw refused(
    'invalid_input',
    'expect_deleted',
    `the snapshot does not name ${all} of ${here} objects that are here${told.length === 0 ? '' : ` (${told.join(', ')})`}, and would delete them. Remedy: expect_deleted ${all} where that is meant. Nothing was changed`,
  );
}

/** Within the transaction that keeps the answer: from here on it is the revision. */
function finish(
  room: Room,
  { snapshot_id: id, revision }: SnapshotRow,
  { sha256 }: Order,
  { counts, failed }: Progress,
  call: Call,
): Done<'facility/commit_snapshot'> {
  const { store } = room;
  store.setRevision(Math.max(revision, store.revision()));
  const result = { snapshot_id: id, revision: store.revision(), digest: store.digest.read().digest, ...counts };
  store.snapshots.end();
  const now = { ...call, nowMs: room.clock.nowMs() };
  recordChange(room, now, { eventType: 'facility.snapshot_committed', ids: result });
  if (failed.length > 0) {
    const message = `the snapshot was applied but for ${failed.length} of its parts: ${failed.join('; ')}. Remedy: compare the digest, and send a snapshot again`;
    return { error: { type: 'internal', message } };
  }
  store.meta.set(COMMITTED, JSON.stringify({ snapshot_id: id, sha256, result } satisfies Committed));
  return { result };
}
