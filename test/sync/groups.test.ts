// Groups at controllers that decide for themselves: each member's credential has its slot there, in the smallest set of
// writes, in slices, whatever happens to the process in the middle.

import { describe, expect, it } from 'vitest';
import type { CommandName } from '../../src/commands/contract.ts';
import { NOW } from '../../src/commands/handlers.ts';
import type { Outcome } from '../../src/commands/room.ts';
import { OperatingError } from '../../src/domain/errors.ts';
import type { SlotCapabilities } from '../../src/domain/ports.ts';
import { ENTRANCES, LOBBY, STORE_ROOM, USER } from '../support/room.ts';
import { HOUR, House, NOON, without } from '../support/sync-house.ts';

const GROUP = '44444444-4444-4444-4444-444444444444';
const OTHER = '44444444-4444-4444-4444-000000000002';
const SHED = '55555555-5555-5555-5555-000000000007';
const OFFICE = '99999999-9999-9999-9999-99999999999a';
const NIGHT = '99999999-9999-9999-9999-99999999999b';
const userId = (n: number): string => `33333333-3333-3333-3333-${String(1000 + n).padStart(12, '0')}`;
const cardId = (n: number): string => `66666666-6666-6666-6666-${String(1000 + n).padStart(12, '0')}`;
const at = (ms: number): string => new Date(ms).toISOString();
const shed = { ...ENTRANCES.storeRoom, name: 'shed', acsEntranceId: SHED, door: 2, factors: 'card' } as const;

type Panel = House & { done: (name: CommandName, params: Record<string, unknown>) => Outcome };

async function opened(options: ConstructorParameters<typeof House>[0] = {}): Promise<Panel> {
  const house = new House(options);
  house.sync.start();
  await house.settle();
  const done: Panel['done'] = (name, params) => {
    const run = NOW[name] as (room: unknown, params: unknown, call: unknown) => Outcome;
    return house.run(() => run(house.room, params, house.call()));
  };
  return Object.assign(house, { done });
}

/** `count` people in a group, each with a card that follows them. */
function staff(house: Panel, count: number, entrances: string[] = []): void {
  house.done('access_groups/create', { acs_access_group_id: GROUP, name: 'Staff', acs_entrance_ids: entrances });
  for (let n = 0; n < count; n++) {
    house.done('users/create', { acs_user_id: userId(n), full_name: `Person ${n}`, acs_access_group_ids: [GROUP] });
    card(house, n);
  }
}
const card = (house: Panel, n: number, acsUserId = userId(n)): Outcome =>
  house.done('credentials/create', {
    acs_credential_id: cardId(n),
    acs_user_id: acsUserId,
    access_method: 'card',
    card_number: `H10301:1:${n}`,
  });
const open = (house: Panel, entrances: string[]): Outcome =>
  house.done('access_groups/update', { acs_access_group_id: GROUP, acs_entrance_ids: entrances });
const cards = (house: House): (string | null)[] => [...house.device.held().values()].map((held) => held.card).sort();
const doors = (house: House): (readonly number[])[] => [...house.device.held().values()].map((held) => held.doors);
const written = (house: House): number =>
  house.device.calls.filter(({ what }) => what === 'write').flatMap(({ slots }) => slots).length;
const names = (count: number): string[] => Array.from({ length: count }, (_, n) => `H10301:1:${n}`).sort();

function refusalOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof OperatingError) return `${error.type}: ${error.message}`;
    throw error;
  }
  return 'none';
}

