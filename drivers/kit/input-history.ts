// When an input can have changed at the earliest. Contacts and buttons are looked at again and again; between two
// looks, and over every gap (a cut line, a start, a reader that reboots), a change is only known to be later than the
// last instant at which the input was seen otherwise. Every driver keeps its looks here and says so.

type Seen = { active: number | null; inactive: number | null };

export class InputHistory {
  readonly #seen = new Map<number, Seen>();

  /** The input was looked at, at this monotonic instant. */
  note(input: number, active: boolean, atMs: number): void {
    const seen = this.#seen.get(input) ?? { active: null, inactive: null };
    seen[active ? 'active' : 'inactive'] = atMs;
    this.#seen.set(input, seen);
  }

  /** When it was last seen to be otherwise, monotonic; null: never. It became `active` (or ceased to be) after that. */
  changedAfter(input: number, active: boolean): number | null {
    return this.#seen.get(input)?.[active ? 'inactive' : 'active'] ?? null;
  }
}
