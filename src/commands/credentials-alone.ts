// Credentials as whoever commands them one by one may change them: what was made for an access grant follows that, and is
// changed there.

import { refused } from '../domain/errors.ts';
import type { ParamsOf } from './contract.ts';
import { assignCredential, createCredential, deleteCredential, updateCredential } from './credentials.ts';
import { unmake } from './grants.ts';
import type { Call, Outcome, Room } from './room.ts';

/** What a credential has from its grant. */
const OF_THE_GRANT = ['starts_at', 'ends_at', 'allowed_acs_entrance_ids', 'schedule_id'] as const;

/** The earlier one is gone before the new one is looked at: it may have its card, its code and its slot. */
export function createAlone(
  room: Room,
  params: ParamsOf<'credentials/create'>,
  call: Call,
): Outcome<'credentials/create'> {
  const { acs_credential_id: id, replaces } = params;
  const isKnown = id !== undefined && room.store.credentials.byId(id) !== undefined;
  if (replaces === undefined || isKnown || room.store.tombstones.has('credential', replaces))
    return createCredential(room, params, call);
  const woken = endAt(room, replaces, params.starts_at ?? null, call);
  const outcome = createCredential(room, params, call);
  return { ...outcome, wake: [...new Set([...woken, ...(outcome.wake ?? [])])] };
}

/** Whom to wake. `startsAtMs`: of what comes in its place; null, or not ahead: now. */
function endAt(room: Room, acsCredentialId: string, startsAtMs: number | null, call: Call): readonly string[] {
  const earlier = room.store.credentials.byId(acsCredentialId);
  if (earlier === undefined)
    throw refused('acs_credential_not_found', 'replaces', `there is no credential ${acsCredentialId}`);
  if (startsAtMs === null || startsAtMs <= call.nowMs || (earlier.starts_at ?? -Infinity) >= startsAtMs)
    return deleteAlone(room, { acs_credential_id: acsCredentialId }, call).wake ?? [];
  if (earlier.ends_at !== null && earlier.ends_at <= startsAtMs) return [];
  return updateAlone(room, { acs_credential_id: acsCredentialId, ends_at: startsAtMs }, call).wake ?? [];
}

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
