// Lifts: one reader in the cabin, and floors that it opens together by what the person may. Each floor is decided about
// by itself; who it is and what it costs is one.

import { expect, it } from 'vitest';
import type { EntranceSetup, FloorSetup, ModeSchedule } from '../../src/domain/facility.ts';
import type { OutputOutcome } from '../../src/domain/ports.ts';
import { parseWeek } from '../../src/domain/schedule.ts';
import { ENTRANCES, strikeOf, USER } from '../support/room.ts';
import { CARD, ID, world, type Given, type World } from './world.ts';

const OTHER_USER = '33333333-3333-3333-3333-000000000009';
const [GROUND, FIRST, ROOF] = [1, 2, 3].map((n) => `55555555-5555-5555-5555-00000000000${n}`) as [
  string,
  string,
  string,
];
const DOOR = '55555555-5555-5555-5555-00000000000d';
const FLOOR_MS = 10_000;

const LIFT: FloorSetup = { name: 'tower', displayName: 'Tower', isOneFloor: false, selected: null };

function floor(n: number, name: string, acsEntranceId: string, more: Partial<EntranceSetup> = {}): EntranceSetup {
  return {
    ...ENTRANCES.lobby,
    ...{ name, acsEntranceId, displayName: name, contact: null, rex: null, lift: LIFT },
    strike: strikeOf('relay-board', { output: n, pulseMs: FLOOR_MS, extendedPulseMs: 2 * FLOOR_MS }),
    ...more,
  };
}
const FLOORS = [floor(0, 'ground', GROUND), floor(1, 'first', FIRST), floor(2, 'roof', ROOF)] as const;
const [ground, first, roof] = FLOORS;

async function lift(given: Given = {}): Promise<World> {
  const here = world({ entrances: FLOORS, ...given });
  await ok(here, 'users/create', { acs_user_id: USER, full_name: 'Jane' });
  return here;
}
async function ok(here: World, name: string, params: Record<string, unknown>): Promise<void> {
  expect(await here.caller.call(name, params)).toMatchObject({ ok: true });
}
async function locked(here: World, acsEntranceId: string): Promise<void> {
  const expires = { expires_at: new Date(here.clock.nowMs() + 30_000).toISOString() };
  const params = { acs_entrance_id: acsEntranceId, mode: 'locked' };
  expect(await here.caller.call('entrances/set_mode', params, expires)).toMatchObject({ ok: true });
}
const card = (here: World, floors: readonly string[], more: Record<string, unknown> = {}): Promise<void> =>
  ok(here, 'credentials/create', { acs_credential_id: ID, acs_user_id: USER, access_method: 'card', card_number: CARD, allowed_acs_entrance_ids: floors, ...more }); // prettier-ignore
const code = (here: World, pin: string, floors: readonly string[], more: Record<string, unknown> = {}) =>
  here.caller.call('credentials/create', { acs_user_id: USER, access_method: 'code', code: pin, allowed_acs_entrance_ids: floors, ...more }); // prettier-ignore
const bodies = (here: World, type: string): Record<string, unknown>[] =>
  here.store.events
    .after(0, 1000)
    .filter(({ event_type }) => event_type === type)
    .map(({ body }) => JSON.parse(body) as Record<string, unknown>);
const outputs = (here: World): number[] => here.pulses.map(({ output }) => output);
const select = (here: World, input: number, active = true): void =>
  here.access.input({
    ...{ type: 'input', device: 'relay-board', input, active },
    atMonotonicMs: here.clock.monotonicMs(),
    changedAfterMonotonicMs: here.clock.monotonicMs(),
  });
const seen = (n: number, isOneFloor = false): Partial<EntranceSetup> => ({
  lift: { ...LIFT, isOneFloor, selected: { controller: 'relay-board', input: n } },
});

it('releases all floors to which the person may go, shows it once, and names those that stay shut', async () => {
  const here = await lift();
  await card(here, [GROUND, ROOF]);
  here.card();
  expect(here.pulses).toEqual([
    { output: 0, ms: FLOOR_MS },
    { output: 2, ms: FLOOR_MS },
  ]);
  expect(here.shown).toEqual(['granted']);
  expect(bodies(here, 'lock.unlocked').map((one) => one['acs_entrance_id'])).toEqual([GROUND, ROOF]);
  expect(bodies(here, 'lift.presented')).toMatchObject([
    {
      ...{ lift: 'tower', reader: 'lobby-reader', acs_credential_id: ID, acs_user_id: USER },
      granted_acs_entrance_ids: [GROUND, ROOF],
      denied: [{ detail: 'entrance_not_allowed', acs_entrance_ids: [FIRST] }],
    },
  ]);
  expect(bodies(here, 'lock.access_denied')).toEqual([]);
});

