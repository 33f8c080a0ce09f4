// Areas: list, get, who is inside, forgive. What an area is comes from the facility file, who is inside from the rows
// that the doors write.

import type { AreaSetup } from '../domain/areas.ts';
import { refused } from '../domain/errors.ts';
import { newEvent } from '../domain/events.ts';
import { iso } from '../domain/iso.ts';
import { meantWord } from '../domain/words.ts';
import type { OccupantRow } from '../store/areas.ts';
import { areaObject } from './area-object.ts';
import type { ParamsOf } from './contract.ts';
import type { ResultOf } from './contract/results.ts';
import { userNotFound } from './found.ts';
import { pageBytes, readPage, writePage } from './paging.ts';
import type { Call, Outcome, Room } from './room.ts';
import { attribution } from './trace.ts';

export const listAreas = (room: Room): Outcome<'areas/list'> => ({
  result: { areas: room.site.areas.map((area) => areaObject(room, area)) },
});

export const getArea = (room: Room, params: ParamsOf<'areas/get'>): Outcome<'areas/get'> => ({
  result: { area: areaObject(room, findArea(room, params.area)) },
});

export function listOccupants(
  room: Room,
  params: ParamsOf<'areas/list_occupants'>,
  call: Call,
): Outcome<'areas/list_occupants'> {
  const area = params.area === undefined ? null : findArea(room, params.area).name;
  const rows = room.store.areas.list({ area, after: readPage(params.page_cursor), limit: params.limit + 1 });
  return {
    result: writePage(
      'occupants',
      rows,
      { items: params.limit, bytes: pageBytes(call.mostReplyBytes) },
      occupantObject,
      (row) => row.occupant_key,
    ),
  };
}

export function forgive(room: Room, params: ParamsOf<'areas/forgive'>, call: Call): Outcome<'areas/forgive'> {
  const { store, site, acsSystemId } = room;
  const areas = params.area === undefined ? site.areas : [findArea(room, params.area)];
  const acsUserId = params.acs_user_id ?? null;
  // Somebody who was deleted may still be inside.
  if (acsUserId !== null && store.users.byId(acsUserId) === undefined && store.areas.ofUser(acsUserId).length === 0)
    throw userNotFound(acsUserId);
  let forgiven = 0;
  for (const { name } of areas) {
    const count = store.areas.forgive(name, acsUserId);
    forgiven += count;
    const body = { acs_system_id: acsSystemId, area: name, acs_user_id: acsUserId, count, why: 'command' as const };
    store.events.add(newEvent('area.forgiven', { ...body, ...attribution(call) }), call.nowMs);
  }
  return { result: { forgiven }, after: () => room.doors.areasChanged() };
}

function findArea({ site }: Room, name: string): AreaSetup {
  const area = site.area(name);
  if (area !== undefined) return area;
  const names = site.areas.map((one) => one.name);
  const known = names.length === 0 ? 'it has no areas' : `there are ${names.slice(0, 20).join(', ')}`;
  throw refused(
    'area_not_found',
    'area',
    `no such area in the facility file; ${meantWord(name.slice(0, 64), names) || known}`,
  );
}

const occupantObject = (row: OccupantRow): ResultOf<'areas/list_occupants'>['occupants'][number] => ({
  area: row.area,
  acs_user_id: row.acs_user_id,
  display_name: row.full_name,
  state: row.state === 'outside' ? 'unknown' : row.state,
  entered_at: iso(row.entered_at),
  last_seen_at: iso(row.seen_at),
  last_acs_entrance_id: row.acs_entrance_id,
  last_reader: row.reader,
});
