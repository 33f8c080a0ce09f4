// A clock that stands still until a test moves it: wall and monotonic time together, or the wall alone (a leap).

import type { Clock, Timer } from '../../src/domain/ports.ts';

type Waiting = { atMs: number; order: number; run: () => void };

export class ManualClock implements Clock {
  #wallMs: number;
  #monotonicMs = 0;
  #waiting: Waiting[] = [];
  #order = 0;

  constructor(wallMs: number = Date.parse('2026-03-02T09:00:00Z')) {
    this.#wallMs = wallMs;
  }

  /** Whole milliseconds, as the wall clock has them. */
  nowMs(): number {
    return Math.floor(this.#wallMs);
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  after(delayMs: number, run: () => void): Timer {
    const waiting = { atMs: this.#monotonicMs + Math.max(0, delayMs), order: this.#order++, run };
    this.#waiting.push(waiting);
    return { cancel: () => void (this.#waiting = this.#waiting.filter((other) => other !== waiting)) };
  }

  /** Real: what has arrived is delivered first, as on the real loop. */
  immediate(run: () => void): void {
    setImmediate(run);
  }

  /** Time passes: every timer due on the way fires at its own instant, with a turn of the loop behind each. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#monotonicMs + ms;
    for (;;) {
      const next = this.#waiting
        .filter((waiting) => waiting.atMs <= untilMs)
        .sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
      if (next === undefined) break;
      this.#waiting = this.#waiting.filter((waiting) => waiting !== next);
      this.#move(next.atMs);
      next.run();
      await turn();
    }
    this.#move(untilMs);
    await turn();
  }

  /** Somebody sets the clock: no time passes. */
  leap(ms: number): void {
    this.#wallMs += ms;
  }

  #move(monotonicMs: number): void {
    this.#wallMs += monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
  }
}

/** A few turns of the loop, for promises and immediates to settle. */
export async function turn(count = 3): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}
