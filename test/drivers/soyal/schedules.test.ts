// Weekly schedules in the controller's own time zones, and users by card number: written by the driver, obeyed by the
// controller with the driver gone.

import { expect, test } from 'vitest';
import { SoyalDevice } from '../../../drivers/soyal/device.ts';
import { zonesForWeek } from '../../../drivers/soyal/time-zones.ts';
import { content, openSite, slotsOf, type Site } from './site.ts';

const MORNING = { beginMinute: 8 * 60, endMinute: 12 * 60 };
const AFTERNOON = { beginMinute: 13 * 60, endMinute: 17 * 60 };
/** Monday both, Tuesday the morning. */
const WEEK = [[], [MORNING, AFTERNOON], [MORNING], [], [], [], []];
const CARD = { canonical: 'uid:04A1B2C3', uid: 0x04a1b2c3 };

function maintenanceOf(site: Site) {
  const device = site.device();
  if (!(device instanceof SoyalDevice)) throw new Error('the driver makes SOYAL devices');
  return device.maintenance;
}

test('a user of a zone is let in when its week says so, and at no other time', async () => {
  const site = await openSite({ configured: [{ address: 1, zone: 3 }] });
  const zones = zonesForWeek(WEEK, 3, 12);
  expect(await maintenanceOf(site).writeTimeZones(3, zones ?? [])).toEqual({ outcome: 'done' });
  await slotsOf(site.device()).write([{ slot: 1, content: content({ card: CARD.canonical }) }]);
  await site.driver.stop(1_000);

  const { door } = site.controller;
  const opensAt = (day: number, hour: number, minute = 0): boolean => {
    // 5 January 2026 was a Monday.
    door.clockMs = Date.UTC(2026, 0, 4 + day, hour, minute);
    return door.presentCard(CARD.uid);
  };
  expect([opensAt(1, 9), opensAt(1, 14), opensAt(2, 9)]).toEqual([true, true, true]);
  expect([opensAt(1, 12, 30), opensAt(1, 18), opensAt(2, 14), opensAt(3, 9), opensAt(0, 0)]).toEqual(
    Array(5).fill(false),
  );
});

test('schedules and holidays as the synchronisation knows them hold in the controller, an open minute more on neither side', async () => {
  const site = await openSite({ configured: [{ address: 1, schedule_zones: { first: 3, last: 4 } }] });
  const device = site.device();
  const range = (from: number, until: number) => ({ fromMinute: from * 60, untilMinute: until * 60 });
  const closed = Array<null>(6).fill(null);
  const write = { days: [range(13, 17), ...closed], onHolidays: false, link: null };
  expect(await device.schedules?.writeZone(4, write)).toEqual({ outcome: 'done' });
  expect(await device.schedules?.writeZone(3, { ...write, days: [range(8, 12), ...closed], link: 4 })).toEqual({
    outcome: 'done',
  });
  const days = Array.from({ length: 31 }, (_, day) => `01-${String(day + 1).padStart(2, '0')}`).filter(
    (day) => day !== '01-05',
  );
  expect(await device.schedules?.writeHolidays(days, 0)).toEqual({ outcome: 'done' });
  await slotsOf(device).write([{ slot: 1, content: content({ card: CARD.canonical, zone: 3 }) }]);

  const { door } = site.controller;
  const opensAt = (day: number, hour: number, minute: number): boolean => {
    door.clockMs = Date.UTC(2026, 0, day, hour, minute);
    return door.presentCard(CARD.uid);
  };
  expect([opensAt(5, 7, 59), opensAt(5, 8, 0), opensAt(5, 11, 59), opensAt(5, 12, 0)]).toEqual([
    false,
    true,
    true,
    false,
  ]);
  expect([opensAt(5, 12, 59), opensAt(5, 13, 0), opensAt(5, 16, 59), opensAt(5, 17, 0)]).toEqual([
    false,
    true,
    true,
    false,
  ]);
  // The fifth is no holiday, the twelfth is one.
  expect([opensAt(6, 9, 0), opensAt(12, 9, 0)]).toEqual([false, false]);

  // Fewer than before: what stood behind them means none of the former days any more.
  expect(await device.schedules?.writeHolidays(['12-25'], days.length)).toEqual({ outcome: 'done' });
  expect(opensAt(12, 9, 0)).toBe(true);
  expect(await device.schedules?.writeHolidays([], days.length)).toEqual({ outcome: 'done' });
  expect(opensAt(12, 9, 0)).toBe(true);
  expect(door.holidays).toHaveLength(days.length);
});

test('a card without a schedule keeps the zone of the facility file', async () => {
  const site = await openSite({ configured: [{ address: 1, zone: 7, schedule_zones: { first: 3, last: 4 } }] });
  await slotsOf(site.device()).write([
    { slot: 1, content: content({ card: CARD.canonical }) },
    { slot: 2, content: content({ card: 'uid:04A1B2C4', zone: 4 }) },
  ]);
  expect([...site.controller.door.users.values()].map(({ zone }) => zone)).toEqual([7, 4]);
});

test('more zones than one frame holds are written in parts, and holidays with them', async () => {
  const site = await openSite();
  const zones = Array.from({ length: 11 }, () => ({
    link: 0,
    onHolidays: true,
    level: 0,
    days: Array(7).fill(MORNING),
  }));
  expect(await maintenanceOf(site).writeTimeZones(1, zones)).toEqual({ outcome: 'done' });
  expect([...site.controller.door.zones.keys()]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  expect(await maintenanceOf(site).writeHolidays(0, [{ month: 12, day: 25 }])).toEqual({ outcome: 'done' });
  expect(site.controller.door.holidays).toEqual([{ month: 12, day: 25 }]);
});

test('a user is inserted and deleted by card number where the firmware can, and refused where it cannot', async () => {
  const user = { uid: CARD.uid, pin: 0, mode: 1, zone: 0 };
  const newer = await openSite();
  expect(await maintenanceOf(newer).insertUser(user)).toEqual({ outcome: 'done' });
  expect(newer.controller.door.presentCard(CARD.uid)).toBe(true);
  expect(await maintenanceOf(newer).deleteUser(CARD.uid)).toEqual({ outcome: 'done' });
  expect(newer.controller.door.presentCard(CARD.uid)).toBe(false);

  const older = await openSite({ simulated: [{ address: 1, knowsUid: false }] });
  expect(await maintenanceOf(older).insertUser(user)).toMatchObject({ outcome: 'refused' });
});
