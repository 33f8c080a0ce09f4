// Transaction identifiers: what a card signs. Each is random, is good for one proof, for seconds, and for the connection
// for which it was made; an identifier that was used, or is too old, proves nothing.

import type { Clock, Random } from '../../../src/domain/ports.ts';

export const TRANSACTION_BYTES = 16;
/** A card that is in the field answers in a fraction of it. */
export const TRANSACTION_MS = 3_000;

/** Those of one reader; a reader has one at a time. */
export class Transactions {
  readonly #clock: Clock;
  readonly #random: Random;
  #open: { id: Buffer; madeMs: number } | null = null;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** A new one; the one before is worth nothing any more. */
  begin(): Buffer {
    const id = this.#random.bytes(TRANSACTION_BYTES);
    this.#open = { id, madeMs: this.#clock.monotonicMs() };
    return Buffer.from(id);
  }

  /** The one that is open, taken: it is never good again. `late`: it has expired. */
  take(): { id: Buffer } | 'none' | 'late' {
    const open = this.#open;
    this.#open = null;
    if (open === null) return 'none';
    return this.#clock.monotonicMs() - open.madeMs > TRANSACTION_MS ? 'late' : { id: open.id };
  }

  /** The connection has ended, or the card is gone. */
  end(): void {
    this.#open = null;
  }
}
