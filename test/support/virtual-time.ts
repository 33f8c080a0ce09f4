// Time that passes only from one thing that is due to the next, so that what a schedule makes of a wire comes out the
// same on every machine, however busy it is.

import type { Clock, Timer } from '../../src/domain/ports.ts';

/**
 * What a turn of the loop costs, and how late a timer is behind its whole millisecond, on a machine of no great speed.
 */
const TURN_MS = 0.05;
const TIMER_LATE_MS = 0.06;
/** Whoever looks at the time in turns until it has come must see it pass. */
const DEVICE_TURN_MS = 0.02;
/** So many steps of promises may follow from one thing before the next. */
const MICROTASKS = 24;

type Due = { atMs: number; run: () => void };

export class VirtualTime {
  #nowMs = 0;
  /** Sorted by time; of two at the same instant the first one asked for is first. */
  readonly #due: Due[] = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  at(atMs: number, run: () => void): Timer {
    const due = { atMs: Math.max(atMs, this.#nowMs), run };
    let index = this.#due.length;
    while (index > 0 && (this.#due[index - 1]?.atMs ?? 0) > due.atMs) index--;
    this.#due.splice(index, 0, due);
    return {
      cancel: () => {
        const found = this.#due.indexOf(due);
        if (found >= 0) this.#due.splice(found, 1);
      },
    };
  }

  async passUntil(endMs: number): Promise<void> {
    for (let next = this.#due[0]; next !== undefined && next.atMs <= endMs; next = this.#due[0]) {
      this.#due.shift();
      this.#nowMs = next.atMs;
      next.run();
      for (let i = 0; i < MICROTASKS; i++) await Promise.resolve();
    }
    this.#nowMs = endMs;
  }

  /** As the loop keeps time: timers of whole milliseconds, counted from the millisecond that has begun. */
  loopClock(): Clock {
    return {
      ...this.#readings(),
      after: (delayMs, run) =>
        this.at(Math.max(this.#nowMs, Math.floor(this.#nowMs) + Math.max(1, Math.trunc(delayMs))) + TIMER_LATE_MS, run),
      immediate: (run) => void this.at(this.#nowMs + TURN_MS, run),
    };
  }

  /** As a device keeps time: nearly to the instant. */
  deviceClock(): Clock {
    return {
      ...this.#readings(),
      after: (delayMs, run) => this.at(this.#nowMs + delayMs, run),
      immediate: (run) => void this.at(this.#nowMs + DEVICE_TURN_MS, run),
    };
  }

  #readings(): Pick<Clock, 'nowMs' | 'monotonicMs'> {
    return { nowMs: () => this.#nowMs, monotonicMs: () => this.#nowMs };
  }
}
