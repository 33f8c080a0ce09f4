// Spaces: entrances that have a name together, for whoever grants them.

import type { OperatingError } from '../domain/errors.ts';
import { refused } from '../domain/errors.ts';
import { iso } from '../domain/iso.ts';
import type { SpaceRow } from '../store/spaces.ts';
import { storedJson } from '../store/stored-json.ts';
import type { ParamsOf } from './contract.ts';
import type { ResultOf } from './contract/results.ts';
import { entrancesAt, findEntrances } from './found.ts';
import { folded, pageBytes, readPage, writePage } from './paging.ts';
import type { Call, Outcome, Room } from './room.ts';
import { changedFields, recordChange } from './trace.ts';

export function createSpace(room: Room, params: ParamsOf<'spaces/create'>, call: Call): Outcome<'spaces/create'> {
  const { spaces, tombstones } = room.store;
  const id = params.space_id ?? room.random.uuid();
  if (tombstones.has('space', id))
    throw refused('space_exists', 'space_id', 'it was deleted, and a deleted id is never used again');
  const keys = keysOf(room, params.acs_entrance_ids);
  const metadata = params.metadata === undefined ? null : JSON.stringify(params.metadata);
  const existing = spaces.byId(id);
  if (existing !== undefined) {
    const held = new Set(spaces.entrances(existing.space_key));
    const isSame = existing.name === params.name && existing.metadata === metadata && held.size === keys.length;
    if (isSame && keys.every((key) => held.has(key))) return { result: { space: spaceObject(room, existing) } };
    throw refused('space_exists', 'space_id', 'it exists with other details. Remedy: spaces/update');
  }
  spaces.add(spaces.insert({ space_id: id, name: params.name, metadata, created_at: call.nowMs }), keys);
  room.store.raiseRevision();
  recordChange(room, call, { eventType: 'space.created', ids: { space_id: id } });
  return { result: { space: spaceObject(room, findSpace(room, id)) } };
}

export function getSpace(room: Room, params: ParamsOf<'spaces/get'>): Outcome<'spaces/get'> {
  return { result: { space: spaceObject(room, findSpace(room, params.space_id)) } };
}

export function listSpaces(room: Room, params: ParamsOf<'spaces/list'>, call: Call): Outcome<'spaces/list'> {
  const rows = room.store.spaces.list({
    after: readPage(params.page_cursor),
    search: folded(params.search),
    limit: params.limit + 1,
  });
  return {
    result: writePage(
      'spaces',
      rows,
      { items: params.limit, bytes: pageBytes(call.mostReplyBytes) },
      (row) => spaceObject(room, row),
      (row) => row.space_key,
    ),
  };
}

export function updateSpace(room: Room, params: ParamsOf<'spaces/update'>, call: Call): Outcome<'spaces/update'> {
  const { spaces } = room.store;
  const row = findSpace(room, params.space_id);
  const changed: SpaceRow = {
    ...row,
    name: params.name ?? row.name,
    metadata: params.metadata === undefined ? row.metadata : JSON.stringify(params.metadata),
  };
  spaces.update(changed);
  let moved = 0;
  if (params.acs_entrance_ids !== undefined) {
    const wanted = keysOf(room, params.acs_entrance_ids);
    const gone = spaces.entrances(row.space_key).filter((key) => !wanted.includes(key));
    moved = spaces.remove(row.space_key, gone) + spaces.add(row.space_key, wanted);
  }
  return updated(room, call, row, [
    ...changedFields(row, changed, { name: ['name'], metadata: ['metadata'] }),
    ...(moved === 0 ? [] : ['acs_entrance_ids']),
  ]);
}

export function addToSpace(
  room: Room,
  params: ParamsOf<'spaces/add_acs_entrances'>,
  call: Call,
): Outcome<'spaces/add_acs_entrances'> {
  const row = findSpace(room, params.space_id);
  const count = room.store.spaces.add(row.space_key, keysOf(room, params.acs_entrance_ids));
  return updated(room, call, row, count === 0 ? [] : ['acs_entrance_ids']);
}

export function removeFromSpace(
  room: Room,
  params: ParamsOf<'spaces/remove_acs_entrances'>,
  call: Call,
): Outcome<'spaces/remove_acs_entrances'> {
  const row = findSpace(room, params.space_id);
  const count = room.store.spaces.remove(row.space_key, keysOf(room, params.acs_entrance_ids));
  return updated(room, call, row, count === 0 ? [] : ['acs_entrance_ids']);
}

function updated(room: Room, call: Call, { space_id: id }: SpaceRow, fields: readonly string[]): Outcome<'spaces/get'> {
  room.store.raiseRevision();
  recordChange(room, call, { eventType: 'space.updated', ids: { space_id: id }, fields });
  return { result: { space: spaceObject(room, findSpace(room, id)) } };
}

export function deleteSpace(room: Room, params: ParamsOf<'spaces/delete'>, call: Call): Outcome<'spaces/delete'> {
  const { store } = room;
  const id = params.space_id;
  const row = store.spaces.byId(id);
  if (row === undefined) {
    if (store.tombstones.has('space', id)) return { result: {} };
    throw spaceNotFound(id);
  }
  store.spaces.delete(row.space_key);
  store.tombstones.add('space', id, call.nowMs);
  store.raiseRevision();
  recordChange(room, call, { eventType: 'space.deleted', ids: { space_id: id } });
  return { result: {} };
}

export function findSpace(room: Room, spaceId: string): SpaceRow {
  const row = room.store.spaces.byId(spaceId);
  if (row === undefined) throw spaceNotFound(spaceId);
  return row;
}

const spaceNotFound = (spaceId: string): OperatingError =>
  refused('space_not_found', 'space_id', `no space ${spaceId} here. Remedy: spaces/create first`);

const keysOf = (room: Room, ids: readonly string[]): number[] =>
  findEntrances(room, ids, 'acs_entrance_ids').map(({ entranceKey }) => entranceKey);

function spaceObject(room: Room, row: SpaceRow): ResultOf<'spaces/get'>['space'] {
  const held = entrancesAt(room, room.store.spaces.entrances(row.space_key));
  return {
    space_id: row.space_id,
    acs_system_id: room.acsSystemId,
    name: row.name,
    display_name: row.name,
    acs_entrance_ids: held.map(({ acsEntranceId }) => acsEntranceId),
    metadata: storedJson(row.metadata),
    created_at: iso(row.created_at),
  };
}
