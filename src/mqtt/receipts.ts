// What the receiver of events has confirmed with `events/acknowledge`, for sites that want its word and not only that
// of a broker. Beside the outbox, which goes on by PUBACKs: what was delivered and is not confirmed goes out again, a
// bounded number of events at a time, after a new connection and whenever nothing was heard for a while. What is new
// never waits for a receiver that says nothing, for an alarm may be among it.

import { refused } from '../domain/errors.ts';
import { newEvent } from '../domain/events.ts';
import type { Clock, Log, Random, Timer } from '../domain/ports.ts';
import { isStorageError } from '../store/disk-errors.ts';
import { eventJson, eventStub, type StoredEvent } from '../store/events.ts';
import type { Store } from '../store/store.ts';
import { storedObject } from '../store/stored-json.ts';
import type { PublishEvent } from './outbox.ts';
import { Pace } from './pace.ts';
import type { Outcome } from './sending.ts';

export type Acknowledgement = { sequence: number; eventId: string | null; sender: string | null };
export type Standing = {
  acknowledged_sequence: number;
  /** The newest that was handed to the broker. */
  delivered_sequence: number;
  /** Kept behind `acknowledged_sequence`, delivered or not. */
  waiting: number;
};

/** As many as a receiver may take together before it confirms any. */
const MOST_REPEATED = 1_000;
/** Of those on their way at a time. */
const WINDOW = 64;
const SAVE_EVERY_MS = 200;
const AGAIN_FIRST_MS = 60_000;
const AGAIN_MOST_MS = 900_000;
/** Without a word for so long it is told: somebody must look after the receiver. */
const SILENT_MS = 900_000;

export type ReceiptPorts = {
  /** The newest event that was ever handed to the broker, and the newest up to which it has acknowledged all. */
  handed: () => number;
  acknowledged: () => number;
  onChange: () => void;
};

export class Receipts {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #pace: Pace;
  readonly #ports: ReceiptPorts;
  #publish: PublishEvent | null = null;
  #generation = 0;
  #received: number;
  #saved: number;
  #sender: string | null = null;
  /** Goes out again up to here; those behind are the outbox's own. */
  #againUpTo = 0;
  /** Sent again and not confirmed yet, oldest first. */
  #repeated: number[] = [];
  #flying = 0;
  #againTimer: Timer | null = null;
  #saveTimer: Timer | null = null;
  #silentTimer: Timer | null = null;
  /** Spent without a word on the connections before this one, and since when on this one. */
  #silentForMs = 0;
  #silentSinceMs = 0;
  #isSilent = false;

