// What a decision between areas is about: how somebody stands to them, and who goes through.

import type { AreaSetup, OccupantState } from '../domain/areas.ts';
import type { CredentialWithUser } from '../store/credentials.ts';
import type { HeldBy } from './interlocks.ts';

/** How somebody stands to an area. */
export type Standing = {
  area: AreaSetup;
  /** Null: never seen there. */
  state: OccupantState | null;
  /** Since the entry. */
  sinceMs: number;
  /** Let in at another of its doors a moment ago, and nobody has seen yet who went. */
  isOnTheWay: boolean;
};

/** Who was shown at this door a moment ago, for a second person to come. */
export type Companion = { credential: CredentialWithUser; acsUserId: string; reader: string };

/** What a reader leads into and out of at this moment; nothing of it concerns a reader that does neither. */
export type Ground = {
  reader: string;
  into: readonly AreaSetup[];
  outOf: readonly AreaSetup[];
  /** Null: nobody is waited with. */
  companion: Companion | null;
  /** It is the companion who is judged once more. */
  isForCompanion: boolean;
  heldBy: HeldBy | null;
  stand: (area: AreaSetup, acsUserId: string) => Standing;
  /** Places that others than these people have, or are on the way to. */
  taken: (area: AreaSetup, acsUserIds: readonly string[]) => number;
};

/** Against the rule, and let through all the same: `out` has left already, as far as is known. */
export type Violation = { area: AreaSetup; acsUserId: string; direction: 'in' | 'out'; wasUnsure: boolean };

export type Passage = {
  acsEntranceId: string;
  reader: string;
  acsUserIds: readonly string[];
  /** Whoever was waited with. */
  companion: Companion | null;
  violations: readonly Violation[];
  /** The next decision hangs on it: nobody moves before it is on the disk. */
  mustHold: boolean;
};
