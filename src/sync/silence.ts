// A controller that answers nothing is left alone for a while, longer each time; with an erasure waiting never for long.

import type { Clock, Random } from '../domain/ports.ts';
import type { StepResult } from './post.ts';
import { pauseMs } from './retries.ts';

/** With an erasure waiting, silence never pauses the tries for longer. */
const ERASURE_PAUSE_MS = 5000;
const SINGLES_BEFORE_PAUSE = 3;

export class Silence {
  readonly #clock: Clock;
  readonly #random: Random;
  /** Steps in a row that got nothing out of the controller, and until when it is left alone for that. */
  #steps = 0;
  #untilMs = 0;
  /** What the last of them met, for people; null while it answers. */
  problem: string | null = null;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** The last step got nothing out of it: one row is enough to find out whether it answers again. */
  get isDoubted(): boolean {
    return this.#steps > 0;
  }

  /** A step got nothing out of it; returns for how long it is left alone now, ms, or null: it is asked on. */
  note({ asked, problem }: StepResult, isUsable: boolean): number | null {
    this.#steps += 1;
    this.problem = problem;
    // A row alone may be one bad slot: the next rows tell.
    if (asked === 1 && this.#steps < SINGLES_BEFORE_PAUSE && isUsable) return null;
    const pause = pauseMs(this.#steps, this.#random);
    this.#untilMs = this.#clock.monotonicMs() + pause;
    return pause;
  }

  forgive(): void {
    this.#steps = 0;
    this.#untilMs = 0;
    this.problem = null;
  }

  /** How much longer it is left alone, ms; 0: it is asked. */
  get leftMs(): number {
    return Math.max(0, this.#untilMs - this.#clock.monotonicMs());
  }

  /** Whether it is left alone for now. `isErasureWaiting`: asked only where it matters. */
  isQuiet(isErasureWaiting: () => boolean): boolean {
    const { leftMs } = this;
    if (leftMs > ERASURE_PAUSE_MS && isErasureWaiting()) this.#untilMs = this.#clock.monotonicMs() + ERASURE_PAUSE_MS;
    return leftMs > 0;
  }
}
