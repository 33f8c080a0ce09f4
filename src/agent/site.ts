// The building of the facility file, with the keys by which the database knows its entrances.

import type { EntranceSetup, Facility } from '../domain/facility.ts';
import { Site, type SlotController } from '../domain/site.ts';
import { isFull } from '../store/disk-errors.ts';
import type { Store } from '../store/store.ts';

/** `store`: null where it was refused. Doors have keys of this run alone then. */
export function buildSite(facility: Facility, store: Store | null): Site {
  const siteOf = (keyOf: (entrance: EntranceSetup, i: number) => number): Site => {
    const entrances = facility.entrances.map((entrance, i) => ({ ...entrance, entranceKey: keyOf(entrance, i) }));
    const tables = facility.controllers.flatMap(({ name, capabilities, foreignSlots }): SlotController[] =>
      capabilities.slots === null ? [] : [{ name, slots: capabilities.slots, foreignSlots }],
    );
    const controllers = facility.controllers.map(({ name }) => name);
    return new Site(entrances, controllers, tables, facility);
  };
  if (store === null) return siteOf((_entrance, i) => i + 1);
  try {
    return store.now(() => siteOf(({ acsEntranceId, name }) => store.entrances.declare(acsEntranceId, name)));
  } catch (error) {
    if (!isFull(error)) throw error;
    // An entrance that is new in the facility file opens for nobody until it can be stored, at the next start.
    return siteOf(({ acsEntranceId }, i) => store.entrances.byId(acsEntranceId)?.entrance_key ?? -1 - i);
  }
}
