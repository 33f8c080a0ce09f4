// Who may open what, as lists: the entrances of a credential, a person or a group, the credentials of an entrance. Reach
// answers, by whatever paths there are; windows and schedules are not asked.

import type { SiteEntrance } from '../domain/site.ts';
import type { ParamsOf } from './contract.ts';
import type { ResultOf } from './contract/results.ts';
import { credentialObject } from './credential-object.ts';
import { entranceObject } from './entrance-object.ts';
import { findEntrance } from './entrances.ts';
import { entrancesAt, findCredential, findGroup, findUser } from './found.ts';
import { pageBytes, readPage, writePage } from './paging.ts';
import type { Call, Outcome, Room } from './room.ts';

type Page = { limit: number; page_cursor?: string | undefined };

export function listEntrancesOfCredential(
  room: Room,
  params: ParamsOf<'credentials/list_accessible_entrances'>,
  call: Call,
): Outcome<'credentials/list_accessible_entrances'> {
  const row = findCredential(room, params.acs_credential_id);
  const keys = row.user_key === null ? [] : room.store.reach.entrancesOf(row);
  return { result: entrancePage(room, entrancesAt(room, keys), params, call) };
}

export function listEntrancesOfUser(
  room: Room,
  params: ParamsOf<'users/list_accessible_entrances'>,
  call: Call,
): Outcome<'users/list_accessible_entrances'> {
  const { credentials, reach } = room.store;
  const { user_key: userKey } = findUser(room, params.acs_user_id);
  const listed = credentials.ofUser(userKey).filter(({ has_own_entrances: hasOwn }) => hasOwn === 1);
  const keys = new Set([...reach.entrancesOfUser(userKey), ...listed.flatMap((row) => reach.entrancesOf(row))]);
  return { result: entrancePage(room, entrancesAt(room, [...keys]), params, call) };
}

export function listEntrancesOfGroup(
  room: Room,
  params: ParamsOf<'access_groups/list_accessible_entrances'>,
  call: Call,
): Outcome<'access_groups/list_accessible_entrances'> {
  const { group_key: key } = findGroup(room, params.acs_access_group_id);
  return { result: entrancePage(room, entrancesAt(room, room.store.groups.entrances(key)), params, call) };
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

/** In the order of their keys. */
function entrancePage(
  room: Room,
  entrances: readonly SiteEntrance[],
  { limit, page_cursor: cursor }: Page,
  call: Call,
): ResultOf<'credentials/list_accessible_entrances'> {
  const after = readPage(cursor);
  return writePage(
    'acs_entrances',
    entrances.filter(({ entranceKey }) => entranceKey > after).sort((a, b) => a.entranceKey - b.entranceKey),
    { items: limit, bytes: pageBytes(call.mostReplyBytes) },
    (entrance) => entranceObject(room, entrance),
    ({ entranceKey }) => entranceKey,
  );
}