  constructor(store: Store, clock: Clock, random: Random, log: Log, ports: ReceiptPorts) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.#pace = new Pace(random, AGAIN_FIRST_MS, AGAIN_MOST_MS);
    this.#ports = ports;
    this.#received = store.events.received() ?? this.#begin();
    this.#saved = this.#received;
  }

  /** The first start with a receiver: what a broker has taken before counts as received. */
  #begin(): number {
    const { events } = this.#store;
    const from = events.acknowledged();
    this.#store.now(() => events.receive(from));
    return from;
  }

  // ---- connections ----

  /** Before the outbox goes on: what comes again is older than what it sends. */
  connected(publish: PublishEvent): void {
    this.#publish = publish;
    this.#sendAgain();
    this.#watch();
  }

  disconnected(): void {
    this.#generation += 1;
    this.#publish = null;
    this.#againTimer?.cancel();
    this.#againTimer = null;
    if (this.#silentTimer !== null) this.#silentForMs += this.#clock.monotonicMs() - this.#silentSinceMs;
    this.#silentTimer?.cancel();
    this.#silentTimer = null;
    this.#save();
  }

  stop(): void {
    this.disconnected();
    this.#saveTimer?.cancel();
    this.#saveTimer = null;
  }

  /** The outbox has gone on. */
  delivered(): void {
    this.#watch();
  }

  /** Retention has moved the cursor past events that nobody had confirmed. */
  skipTo(sequence: number): void {
    if (sequence > this.#received) this.#advance(sequence);
  }

  // ---- what the receiver says ----

  /**
   * Everything up to `sequence` has arrived. The same again, and an older one, change nothing. Throws for one that was
   * never delivered and for one that is another event here.
   */
  acknowledge({ sequence, eventId, sender }: Acknowledgement): Standing {
    const isProven = eventId !== null && this.#isSame(sequence, eventId);
    if (sequence > this.#received) {
      const delivered = this.#ports.handed();
      if (sequence > delivered && !isProven)
        throw refused(
          'invalid_input',
          'sequence',
          `event ${sequence} was not delivered yet: ${delivered} is the newest that was handed to the broker. Nothing was acknowledged. Remedy: acknowledge the last event that came without a gap before it, best with its event_id`,
        );
      this.#sender = sender;
      this.#advance(sequence);
      this.#heard();
    }
    return this.standing();
  }

  /** Throws where the two do not belong together: then the receiver speaks of another log than this. */
  #isSame(sequence: number, eventId: string): boolean {
    const { events } = this.#store;
    const [row] = events.durableAfter(sequence - 1, 1);
    if (row?.sequence === sequence) {
      if (storedObject(row.body)['event_id'] === eventId.toLowerCase()) return true;
      throw refused(
        'invalid_input',
        'event_id',
        `event ${sequence} of this facility is another one. Nothing was acknowledged. Remedy: see that each facility is acknowledged by its own events; read from ${this.#received + 1} on with events/list`,
      );
    }
    const { first, last } = events.span();
    if (first !== null && sequence < first) return false;
    throw refused(
      'invalid_input',
      'sequence',
      `this log has no event ${sequence}${last === null ? '' : `: ${last} is the newest`}. Nothing was acknowledged. Remedy: acknowledge what comes from now on; after an older copy of the database was put back, numbers go on far behind those that were given`,
    );
  }

  #advance(sequence: number): void {
    this.#received = sequence;
    const stillOut = this.#repeated.findIndex((one) => one > sequence);
    this.#repeated.splice(0, stillOut === -1 ? this.#repeated.length : stillOut);
    this.#saveTimer ??= this.#clock.after(SAVE_EVERY_MS, () => {
      this.#saveTimer = null;
      this.#save();
    });
  }

  #heard(): void {
    this.#pace.proved();
    this.#againTimer?.cancel();
    this.#againTimer = null;
    this.#silentTimer?.cancel();
    this.#silentTimer = null;
    this.#silentForMs = 0;
    if (this.#isSilent) {
      this.#isSilent = false;
      this.#log.info('events are acknowledged again', { sequence: this.#received });
      this.#tell(newEvent('agent.receiver_heard', this.#standingBody()));
    }
    this.#pump();
    this.#watch();
  }

  // ---- again ----

  /** Deadlines run only while something that was delivered waits for its word, and there is a way for it to come. */
  #watch(): void {
    if (this.#publish === null || this.#ports.handed() <= this.#received) return;
    this.#againTimer ??= this.#clock.after(this.#pace.next(), () => {
      this.#againTimer = null;
      this.#sendAgain();
      this.#watch();
    });
    if (this.#isSilent || this.#silentTimer !== null) return;
    this.#silentSinceMs = this.#clock.monotonicMs();
    const leftMs = Math.max(0, SILENT_MS - this.#silentForMs);
    this.#silentTimer = this.#clock.after(leftMs, () => this.#becomeSilent());
  }

  #becomeSilent(): void {
    this.#silentTimer = null;
    this.#isSilent = true;
    this.#log.error(this.problem() ?? '', { acknowledged: this.#received });
    this.#tell(newEvent('agent.receiver_silent', this.#standingBody()));
  }

  /** From the first that is not confirmed; what an earlier round has under way is let go. */
  #sendAgain(): void {
    this.#generation += 1;
    this.#flying = 0;
    this.#repeated = [];
    // Behind what the broker has acknowledged they are the outbox's.
    this.#againUpTo = this.#ports.acknowledged();
    this.#pump();
  }

  #pump(): void {
    const publish = this.#publish;
    if (publish === null) return;
    const generation = this.#generation;
    const room = Math.min(WINDOW - this.#flying, MOST_REPEATED - this.#repeated.length);
    if (room <= 0) return;
    for (const event of this.#read(room)) {
      if (event.sequence > this.#againUpTo) return;
      this.#repeated.push(event.sequence);
      this.#flying += 1;
      publish(
        event,
        eventJson(event),
        () => eventStub(event),
        (outcome) => this.#answer(generation, outcome),
      );
      if (generation !== this.#generation) return;
    }
  }

  #read(room: number): StoredEvent[] {
    const from = Math.max(this.#repeated.at(-1) ?? 0, this.#received);
    if (from >= this.#againUpTo) return [];
    try {
      return this.#store.events.durableAfter(from, room);
    } catch (error) {
      if (!isStorageError(error)) throw error;
      return [];
    }
  }

  /** One that the broker refuses is offered again with the next round; that it refuses, the outbox tells. */
  #answer(generation: number, outcome: Outcome): void {
    if (generation !== this.#generation) return;
    this.#flying -= 1;
    if (outcome.type === 'acknowledged') this.#pump();
  }

  // ---- how it stands ----

  standing(): Standing {
    return {
      acknowledged_sequence: this.#received,
      delivered_sequence: this.#ports.handed(),
      waiting: this.#store.events.countAfter(this.#received),
    };
  }

  /** For people. */
  state(): Standing & { waiting_since: string | null; sender: string | null } {
    const [oldest] = this.#store.events.durableAfter(this.#received, 1);
    const since = oldest === undefined ? null : new Date(oldest.created_at).toISOString();
    return { ...this.standing(), waiting_since: since, sender: this.#sender };
  }

  problem(): string | null {
    if (!this.#isSilent) return null;
    return `nobody has acknowledged an event behind ${this.#received} for ${SILENT_MS / 60_000} minutes or more: they are kept, and sent again. Remedy: look after the receiver, which must send events/acknowledge; or mqtt.event_delivery: broker where there is none`;
  }

  #standingBody(): { acknowledged_sequence: number; waiting: number } {
    const { acknowledged_sequence, waiting } = this.standing();
    return { acknowledged_sequence, waiting };
  }

  #tell(event: ReturnType<typeof newEvent>): void {
    try {
      this.#store.group(() => this.#store.events.add(event, this.#clock.nowMs()));
    } catch (error) {
      if (!isStorageError(error)) throw error;
    }
    this.#ports.onChange();
  }

  #save(): void {
    if (this.#saved === this.#received) return;
    const received = this.#received;
    this.#saved = received;
    try {
      // Undone, it is written with the next one: until then a restart repeats events, each with its event_id.
      const again = (): void => void (this.#saved = -1);
      this.#store.group(() => this.#store.events.receive(received), { rolledBack: again });
    } catch (error) {
      this.#saved = -1;
      if (!isStorageError(error)) throw error;
    }
    this.#ports.onChange();
  }
}
