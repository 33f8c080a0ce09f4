// What the log may be made to say by whoever is at the far end of a line. The same words from the same place have a
// budget, and all words together have one, for text that quotes the world is never quite the same. What is beyond it is
// counted, and the count is told: a gap must not look like silence.

import { Budget } from '../domain/budget.ts';
import type { Clock } from '../domain/ports.ts';

const SAME = { atOnce: 60, perSecond: 0.1 } as const;
const ALL = { atOnce: 2_000, perSecond: 20 } as const;
/** Words told apart at a time; the longest unheard ones are forgotten, with their debts. */
const MOST_KEPT = 500;
const TELL_AFTER_MS = 60_000;

export class LogBudget {
  readonly #clock: Clock;
  readonly #tell: (leftOut: number, example: string) => void;
  readonly #all = new Budget(ALL);
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
    if (this.#budgetOf(`${place} ${message}`).take(nowMs) && this.#all.take(nowMs)) return true;
    if (this.#leftOut++ === 0)
      this.#clock.after(TELL_AFTER_MS, () => {
        const count = this.#leftOut;
        this.#leftOut = 0;
        this.#tell(count, message);
      });
    return false;
  }

  #budgetOf(key: string): Budget {
    const known = this.#same.get(key) ?? new Budget(SAME);
    this.#same.delete(key);
    this.#same.set(key, known);
    const [oldest] = this.#same.keys();
    if (this.#same.size > MOST_KEPT && oldest !== undefined) this.#same.delete(oldest);
    return known;
  }
}
