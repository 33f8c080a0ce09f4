// What is found at the device: slots that are not ours, ours that somebody changed, a memory that was lost, another
// device in its place.

import { expect, test } from 'vitest';
import { foreignRecord, MemoryDevice } from '../support/memory-device.ts';
import { ENTRANCES, STORE_ROOM } from '../support/room.ts';
import { House, HOUR, NOON, without } from '../support/sync-house.ts';

const filled = async (count: number, ...options: ConstructorParameters<typeof House>): Promise<[House, string[]]> => {
  const house = new House(...options);
  house.sync.start();
  const ids = Array.from({ length: count }, (_, i) => house.create({ code: String(4000 + i) }));
  await house.settle();
  return [house, ids];
};

const codes = (count: number): string[] => Array.from({ length: count }, (_, i) => String(4000 + i));

test('nothing is written to a device before its whole table was read once', async () => {
  const house = new House({ slots: { count: 64 } });
  house.device.table.set(60, foreignRecord('caretaker'));
  house.create({ code: '4711' });
  house.sync.start();
  await house.settle();
  const firstWrite = house.device.calls.findIndex(({ what }) => what === 'write');
  const read = new Set(house.device.calls.slice(0, firstWrite).flatMap(({ slots }) => slots));
  expect(read.size).toBe(64);
  expect(house.sync.status('store-panel')).toMatchObject({ used: 1, foreign: 1, compared: { compared: 0 } });
});

test('a device that cannot be read completely is not written to', async () => {
  const house = new House();
  house.device.faults = { ...house.device.faults, isSilent: true };
  house.sync.start();
  const id = house.create({ code: '4711' });
  await house.pass(60_000);
  expect(house.device.calls.some(({ what }) => what === 'write')).toBe(false);
  expect(house.sync.status('store-panel')?.problem).toContain('does not answer');
  house.device.heal();
  await house.pass(5 * 60_000);
  expect(house.state(id)).toBe('set');
  expect(house.sync.status('store-panel')?.problem).toBeNull();
});

test('foreign slots are noted, left alone and gone around', async () => {
  const house = new House();
  for (const slot of [0, 2, 3]) house.device.table.set(slot, foreignRecord(String(slot)));
  house.sync.start();
  const ids = codes(3).map((code) => house.create({ code }));
  await house.settle();
  expect(ids.map((id) => house.target(id)?.slot)).toEqual([1, 4, 5]);
  for (const slot of [0, 2, 3]) expect(house.device.table.get(slot)).toEqual(foreignRecord(String(slot)));
  expect(house.sync.status('store-panel')?.foreign).toBe(3);
});

test('a slot that somebody filled at the device since the last comparison is theirs', async () => {
  const [house] = await filled(1);
  house.device.table.set(1, foreignRecord('cleaner'));
  const id = house.create({ code: '4711' });
  await house.settle();
  expect(house.target(id)?.slot).toBe(2);
  expect(house.device.table.get(1)).toEqual(foreignRecord('cleaner'));
});

test('where the facility file says so, foreign slots are erased', async () => {
  const house = new House({ foreignSlots: 'erase' });
  house.device.table.set(5, foreignRecord('cleaner'));
  house.sync.start();
  const id = house.create({ code: '4711' });
  await house.settle();
  expect([...house.device.table.keys()]).toEqual([house.target(id)?.slot]);
  expect(house.sync.status('store-panel')?.foreign).toBe(0);
});

test('a foreign slot that was emptied at the device becomes free again', async () => {
  const house = new House({ slots: { count: 2 } });
  house.device.table.set(0, foreignRecord('cleaner'));
  house.sync.start();
  const [first] = ['4711', '4712'].map((code) => house.create({ code }));
  await house.settle();
  expect(house.device.held().size).toBe(1);
  house.device.table.delete(0);
  house.sync.compareAll();
  await house.settle();
  expect(house.device.held().size).toBe(2);
  expect(house.state(first ?? '')).toBe('set');
});

