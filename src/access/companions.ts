// People who were shown where two must be, and for whom a second one is waited: one at each door, for a while.

import type { Clock, Timer } from '../domain/ports.ts';
import type { Companion } from './crossing.ts';

type Waiting = { companion: Companion; timer: Timer };

export class Companions {
  readonly #clock: Clock;
  readonly #waiting = new Map<string, Waiting>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  at(acsEntranceId: string): Companion | null {
    return this.#waiting.get(acsEntranceId)?.companion ?? null;
  }

  /** In place of whoever waits there. `nobodyCame`: the time is over. */
  hold(acsEntranceId: string, companion: Companion, forMs: number, nobodyCame: () => void): void {
    this.release(acsEntranceId);
    const timer = this.#clock.after(forMs, () => {
      this.#waiting.delete(acsEntranceId);
      nobodyCame();
    });
    this.#waiting.set(acsEntranceId, { companion, timer });
  }

  release(acsEntranceId: string): void {
    this.#waiting.get(acsEntranceId)?.timer.cancel();
    this.#waiting.delete(acsEntranceId);
  }

  stop(): void {
    for (const acsEntranceId of [...this.#waiting.keys()]) this.release(acsEntranceId);
  }
}
