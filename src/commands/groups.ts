// Access groups: create, get, list, update, delete, and who is in them. What a change takes away is taken with the
// transaction that stores it; what controllers hold of it follows member by member behind (sync/followers.ts).

import { refusalOfSchedule } from '../acceptance/schedules.ts';
import type { OperatingError } from '../domain/errors.ts';
import { refuse, refused } from '../domain/errors.ts';
import { iso } from '../domain/iso.ts';
import { scheduleFrom } from '../domain/schedule.ts';
import type { SiteEntrance } from '../domain/site.ts';
import { MOST_GROUPS_OF_USER, type GroupRow, type Member } from '../store/groups.ts';
import { storedJson } from '../store/stored-json.ts';
import type { UserRow } from '../store/users.ts';
import type { ParamsOf } from './contract.ts';
import type { AcsAccessGroup } from './contract/results.ts';
import { entrancesAt, findEntrances, findGroup, findUser, groupNotFound, personOf } from './found.ts';
import { acceptFollowers, retargetFollowers } from './issue.ts';
import { folded, pageBytes, readPage, writePage } from './paging.ts';
import type { Call, Outcome, Room } from './room.ts';
import { findSchedule } from './schedules.ts';
import { changedFields, recordChange } from './trace.ts';
import { userObject } from './user-object.ts';

export function createGroup(
  room: Room,
  params: ParamsOf<'access_groups/create'>,
  call: Call,
): Outcome<'access_groups/create'> {
  const { groups, tombstones } = room.store;
  const id = params.acs_access_group_id ?? room.random.uuid();
  const exists = (why: string): OperatingError => refused('acs_access_group_exists', 'acs_access_group_id', why);
  if (tombstones.has('access_group', id)) throw exists('it was deleted, and a deleted id is never used again');
  const entrances = findEntrances(room, params.acs_entrance_ids, 'acs_entrance_ids');
  const wanted = {
    acs_access_group_id: id,
    name: params.name,
    schedule_key: params.schedule_id == null ? null : findSchedule(room, params.schedule_id).schedule_key,
    metadata: params.metadata === undefined ? null : JSON.stringify(params.metadata),
    created_at: call.nowMs,
  };
  const existing = groups.byId(id);
  if (existing !== undefined) {
    const fields = ['name', 'schedule_key', 'metadata'] as const;
    const keys = new Set(groups.entrances(existing.group_key));
    const isSame = fields.every((field) => existing[field] === wanted[field]) && keys.size === entrances.length;
    if (isSame && entrances.every(({ entranceKey }) => keys.has(entranceKey)))
      return { result: { acs_access_group: groupObject(room, existing) } };
    throw exists('it exists with other details. Remedy: access_groups/update');
  }
  const key = groups.insert(wanted);
  const stored = groupAt(room, key);
  for (const entrance of entrances) groups.addEntrance(stored, entrance);
  refuseSchedule(room, stored, entrances);
  room.store.raiseRevision();
  recordChange(room, call, { eventType: 'acs_access_group.created', ids: { acs_access_group_id: id } });
  return { result: { acs_access_group: groupObject(room, groupAt(room, key)) } };
}

export function getGroup(room: Room, params: ParamsOf<'access_groups/get'>): Outcome<'access_groups/get'> {
  return { result: { acs_access_group: groupObject(room, findGroup(room, params.acs_access_group_id)) } };
}

export function listGroups(
  room: Room,
  params: ParamsOf<'access_groups/list'>,
  call: Call,
): Outcome<'access_groups/list'> {
  const rows = room.store.groups.list({
    after: readPage(params.page_cursor),
    search: folded(params.search),
    userKey: params.acs_user_id === undefined ? null : findUser(room, params.acs_user_id).user_key,
    limit: params.limit + 1,
  });
  return {
    result: writePage(
      'acs_access_groups',
      rows,
      { items: params.limit, bytes: pageBytes(call.mostReplyBytes) },
      (row) => groupObject(room, row),
      (row) => row.group_key,
    ),
  };
}

