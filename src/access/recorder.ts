// Events of decisions and doors: durable at once where the store can, kept in a bounded place in memory and written
// later where it cannot. A door never waits for this, and a failing disk never stops one. Where events come fast they
// share a commit, for each costs every door a flush of the disk; and no source tells more of them than its budget.

import { newEvent, type NewEvent } from '../domain/events.ts';
import { EventBudgets, type EventSource } from '../domain/event-budget.ts';
import type { Clock, Log, Timer } from '../domain/ports.ts';
import type { Store } from '../store/store.ts';
import { isStorageError } from '../store/disk-errors.ts';

const MOST_KEPT = 1000;
const RETRY_MS = 5000;
/**
 * Events that come fast wait so long for others, or longer where flushes are slow: a twentieth of the time at most goes
 * to them.
 */
const JOIN_MS = 200;
const JOIN_MOST_MS = 1000;
const JOIN_FLUSHES = 20;
const MOST_WAITING = 500;

export class Recorder {
  readonly #store: Store | null;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #kept: NewEvent[] = [];
  readonly budgets: EventBudgets;
  /** Noted, and not stored yet. */
  #waiting: NewEvent[] = [];
  #joinTimer: Timer | null = null;
  #flushMs = 0;
  #dropped = 0;
  #retryTimer: Timer | null = null;

  /** `store` is null when it refused at start: then everything stays in memory until the end, and is lost with it. */
  constructor(store: Store | null, clock: Clock, log: Log) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.budgets = new EventBudgets(clock, (event) => void this.record([event]));
  }

  /**
   * Stores what waits and cancels the next try; what is still in memory is lost with the process, and the log says so.
   */
  stop(): void {
    this.budgets.stop();
    this.#joined();
    this.#retryTimer?.cancel();
    const count = this.#kept.length + this.#dropped;
    if (count === 0) return;
    const why = this.#store === null ? 'there was no database to keep them in' : 'the disk failed until the end';
    this.#log.error(`events are lost: ${why}`, { count });
  }

  /** What waits in memory because the disk failed. */
  get kept(): readonly NewEvent[] {
    return this.#kept;
  }

  /** True while events wait in memory because the disk failed. */
  get isDegraded(): boolean {
    return this.#kept.length > 0 || this.#dropped > 0;
  }

  /**
   * Commits these events together with what `change` writes, durable when it returns true. False: the disk failed; the
   * events are kept in memory, the change is lost. Losing a change is for the caller to judge: an ordinary grant goes
   * on, a one-time use does not. Events noted before come first.
   */
  record(events: readonly NewEvent[], change: () => void = () => undefined): boolean {
    this.#joinTimer?.cancel();
    this.#joinTimer = null;
    const nowMs = this.#clock.nowMs();
    const all = [
      ...this.#waiting.splice(0),
      ...events.map((event) => ({ ...event, occurredAtMs: event.occurredAtMs ?? nowMs })),
    ];
    if (this.#commit(all, change, nowMs)) return true;
    for (const event of all) this.#keep(event);
    return false;
  }

  /**
   * Stores what this source may still tell: at once as long as it comes singly, else in a moment, together with what
   * comes until then.
   */
  note(source: EventSource, events: readonly NewEvent[]): void {
    const told = this.within(source, events);
    if (told.length === 0) return;
    const nowMs = this.#clock.nowMs();
    for (const event of told) this.#waiting.push({ ...event, occurredAtMs: event.occurredAtMs ?? nowMs });
    if (this.budgets.isPrompt(source) || this.#waiting.length >= MOST_WAITING) this.#joined();
    else {
      const joinMs = Math.min(JOIN_MOST_MS, Math.max(JOIN_MS, JOIN_FLUSHES * this.#flushMs));
      this.#joinTimer ??= this.#clock.after(joinMs, () => this.#joined());
    }
  }

  /** Those of the events that their source may still tell; the others are counted. */
  within(source: EventSource, events: readonly NewEvent[]): NewEvent[] {
    return events.filter((event) => this.budgets.admits(source, event));
  }

  #joined(): void {
    if (this.#waiting.length > 0) this.record([]);
  }

  #commit(events: readonly NewEvent[], change: () => void, nowMs: number): boolean {
    const store = this.#store;
    if (store === null || !this.#isUsable || this.#kept.length > 0) return false;
    const startedMs = this.#clock.monotonicMs();
    try {
      store.now(() => {
        change();
        for (const event of events) store.events.add(event, nowMs);
      });
      this.#flushMs = this.#clock.monotonicMs() - startedMs;
      return true;
    } catch (error) {
      if (!isStorageError(error)) throw error;
      this.#log.error('an event could not be stored; it is kept in memory', { error: String(error) });
      return false;
    }
  }

  #keep(event: NewEvent): void {
    if (this.#kept.length >= MOST_KEPT) {
      this.#kept.splice(oldestOfMost(this.#kept), 1);
      this.#dropped += 1;
    }
    this.#kept.push(event);
    if (this.#isUsable && this.#retryTimer === null) this.#tryLater();
  }

  /** To where there is no way any more nothing is tried. */
  get #isUsable(): boolean {
    return this.#store !== null && this.#store.condition !== 'damaged';
  }

  #tryLater(): void {
    this.#retryTimer = this.#clock.after(RETRY_MS, () => this.#writeKept());
  }

  #writeKept(): void {
    this.#retryTimer = null;
    const store = this.#store;
    if (store === null || !this.#isUsable || this.#kept.length === 0) return;
    try {
      store.now(() => {
        for (const event of this.#kept) store.events.add(event, this.#clock.nowMs());
        if (this.#dropped > 0)
          store.events.add(
            newEvent('agent.events_dropped', { count: this.#dropped, why: 'the disk failed and memory was full' }),
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

/** Where the oldest event stands of whoever has most of them: one door's flood must not push out another's. */
function oldestOfMost(events: readonly NewEvent[]): number {
  const counts = new Map<unknown, number>();
  for (const { body } of events) counts.set(whose(body), (counts.get(whose(body)) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return events.findIndex(({ body }) => counts.get(whose(body)) === most);
}

const whose = (body: NewEvent['body']): unknown => body['acs_entrance_id'] ?? body['device'];
