// What the facility file may say about SOYAL buses and controllers, and what `check` answers about it.

import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { PreparedController } from '../../../drivers/driver.ts';
import { soyalDriver } from '../../../drivers/soyal/driver.ts';

const bus = (change: Record<string, unknown> = {}): unknown =>
  soyalDriver.busSchema.parse({ port: '/dev/serial/by-id/usb-0', ...change });
const prepare = (config: Record<string, unknown>) =>
  soyalDriver.prepare('annex-door', bus(), soyalDriver.controllerSchema.parse(config), '/');
const prepared = (name: string, config: Record<string, unknown>): PreparedController => {
  const { controller } = soyalDriver.prepare(name, bus(), soyalDriver.controllerSchema.parse(config), '/');
  if (controller === null) throw new Error('not prepared');
  return controller;
};

describe('one controller', () => {
  test('an address is enough: 9600 8N1, the smaller table, four-digit PINs, no windows', () => {
    expect(bus()).toMatchObject({ baud: 9600, parity: 'none', data_bits: 8, stop_bits: 1 });
    const { controller, problems } = prepare({ address: 1 });
    expect(problems).toEqual([]);
    expect(controller?.capabilities).toMatchObject({
      slots: {
        firstSlot: 1,
        count: 1023,
        pin: { lengths: [4] },
        cardFormats: ['uid', 'H10301', 'H10306'],
        cardAndPin: true,
        pinWithoutCard: true,
        windows: 'none',
        readBack: 'full',
        oneTimeUse: false,
      },
      outputs: [{ devicePulse: true, pulseMinMs: 5_000, pulseMaxMs: 5_000, readBack: true }],
      doors: [{ door: 1, strike: 0, contact: 0, rex: 1 }],
      clock: true,
      events: true,
    });
  });

  test('the larger table, a first address and no PIN without a card show in what it can do', () => {
    const { controller } = prepare({ address: 254, slots: { first: 100, count: 3072 }, pin_without_card: false });
    expect(controller?.capabilities.slots).toMatchObject({ firstSlot: 100, count: 2972, pinWithoutCard: false });
  });

  test('a table in which no address is left is a mistake with its remedy', () => {
    const { controller, problems } = prepare({ address: 1, slots: { first: 2000 } });
    expect(controller).toBeNull();
    expect(problems).toMatchObject([{ severity: 'error', path: ['slots', 'first'], remedy: expect.any(String) }]);
  });

  test('a time zone that firmware with this table does not have is a mistake with its remedy', () => {
    expect(prepare({ address: 1, zone: 12 })).toMatchObject({
      controller: null,
      problems: [{ severity: 'error', path: ['zone'], remedy: expect.stringContaining('11') }],
    });
    expect(prepare({ address: 1, zone: 11 }).problems).toEqual([]);
    expect(prepare({ address: 1, zone: 63, slots: { count: 3072 } }).problems).toEqual([]);
  });

  test('time zones that Lintel may write are told to the house, none by default', () => {
    expect(prepare({ address: 1 }).controller?.capabilities.slots?.schedules).toBeNull();
    const config = { address: 1, time_zone: 'Europe/Oslo', zone: 1, schedule_zones: { first: 2, last: 11 } };
    expect(prepare(config).controller?.capabilities.slots?.schedules).toEqual({
      firstZone: 2,
      lastZone: 11,
      holidays: 100,
      timeZone: 'Europe/Oslo',
    });
  });

  test.each([
    [{ first: 2, last: 12 }, 0, ['schedule_zones', 'last'], 'and no 12'],
    [{ first: 5, last: 2 }, 0, ['schedule_zones', 'last'], 'before the first'],
    [{ first: 2, last: 5 }, 3, ['schedule_zones'], 'among those that Lintel overwrites'],
  ])('time zones %j with zone %d are a mistake with its remedy', (zones, zone, path, message) => {
    expect(prepare({ address: 1, zone, schedule_zones: zones })).toMatchObject({
      controller: null,
      problems: [{ severity: 'error', path, message: expect.stringContaining(message), remedy: expect.any(String) }],
    });
  });

  test.each([
    [{ address: 0 }],
    [{ address: 255 }],
    [{ address: 1, slots: { count: 1000 } }],
    [{ address: 1, poll: '5ms' }],
    [{ address: 1, door_pulse: '5' }],
    [{ address: 1, time_zone: 'Oslo' }],
    [{ address: 1, nonsense: true }],
  ])('%j is refused', (config) => {
    expect(soyalDriver.controllerSchema.safeParse(config).success).toBe(false);
  });

  test('what the schema has filled in goes through it unchanged, with keys of the facility file beside it', () => {
    const once = soyalDriver.controllerSchema.parse({ address: 1 });
    expect(soyalDriver.controllerSchema.parse(once)).toEqual(once);
    const beside = { ...once, bus: 'annex', foreign_slots: 'report', card_formats: ['uid'] };
    expect(soyalDriver.prepare('annex-door', { ...Object(bus()), driver: 'soyal' }, beside, '/').problems).toEqual([]);
  });

  test('every key is described to an editor', () => {
    for (const schema of [soyalDriver.busSchema, soyalDriver.controllerSchema]) {
      const { properties } = z.toJSONSchema(schema, { io: 'input' });
      expect(
        Object.values(properties ?? {}).every((one) => typeof one === 'object' && one.description !== undefined),
      ).toBe(true);
    }
  });
});

describe('one bus', () => {
  test('two controllers at one address are a mistake', () => {
    const both = [prepared('front', { address: 3 }), prepared('back', { address: 3 })];
    expect(soyalDriver.checkBus('annex', bus(), both)).toMatchObject([
      { severity: 'error', path: ['controllers', 'back', 'address'], message: expect.stringContaining('front') },
    ]);
  });

  test('a bus that is filled by reading inputs is a warning, and not with longer periods', () => {
    const many = (poll: string) => Array.from({ length: 8 }, (_, i) => prepared(`door-${i}`, { address: i + 1, poll }));
    expect(soyalDriver.checkBus('annex', bus(), many('250ms'))).toMatchObject([{ severity: 'warning' }]);
    expect(soyalDriver.checkBus('annex', bus(), many('1s'))).toEqual([]);
  });

  test('a port whose name moves is a warning', () => {
    expect(soyalDriver.checkBus('annex', bus({ port: '/dev/ttyUSB0' }), [])).toMatchObject([{ severity: 'warning' }]);
  });
});
