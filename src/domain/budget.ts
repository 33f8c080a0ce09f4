// What one source may ask of us: so much at once, and so much a second after that. Every foreign device has such
// budgets, for its bytes, for what is presented at it and for the events that it causes, so that one that has gone mad
// costs a known share and nobody else waits for it.

export type BudgetTerms = {
  /** What may come at once after a quiet time. */
  atOnce: number;
  /** What comes back each second. */
  perSecond: number;
};

export class Budget {
  readonly #terms: BudgetTerms;
  #left: number;
  #atMs: number | null = null;

  constructor(terms: BudgetTerms) {
    this.#terms = terms;
    this.#left = terms.atOnce;
  }

  /** Takes `count` where there is as much; else nothing, and false. `nowMs` never goes back. */
  take(nowMs: number, count = 1): boolean {
    this.#refill(nowMs);
    if (this.#left < count) return false;
    this.#left -= count;
    return true;
  }

  /**
   * For what has come already and cannot be refused: takes `count` whatever is left. Returns for how long nothing more
   * may come, ms; 0: it may go on.
   */
  spend(nowMs: number, count: number): number {
    this.#refill(nowMs);
    this.#left -= count;
    return this.#left >= 0 ? 0 : (-this.#left * 1000) / this.#terms.perSecond;
  }

  #refill(nowMs: number): void {
    const { atOnce, perSecond } = this.#terms;
    if (this.#atMs !== null) this.#left = Math.min(atOnce, this.#left + ((nowMs - this.#atMs) * perSecond) / 1000);
    this.#atMs = nowMs;
  }
}
