// The building as commands, decisions and synchronisation need to know it: entrances with their database keys, and what
// their controllers can do.

import type { AreaSetup, InterlockSetup } from './areas.ts';
import type { EntranceSetup } from './facility.ts';
import type { SlotCapabilities } from './ports.ts';

export type SiteEntrance = EntranceSetup & { entranceKey: number };

/** A reader at which credentials are enrolled. */
export type SiteEncoder = { acsEncoderId: string; reader: string; displayName: string; acsEntranceId: string };

export type SlotController = { name: string; slots: SlotCapabilities; foreignSlots: 'report' | 'erase' };

export class Site {
  readonly entrances: readonly SiteEntrance[];
  readonly controllers: readonly string[];
  readonly encoders: readonly SiteEncoder[];
  readonly areas: readonly AreaSetup[];
  readonly interlocks: readonly InterlockSetup[];
  readonly #byId: ReadonlyMap<string, SiteEntrance>;
  readonly #byKey: ReadonlyMap<number, SiteEntrance>;
  readonly #slotControllers: ReadonlyMap<string, SlotController>;

  constructor(
    entrances: readonly SiteEntrance[],
    controllers: readonly string[],
    slotControllers: readonly SlotController[],
    { areas = [], interlocks = [] }: { areas?: readonly AreaSetup[]; interlocks?: readonly InterlockSetup[] } = {},
  ) {
    this.areas = areas;
    this.interlocks = interlocks;
    this.entrances = entrances;
    this.controllers = controllers;
    this.encoders = entrances.flatMap(({ encoder, displayName, acsEntranceId }) =>
      encoder === null ? [] : [{ ...encoder, displayName, acsEntranceId }],
    );
    this.#byId = new Map(entrances.map((entrance) => [entrance.acsEntranceId, entrance]));
    this.#byKey = new Map(entrances.map((entrance) => [entrance.entranceKey, entrance]));
    this.#slotControllers = new Map(slotControllers.map((controller) => [controller.name, controller]));
  }

  byId(acsEntranceId: string): SiteEntrance | undefined {
    return this.#byId.get(acsEntranceId);
  }

  byKey(entranceKey: number): SiteEntrance | undefined {
    return this.#byKey.get(entranceKey);
  }

  /** All floors of a lift: what is shown in its cabin is shown at each of them. */
  floorsOf(lift: string): SiteEntrance[] {
    return this.entrances.filter((entrance) => entrance.lift?.name === lift);
  }

  area(name: string): AreaSetup | undefined {
    return this.areas.find((area) => area.name === name);
  }

  slotController(name: string): SlotController | undefined {
    return this.#slotControllers.get(name);
  }

  slotControllers(): readonly SlotController[] {
    return [...this.#slotControllers.values()];
  }

  /** The entrances at which this controller decides. */
  doorsOf(controller: string): SiteEntrance[] {
    return this.entrances.filter((one) => one.decidedBy === 'controller' && one.controller === controller);
  }

  /** The controllers that decide at these entrances, each with the doors concerned in ascending order. */
  controllersOf(entranceKeys: readonly number[]): Map<string, number[]> {
    const found = new Map<string, number[]>();
    for (const key of entranceKeys) {
      const entrance = this.#byKey.get(key);
      if (entrance?.decidedBy !== 'controller' || entrance.controller === null) continue;
      const doors = found.get(entrance.controller) ?? [];
      if (entrance.door !== null && !doors.includes(entrance.door)) doors.push(entrance.door);
      found.set(
        entrance.controller,
        doors.sort((a, b) => a - b),
      );
    }
    return found;
  }
}
