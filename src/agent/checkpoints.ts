// Where the event log stands, signed: published retained once a minute and at each connection, so that whoever keeps
// one of them finds out when the log before it was changed.

import type { Clock } from '../domain/ports.ts';
import { CheckpointKey, type Checkpoint } from '../store/event-chain.ts';
import type { Store } from '../store/store.ts';

/** A new one is signed at most so often. */
const EVERY_MS = 30_000;

export class Checkpoints {
  readonly #facility: string;
  readonly #clock: Clock;
  #key: CheckpointKey | null = null;
  #last: { checkpoint: Checkpoint; atMs: number } | null = null;

  constructor(facility: string, clock: Clock) {
    this.#facility = facility;
    this.#clock = clock;
  }

  /** The newest checkpoint; only of what is committed. */
  read(store: Store): Checkpoint {
    const nowMs = this.#clock.monotonicMs();
    if (this.#last !== null && nowMs - this.#last.atMs < EVERY_MS) return this.#last.checkpoint;
    const newest = store.events.newestDurable();
    if (newest.sequence !== this.#last?.checkpoint.sequence) {
      this.#key ??= new CheckpointKey(store.secrets.checkpointSeed());
      this.#last = { checkpoint: this.#key.sign(this.#facility, newest, this.#clock.nowMs()), atMs: nowMs };
    }
    return this.#last.checkpoint;
  }
}
