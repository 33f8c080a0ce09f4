// Can every door and controller concerned hold this? Every rule that a credential will be held to is asked when the
// command comes, so that nothing is promised that a door would not keep. The answer is the first rule that is broken,
// with the parameter that it is about.

import { paramError, type ApiError } from '../domain/errors.ts';
import { refusalOfCode } from './codes.ts';
import { refusalByController } from './controllers.ts';
import type { Ground, Wanted } from './ground.ts';
import { refusalOfRecord } from './records.ts';

/** Why it cannot be held; null: everybody concerned can hold it. */
export function refusalOf(ground: Ground, wanted: Wanted): ApiError | null {
  return (
    refusalOfCard(ground, wanted) ??
    refusalOfCode(ground, wanted) ??
    refusalByController(ground, wanted) ??
    refusalOfRecord(ground, wanted)
  );
}

/** A card stands for one person at a time, whatever doors it opens. */
function refusalOfCard({ store }: Ground, { card, startsAtMs, endsAtMs, credentialKey }: Wanted): ApiError | null {
  if (card === null) return null;
  const other = store.credentials.overlappingCard(card.hash, startsAtMs, endsAtMs, credentialKey);
  if (other === null) return null;
  return paramError(
    'duplicate_card_number',
    'card_number',
    `credential ${other} has this card over an overlapping window`,
  );
}
