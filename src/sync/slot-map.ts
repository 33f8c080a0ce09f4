// Which slots of a controller's table are free, as one bit each: the lowest free one is found without a look at the
// others, at ten credentials and at a hundred thousand. It is read from the store at every start and follows the one
// worker that owns it; the store's unique index holds it to the truth.

import { assert } from '../domain/errors.ts';

export class SlotMap {
  readonly first: number;
  readonly count: number;
  readonly #taken: Uint8Array;
  /** Nothing below this index is free. */
  #hint = 0;
  #used = 0;

  constructor(first: number, count: number) {
    this.first = first;
    this.count = count;
    this.#taken = new Uint8Array(count);
  }

  get free(): number {
    return this.count - this.#used;
  }

  has(slot: number): boolean {
    return slot >= this.first && slot < this.first + this.count;
  }

  isTaken(slot: number): boolean {
    return !this.has(slot) || this.#taken[slot - this.first] === 1;
  }

  /** Takes a slot that may be taken already: by us, or by somebody else at the device. */
  take(slot: number): void {
    if (this.isTaken(slot)) return;
    this.#taken[slot - this.first] = 1;
    this.#used += 1;
  }

  release(slot: number): void {
    if (!this.has(slot)) return;
    assert(this.isTaken(slot), 'only a taken slot is released');
    this.#taken[slot - this.first] = 0;
    this.#used -= 1;
    this.#hint = Math.min(this.#hint, slot - this.first);
  }

  /** The lowest free slots, at most `most`; takes none of them. */
  lowestFree(most: number): number[] {
    const found: number[] = [];
    let index = this.#taken.indexOf(0, this.#hint);
    this.#hint = index === -1 ? this.count : index;
    while (index !== -1 && found.length < most) {
      found.push(this.first + index);
      index = this.#taken.indexOf(0, index + 1);
    }
    return found;
  }
}
