// Which tags lie at the reader. It repeats the number of a tag for as long as it is held, several times a second; a person has shown it once.

/** More tags than anyone holds to a reader at once; what falls out only counts again sooner. */
const REMEMBERED_TAGS = 16;

export class Presence {
  readonly #debounceMs: number;
  readonly #repeats: boolean;
  /** By tag, when it was last taken for present; the one longest ago first. */
  readonly #atMs = new Map<string, number>();

  /** `repeats`: the reader says a held tag again and again, so each time prolongs its stay. One that says it once means each time as a new showing. */
  constructor(debounceMs: number, repeats: boolean) {
    this.#debounceMs = debounceMs;
    this.#repeats = repeats;
  }

  /** True when a person has shown this tag just now: it had been away for the debounce. Two tags held together are each shown once. */
  isNew(uid: Buffer, atMs: number): boolean {
    const tag = uid.toString('latin1');
    const before = this.#atMs.get(tag);
    const isNew = before === undefined || atMs - before >= this.#debounceMs;
    if (isNew || this.#repeats) this.#remember(tag, atMs);
    return isNew;
  }

  #remember(tag: string, atMs: number): void {
    this.#atMs.delete(tag);
    this.#atMs.set(tag, atMs);
    const [oldest] = this.#atMs.keys();
    if (this.#atMs.size > REMEMBERED_TAGS && oldest !== undefined) this.#atMs.delete(oldest);
  }
}