it('denies once, with the reason of the floor that came nearest, where no floor may be chosen', async () => {
  const here = await lift();
  await card(here, [FIRST], { starts_at: '2099-01-01T00:00:00Z' });
  here.card();
  expect(here.pulses).toEqual([]);
  expect(here.shown).toEqual(['denied']);
  expect(bodies(here, 'lock.access_denied')).toMatchObject([
    { acs_entrance_id: FIRST, reason: { detail: 'not_yet_valid' } },
  ]);
  expect(bodies(here, 'lift.presented')).toMatchObject([
    {
      granted_acs_entrance_ids: [],
      denied: [
        { detail: 'entrance_not_allowed', acs_entrance_ids: [GROUND, ROOF] },
        { detail: 'not_yet_valid', acs_entrance_ids: [FIRST] },
      ],
    },
  ]);
});

it('uses a one-time code up once for all floors, and counts one of several uses', async () => {
  const here = await lift();
  expect(await code(here, '824759', [GROUND, FIRST, ROOF], { is_one_time_use: true })).toMatchObject({ ok: true });
  await card(here, [GROUND, FIRST], { max_uses: 2 });
  here.digits('824759');
  expect(outputs(here)).toEqual([0, 1, 2]);
  expect(bodies(here, 'acs_credential.invalidated')).toHaveLength(1);
  here.digits('824759');
  expect(outputs(here)).toEqual([0, 1, 2]);
  expect(bodies(here, 'lock.access_denied')).toMatchObject([{ reason: { detail: 'already_used' } }]);
  here.card();
  expect(bodies(here, 'lock.unlocked').slice(3)).toMatchObject([{ uses_left: 1 }, { uses_left: 1 }]);
  here.card();
  here.card();
  expect(outputs(here)).toEqual([0, 1, 2, 0, 1, 0, 1]);
});

it('tells of a duress code once, and opens its floors as any other', async () => {
  const here = await lift();
  expect(await code(here, '824759', [GROUND, ROOF], { is_duress: true })).toMatchObject({ ok: true });
  here.digits('824759');
  expect(outputs(here)).toEqual([0, 2]);
  expect(bodies(here, 'acs_entrance.duress')).toMatchObject([{ acs_entrance_id: GROUND, opened: true }]);
});

it('asks for the code of a card once, and then releases the floors of the card', async () => {
  const both = FLOORS.map((one) => ({ ...one, factors: 'card_and_code' as const }));
  const here = await lift({ entrances: both });
  await card(here, [FIRST, ROOF]);
  expect(await code(here, '824759', [FIRST, ROOF])).toMatchObject({ ok: true });
  here.card();
  expect(here.shown).toEqual(['prompt_pin']);
  expect(here.pulses).toEqual([]);
  here.digits('824759');
  expect(outputs(here)).toEqual([1, 2]);
  expect(bodies(here, 'lock.unlocked')).toMatchObject([{ acs_entrance_id: FIRST }, { acs_entrance_id: ROOF }]);
  here.card();
  await here.clock.advance(11_000);
  expect(bodies(here, 'lock.access_denied')).toMatchObject([{ reason: { detail: 'code_required' } }]);
});

it('counts a wrong code once, whatever the number of floors', async () => {
  const here = await lift();
  for (const digits of ['111213', '212223', '313233', '414243']) here.digits(digits);
  expect(here.events().filter((one) => one.startsWith('acs_entrance.locked_out'))).toEqual([]);
  here.digits('515253');
  expect(here.events().filter((one) => one.startsWith('acs_entrance.locked_out'))).toHaveLength(1);
  const spent = here.store.guesses.all().map(({ name, spent }) => [name, Math.round(spent)]);
  expect(spent).toContainEqual(['entrance lift tower', 5]);
  expect(spent.filter(([name]) => String(name).startsWith('entrance '))).toHaveLength(1);
});

it('lets one person alone have a code over all floors of a lift, and counts it once among them', async () => {
  const here = await lift({ entrances: [...FLOORS, { ...ENTRANCES.lobby, acsEntranceId: DOOR, name: 'door', readers: ['door-reader'] }] }); // prettier-ignore
  await ok(here, 'users/create', { acs_user_id: OTHER_USER, full_name: 'John' });
  expect(await code(here, '824759', [GROUND])).toMatchObject({ ok: true });
  const other = await code(here, '824759', [ROOF], { acs_user_id: OTHER_USER });
  expect(other.error).toMatchObject({ type: 'duplicate_access_code', message: expect.stringContaining('lift tower') });
  // A door is not in the cabin.
  expect(await code(here, '824759', [DOOR], { acs_user_id: OTHER_USER })).toMatchObject({ ok: true });
});

it('carries as many codes over all floors of a lift as one door does', async () => {
  const here = await lift({ policy: { pinQuality: 'off' } });
  for (let i = 0; i < 10; i++)
    expect(await code(here, String(4000 + 7 * i), i % 2 === 0 ? [GROUND, FIRST] : [ROOF])).toMatchObject({ ok: true });
  const tooMany = await code(here, '9173', [FIRST]);
  expect(tooMany.error).toMatchObject({ type: 'code_constraints_violated', message: expect.stringContaining('lift tower has 10 codes') }); // prettier-ignore
});

