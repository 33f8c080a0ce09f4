// Areas under any order of cards, doors, time, commands and ends of the process: what is explained is what the door
// does, and who is inside is what a plain recount of the events comes to.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { AreaSetup } from '../../src/domain/areas.ts';
import { entranceId } from '../support/keypads.ts';
import { area, areaWorld, PEOPLE, type AreaWorld } from './area-world.ts';

const DOORS = [{ name: 'front' }, { name: 'back' }, { name: 'side', hasContact: false }];
const NAMES = DOORS.map(({ name }) => name);
const READERS = NAMES.flatMap((name) => [`${name}-in`, `${name}-out`]);
const INTERLOCK = [{ name: 'lock', acsEntranceIds: ['front', 'back'].map(entranceId) }];

const antiPassback: fc.Arbitrary<AreaSetup['antiPassback']> = fc.constantFrom(
  null,
  { kind: 'hard' },
  { kind: 'soft' },
  { kind: 'timed', forgetAfterMs: 60_000 },
);
const someArea = fc
  .record({
    ways: fc.shuffledSubarray(READERS, { minLength: 2, maxLength: 4 }),
    ins: fc.integer({ min: 1, max: 2 }),
    antiPassback,
    limit: fc.constantFrom(null, null, 1, 2),
    twoPersonsMs: fc.constantFrom(null, null, null, 20_000),
    resets: fc.constantFrom([], [605]),
  })
  .map(({ ways, ins, ...rules }) => ({ ...rules, inReaders: ways.slice(0, ins), outReaders: ways.slice(ins) }));

const person = fc.integer({ min: 0, max: PEOPLE.length - 1 });
const door = fc.constantFrom(...NAMES);
const step = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('show' as const),
      person,
      reader: fc.constantFrom(...READERS),
      walks: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('leaf' as const), door, isOpen: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(5_000, 25_000, 120_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('forgive' as const), person: fc.option(person) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('dark' as const), reader: fc.constantFrom(...READERS) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('mode' as const), door, mode: fc.constantFrom('evacuate', 'normal') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('again' as const), how: fc.constantFrom('killed', 'orderly') }) },
); // prettier-ignore

it('what is explained is done, and occupancy is a plain recount of events', async () => {
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(
      fc.array(someArea, { minLength: 1, maxLength: 3 }),
      fc.array(step, { minLength: 10, maxLength: 30 }),
      async (areas, steps) => {
        const setups = areas.map((rules, i) => area({ name: `area-${i}`, ...rules }));
        const here = await areaWorld(setups, DOORS, INTERLOCK);
        for (const one of steps) {
          await take(here, one, seen);
          for (const { name } of setups) {
            const inside = insideOf(here, name);
            expect({ name, inside }).toEqual({ name, inside: recountOf(here, name) });
            expect(here.count(name)).toBe(inside.length);
          }
        }
        here.store().close();
      },
    ),
    { seed: 20_260_303, numRuns: 25 },
  );
  const reasons = ['granted', 'anti_passback', 'area_full', 'interlocked', 'second_person_required'];
  expect(
    reasons.filter((reason) => !seen.has(reason)),
    'the worlds hold every outcome',
  ).toEqual([]);
}, 180_000);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function take(here: AreaWorld, one: Step, seen: Set<string>): Promise<void> {
  if (one.do === 'show') {
    const { outcome, reason, steps } = here.explain(one.person, one.reader);
    const told = here.details.length;
    const shown = await here.show(one.person, one.reader);
    const waits = here.details.length === told ? 'second_person_required' : here.reason();
    const done = shown === 'granted' ? 'granted' : waits;
    expect({ one, says: reason ?? outcome }).toEqual({ one, says: done });
    expect(steps.every(({ passed }) => passed)).toBe(outcome === 'granted');
    seen.add(done ?? '');
    if (one.walks) here.walk(one.reader.slice(0, one.reader.lastIndexOf('-')));
  } else if (one.do === 'leaf') here.leaf(one.door, one.isOpen);
  else if (one.do === 'wait') await here.clock().advance(one.ms);
  else if (one.do === 'dark') here.access().deviceOffline(one.reader);
  else if (one.do === 'again') here.again(one.how);
  else if (one.do === 'forgive') {
    const whom = one.person === null ? { is_everybody: true } : { acs_user_id: PEOPLE[one.person] };
    await here.caller().call('areas/forgive', whom);
  } else {
    const params = { acs_entrance_id: entranceId(one.door), mode: one.mode };
    const expires_at = new Date(here.clock().nowMs() + 30_000).toISOString();
    await here.caller().call('entrances/set_mode', params, { expires_at });
  }
}

const insideOf = (here: AreaWorld, name: string): string[] =>
  here
    .store()
    .areas.list({ area: name, after: 0, limit: 100 })
    .filter(({ state }) => state !== 'unknown')
    .map(({ acs_user_id: id }) => id)
    .sort();

/** Whoever keeps nothing but the events. */
function recountOf(here: AreaWorld, name: string): string[] {
  const inside = new Set<string>();
  for (const { event_type: type, body } of here.store().events.after(0, 100_000)) {
    const told = JSON.parse(body) as { area?: string; acs_user_id?: string | null };
    if (told.area !== name) continue;
    if (type === 'area.entered' && told.acs_user_id != null) inside.add(told.acs_user_id);
    else if (type === 'area.left' && told.acs_user_id != null) inside.delete(told.acs_user_id);
    else if (type === 'area.forgiven' && told.acs_user_id != null) inside.delete(told.acs_user_id);
    else if (type === 'area.forgiven') inside.clear();
  }
  return [...inside].sort();
}
