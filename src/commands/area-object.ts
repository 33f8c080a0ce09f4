// The area as callers see it: how many are inside, and never who.

import type { AreaSetup } from '../domain/areas.ts';
import type { Area } from './contract/results.ts';
import type { Room } from './room.ts';

/** Also the retained state of the area. */
export function areaObject({ store, acsSystemId }: Pick<Room, 'store' | 'acsSystemId'>, area: AreaSetup): Area {
  const { inside, unknown } = store.areas.counts(area.name);
  return {
    area: area.name,
    acs_system_id: acsSystemId,
    display_name: area.displayName,
    occupancy: inside,
    unknown,
    limit: area.limit,
    is_full: area.limit !== null && inside >= area.limit,
    anti_passback: area.antiPassback?.kind ?? null,
    needs_two_persons: area.twoPersonsMs !== null,
  };
}
