// What each controller should hold: one row per credential and controller, which owns the slot from before the first write until after the verified erasure.

import type { Db } from './open.ts';

export type TargetState = 'scheduled' | 'writing' | 'set' | 'unconfirmed' | 'removing' | 'removed' | 'failed';
export type TargetRow = {
  target_key: number;
  controller: string;
  credential_key: number;
  acs_credential_id: string;
  slot: number | null;
  state: TargetState;
  written_hash: Buffer | null;
  read_hash: Buffer | null;
  verified_at: number | null;
  error_type: string | null;
  error_message: string | null;
  attempts: number;
  due_at: number | null;
  is_overdue: 0 | 1;
};
export type SyncSummary = {
  pending: number;
  unconfirmed: number;
  failed: number;
  oldest_pending_erasure_at: number | null;
};

export class TargetTable {
  readonly #ofCredential;
  readonly #due;
  readonly #nextDue;
  readonly #insert;
  readonly #update;
  readonly #delete;
  readonly #touch;
  readonly #touchController;
  readonly #usedSlots;
  readonly #slots;
  readonly #bySlot;
  readonly #countOf;
  readonly #pendingOf;
  readonly #overlapping;
  readonly #states;
  readonly #stateOf;
  readonly #foreign;
  readonly #addForeign;
  readonly #removeForeign;
  readonly #controllers;

