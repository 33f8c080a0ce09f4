// Events of decisions and doors: durable at once where the store can, kept in a bounded place in memory and written later where it cannot. A door never waits
// for this, and a failing disk never stops one.

import type { Clock, Log, Timer } from '../domain/ports.ts';
import type { NewEvent } from '../store/events.ts';
import type { Store } from '../store/store.ts';
import { isStorageError } from '../store/transactions.ts';

const MOST_KEPT = 1000;
const RETRY_MS = 5000;

export class Recorder {
  readonly #store: Store | null;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #kept: { event: NewEvent; atMs: number }[] = [];
  #dropped = 0;
  #retryTimer: Timer | null = null;

  /** `store` is null when it refused at start: then everything stays in memory until the end, and is lost with it. */
  constructor(store: Store | null, clock: Clock, log: Log) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
  }

  /** Cancels the next try; what is still in memory is lost with the process, and the log says so. */
  stop(): void {
    this.#retryTimer?.cancel();
    const count = this.#kept.length + this.#dropped;
    if (count === 0) return;
    const why = this.#store === null ? 'there was no database to keep them in' : 'the disk failed until the end';
    this.#log.error(`events are lost: ${why}`, { count });
  }

  /** True while events wait in memory because the disk failed. */
  get isDegraded(): boolean {
    return this.#kept.length > 0 || this.#dropped > 0;
  }

  /**
   * Commits these events together with what `change` writes, durable when it returns true. False: the disk failed; the events are kept in memory, the change is lost.
   * Losing a change is for the caller to judge: an ordinary grant goes on, a one-time use does not.
   */
  record(events: readonly NewEvent[], change: () => void = () => undefined): boolean {
    const store = this.#store;
    const nowMs = this.#clock.nowMs();
    if (store !== null && this.#kept.length === 0) {
      try {
        store.now(() => {
          change();
          for (const event of events) store.events.add(event, nowMs);
        });
        return true;
      } catch (error) {
        if (!isStorageError(error)) throw error;
        this.#log.error('an event could not be stored; it is kept in memory', { error: String(error) });
      }
    }
    for (const event of events)
      this.#keep({ event: { ...event, occurredAtMs: event.occurredAtMs ?? nowMs }, atMs: nowMs });
    return false;
  }

  #keep(item: { event: NewEvent; atMs: number }): void {
    if (this.#kept.length >= MOST_KEPT) {
      this.#kept.shift();
      this.#dropped += 1;
    }
    this.#kept.push(item);
    if (this.#store !== null && this.#retryTimer === null) this.#tryLater();
  }

  #tryLater(): void {
    this.#retryTimer = this.#clock.after(RETRY_MS, () => this.#writeKept());
  }

  #writeKept(): void {
    this.#retryTimer = null;
    const store = this.#store;
    if (store === null || this.#kept.length === 0) return;
    try {
      store.now(() => {
        for (const { event } of this.#kept) store.events.add(event, this.#clock.nowMs());
        if (this.#dropped > 0)
          store.events.add(
            {
              event_type: 'agent.events_dropped',
              body: { count: this.#dropped, why: 'the disk failed and memory was full' },
            },
            this.#clock.nowMs(),
          );
      });
      this.#kept.length = 0;
      this.#dropped = 0;
      this.#log.info('events kept in memory are stored now');
    } catch (error) {
      if (!isStorageError(error)) throw error;
      this.#tryLater();
    }
  }
}
