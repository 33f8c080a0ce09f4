// Cards that wait for the code of the same person, one at each reader, for a while.

import type { Clock, Timer } from '../domain/ports.ts';
import type { CredentialWithUser } from '../store/credentials.ts';
import type { ReadAs } from './words.ts';

const CODE_WAIT_MS = 10_000;

export type WaitingCard = { credential: CredentialWithUser; readAs: ReadAs | null };

export class WaitingCards {
  readonly #clock: Clock;
  readonly #cards = new Map<string, WaitingCard & { timer: Timer }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  at(reader: string): WaitingCard | null {
    return this.#cards.get(reader) ?? null;
  }

  /** In place of whichever card waits there. `codeNeverCame`: its time is over, and it waits no more. */
  hold(reader: string, card: WaitingCard, codeNeverCame: (card: WaitingCard) => void): void {
    this.release(reader);
    const timer = this.#clock.after(CODE_WAIT_MS, () => {
      this.#cards.delete(reader);
      codeNeverCame(card);
    });
    this.#cards.set(reader, { ...card, timer });
  }

  release(reader: string): void {
    this.#cards.get(reader)?.timer.cancel();
    this.#cards.delete(reader);
  }

  stop(): void {
    for (const reader of [...this.#cards.keys()]) this.release(reader);
  }
}
