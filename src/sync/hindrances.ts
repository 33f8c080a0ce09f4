// Why rows that are on their way do not arrive: kept in memory for as long as it lasts, since it passes by itself and a
// restart tries all of them at once.

export class Hindrances {
  /** At most one entry per row of the controller: bounded by its table. */
  readonly #why = new Map<number, string>();

  note(targetKey: number, why: string): void {
    this.#why.set(targetKey, why);
  }

  /** It arrived, or says by itself why not. */
  clear(targetKey: number): void {
    this.#why.delete(targetKey);
  }

  /** All of it is tried anew. */
  forget(): void {
    this.#why.clear();
  }

  of(targetKey: number): string | null {
    return this.#why.get(targetKey) ?? null;
  }
}
