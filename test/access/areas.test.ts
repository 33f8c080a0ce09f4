// Areas: who is inside, who is kept out, and what becomes of it on bad days.

import { describe, expect, it } from 'vitest';
import { entranceId } from '../support/keypads.ts';
import { area, areaWorld, PEOPLE } from './area-world.ts';

const HARD = area({ antiPassback: { kind: 'hard' } });
const TWO_DOORS = [{ name: 'front' }, { name: 'back' }];
const BOTH = { inReaders: ['front-in', 'back-in'], outReaders: ['front-out', 'back-out'] };
const GROUP = '44444444-4444-4444-4444-444444444444';

describe('somebody enters an area', () => {
  it('when the contact says that the door was opened, and has not entered without walking', async () => {
    const here = await areaWorld([HARD]);
    expect(await here.show(0, 'front-in')).toBe('granted');
    expect(here.listed()).toEqual([]);
    await here.clock().advance(20_000);
    expect(here.events('acs_entrance.not_opened')).toHaveLength(1);
    expect(here.listed()).toEqual([]);
    expect(await here.go(0, 'front-in')).toBe('granted');
    expect(here.listed()).toEqual(['0 inside']);
    expect(here.events('area.entered')).toMatchObject([{ area: 'workshop', acs_user_id: PEOPLE[0], occupancy: 1 }]);
    expect(await here.go(0, 'front-out')).toBe('granted');
    expect(here.listed()).toEqual([]);
    expect(here.events('area.left')).toMatchObject([{ area: 'workshop', acs_user_id: PEOPLE[0], occupancy: 0 }]);
  });

  it('at the grant where there is no contact, or none that answers; but not by a strike that failed', async () => {
    const here = await areaWorld([HARD], [{ name: 'front', hasContact: false }, { name: 'back' }]);
    here.strike.outcome = { outcome: 'failed', error: 'controller_offline', message: 'gone' };
    await here.show(0, 'front-in');
    expect(here.listed()).toEqual([]);
    here.strike.outcome = { outcome: 'done', confirmed: true };
    await here.show(0, 'front-in');
    expect(here.listed()).toEqual(['0 inside']);

    const dark = await areaWorld([HARD]);
    dark.away.add('front-board');
    await dark.show(0, 'front-in');
    expect(dark.listed()).toEqual(['0 inside']);
  });

  it('as nobody knows which, where the strike did not answer in time: may be inside, and may enter again', async () => {
    const here = await areaWorld([HARD], [{ name: 'front', hasContact: false }]);
    here.strike.outcome = { outcome: 'failed', error: 'timed_out', message: 'no answer' };
    await here.show(0, 'front-in');
    expect([here.listed(), here.count()]).toEqual([['0 unknown'], 0]);
    here.strike.outcome = { outcome: 'done', confirmed: true };
    expect(await here.show(0, 'front-in')).toBe('granted');
    expect(here.listed()).toEqual(['0 inside']);
  });

  it('as the contact says, where the strike did not answer in time and the door was opened all the same', async () => {
    const here = await areaWorld([HARD]);
    here.strike.outcome = { outcome: 'failed', error: 'timed_out', message: 'no answer' };
    await here.show(0, 'front-in');
    expect(here.count()).toBe(0);
    here.walk('front');
    expect(here.listed()).toEqual(['0 inside']);
    expect(await here.show(0, 'front-in')).toBe('denied');
    expect(here.reason()).toBe('anti_passback');

    await here.show(1, 'front-in');
    await here.clock().advance(60_000);
    expect(here.listed()).toEqual(['0 inside', '1 unknown']);
    expect(here.events('acs_entrance.not_opened')).toEqual([]);
  });

  it('through a door between two areas, leaving the one; and through the door of an inner one, being in both', async () => {
    const yard = area({ name: 'yard', inReaders: ['front-in', 'back-out'], outReaders: ['front-out', 'back-in'] });
    const hall = area({ name: 'hall', inReaders: ['back-in'], outReaders: ['back-out'] });
    const safe = area({ name: 'safe', inReaders: ['safe-in'], outReaders: ['safe-out'] });
    const here = await areaWorld([yard, hall, safe], [...TWO_DOORS, { name: 'safe' }]);
    await here.go(0, 'front-in');
    expect(['yard', 'hall'].map((name) => here.count(name))).toEqual([1, 0]);
    await here.go(0, 'back-in');
    expect(['yard', 'hall'].map((name) => here.count(name))).toEqual([0, 1]);
    await here.go(0, 'safe-in');
    expect(['hall', 'safe'].map((name) => here.count(name))).toEqual([1, 1]);
    await here.go(0, 'safe-out');
    await here.go(0, 'back-out');
    expect(['yard', 'hall', 'safe'].map((name) => here.count(name))).toEqual([1, 0, 0]);
  });
});

