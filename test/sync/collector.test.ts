// What a controller decided by itself: mapped to credentials, stored once, freed at the device only then.

import { expect, test } from 'vitest';
import type { ControllerEvent } from '../../src/domain/ports.ts';
import { ENTRANCES, STORE_ROOM, SYSTEM, USER } from '../support/room.ts';
import { House, HOUR, NOON, without } from '../support/sync-house.ts';

const event = (cursor: number, more: Partial<ControllerEvent>): ControllerEvent => ({
  cursor: String(cursor),
  kind: 'granted',
  code: 1,
  detail: null,
  door: 1,
  slot: null,
  atMs: NOON,
  ...more,
});

const doorEvents = (house: House): Record<string, unknown>[] =>
  house.events().filter(({ event_type: type }) => type.startsWith('lock.') || type.startsWith('acs_entrance.'));

async function opened(...options: ConstructorParameters<typeof House>): Promise<House> {
  const house = new House(...options);
  house.sync.start();
  await house.settle();
  return house;
}

test('a grant of the controller names the credential of the slot, its user and its entrance', async () => {
  const house = await opened();
  const id = house.create({ code: '4711' });
  await house.settle();
  house.device.recorded.push(event(1, { slot: 0, atMs: NOON - 5000 }));
  await house.pass(1000);
  expect(doorEvents(house)).toEqual([
    expect.objectContaining({
      event_type: 'lock.unlocked',
      occurred_at: new Date(NOON - 5000).toISOString(),
      acs_system_id: SYSTEM,
      acs_entrance_id: STORE_ROOM,
      acs_credential_id: id,
      acs_user_id: USER,
      access_method: 'code',
      method: 'keycode',
      decided_by: 'controller',
      controller: 'store-panel',
      was_confirmed_by_device: true,
    }),
  ]);
  expect(house.device.recorded).toEqual([]);
});

test('a denial says why, as far as the controller does, and a slot that is not ours has no name', async () => {
  const house = await opened();
  house.device.recorded.push(
    event(1, { kind: 'denied', detail: 'unknown', code: 2 }),
    event(2, { kind: 'denied', detail: 'time', slot: 77 }),
  );
  await house.pass(1000);
  expect(doorEvents(house)).toEqual([
    expect.objectContaining({
      event_type: 'lock.access_denied',
      acs_credential_id: null,
      reason: { reason_code: 'unknown_code', detail: 'unknown_credential' },
    }),
    expect.objectContaining({
      event_type: 'lock.access_denied',
      acs_credential_id: null,
      reason: { reason_code: 'credential_error', detail: 'outside_schedule' },
    }),
  ]);
});

test('events that the device tells again after a crash are stored once, and new ones behind them too', async () => {
  const house = await opened();
  house.device.recorded.push(event(1, {}), event(2, {}));
  const acknowledge = house.device.events.acknowledge.bind(house.device.events);
  house.device.events.acknowledge = () => new Promise(() => undefined);
  await house.pass(1000);
  expect(doorEvents(house)).toHaveLength(2);
  house.device.events.acknowledge = acknowledge;
  house.device.recorded.push(event(3, {}));
  await house.kill();
  await house.pass(2000);
  expect(doorEvents(house)).toHaveLength(3);
  expect(house.device.recorded).toEqual([]);
});

test('nothing is freed at the device that is not stored', async () => {
  const house = await opened();
  house.device.recorded.push(event(1, {}));
  let stored = -1;
  const acknowledge = house.device.events.acknowledge.bind(house.device.events);
  house.device.events.acknowledge = async (cursor) => {
    stored = doorEvents(house).length;
    await acknowledge(cursor);
  };
  await house.pass(1000);
  expect(stored).toBe(1);
});

test('a cursor that comes round again after it was freed is a new event', async () => {
  const house = await opened();
  house.device.recorded.push(event(1, {}));
  await house.pass(1000);
  house.device.recorded.push(event(1, { kind: 'denied' }));
  await house.pass(1000);
  expect(doorEvents(house)).toHaveLength(2);
});

test('an entry of before the erasure is still told of who had the slot', async () => {
  const house = await opened();
  const id = house.create({ code: '4711' });
  await house.settle();
  house.delete(id);
  await house.settle();
  house.device.recorded.push(event(1, { slot: 0 }));
  await house.pass(1000);
  expect(doorEvents(house)).toEqual([expect.objectContaining({ acs_credential_id: id })]);
});