export function updateGroup(
  room: Room,
  params: ParamsOf<'access_groups/update'>,
  call: Call,
): Outcome<'access_groups/update'> {
  const { groups } = room.store;
  const row = findGroup(room, params.acs_access_group_id);
  const changed: GroupRow = {
    ...row,
    name: params.name ?? row.name,
    metadata: params.metadata === undefined ? row.metadata : JSON.stringify(params.metadata),
  };
  if (params.schedule_id !== undefined)
    changed.schedule_key = params.schedule_id === null ? null : findSchedule(room, params.schedule_id).schedule_key;
  groups.update(changed);
  const moved =
    params.acs_entrance_ids === undefined
      ? NOTHING_MOVED
      : setEntrances(room, changed, findEntrances(room, params.acs_entrance_ids, 'acs_entrance_ids'));
  const isOtherSchedule = changed.schedule_key !== row.schedule_key;
  const now = entrancesAt(room, groups.entrances(row.group_key));
  const wake = spread(room, changed, { added: isOtherSchedule ? now : moved.added, removed: moved.removed });
  refuseSchedule(room, changed, now);
  room.store.raiseRevision();
  recordChange(room, call, {
    eventType: 'acs_access_group.updated',
    ids: { acs_access_group_id: row.acs_access_group_id },
    fields: [
      ...changedFields(row, changed, { name: ['name'], schedule_id: ['schedule_key'], metadata: ['metadata'] }),
      ...(moved.added.length + moved.removed.length === 0 ? [] : ['acs_entrance_ids']),
    ],
  });
  return { result: { acs_access_group: groupObject(room, groupAt(room, row.group_key)) }, wake };
}

export function deleteGroup(
  room: Room,
  params: ParamsOf<'access_groups/delete'>,
  call: Call,
): Outcome<'access_groups/delete'> {
  const { store, site } = room;
  const id = params.acs_access_group_id;
  const row = store.groups.byId(id);
  if (row === undefined) {
    if (store.tombstones.has('access_group', id)) return { result: {} };
    throw groupNotFound(id);
  }
  const controllers = [...site.controllersOf(store.groups.entrances(row.group_key)).keys()];
  store.groups.delete(row);
  store.groupChanges.add(row.group_key, { isGone: true, takesAccess: true }, controllers);
  store.tombstones.add('access_group', id, call.nowMs);
  store.raiseRevision();
  recordChange(room, call, { eventType: 'acs_access_group.deleted', ids: { acs_access_group_id: id } });
  return { result: {}, wake: controllers };
}

// ---- what it opens --------------------------------------------------------------------------------------------------

type Moved = { added: readonly SiteEntrance[]; removed: readonly SiteEntrance[] };
const NOTHING_MOVED: Moved = { added: [], removed: [] };

/** Everybody in the group may open one entrance more; whom to wake. */
export function openToGroup(room: Room, group: GroupRow, entrance: SiteEntrance): string[] | null {
  if (!room.store.groups.addEntrance(group, entrance)) return null;
  const wake = spread(room, group, { added: [entrance], removed: [] });
  refuseSchedule(room, group, [entrance]);
  return wake;
}

export function shutToGroup(room: Room, group: GroupRow, entrance: SiteEntrance): string[] | null {
  if (!room.store.groups.removeEntrance(group, entrance)) return null;
  return spread(room, group, { added: [], removed: [entrance] });
}

function setEntrances({ store, site }: Room, group: GroupRow, wanted: readonly SiteEntrance[]): Moved {
  const before = new Set(store.groups.entrances(group.group_key));
  const keys = new Set(wanted.map(({ entranceKey }) => entranceKey));
  const added = wanted.filter((entrance) => store.groups.addEntrance(group, entrance));
  const removed = [...before].filter((key) => !keys.has(key)).flatMap((key) => site.byKey(key) ?? []);
  for (const entrance of removed) store.groups.removeEntrance(group, entrance);
  // What has left the facility file opens nothing, and goes with a list that does not name it.
  for (const row of [...before].filter((key) => !keys.has(key) && site.byKey(key) === undefined))
    store.groups.removeGone(group, row);
  return { added, removed };
}

