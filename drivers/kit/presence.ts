// Which tags lie at the reader. It repeats the number of a tag for as long as it is held, several times a second; a
// person has shown it once.

/** More tags than anyone holds to a reader at once; what falls out only counts again sooner. */
const REMEMBERED_TAGS = 16;
/**
 * Nobody takes a tag away and shows it again so fast: then it is still held, also at a reader that should say it once.
 */
const STILL_HELD_MS = 500;

export class Presence {
  readonly #debounceMs: number;
  readonly #repeats: boolean;
  /** By tag, since when its absence counts, and when the reader said it last; the one longest ago first. */
  readonly #atMs = new Map<string, { presentMs: number; saidMs: number }>();

  /**
   * `repeats`: the reader says a held tag again and again, so each time prolongs its stay. One that says it once means
   * each time as a new showing, unless it follows faster than a hand: some copies of such a reader repeat all the same.
   */
  constructor(debounceMs: number, repeats: boolean) {
    this.#debounceMs = debounceMs;
    this.#repeats = repeats;
  }

  /**
   * True when a person has shown this tag just now: it had been away for the debounce. Two tags held together are each
   * shown once.
   */
  isNew(uid: Buffer, atMs: number): boolean {
    const tag = uid.toString('latin1');
    const before = this.#atMs.get(tag);
    const isNew = before === undefined || atMs - before.presentMs >= this.#debounceMs;
    const isHeld = this.#repeats || (before !== undefined && atMs - before.saidMs < STILL_HELD_MS);
    const presentMs = before === undefined || isNew || isHeld ? atMs : before.presentMs;
    this.#remember(tag, { presentMs, saidMs: atMs });
    return isNew;
  }

  #remember(tag: string, at: { presentMs: number; saidMs: number }): void {
    this.#atMs.delete(tag);
    this.#atMs.set(tag, at);
    const [oldest] = this.#atMs.keys();
    if (this.#atMs.size > REMEMBERED_TAGS && oldest !== undefined) this.#atMs.delete(oldest);
  }
}
