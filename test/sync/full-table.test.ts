// A full table: whoever is valid now has a slot before whoever comes later, and nobody who was accepted stands before a
// shut door without a word.

import { expect, test } from 'vitest';
import { foreignRecord } from '../support/memory-device.ts';
import { House, HOUR, NOON } from '../support/sync-house.ts';

const pin = (n: number): string => String(100_000 + n);
const countIn = (house: House, ids: readonly string[], state: string): number =>
  ids.filter((id) => house.state(id) === state).length;
const typesOf = (house: House, type: string): number => house.eventTypes().filter((one) => one === type).length;

test('credentials of the day after tomorrow give their slots to those of today, the latest start first', async () => {
  const house = new House({ slots: { count: 50, pin: { lengths: [6] } } });
  house.sync.start();
  const later = Array.from({ length: 40 }, (_, i) =>
    house.create({
      code: pin(i),
      starts_at: NOON + 48 * HOUR + i * 60_000,
      ends_at: NOON + 60 * HOUR,
    }),
  );
  await house.settle();
  expect(countIn(house, later, 'set')).toBe(40);
  const today = Array.from({ length: 20 }, (_, i) => house.create({ code: pin(500 + i), ends_at: NOON + 24 * HOUR }));
  await house.settle();
  await house.pass(2_000);
  expect(countIn(house, today, 'set')).toBe(20);
  expect(later.map((id) => house.state(id))).toEqual(later.map((_, i) => (i < 30 ? 'set' : 'scheduled')));
  expect(typesOf(house, 'access_code.failed_to_set_on_device')).toBe(0);
  expect(house.device.held().size).toBe(50);

  house.clock.leap(24 * HOUR);
  await house.pass(15_000);
  expect(countIn(house, today, 'removed')).toBe(20);
  expect(countIn(house, later, 'set')).toBe(40);
  expect(house.pins()).toEqual(later.map((_, i) => pin(i)));
});

test('one that made way has its slot at its start, and one that starts still later makes way for it', async () => {
  const house = new House({ slots: { count: 2 } });
  house.sync.start();
  const [soon, late] = [1, 2].map((days) =>
    house.create({ code: `470${days}`, starts_at: NOON + days * 24 * HOUR, ends_at: NOON + 90 * HOUR }),
  );
  await house.settle();
  const guest = house.create({ code: '4711', ends_at: NOON + 40 * HOUR });
  const cleaner = house.create({ code: '4712', ends_at: NOON + 20 * HOUR });
  await house.settle();
  await house.pass(2_000);
  expect([guest, cleaner, soon, late].map((id) => house.state(id ?? ''))).toEqual([
    'set',
    'set',
    'scheduled',
    'scheduled',
  ]);
  house.clock.leap(24 * HOUR);
  await house.pass(15_000);
  expect([guest, cleaner, soon, late].map((id) => house.state(id ?? ''))).toEqual([
    'set',
    'removed',
    'set',
    'scheduled',
  ]);
  house.clock.leap(24 * HOUR);
  await house.pass(15_000);
  expect([guest, soon, late].map((id) => house.state(id ?? ''))).toEqual(['removed', 'set', 'set']);
  expect(typesOf(house, 'access_code.failed_to_set_on_device')).toBe(0);
});

test('whoever starts later than all that are there waits for room, without a slot being emptied', async () => {
  const house = new House({ slots: { count: 1 } });
  house.sync.start();
  const first = house.create({ code: '4711', starts_at: NOON + HOUR, ends_at: NOON + 2 * HOUR });
  await house.settle();
  const next = house.create({ code: '4712', starts_at: NOON + 2 * HOUR, ends_at: NOON + 3 * HOUR });
  await house.settle();
  await house.pass(10_000);
  expect([house.state(first), house.state(next)]).toEqual(['set', 'scheduled']);
  expect(house.device.calls.filter(({ what }) => what === 'erase')).toEqual([]);
  house.clock.leap(2 * HOUR);
  await house.pass(15_000);
  expect([house.state(first), house.state(next)]).toEqual(['removed', 'set']);
});

test('while nobody answers nothing more gives way than is needed, and the power may go in between', async () => {
  const house = new House({ slots: { count: 10, pin: { lengths: [6] } } });
  house.sync.start();
  const later = Array.from({ length: 10 }, (_, i) =>
    house.create({ code: pin(i), starts_at: NOON + 48 * HOUR + i, ends_at: NOON + 60 * HOUR }),
  );
  await house.settle();
  house.device.faults.isSilent = true;
  const today = [1, 2].map((n) => house.create({ code: pin(900 + n), ends_at: NOON + 24 * HOUR }));
  await house.settle();
  await house.pass(60_000);
  expect(countIn(house, later, 'removing')).toBe(2);
  await house.kill();
  house.device.heal();
  await house.pass(15_000);
  expect(countIn(house, today, 'set')).toBe(2);
  expect(later.map((id) => house.state(id))).toEqual(later.map((_, i) => (i < 8 ? 'set' : 'scheduled')));
});

test('slots that others fill after credentials were accepted are told of before the one who will find none comes', async () => {
  const house = new House({ slots: { count: 3 } });
  house.sync.start();
  await house.settle();
  house.create({ code: '4711' });
  const tomorrow = house.create({ code: '4712', starts_at: NOON + 100 * HOUR, ends_at: NOON + 200 * HOUR });
  const after = house.create({ code: '4713', starts_at: NOON + 101 * HOUR, ends_at: NOON + 200 * HOUR });
  await house.settle();
  expect(typesOf(house, 'device.slots_short')).toBe(0);
  house.device.table.set(1, foreignRecord('cleaner'));
  await house.sync.resync(house.device.name);
  await house.pass(120_000);
  const short = house.events().filter(({ event_type: type }) => type === 'device.slots_short');
  expect(short).toEqual([
    expect.objectContaining({
      device: house.device.name,
      slots: 3,
      foreign: 1,
      missing: 1,
      first_at: new Date(NOON + 101 * HOUR).toISOString(),
      acs_credential_ids: [after],
    }),
  ]);
  expect(house.sync.status(house.device.name)?.problem).toMatch(/1 more credentials are valid here than it has slots/);
  house.delete(tomorrow);
  await house.pass(120_000);
  expect(house.sync.status(house.device.name)?.problem).toBeNull();
  expect(typesOf(house, 'device.slots_short')).toBe(1);
});
