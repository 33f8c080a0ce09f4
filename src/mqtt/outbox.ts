// Events to the broker in sequence: a bounded window in flight, the cursor advanced over the contiguous acknowledged prefix only, resumed after a restart without
// a gap. The database is the queue; nothing waits in memory but the window.

import type { Clock, Log, Timer } from '../domain/ports.ts';
import type { Store } from '../store/store.ts';
import { eventJson, type StoredEvent } from '../store/events.ts';
import { isStorageError } from '../store/transactions.ts';

/** Publishes one event and says what became of it: acknowledged, refused by the broker (with its reason), or lost with the connection. */
export type PublishEvent = (
  eventType: string,
  json: string,
  done: (outcome: 'acknowledged' | 'refused' | 'lost', reason: string) => void,
) => void;

const WINDOW = 64;
/** The cursor is written at most this often; a crash in between repeats events with the same event_id. */
const SAVE_EVERY_MS = 200;
const RETRY_REFUSED_MS = 30_000;

export class Outbox {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  #publish: PublishEvent | null = null;
  /** Up to where the broker has acknowledged. */
  #acknowledged: number;
  /** Up to where something was handed to the current connection. */
  #sent: number;
  readonly #answered = new Set<number>();
  #saved: number;
  #saveTimer: Timer | null = null;
  #retryTimer: Timer | null = null;
  #blocked: string | null = null;
  #generation = 0;
  #onChange: () => void = () => undefined;

  constructor(store: Store, clock: Clock, log: Log) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.#acknowledged = store.events.acknowledged();
    this.#saved = this.#acknowledged;
    this.#sent = this.#acknowledged;
    store.onEvents(() => this.#pump());
  }

  onChange(listener: () => void): void {
    this.#onChange = listener;
  }

  /** A connection is up: everything not acknowledged goes out again, in order. */
  connected(publish: PublishEvent): void {
    this.#generation += 1;
    this.#publish = publish;
    this.#sent = this.#acknowledged;
    this.#answered.clear();
    this.#blocked = null;
    this.#pump();
  }

  disconnected(): void {
    this.#generation += 1;
    this.#publish = null;
    this.#answered.clear();
    this.#sent = this.#acknowledged;
    this.#retryTimer?.cancel();
    this.#save();
  }

  /** Writes the cursor; at a stop. */
  stop(): void {
    this.disconnected();
    this.#saveTimer?.cancel();
    this.#saveTimer = null;
  }

  state(): { depth: number; acknowledged: number; blocked: string | null } {
    return {
      depth: Math.max(0, this.#store.events.lastSequence() - this.#acknowledged),
      acknowledged: this.#acknowledged,
      blocked: this.#blocked,
    };
  }

  /** Retention has moved the cursor past events that were never sent. */
  skipTo(sequence: number): void {
    if (sequence <= this.#acknowledged) return;
    this.#acknowledged = sequence;
    this.#sent = Math.max(this.#sent, sequence);
  }

  #pump(): void {
    const publish = this.#publish;
    if (publish === null || this.#blocked !== null) return;
    const room = WINDOW - (this.#sent - this.#acknowledged);
    if (room <= 0) return;
    const generation = this.#generation;
    for (const event of this.#read(room)) {
      this.#sent = event.sequence;
      publish(event.event_type, eventJson(event), (outcome, reason) => {
        if (generation === this.#generation) this.#answer(event.sequence, outcome, reason);
      });
      if (generation !== this.#generation) return;
    }
  }

  /** What the disk does not give now is offered at the next event or connection. */
  #read(room: number): StoredEvent[] {
    try {
      return this.#store.events.durableAfter(this.#sent, room);
    } catch (error) {
      if (!isStorageError(error)) throw error;
      return [];
    }
  }

  #answer(sequence: number, outcome: 'acknowledged' | 'refused' | 'lost', reason: string): void {
    if (outcome === 'lost') return;
    if (outcome === 'refused') {
      this.#block(sequence, reason);
      return;
    }
    this.#answered.add(sequence);
    const before = this.#acknowledged;
    while (this.#answered.delete(this.#acknowledged + 1)) this.#acknowledged += 1;
    if (this.#acknowledged === before) return;
    this.#saveTimer ??= this.#clock.after(SAVE_EVERY_MS, () => {
      this.#saveTimer = null;
      this.#save();
    });
    this.#pump();
  }

  /** The broker refuses an event (an ACL, a quota): nothing is skipped, it is offered again later. */
  #block(sequence: number, reason: string): void {
    if (this.#blocked !== null) return;
    this.#blocked = reason;
    this.#log.error(
      'the broker refuses an event: events wait. Remedy: allow this client to publish to its event topics',
      { sequence, reason },
    );
    this.#onChange();
    this.#retryTimer = this.#clock.after(RETRY_REFUSED_MS, () => {
      const publish = this.#publish;
      if (publish !== null) this.connected(publish);
      this.#onChange();
    });
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
