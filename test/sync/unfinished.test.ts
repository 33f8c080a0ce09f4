// What a restart, a lost answer or a stubborn controller leaves unfinished: it is taken up again, and nothing is
// believed that nobody has said.

import { expect, test } from 'vitest';
import { House, HOUR, NOON, without } from '../support/sync-house.ts';

const started = (...options: ConstructorParameters<typeof House>): House => {
  const house = new House(...options);
  house.sync.start();
  return house;
};

const calls = (house: House, what: 'write' | 'erase'): number =>
  house.device.calls.filter((call) => call.what === what).length;
const count = (house: House, id: string, type: string): number =>
  house.eventTypes(id).filter((one) => one === type).length;

test('an erasure that waited for its next try is tried again at once after a restart', async () => {
  const house = started();
  const id = house.create({ code: '4711' });
  await house.settle();
  house.device.faults.isForgetful = true;
  house.delete(id);
  await house.settle();
  expect(house.target(id)).toBeUndefined();
  expect(house.store.targets.summary()).toMatchObject({ pending: 1 });
  expect(house.pins()).toEqual(['4711']);
  house.device.heal();
  await house.powerCycle();
  expect(house.pins()).toEqual([]);
  expect(house.store.targets.summary()).toMatchObject({ pending: 0 });
});

test('and so is a write', async () => {
  const house = started();
  await house.settle();
  house.device.faults.isForgetful = true;
  const id = house.create({ code: '4711' });
  await house.settle();
  expect(house.state(id)).toBe('writing');
  house.device.heal();
  await house.powerCycle();
  expect(house.state(id)).toBe('set');
});

test('a record that is masked is not believed without an answer: it may still hold the code from before', async () => {
  const house = started({ slots: { readBack: 'masked' } });
  const id = house.create({ code: '4711' });
  await house.settle();
  expect(house.state(id)).toBe('unconfirmed');
  Object.assign(house.device.faults, { isForgetful: true, isAnswerLost: true });
  house.update(id, { code: '4712' });
  await house.settle();
  expect(house.pins()).toEqual(['4711']);
  expect(house.state(id)).toBe('writing');
  house.device.heal();
  await house.pass(HOUR);
  expect(house.pins()).toEqual(['4712']);
  expect(house.state(id)).toBe('unconfirmed');
});

test('an erasure is overdue a minute after the end, however often it was tried in vain meanwhile, and that is said once', async () => {
  const house = started({ slots: without() });
  const id = house.create({ code: '4711', ends_at: NOON + HOUR });
  await house.settle();
  house.device.faults.isForgetful = true;
  await house.pass(HOUR + 59_000);
  expect(calls(house, 'erase')).toBeGreaterThan(3);
  expect(count(house, id, 'access_code.failed_to_expire')).toBe(0);
  await house.pass(1_000);
  expect(count(house, id, 'access_code.failed_to_expire')).toBe(1);
  await house.pass(HOUR);
  expect(count(house, id, 'access_code.failed_to_expire')).toBe(1);
  expect(house.store.targets.summary().oldest_pending_erasure_at).toBe(NOON + HOUR);
});

test('and so is one that was taken away: its minute does not begin anew with each try', async () => {
  const house = started();
  const id = house.create({ code: '4711' });
  await house.settle();
  const since = house.clock.nowMs();
  house.device.faults.isForgetful = true;
  house.suspend();
  await house.settle();
  await house.pass(59_000);
  expect(calls(house, 'erase')).toBeGreaterThan(3);
  const before = count(house, id, 'access_code.failed_to_remove_from_device');
  await house.pass(1_000);
  expect(count(house, id, 'access_code.failed_to_remove_from_device')).toBe(before + 1);
  expect(house.store.targets.summary().oldest_pending_erasure_at).toBe(since);
});

test('nor does a code that the controller neither replaces nor gives up begin anew with each try', async () => {
  const house = started();
  const id = house.create({ code: '4711' });
  await house.settle();
  const since = house.clock.nowMs();
  house.device.faults.refusal = 'device_error';
  house.update(id, { code: '4712' });
  await house.settle();
  expect(house.pins()).toEqual(['4711']);
  await house.pass(59_000);
  expect(calls(house, 'erase')).toBeGreaterThan(3);
  const before = count(house, id, 'access_code.failed_to_remove_from_device');
  await house.pass(1_000);
  expect(count(house, id, 'access_code.failed_to_remove_from_device')).toBe(before + 1);
  await house.pass(HOUR);
  expect(count(house, id, 'access_code.failed_to_remove_from_device')).toBe(before + 1);
  expect(house.store.targets.summary().oldest_pending_erasure_at).toBe(since);
});
