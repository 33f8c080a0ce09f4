// How much of the clock's grace is left (`policy.clock_grace`): the time that windows stay open while nobody vouches
// for the clock. What of it is spent is stored ahead of being spent, a step at a time, so that a process that ends in
// whatever way never gets any of it twice; what was stored and not spent is lost to the holder.

import type { Clock, Log, Timer } from '../domain/ports.ts';

/** `save` is durable when it returns, and may throw. */
export type GraceStore = { load: () => number | null; save: (spentMs: number) => void };

export type ClockGraceOptions = { clock: Clock; log: Log; graceMs: number; store: GraceStore };

/**
 * A hundredth of the grace is what a restart may cost, within these bounds: they bound how often it is written as well.
 */
const STEPS = 100;
const SHORTEST_STEP_MS = 1_000;
const LONGEST_STEP_MS = 5 * 60_000;

export class ClockGrace {
  readonly #options: ClockGraceOptions;
  readonly #stepMs: number;
  /** What is on disk: at least what is spent. */
  #storedMs: number;
  /** Spent before the process began. */
  #carriedMs: number;
  /** Since when it is being spent, monotonic; null: the clock is trusted, or nobody has said yet. */
  #sinceMs: number | null = null;
  #timer: Timer | null = null;
  #hasFailed = false;

  constructor(options: ClockGraceOptions) {
    this.#options = options;
    this.#stepMs = Math.min(Math.max(options.graceMs / STEPS, SHORTEST_STEP_MS), LONGEST_STEP_MS);
    this.#storedMs = options.store.load() ?? 0;
    this.#carriedMs = this.#storedMs;
  }

  /**
   * To be told at the start, before anything is decided, and whenever trust comes or goes; never from within a
   * transaction.
   */
  follow(isTrusted: boolean): void {
    if (isTrusted) this.#restore();
    else if (this.#sinceMs === null) {
      this.#sinceMs = this.#options.clock.monotonicMs();
      this.#reserve();
    }
  }

  isLeft(): boolean {
    const spentMs = this.#spentMs();
    // What could not be stored would come back with the next restart: it is as good as spent.
    return spentMs < this.#options.graceMs && (this.#sinceMs === null || spentMs <= this.#storedMs);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #spentMs(): number {
    return this.#carriedMs + (this.#sinceMs === null ? 0 : this.#options.clock.monotonicMs() - this.#sinceMs);
  }

  /** Trust gives the whole of it back: there is a new floor to judge by. */
  #restore(): void {
    this.#timer?.cancel();
    this.#sinceMs = null;
    this.#carriedMs = 0;
    if (this.#storedMs !== 0) this.#save(0);
  }

  #reserve(): void {
    const { clock, graceMs } = this.#options;
    const wantedMs = Math.min(graceMs, this.#spentMs() + this.#stepMs);
    if (wantedMs > this.#storedMs) this.#save(Math.ceil(wantedMs));
    if (this.#spentMs() >= graceMs) return;
    this.#timer = clock.after(this.#stepMs / 2, () => this.#reserve());
  }

  #save(spentMs: number): void {
    const { store, log } = this.#options;
    try {
      store.save(spentMs);
      this.#storedMs = spentMs;
      this.#hasFailed = false;
    } catch (error) {
      if (!this.#hasFailed)
        log.error('what is spent of the clock’s grace could not be stored: until it can, none is given', { error });
      this.#hasFailed = true;
    }
  }
}