describe('a group at a controller', () => {
  it('that gains its entrance has a slot for every member, and writes nothing twice', async () => {
    const house = await opened();
    staff(house, 40);
    await house.settle();
    expect(cards(house)).toEqual([]);
    open(house, [STORE_ROOM]);
    await house.settle();
    expect(cards(house)).toEqual(names(40));
    expect(written(house)).toBe(40);
    // What touches no controller touches none.
    open(house, [STORE_ROOM, LOBBY]);
    house.done('access_groups/update', { acs_access_group_id: GROUP, name: 'Staff, day' });
    await house.settle();
    expect(written(house)).toBe(40);
    house.done('access_groups/remove_user', { acs_access_group_id: GROUP, acs_user_id: userId(7) });
    await house.settle();
    expect(cards(house)).toEqual(names(40).filter((name) => name !== 'H10301:1:7'));
    expect(written(house)).toBe(40);
  });

  it('that loses it has them all erased; a second door is written into the same slots', async () => {
    const house = await opened({ entrances: [...Object.values(ENTRANCES), shed] });
    staff(house, 12, [STORE_ROOM]);
    await house.settle();
    open(house, [STORE_ROOM, SHED]);
    await house.settle();
    expect(new Set(doors(house).map(String))).toEqual(new Set(['1,2']));
    expect(written(house)).toBe(24);
    open(house, [SHED]);
    await house.settle();
    expect(new Set(doors(house).map(String))).toEqual(new Set(['2']));
    house.done('access_groups/delete', { acs_access_group_id: GROUP });
    await house.settle();
    expect(cards(house)).toEqual([]);
    expect(house.store.groupChanges.next()).toBeUndefined();
    expect(house.store.groups.memberKeys(1, 0, 10)).toEqual([]);
  });

  it('is worked off over a power cut in the middle of it, whatever it was', async () => {
    const house = await opened();
    staff(house, 60);
    await house.settle();
    for (const [change, expected] of [
      [(): unknown => open(house, [STORE_ROOM]), names(60)],
      [(): unknown => open(house, []), []],
      [(): unknown => open(house, [STORE_ROOM]), names(60)],
      [(): unknown => house.done('access_groups/delete', { acs_access_group_id: GROUP }), []],
    ] as const) {
      change();
      // A slice or two, then the power goes.
      await house.turns(3);
      await house.kill();
      await house.settle();
      expect(cards(house)).toEqual(expected);
      expect(house.store.groupChanges.next()).toBeUndefined();
    }
  });

  it('that is deleted while its slots are being written leaves none', async () => {
    const house = await opened({ slots: { slotsPerWrite: 1 } });
    staff(house, 30);
    open(house, [STORE_ROOM]);
    let isDeleted = false;
    house.device.onSent = () => {
      if (isDeleted || house.device.calls.filter(({ what }) => what === 'write').length < 5) return;
      isDeleted = true;
      setImmediate(() => house.done('access_groups/delete', { acs_access_group_id: GROUP }));
    };
    await house.settle();
    expect(isDeleted).toBe(true);
    expect(cards(house)).toEqual([]);
    for (let n = 0; n < 30; n++) expect(house.state(cardId(n)) ?? 'gone').toMatch(/^(gone|removed)$/);
  });

  it('keeps a card there for as long as any path opens the door', async () => {
    const house = await opened();
    staff(house, 1, [STORE_ROOM]);
    house.done('access_groups/create', { acs_access_group_id: OTHER, name: 'More', acs_entrance_ids: [STORE_ROOM] });
    house.done('access_groups/add_user', { acs_access_group_id: OTHER, acs_user_id: userId(0) });
    house.done('entrances/grant_access', { acs_entrance_id: STORE_ROOM, acs_user_id: userId(0) });
    await house.settle();
    house.done('access_groups/delete', { acs_access_group_id: GROUP });
    house.done('access_groups/remove_user', { acs_access_group_id: OTHER, acs_user_id: userId(0) });
    await house.settle();
    expect(cards(house)).toEqual(names(1));
    expect(written(house)).toBe(1);
    house.done('users/revoke_access_to_all_entrances', { acs_user_id: userId(0) });
    await house.settle();
    expect(cards(house)).toEqual([]);
  });
});

describe('a window at a membership or a grant', () => {
  it.each([
    ['a controller that keeps no windows', without()],
    ['one that keeps ends', { windows: 'until' } as const],
    ['one that keeps windows', {}],
  ] as [string, Partial<SlotCapabilities>][])(
    'begins and ends at its instant at %s, over restarts',
    async (_, slots) => {
      const house = await opened({ slots });
      staff(house, 1, [STORE_ROOM]);
      const window = { starts_at: at(NOON + 2 * HOUR), ends_at: at(NOON + 5 * HOUR) };
      house.done('access_groups/add_user', { acs_access_group_id: GROUP, acs_user_id: userId(0), ...window });
      await house.settle();
      const opensAt = (ms: number): boolean =>
        [...house.device.held().values()].some(
          ({ startsAtMs, endsAtMs }) => (startsAtMs ?? -Infinity) <= ms && ms < (endsAtMs ?? Infinity),
        );
      expect(opensAt(NOON)).toBe(false);
      house.clock.leap(HOUR);
      await house.powerCycle();
      expect(opensAt(house.clock.nowMs())).toBe(false);
      house.clock.leap(HOUR);
      await house.pass(15_000);
      expect(opensAt(house.clock.nowMs())).toBe(true);
      house.clock.leap(2 * HOUR);
      await house.kill();
      expect(opensAt(house.clock.nowMs())).toBe(true);
      house.clock.leap(HOUR);
      await house.pass(15_000);
      expect(cards(house)).toEqual([]);
    },
  );

  it('of which two follow each other leaves no moment without access where the first reaches into the second', async () => {
    const house = await opened();
    staff(house, 1, [STORE_ROOM]);
    const person = { acs_user_id: userId(0) };
    house.done('access_groups/add_user', { acs_access_group_id: GROUP, ...person, ends_at: at(NOON + 3 * HOUR) });
    house.done('entrances/grant_access', {
      acs_entrance_id: STORE_ROOM,
      ...person,
      starts_at: at(NOON + 2 * HOUR),
      ends_at: at(NOON + 6 * HOUR),
    });
    await house.settle();
    for (let hour = 0; hour < 6; hour++) {
      const now = house.clock.nowMs();
      const open = [...house.device.held().values()].filter(
        ({ startsAtMs, endsAtMs }) => (startsAtMs ?? 0) <= now && now < (endsAtMs ?? Infinity),
      );
      expect([hour, open.length]).toEqual([hour, 1]);
      house.clock.leap(HOUR);
      await house.pass(15_000);
    }
    expect(cards(house)).toEqual([]);
  });
});

