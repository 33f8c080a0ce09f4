// The plan in words: what an installer is shown before anything is written.

import { expect, test } from 'vitest';
import { describePlan } from '../../src/sync/describe.ts';
import { House, HOUR, NOON, without } from '../support/sync-house.ts';

test('the plan names what would be erased, written and waited for, and why', async () => {
  const house = new House({ slots: without({ count: 3 }) });
  const plan = () =>
    describePlan(house.store, house.room.site, house.device, house.time(), 72 * HOUR).map(
      ({ acsCredentialId, action, slot, why, atMs }) => [acsCredentialId, action, slot, why, atMs],
    );
  house.sync.start();
  const [gone, changed] = ['4711', '4712'].map((code) => house.create({ code }));
  await house.settle();
  expect(plan()).toEqual([]);
  house.offline();
  await house.settle();
  house.delete(gone ?? '');
  house.update(changed ?? '', { code: '4700' });
  const fresh = house.create({ code: '4713' });
  const later = house.create({ code: '4714', starts_at: NOON + HOUR, ends_at: NOON + 2 * HOUR });
  expect(plan()).toEqual([
    [gone, 'erase', 0, 'deleted', NOON],
    [changed, 'rewrite', 1, 'changed', null],
    [fresh, 'write', 2, 'valid', null],
    [later, 'wait', null, 'not_yet_valid', NOON + HOUR],
  ]);
});

test('the plan names what a controller is to be told of schedules before any slot that needs it', async () => {
  const schedule = '99999999-9999-9999-9999-00000000000a';
  const schedules = { firstZone: 2, lastZone: 3, holidays: 5, timeZone: 'Europe/Oslo' };
  const house = new House({ slots: without({ count: 3, schedules }) });
  house.sync.start();
  house.offline();
  house.schedule(schedule, 'mon 08:00-12:00, 13:00-17:00');
  const id = house.create({ code: '4711', schedule_id: schedule });
  await house.settle();
  const plan = () =>
    describePlan(house.store, house.room.site, house.device, house.time(), 72 * HOUR).map(
      ({ acsCredentialId, action, why }) => [acsCredentialId, action, why],
    );
  expect(plan()).toEqual([
    [null, 'schedule', 'the holidays'],
    [null, 'schedule', 'time zone 2, for Schedule a'],
    [null, 'schedule', 'time zone 3, for Schedule a'],
    [id, 'write', 'valid'],
  ]);
  house.online();
  await house.settle();
  expect(plan()).toEqual([]);
});
