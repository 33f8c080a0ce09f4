// Who may open what, as lists: the entrances of a credential or a person, the credentials of an entrance. Reach answers,
// by whatever paths there are; windows and schedules are not asked.

import type { SiteEntrance } from '../domain/site.ts';
import type { ParamsOf } from './contract.ts';
import { credentialObject } from './credential-object.ts';
import { entranceObject } from './entrance-object.ts';
import { findEntrance } from './entrances.ts';
import { findCredential, findUser } from './found.ts';
import { pageBytes, readPage, writePage } from './paging.ts';
import type { Call, Outcome, Room } from './room.ts';

export function listEntrancesOfCredential(
  room: Room,
  params: ParamsOf<'credentials/list_accessible_entrances'>,
): Outcome<'credentials/list_accessible_entrances'> {
  const row = findCredential(room, params.acs_credential_id);
  const keys = row.user_key === null ? [] : room.store.reach.entrancesOf(row);
  return { result: { acs_entrances: entrancesAt(room, keys).map((entrance) => entranceObject(room, entrance)) } };
}

export function listEntrancesOfUser(
  room: Room,
  params: ParamsOf<'users/list_accessible_entrances'>,
): Outcome<'users/list_accessible_entrances'> {
  const { credentials, reach } = room.store;
  const { user_key: userKey } = findUser(room, params.acs_user_id);
  const keys = new Set(credentials.ofUser(userKey).flatMap((row) => reach.entrancesOf(row)));
  const ordered = [...keys].sort((a, b) => a - b);
  return { result: { acs_entrances: entrancesAt(room, ordered).map((entrance) => entranceObject(room, entrance)) } };
}

export function listCredentialsWithAccess(
  room: Room,
  params: ParamsOf<'entrances/list_credentials_with_access'>,
  call: Call,
): Outcome<'entrances/list_credentials_with_access'> {
  const { credentials, reach } = room.store;
  const { entranceKey } = findEntrance(room, params.acs_entrance_id);
  const keys = reach.credentialsAt(entranceKey, readPage(params.page_cursor), params.limit + 1);
  return {
    result: writePage(
      'acs_credentials',
      keys.flatMap((key) => credentials.byKey(key) ?? []),
      { items: params.limit, bytes: pageBytes(call.mostReplyBytes) },
      (row) => credentialObject(room, row),
      (row) => row.credential_key,
    ),
  };
}

/** Without those that have left the facility file. */
const entrancesAt = ({ site }: Room, keys: readonly number[]): SiteEntrance[] =>
  keys.flatMap((key) => site.byKey(key) ?? []);