test('what was changed at the device is found by the nightly comparison, put right, and said once', async () => {
  const [house, ids] = await filled(5);
  house.device.table.delete(1);
  house.device.table.set(3, foreignRecord('somebody'));
  house.sync.compareAll();
  await house.settle();
  expect(house.pins()).toEqual(codes(5));
  const said = house.events().filter(({ event_type: type }) => type === 'access_code.modified_externally');
  expect(said.map(({ acs_credential_id: id }) => id)).toEqual([ids[1], ids[3]]);
  house.sync.compareAll();
  await house.settle();
  expect(house.eventTypes().filter((type) => type === 'access_code.modified_externally')).toHaveLength(2);
});

test('two slots swapped by hand are put back', async () => {
  const [house, ids] = await filled(3);
  const [a, b] = [house.device.table.get(0), house.device.table.get(2)];
  if (a === undefined || b === undefined) throw new Error('both are there');
  house.device.table.set(0, b).set(2, a);
  await expect(house.sync.resync('store-panel')).resolves.toEqual({ compared: 3, differing: 2, foreign: 0 });
  await house.settle();
  await house.pass(20_000);
  expect(ids.map((id) => house.state(id))).toEqual(['set', 'set', 'set']);
  expect(house.device.held().get(0)?.pin).toBe('4000');
  expect(house.device.held().get(2)?.pin).toBe('4002');
});

test('a comparison asked for fails at once when the controller is off', async () => {
  const [house] = await filled(1);
  house.offline();
  await expect(house.sync.resync('store-panel')).rejects.toMatchObject({ type: 'controller_offline' });
  await expect(house.sync.resync('lobby-reader')).rejects.toMatchObject({ type: 'not_supported' });
});

test('a comparison under way fails when the controller goes off', async () => {
  const [house] = await filled(1);
  house.device.beforeEach = () => {
    house.device.isOnline = false;
    return Promise.resolve();
  };
  const asked = house.sync.resync('store-panel');
  const refused = expect(asked).rejects.toMatchObject({ type: 'controller_offline' });
  await house.pass(20_000);
  await refused;
});

test('a device that lost its memory while it was off is found out by a sample and filled again', async () => {
  const [house, ids] = await filled(20);
  house.offline();
  await house.pass(1000);
  house.device.table.clear();
  house.online();
  await house.settle();
  expect(house.pins()).toEqual(codes(20));
  expect(house.state(ids[19] ?? '')).toBe('set');
});

test('a device that kept its memory is not written to when it returns', async () => {
  const [house] = await filled(20);
  house.offline();
  await house.pass(1000);
  house.device.calls.length = 0;
  house.online();
  await house.settle();
  expect(house.device.calls.map(({ what }) => what)).toEqual(['read']);
});

test('a restart that the device tells of has it compared as a whole, and nobody is blamed', async () => {
  const [house] = await filled(10);
  house.device.table.delete(7);
  house.sync.deviceRestarted('store-panel');
  await house.settle();
  expect(house.pins()).toEqual(codes(10));
  expect(house.eventTypes()).not.toContain('access_code.modified_externally');
});

test('a comparison that is owed is not forgotten over a restart of ours', async () => {
  const [house] = await filled(20);
  house.device.table.delete(15);
  house.device.beforeEach = () => new Promise(() => undefined);
  house.sync.deviceRestarted('store-panel');
  await house.settle();
  house.device.beforeEach = () => Promise.resolve();
  await house.powerCycle();
  expect(house.pins()).toEqual(codes(20));
});

test('a device that cannot be read is written anew after it lost its memory', async () => {
  const [house] = await filled(10, { slots: { readBack: 'none' } });
  house.device.table.clear();
  house.sync.deviceRestarted('store-panel');
  await house.settle();
  expect(house.pins()).toEqual(codes(10));
});

test('another device in its place keeps what is its own: our credentials go around it', async () => {
  const [house, ids] = await filled(4);
  house.offline();
  await house.pass(1000);
  house.device.identity = 'memory 2';
  house.device.table.clear();
  for (const slot of [1, 2]) house.device.table.set(slot, foreignRecord(String(slot)));
  house.device.calls.length = 0;
  house.online();
  await house.settle();
  const firstWrite = house.device.calls.findIndex(({ what }) => what === 'write');
  const read = new Set(house.device.calls.slice(0, firstWrite).flatMap(({ slots }) => slots));
  expect(read.size).toBe(100);
  for (const slot of [1, 2]) expect(house.device.table.get(slot)).toEqual(foreignRecord(String(slot)));
  expect(house.pins()).toEqual(codes(4));
  expect(ids.map((id) => house.target(id)?.slot).sort()).toEqual([0, 3, 4, 5]);
});

