// An error of the disk ends no process that has doors: what met it is left undone, the store remembers how it is
// (store/guard.ts), and whoever owns the work takes it up again or is told. Every turn that a timer, a line or the
// broker starts passes here; mistakes of our own go on and end the process, as they must.

import type { Clock, Log } from '../domain/ports.ts';
import { isStorageError } from '../store/disk-errors.ts';

/** One line of log for a minute of the same trouble. */
const QUIET_MS = 60_000;

export class Survival {
  readonly #clock: Clock;
  readonly #log: Log;
  #quietUntilMs = -Infinity;
  #isOver = false;
  /** The clock for everybody who touches the store. */
  readonly clock: Clock;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
    this.clock = {
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      after: (delayMs, run) => clock.after(delayMs, () => this.#turn(run)),
      immediate: (run) => clock.immediate(() => this.#turn(run)),
    };
  }

  /** The database is about to be closed: no turn that still waits finds it so. */
  end(): void {
    this.#isOver = true;
  }

  #turn(run: () => void): void {
    if (!this.#isOver) this.try(run);
  }

  /** What `run` returns; undefined when the disk would not have it. */
  try<T>(run: () => T): T | undefined {
    try {
      return run();
    } catch (error) {
      if (!isStorageError(error)) throw error;
      const now = this.#clock.monotonicMs();
      if (now >= this.#quietUntilMs) {
        this.#quietUntilMs = now + QUIET_MS;
        this.#log.error('the disk failed; what it was wanted for is left', { error: String(error) });
      }
      return undefined;
    }
  }
}
