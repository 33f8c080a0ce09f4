// What the doctor says: one finding for each thing that it looked at, with what to do where something is wrong.

/**
 * `good`; `look`: nobody can see it from here, somebody should; `warning`: works today, and will not on a bad day;
 * `fault`: does not work, or lets somebody in who should stay out.
 */
export type FindingState = 'good' | 'look' | 'warning' | 'fault';

export type Finding = {
  /** What was looked at, e.g. `ports`; the heading under which it is shown. */
  about: string;
  /** Which one, where there are several: a bus, a controller, a file; null: the whole. */
  which: string | null;
  state: FindingState;
  says: string;
  /** What would be right; null: nothing is to be done. */
  remedy: string | null;
};

/** Findings about one thing, as a check gathers them. */
export class Findings {
  readonly all: Finding[] = [];
  readonly #about: string;

  constructor(about: string) {
    this.#about = about;
  }

  good(says: string, which: string | null = null): void {
    this.#add('good', says, null, which);
  }

  look(says: string, remedy: string, which: string | null = null): void {
    this.#add('look', says, remedy, which);
  }

  warning(says: string, remedy: string, which: string | null = null): void {
    this.#add('warning', says, remedy, which);
  }

  fault(says: string, remedy: string, which: string | null = null): void {
    this.#add('fault', says, remedy, which);
  }

  #add(state: FindingState, says: string, remedy: string | null, which: string | null): void {
    this.all.push({ about: this.#about, which, state, says, remedy });
  }
}

/** Messages of this house carry their remedy behind this word; what comes without one gets `otherwise`. */
export function splitRemedy(message: string, otherwise: string): { says: string; remedy: string } {
  const [, says, remedy] = /^(.*?)[.:;]? Remedy(?:, as root)?: (.*)$/s.exec(message) ?? [];
  return says === undefined || remedy === undefined ? { says: message, remedy: otherwise } : { says, remedy };
}