test('what was recorded while the line was down is told before a slot goes to somebody else', async () => {
  const house = await opened({ slots: { count: 1 } });
  const first = house.create({ code: '4711', ends_at: NOON + HOUR });
  await house.settle();
  const next = house.create({ code: '4712', starts_at: NOON + HOUR });
  house.offline();
  await house.settle();
  house.device.recorded.push(event(1, { slot: 0 }));
  house.clock.leap(HOUR);
  await house.pass(15_000);
  house.online();
  await house.settle();
  expect(house.target(next)?.slot).toBe(0);
  expect(doorEvents(house)).toEqual([expect.objectContaining({ acs_credential_id: first })]);
});

test('a one-time credential that the device let in is used up and erased', async () => {
  const house = await opened({ slots: without({ oneTimeUse: true }) });
  const id = house.create({ code: '4711', is_one_time_use: true });
  await house.settle();
  expect(house.device.held().get(0)?.oneTimeUse).toBe(true);
  house.device.recorded.push(event(1, { slot: 0, atMs: null }));
  await house.pass(1000);
  await house.settle();
  expect(house.store.credentials.byId(id)?.used_at).toBe(NOON + 1000);
  expect(house.device.held().size).toBe(0);
  expect(house.events()).toContainEqual(
    expect.objectContaining({ event_type: 'acs_credential.invalidated', acs_credential_id: id, reason: 'used' }),
  );
});

test('a one-time credential that was used while the line was cut is invalid from its use, not from the reading of the log', async () => {
  const house = await opened({ slots: without({ oneTimeUse: true }) });
  const id = house.create({ code: '4711', is_one_time_use: true });
  await house.settle();
  house.device.recorded.push(event(1, { slot: 0, atMs: NOON - 90_000 }));
  await house.pass(1000);
  expect(house.events()).toContainEqual(
    expect.objectContaining({
      event_type: 'acs_credential.invalidated',
      acs_credential_id: id,
      acs_user_id: USER,
      occurred_at: new Date(NOON - 90_000).toISOString(),
      created_at: new Date(NOON + 1000).toISOString(),
    }),
  );
});

test('a device that gives one event at a time is read until it has no more', async () => {
  const house = await opened();
  house.device.eventsPerRead = 1;
  house.device.recorded.push(...Array.from({ length: 60 }, (_, i) => event(i + 1, { slot: null })));
  await house.pass(1000);
  expect(doorEvents(house)).toHaveLength(60);
  expect(house.device.recorded).toEqual([]);
});

test('what the device has no word for is told as it is, at the door that it stood at', async () => {
  const house = await opened();
  house.device.recorded.push(
    event(1, { kind: 'other', code: 0x11, detail: 'alarm' }),
    event(2, { kind: 'other', code: 0x2a }),
  );
  await house.pass(1000);
  const reported = house.events().filter(({ event_type: type }) => type === 'device.reported');
  const from = { acs_system_id: SYSTEM, device: 'store-panel', acs_entrance_id: STORE_ROOM };
  expect(reported).toEqual([
    expect.objectContaining({ ...from, controller_event: { code: 0x11, detail: 'alarm' } }),
    expect.objectContaining({ ...from, controller_event: { code: 0x2a, detail: null } }),
  ]);
});

const WATCHED = {
  ...ENTRANCES.storeRoom,
  contact: { controller: 'store-panel', input: 0, heldAfterMs: 30_000, extendedHeldAfterMs: 60_000 },
  rex: { controller: 'store-panel', input: 1 },
};

/** As the door part tells it from an input. */
const toldByInput = (house: House, eventType: string, atMs: number): void =>
  house.store.now(
    () =>
      void house.store.events.add(
        { event_type: eventType, body: { acs_system_id: SYSTEM, acs_entrance_id: STORE_ROOM } },
        atMs,
      ),
  );

test('what an input has shown is not told again by the log of the controller, whose clock may be wrong by seconds', async () => {
  const house = await opened({ entrances: [WATCHED] });
  toldByInput(house, 'acs_entrance.rex', NOON);
  toldByInput(house, 'acs_entrance.opened', NOON + 500);
  house.device.recorded.push(
    event(1, { kind: 'rex', atMs: NOON + 20_000 }),
    event(2, { kind: 'opened', atMs: NOON + 21_000 }),
  );
  await house.pass(5000);
  expect(doorEvents(house)).toHaveLength(2);
  expect(house.device.recorded).toEqual([]);
});

test('an input that shows it a moment after the log was read is told, and the log is not', async () => {
  const house = await opened({ entrances: [WATCHED] });
  house.device.recorded.push(event(1, { kind: 'rex', atMs: NOON + 1000 }));
  await house.pass(1000);
  toldByInput(house, 'acs_entrance.rex', NOON + 1100);
  await house.pass(5000);
  expect(doorEvents(house)).toHaveLength(1);
});

