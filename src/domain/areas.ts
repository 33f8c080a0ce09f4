// Areas: what is entered and left through readers that stand on a side, and what holds for whoever enters; and sets of
// doors of which one at most is open.

/** What somebody who is inside already, as far as is known, meets at a way in. */
export type AntiPassback =
  /** Is not let in. */
  | { kind: 'hard' }
  /** Is let in, and it is told. */
  | { kind: 'soft' }
  /** Is not let in until so long after the entry. */
  | { kind: 'timed'; forgetAfterMs: number };

export type AreaSetup = {
  /** The key in the facility file; names the state topic. */
  name: string;
  displayName: string;
  /** Whoever is let in at one of these readers enters; at one of those leaves. */
  inReaders: readonly string[];
  outReaders: readonly string[];
  /** Null: nobody asks. */
  antiPassback: AntiPassback | null;
  /** Most people; null: any number. */
  limit: number | null;
  /** Access groups whose members neither of the two concerns, where such a group opens the door. */
  exemptGroups: readonly string[];
  /** Minutes of the day at which it is taken for empty, ascending. */
  resets: readonly number[];
  /** Two different people must be shown within so long; null: one is enough. */
  twoPersonsMs: number | null;
};

/** At most one of these doors is open or unlocked. */
export type InterlockSetup = { name: string; acsEntranceIds: readonly string[] };

/**
 * Where somebody is, as far as is known. `inside`: entered, and has not left. `unsure`: the same, but a way out was
 * dark or stood open since. `unknown`: may be inside, and does not count. `outside`: has left.
 */
export const OCCUPANT_STATES = ['inside', 'unsure', 'unknown', 'outside'] as const;
export type OccupantState = (typeof OCCUPANT_STATES)[number];
