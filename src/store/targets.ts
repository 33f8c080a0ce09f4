// What each controller should hold: one row per credential and controller, which owns the slot from before the first
// write until after the verified erasure. A row is judged when it is due, by the clock; what has to be done at the
// controller then waits in one of two queues, erasures and writes.

import { mostAtOnce } from '../domain/most-at-once.ts';
import type { Db } from './db.ts';
import {
  ANNOUNCED,
  AT_ONCE,
  NO_SLOT,
  RETRIED,
  WAITS,
  type SyncSummary,
  type TargetRow,
  type Waiting,
  type Waits,
} from './target-row.ts';
import { KEYS_WITH_CODE } from './reach.ts';
import { CHANGEABLE, ChangesTogether, TargetChanges, UPDATE_ROW } from './target-changes.ts';

type Bounds = { starts_at: number | null; ends_at: number | null };

export class TargetTable {
  readonly #changes: TargetChanges;
  readonly #byKey;
  readonly #ofCredential;
  readonly #unheldOf;
  readonly #ofPartner;
  readonly #besides;
  readonly #due;
  readonly #nextDue;
  readonly #isOwnerDue;
  readonly #waiting;
  readonly #queue;
  readonly #queueBehind;
  readonly #waits;
  readonly #waitsOf;
  readonly #overdue;
  readonly #nextOverdue;
  readonly #insert;
  readonly #update;
  readonly #delete;
  readonly #touch;
  readonly #touchRow;
  readonly #touchController;
  readonly #touchFailed;
  readonly #disown;
  readonly #revive;
  readonly #holder;
  readonly #ofController;
  readonly #slotsFrom;
  readonly #bySlot;
  readonly #counts;
  readonly #bounds;
  readonly #states;
  readonly #controllers;
  readonly #addHistory;
  readonly #history;
  readonly #lastAtOnce;
  readonly #queueBegun;
  readonly #notBegun;
  readonly #givingWay;
  readonly #undefer;
  readonly #hasDeferred;
  readonly #stays;

