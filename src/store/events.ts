// The event log, which is the outbox as well: numbers that rise by one and are never given twice, and one cursor up to
// which the broker has acknowledged. Where an older log was put back its numbers go on behind those that were given.

import type { Random } from '../domain/ports.ts';
import { boundedBody } from './event-body.ts';
import type { Db } from './db.ts';
import { eventHash } from './event-chain.ts';
import type { Meta } from './meta.ts';
import { storedObject } from './stored-json.ts';

/**
 * What is recorded; its type and body are those of the catalogue (domain/events.ts), which is no matter of the store.
 */
export type Recorded = {
  event_type: string;
  /** When it happened, epoch ms; without it: `now`. */
  occurredAtMs?: number;
  body: Readonly<Record<string, unknown>>;
};
export type StoredEvent = { sequence: number; event_type: string; created_at: number; body: string };

/** Which of them are wanted; null: any. Instants are epoch ms, the first included and the second not. */
export type Wanted = {
  types: readonly string[] | null;
  created: readonly [number | null, number | null];
  occurred: readonly [number | null, number | null];
};

export type Trimmed = {
  removed: number;
  unsent: number;
  /** The first that went; null: none did. */
  first: number | null;
  last: { sequence: number; hash: string } | null;
};
const NONE_TRIMMED: Trimmed = { removed: 0, unsent: 0, first: null, last: null };

/** Rows looked at for what an event weighs, and what a row costs beside its text. */
const SAMPLES = 256;
const ROW_BYTES = 24;

/** Rows looked at for one page, however few of them are wanted: one to two milliseconds. */
const MOST_ROWS = 5_000;
/** The instant of the event as it stands in its text: 24 characters for every year that a clock may say. */
const OCCURRED_AT = `substr(body, instr(body, '"occurred_at":"') + 15, 24)`;

const ACKNOWLEDGED = 'outbox_acknowledged';
const RECEIVED = 'events_received';
/** Numbers that were left out on purpose: `first-last`, oldest first, a space between. */
export const LEFT_OUT = 'events_left_out';

export class EventLog {
  readonly #meta: Meta;
  readonly #random: Random;
  readonly #clockState: () => 'trusted' | 'untrusted';
  readonly #system: Readonly<Record<string, string>>;
  readonly #insert;
  readonly #last;
  readonly #newest;
  readonly #newestUpTo;
  readonly #after;
  readonly #wanted;
  readonly #lookedAt;
  readonly #counts;
  readonly #about;
  readonly #expired;
  readonly #deleteUpTo;
  readonly #count;
  readonly #weight;
  #instant = { atMs: NaN, text: '' };
  #wasAdded = false;
  /** The newest that is committed. */
  #durable: number;

