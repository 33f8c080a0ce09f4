// What a credential manager takes back of what it has signed: how much of it is remembered, and until when.

import type { CredentialManager } from '../domain/credential-manager.ts';
import { OperatingError } from '../domain/errors.ts';
import { MOST_REVOCATIONS, type Revocation } from '../store/issued-keys.ts';
import type { Call, Room } from './room.ts';

/** Within a transaction. So many are kept for each manager, until nothing that they name can be good any more. */
export function takeBack(
  room: Room,
  manager: Pick<CredentialManager, 'acsSystemId' | 'displayName'>,
  what: Revocation,
  { endsAtMs, isRemoval }: { endsAtMs: number | null; isRemoval: boolean },
  { nowMs }: Call,
): number {
  const { issuedKeys } = room.store;
  const { acsSystemId } = manager;
  const isTrusted = room.time().trusted;
  if (!issuedKeys.isKnown(acsSystemId, what)) {
    const roomAtMs = issuedKeys.roomAtMs(acsSystemId, { nowMs, isTrusted }, isRemoval);
    if (roomAtMs !== null)
      throw new OperatingError(
        'invalid_input',
        `${MOST_REVOCATIONS} revocations of ${manager.displayName} are kept, the most that there may be; the first of them makes room at ${new Date(roomAtMs).toISOString()}. Remedy: issued_before takes back all at once, at any time; with ends_at a revocation is kept no longer than what it names is good`,
      );
  }
  return issuedKeys.revoke(acsSystemId, what, { nowMs, isTrusted, endsAtMs });
}
