// What the log may be made to say by whoever is at the far end of a line. The same words from the same place have a
// budget, and all words of that place have one, for text that quotes the world is never quite the same; no place spends
// what belongs to another. What is beyond it is counted, and the count is told: a gap must not look like silence.

import { Budget, type BudgetTerms } from '../domain/budget.ts';
import type { Clock } from '../domain/ports.ts';

const SAME = { atOnce: 60, perSecond: 0.1 } as const;
const PLACE = { atOnce: 500, perSecond: 5 } as const;
/** Words and places told apart at a time; the longest unheard ones are forgotten, with their debts. */
const MOST_KEPT = 500;
const TELL_AFTER_MS = 60_000;

export class LogBudget {
  readonly #clock: Clock;
  readonly #tell: (leftOut: number, example: string) => void;
  readonly #places = new Map<string, Budget>();
  readonly #same = new Map<string, Budget>();
  #leftOut = 0;

  /** `tell`: writes how many lines were left out in the last minute, with the words of the first one. */
  constructor(clock: Clock, tell: (leftOut: number, example: string) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  /** `place`: what tells this speaker from others that use the same words. */
  admits(message: string, place: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    const ofWords = budgetOf(this.#same, `${place} ${message}`, SAME);
    if (ofWords.take(nowMs) && budgetOf(this.#places, place, PLACE).take(nowMs)) return true;
    if (this.#leftOut++ === 0)
      this.#clock.after(TELL_AFTER_MS, () => {
        const count = this.#leftOut;
        this.#leftOut = 0;
        this.#tell(count, message);
      });
    return false;
  }
}

function budgetOf(kept: Map<string, Budget>, key: string, terms: BudgetTerms): Budget {
  const known = kept.get(key) ?? new Budget(terms);
  kept.delete(key);
  kept.set(key, known);
  const [oldest] = kept.keys();
  if (kept.size > MOST_KEPT && oldest !== undefined) kept.delete(oldest);
  return known;
}