test('an entrance that moves to another controller takes its credentials along', async () => {
  const devices = [new MemoryDevice({ name: 'store-panel' }), new MemoryDevice({ name: 'new-panel' })];
  const house = new House({ devices });
  house.sync.start();
  const id = house.create({ code: '4711' });
  await house.settle();
  await house.powerCycle(() => {
    house.entrances = [ENTRANCES.lobby, { ...ENTRANCES.storeRoom, controller: 'new-panel', door: 2 }];
  });
  expect(devices.map((device) => device.held().size)).toEqual([0, 1]);
  expect(devices[1]?.held().get(0)?.doors).toEqual([2]);
  expect(house.store.targets.ofCredential(house.store.credentials.byId(id)?.credential_key ?? 0)).toHaveLength(1);
});

test('a door that was renumbered is rewritten', async () => {
  const [house] = await filled(2);
  await house.powerCycle(() => {
    house.entrances = [ENTRANCES.lobby, { ...ENTRANCES.storeRoom, door: 4 }];
  });
  expect([...house.device.held().values()].map(({ doors }) => doors)).toEqual([[4], [4]]);
});

test('what lies in a controller that left the facility file is said, and taken up again when it returns', async () => {
  const other = new MemoryDevice({ name: 'old-panel' });
  const devices = [new MemoryDevice({ name: 'store-panel' }), other];
  const oldDoor = {
    ...ENTRANCES.storeRoom,
    name: 'old-door',
    controller: 'old-panel',
    acsEntranceId: '55555555-5555-5555-5555-000000000009',
  };
  const house = new House({ devices, entrances: [ENTRANCES.storeRoom, oldDoor] });
  house.sync.start();
  const id = house.create({ code: '4711', allowed_acs_entrance_ids: [STORE_ROOM, oldDoor.acsEntranceId] });
  await house.settle();
  expect(other.held().size).toBe(1);
  await house.powerCycle(() => {
    house.devices.pop();
    house.entrances = [ENTRANCES.storeRoom];
  });
  expect(house.target(id, 'old-panel')).toMatchObject({ state: 'failed', error_type: 'controller_not_found', slot: 0 });
  house.delete(id);
  await house.powerCycle(() => {
    house.devices.push(other);
    house.entrances = [ENTRANCES.storeRoom, oldDoor];
  });
  expect(other.held().size).toBe(0);
});

test('a table of a thousand with three foreign slots is filled around them', { timeout: 180_000 }, async () => {
  const house = new House({ slots: { count: 1000, slotsPerWrite: 15, duplicatePins: 'accept' } });
  for (const slot of [0, 500, 999]) house.device.table.set(slot, foreignRecord(String(slot)));
  house.sync.start();
  for (let i = 0; i < 997; i++) house.create({ code: String(100_000 + i) });
  await house.settle();
  expect(house.device.held().size).toBe(997);
  for (const slot of [0, 500, 999]) expect(house.device.table.get(slot)).toEqual(foreignRecord(String(slot)));
});

test('the clock of a device that keeps windows is set when it is wrong by an hour', async () => {
  const house = new House({ withClock: true });
  house.device.clockDriftMs = HOUR;
  house.sync.start();
  await house.settle();
  expect(house.device.clockDriftMs).toBe(0);
  house.device.clockDriftMs = 2000;
  house.sync.deviceOnline('store-panel');
  await house.settle();
  expect(house.device.clockDriftMs).toBe(2000);
});

test('a comparison goes on while credentials end and begin', async () => {
  const [house] = await filled(5, { slots: without({ count: 1000 }) });
  house.create({ code: '5000', starts_at: NOON + 1000 });
  house.sync.compareAll();
  await house.pass(1000);
  expect(house.pins()).toContain('5000');
});
