// One item of a snapshot as the facility is to have it: made where it is not here, changed where it differs, and left
// alone where it is equal. `code` and `metadata` that a snapshot leaves out stay as they are.

import { keysOf } from '../../acceptance/ground.ts';
import type { CredentialRow } from '../../store/credentials.ts';
import { grantAccess } from '../access.ts';
import type { ParamsOf } from '../contract.ts';
import { createCredential, reassign, updateCredential } from '../credentials.ts';
import type { CreateParams, UpdateParams } from '../factors/factor.ts';
import { factorOf } from '../factors/factors.ts';
import { findEntrances, findGroup, findUser } from '../found.ts';
import { createGrant, requestMethods, updateGrant } from '../grants.ts';
import { createGroup, takeIn, updateGroup } from '../groups.ts';
import { createHoliday, updateHoliday } from '../holidays.ts';
import { enrollPhone } from '../phones.ts';
import type { Call, Room } from '../room.ts';
import { createSchedule, findSchedule, updateSchedule } from '../schedules.ts';
import { createSpace, updateSpace } from '../spaces.ts';
import { createUser, suspendUser, unsuspendUser, updateUser } from '../users.ts';
import type { Item } from './items.ts';
import { paramsOfMethod } from './methods.ts';
import type { Wanted } from './wanted.ts';

export type Placed = { what: 'created' | 'updated' | 'unchanged'; wake: readonly string[] };
type Step = { wake?: readonly string[] };

/** `only`: of credentials, those that are here, or those that are not; `joins`: the groups of a person. Null: not now. */
export function place(
  room: Room,
  wanted: Wanted,
  item: Item,
  { only, joins }: { only: 'present' | 'new' | null; joins: boolean },
  call: Call,
): Placed | null {
  const { store } = room;
  switch (item.command) {
    case 'schedules/create': {
      const isHere = store.schedules.byId(item.params.schedule_id ?? '') !== undefined;
      const params = { ...item.params, schedule_id: item.params.schedule_id ?? '' };
      return told(room, isHere, () =>
        isHere ? updateSchedule(room, params, call) : createSchedule(room, params, call),
      );
    }
    case 'holidays/create': {
      const { date, last_date = date } = item.params;
      const params = { ...item.params, holiday_id: item.params.holiday_id ?? '', last_date };
      const isHere = store.holidays.byId(params.holiday_id) !== undefined;
      return told(room, isHere, () => (isHere ? updateHoliday(room, params, call) : createHoliday(room, params, call)));
    }
    case 'spaces/create': {
      const params = { ...item.params, space_id: item.params.space_id ?? '' };
      const isHere = store.spaces.byId(params.space_id) !== undefined;
      return told(room, isHere, () => (isHere ? updateSpace(room, params, call) : createSpace(room, params, call)));
    }
    case 'users/create':
      return joins ? join(room, wanted, item.params, call) : placeUser(room, wanted, item.params, call);
    case 'users/suspend':
      return told(room, true, () =>
        findUser(room, item.params.acs_user_id).is_suspended === 1 ? {} : suspendUser(room, item.params, call),
      );
    case 'access_groups/create': {
      const params = { ...item.params, acs_access_group_id: item.params.acs_access_group_id ?? '' };
      const isHere = store.groups.byId(params.acs_access_group_id) !== undefined;
      const schedule_id = params.schedule_id ?? null;
      return told(room, isHere, () =>
        isHere ? updateGroup(room, { ...params, schedule_id }, call) : createGroup(room, params, call),
      );
    }
    case 'access_groups/add_user': {
      const { acs_access_group_id: group, acs_user_id: user = '', starts_at = null, ends_at = null } = item.params;
      const isHere = store.groups.member(findGroup(room, group).group_key, findUser(room, user).user_key) !== undefined;
      return told(room, isHere, () => ({
        wake: takeIn(room, findGroup(room, group), findUser(room, user), { starts_at, ends_at }, call),
      }));
    }
    case 'entrances/grant_access': {
      const user = findUser(room, item.params.acs_user_id ?? '');
      const key = room.site.byId(item.params.acs_entrance_id)?.entranceKey ?? 0;
      const isHere = store.userEntrances.get(user.user_key, key) !== undefined;
      return told(room, isHere, () => grantAccess(room, item.params, call));
    }
    case 'access_grants/create':
      return placeGrant(room, wanted, item.params, call);
    case 'credentials/create': {
      const row = store.credentials.byId(item.params.acs_credential_id ?? '');
      if ((row === undefined) !== (only === 'new')) return null;
      return placeCredential(room, item.params, row, call);
    }
    case 'credentials/enroll_phone': {
      const isHere = store.phones.byId(item.params.phone_acs_credential_id ?? '') !== undefined;
      if (isOver(room, item.params.phone_acs_credential_id) || isOver(room, item.params.acs_credential_id))
        return UNCHANGED;
      return told(room, isHere, () => enrollPhone(room, item.params, call));
    }
  }
}

