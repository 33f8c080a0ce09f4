// How long to wait before the next connection: longer each time, until one has proved itself. Half of it is chance, so
// that a town of gateways does not come back in one second.

import type { Random } from '../domain/ports.ts';

export class Pace {
  readonly #random: Random;
  readonly #firstMs: number;
  readonly #mostMs: number;
  #failures = 0;

  constructor(random: Random, firstMs: number, mostMs: number) {
    this.#random = random;
    this.#firstMs = firstMs;
    this.#mostMs = mostMs;
  }

  /** Without a proof since the first of them. */
  get failures(): number {
    return this.#failures;
  }

  next(): number {
    const most = Math.min(this.#mostMs, this.#firstMs * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    return most / 2 + this.#random.fraction() * (most / 2);
  }

  proved(): void {
    this.#failures = 0;
  }
}
