// People: create, get, list, update, delete, suspend, unsuspend. What takes access away is effective with the
// transaction that stores it.

import { newEvent } from '../domain/events.ts';
import { OperatingError } from '../domain/errors.ts';
import { invalidated } from '../domain/invalidated.ts';
import { release, retarget } from '../store/retarget.ts';
import type { NewUser, UserRow } from '../store/users.ts';
import { buryBiometrics } from './biometric-object.ts';
import type { ParamsOf } from './contract.ts';
import { findGroup, findUser, userNotFound } from './found.ts';
import { buryPhones } from './phones.ts';
import { folded, pageBytes, readPage, writePage } from './paging.ts';
import type { Call, Outcome, Room } from './room.ts';
import { buryGrants } from './grant-objects.ts';
import { takeIn } from './groups.ts';
import { userObject } from './user-object.ts';
import { attribution, changedFields, recordChange } from './trace.ts';

export function createUser(room: Room, params: ParamsOf<'users/create'>, call: Call): Outcome<'users/create'> {
  const { users, tombstones } = room.store;
  const acsUserId = params.acs_user_id ?? room.random.uuid();
  if (tombstones.has('user', acsUserId)) {
    throw new OperatingError('acs_user_exists', `user ${acsUserId} was deleted, and a deleted id is never used again`, [
      'params',
      'acs_user_id',
    ]);
  }
  const wanted: NewUser = {
    acs_user_id: acsUserId,
    full_name: params.full_name,
    email_address: params.email_address ?? null,
    phone_number: params.phone_number ?? null,
    user_identity_id: params.user_identity_id ?? null,
    starts_at: params.access_schedule?.starts_at ?? null,
    ends_at: params.access_schedule?.ends_at ?? null,
    is_suspended: 0,
    is_extended_access: params.is_extended_access === true ? 1 : 0,
    metadata: params.metadata === undefined ? null : JSON.stringify(params.metadata),
    created_at: call.nowMs,
  };
  const groups = [...new Set(params.acs_access_group_ids)].map((id) => findGroup(room, id));
  const existing = users.byId(acsUserId);
  if (existing !== undefined) {
    // Who was taken out of a group since is not taken in again by a repeat.
    if (isSame(existing, wanted)) return { result: { acs_user: userObject(room, existing) } };
    throw new OperatingError('acs_user_exists', `user ${acsUserId} exists with other details. Remedy: users/update`, [
      'params',
      'acs_user_id',
    ]);
  }
  const userKey = room.store.digest.track('user', acsUserId, () => users.insert(wanted));
  room.store.raiseRevision();
  recordChange(room, call, { eventType: 'acs_user.created', ids: { acs_user_id: acsUserId } });
  const user = { ...wanted, user_key: userKey };
  for (const group of groups) takeIn(room, group, user, { starts_at: null, ends_at: null }, call);
  return { result: { acs_user: userObject(room, user) } };
}

const isSame = (row: UserRow, wanted: NewUser): boolean =>
  (
    [
      'full_name',
      'email_address',
      'phone_number',
      'user_identity_id',
      'starts_at',
      'ends_at',
      'is_extended_access',
      'metadata',
    ] as const
  ).every((field) => row[field] === wanted[field]);

export function getUser(room: Room, params: ParamsOf<'users/get'>): Outcome<'users/get'> {
  return { result: { acs_user: userObject(room, findUser(room, params.acs_user_id)) } };
}

export function listUsers(room: Room, params: ParamsOf<'users/list'>, call: Call): Outcome<'users/list'> {
  const rows = room.store.users.list({
    after: readPage(params.page_cursor),
    search: folded(params.search),
    identity: params.user_identity_id ?? null,
    limit: params.limit + 1,
  });
  return {
    result: writePage(
      'acs_users',
      rows,
      { items: params.limit, bytes: pageBytes(call.mostReplyBytes) },
      (row) => userObject(room, row),
      (row) => row.user_key,
    ),
  };
}

