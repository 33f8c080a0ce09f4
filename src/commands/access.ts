// What is granted beside groups: an entrance to a person, within a window and a schedule of its own, or to everybody in
// a group; and all of it taken back, also at once.

import { OperatingError } from '../domain/errors.ts';
import type { SiteEntrance } from '../domain/site.ts';
import type { UserRow } from '../store/users.ts';
import type { ParamsOf } from './contract.ts';
import { updateCredential } from './credentials.ts';
import { findEntrance } from './entrances.ts';
import { findGroup, personOf } from './found.ts';
import { takeBack as takeBackGrant } from './grants.ts';
import { openToGroup, shutToGroup, takeOut } from './groups.ts';
import { acceptFollowers, retargetFollowers } from './issue.ts';
import type { Call, Outcome, Room } from './room.ts';
import { findSchedule } from './schedules.ts';
import { recordChange } from './trace.ts';

type Whom = {
  acs_user_id?: string | undefined;
  user_identity_id?: string | undefined;
  acs_access_group_id?: string | undefined;
};

export function grantAccess(
  room: Room,
  params: ParamsOf<'entrances/grant_access'>,
  call: Call,
): Outcome<'entrances/grant_access'> {
  const entrance = findEntrance(room, params.acs_entrance_id);
  const { acs_access_group_id: groupId } = onlyOne(params);
  if (groupId !== undefined) {
    for (const name of ['starts_at', 'ends_at', 'schedule_id'] as const) {
      if (params[name] != null)
        throw new OperatingError(
          'invalid_input',
          `params.${name}: only for a person; a group has its schedule, and each of its members a window`,
          ['params', name],
        );
    }
    const wake = openToGroup(room, findGroup(room, groupId), entrance);
    if (wake !== null) record(room, call, 'acs_entrance.access_granted', entrance, { groupId });
    return { result: {}, wake: wake ?? [] };
  }
  const user = personOf(room, params);
  const terms = {
    starts_at: params.starts_at ?? null,
    ends_at: params.ends_at ?? null,
    schedule_key: params.schedule_id == null ? null : findSchedule(room, params.schedule_id).schedule_key,
  };
  const before = room.store.userEntrances.get(user.user_key, entrance.entranceKey);
  const fields = ['starts_at', 'ends_at', 'schedule_key'] as const;
  if (before !== undefined && fields.every((field) => before[field] === terms[field])) return { result: {} };
  room.store.userEntrances.set(user, entrance, terms);
  acceptFollowers(room, user.user_key, [entrance.entranceKey], 'acs_entrance_id');
  record(room, call, 'acs_entrance.access_granted', entrance, { userId: user.acs_user_id });
  return { result: {}, wake: retargetFollowers(room, user.user_key, [entrance.entranceKey]) };
}

export function revokeAccess(
  room: Room,
  params: ParamsOf<'entrances/revoke_access'>,
  call: Call,
): Outcome<'entrances/revoke_access'> {
  const { store } = room;
  const entrance = findEntrance(room, params.acs_entrance_id);
  const { acs_access_group_id: groupId, acs_user_id: userId } = onlyOne(params);
  if (groupId !== undefined) {
    if (store.tombstones.has('access_group', groupId)) return { result: {} };
    const wake = shutToGroup(room, findGroup(room, groupId), entrance);
    if (wake !== null) record(room, call, 'acs_entrance.access_revoked', entrance, { groupId });
    return { result: {}, wake: wake ?? [] };
  }
  if (userId !== undefined && store.tombstones.has('user', userId)) return { result: {} };
  return { result: {}, wake: revokeFrom(room, personOf(room, params), entrance, call) };
}

/** What was said of a person and an entrance alone is taken back; whom to wake. */
export function revokeFrom(
  room: Room,
  user: UserRow,
  entrance: Pick<SiteEntrance, 'entranceKey' | 'acsEntranceId'>,
  call: Call,
): string[] {
  // prettier-ignore
  if (!room.store.userEntrances.delete(user, entrance)) return [];
  record(room, call, 'acs_entrance.access_revoked', entrance, { userId: user.acs_user_id });
  return retargetFollowers(room, user.user_key, [entrance.entranceKey]);
}

export function revokeAll(
  room: Room,
  params: ParamsOf<'users/revoke_access_to_all_entrances'>,
  call: Call,
): Outcome<'users/revoke_access_to_all_entrances'> {
  const { store } = room;
  const { acs_user_id: userId } = params;
  if (userId !== undefined && store.tombstones.has('user', userId)) return { result: {} };
  const user = personOf(room, params);
  const before = store.revision();
  const wake = [
    ...store.accessGrants.ofUser(user.user_key).flatMap((grant) => takeBackGrant(room, grant, call)),
    ...store.groups.ofUser(user.user_key).flatMap((key) => {
      const group = store.groups.byKey(key);
      return group === undefined ? [] : takeOut(room, group, user, call);
    }),
    ...store.userEntrances.said(user.user_key).flatMap((entrance) => revokeFrom(room, user, entrance, call)),
    ...store.credentials
      .ofUser(user.user_key)
      .filter((row) => row.has_own_entrances === 1 && store.ownLists.keysOf(row.credential_key).length > 0)
      .flatMap(({ acs_credential_id: id }) => {
        const emptied = { acs_credential_id: id, allowed_acs_entrance_ids: [] };
        return updateCredential(room, emptied, call).wake ?? [];
      }),
  ];
  if (store.revision() !== before)
    recordChange(room, call, { eventType: 'acs_user.access_revoked', ids: { acs_user_id: user.acs_user_id } });
  return { result: {}, wake: [...new Set(wake)] };
}

function record(
  room: Room,
  call: Call,
  eventType: 'acs_entrance.access_granted' | 'acs_entrance.access_revoked',
  { acsEntranceId }: Pick<SiteEntrance, 'acsEntranceId'>,
  { userId = null, groupId = null }: { userId?: string | null; groupId?: string | null },
): void {
  room.store.raiseRevision();
  const ids = { acs_entrance_id: acsEntranceId, acs_user_id: userId, acs_access_group_id: groupId };
  recordChange(room, call, { eventType, ids });
}

function onlyOne(params: Whom): Whom {
  const given = [params.acs_user_id, params.user_identity_id, params.acs_access_group_id];
  if (given.filter((id) => id !== undefined).length === 1) return params;
  const message = 'params: give exactly one of acs_user_id, user_identity_id, acs_access_group_id';
  throw new OperatingError('invalid_input', message, ['params']);
}