const UNCHANGED: Placed = { what: 'unchanged', wake: [] };

/** Whatever is changed leaves its trace: what left none changed nothing. */
function told(room: Room, isHere: boolean, run: () => Step): Placed {
  const { events } = room.store;
  const before = events.lastSequence();
  const { wake = [] } = run();
  const isChanged = events.lastSequence() !== before;
  return { what: isChanged ? (isHere ? 'updated' : 'created') : 'unchanged', wake };
}

/** It ended long ago and was removed: it stays removed. */
const isOver = ({ store }: Room, id: string | undefined): boolean =>
  id !== undefined && store.tombstones.endedRemovedAt('credential', id) !== null;

// ---- people ---------------------------------------------------------------------------------------------------------

function placeUser(room: Room, wanted: Wanted, params: ParamsOf<'users/create'>, call: Call): Placed {
  const id = params.acs_user_id ?? '';
  const row = room.store.users.byId(id);
  // Groups come behind people.
  const person = { ...params, acs_access_group_ids: undefined };
  if (row === undefined) return told(room, false, () => createUser(room, person, call));
  const all = {
    ...person,
    acs_user_id: id,
    email_address: params.email_address ?? null,
    phone_number: params.phone_number ?? null,
    user_identity_id: params.user_identity_id ?? null,
    access_schedule: params.access_schedule ?? null,
    is_extended_access: params.is_extended_access ?? false,
  };
  const isSame =
    row.full_name === all.full_name &&
    row.email_address === all.email_address &&
    row.phone_number === all.phone_number &&
    row.user_identity_id === all.user_identity_id &&
    row.starts_at === (all.access_schedule?.starts_at ?? null) &&
    row.ends_at === (all.access_schedule?.ends_at ?? null) &&
    (row.is_extended_access === 1) === all.is_extended_access &&
    (params.metadata === undefined || row.metadata === JSON.stringify(params.metadata));
  const isFreed = row.is_suspended === 1 && !wanted.suspended.has(id);
  if (isSame && !isFreed) return UNCHANGED;
  return told(room, true, () => {
    const updated = isSame ? [] : (updateUser(room, all, call).wake ?? []);
    const freed = isFreed ? (unsuspendUser(room, { acs_user_id: id }, call).wake ?? []) : [];
    return { wake: [...updated, ...freed] };
  });
}

/** The groups that are named with a person, once they are there. */
function join(room: Room, wanted: Wanted, params: ParamsOf<'users/create'>, call: Call): Placed {
  const user = findUser(room, params.acs_user_id ?? '');
  const groups = wanted.members.get(user.acs_user_id);
  return told(room, true, () => ({
    wake: (params.acs_access_group_ids ?? []).flatMap((id) => {
      const window = groups?.get(id);
      const terms = { starts_at: window?.startsAtMs ?? null, ends_at: window?.endsAtMs ?? null };
      return takeIn(room, findGroup(room, id), user, terms, call);
    }),
  }));
}

// ---- credentials ----------------------------------------------------------------------------------------------------

function placeCredential(room: Room, params: CreateParams, row: CredentialRow | undefined, call: Call): Placed {
  if (row === undefined)
    return isOver(room, params.acs_credential_id)
      ? UNCHANGED
      : told(room, false, () => createCredential(room, params, call));
  const user = findUser(room, params.acs_user_id ?? '');
  const changes = changesOf(room, params, row, call.nowMs);
  const isReassigned = row.user_key !== user.user_key;
  const loses = params.secret_revision === undefined && row.secret_revision !== null;
  if (changes === null && !isReassigned && !loses) return UNCHANGED;
  return told(room, true, () => {
    const assigned = isReassigned ? (reassign(room, row, user.user_key, call).wake ?? []) : [];
    const id = row.acs_credential_id;
    const more = loses ? { secret_revision: null } : {};
    const updated = changes === null && !loses ? [] : (updateCredential(room, { ...changes, ...more, acs_credential_id: id }, call).wake ?? []); // prettier-ignore
    return { wake: [...assigned, ...updated] };
  });
}

type Changes = Omit<UpdateParams, 'acs_credential_id'>;

