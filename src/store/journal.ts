// The journal: each command once, with a keyed hash of what it said and the reply it got. Replies that hold a card
// number or a generated code are sealed.

import type { Db } from './db.ts';
import type { Secrets } from './secrets.ts';

export type JournalState = 'accepted' | 'running' | 'done';
export type JournalRow = {
  command_id: string;
  digest: Buffer;
  command: string;
  state: JournalState;
  received_at: number;
  finished_at: number | null;
  reply: Buffer | null;
  is_sealed: 0 | 1;
  code_shown_until: number | null;
  reply_topic: string | null;
  correlation: Buffer | null;
  progress: Buffer | null;
};

export type NewEntry = {
  commandId: string;
  digest: Buffer;
  command: string;
  receivedAtMs: number;
  replyTopic: string | null;
  correlation: Buffer | null;
};
export type Answer = { json: string; isSecret: boolean; codeShownUntilMs: number | null };

const context = (commandId: string): string => `reply ${commandId}`;
const progressContext = (commandId: string): string => `progress ${commandId}`;

export class Journal {
  readonly #secrets: Secrets;
  readonly #get;
  readonly #insert;
  readonly #finish;
  readonly #progress;
  readonly #delivered;
  readonly #undelivered;
  readonly #unfinished;
  readonly #trim;
  readonly #redirect;
  readonly #slice;
  readonly #replaceReply;

  constructor(db: Db, secrets: Secrets) {
    this.#secrets = secrets;
    this.#get = db.prepare<[string], JournalRow>('SELECT * FROM journal WHERE command_id = ?');
    this.#insert = db.prepare<
      [
        string,
        Buffer,
        string,
        JournalState,
        number,
        number | null,
        Buffer | null,
        0 | 1,
        number | null,
        string | null,
        Buffer | null,
      ]
    >(
      `INSERT INTO journal (command_id, digest, command, state, received_at, finished_at, reply, is_sealed, code_shown_until, reply_topic, correlation)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#finish = db.prepare<[number, Buffer, 0 | 1, number | null, string]>(
      `UPDATE journal SET state = 'done', finished_at = ?, reply = ?, is_sealed = ?, code_shown_until = ?, progress = NULL WHERE command_id = ?`,
    );
    this.#progress = db.prepare<[Buffer, string]>('UPDATE journal SET progress = ? WHERE command_id = ?');
    this.#delivered = db.prepare<[string]>(
      'UPDATE journal SET reply_topic = NULL, correlation = NULL WHERE command_id = ? AND reply_topic IS NOT NULL',
    );
    this.#undelivered = db.prepare<[number, number], JournalRow>(
      `SELECT * FROM journal WHERE reply_topic IS NOT NULL AND state = 'done' AND received_at >= ? ORDER BY received_at LIMIT ?`,
    );
    this.#unfinished = db.prepare<[], JournalRow>(`SELECT * FROM journal WHERE state <> 'done' ORDER BY received_at`);
    this.#trim = db.prepare<[number, number]>(
      `DELETE FROM journal WHERE command_id IN (SELECT command_id FROM journal WHERE received_at < ? AND state <> 'accepted' ORDER BY received_at LIMIT ?)`,
    );
    this.#slice = db.prepare<[number, number], JournalRow & { rowid: number }>(
      'SELECT rowid, * FROM journal WHERE rowid > ? AND reply IS NOT NULL ORDER BY rowid LIMIT ?',
    );
    this.#replaceReply = db.prepare<[Buffer, string]>(
      'UPDATE journal SET reply = ?, is_sealed = 0, code_shown_until = NULL WHERE command_id = ?',
    );
    this.#redirect = db.prepare<[string | null, Buffer | null, string]>(
      'UPDATE journal SET reply_topic = ?, correlation = ? WHERE command_id = ?',
    );
  }

  get(commandId: string): JournalRow | undefined {
    return this.#get.get(commandId);
  }

  /** A command that was answered in the transaction that carried it out. */
  addDone(entry: NewEntry, answer: Answer): void {
    const [reply, sealed] = this.#stored(entry.commandId, answer);
    const { commandId, digest, command, receivedAtMs, replyTopic, correlation } = entry;
    this.#insert.run(
      commandId,
      digest,
      command,
      'done',
      receivedAtMs,
      receivedAtMs,
      reply,
      sealed,
      answer.codeShownUntilMs,
      replyTopic,
      correlation,
    );
  }

  /** A command whose effect is still to come. */
  addOpen(entry: NewEntry, state: 'accepted' | 'running'): void {
    const { commandId, digest, command, receivedAtMs, replyTopic, correlation } = entry;
    this.#insert.run(commandId, digest, command, state, receivedAtMs, null, null, 0, null, replyTopic, correlation);
  }

  finish(commandId: string, answer: Answer, nowMs: number): void {
    const [reply, sealed] = this.#stored(commandId, answer);
    this.#finish.run(nowMs, reply, sealed, answer.codeShownUntilMs, commandId);
  }

  /** How far a running command has come, sealed, for whoever goes on after a restart. */
  saveProgress(commandId: string, json: string): void {
    this.#progress.run(this.#secrets.seal(json, progressContext(commandId)), commandId);
  }

  progressOf(row: JournalRow): string | null {
    return row.progress === null ? null : this.#secrets.open(row.progress, progressContext(row.command_id));
  }

  replyOf(row: JournalRow): string | null {
    if (row.reply === null) return null;
    return row.is_sealed === 1 ? this.#secrets.open(row.reply, context(row.command_id)) : row.reply.toString('utf8');
  }

  markDelivered(commandId: string): void {
    this.#delivered.run(commandId);
  }

  /** Where the next reply to this command goes: to whoever asked last. */
  redirect(commandId: string, replyTopic: string | null, correlation: Buffer | null): void {
    this.#redirect.run(replyTopic, correlation, commandId);
  }

  /** Replies nobody has acknowledged, oldest first, no older than `sinceMs`. */
  undelivered(sinceMs: number, limit: number): JournalRow[] {
    return this.#undelivered.all(sinceMs, limit);
  }

  /** Those that were answered, in the order in which they came, behind this one. */
  slice(afterRowid: number, limit: number): (JournalRow & { rowid: number })[] {
    return this.#slice.all(afterRowid, limit);
  }

  /** What is answered from now on to a repeat. */
  replaceReply(commandId: string, json: string): void {
    this.#replaceReply.run(Buffer.from(json), commandId);
  }

  unfinished(): JournalRow[] {
    return this.#unfinished.all();
  }

  /** One slice of retention; returns how many went. */
  trim(beforeMs: number, limit: number): number {
    return this.#trim.run(beforeMs, limit).changes;
  }

  #stored(commandId: string, answer: Answer): [Buffer, 0 | 1] {
    return answer.isSecret ? [this.#secrets.seal(answer.json, context(commandId)), 1] : [Buffer.from(answer.json), 0];
  }
}