  constructor(
    db: Db,
    meta: Meta,
    random: Random,
    clockState: () => 'trusted' | 'untrusted',
    acsSystemId: string | null,
  ) {
    this.#meta = meta;
    this.#random = random;
    this.#clockState = clockState;
    this.#system = acsSystemId === null ? {} : { acs_system_id: acsSystemId };
    this.#insert = db.prepare<[number | null, string, number, string]>(
      'INSERT INTO events (sequence, event_type, created_at, body) VALUES (?, ?, ?, ?)',
    );
    this.#last = db.prepare<[], { last: number | null }>('SELECT max(sequence) AS last FROM events');
    this.#newest = db.prepare<[], StoredEvent>(
      'SELECT sequence, event_type, created_at, body FROM events ORDER BY sequence DESC LIMIT 1',
    );
    this.#newestUpTo = db.prepare<[number], StoredEvent>(
      'SELECT sequence, event_type, created_at, body FROM events WHERE sequence <= ? ORDER BY sequence DESC LIMIT 1',
    );
    this.#after = db.prepare<[number, number], StoredEvent>(
      'SELECT sequence, event_type, created_at, body FROM events WHERE sequence > ? ORDER BY sequence LIMIT ?',
    );
    const rows = `(SELECT sequence, event_type, created_at, body FROM events WHERE sequence > :after ORDER BY sequence LIMIT ${MOST_ROWS})`;
    this.#wanted = db.prepare<[WantedRow], StoredEvent>(
      `SELECT * FROM ${rows} WHERE (:types IS NULL OR event_type IN (SELECT value FROM json_each(:types)))
         AND (:created_since IS NULL OR created_at >= :created_since)
         AND (:created_before IS NULL OR created_at < :created_before)
         AND (:occurred_since IS NULL OR ${OCCURRED_AT} >= :occurred_since)
         AND (:occurred_before IS NULL OR ${OCCURRED_AT} < :occurred_before)
       ORDER BY sequence LIMIT :limit`,
    );
    this.#lookedAt = db
      .prepare<[number], number>(
        `SELECT sequence FROM events WHERE sequence > ? ORDER BY sequence LIMIT 1 OFFSET ${MOST_ROWS - 1}`,
      )
      .pluck();
    this.#counts = db.prepare<[number, number], { event_type: string; count: number; last: number }>(
      `SELECT event_type, count(*) AS count, max(sequence) AS last FROM
         (SELECT sequence, event_type FROM events WHERE sequence > ? ORDER BY sequence LIMIT ?) GROUP BY event_type`,
    );
    this.#about = db.prepare<[{ after: number; upTo: number; id: string }], StoredEvent>(
      `SELECT sequence, event_type, created_at, body FROM events WHERE sequence > :after AND sequence <= :upTo
         AND (instr(body, :id) OR event_type GLOB 'acs_user.*' OR event_type GLOB 'acs_access_group.*' OR event_type GLOB 'access_grant.*'
              OR event_type IN ('acs_entrance.access_granted', 'acs_entrance.access_revoked'))
       ORDER BY sequence`,
    );
    this.#expired = db.prepare<[{ before: number; limit: number }], { last: number | null; count: number }>(
      `SELECT max(sequence) AS last, count(*) AS count FROM
         (SELECT sequence, created_at FROM events ORDER BY sequence LIMIT :limit) WHERE created_at < :before`,
    );
    this.#deleteUpTo = db.prepare<[number]>(
      'DELETE FROM events WHERE sequence <= ? AND sequence < (SELECT max(sequence) FROM events)',
    );
    // Each by itself: asked for both at once SQLite reads the whole log.
    this.#count = db.prepare<[], { first: number | null; last: number | null }>(
      'SELECT (SELECT min(sequence) FROM events) AS first, (SELECT max(sequence) FROM events) AS last',
    );
    this.#weight = db.prepare<[number], { bytes: number }>(
      'SELECT length(event_type) + length(body) AS bytes FROM events WHERE sequence = ?',
    );
    this.#durable = this.lastSequence();
  }

  /** How many are kept. */
  count(): number {
    return this.countAfter(0);
  }

  /** How many are kept behind `sequence`. */
  countAfter(sequence: number): number {
    const { first, last } = this.span();
    return first === null || last === null ? 0 : this.#numbersGiven(Math.max(first - 1, sequence), last);
  }

  /** How many numbers behind `after` and up to `last` were given. */
  #numbersGiven(after: number, last: number): number {
    if (last <= after) return 0;
    const leftOut = this.#leftOut().map((gap) => Math.min(gap.last, last) - Math.max(gap.first, after + 1) + 1);
    return last - after - leftOut.reduce((sum, numbers) => sum + Math.max(0, numbers), 0);
  }

  #leftOut(): { first: number; last: number }[] {
    const text = this.#meta.text(LEFT_OUT) ?? '';
    return text.split(' ').flatMap((gap) => {
      const [, first, last] = /^(\d+)-(\d+)$/.exec(gap) ?? [];
      return first === undefined || last === undefined ? [] : [{ first: Number(first), last: Number(last) }];
    });
  }

  /** What an event weighs in the file, by a sample over all that are kept; 0 while there is none. */
  averageBytes(): number {
    const { first } = this.span();
    const count = this.count();
    if (first === null || count === 0) return 0;
    const samples = Math.min(count, SAMPLES);
    const numbers = this.lastSequence() - first + 1;
    const found = Array.from({ length: samples }, (_, i) =>
      this.#weight.get(first + Math.floor((i * numbers) / samples)),
    ).filter((row) => row !== undefined);
    return found.reduce((sum, { bytes }) => sum + bytes + ROW_BYTES, 0) / Math.max(1, found.length);
  }

  /**
   * Inside a transaction. Returns the sequence number, which is final once that transaction is: the next one, where no
   * later one is asked for. What is left out by that counts as given elsewhere.
   */
  add(event: Recorded, nowMs: number, sequence: number | null = null): number {
    // event_id and the rest of the envelope are written now, so that a repeat is the same to the letter; sequence is
    // the row's own number.
    const head = {
      event_id: this.#random.uuid(),
      event_type: event.event_type,
      occurred_at: this.#iso(event.occurredAtMs ?? nowMs),
      created_at: this.#iso(nowMs),
      clock: this.#clockState(),
      ...this.#system,
      previous_hash: this.newest().hash,
    };
    const body = boundedBody(head, event.body);
    if (sequence !== null) this.#leaveOut(sequence);
    this.#wasAdded = true;
    return Number(this.#insert.run(sequence, event.event_type, nowMs, body).lastInsertRowid);
  }

  #leaveOut(next: number): void {
    const last = this.lastSequence();
    if (next <= last + 1) return;
    const known = this.#meta.text(LEFT_OUT);
    this.#meta.set(LEFT_OUT, `${known === null ? '' : `${known} `}${last + 1}-${next - 1}`);
  }

  /** Many events are of the same millisecond. */
  #iso(atMs: number): string {
    if (atMs !== this.#instant.atMs) this.#instant = { atMs, text: new Date(atMs).toISOString() };
    return this.#instant.text;
  }

  /** The newest event and its hash (event-chain.ts), of an open transaction as well; 0 and null while there is none. */
  newest(): { sequence: number; hash: string | null } {
    const last = this.#newest.get();
    return last === undefined
      ? { sequence: 0, hash: null }
      : { sequence: last.sequence, hash: eventHash(eventJson(last)) };
  }

  /** As `newest`, without those of a transaction that is still open. */
  newestDurable(): { sequence: number; hash: string | null } {
    const last = this.#newestUpTo.get(this.#durable);
    return last === undefined
      ? { sequence: 0, hash: null }
      : { sequence: last.sequence, hash: eventHash(eventJson(last)) };
  }

  lastSequence(): number {
    return this.#last.get()?.last ?? 0;
  }

  /** Behind a commit: true once after events were added. */
  takeAdded(): boolean {
    const wasAdded = this.#wasAdded;
    if (wasAdded) this.#durable = this.lastSequence();
    this.#wasAdded = false;
    return wasAdded;
  }

  /** Events behind `sequence`, oldest first, at most `limit`. */
  after(sequence: number, limit: number): StoredEvent[] {
    return this.#after.all(sequence, limit);
  }

  /**
   * A page of those that are wanted behind `sequence`, at most `limit`, without those of a transaction that is still
   * open; and up to which number the log was looked at for it.
   */
  wanted(sequence: number, limit: number, { types, created, occurred }: Wanted): { rows: StoredEvent[]; upTo: number } {
    const [createdSince, createdBefore] = created;
    const [occurredSince, occurredBefore] = occurred;
    const found = this.#wanted.all({
      after: sequence,
      limit,
      types: types === null ? null : JSON.stringify(types),
      created_since: createdSince,
      created_before: createdBefore,
      occurred_since: isoOrNull(occurredSince),
      occurred_before: isoOrNull(occurredBefore),
    });
    const rows = found.filter((event) => event.sequence <= this.#durable);
    const last = rows.at(-1);
    if (last !== undefined && rows.length === limit) return { rows, upTo: last.sequence };
    return { rows, upTo: Math.max(sequence, Math.min(this.#lookedAt.get(sequence) ?? Infinity, this.#durable)) };
  }

  /** How many of each type there are behind `sequence`, of the next `limit` events, and up to which that is. */
  countsBehind(sequence: number, limit: number): { upTo: number; counts: Map<string, number> } {
    const rows = this.#counts.all(sequence, limit);
    const upTo = rows.reduce((last, row) => Math.max(last, row.last), sequence);
    return { upTo, counts: new Map(rows.map(({ event_type, count }) => [event_type, count])) };
  }

  /** Of a slice of the log: what names this id, and every change of people, groups and grants. */
  about(id: string, after: number, upTo: number): StoredEvent[] {
    return this.#about.all({ id, after, upTo });
  }

  /**
   * As `after`, without those of a transaction that is still open: it may be undone, and their numbers would be given
   * again.
   */
  durableAfter(sequence: number, limit: number): StoredEvent[] {
    return this.after(sequence, limit).filter((event) => event.sequence <= this.#durable);
  }

  acknowledged(): number {
    return this.#meta.number(ACKNOWLEDGED) ?? 0;
  }

  acknowledge(sequence: number): void {
    this.#meta.set(ACKNOWLEDGED, sequence);
  }

  /** Up to where the receiver has confirmed them by a command; null: nobody is asked to. */
  received(): number | null {
    return this.#meta.number(RECEIVED);
  }

  receive(sequence: number): void {
    this.#meta.set(RECEIVED, sequence);
  }

  /** From now on the broker's word is enough. */
  forgetReceiver(): void {
    this.#meta.delete(RECEIVED);
  }

  /** Up to where nobody waits for them any more. */
  deliveredUpTo(): number {
    return this.received() ?? this.acknowledged();
  }

  /** Oldest and newest sequence kept; null and null when there is none yet. */
  span(): { first: number | null; last: number | null } {
    return this.#count.get() ?? { first: null, last: null };
  }

  /**
   * One slice of retention: removes at most `limit` events that are older than `beforeMs` or beyond `max`. Never the
   * newest, whose number the next one follows, and none behind `most`. Returns how many went, how many of those
   * somebody still waited for, and the last of them.
   */
  trim(beforeMs: number, max: number, limit: number, most = Infinity): Trimmed {
    const { first, last } = this.span();
    if (first === null || last === null) return NONE_TRIMMED;
    const byAge = this.#expired.get({ before: beforeMs, limit })?.last ?? 0;
    const byCount = first + Math.min(this.count() - max, limit) - 1;
    const upTo = Math.min(Math.max(byAge, byCount), last - 1, most);
    if (upTo < first) return NONE_TRIMMED;
    const unsent = this.#numbersGiven(Math.max(this.deliveredUpTo(), first - 1), upTo);
    const gone = this.#newestUpTo.get(upTo);
    const lastGone = gone === undefined ? null : { sequence: gone.sequence, hash: eventHash(eventJson(gone)) };
    const removed = this.#deleteUpTo.run(upTo).changes;
    if (upTo > this.acknowledged()) this.acknowledge(upTo);
    if (upTo > (this.received() ?? Infinity)) this.receive(upTo);
    return { removed, unsent, first, last: lastGone };
  }
}

type WantedRow = {
  after: number;
  limit: number;
  types: string | null;
  created_since: number | null;
  created_before: number | null;
  occurred_since: string | null;
  occurred_before: string | null;
};

const isoOrNull = (atMs: number | null): string | null => (atMs === null ? null : new Date(atMs).toISOString());

/** The event as it is published and listed: the stored body with its sequence in front. */
export function eventJson(event: StoredEvent): string {
  return `{"sequence":${event.sequence},${event.body.slice(1)}`;
}

/**
 * Stands for an event where it does not fit whole: its number, what it is, and its hash, so that there is no gap and
 * the chain goes on.
 */
export function eventStub(event: StoredEvent): string {
  const { event_id, occurred_at, created_at, clock, previous_hash } = storedObject(event.body);
  const { sequence, event_type } = event;
  const hash = eventHash(eventJson(event));
  return JSON.stringify({
    ...{ sequence, event_id, event_type, occurred_at, created_at, clock, is_stub: true },
    ...(previous_hash === undefined ? {} : { previous_hash }),
    hash,
  });
}