  constructor(db: Db) {
    this.#changes = new TargetChanges(db);
    this.#byKey = db.prepare<[number], TargetRow>('SELECT * FROM targets WHERE target_key = ?');
    this.#ofCredential = db.prepare<[number], TargetRow>(
      'SELECT * FROM targets WHERE credential_key = ? ORDER BY controller',
    );
    this.#unheldOf = db.prepare<[number], { controller: string }>(
      `SELECT controller FROM targets WHERE credential_key = ? AND NOT (state IN ('set', 'unconfirmed') AND due_at IS NOT ${AT_ONCE})`,
    );
    this.#ofPartner = db.prepare<[number], TargetRow>(
      'SELECT * FROM targets WHERE partner_key = ? ORDER BY target_key',
    );
    this.#besides = db.prepare<[number, number, string], TargetRow>(
      `SELECT t.* FROM credentials c JOIN targets t USING (credential_key)
       WHERE c.user_key = ? AND c.credential_key <> ? AND t.controller = ? ORDER BY c.credential_key LIMIT 64`,
    );
    this.#due = db.prepare<[string, number, number], TargetRow>(
      'SELECT * FROM targets WHERE controller = ? AND due_at <= ? ORDER BY due_at, target_key LIMIT ?',
    );
    this.#nextDue = db.prepare<[string], { next: number | null }>(
      'SELECT min(due_at) AS next FROM targets WHERE controller = ? AND due_at IS NOT NULL',
    );
    this.#isOwnerDue = db.prepare<[string, number, number], { one: 1 }>(
      `SELECT 1 AS one FROM (SELECT slot FROM targets WHERE controller = ? AND due_at <= ? ORDER BY due_at, target_key LIMIT ?)
       WHERE slot IS NOT NULL LIMIT 1`,
    );
    this.#waiting = db.prepare<[string, number, number], TargetRow>(
      'SELECT * FROM targets WHERE controller = ? AND waits = ? ORDER BY urgent_at, target_key LIMIT ?',
    );
    this.#queue = db.prepare<[string, number, number], Waiting>(
      'SELECT target_key, slot, urgent_at FROM targets WHERE controller = ? AND waits = ? ORDER BY urgent_at, target_key LIMIT ?',
    );
    this.#queueBehind = db.prepare<[string, number, number | null, number, number], Waiting>(
      `SELECT target_key, slot, urgent_at FROM targets WHERE controller = ? AND waits = ? AND (urgent_at, target_key) > (?, ?)
       ORDER BY urgent_at, target_key LIMIT ?`,
    );
    this.#waits = db.prepare<[string], Waits>(
      'SELECT target_key, waits, due_at FROM targets WHERE target_key IN (SELECT value FROM json_each(?))',
    );
    this.#waitsOf = db.prepare<[number], Waits>('SELECT target_key, waits, due_at FROM targets WHERE target_key = ?');
    this.#overdue = db.prepare<[string, number, number], TargetRow>(
      'SELECT * FROM targets WHERE controller = ? AND is_overdue = 0 AND erase_since <= ? ORDER BY erase_since LIMIT ?',
    );
    this.#nextOverdue = db.prepare<[string], { next: number | null }>(
      'SELECT min(erase_since) AS next FROM targets WHERE controller = ? AND is_overdue = 0 AND erase_since IS NOT NULL',
    );
    this.#insert = db.prepare<[string, number, string, number]>(
      `INSERT OR FAIL INTO targets (controller, credential_key, acs_credential_id, state, due_at) VALUES (?, ?, ?, 'scheduled', ?)`,
    );
    this.#update = db.prepare<[TargetRow]>(
      `${UPDATE_ROW} ${CHANGEABLE.map((name) => `${name} = :${name}`).join(', ')} WHERE target_key = :target_key`,
    );
    this.#delete = db.prepare<[number]>('DELETE FROM targets WHERE target_key = ?');
    this.#touch = db.prepare<[number]>(`UPDATE targets SET due_at = ${AT_ONCE}, attempts = 0 WHERE credential_key = ?`);
    this.#touchRow = db.prepare<[number]>(`${UPDATE_ROW} due_at = ${AT_ONCE} WHERE target_key = ?`);
    this.#touchController = db.prepare<[string, number, number], { target_key: number }>(
      `UPDATE targets SET due_at = ${AT_ONCE}, attempts = 0 WHERE target_key IN
         (SELECT target_key FROM targets WHERE controller = ? AND target_key > ? ORDER BY target_key LIMIT ?) RETURNING target_key`,
    );
    this.#touchFailed = db.prepare<[string, string, number]>(
      `UPDATE targets SET due_at = ${AT_ONCE} WHERE target_key IN
         (SELECT target_key FROM targets WHERE state = 'failed' AND controller = ? AND error_type = ? ORDER BY target_key LIMIT ?)`,
    );
    this.#disown = db.prepare<[string, number, number]>(
      `UPDATE targets SET ${Object.keys(NO_SLOT)
        .map((name) => `${name} = NULL`)
        .join(', ')}, due_at = ${AT_ONCE} WHERE controller = ? AND (slot < ? OR slot > ?)`,
    );
    this.#revive = db.prepare<[string]>(
      `UPDATE targets SET due_at = ${AT_ONCE} WHERE controller = ? AND waits IS NULL
         AND (state IN ('writing', 'removing') OR (state = 'failed' AND error_type IN (${RETRIED.map((type) => `'${type}'`).join(', ')})))`,
    );
    this.#holder = db.prepare<[{ hash: Buffer; controller: string; except: number }], TargetRow>(
      `SELECT t.* FROM (${KEYS_WITH_CODE}) k CROSS JOIN targets t ON t.credential_key = k.credential_key
       WHERE t.controller = :controller AND t.slot IS NOT NULL AND k.credential_key <> :except LIMIT 1`,
    );
    this.#ofController = db.prepare<[string, number, number], TargetRow>(
      'SELECT * FROM targets WHERE controller = ? AND target_key > ? ORDER BY target_key LIMIT ?',
    );
    this.#slotsFrom = db.prepare<[string, number, number], TargetRow & { slot: number }>(
      'SELECT * FROM targets WHERE controller = ? AND slot >= ? ORDER BY slot LIMIT ?',
    );
    this.#bySlot = db.prepare<[string, number], TargetRow>('SELECT * FROM targets WHERE controller = ? AND slot = ?');
    this.#counts = db.prepare<[string], { total: number; used: number; pending: number }>(
      'SELECT total, used, pending FROM target_counts WHERE controller = ?',
    );
    this.#bounds = db.prepare<
      [{ controller: string; starts: number | null; ends: number | null; except: number }],
      Bounds
    >(
      // A deleted credential is erased before anything is written: it takes no room.
      `SELECT c.starts_at, c.ends_at FROM targets t JOIN credentials c USING (credential_key)
       WHERE t.controller = :controller AND t.credential_key <> :except AND t.state <> 'removed'
         AND (:ends IS NULL OR c.starts_at IS NULL OR c.starts_at < :ends) AND (:starts IS NULL OR c.ends_at IS NULL OR :starts < c.ends_at)`,
    );
    this.#states = db.prepare<[], SyncSummary>(
      `SELECT count(*) FILTER (WHERE state IN ('writing', 'removing')) AS pending, count(*) FILTER (WHERE state = 'unconfirmed') AS unconfirmed,
         count(*) FILTER (WHERE state = 'failed') AS failed, min(erase_since) AS oldest_pending_erasure_at FROM targets
         WHERE state = 'writing' OR state = 'removing' OR state = 'unconfirmed' OR state = 'failed'`,
    );
    this.#controllers = db.prepare<[], { controller: string }>('SELECT controller FROM target_counts');
    this.#addHistory = db.prepare<[string, number, string, number]>(
      `INSERT INTO slot_history (controller, slot, acs_credential_id, freed_at) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET acs_credential_id = excluded.acs_credential_id, freed_at = excluded.freed_at`,
    );
    this.#lastAtOnce = db.prepare<[string, number, number], { last: number | null }>(
      `SELECT max(target_key) AS last FROM
         (SELECT target_key FROM targets WHERE controller = ? AND due_at = ${AT_ONCE} AND target_key > ? ORDER BY target_key LIMIT ?)`,
    );
    const begun = (row: string): string =>
      `(${row}.starts_at IS NULL OR ${row}.starts_at <= :now) AND (${row}.ends_at IS NULL OR ${row}.ends_at > :now)`;
    this.#queueBegun = db.prepare<
      [{ controller: string; after: number; last: number; now: number; urgent: number; never: number }]
    >(
      `${UPDATE_ROW} state = 'writing', waits = ${WAITS.write}, urgent_at = :urgent, is_deferred = 0, due_at = b.ends
       FROM (SELECT t.target_key AS key, nullif(min(coalesce(c.ends_at, :never), coalesce(u.ends_at, :never)), :never) AS ends
             FROM targets t JOIN credentials c USING (credential_key) JOIN users u USING (user_key)
             WHERE t.controller = :controller AND t.due_at = ${AT_ONCE} AND t.target_key > :after AND t.target_key <= :last
               AND t.slot IS NULL AND t.state <> 'failed' AND c.has_own_entrances = 1 AND c.schedule_key IS NULL AND c.used_at IS NULL AND u.is_suspended = 0
               AND ${begun('c')} AND ${begun('u')}) b
       WHERE target_key = b.key`,
    );
    this.#notBegun = db.prepare<[string, number, number], TargetRow>(
      `SELECT * FROM targets WHERE controller = ? AND announced = ${ANNOUNCED.scheduled} AND due_at > ? AND slot IS NOT NULL AND waits IS NULL
         AND is_deferred = 0 ORDER BY due_at DESC, target_key DESC LIMIT ?`,
    );
    this.#givingWay = db.prepare<[string], { count: number }>(
      `SELECT count(*) AS count FROM targets WHERE controller = ? AND is_deferred = 1 AND state = 'removing'`,
    );
    this.#undefer = db.prepare<[string, number]>(
      `UPDATE targets SET is_deferred = 0, due_at = ${AT_ONCE} WHERE target_key IN
         (SELECT target_key FROM targets WHERE controller = ? AND is_deferred = 1 AND state = 'scheduled' ORDER BY due_at LIMIT ?)`,
    );
    this.#hasDeferred = db.prepare<[string], { one: 1 }>(
      `SELECT 1 AS one FROM targets WHERE controller = ? AND is_deferred = 1 AND state = 'scheduled' LIMIT 1`,
    );
    this.#stays = db.prepare<[string, number, number], Bounds & { target_key: number; acs_credential_id: string }>(
      `SELECT t.target_key, t.acs_credential_id, c.starts_at, c.ends_at FROM targets t JOIN credentials c USING (credential_key)
       WHERE t.controller = ? AND t.target_key > ? AND t.state <> 'removed' ORDER BY t.target_key LIMIT ?`,
    );
    this.#history = db.prepare<[string, number], { acs_credential_id: string; freed_at: number }>(
      'SELECT acs_credential_id, freed_at FROM slot_history WHERE controller = ? AND slot = ?',
    );
  }

  byKey(targetKey: number): TargetRow | undefined {
    return this.#byKey.get(targetKey);
  }

  ofCredential(credentialKey: number): TargetRow[] {
    return this.#ofCredential.all(credentialKey);
  }

  /** The controllers concerned that do not hold the credential as it is now. */
  unheldOf(credentialKey: number): string[] {
    return this.#unheldOf.all(credentialKey).map(({ controller }) => controller);
  }

  /** Rows whose slot holds this credential's code, and the row of a code that lies in this card's slot. */
  ofPartner(credentialKey: number): TargetRow[] {
    return this.#ofPartner.all(credentialKey);
  }

  /** The rows of a user's other credentials at a controller. */
  besides(userKey: number, credentialKey: number, controller: string): TargetRow[] {
    return this.#besides.all(userKey, credentialKey, controller);
  }

  /** Rows that must be judged by now, the longest due first. */
  due(controller: string, nowMs: number, limit: number): TargetRow[] {
    return this.#due.all(controller, nowMs, limit);
  }

  nextDueMs(controller: string): number | null {
    return this.#nextDue.get(controller)?.next ?? null;
  }

  /** Whether one of the first `looks` rows that must be judged by now owns a slot, and may have to give it up. */
  isOwnerDue(controller: string, nowMs: number, looks: number): boolean {
    return this.#isOwnerDue.get(controller, nowMs, looks) !== undefined;
  }

  /** Rows that wait for the controller, the most urgent first. */
  waiting(controller: string, waits: 1 | 2, limit: number): TargetRow[] {
    return this.#waiting.all(controller, waits, limit);
  }

  /** As `waiting`, but only which they are. */
  queue(controller: string, waits: 1 | 2, limit: number): Waiting[] {
    return this.#queue.all(controller, waits, limit);
  }

  /** As `queue`, those that come after this one. */
  queueBehind(controller: string, waits: 1 | 2, behind: Waiting, limit: number): Waiting[] {
    return this.#queueBehind.all(controller, waits, behind.urgent_at, behind.target_key, limit);
  }

  /**
   * What each of these rows waits for at the controller, and when it is judged; in one look, for outside a transaction
   * each costs a lock of its own.
   */
  waits(targetKeys: readonly number[]): Map<number, Waits> {
    return new Map(this.#waits.all(JSON.stringify(targetKeys)).map((row) => [row.target_key, row]));
  }

  /** As `waits`, of one row, for inside a transaction. */
  waitsOf(targetKey: number): Waits | undefined {
    return this.#waitsOf.get(targetKey);
  }

  /** Rows whose slot should have been empty since before `sinceMs`, and of which no event has said so. */
  overdue(controller: string, sinceMs: number, limit: number): TargetRow[] {
    return this.#overdue.all(controller, sinceMs, limit);
  }

  /** The oldest `erase_since` of which no event has said that it takes too long. */
  nextOverdueSinceMs(controller: string): number | null {
    return this.#nextOverdue.get(controller)?.next ?? null;
  }

  /** A new row, to be judged at once. */
  insert(controller: string, credentialKey: number, acsCredentialId: string): void {
    this.#insert.run(controller, credentialKey, acsCredentialId, AT_ONCE);
  }

  update(target: TargetRow): void {
    this.#update.run(target);
  }

  /**
   * As `update`, for a row that stands in the store as `stored`: what is equal is left alone, and so are the indexes
   * over it.
   */
  change(stored: TargetRow, target: TargetRow): void {
    this.#changes.make(stored, target);
  }

  /** Takes changes of many rows, to be made together. */
  together(): ChangesTogether {
    return new ChangesTogether(this.#changes);
  }

  delete(targetKey: number): void {
    this.#delete.run(targetKey);
  }

  /** Something about the credential changed: all its controllers judge anew, at once. */
  touch(credentialKey: number): void {
    this.#touch.run(credentialKey);
    for (const target of this.#ofPartner.all(credentialKey)) this.#touchRow.run(target.target_key);
  }

  touchRow(targetKey: number): void {
    this.#touchRow.run(targetKey);
  }

  /**
   * One slice of judging all rows of a controller anew, those behind the key `after`; returns the last key, null when
   * there are no more.
   */
  touchController(controller: string, after: number, limit: number): number | null {
    return this.#touchController
      .all(controller, after, limit)
      .reduce<number | null>((last, row) => Math.max(last ?? 0, row.target_key), null);
  }

  /** Judges at most `limit` rows anew that failed with this error. */
  touchFailed(controller: string, errorType: string, limit: number): void {
    this.#touchFailed.run(controller, errorType, limit);
  }

  /** Gives up slots outside `first` to `last`, which the controller has no longer; returns how many. */
  disownOutside(controller: string, first: number, last: number): number {
    return this.#disown.run(controller, first, last).changes;
  }

  /** At a start: what waited for a retry when the last run ended is judged at once. */
  revive(controller: string): void {
    this.#revive.run(controller);
  }

  /** Another row of the controller whose slot holds this code. */
  holderOfCode(controller: string, codeHash: Buffer, exceptCredentialKey: number): TargetRow | undefined {
    return this.#holder.get({ hash: codeHash, controller, except: exceptCredentialKey });
  }

  /** Rows of a controller behind the key `after`. */
  ofController(controller: string, after: number, limit: number): TargetRow[] {
    return this.#ofController.all(controller, after, limit);
  }

  /** At most `limit` rows that own a slot, from the slot `from` upwards. */
  withSlotsFrom(controller: string, from: number, limit: number): (TargetRow & { slot: number })[] {
    return this.#slotsFrom.all(controller, from, limit);
  }

  bySlot(controller: string, slot: number): TargetRow | undefined {
    return this.#bySlot.get(controller, slot);
  }

  /** Rows that take, or will take, a slot. */
  countOf(controller: string): number {
    return this.#counts.get(controller)?.total ?? 0;
  }

  /** Slots owned, and rows that wait for a write, an erasure or a remedy. */
  loadOf(controller: string): { pending: number; used: number } {
    const counts = this.#counts.get(controller);
    return { pending: counts?.pending ?? 0, used: counts?.used ?? 0 };
  }

  /**
   * How many others take a slot at the same time at the worst moment of `[starts, ends)`; null bounds are open. Costs
   * one look at every row of the controller.
   */
  mostAtOnce(controller: string, starts: number | null, ends: number | null, except: number): number {
    const from = starts ?? -Infinity;
    const begins: number[] = [];
    const finishes: number[] = [];
    for (const row of this.#bounds.iterate({ controller, starts, ends, except })) {
      begins.push(Math.max(row.starts_at ?? -Infinity, from));
      if (row.ends_at !== null) finishes.push(row.ends_at);
    }
    return mostAtOnce(begins, finishes);
  }

  /**
   * Rows to be judged at once that own no slot, and whose windows say that they belong into the table now, are put into
   * the queue as they are: whoever writes them judges them in any case. Looks at `limit` rows behind the key `after`;
   * returns the last of them, null when there are no more.
   */
  queueBegun(controller: string, after: number, limit: number, nowMs: number, wallMs: number): number | null {
    const last = this.#lastAtOnce.get(controller, after, limit)?.last ?? null;
    if (last !== null)
      this.#queueBegun.run({ controller, after, last, now: nowMs, urgent: wallMs, never: Number.MAX_SAFE_INTEGER });
    return last;
  }

  /** Rows that hold a slot ahead of their start, which is behind `nowMs`; the latest start first. */
  notBegun(controller: string, nowMs: number, limit: number): TargetRow[] {
    return this.#notBegun.all(controller, nowMs, limit);
  }

  /** How many rows that made way still have their slot. */
  givingWay(controller: string): number {
    return this.#givingWay.get(controller)?.count ?? 0;
  }

  /** Some row made way and has no slot. */
  hasDeferred(controller: string): boolean {
    return this.#hasDeferred.get(controller) !== undefined;
  }

  /**
   * Of those at most `limit` are judged anew as if they had not made way, the earliest start first; returns how many.
   */
  undefer(controller: string, limit: number): number {
    return this.#undefer.run(controller, limit).changes;
  }

  /** Windows of the credentials that take, or will take, a slot, behind the key `after`. */
  staysAfter(
    controller: string,
    after: number,
    limit: number,
  ): (Bounds & { target_key: number; acs_credential_id: string })[] {
    return this.#stays.all(controller, after, limit);
  }

  summary(): SyncSummary {
    return this.#states.get() ?? { pending: 0, unconfirmed: 0, failed: 0, oldest_pending_erasure_at: null };
  }

  /** Every controller that ever had a row. */
  controllers(): string[] {
    return this.#controllers.all().map((row) => row.controller);
  }

  /** Remembers whose a slot was that is being freed. */
  noteFreed(controller: string, slot: number, acsCredentialId: string, nowMs: number): void {
    this.#addHistory.run(controller, slot, acsCredentialId, nowMs);
  }

  lastOwner(controller: string, slot: number): { acs_credential_id: string; freed_at: number } | undefined {
    return this.#history.get(controller, slot);
  }
}