  constructor(db: Db) {
    this.#ofCredential = db.prepare<[number], TargetRow>(
      'SELECT * FROM targets WHERE credential_key = ? ORDER BY controller',
    );
    this.#due = db.prepare<[string, number, number], TargetRow>(
      'SELECT * FROM targets WHERE controller = ? AND due_at <= ? ORDER BY due_at, target_key LIMIT ?',
    );
    this.#nextDue = db.prepare<[string], { next: number | null }>(
      'SELECT min(due_at) AS next FROM targets WHERE controller = ? AND due_at IS NOT NULL',
    );
    this.#insert = db.prepare<[string, number, string, number]>(
      `INSERT INTO targets (controller, credential_key, acs_credential_id, state, due_at) VALUES (?, ?, ?, 'scheduled', ?)`,
    );
    this.#update = db.prepare<[TargetRow]>(
      `UPDATE targets SET slot = :slot, state = :state, written_hash = :written_hash, read_hash = :read_hash, verified_at = :verified_at, error_type = :error_type,
         error_message = :error_message, attempts = :attempts, due_at = :due_at, is_overdue = :is_overdue WHERE target_key = :target_key`,
    );
    this.#delete = db.prepare<[number]>('DELETE FROM targets WHERE target_key = ?');
    this.#touch = db.prepare<[number, number]>('UPDATE targets SET due_at = ?, attempts = 0 WHERE credential_key = ?');
    this.#touchController = db.prepare<[number, string]>(
      'UPDATE targets SET due_at = ?, attempts = 0 WHERE controller = ?',
    );
    this.#usedSlots = db.prepare<[string], { slot: number }>(
      'SELECT slot FROM targets WHERE controller = ? AND slot IS NOT NULL ORDER BY slot',
    );
    this.#slots = db.prepare<[string], TargetRow>(
      'SELECT * FROM targets WHERE controller = ? AND slot IS NOT NULL ORDER BY slot',
    );
    this.#bySlot = db.prepare<[string, number], TargetRow>('SELECT * FROM targets WHERE controller = ? AND slot = ?');
    this.#countOf = db.prepare<[string], { count: number }>(
      'SELECT count(*) AS count FROM targets WHERE controller = ?',
    );
    this.#pendingOf = db.prepare<[string], { pending: number; used: number }>(
      `SELECT (SELECT count(*) FROM targets WHERE controller = ?1 AND state IN ('writing', 'removing', 'failed')) AS pending,
         (SELECT count(*) FROM targets WHERE controller = ?1 AND slot IS NOT NULL) AS used`,
    );
    this.#overlapping = db.prepare<
      [{ controller: string; starts: number | null; ends: number | null; except: number; limit: number }],
      { count: number }
    >(
      `SELECT count(*) AS count FROM (SELECT 1 FROM targets t LEFT JOIN credentials c USING (credential_key)
         WHERE t.controller = :controller AND t.credential_key <> :except AND t.state <> 'removed'
           AND (c.credential_key IS NULL OR ((:ends IS NULL OR c.starts_at IS NULL OR c.starts_at < :ends) AND (:starts IS NULL OR c.ends_at IS NULL OR :starts < c.ends_at)))
         LIMIT :limit)`,
    );
    this.#states = db.prepare<[], SyncSummary>(
      `SELECT count(*) FILTER (WHERE state IN ('writing', 'removing')) AS pending, count(*) FILTER (WHERE state = 'unconfirmed') AS unconfirmed,
         count(*) FILTER (WHERE state = 'failed') AS failed, min(due_at) FILTER (WHERE state = 'removing') AS oldest_pending_erasure_at FROM targets
         WHERE state IN ('writing', 'removing', 'unconfirmed', 'failed')`,
    );
    this.#stateOf = db.prepare<[string], { state: TargetState; count: number }>(
      'SELECT state, count(*) AS count FROM targets WHERE controller = ? GROUP BY state',
    );
    this.#foreign = db.prepare<[string], { slot: number; first_seen_at: number }>(
      'SELECT slot, first_seen_at FROM foreign_slots WHERE controller = ? ORDER BY slot',
    );
    this.#addForeign = db.prepare<[string, number, Buffer, number]>(
      'INSERT INTO foreign_slots (controller, slot, read_hash, first_seen_at) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET read_hash = excluded.read_hash',
    );
    this.#removeForeign = db.prepare<[string, number]>('DELETE FROM foreign_slots WHERE controller = ? AND slot = ?');
    this.#controllers = db.prepare<[], { controller: string }>('SELECT DISTINCT controller FROM targets');
  }

  ofCredential(credentialKey: number): TargetRow[] {
    return this.#ofCredential.all(credentialKey);
  }

  /** Rows whose time has come, the longest waiting first. */
  due(controller: string, nowMs: number, limit: number): TargetRow[] {
    return this.#due.all(controller, nowMs, limit);
  }

  nextDueMs(controller: string): number | null {
    return this.#nextDue.get(controller)?.next ?? null;
  }

  insert(controller: string, credentialKey: number, acsCredentialId: string, dueAtMs: number): void {
    this.#insert.run(controller, credentialKey, acsCredentialId, dueAtMs);
  }

  update(target: TargetRow): void {
    this.#update.run(target);
  }

  delete(targetKey: number): void {
    this.#delete.run(targetKey);
  }

  /** Something about the credential changed: all its controllers look again, at once. */
  touch(credentialKey: number, nowMs: number): void {
    this.#touch.run(nowMs, credentialKey);
  }

  touchController(controller: string, nowMs: number): void {
    this.#touchController.run(nowMs, controller);
  }

  usedSlots(controller: string): number[] {
    return this.#usedSlots.all(controller).map((row) => row.slot);
  }

  withSlots(controller: string): TargetRow[] {
    return this.#slots.all(controller);
  }

  bySlot(controller: string, slot: number): TargetRow | undefined {
    return this.#bySlot.get(controller, slot);
  }

  countOf(controller: string): number {
    return this.#countOf.get(controller)?.count ?? 0;
  }

  /** Slots owned, and rows that wait for a write, an erasure or a remedy. */
  loadOf(controller: string): { pending: number; used: number } {
    return this.#pendingOf.get(controller) ?? { pending: 0, used: 0 };
  }

  /** Others at this controller over an overlapping window, counted up to `limit`. */
  overlapping(controller: string, starts: number | null, ends: number | null, except: number, limit: number): number {
    return this.#overlapping.get({ controller, starts, ends, except, limit })?.count ?? 0;
  }

  summary(): SyncSummary {
    return this.#states.get() ?? { pending: 0, unconfirmed: 0, failed: 0, oldest_pending_erasure_at: null };
  }

  statesOf(controller: string): { state: TargetState; count: number }[] {
    return this.#stateOf.all(controller);
  }

  controllers(): string[] {
    return this.#controllers.all().map((row) => row.controller);
  }

  foreign(controller: string): { slot: number; first_seen_at: number }[] {
    return this.#foreign.all(controller);
  }

  noteForeign(controller: string, slot: number, readHash: Buffer, nowMs: number): void {
    this.#addForeign.run(controller, slot, readHash, nowMs);
  }

  forgetForeign(controller: string, slot: number): void {
    this.#removeForeign.run(controller, slot);
  }
}
