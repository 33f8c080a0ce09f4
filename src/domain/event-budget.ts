// How many events a reader, a door or a controller may cause. One that toggles, flaps or repeats itself without end
// must not fill the log, wear the disk or push the events of others out: beyond its budget its events are counted by
// type, and the counts are told. Only events are counted instead of told, never a state.

import { newEvent, type NewEvent } from './events.ts';
import { Budget, type BudgetTerms } from './budget.ts';
import type { Clock } from './ports.ts';
import { Tally, type Tallied } from './tally.ts';

/** Where events come from, as it stands in their bodies. */
export type EventSource = {
  acs_system_id: string;
  /** A reader or controller; null where it is a door by all its devices. */
  device: string | null;
  acs_entrance_id: string | null;
};

/** Of each type. A turnstile at rush hour lets in one a second. */
const OF_PEOPLE: BudgetTerms = { atOnce: 3600, perSecond: 0.5 };
/** Of each type: connected, disconnected, tampered and the like. */
const OF_DEVICES: BudgetTerms = { atOnce: 60, perSecond: 60 / 3600 };
/** An event counts once for each of these. */
const BYTES_EACH = 1024;
/** So many in a row are stored one by one, at once. */
const PROMPT: BudgetTerms = { atOnce: 10, perSecond: 1 };

type Account = { byType: Map<string, Budget>; prompt: Budget; tally: Tally };

export class EventBudgets {
  readonly #clock: Clock;
  readonly #tell: (event: NewEvent) => void;
  /** By device and entrance, all of the facility file. */
  readonly #accounts = new Map<string, Account>();

  /**
   * `tell` takes the event that says what was counted; it is called in a turn of its own, outside every transaction.
   */
  constructor(clock: Clock, tell: (event: NewEvent) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  /** True: tell it. False: it was counted. */
  admits(source: EventSource, event: NewEvent): boolean {
    const account = this.#account(source);
    const budget = account.byType.get(event.event_type) ?? new Budget(termsOf(event.event_type));
    account.byType.set(event.event_type, budget);
    const cost = Math.max(1, Math.ceil(JSON.stringify(event.body).length / BYTES_EACH));
    if (budget.take(this.#clock.monotonicMs(), cost)) return true;
    account.tally.add(event.event_type);
    return false;
  }

  /** Whether the source has been quiet enough for its events to be stored at once, each by itself. */
  isPrompt(source: EventSource): boolean {
    return this.#account(source).prompt.take(this.#clock.monotonicMs());
  }

  /** Tells what was counted so far. */
  stop(): void {
    for (const { tally } of this.#accounts.values()) tally.stop();
  }

  #account(source: EventSource): Account {
    const name = `${source.acs_entrance_id ?? ''} ${source.device ?? ''}`;
    const known = this.#accounts.get(name);
    if (known !== undefined) return known;
    const tally = new Tally(this.#clock, { tell: (tallied) => this.#tell(eventsDropped(source, tallied)) });
    const account = { byType: new Map<string, Budget>(), prompt: new Budget(PROMPT), tally };
    this.#accounts.set(name, account);
    return account;
  }
}

const termsOf = (eventType: string): BudgetTerms => (eventType.startsWith('device.') ? OF_DEVICES : OF_PEOPLE);

const eventsDropped = (source: EventSource, { count, kinds, sinceMs, untilMs }: Tallied): NewEvent =>
  newEvent('device.events_dropped', { ...source, count, event_types: kinds, ...span(sinceMs, untilMs) });

export const span = (sinceMs: number, untilMs: number): { since: string; until: string } => ({
  since: new Date(sinceMs).toISOString(),
  until: new Date(untilMs).toISOString(),
});
