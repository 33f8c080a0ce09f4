// The doors of the cases, as the facility file would have them: each with a reader outside, some with one inside, and
// all strikes on one board.

import type { AreaSetup } from '../../../src/domain/areas.ts';
import { widestOf, type FactorsByTime } from '../../../src/domain/factors.ts';
import { parseWeek, type Schedule } from '../../../src/domain/schedule.ts';
import type { EntranceSetup, Policy } from '../../../src/domain/facility.ts';
import { Site } from '../../../src/domain/site.ts';
import type { Store } from '../../../src/store/store.ts';
import { ENTRANCES, POLICY, strikeOf } from '../../support/room.ts';
import { idOf } from './names.ts';
import type { Cast, DoorOf } from './rows.ts';

export const BOARD = 'board';
/** Inputs of the board that want a mode; the doors’ contacts and buttons follow behind them. */
export const INPUTS = { fire: 0, panic: 1, key: 2 } as const;
export const buttonOf = (door: number): number => 20 + door;
export const contactOf = (door: number): number => 60 + door;

const HOUR_MS = 3_600_000;
const gracesOf = (hours: DoorOf['offline']): Record<string, number> =>
  Object.fromEntries(Object.entries(hours).map(([of, each]) => [of, each * HOUR_MS]));

export const policyOf = ({ facility: { offline, override } }: Cast): Policy => ({
  ...POLICY,
  offline: gracesOf(offline),
  overrideGroups: override.map((group) => idOf('group', group)),
});

export type CaseSite = { site: Site; outputOf: (door: string) => number };

export function siteOf(store: Store, cast: Cast): CaseSite {
  const { doors } = cast;
  const names = Object.keys(doors);
  const setups = Object.entries(doors).map(([name, door], i) => setupOf(name, door, i));
  const site = store.now(
    () =>
      new Site(
        setups.map((setup) => ({ ...setup, entranceKey: store.entrances.declare(setup.acsEntranceId, setup.name) })),
        [...setups.flatMap(({ readers }) => readers), BOARD],
        [],
        zonesOf(cast),
      ),
  );
  return { site, outputOf: (door) => names.indexOf(door) };
}

function setupOf(name: string, door: DoorOf, at: number): EntranceSetup {
  const exitReaders = door.inside ? [`${name} inside`] : [];
  return {
    ...ENTRANCES.lobby,
    name,
    displayName: name,
    acsEntranceId: idOf('door', name),
    readers: [name, ...exitReaders],
    exitReaders,
    strike: strikeOf(BOARD, { output: at }),
    contact: door.contact
      ? { controller: BOARD, input: contactOf(at), heldAfterMs: 30_000, extendedHeldAfterMs: 60_000 }
      : null,
    rex: { controller: BOARD, input: buttonOf(at) },
    ...factorsOf(name, door),
    takesMobileKeys: door.phones,
    cardFormats: door.formats,
    offline: gracesOf(door.offline),
    modeSchedules: door.modes.map(({ mode, week, first }) => ({
      mode,
      schedule: scheduleOf(name, week),
      firstPerson: first,
    })),
  };
}

function scheduleOf(name: string, week: string): Schedule {
  const days = parseWeek(week);
  if (typeof days === 'string') throw new Error(`${name}: ${week}: ${days}`);
  return { week: days, holidays: [] };
}

function factorsOf(name: string, { takes, instead }: DoorOf): Pick<EntranceSetup, 'factors' | 'factorsByTime'> {
  if (instead.length === 0) return { factors: takes, factorsByTime: null };
  const schedules = instead.map(({ takes: factors, week }) => ({ factors, schedule: scheduleOf(name, week) }));
  const factorsByTime: FactorsByTime = { schedules, otherwise: takes };
  return { factors: widestOf(factorsByTime), factorsByTime };
}

function zonesOf({ areas, interlocks }: Cast) {
  return {
    areas: Object.entries(areas).map(([name, area]): AreaSetup => ({
      name,
      displayName: name,
      inReaders: area.in,
      outReaders: area.out,
      antiPassback: againOf(area.again),
      limit: area.limit ?? null,
      exemptGroups: area.exempt.map((group) => idOf('group', group)),
      resets: [],
      twoPersonsMs: area.two === undefined ? null : area.two * 1000,
    })),
    interlocks: Object.entries(interlocks).map(([name, doors]) => ({
      name,
      acsEntranceIds: doors.map((door) => idOf('door', door)),
    })),
  };
}

function againOf(again: string | undefined): AreaSetup['antiPassback'] {
  if (again === undefined) return null;
  if (again === 'never') return { kind: 'hard' };
  return again === 'told' ? { kind: 'soft' } : { kind: 'timed', forgetAfterMs: Number.parseInt(again) * 60_000 };
}
