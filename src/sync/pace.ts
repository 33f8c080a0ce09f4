// How many slots one step takes: many, for the driver fills its transfers with them and a step costs two commits; but
// no more than about a second of the bus, for an erasure that comes now waits until the step is over.

import type { Clock } from '../domain/ports.ts';

const STEP_MS = 1000;
const MOST_SLOTS = 2048;
const FIRST_TRANSFERS = 8;

export class Pace {
  readonly #clock: Clock;
  readonly #perTransfer: number;
  #perSlotMs: number | null = null;

  constructor(clock: Clock, slotsPerTransfer: number) {
    this.#clock = clock;
    this.#perTransfer = Math.max(1, Math.min(MOST_SLOTS, slotsPerTransfer));
  }

  /** Slots for the next step: whole transfers, at least one. */
  size(): number {
    if (this.#perSlotMs === null) return Math.min(MOST_SLOTS, FIRST_TRANSFERS * this.#perTransfer);
    const fitting = Math.min(MOST_SLOTS, STEP_MS / Math.max(this.#perSlotMs, 0.001));
    return Math.max(1, Math.floor(fitting / this.#perTransfer)) * this.#perTransfer;
  }

  /** Runs what the wire has to do for `slotCount` slots and remembers how long it took. */
  async measure<T>(slotCount: number, work: () => Promise<T>): Promise<T> {
    const started = this.#clock.monotonicMs();
    const result = await work();
    // A handful says more about turnaround than about the wire.
    if (slotCount >= this.#perTransfer) this.#perSlotMs = (this.#clock.monotonicMs() - started) / slotCount;
    return result;
  }
}