test('what no input has shown, for the line was cut or it was too short, is told from the log', async () => {
  const house = await opened({ entrances: [WATCHED] });
  toldByInput(house, 'acs_entrance.rex', NOON);
  const hourAgo = NOON - HOUR;
  house.device.eventsPerRead = 1;
  house.device.recorded.push(
    event(1, { kind: 'rex', atMs: hourAgo }),
    event(2, { kind: 'forced', code: 0x11, atMs: hourAgo + 1000 }),
    event(3, { kind: 'rex', atMs: NOON }),
    event(4, { kind: 'rex', atMs: NOON + 1000 }),
  );
  for (let i = 0; i < 50 && house.device.recorded.length > 0; i++) await house.pass(100);
  expect(doorEvents(house).slice(1)).toEqual([
    expect.objectContaining({ event_type: 'acs_entrance.rex', occurred_at: new Date(hourAgo).toISOString() }),
    expect.objectContaining({ event_type: 'acs_entrance.forced', controller_event: { code: 0x11, detail: null } }),
    expect.objectContaining({ event_type: 'acs_entrance.rex', occurred_at: new Date(NOON + 1000).toISOString() }),
  ]);
});

test('the door itself is told of by the controller only where no input is watched for it', async () => {
  const house = await opened();
  house.device.recorded.push(
    event(1, { kind: 'forced' }),
    event(2, { kind: 'other' }),
    event(3, { kind: 'rex', door: 9 }),
  );
  await house.pass(1000);
  expect(doorEvents(house).map(({ event_type: type, acs_entrance_id: at }) => [type, at])).toEqual([
    ['acs_entrance.forced', STORE_ROOM],
    ['acs_entrance.rex', null],
  ]);
});

test('a device that overflowed has said so once', async () => {
  const house = await opened();
  house.device.recorded.push(event(9, {}));
  house.device.isOverflowed = true;
  await house.pass(1000);
  expect(house.eventTypes().filter((type) => type === 'agent.events_dropped')).toHaveLength(1);
});

test('a device that never runs dry, on a slow line, does not hold up what is to be written', async () => {
  const house = await opened();
  let cursor = 0;
  const read = house.device.events.read.bind(house.device.events);
  Object.assign(house.device.events, {
    read: async (max: number) => {
      await new Promise<void>((resolve) => house.clock.after(500, resolve));
      while (house.device.recorded.length < max) house.device.recorded.push(event(++cursor, { slot: null }));
      return await read(max);
    },
  });
  const id = house.create({ code: '4711' });
  for (let i = 0; i < 40 && house.state(id) !== 'set'; i++) await house.pass(250);
  expect(house.state(id)).toBe('set');
  expect(cursor).toBeGreaterThan(0);
});

test('a controller that records without end is read on, told up to its budget, then counted, without a flush for each', async () => {
  const house = await opened();
  let cursor = 0;
  const refill = (count: number): void => {
    for (let n = 0; n < count; n++) house.device.recorded.push(event(++cursor, { kind: 'denied', detail: 'unknown' }));
  };
  while (cursor < 3600) {
    refill(300);
    await house.pass(1000);
  }
  await house.pass(2000);
  const told = doorEvents(house).length;
  const before = house.store.commits;
  for (let n = 0; n < 10; n++) {
    refill(300);
    await house.pass(1000);
  }
  expect(house.device.recorded).toEqual([]);
  expect(doorEvents(house).length - told).toBeLessThan(60);
  // What little comes back of the budget is told, and flushed; the rest shares the commits of bookkeeping.
  expect(house.store.commits - before).toBeLessThan(250);
  await house.pass(30_000);
  const dropped = house.store.events
    .after(0, 1_000_000)
    .filter(({ event_type: type }) => type === 'device.events_dropped')
    .map(({ body }) => JSON.parse(body) as { count: number });
  expect(dropped).not.toEqual([]);
  expect(dropped.reduce((sum, { count }) => sum + count, doorEvents(house).length)).toBe(cursor);
});

test('a credential that works once is used up by a grant that is only counted', async () => {
  const house = await opened({ slots: without({ oneTimeUse: true }) });
  const id = house.create({ code: '4711', is_one_time_use: true });
  await house.settle();
  for (let cursor = 1; cursor <= 3700; cursor++) house.device.recorded.push(event(cursor, {}));
  for (let n = 0; n < 60 && house.device.recorded.length > 0; n++) await house.pass(1000);
  house.device.recorded.push(event(5000, { slot: 0 }));
  await house.pass(2000);
  await house.settle();
  expect(house.store.credentials.byId(id)?.used_at).not.toBeNull();
  expect(house.device.held().size).toBe(0);
});
