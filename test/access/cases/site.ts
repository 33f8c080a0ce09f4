// The doors of the cases, as the facility file would have them: each with a reader outside, some with one inside, and
// all strikes on one board.

import { parseWeek } from '../../../src/domain/schedule.ts';
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

const HOUR_MS = 3_600_000;
const gracesOf = (hours: DoorOf['offline']): Record<string, number> =>
  Object.fromEntries(Object.entries(hours).map(([of, each]) => [of, each * HOUR_MS]));

export const policyOf = ({ facility: { offline, override } }: Cast): Policy => ({
  ...POLICY,
  offline: gracesOf(offline),
  overrideGroups: override.map((group) => idOf('group', group)),
});

export type CaseSite = { site: Site; outputOf: (door: string) => number };

export function siteOf(store: Store, { doors }: Cast): CaseSite {
  const names = Object.keys(doors);
  const setups = Object.entries(doors).map(([name, door], i) => setupOf(name, door, i));
  const site = store.now(
    () =>
      new Site(
        setups.map((setup) => ({ ...setup, entranceKey: store.entrances.declare(setup.acsEntranceId, setup.name) })),
        [...setups.flatMap(({ readers }) => readers), BOARD],
        [],
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
    contact: null,
    rex: { controller: BOARD, input: buttonOf(at) },
    factors: door.takes,
    takesMobileKeys: door.phones,
    cardFormats: door.formats,
    offline: gracesOf(door.offline),
    modeSchedules: door.modes.map(({ mode, week, first }) => {
      const days = parseWeek(week);
      if (typeof days === 'string') throw new Error(`${name}: ${week}: ${days}`);
      return { mode, schedule: { week: days, holidays: [] }, firstPerson: first };
    }),
  };
}