export function updateUser(room: Room, params: ParamsOf<'users/update'>, call: Call): Outcome<'users/update'> {
  const row = findUser(room, params.acs_user_id);
  const changed: UserRow = {
    ...row,
    full_name: params.full_name ?? row.full_name,
    email_address: params.email_address === undefined ? row.email_address : params.email_address,
    phone_number: params.phone_number === undefined ? row.phone_number : params.phone_number,
    user_identity_id: params.user_identity_id === undefined ? row.user_identity_id : params.user_identity_id,
    is_extended_access:
      params.is_extended_access === undefined ? row.is_extended_access : params.is_extended_access ? 1 : 0,
    metadata: params.metadata === undefined ? row.metadata : JSON.stringify(params.metadata),
  };
  if (params.access_schedule === null) Object.assign(changed, { starts_at: null, ends_at: null });
  else if (params.access_schedule !== undefined) {
    changed.starts_at = params.access_schedule.starts_at ?? null;
    changed.ends_at = params.access_schedule.ends_at ?? null;
  }
  room.store.digest.track('user', row.acs_user_id, () => room.store.users.update(changed));
  room.store.raiseRevision();
  const fields = changedFields(row, changed, USER_FIELDS);
  recordChange(room, call, { eventType: 'acs_user.updated', ids: { acs_user_id: row.acs_user_id }, fields });
  const wake =
    changed.starts_at === row.starts_at && changed.ends_at === row.ends_at ? [] : retargetAll(room, row.user_key);
  return { result: { acs_user: userObject(room, changed) }, wake };
}

/** What a person's fields are kept as. */
const USER_FIELDS = {
  full_name: ['full_name'],
  email_address: ['email_address'],
  phone_number: ['phone_number'],
  user_identity_id: ['user_identity_id'],
  access_schedule: ['starts_at', 'ends_at'],
  is_extended_access: ['is_extended_access'],
  metadata: ['metadata'],
} as const satisfies Record<string, readonly (keyof UserRow)[]>;

export function suspendUser(room: Room, params: ParamsOf<'users/suspend'>, call: Call): Outcome<'users/suspend'> {
  return setSuspended(room, params.acs_user_id, 1, call);
}

export function unsuspendUser(room: Room, params: ParamsOf<'users/unsuspend'>, call: Call): Outcome<'users/unsuspend'> {
  return setSuspended(room, params.acs_user_id, 0, call);
}

function setSuspended(room: Room, acsUserId: string, isSuspended: 0 | 1, call: Call): Outcome<'users/get'> {
  const before = findUser(room, acsUserId);
  const row = { ...before, is_suspended: isSuspended };
  if (before.is_suspended !== isSuspended) {
    const eventType = isSuspended === 1 ? 'acs_user.suspended' : 'acs_user.unsuspended';
    recordChange(room, call, { eventType, ids: { acs_user_id: acsUserId } });
  }
  room.store.digest.track('user', row.acs_user_id, () => room.store.users.update(row));
  room.store.raiseRevision();
  return { result: { acs_user: userObject(room, row) }, wake: retargetAll(room, row.user_key) };
}

export function deleteUser(room: Room, params: ParamsOf<'users/delete'>, call: Call): Outcome<'users/delete'> {
  const { store } = room;
  const row = store.users.byId(params.acs_user_id);
  if (row === undefined) {
    if (store.tombstones.has('user', params.acs_user_id)) return { result: {} };
    throw userNotFound(params.acs_user_id);
  }
  const wake = new Set<string>();
  for (const credential of store.credentials.ofUser(row.user_key)) {
    const identifying = {
      acs_credential_id: credential.acs_credential_id,
      acs_user_id: row.acs_user_id,
      acs_system_id: room.acsSystemId,
      ...attribution(call),
    };
    if (credential.invalidated_at === null) {
      store.events.add(invalidated({ ...identifying, reason: 'user_deleted' }, call.nowMs), call.nowMs);
    }
    for (const target of store.targets.ofCredential(credential.credential_key)) wake.add(target.controller);
    buryPhones(room, store.phones.of(credential.credential_key), call);
    release(store, credential.credential_key, call.nowMs);
    store.digest.track('credential', credential.acs_credential_id, () =>
      store.credentials.delete(credential.credential_key),
    );
    store.tombstones.add('credential', credential.acs_credential_id, call.nowMs);
    store.events.add(newEvent('acs_credential.deleted', identifying), call.nowMs);
  }
  buryBiometrics(room, row, call);
  buryGrants(room, row, call);
  for (const key of store.groups.ofUser(row.user_key)) store.groups.removeMember(key, row);
  for (const entrance of store.userEntrances.said(row.user_key)) store.userEntrances.delete(row, entrance);
  store.digest.track('user', row.acs_user_id, () => store.users.delete(row.user_key));
  store.tombstones.add('user', row.acs_user_id, call.nowMs);
  store.raiseRevision();
  recordChange(room, call, { eventType: 'acs_user.deleted', ids: { acs_user_id: row.acs_user_id } });
  return { result: {}, wake: [...wake] };
}

function retargetAll(room: Room, userKey: number): string[] {
  const wake = new Set<string>();
  for (const credential of room.store.credentials.ofUser(userKey)) {
    for (const controller of retarget(room.store, room.site, credential.credential_key)) wake.add(controller);
  }
  return [...wake];
}