describe('anti-passback', () => {
  it('hard keeps out who is inside, at every door, and tells it; whoever was forgiven enters once more', async () => {
    const here = await areaWorld([area({ ...BOTH, antiPassback: { kind: 'hard' } })], TWO_DOORS);
    await here.go(0, 'front-in');
    for (const reader of ['front-in', 'back-in']) {
      expect(here.explain(0, reader)).toMatchObject({ outcome: 'denied', reason: 'anti_passback' });
      expect([await here.show(0, reader), here.reason()]).toEqual(['denied', 'anti_passback']);
    }
    expect(here.events('area.passback_violation')).toMatchObject([{ direction: 'in', was_let_in: false }, {}]);
    expect(await here.show(1, 'back-in')).toBe('granted');
    const { result } = await here.caller().call('areas/forgive', { area: 'workshop', acs_user_id: PEOPLE[0] });
    expect(result).toEqual({ forgiven: 1 });
    expect(here.listed()).toEqual(['0 unknown']);
    expect(await here.go(0, 'back-in')).toBe('granted');
    expect(await here.show(0, 'back-in')).toBe('denied');
  });

  it('soft lets in and tells it, as it tells who leaves twice; leaving is never denied', async () => {
    const here = await areaWorld([area({ antiPassback: { kind: 'soft' } })]);
    // Whoever was inside before anybody counted leaves without a word.
    expect(await here.go(0, 'front-out')).toBe('granted');
    expect(here.events('area.passback_violation')).toEqual([]);
    await here.go(0, 'front-in');
    expect(await here.go(0, 'front-in')).toBe('granted');
    await here.go(0, 'front-out');
    expect(await here.go(0, 'front-out')).toBe('granted');
    const told = here.events('area.passback_violation').map(({ direction, was_let_in: is }) => [direction, is]);
    expect(told).toEqual([['in', true], ['out', true]]); // prettier-ignore
  });

  it('timed keeps out for its time, whatever is done to the clock, and over a restart', async () => {
    const timed = area({ antiPassback: { kind: 'timed', forgetAfterMs: 600_000 }, outReaders: [] });
    const here = await areaWorld([timed]);
    await here.go(0, 'front-in');
    here.clock().leap(3_600_000);
    expect(await here.show(0, 'front-in')).toBe('denied');
    here.clock().leap(-7_200_000);
    await here.clock().advance(600_000);
    expect(await here.go(0, 'front-in')).toBe('granted');
    // Entered a minute before the end of the process: the clock tells, where it can be trusted.
    await here.clock().advance(60_000);
    here.again('killed');
    expect(await here.show(0, 'front-in')).toBe('denied');
    here.witness.time = { trusted: false };
    here.clock().leap(3_600_000);
    expect(here.explain(0, 'front-in').outcome).toBe('denied');
    here.witness.time = {};
    expect(await here.show(0, 'front-in')).toBe('granted');
  });

  it('keeps out at another door whoever was let in a moment ago and has not walked yet, until that is over', async () => {
    const here = await areaWorld([area({ ...BOTH, antiPassback: { kind: 'hard' } })], TWO_DOORS);
    expect(await here.show(0, 'front-in')).toBe('granted');
    expect(await here.show(0, 'back-in')).toBe('denied');
    expect(await here.show(0, 'front-in')).toBe('granted');
    await here.clock().advance(20_000);
    expect(await here.show(0, 'back-in')).toBe('granted');
  });

  it('does not concern members of exempt groups where the group opens the door; they are counted all the same', async () => {
    const here = await areaWorld([area({ antiPassback: { kind: 'hard' }, limit: 1, exemptGroups: [GROUP] })]);
    const guard = '33333333-3333-3333-3333-000000000009';
    const call = async (command: string, params: object): Promise<void> => {
      expect((await here.caller().call(command, params)).error).toBeUndefined();
    };
    await call('users/create', { acs_user_id: guard, full_name: 'Guard' });
    await call('access_groups/create', { acs_access_group_id: GROUP, name: 'Guards' });
    await call('access_groups/add_user', { acs_access_group_id: GROUP, acs_user_id: guard });
    await call('entrances/grant_access', { acs_access_group_id: GROUP, acs_entrance_id: entranceId('front') });
    await call('credentials/create', { acs_user_id: guard, access_method: 'card', card_number: 'H10301:123:9' });
    await here.go(0, 'front-in');
    for (let i = 0; i < 2; i++) {
      expect(here.card('front-in', 'H10301:123:9')).toBe('granted');
      here.walk('front');
    }
    expect(here.count()).toBe(2);
  });

  it('is forgotten of nobody by a restart, and nothing of it needs a broker', async () => {
    const here = await areaWorld([HARD]);
    await here.go(0, 'front-in');
    here.again('orderly');
    expect([await here.show(0, 'front-in'), here.listed()]).toEqual(['denied', ['0 inside']]);
  });
});

