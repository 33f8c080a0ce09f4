// Events to the broker in sequence: a bounded window in flight, the cursor advanced over the contiguous acknowledged
// prefix only, resumed after a restart without a gap. The database is the queue; nothing waits in memory but the
// window.

import type { Clock, Log, Random, Timer } from '../domain/ports.ts';
import { eventJson, eventStub, type StoredEvent } from '../store/events.ts';
import type { Store } from '../store/store.ts';
import { isStorageError } from '../store/disk-errors.ts';
import { Pace } from './pace.ts';
import type { Outcome } from './sending.ts';

/** Publishes one event, or its stub where it does not fit whole, and says what became of it. */
export type PublishEvent = (
  event: { sequence: number; event_type: string },
  json: string,
  stub: () => string,
  done: (outcome: Outcome) => void,
) => void;

const WINDOW = 64;
/** Rows read together: one question for each event would cost as much as sending it. */
const READ_TOGETHER = 128;
/** The cursor is written at most this often; a crash in between repeats events with the same event_id. */
const SAVE_EVERY_MS = 200;
const RETRY_FIRST_MS = 15_000;
const RETRY_MOST_MS = 900_000;

export class Outbox {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #pace: Pace;
  #publish: PublishEvent | null = null;
  /** Up to where the broker has acknowledged. */
  #acknowledged: number;
  /** The newest that was ever handed to a connection. */
  #handed: number;
  /**
   * What was handed to the current connection and is not behind the cursor yet, in order: numbers that were left out,
   * or deleted, hold nobody up.
   */
  #flying: { sequence: number; isAnswered: boolean }[] = [];
  /** Read and not handed out yet, in order. */
  #ahead: StoredEvent[] = [];
  #saved: number;
  #saveTimer: Timer | null = null;
  #retryTimer: Timer | null = null;
  #blocked: string | null = null;
  /** After a refusal one event goes alone, until one is acknowledged. */
  #isProbing = false;
  #said: string | null = null;
  /** It was answered no, and the connection held. */
  #isHarmless = false;
  #generation = 0;
  #onChange: () => void = () => undefined;

  constructor(store: Store, clock: Clock, random: Random, log: Log) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.#pace = new Pace(random, RETRY_FIRST_MS, RETRY_MOST_MS);
    this.#acknowledged = store.events.acknowledged();
    this.#saved = this.#acknowledged;
    this.#handed = this.#acknowledged;
    store.onEvents(() => this.#pump());
  }

  onChange(listener: () => void): void {
    this.#onChange = listener;
  }

  /**
   * A connection is up: everything not acknowledged goes out again, in order. Where each try costs a connection, the
   * pause is kept.
   */
  connected(publish: PublishEvent): void {
    this.#publish = publish;
    if (this.#isHarmless) {
      this.#retryTimer?.cancel();
      this.#blocked = null;
    }
    this.#restart();
  }

  #restart(): void {
    this.#generation += 1;
    this.#flying = [];
    this.#ahead = [];
    this.#pump();
  }

  disconnected(): void {
    this.#generation += 1;
    this.#publish = null;
    this.#flying = [];
    this.#ahead = [];
    this.#save();
  }

  /** Writes the cursor; at a stop. */
  stop(): void {
    this.disconnected();
    this.#retryTimer?.cancel();
    this.#saveTimer?.cancel();
    this.#saveTimer = null;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  get handed(): number {
    return Math.max(this.#handed, this.#acknowledged);
  }

  state(): { depth: number; acknowledged: number; blocked: string | null } {
    return {
      depth: this.#store.events.countAfter(this.#acknowledged),
      acknowledged: this.#acknowledged,
      blocked: this.#isProbing ? this.#said : null,
    };
  }

  /** Retention has moved the cursor past events that were never sent. */
  skipTo(sequence: number): void {
    if (sequence <= this.#acknowledged) return;
    this.#acknowledged = sequence;
    this.#flying = this.#flying.filter((event) => event.sequence > sequence);
    this.#ahead = this.#ahead.filter((event) => event.sequence > sequence);
  }

  #pump(): void {
    const publish = this.#publish;
    if (publish === null || this.#blocked !== null) return;
    const generation = this.#generation;
    while (this.#flying.length < (this.#isProbing ? 1 : WINDOW)) {
      if (this.#ahead.length === 0) this.#ahead = this.#read();
      const event = this.#ahead.shift();
      if (event === undefined) return;
      this.#flying.push({ sequence: event.sequence, isAnswered: false });
      this.#handed = Math.max(this.#handed, event.sequence);
      publish(
        event,
        eventJson(event),
        () => eventStub(event),
        (outcome) => {
          if (generation === this.#generation) this.#answer(event.sequence, outcome);
        },
      );
      if (generation !== this.#generation) return;
    }
  }

  /** What the disk does not give now is offered at the next event or connection. */
  #read(): StoredEvent[] {
    try {
      return this.#store.events.durableAfter(this.#flying.at(-1)?.sequence ?? this.#acknowledged, READ_TOGETHER);
    } catch (error) {
      if (!isStorageError(error)) throw error;
      return [];
    }
  }

  #answer(sequence: number, outcome: Outcome): void {
    if (outcome.type === 'lost') return;
    if (outcome.type !== 'acknowledged') {
      this.#isHarmless = outcome.type === 'refused';
      this.#block(sequence, outcome.reason);
      return;
    }
    const answered = this.#flying.find((event) => event.sequence === sequence);
    if (answered === undefined) return;
    answered.isAnswered = true;
    const waiting = this.#flying.findIndex((event) => !event.isAnswered);
    const done = this.#flying.splice(0, waiting === -1 ? this.#flying.length : waiting).at(-1);
    if (done === undefined) return;
    this.#acknowledged = done.sequence;
    if (this.#isProbing) this.#unblocked();
    this.#saveTimer ??= this.#clock.after(SAVE_EVERY_MS, () => {
      this.#saveTimer = null;
      this.#save();
    });
    this.#pump();
  }

  /** The broker refuses an event (an ACL, a quota, its topic): nothing is skipped, it is offered again later. */
  #block(sequence: number, reason: string): void {
    if (this.#blocked !== null) return;
    this.#blocked = reason;
    this.#isProbing = true;
    if (this.#said !== reason) this.#log.error(`events wait: ${reason}`, { sequence });
    this.#said = reason;
    this.#onChange();
    this.#retryTimer = this.#clock.after(this.#pace.next(), () => {
      this.#blocked = null;
      this.#restart();
    });
  }

  #unblocked(): void {
    this.#isProbing = false;
    this.#said = null;
    this.#pace.proved();
    this.#log.info('events go out again');
    this.#onChange();
  }

  #save(): void {
    if (this.#saved === this.#acknowledged) return;
    const acknowledged = this.#acknowledged;
    this.#saved = acknowledged;
    try {
      // Undone, it is written with the next one: until then a restart repeats these events, each with its event_id.
      const again = (): void => void (this.#saved = -1);
      this.#store.group(() => this.#store.events.acknowledge(acknowledged), { rolledBack: again });
    } catch (error) {
      this.#saved = -1;
      if (!isStorageError(error)) throw error;
    }
    this.#onChange();
  }
}