it('goes on with the other floors where one relay fails, and tells which', async () => {
  const here = await lift();
  await card(here, [GROUND, FIRST, ROOF]);
  const failed: OutputOutcome = { outcome: 'failed', error: 'controller_offline', message: 'nobody answers' };
  here.strike.onPulse = () => {
    here.strike.outcome = here.pulses.at(-1)?.output === 1 ? failed : { outcome: 'done', confirmed: true };
  };
  here.card();
  await here.clock.advance(1);
  expect(outputs(here)).toEqual([0, 1, 2]);
  expect(bodies(here, 'acs_entrance.unlock_failed')).toMatchObject([
    { acs_entrance_id: FIRST, acs_credential_id: ID, error: { type: 'controller_offline' } },
  ]);
});

it('keeps a floor free by its schedule and by command, and takes one away in a lockdown, and what was released there', async () => {
  const week = parseWeek('mon-sun 00:00-24:00');
  if (typeof week === 'string') throw new Error(week);
  const always: ModeSchedule = { mode: 'unlocked', schedule: { week, holidays: null }, firstPerson: false };
  const here = await lift({ entrances: [{ ...ground, modeSchedules: [always] }, first, roof] });
  here.access.start();
  await card(here, [FIRST, ROOF]);
  expect(here.sets).toContain('0 on');
  here.card();
  expect(outputs(here)).toEqual([1, 2]);
  const roofHere = here.room.site.byId(ROOF);
  if (roofHere === undefined) throw new Error('it is there');
  expect(here.access.state(roofHere).isLocked).toBe(false);
  await locked(here, ROOF);
  expect(here.sets).toContain('2 off');
  expect(here.access.state(roofHere).isLocked).toBe(true);
  here.card();
  expect(outputs(here)).toEqual([1, 2, 1]);
  expect(bodies(here, 'lift.presented').at(-1)).toMatchObject({
    granted_acs_entrance_ids: [FIRST],
    denied: expect.arrayContaining([{ detail: 'entrance_locked', acs_entrance_ids: [ROOF] }]),
  });
  here.access.rest();
});

it('says of each floor what the lift does', async () => {
  const here = await lift();
  await card(here, [GROUND, ROOF]);
  await locked(here, ROOF);
  const outcomes = here.room.site.entrances.map((entrance) => {
    const how = { time: here.room.time(), isNow: true, reader: 'lobby-reader', asker: { source: 'local' as const, sender: null } }; // prettier-ignore
    const { outcome, reason } = here.access.explain(entrance, { acsCredentialId: ID }, how);
    return [entrance.acsEntranceId, outcome, reason];
  });
  expect(outcomes).toEqual([
    [GROUND, 'granted', null],
    [FIRST, 'denied', 'entrance_not_allowed'],
    [ROOF, 'denied', 'entrance_locked'],
  ]);
  here.card();
  expect(bodies(here, 'lift.presented')).toMatchObject([
    {
      granted_acs_entrance_ids: [GROUND],
      denied: [
        { detail: 'entrance_not_allowed', acs_entrance_ids: [FIRST] },
        { detail: 'entrance_locked', acs_entrance_ids: [ROOF] },
      ],
    },
  ]);
});

it('says who chose which floor, and ends the others where only one may be chosen', async () => {
  const here = await lift({ entrances: FLOORS.map((one, i) => ({ ...one, ...seen(i, true) })) });
  await card(here, [GROUND, FIRST, ROOF]);
  select(here, 1);
  expect(bodies(here, 'acs_entrance.floor_selected')).toMatchObject([
    { acs_entrance_id: FIRST, lift: 'tower', acs_user_id: null, acs_credential_id: null },
  ]);
  select(here, 1, false);
  here.card();
  select(here, 1);
  select(here, 1);
  expect(bodies(here, 'acs_entrance.floor_selected').slice(1)).toMatchObject([
    { acs_entrance_id: FIRST, acs_user_id: USER, acs_credential_id: ID },
  ]);
  expect(here.sets).toEqual(['0 off', '2 off']);
  // Its time is over.
  here.card();
  await here.clock.advance(FLOOR_MS + 1);
  select(here, 2);
  expect(bodies(here, 'acs_entrance.floor_selected').at(-1)).toMatchObject({
    acs_entrance_id: ROOF,
    acs_user_id: null,
  });
});

it('begins a schedule that waits for a first person with whoever really goes to that floor', async () => {
  const week = parseWeek('mon-sun 00:00-24:00');
  if (typeof week === 'string') throw new Error(week);
  const awaited: ModeSchedule = { mode: 'unlocked', schedule: { week, holidays: null }, firstPerson: true };
  const here = await lift({ entrances: FLOORS.map((one, i) => ({ ...one, ...seen(i), modeSchedules: [awaited] })) });
  here.access.start();
  await card(here, [GROUND, FIRST, ROOF]);
  here.card();
  expect(here.sets).toEqual([]);
  select(here, 1);
  expect(here.sets).toEqual(['1 on']);
  here.access.rest();
});
