// What a snapshot does not name: found object by object, and taken away by the commands that would take it away.

import type { ObjectRow, Replaced } from '../../store/snapshots.ts';
import { revokeFrom } from '../access.ts';
import { deleteCredential, unassignCredential } from '../credentials.ts';
import { takeBack, unmake } from '../grants.ts';
import { deleteGroup, takeOut } from '../groups.ts';
import { deleteHoliday } from '../holidays.ts';
import { removePhone } from '../phones.ts';
import type { Call, Room } from '../room.ts';
import { deleteSchedule } from '../schedules.ts';
import { deleteSpace } from '../spaces.ts';
import { deleteUser, suspendUser } from '../users.ts';
import type { Wanted } from './wanted.ts';

/** How many objects went, and whom to wake. */
export type Removed = { count: number; wake: readonly string[] };
const NOTHING: Removed = { count: 0, wake: [] };

/** How many objects would go with this one, itself included. */
export function wouldGo(room: Room, wanted: Wanted, kind: Replaced, { key, id }: ObjectRow): number {
  const { store } = room;
  switch (kind) {
    case 'credential':
      return isOwn(room, key, id) && !wanted.credentials.has(id) ? 1 : 0;
    case 'grant': {
      const isGone = !wanted.grants.has(id);
      const methods = store.accessGrants.methodsOf(key).map((method) => method.access_method_id);
      const made = methods.filter((method) => (isGone || !wanted.methods.has(method)) && store.credentials.byId(method) !== undefined); // prettier-ignore
      return made.length + (isGone ? 1 : 0);
    }
    case 'user':
      return wanted.users.has(id) ? 0 : 1;
    case 'group':
      return wanted.groups.has(id) ? 0 : 1;
    case 'space':
      return wanted.spaces.has(id) ? 0 : 1;
    case 'holiday':
      return wanted.holidays.has(id) ? 0 : 1;
    case 'schedule':
      return wanted.schedules.has(id) ? 0 : 1;
  }
}

/** Inside a transaction. */
export function removeUnnamed(room: Room, wanted: Wanted, kind: Replaced, row: ObjectRow, call: Call): Removed {
  const { id } = row;
  const count = wouldGo(room, wanted, kind, row);
  switch (kind) {
    case 'credential':
      return removeCredential(room, wanted, row, count, call);
    case 'grant':
      return removeGrant(room, wanted, row, count, call);
    case 'user':
      return count === 0
        ? { count, wake: pruneUser(room, wanted, row, call) }
        : { count, wake: deleteUser(room, { acs_user_id: id }, call).wake ?? [] };
    case 'group':
      return count === 0 ? NOTHING : { count, wake: deleteGroup(room, { acs_access_group_id: id }, call).wake ?? [] };
    case 'space':
      return count === 0 ? NOTHING : { count, wake: deleteSpace(room, { space_id: id }, call).wake ?? [] };
    case 'holiday':
      return count === 0 ? NOTHING : { count, wake: deleteHoliday(room, { holiday_id: id }, call).wake ?? [] };
    case 'schedule':
      return count === 0 ? NOTHING : { count, wake: deleteSchedule(room, { schedule_id: id }, call).wake ?? [] };
  }
}

/** Not made for a grant, whose matter it is then, nor of what a credential manager has signed. */
const isOwn = ({ store }: Room, key: number, id: string): boolean =>
  store.accessGrants.method(id) === undefined && store.credentials.byKey(key)?.is_from_token !== 1;

function removeCredential(room: Room, wanted: Wanted, { key, id }: ObjectRow, count: number, call: Call): Removed {
  const { store } = room;
  if (count > 0) return { count, wake: deleteCredential(room, { acs_credential_id: id }, call).wake ?? [] };
  const made = wanted.credentials.get(id);
  const row = store.credentials.byKey(key);
  if (made === undefined || row === undefined) return NOTHING;
  for (const phone of row.access_method === 'mobile_key' ? store.phones.of(key) : [])
    if (!wanted.phones.has(phone.acs_credential_id)) removePhone(room, phone, call);
  const owner = row.user_key === null ? undefined : store.users.byKey(row.user_key);
  if (owner === undefined || owner.acs_user_id === made.acsUserId) return NOTHING;
  return { count, wake: unassignCredential(room, { acs_credential_id: id }, call).wake ?? [] };
}

function removeGrant(room: Room, wanted: Wanted, { key, id }: ObjectRow, count: number, call: Call): Removed {
  const { accessGrants } = room.store;
  const row = accessGrants.byKey(key);
  if (row === undefined) return NOTHING;
  if (!wanted.grants.has(id)) return { count, wake: takeBack(room, row, call) };
  const gone = accessGrants.methodsOf(key).filter((method) => !wanted.methods.has(method.access_method_id));
  return { count, wake: gone.flatMap((method) => unmake(room, method, call)) };
}

/** Somebody who stays: suspended, and out of what is not said any more. */
function pruneUser(room: Room, wanted: Wanted, { key, id }: ObjectRow, call: Call): string[] {
  const { store } = room;
  const user = store.users.byKey(key);
  if (user === undefined) return [];
  const wake: string[] = [];
  if (wanted.suspended.has(id) && user.is_suspended === 0)
    wake.push(...(suspendUser(room, { acs_user_id: id }, call).wake ?? []));
  const groups = wanted.members.get(id);
  for (const groupKey of store.groups.ofUser(key)) {
    const group = store.groups.byKey(groupKey);
    if (group === undefined || groups?.has(group.acs_access_group_id) === true) continue;
    // Of a group that goes as a whole nobody need be taken out.
    if (wanted.groups.has(group.acs_access_group_id)) wake.push(...takeOut(room, group, user, call));
  }
  const access = wanted.access.get(id);
  for (const entrance of store.userEntrances.said(key))
    if (access?.has(entrance.acsEntranceId) !== true) wake.push(...revokeFrom(room, user, entrance, call));
  return wake;
}
