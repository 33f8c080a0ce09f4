// Chance from one number: the same seed makes the same world, on every machine.

import type { Random } from '../../../src/domain/ports.ts';

export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) | 0;
    for (let i = 0; i < 8; i++) this.#next();
  }

  /** Mulberry32: 32 bits of state are enough for a world of some thousand draws. */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** Uniform in [0, 1). */
  fraction(): number {
    return this.#next() / 2 ** 32;
  }

  /** A whole number from `least` to `most`, both included. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.fraction() * (most - least + 1));
  }

  is(probability: number): boolean {
    return this.fraction() < probability;
  }

  of<T>(among: readonly T[]): T {
    const found = among[this.whole(0, among.length - 1)];
    if (found === undefined) throw new Error('there is nothing to choose from');
    return found;
  }

  some<T>(among: readonly T[], probability: number): T[] {
    return among.filter(() => this.is(probability));
  }

  /** One of these, by how often each of them comes. */
  weighed<T>(among: readonly (readonly [number, T])[]): T {
    let left = this.fraction() * among.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, value] of among) {
      left -= weight;
      if (left < 0) return value;
    }
    throw new Error('no weight is left');
  }

  /** Another stream, that draws from this one no more than once. */
  fork(): Chance {
    return new Chance(this.#next());
  }

  /** What the agent takes for chance. */
  random(): Random {
    const bytes = (count: number): Buffer => Buffer.from(Array.from({ length: count }, () => this.whole(0, 255)));
    return {
      bytes,
      uuid: () => {
        const hex = bytes(16).toString('hex');
        return [
          hex.slice(0, 8),
          hex.slice(8, 12),
          `4${hex.slice(13, 16)}`,
          `8${hex.slice(17, 20)}`,
          hex.slice(20),
        ].join('-');
      },
      fraction: () => this.fraction(),
    };
  }
}
