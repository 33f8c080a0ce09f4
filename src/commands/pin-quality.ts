// A chosen PIN that people try first, and that is taken all the same (`policy.pin_quality`): a warning in the very
// reply. It is never told later: whoever may read credentials need not learn whose PIN is easily guessed.

import { trivialityOf } from '../domain/pin.ts';
import type { Room } from './room.ts';
import type { AcsCredential } from './contract/results.ts';

/** The credential as its reply shows it, with a warning where the chosen PIN is one that people try first. */
export function withPinWarning(
  { policy }: Pick<Room, 'policy'>,
  credential: AcsCredential,
  code: string | null,
): AcsCredential {
  const triviality = code === null || policy.pinQuality === 'off' ? null : trivialityOf(code);
  if (triviality === null) return credential;
  const warning = {
    warning_code: 'trivial_code',
    constraint_type: triviality.name,
    message: `The code is one that people try first: ${triviality.says}.`,
    created_at: credential.created_at,
  };
  return { ...credential, warnings: [...credential.warnings, warning] };
}