/** Writes down that its members are to be looked at, where controllers are concerned; whom to wake. */
function spread(room: Room, group: GroupRow, { added, removed }: Moved): string[] {
  const { store, site } = room;
  const controllersOf = (entrances: readonly SiteEntrance[]): string[] =>
    [...site.controllersOf(entrances.map(({ entranceKey }) => entranceKey)).keys()]; // prettier-ignore
  const [more, fewer] = [controllersOf(added), controllersOf(removed)];
  if (room.isAccepted !== true) refuse(refusalOfRoom(store, site, group, more));
  if (fewer.length > 0) store.groupChanges.add(group.group_key, { isGone: false, takesAccess: true }, fewer);
  if (more.length > 0) store.groupChanges.add(group.group_key, { isGone: false, takesAccess: false }, more);
  return [...new Set([...more, ...fewer])];
}

/** Of a controller whose table could not take in all members; null: each could. Costs no more than the table is long. */
function refusalOfRoom(
  store: Room['store'],
  site: Room['site'],
  { group_key: key }: GroupRow,
  controllers: readonly string[],
) {
  for (const name of controllers) {
    const controller = site.slotController(name);
    if (controller === undefined) continue;
    const foreign = controller.foreignSlots === 'erase' ? 0 : store.foreignSlots.count(name);
    const free = Math.max(0, controller.slots.count - foreign - store.targets.countOf(name));
    if (store.groups.newcomers(key, name, free + 1) <= free) continue;
    return {
      type: 'no_space_for_access_code_on_device',
      message: `params.acs_entrance_ids: ${name} has ${controller.slots.count} slots, ${free} of them free, and more credentials than that would follow this group there. Remedy: leave its entrances out, or use a smaller group`,
      path: ['params', 'acs_entrance_ids'],
    } as const;
  }
  return null;
}

/** The schedule of a group must have a place in every controller concerned. */
function refuseSchedule(room: Room, group: GroupRow, entrances: readonly SiteEntrance[]): void {
  const { store, site } = room;
  if (room.isAccepted === true) return;
  const row = group.schedule_key === null ? undefined : store.schedules.byKey(group.schedule_key);
  if (row === undefined) return;
  for (const name of site.controllersOf(entrances.map(({ entranceKey }) => entranceKey)).keys()) {
    const controller = site.slotController(name);
    if (controller === undefined) continue;
    refuse(refusalOfSchedule(store, controller, scheduleFrom(row.content), row.schedule_key, 'schedule_id'));
  }
}

// ---- who is in ------------------------------------------------------------------------------------------------------

type Membership = {
  acs_access_group_id: string;
  acs_user_id?: string | undefined;
  user_identity_id?: string | undefined;
  starts_at?: number | null | undefined;
  ends_at?: number | null | undefined;
};

export function addUser(room: Room, params: Membership, call: Call): Outcome<'access_groups/add_user'> {
  const group = findGroup(room, params.acs_access_group_id);
  const window = { starts_at: params.starts_at ?? null, ends_at: params.ends_at ?? null };
  return { result: {}, wake: takeIn(room, group, personOf(room, params), window, call) };
}

/** Whom to wake. */
export function takeIn(
  room: Room,
  group: GroupRow,
  user: UserRow,
  window: Omit<Member, 'user_key'>,
  call: Call,
): string[] {
  const { groups } = room.store;
  const before = groups.member(group.group_key, user.user_key);
  if (before?.starts_at === window.starts_at && before.ends_at === window.ends_at) return [];
  if (before === undefined && groups.countOfUser(user.user_key) >= MOST_GROUPS_OF_USER)
    throw refused(
      'invalid_input',
      'acs_access_group_id',
      `this person is in ${MOST_GROUPS_OF_USER} groups already, the most that there may be. Remedy: users/remove_from_access_group`,
    );
  groups.setMember(group, user, window);
  const entrances = groups.entrances(group.group_key);
  acceptFollowers(room, user.user_key, entrances, 'acs_access_group_id');
  room.store.raiseRevision();
  const ids = { acs_access_group_id: group.acs_access_group_id, acs_user_id: user.acs_user_id };
  const shown = { starts_at: iso(window.starts_at), ends_at: iso(window.ends_at) };
  recordChange(room, call, { eventType: 'acs_access_group.user_added', ids: { ...ids, ...shown } });
  return retargetFollowers(room, user.user_key, entrances);
}

