// Keeps the file of the generation (generation.ts) in step with what is committed: before anybody is told that access
// was taken away, the outside knows of it.

import type { Clock, Timer } from '../domain/ports.ts';
import type { GenerationFile } from './generation.ts';
import type { Sealing } from './sealing.ts';

export type KeeperOptions = {
  file: GenerationFile;
  sealing: Sealing;
  clock: Clock;
  /** The newest event that is committed. */
  sequence: () => number;
};

/** The use of a credential that works once is remembered this much later: the door does not wait for a second flush. */
const SOON_MS = 5_000;
const AGAIN_MS = 30_000;

export class GenerationKeeper {
  readonly #options: KeeperOptions;
  #timer: Timer | null = null;
  #written = -1;
  /**
   * Why it could not be written; null: it is. Access stays taken away all the same, only an older copy would not be
   * told from this one.
   */
  problem: string | null = null;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  get generation(): number {
    return this.#options.sealing.generation();
  }

  /** Behind every commit, before anybody hears of it. */
  committed(): void {
    const urgency = this.#options.sealing.takeUrgency();
    if (urgency === 'now') this.#write();
    else if (urgency === 'soon') this.#later(SOON_MS);
  }

  /** At the end, while the database is still open. */
  close(): void {
    this.#cancel();
    this.#written = -1;
    this.#write();
    this.#cancel();
  }

  #cancel(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #later(ms: number): void {
    this.#timer ??= this.#options.clock.after(ms, () => {
      this.#timer = null;
      this.#write();
    });
  }

  #write(): void {
    const { file, sequence } = this.#options;
    const { generation } = this;
    if (generation === this.#written) return;
    try {
      file.write({ isSealed: true, generation, sequence: sequence() });
      this.#written = generation;
      this.problem = null;
    } catch (error) {
      this.problem = error instanceof Error ? error.message : String(error);
      this.#later(AGAIN_MS);
    }
  }
}
