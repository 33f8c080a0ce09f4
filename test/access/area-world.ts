// A building with areas: doors with a reader on either side and a contact, people with cards, and what is told of them.

import type { Explanation } from '../../src/access/explain.ts';
import type { AreaSetup, InterlockSetup } from '../../src/domain/areas.ts';
import type { EntranceSetup } from '../../src/domain/facility.ts';
import type { Feedback } from '../../src/domain/ports.ts';
import type { SiteEntrance } from '../../src/domain/site.ts';
import { entranceId, keypads, type Keypads } from '../support/keypads.ts';
import { USER, WORKSHOP } from '../support/room.ts';

export const PEOPLE = [USER, '33333333-3333-3333-3333-000000000001', '33333333-3333-3333-3333-000000000002'] as const;
export const cardOf = (person: number): string => `H10301:123:${person + 1}`;

/** `NAME-in` outside and `NAME-out` inside; its contact is input 0 of `NAME-board`. */
export type AreaDoor = { name: string; hasContact?: boolean; more?: Partial<EntranceSetup> };

export const area = (more: Partial<AreaSetup> = {}): AreaSetup => ({
  ...WORKSHOP,
  inReaders: ['front-in'],
  outReaders: ['front-out'],
  ...more,
});

export type AreaWorld = Keypads & {
  /** Shows somebody's card at a reader; what the reader showed. */
  show: (person: number, reader: string) => Promise<Feedback | undefined>;
  /** The door is opened and closed. */
  walk: (door: string) => void;
  leaf: (door: string, isOpen: boolean) => void;
  /** Lets somebody in and through. */
  go: (person: number, reader: string) => Promise<Feedback | undefined>;
  explain: (person: number, reader: string) => Explanation;
  /** Who is listed, by number and state: `0 inside`. */
  listed: (area?: string) => string[];
  count: (area?: string) => number;
  reason: () => string | undefined;
  /** Again, in order or at once; what it does before it serves is done. */
  again: (how: 'orderly' | 'killed') => void;
  entrance: (door: string) => SiteEntrance;
};

export async function areaWorld(
  areas: readonly AreaSetup[],
  doors: readonly AreaDoor[] = [{ name: 'front' }],
  interlocks: readonly InterlockSetup[] = [],
): Promise<AreaWorld> {
  const here = await keypads(
    doors.map(({ name, hasContact = true, more = {} }) => ({
      name,
      readers: [`${name}-in`, `${name}-out`],
      factors: 'card',
      more: {
        exitReaders: [`${name}-out`],
        contact: hasContact
          ? { controller: `${name}-board`, input: 0, heldAfterMs: 30_000, extendedHeldAfterMs: 60_000 }
          : null,
        displayName: name,
        ...more,
      },
    })),
    {},
    ['H10301', 'uid'],
    { areas, interlocks },
  );
  const ids = doors.map(({ name }) => entranceId(name));
  for (const [i, acs_user_id] of PEOPLE.entries()) {
    if (i > 0) await here.caller().call('users/create', { acs_user_id, full_name: `Person ${i}` });
    await here.caller().call('credentials/create', { acs_user_id, access_method: 'card', card_number: cardOf(i), allowed_acs_entrance_ids: ids }); // prettier-ignore
  }
  const leaf = (door: string, isOpen: boolean): void => {
    const now = here.clock().monotonicMs();
    here.access().input({
      type: 'input',
      device: `${door}-board`,
      input: 0,
      active: isOpen,
      atMonotonicMs: now,
      changedAfterMonotonicMs: now,
    });
  };
  const begin = (): void => {
    here.access().start();
    for (const { name, hasContact } of doors) if (hasContact !== false) leaf(name, false);
  };
  begin();
  const show = async (person: number, reader: string): Promise<Feedback | undefined> => {
    const shown = here.card(reader, cardOf(person));
    // The strike has answered.
    await here.clock().advance(1);
    return shown;
  };
  const walk = (door: string): void => {
    leaf(door, true);
    leaf(door, false);
  };
  const entrance = (door: string): SiteEntrance => {
    const found = here.site().byId(entranceId(door));
    if (found === undefined) throw new Error(`there is no door ${door}`);
    return found;
  };
  return Object.assign(here, {
    show,
    walk,
    leaf,
    go: async (person: number, reader: string) => {
      const shown = await show(person, reader);
      walk(reader.slice(0, reader.lastIndexOf('-')));
      return shown;
    },
    explain: (person: number, reader: string) =>
      here.access().explain(entrance(reader.slice(0, reader.lastIndexOf('-'))), { cards: [cardOf(person)] }, {
        ...{ time: here.time(), isNow: true, reader },
        asker: { source: 'local', sender: 'installer' },
      }), // prettier-ignore
    listed: (of = 'workshop') =>
      here
        .store()
        .areas.list({ area: of, after: 0, limit: 100 })
        .map(({ acs_user_id: id, state }) => `${PEOPLE.findIndex((one) => one === id)} ${state}`),
    count: (of = 'workshop') => here.store().areas.counts(of).inside,
    reason: () => here.details.at(-1),
    again: (how: 'orderly' | 'killed') => {
      here.restart(how);
      begin();
    },
    entrance,
  });
}
