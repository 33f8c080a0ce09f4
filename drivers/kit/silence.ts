// What those who do not answer may cost a line that others share. Asking a unit that is gone takes the wire for a whole
// time-out, so such questions get a share of the line's time, whatever the number of such units: after each one the
// line belongs to those that answer for as long as the share demands. Counted by time, not by questions, for a gateway
// may take seconds to say that it does not reach somebody. Where nobody answers there is nobody to protect, and nothing
// is counted.

export type SilenceTerms = {
  /** The part of the line's time that goes to units that do not answer, above 0 and below 1. */
  share: number;
  /** Two questions to such units are at least this far apart. */
  leastPauseMs: number;
};

/**
 * On a line that opens everybody is asked once without counting, so that what is there comes online within seconds,
 * whoever is missing; up to so much of its time.
 */
const FIRST_ROUND_MS = 10_000;
/**
 * Those that answer go first; but a question that had its share for so long goes before them, so that a line that is
 * never idle still finds who is back.
 */
const OVERDUE_MS = 100;

export class SilenceShare {
  readonly #terms: SilenceTerms;
  #creditMs = 0;
  /** Questions that the first round has left. */
  #first = 0;
  #readyAtMs = 0;
  #spentAtMs = Number.NEGATIVE_INFINITY;

  constructor(terms: SilenceTerms) {
    this.#terms = terms;
  }

  /** The line is open, and none of so many units on it has been asked yet. */
  open(units: number): void {
    this.#creditMs = FIRST_ROUND_MS;
    this.#first = units;
    this.#spentAtMs = Number.NEGATIVE_INFINITY;
    this.#readyAtMs = 0;
  }

  /**
   * A unit that was given up has answered: where its cable is whole again, so it is for others, and the next one is
   * asked at once.
   */
  forgive(): void {
    this.#readyAtMs = 0;
  }

  /**
   * A question to a unit that does not answer took so much of the line until now. Are there others, that would have
   * used it?
   */
  spend(nowMs: number, costMs: number, others: boolean): void {
    const isFirst = this.#first-- > 0;
    this.#spentAtMs = nowMs;
    if (!others) {
      this.#readyAtMs = 0;
      return;
    }
    const freeMs = isFirst ? Math.min(this.#creditMs, costMs) : 0;
    this.#creditMs -= freeMs;
    const charged = costMs - freeMs;
    if (charged === 0) return;
    const pauseMs = charged * (1 / this.#terms.share - 1);
    this.#readyAtMs = Math.max(this.#readyAtMs, nowMs) + Math.max(this.#terms.leastPauseMs, pauseMs);
  }

  /** From when on the next one may be asked, monotonic; in the past: it may be asked now. */
  get readyAtMs(): number {
    return this.#readyAtMs;
  }

  /**
   * Must a question that waits since then go before those that answer? As long as everybody asked has answered it costs
   * next to nothing.
   */
  isOverdue(sinceMs: number, nowMs: number): boolean {
    if (this.#spentAtMs === Number.NEGATIVE_INFINITY) return true;
    return Math.max(sinceMs, this.#readyAtMs, this.#spentAtMs) + OVERDUE_MS <= nowMs;
  }
}