describe('an area that is full', () => {
  it('lets nobody else in, those on their way in counted, until somebody leaves; it is told once', async () => {
    const here = await areaWorld([area({ ...BOTH, limit: 2 })], TWO_DOORS);
    await here.go(0, 'front-in');
    expect(await here.show(1, 'front-in')).toBe('granted');
    expect(here.explain(2, 'back-in')).toMatchObject({ reason: 'area_full' });
    expect([await here.show(2, 'back-in'), here.reason()]).toEqual(['denied', 'area_full']);
    here.walk('front');
    expect(here.events('area.full')).toMatchObject([{ area: 'workshop', occupancy: 2 }]);
    // Who is inside already takes no further place.
    expect(await here.go(1, 'back-in')).toBe('granted');
    await here.go(0, 'front-out');
    expect(await here.show(2, 'back-in')).toBe('granted');
  });

  it('keeps nobody out during an evacuation, nor where the door stands free', async () => {
    const here = await areaWorld([area({ antiPassback: { kind: 'hard' }, limit: 1 })]);
    await here.go(0, 'front-in');
    const soon = { expires_at: new Date(here.clock().nowMs() + 30_000).toISOString() };
    const mode = (name: string): Promise<unknown> =>
      here.caller().call('entrances/set_mode', { acs_entrance_id: entranceId('front'), mode: name }, soon);
    await mode('evacuate');
    expect([await here.show(0, 'front-in'), await here.show(1, 'front-in')]).toEqual(['granted', 'granted']);
  });
});

describe('two persons', () => {
  const PAIR = area({ twoPersonsMs: 20_000, antiPassback: { kind: 'hard' }, limit: 3 });

  it('enter together, in either order; one alone, or the same one twice, does not', async () => {
    for (const [first, second] of [[0, 1], [1, 0]] as const) {
      const here = await areaWorld([PAIR]);
      expect(here.explain(first, 'front-in')).toMatchObject({ reason: 'second_person_required' });
      expect(await here.show(first, 'front-in')).toBe('denied');
      expect(await here.show(first, 'front-in')).toBe('denied');
      expect(here.pulses()).toBe(0);
      expect(here.explain(second, 'front-in').outcome).toBe('granted');
      expect(await here.show(second, 'front-in')).toBe('granted');
      here.walk('front');
      expect(here.listed().sort()).toEqual(['0 inside', '1 inside']);
      expect(here.events('lock.unlocked').at(-1)).toMatchObject({ acs_user_id: PEOPLE[second], companion_acs_user_id: PEOPLE[first] });
      // Alone one gets out.
      expect(await here.go(first, 'front-out')).toBe('granted');
    } // prettier-ignore
  });

  it('are two people and not two credentials of one', async () => {
    const here = await areaWorld([PAIR]);
    const other = { acs_user_id: PEOPLE[0], access_method: 'card', card_number: 'H10301:123:99' };
    await here.caller().call('credentials/create', { ...other, allowed_acs_entrance_ids: [entranceId('front')] });
    await here.show(0, 'front-in');
    expect(here.card('front-in', 'H10301:123:99')).toBe('denied');
    expect(here.pulses()).toBe(0);
  });

  it('come within the time; then the first one is denied, and told so', async () => {
    const here = await areaWorld([PAIR]);
    await here.show(0, 'front-in');
    expect(here.details).toEqual([]);
    await here.clock().advance(20_000);
    expect(here.reason()).toBe('second_person_required');
    expect(await here.show(1, 'front-in')).toBe('denied');
  });

  it('may both enter still: whoever was suspended meanwhile lets nobody in, and there are places for two', async () => {
    const here = await areaWorld([PAIR]);
    await here.show(0, 'front-in');
    await here.caller().call('users/suspend', { acs_user_id: PEOPLE[0] });
    expect(await here.show(1, 'front-in')).toBe('denied');
    const tight = await areaWorld([area({ twoPersonsMs: 20_000, limit: 2 })]);
    for (const person of [0, 1]) await tight.show(person, 'front-in');
    tight.walk('front');
    await tight.go(0, 'front-out');
    await tight.show(0, 'front-in');
    expect([await tight.show(2, 'front-in'), tight.reason()]).toEqual(['denied', 'area_full']);
  });
});
