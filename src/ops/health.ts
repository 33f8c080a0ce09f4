// Is the daemon well: does its loop turn in time, and do the parts that it cannot do without answer? The watchdog is
// kicked on this word, `status` and the support bundle show it.

import type { Clock, Log, Timer } from '../domain/ports.ts';

/**
 * A part that must answer, at once and cheaply (e.g. one point query). Null: well; else, or when it throws, what is
 * wrong, for people.
 */
export type HealthCheck = { name: string; check: () => string | null };

export type HealthReport = {
  healthy: boolean;
  failing: { name: string; problem: string }[];
  /** How late a timer ran: now, and at worst within the last one to two minutes. */
  loopLagMs: { last: number; worst: number };
  /** How often, since the start, something held up the loop for longer than `HELD_UP_MS`. */
  heldUp: number;
  memoryBytes: number;
  upMs: number;
};

const MEASURE_MS = 1_000;
const WINDOW_MS = 60_000;
/** Longer than any slice of work may take, and still short of what a person at a door notices. */
export const HELD_UP_MS = 100;

export class Health {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #checks: readonly HealthCheck[];
  readonly #startedMs: number;
  #timer: Timer | null = null;
  #lastMs = 0;
  #heldUp = 0;
  #window: { sinceMs: number; worstMs: number; worstBeforeMs: number; warned: boolean };

  constructor(clock: Clock, log: Log, checks: readonly HealthCheck[]) {
    this.#clock = clock;
    this.#log = log;
    this.#checks = checks;
    this.#startedMs = clock.monotonicMs();
    this.#window = { sinceMs: this.#startedMs, worstMs: 0, worstBeforeMs: 0, warned: false };
  }

  /** Begins to measure the loop. */
  start(): void {
    this.#timer ??= this.#measureAfter();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** For the watchdog: every check answers. (That the loop turns is proven by the asking.) */
  healthy(): boolean {
    return this.#failing().length === 0;
  }

  report(): HealthReport {
    const failing = this.#failing();
    const { worstMs, worstBeforeMs } = this.#window;
    return {
      healthy: failing.length === 0,
      failing,
      loopLagMs: { last: round(this.#lastMs), worst: round(Math.max(worstMs, worstBeforeMs)) },
      heldUp: this.#heldUp,
      memoryBytes: process.memoryUsage.rss(),
      upMs: round(this.#clock.monotonicMs() - this.#startedMs),
    };
  }

  #failing(): HealthReport['failing'] {
    return this.#checks.flatMap(({ name, check }) => {
      const problem = answer(check);
      return problem === null ? [] : [{ name, problem }];
    });
  }

  #measureAfter(): Timer {
    const dueMs = this.#clock.monotonicMs() + MEASURE_MS;
    return this.#clock.after(MEASURE_MS, () => {
      this.#take(this.#clock.monotonicMs() - dueMs);
      this.#timer = this.#measureAfter();
    });
  }

  #take(lagMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#window.sinceMs >= WINDOW_MS) {
      this.#window = { sinceMs: nowMs, worstMs: 0, worstBeforeMs: this.#window.worstMs, warned: false };
    }
    this.#lastMs = Math.max(0, lagMs);
    this.#window.worstMs = Math.max(this.#window.worstMs, this.#lastMs);
    if (this.#lastMs <= HELD_UP_MS) return;
    this.#heldUp += 1;
    if (this.#window.warned) return;
    this.#window.warned = true; // at most once a minute
    this.#log.warn('the loop was held up', { heldUpMs: round(this.#lastMs) });
  }
}

function answer(check: () => string | null): string | null {
  try {
    return check();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
