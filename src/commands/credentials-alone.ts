// Credentials as whoever commands them one by one may change them: what was made for an access grant follows that, and is
// changed there.

import { refused } from '../domain/errors.ts';
import type { ParamsOf } from './contract.ts';
import { assignCredential, deleteCredential, updateCredential } from './credentials.ts';
import { unmake } from './grants.ts';
import type { Call, Outcome, Room } from './room.ts';

/** What a credential has from its grant. */
const OF_THE_GRANT = ['starts_at', 'ends_at', 'allowed_acs_entrance_ids', 'schedule_id'] as const;

export function updateAlone(
  room: Room,
  params: ParamsOf<'credentials/update'>,
  call: Call,
): Outcome<'credentials/update'> {
  const param = OF_THE_GRANT.find((name) => params[name] !== undefined);
  if (param !== undefined) refuseOfGrant(room, params.acs_credential_id, param);
  return updateCredential(room, params, call);
}

/** Its access method goes with it. */
export function deleteAlone(
  room: Room,
  params: ParamsOf<'credentials/delete'>,
  call: Call,
): Outcome<'credentials/delete'> {
  const method = room.store.accessGrants.method(params.acs_credential_id);
  return method === undefined ? deleteCredential(room, params, call) : { result: {}, wake: unmake(room, method, call) };
}

export function assignAlone(
  room: Room,
  params: ParamsOf<'credentials/assign'>,
  call: Call,
): Outcome<'credentials/assign'> {
  refuseOfGrant(room, params.acs_credential_id, 'acs_credential_id');
  return assignCredential(room, params, call);
}

function refuseOfGrant({ store }: Room, acsCredentialId: string, param: string): void {
  const method = store.accessGrants.method(acsCredentialId);
  if (method === undefined) return;
  const id = store.accessGrants.byKey(method.grant_key)?.access_grant_id ?? '';
  const remedy = 'Remedy: access_grants/update, or access_methods/delete';
  throw refused('invalid_input', param, `it was made for access grant ${id}, and has this from there. ${remedy}`);
}
