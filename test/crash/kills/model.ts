// What must be true of the building whose agent is killed: who holds which card or code, and what it opens. Whatever a
// command under way touches is not certain; all else is.

import type { DoorName } from './place.ts';

export type Card = {
  kind: 'card';
  /** Lintel's own id, known when its making is answered. */
  id: string;
  person: string;
  number: number;
  doors: readonly DoorName[];
  isOneTime: boolean;
  isUsed: boolean | 'unsure';
};
export type Code = { kind: 'code'; id: string; person: string; digits: string };
export type Holding = Card | Code;
export type Expected = 'yes' | 'no' | 'unsure';

/** What a command touches: a person, or a card or code by what is on it. */
export const thing = (holding: Pick<Card, 'number'> | Pick<Code, 'digits'>): string =>
  'number' in holding ? `card ${holding.number}` : `code ${holding.digits}`;

export class Model {
  readonly people = new Map<string, { isSuspended: boolean }>();
  /** By `thing`. */
  readonly holdings = new Map<string, Holding>();
  /** How many commands under way touch what. */
  readonly #touched = new Map<string, number>();

  #onTouch: () => void = () => undefined;

  /** Called when what is certain may have changed. */
  onTouch(listener: () => void): void {
    this.#onTouch = listener;
  }

  touch(things: readonly string[], by: 1 | -1): void {
    for (const one of things) {
      const count = (this.#touched.get(one) ?? 0) + by;
      if (count === 0) this.#touched.delete(one);
      else this.#touched.set(one, count);
    }
    this.#onTouch();
  }

  isTouched(...things: readonly string[]): boolean {
    return things.some((one) => this.#touched.has(one));
  }

  /** Whether this card opens this door now. */
  opens(number: number, door: DoorName): Expected {
    const holding = this.holdings.get(thing({ number }));
    if (this.isTouched(thing({ number }))) return 'unsure';
    if (holding?.kind !== 'card' || !holding.doors.includes(door) || holding.isUsed === true) return 'no';
    if (this.isTouched(holding.person) || holding.isUsed === 'unsure') return 'unsure';
    return this.people.get(holding.person)?.isSuspended === false ? 'yes' : 'no';
  }

  /** The codes that the panel must hold, and those of which it is not certain. */
  codes(): { must: string[]; may: string[] } {
    const [must, may]: [string[], string[]] = [[], []];
    for (const holding of this.holdings.values()) {
      if (holding.kind !== 'code') continue;
      if (this.isTouched(thing(holding), holding.person)) may.push(holding.digits);
      else if (this.people.get(holding.person)?.isSuspended === false) must.push(holding.digits);
    }
    return { must, may };
  }
}

/** What must never be, and was. */
export class Wrong extends Error {}
