// Rows that are tried again after a pause: 1 s doubling to 5 min, with jitter so that many controllers do not knock
// together. Kept in memory and by the monotonic clock, since the other one may leap; a restart tries all of them at
// once.

import type { Clock, Random } from '../domain/ports.ts';

const FIRST_MS = 1000;
const MOST_MS = 5 * 60_000;

/** The pause before the try behind the `attempts`-th failure (from 1): between half of it and the whole. */
export function pauseMs(attempts: number, random: Random): number {
  const whole = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(30, Math.max(0, attempts - 1)));
  return whole * (0.5 + random.fraction() / 2);
}

export class Retries {
  readonly #clock: Clock;
  readonly #random: Random;
  /** At most one entry per row of the controller: bounded by its table. */
  readonly #at = new Map<number, number>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  add(targetKey: number, attempts: number): void {
    this.#at.set(targetKey, this.#clock.monotonicMs() + pauseMs(attempts, this.#random));
  }

  /** The rows whose pause is over, and forgets them. */
  takeDue(): number[] {
    if (this.#at.size === 0) return [];
    const now = this.#clock.monotonicMs();
    const due = [...this.#at].filter(([, at]) => at <= now).map(([key]) => key);
    for (const key of due) this.#at.delete(key);
    return due;
  }

  /** Milliseconds until the next pause ends; null when nothing waits. */
  nextInMs(): number | null {
    if (this.#at.size === 0) return null;
    let next = Infinity;
    for (const at of this.#at.values()) next = Math.min(next, at);
    return Math.max(0, next - this.#clock.monotonicMs());
  }
}