/** Null: it is as it should be. */
function changesOf(room: Room, params: CreateParams, row: CredentialRow, nowMs: number): Changes | null {
  const changes: Changes = {};
  const starts_at = params.starts_at ?? null;
  const ends_at = params.ends_at ?? null;
  if (row.starts_at !== starts_at) changes.starts_at = starts_at;
  if (row.ends_at !== ends_at) changes.ends_at = ends_at;
  const schedule_id = params.schedule_id ?? null;
  if (row.schedule_key !== (schedule_id === null ? null : findSchedule(room, schedule_id).schedule_key))
    changes.schedule_id = schedule_id;
  const most = params.is_one_time_use ? 1 : (params.max_uses ?? null);
  if (row.max_uses !== most) changes.max_uses = most;
  if (row.display_name !== (params.display_name ?? null)) changes.display_name = params.display_name ?? null;
  if (params.metadata !== undefined && row.metadata !== JSON.stringify(params.metadata))
    changes.metadata = params.metadata;
  if (params.secret_revision !== undefined && row.secret_revision !== params.secret_revision)
    changes.secret_revision = params.secret_revision;
  const listed = params.allowed_acs_entrance_ids;
  if (!isSameList(room, row, listed)) changes.allowed_acs_entrance_ids = listed ?? null;
  const factor = factorOf(row);
  const isGiven = params.code !== undefined || params.card_number !== undefined;
  const given = isGiven ? factor.given(room, params) : null;
  if (given !== null && !factor.holds(room, row, given))
    Object.assign(changes, factor.method === 'card' ? { card_number: given } : { code: given });
  // One that ended, and has an end ahead again, is valid again.
  if (row.invalidated_at !== null && row.used_at === null && (ends_at === null || ends_at > nowMs)) return changes;
  return Object.keys(changes).length === 0 ? null : changes;
}

function isSameList(room: Room, row: CredentialRow, listed: readonly string[] | undefined): boolean {
  if ((row.has_own_entrances === 1) !== (listed !== undefined)) return false;
  if (listed === undefined) return true;
  const keys = new Set(keysOf(findEntrances(room, listed)));
  const here = room.store.ownLists.keysOf(row.credential_key);
  return here.length === keys.size && here.every((key) => keys.has(key));
}

// ---- grants ---------------------------------------------------------------------------------------------------------

function placeGrant(room: Room, wanted: Wanted, params: ParamsOf<'access_grants/create'>, call: Call): Placed {
  const { store } = room;
  const id = params.access_grant_id ?? '';
  if (store.tombstones.endedRemovedAt('access_grant', id) !== null) return UNCHANGED;
  const row = store.accessGrants.byId(id);
  if (row === undefined) return told(room, false, () => createGrant(room, params, call));
  const opened = new Set(store.userEntrances.said(row.user_key, row.grant_key).map((one) => one.acsEntranceId));
  const entranceIds = wanted.grants.get(id)?.entranceIds ?? [];
  const { starts_at = null, ends_at = null, schedule_id = null } = params;
  const schedule = schedule_id === null ? null : findSchedule(room, schedule_id).schedule_key;
  // One that another reservation ended keeps that end.
  const isWindowSame = row.ended_by !== null || (row.starts_at === starts_at && row.ends_at === ends_at);
  const isListSame = row.ended_by !== null || (opened.size === entranceIds.length && entranceIds.every((one) => opened.has(one))); // prettier-ignore
  const isSame =
    isWindowSame &&
    isListSame &&
    row.schedule_key === schedule &&
    row.name === (params.name ?? null) &&
    (params.metadata === undefined || row.metadata === JSON.stringify(params.metadata));
  return told(room, true, () => {
    const wake: string[] = [];
    if (!isSame) {
      const window = isWindowSame ? {} : { starts_at, ends_at };
      const list = isListSame ? {} : { acs_entrance_ids: [...entranceIds], space_ids: params.space_ids };
      const metadata = params.metadata === undefined ? {} : { metadata: params.metadata };
      const changes = { access_grant_id: id, ...window, ...list, ...metadata, schedule_id, name: params.name ?? null };
      wake.push(...(updateGrant(room, changes, call).wake ?? []));
    }
    for (const method of params.requested_access_methods) wake.push(...placeMethod(room, wanted, params, method, call));
    return { wake };
  });
}

function placeMethod(
  room: Room,
  wanted: Wanted,
  grant: ParamsOf<'access_grants/create'>,
  method: ParamsOf<'access_grants/create'>['requested_access_methods'][number],
  call: Call,
): readonly string[] {
  const { store } = room;
  const id = method.access_method_id ?? '';
  const row = store.credentials.byId(id);
  if (store.accessGrants.method(id) === undefined) {
    const asked = { access_grant_id: grant.access_grant_id ?? '', requested_access_methods: [method] };
    return isOver(room, id) ? [] : (requestMethods(room, asked, call).wake ?? []);
  }
  if (row === undefined) return [];
  const { code, card_number, max_uses } = changesOf(room, paramsOfMethod(grant, method, wanted), row, call.nowMs) ?? {};
  const changes = {
    ...(code === undefined ? {} : { code }),
    ...(card_number === undefined ? {} : { card_number }),
    ...(max_uses === undefined ? {} : { max_uses }),
  };
  if (Object.keys(changes).length === 0) return [];
  return updateCredential(room, { ...changes, acs_credential_id: id }, call).wake ?? [];
}