describe('a schedule at a group', () => {
  const keeping = without({ schedules: { firstZone: 2, lastZone: 3, holidays: 5, timeZone: 'Europe/Oslo' } });

  it('is the time zone of its members’ slots', async () => {
    const house = await opened({ slots: keeping });
    house.schedule(OFFICE, 'mon-fri 08:00-17:00');
    staff(house, 3, [STORE_ROOM]);
    house.done('access_groups/update', { acs_access_group_id: GROUP, schedule_id: OFFICE });
    await house.settle();
    expect([...house.device.held().values()].map(({ zone }) => zone)).toEqual([2, 2, 2]);
    house.done('access_groups/update', { acs_access_group_id: GROUP, schedule_id: null });
    await house.settle();
    expect([...house.device.held().values()].map(({ zone }) => zone ?? null)).toEqual([null, null, null]);
  });

  it('is refused by name where the controller keeps none, or could not keep it beside another', async () => {
    const house = await opened({ slots: without() });
    house.schedule(OFFICE, 'mon-fri 08:00-17:00');
    staff(house, 1, [STORE_ROOM]);
    const given = { acs_access_group_id: GROUP, schedule_id: OFFICE };
    expect(refusalOf(() => house.done('access_groups/update', given))).toMatch(/^not_supported: .*store-panel/);

    const other = await opened({ slots: keeping, entrances: [...Object.values(ENTRANCES), shed] });
    other.schedule(OFFICE, 'mon-fri 08:00-17:00');
    other.schedule(NIGHT, 'mon-fri 20:00-23:00');
    staff(other, 1, [STORE_ROOM]);
    other.done('access_groups/update', given);
    const second = { acs_entrance_id: SHED, acs_user_id: userId(0), schedule_id: NIGHT };
    const refusal = refusalOf(() => other.done('entrances/grant_access', second));
    expect(refusal).toMatch(/^not_supported: params.acs_entrance_id: credential .* could not follow: .*store-panel/);
    await other.settle();
    expect(doors(other)).toEqual([[1]]);
    other.done('entrances/grant_access', { ...second, schedule_id: OFFICE });
    await other.settle();
    expect(doors(other)).toEqual([[1, 2]]);
  });
});

describe('a table that is too small for a group', () => {
  it('has the command refused by name, and nothing of it is left', async () => {
    const house = await opened({ slots: { count: 5 } });
    staff(house, 6);
    expect(refusalOf(() => open(house, [STORE_ROOM]))).toMatch(
      /^no_space_for_access_code_on_device: .*store-panel has 5/,
    );
    house.done('users/delete', { acs_user_id: userId(5) });
    open(house, [STORE_ROOM]);
    house.done('users/create', { acs_user_id: userId(9), full_name: 'One more', acs_access_group_ids: [GROUP] });
    await house.settle();
    expect(refusalOf(() => card(house, 9))).toMatch(/^no_space_for_access_code_on_device/);
    expect(cards(house)).toEqual(names(5));
    card(house, 8, USER);
    const late = { acs_access_group_id: GROUP, acs_user_id: USER };
    expect(refusalOf(() => house.done('access_groups/add_user', late))).toMatch(
      /could not follow: store-panel has 5 slots/,
    );
  });
});
