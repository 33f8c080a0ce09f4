// Slots that somebody else filled, taken over by command: for a credential, or to be emptied. Nothing but what was
// named is touched.

import { expect, test } from 'vitest';
import { adoptSlot, getController } from '../../src/commands/controllers.ts';
import type { SlotContent } from '../../src/domain/ports.ts';
import { describePlan } from '../../src/sync/describe.ts';
import { foreignRecord } from '../support/memory-device.ts';
import { House, HOUR, NOON, without, type HouseOptions } from '../support/sync-house.ts';

const CONTENT: SlotContent = {
  card: null,
  pin: '4711',
  cardAndPin: false,
  doors: [1],
  startsAtMs: null,
  endsAtMs: null,
  oneTimeUse: false,
};

/** Slots 3 and 7 hold what others enrolled at the device. */
async function withForeign(options: HouseOptions = {}): Promise<House> {
  const house = new House(options);
  house.device.table.set(3, foreignRecord('caretaker'));
  house.device.table.set(7, foreignRecord('cleaner'));
  house.sync.start();
  await house.settle();
  return house;
}

const adopt = (house: House, slot: number, id?: string): Record<string, unknown> =>
  house.run(() =>
    adoptSlot(
      house.room,
      { controller: 'store-panel', slot, ...(id === undefined ? {} : { acs_credential_id: id }) },
      house.call(),
    ),
  ).result;

const foreignOf = (house: House): unknown =>
  (getController(house.room, { controller: 'store-panel' }).result['controller'] as Record<string, unknown>)[
    'foreign_slots'
  ];

const types = (house: House): string[] => house.store.events.after(0, 1000).map((event) => event.event_type);

test('foreign slots are listed by their numbers', async () => {
  const house = await withForeign();
  expect(foreignOf(house)).toEqual([
    { slot: 3, first_seen_at: new Date(NOON).toISOString() },
    { slot: 7, first_seen_at: new Date(NOON).toISOString() },
  ]);
});

test('a slot becomes that of a credential, which is written in place of what it held', async () => {
  const house = await withForeign();
  house.device.isOnline = false;
  const id = house.create({ code: '4711' });
  expect(adopt(house, 3, id)).toEqual({ controller: 'store-panel', slot: 3, acs_credential_id: id });
  expect(house.target(id)?.slot).toBe(3);
  house.online();
  await house.settle();
  expect(house.state(id)).toBe('set');
  expect(house.device.held().get(3)?.pin).toBe('4711');
  expect(house.device.table.get(7)).toEqual(foreignRecord('cleaner'));
  expect(foreignOf(house)).toMatchObject([{ slot: 7 }]);
  expect(types(house)).toContain('device.slot_adopted');
  house.delete(id);
  await house.settle();
  expect(house.device.table.has(3)).toBe(false);
});

test('what a slot holds rightly already is not written again', async () => {
  const house = new House();
  house.device.table.set(3, Buffer.from(JSON.stringify(CONTENT)));
  house.sync.start();
  await house.settle();
  house.device.isOnline = false;
  const id = house.create({ code: '4711' });
  adopt(house, 3, id);
  house.online();
  house.device.calls.length = 0;
  await house.settle();
  expect(house.state(id)).toBe('set');
  expect(house.device.calls.filter(({ what }) => what === 'write')).toEqual([]);
});

test('an adoption outlives a restart', async () => {
  const house = await withForeign();
  house.device.isOnline = false;
  const id = house.create({ code: '4711' });
  adopt(house, 3, id);
  adopt(house, 7);
  await house.kill();
  house.online();
  await house.settle();
  expect([...house.device.held().keys()]).toEqual([3]);
  expect([...house.device.table.keys()]).toEqual([3]);
});

test('what is to be emptied stands in the plan', async () => {
  const house = await withForeign();
  house.device.isOnline = false;
  adopt(house, 3);
  const plan = (): unknown => describePlan(house.store, house.room.site, house.device, house.time(), 72 * HOUR);
  expect(plan()).toEqual([
    { controller: 'store-panel', slot: 3, acsCredentialId: null, action: 'erase', why: 'adopted', atMs: null },
  ]);
  house.online();
  await house.settle();
  expect(plan()).toEqual([]);
});

test('without a credential it is emptied, said so, and given to the next', async () => {
  const house = await withForeign();
  expect(adopt(house, 3)).toEqual({ controller: 'store-panel', slot: 3, acs_credential_id: null });
  await house.settle();
  expect([...house.device.table.keys()]).toEqual([7]);
  expect(types(house).slice(-2)).toEqual(['device.slot_adopted', 'device.slot_emptied']);
  expect(foreignOf(house)).toMatchObject([{ slot: 7 }]);
  const ids = ['4001', '4002', '4003', '4004'].map((code) => house.create({ code }));
  await house.settle();
  expect(ids.map((id) => house.target(id)?.slot)).toEqual([0, 1, 2, 3]);
});

test('what somebody has put there since it was asked stays', async () => {
  const house = await withForeign();
  house.device.isOnline = false;
  adopt(house, 3);
  house.device.table.set(3, foreignRecord('another'));
  house.online();
  await house.settle();
  await house.pass(HOUR);
  expect(house.device.table.get(3)).toEqual(foreignRecord('another'));
  expect(foreignOf(house)).toMatchObject([{ slot: 3 }, { slot: 7 }]);
});

test('a device that does not let go of it is asked again', async () => {
  const house = await withForeign();
  house.device.faults.refusal = 'device_error';
  adopt(house, 3);
  await house.settle();
  expect(house.device.table.has(3)).toBe(true);
  house.device.heal();
  await house.pass(11 * 60_000);
  expect(house.device.table.has(3)).toBe(false);
});

test('where a device keeps no windows, the slot of a credential that is not yet valid is empty until then', async () => {
  const house = await withForeign({ slots: without() });
  const id = house.create({ code: '4711', starts_at: NOON + HOUR });
  adopt(house, 3, id);
  await house.settle();
  expect(house.device.table.has(3)).toBe(false);
  await house.pass(HOUR);
  expect(house.state(id)).toBe('set');
  expect(house.pins()).toEqual(['4711']);
});

test('says what cannot be adopted, and for whom', async () => {
  const house = await withForeign();
  const id = house.create({ code: '4711' });
  await house.settle();
  const complaint = (slot: number, credential?: string): string => {
    try {
      adopt(house, slot, credential);
    } catch (error) {
      return error instanceof Error ? error.message : '';
    }
    return 'adopted';
  };
  expect(complaint(4)).toBe('params.slot: slot 4 of store-panel is not foreign; foreign are 3, 7');
  expect(complaint(3, id)).toBe('params.acs_credential_id: it lies in slot 0 of store-panel already');
  expect(complaint(3, '33333333-3333-3333-3333-333333333333')).toMatch(/no credential/);
  const elsewhere = house.create({ code: '4712', allowed_acs_entrance_ids: [] });
  expect(complaint(3, elsewhere)).toMatch(/opens no door of store-panel/);
  expect(house.device.table.get(3)).toEqual(foreignRecord('caretaker'));
});
