// Waiting finer than a timer. Timers have a grain of a millisecond, at fast baud rates many times the pause that a line
// needs between two frames. While somebody waits for the line, at most the last bit of a pause is counted out in turns
// of the loop, which costs the processor all of it; where nobody does, a timer will do.

import type { Clock, Timer } from '../../src/domain/ports.ts';

const COUNTED_MS = 1.2;
/** A timer may fire this much early, for the loop keeps its time in whole milliseconds. */
const TIMER_EARLY_MS = 1;

export class FineWait {
  readonly #clock: Pick<Clock, 'after' | 'immediate'>;
  readonly #run: () => void;
  #timer: Timer | null = null;
  #isTurning = false;

  /** `run` is called when a wait is over, and looks itself whether it was long enough. */
  constructor(clock: Pick<Clock, 'after' | 'immediate'>, run: () => void) {
    this.#clock = clock;
    this.#run = run;
  }

  /** The next turn of the loop looks again, whatever else is asked for. */
  get isTurning(): boolean {
    return this.#isTurning;
  }

  /** In place of the wait before. `isPressed`: no moment is to be lost. */
  for(leftMs: number, isPressed: boolean): void {
    this.cancel();
    if (isPressed && leftMs <= COUNTED_MS) this.nextTurn();
    else this.#timer = this.#clock.after(leftMs + (isPressed ? -COUNTED_MS : TIMER_EARLY_MS), this.#fire);
  }

  nextTurn(): void {
    if (this.#isTurning) return;
    this.#isTurning = true;
    this.#clock.immediate(this.#turn);
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  readonly #fire = (): void => {
    this.#timer = null;
    this.#run();
  };

  readonly #turn = (): void => {
    this.#isTurning = false;
    this.#run();
  };
}
