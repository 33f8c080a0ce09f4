// How much may be presented at one reader. People cannot show cards or type codes as fast as a reader that has gone
// mad, or somebody on its wire, can send them; what comes beyond that is neither looked up nor answered, only counted.
// So it cannot be used to guess either, and no other door waits for it.

import { newEvent, type NewEvent } from '../domain/events.ts';
import { Budget, type BudgetTerms } from '../domain/budget.ts';
import { span } from '../domain/event-budget.ts';
import type { Clock } from '../domain/ports.ts';
import { Tally } from '../domain/tally.ts';

/** A turnstile lets in one person a second; a reader that repeats a held card does so ten times a second. */
export const PRESENTATIONS: BudgetTerms = { atOnce: 30, perSecond: 10 };

export type PresentationEvents = {
  record: (event: NewEvent) => void;
  /** What is wrong with a reader, for people, from the beginning of a flood to its end; then null. */
  problem: (reader: string, problem: string | null) => void;
};

/** What its event says of where it was. */
export type PresentedAt = { acs_system_id: string; acs_entrance_id: string };

type Account = { budget: Budget; tally: Tally };

export class PresentationBudgets {
  readonly #clock: Clock;
  readonly #events: PresentationEvents;
  readonly #accounts = new Map<string, Account>();

  constructor(clock: Clock, events: PresentationEvents) {
    this.#clock = clock;
    this.#events = events;
  }

  /** True: judge it. `base`: what its event says of where it was. */
  admits(reader: string, kind: string, base: PresentedAt): boolean {
    const account = this.#accounts.get(reader) ?? this.#open(reader, base);
    if (account.budget.take(this.#clock.monotonicMs())) return true;
    account.tally.add(kind);
    return false;
  }

  /** Tells what was counted so far. */
  stop(): void {
    for (const { tally } of this.#accounts.values()) tally.stop();
  }

  #open(reader: string, base: PresentedAt): Account {
    const { record, problem } = this.#events;
    const tally = new Tally(this.#clock, {
      began: () =>
        problem(
          reader,
          'more is presented than people can show: the rest is not judged. Look at the reader and its wire',
        ),
      tell: ({ count, kinds, sinceMs, untilMs }) =>
        record(
          newEvent('device.presentations_dropped', {
            ...base,
            device: reader,
            count,
            kinds,
            ...span(sinceMs, untilMs),
          }),
        ),
      ended: () => problem(reader, null),
    });
    const account = { budget: new Budget(PRESENTATIONS), tally };
    this.#accounts.set(reader, account);
    return account;
  }
}
