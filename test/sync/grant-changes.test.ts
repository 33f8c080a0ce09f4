// An access grant that is changed: at a controller that decides for itself no door that both the old and the new form
// open is shut for an instant, whatever is written in between.

import { describe, expect, it } from 'vitest';
import type { CommandName } from '../../src/commands/contract.ts';
import { NOW } from '../../src/commands/handlers.ts';
import type { Outcome } from '../../src/commands/room.ts';
import type { SlotCapabilities } from '../../src/domain/ports.ts';
import { ENTRANCES, STORE_ROOM, USER } from '../support/room.ts';
import { HOUR, House, NOON } from '../support/sync-house.ts';

const GRANT = '44444444-4444-4444-4444-444444444444';
const METHOD = '66666666-6666-6666-6666-666666666666';
const SHED = '55555555-5555-5555-5555-000000000007';
const at = (ms: number): string => new Date(ms).toISOString();
const shed = { ...ENTRANCES.storeRoom, name: 'shed', acsEntranceId: SHED, door: 2 } as const;
const store = { ...ENTRANCES.storeRoom, door: 1 } as const;

type Changed = {
  house: House;
  done: (name: CommandName, params: object) => Outcome;
  shutFor: (door: number) => number[];
};

/** A guest with a code for both doors, from an hour ago until in two. */
async function guest(slots: Partial<SlotCapabilities> = {}): Promise<Changed> {
  const house = new House({ entrances: [store, shed], slots });
  house.sync.start();
  await house.settle();
  const done: Changed['done'] = (name, params) => {
    const run = NOW[name] as (room: unknown, params: unknown, call: unknown) => Outcome;
    return house.run(() => run(house.room, params, house.call()));
  };
  done('access_grants/create', {
    access_grant_id: GRANT, acs_user_id: USER, acs_entrance_ids: [STORE_ROOM, SHED], starts_at: at(NOON - HOUR), ends_at: at(NOON + 2 * HOUR),
    requested_access_methods: [{ access_method_id: METHOD, mode: 'code', code: '824759' }],
  }); // prettier-ignore
  await house.settle();
  const { device } = house;
  const isOpen = (door: number): boolean => {
    const now = house.clock.nowMs();
    return [...device.held().values()].some(
      ({ doors, startsAtMs, endsAtMs, pin }) =>
        pin === '824759' && doors.includes(door) && (startsAtMs ?? 0) <= now && now < (endsAtMs ?? Infinity),
    );
  };
  const seen: { door: number; isOpen: boolean; call: number }[] = [];
  const look = (): void => {
    for (const door of [1, 2]) seen.push({ door, isOpen: isOpen(door), call: device.calls.length });
  };
  // Before each exchange with the controller, and so behind the one before it.
  const { beforeEach } = device;
  device.beforeEach = async () => {
    look();
    await beforeEach();
    look();
  };
  look();
  return {
    house,
    done,
    shutFor: (door) => {
      look();
      return seen.filter((one) => one.door === door && !one.isOpen).map(({ call }) => call);
    },
  };
}

const CHANGES: readonly (readonly [string, object])[] = [
  ['a later end', { ends_at: at(NOON + 9 * HOUR) }],
  ['an earlier end', { ends_at: at(NOON + HOUR) }],
  ['no end', { ends_at: null }],
  ['an earlier start', { starts_at: at(NOON - 2 * HOUR) }],
  ['one door less', { acs_entrance_ids: [SHED] }],
  ['one door less and another window', { acs_entrance_ids: [SHED], starts_at: null, ends_at: at(NOON + 5 * HOUR) }],
];

describe.each([
  ['with windows of its own', {}],
  ['that knows no windows', { windows: 'none' }],
  ['that cannot be read back', { readBack: 'none' }],
  ['without a free slot', { count: 1 }],
] as const)('at a controller %s', (_, slots) => {
  it.each(CHANGES)('%s leaves no instant without access', async (_name, params) => {
    const { house, done, shutFor } = await guest(slots);
    done('access_grants/update', { access_grant_id: GRANT, ...params });
    await house.settle();
    await house.pass(30_000);
    expect(house.device.calls.length).toBeGreaterThan(0);
    expect(shutFor(2)).toEqual([]);
    const [held] = house.device.held().values();
    expect(house.device.held().size).toBe(1);
    expect(held?.doors).toEqual('acs_entrance_ids' in params ? [2] : [1, 2]);
  });
});

it('a door that is taken away is shut', async () => {
  const { house, done, shutFor } = await guest();
  done('access_grants/update', { access_grant_id: GRANT, acs_entrance_ids: [SHED] });
  await house.settle();
  expect([shutFor(1).length > 0, shutFor(2).length > 0]).toEqual([true, false]);
});

describe('a card whose ways to two doors of a controller follow different schedules', () => {
  const OFFICE = '99999999-9999-9999-9999-99999999999a';
  const CARD = '66666666-6666-6666-6666-000000000001';
  const slots = { schedules: { firstZone: 2, lastZone: 3, holidays: 5, timeZone: 'Europe/Oslo' } };
  const warningsOf = ({ done }: Changed): Record<string, unknown>[] => {
    const { acs_credential } = done('credentials/get', { acs_credential_id: CARD }).result as unknown as {
      acs_credential: { warnings: Record<string, unknown>[] };
    };
    return acs_credential.warnings.filter((one) => one['warning_code'] === 'schedules_differ');
  };

  it('says at the credential which door is left out, once what they had in common was taken away', async () => {
    const here = await guest(slots);
    here.house.schedule(OFFICE, 'mon-fri 08:00-17:00');
    const { done } = here;
    const group = { acs_access_group_id: GRANT, name: 'Staff', schedule_id: OFFICE };
    done('access_grants/delete', { access_grant_id: GRANT });
    done('access_groups/create', { ...group, acs_entrance_ids: [STORE_ROOM, SHED] });
    done('access_groups/add_user', { acs_access_group_id: GRANT, acs_user_id: USER });
    done('credentials/create', { acs_credential_id: CARD, acs_user_id: USER, access_method: 'card', card_number: 'H10301:1:1' }); // prettier-ignore
    done('entrances/grant_access', { acs_entrance_id: SHED, acs_user_id: USER });
    expect(warningsOf(here)).toEqual([]);
    done('entrances/revoke_access', { acs_entrance_id: SHED, acs_access_group_id: GRANT });
    await here.house.settle();
    const [held] = here.house.device.held().values();
    expect(held?.doors).toEqual([2]);
    const [warning] = warningsOf(here);
    expect(warning).toMatchObject({ controller: 'store-panel', acs_entrance_ids: [STORE_ROOM] });
    expect(warning?.['message']).toContain('Remedy');
    done('entrances/revoke_access', { acs_entrance_id: SHED, acs_user_id: USER });
    expect(warningsOf(here)).toEqual([]);
    await here.house.settle();
    expect([...here.house.device.held().values()].map(({ doors }) => doors)).toEqual([[1]]);
  });
});
