// How often one reader is polled. While something happens at it, as fast as its line allows; else at a steady pace that
// nobody at a door notices and that leaves the gateway its time, however fast the line is. Whatever Lintel itself has
// to say does not wait for that.

/** A reader that has nothing to tell is polled no more often than this. */
const IDLE_POLL_MS = 25;
/** Where something has just happened more follows: keys after a card, a contact after a strike. */
const LIVELY_MS = 500;

export class PollPace {
  #polledAtMs = 0;
  #livelyUntilMs = 0;

  /** An event came, or a command was answered. */
  stir(nowMs: number): void {
    this.#livelyUntilMs = nowMs + LIVELY_MS;
  }

  polled(nowMs: number): void {
    this.#polledAtMs = nowMs;
  }

  isLively(nowMs: number): boolean {
    return nowMs < this.#livelyUntilMs;
  }

  sinceMs(nowMs: number): number {
    return nowMs - this.#polledAtMs;
  }

  dueMs(nowMs: number): number {
    return this.isLively(nowMs) ? nowMs : this.#polledAtMs + IDLE_POLL_MS;
  }
}
