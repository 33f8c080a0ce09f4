// Of a card, or phone, that is let in where a finger of the same person is asked for as well: whether one is enrolled,
// whether the reader can compare it now, and whether it was put there.

import type { Gate } from './ladder.ts';
import type { Scene } from './gates.ts';
import { keypadSays } from './says.ts';

/** `lockedForMs`: of a finger with this card; null: it is not a matter of now. */
export type FingerAsked = Scene & {
  enrolled: number;
  /** Why the reader cannot compare now, for people; null: it can, or it is not a matter of now. */
  problem: string | null;
  lockedForMs: number | null;
  isMatched: boolean;
};

/** A controller asks for nothing of the kind. */
export const wantsFinger = ({ entrance, factors: { factors }, method }: Scene): boolean =>
  factors === 'card_and_biometric' && entrance.decidedBy === 'gateway' && method === 'card';

export const FINGER_GATES: readonly Gate<FingerAsked>[] = [
  {
    step: 'biometric_attempts',
    concerns: (asked) => wantsFinger(asked) && (asked.lockedForMs ?? 0) > 0,
    denies: () => 'locked_out',
    says: ({ lockedForMs }) => keypadSays(lockedForMs ?? 0),
    ends: () => true,
  },
  {
    step: 'biometric_enrolled',
    concerns: wantsFinger,
    denies: ({ enrolled }) => (enrolled > 0 ? null : 'biometric_not_enrolled'),
    says: ({ enrolled }) =>
      enrolled > 0 ? `${enrolled} enrolled of its person` : 'no finger of its person is enrolled',
  },
  {
    step: 'biometric_reader',
    concerns: (asked) => wantsFinger(asked) && asked.problem !== null,
    denies: () => 'biometric_unavailable',
    says: ({ problem }) => problem ?? '',
  },
  {
    step: 'biometric',
    concerns: wantsFinger,
    denies: ({ isMatched }) => (isMatched ? null : 'biometric_required'),
    says: ({ isMatched }) =>
      isMatched
        ? 'the reader took a finger for one of the same person'
        : 'a finger of the same person is asked for next',
  },
];