export function removeUser(room: Room, params: Membership, call: Call): Outcome<'access_groups/remove_user'> {
  const { store } = room;
  // Of a group that is gone nobody is a member: who says it late has what was wanted.
  const group = store.groups.byId(params.acs_access_group_id);
  if (group === undefined && store.tombstones.has('access_group', params.acs_access_group_id)) return { result: {} };
  if (group === undefined) throw groupNotFound(params.acs_access_group_id);
  const isGone = params.acs_user_id !== undefined && store.tombstones.has('user', params.acs_user_id);
  return isGone ? { result: {} } : { result: {}, wake: takeOut(room, group, personOf(room, params), call) };
}

/** Whom to wake. */
export function takeOut(room: Room, group: GroupRow, user: UserRow, call: Call): string[] {
  const { groups } = room.store;
  if (groups.member(group.group_key, user.user_key) === undefined) return [];
  groups.removeMember(group.group_key, user);
  room.store.raiseRevision();
  const ids = { acs_access_group_id: group.acs_access_group_id, acs_user_id: user.acs_user_id };
  recordChange(room, call, { eventType: 'acs_access_group.user_removed', ids });
  return retargetFollowers(room, user.user_key, groups.entrances(group.group_key));
}

export function listGroupUsers(
  room: Room,
  params: ParamsOf<'access_groups/list_users'>,
  call: Call,
): Outcome<'access_groups/list_users'> {
  const { store } = room;
  const group = findGroup(room, params.acs_access_group_id);
  const members = store.groups
    .members(group.group_key, readPage(params.page_cursor), params.limit + 1)
    .flatMap((member) => {
      const user = store.users.byKey(member.user_key);
      return user === undefined ? [] : [{ ...member, user }];
    });
  const page = writePage(
    'acs_users',
    members,
    // Each comes with its membership.
    { items: params.limit, bytes: pageBytes(call.mostReplyBytes) * 0.75 },
    ({ user }) => userObject(room, user),
    ({ user_key: key }) => key,
  );
  const memberships = members.slice(0, page.acs_users.length).map(({ user, starts_at, ends_at }) => ({
    acs_user_id: user.acs_user_id,
    acs_access_group_id: group.acs_access_group_id,
    starts_at: iso(starts_at),
    ends_at: iso(ends_at),
  }));
  return { result: { ...page, memberships } };
}

// ---- helpers --------------------------------------------------------------------------------------------------------

function groupAt(room: Room, groupKey: number): GroupRow {
  const row = room.store.groups.byKey(groupKey);
  if (row === undefined) throw new Error('a group that was just written is there');
  return row;
}

function groupObject({ store, acsSystemId }: Room, row: GroupRow): AcsAccessGroup {
  const stored = store.groups.byKey(row.group_key);
  return {
    acs_access_group_id: row.acs_access_group_id,
    acs_system_id: acsSystemId,
    name: row.name,
    display_name: row.name,
    access_group_type: 'lintel_access_group',
    schedule_id: row.schedule_key === null ? null : (store.schedules.byKey(row.schedule_key)?.schedule_id ?? null),
    user_count: row.user_count,
    acs_entrance_count: row.entrance_count,
    is_managed: true,
    metadata: storedJson(row.metadata),
    created_at: iso(row.created_at),
    errors: stored === undefined || store.seals.holdsGroupRow(stored) ? [] : [tampered(row)],
    warnings: [],
  };
}

const tampered = (row: GroupRow): AcsAccessGroup['errors'][number] => ({
  error_code: 'storage_tampered',
  message:
    'The record was changed behind the back of Lintel. Nobody opens anything by it. Remedy: delete it and create it anew.',
  created_at: iso(row.created_at),
});
