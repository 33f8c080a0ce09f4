// From the store to the slot: what is written when, what is skipped, what is said about it.

import { expect, test } from 'vitest';
import { foreignRecord } from '../support/memory-device.ts';
import { House, HOUR, NOON, without } from '../support/sync-house.ts';

const started = (...options: ConstructorParameters<typeof House>): House => {
  const house = new House(...options);
  house.sync.start();
  return house;
};

const writes = (house: House): number => house.device.calls.filter(({ what }) => what === 'write').length;

test('a credential is written, read back, and only then called set and issued', async () => {
  const house = started();
  const id = house.create({ code: '4711' });
  await house.settle();
  expect(house.state(id)).toBe('set');
  expect(house.target(id)?.verified_at).toBe(NOON);
  expect(house.pins()).toEqual(['4711']);
  expect(house.eventTypes(id)).toEqual(['access_code.set_on_device', 'acs_credential.issued']);
});

test('an equal write is skipped, a changed one is made, and the change is said to be reissued', async () => {
  const house = started();
  const id = house.create({ code: '4711' });
  await house.settle();
  const before = writes(house);
  house.update(id, { display_name: 'Same code' });
  house.update(id, { code: '4711' });
  await house.settle();
  expect(writes(house)).toBe(before);
  house.update(id, { code: '4712' });
  await house.settle();
  expect(writes(house)).toBe(before + 1);
  expect(house.pins()).toEqual(['4712']);
  expect(house.eventTypes(id).filter((type) => type === 'acs_credential.reissued')).toHaveLength(2);
});

test('many credentials go in a few writes, each in a slot of its own, lowest first', async () => {
  const house = started();
  await house.settle();
  house.device.calls.length = 0;
  const ids = Array.from({ length: 40 }, (_, i) => house.create({ code: String(4000 + i) }));
  await house.settle();
  expect(ids.map((id) => house.state(id))).toEqual(ids.map(() => 'set'));
  expect([...house.device.table.keys()].sort((a, b) => a - b)).toEqual(ids.map((_, i) => i));
  // Whole transfers, none of them for one credential alone.
  expect(writes(house)).toBe(Math.ceil(ids.length / (house.device.capabilities.slots?.slotsPerWrite ?? 1)));
});

test(
  'a credential that is deleted while the wire carries others of its step is not sent any more',
  { timeout: 300_000 },
  async () => {
    // However far the step has come by then.
    let held = 0;
    for (let turns = 0; turns < 40; turns++) {
      const house = started({ slots: { slotsPerWrite: 2 } });
      await house.settle();
      const ids = Array.from({ length: 12 }, (_, i) => house.create({ code: String(4000 + i) }));
      const last = ids.at(-1) ?? '';
      await house.turns(turns);
      if (house.target(last)?.slot != null && house.state(last) === 'writing') held += 1;
      house.delete(last);
      const sent: unknown[] = [];
      house.device.onSent = (_, content) => void sent.push(content?.pin);
      await house.settle();
      expect({ turns, isSent: sent.includes('4011') }).toEqual({ turns, isSent: false });
      expect(house.pins().sort()).toEqual(ids.slice(0, -1).map((_, i) => String(4000 + i)));
      await house.close();
    }
    // It was deleted with a slot of its own already, and not yet written, at least once.
    expect(held).toBeGreaterThan(0);
  },
);

test('a stop in the middle of a step, wherever it is, ends it without a word', { timeout: 300_000 }, async () => {
  const unheard: unknown[] = [];
  const hear = (reason: unknown): void => void unheard.push(reason);
  process.on('unhandledRejection', hear);
  try {
    for (let turns = 0; turns < 60; turns++) {
      const house = started({ slots: { slotsPerWrite: 2 } });
      await house.settle();
      // What was read empty is not believed any more, so each part is read before it is written.
      await house.pass(6 * 60_000);
      for (let i = 0; i < 12; i++) house.create({ code: String(4000 + i) });
      await house.turns(turns);
      await house.sync.stop();
      await house.turns(20);
    }
  } finally {
    process.off('unhandledRejection', hear);
  }
  expect(unheard).toEqual([]);
});

test('a deleted credential is erased, read back, and its slot given to the next', async () => {
  const house = started();
  const first = house.create({ code: '4711' });
  house.create({ code: '4712' });
  await house.settle();
  house.delete(first);
  await house.settle();
  expect(house.pins()).toEqual(['4712']);
  expect(house.eventTypes(first)).toContain('access_code.removed_from_device');
  expect(house.store.targets.countOf('store-panel')).toBe(1);
  const third = house.create({ code: '4713' });
  await house.settle();
  expect(house.target(third)?.slot).toBe(0);
});

test('a suspended user is erased at once and comes back with the suspension', async () => {
  const house = started();
  const id = house.create({ code: '4711' });
  await house.settle();
  house.suspend();
  await house.settle();
  expect(house.device.table.size).toBe(0);
  expect(house.state(id)).toBe('removed');
  house.unsuspend();
  await house.settle();
  expect(house.pins()).toEqual(['4711']);
  expect(house.state(id)).toBe('set');
});

test('erasures go before writes, however long the writes have waited', async () => {
  const house = started({ slots: { slotsPerWrite: 1 } });
  const gone = house.create({ code: '4000' });
  await house.settle();
  house.offline();
  await house.pass(1000);
  for (let i = 1; i < 30; i++) house.create({ code: String(4000 + i) });
  await house.settle();
  house.delete(gone);
  house.device.calls.length = 0;
  house.online();
  await house.settle();
  const order = house.device.calls.map(({ what }) => what).filter((what) => what !== 'read');
  expect(order[0]).toBe('erase');
  expect(house.device.table.size).toBe(29);
});

test('an erasure that comes in the middle of a bulk write waits for two parts of it at most', async () => {
  const house = started({ slots: { slotsPerWrite: 2 } });
  const leaver = house.create({ code: '3999' });
  await house.settle();
  for (let i = 0; i < 60; i++) house.create({ code: String(4000 + i) });
  let sent = 0;
  house.device.onSent = () => {
    if (++sent === 1) house.delete(leaver);
  };
  house.device.calls.length = 0;
  await house.settle();
  const slotsBefore = house.device.calls
    .slice(
      0,
      house.device.calls.findIndex(({ what }) => what === 'erase'),
    )
    .reduce((count, { what, slots }) => count + (what === 'write' ? slots.length : 0), 0);
  // The part that was on the wire, the one that was claimed for it next, and the one claimed when the command came.
  expect(slotsBefore).toBeLessThanOrEqual(6);
  expect(house.pins()).toHaveLength(60);
});

test('a bulk write is one step, however much more of it there is than a first step takes', async () => {
  const house = started({ slots: { slotsPerWrite: 2 } });
  await house.settle();
  for (let i = 0; i < 100; i++) house.create({ code: String(4000 + i) });
  // At the start of each step the controller is asked what it has recorded, and the wire waits.
  let asked = 0;
  const { events } = house.device;
  const read = events.read.bind(events);
  events.read = async (max) => {
    asked += 1;
    return await read(max);
  };
  await house.settle();
  expect(asked).toBe(1);
  expect(house.pins()).toHaveLength(100);
});

test('a controller without windows gets a credential at its start and loses it at its end', async () => {
  const house = started({ slots: without() });
  const id = house.create({ code: '4711', starts_at: NOON + HOUR, ends_at: NOON + 2 * HOUR });
  await house.settle();
  expect(house.state(id)).toBe('scheduled');
  await house.pass(HOUR - 1);
  expect(house.device.table.size).toBe(0);
  await house.pass(1);
  expect(house.state(id)).toBe('set');
  expect(house.device.held().get(0)).toMatchObject({ startsAtMs: null, endsAtMs: null });
  await house.pass(HOUR);
  expect(house.device.table.size).toBe(0);
  expect(house.state(id)).toBe('removed');
  expect(house.eventTypes(id)).toContain('acs_credential.invalidated');
});

test('a controller with windows gets it ahead of its start, and keeps it until its end', async () => {
  const house = started();
  const start = NOON + 100 * HOUR;
  const id = house.create({ code: '4711', starts_at: start, ends_at: start + HOUR });
  await house.settle();
  expect(house.state(id)).toBe('scheduled');
  house.clock.leap(28 * HOUR - 20_000);
  await house.pass(20_000);
  expect(house.state(id)).toBe('set');
  expect(house.device.held().get(0)).toMatchObject({ startsAtMs: start, endsAtMs: start + HOUR });
  expect(house.eventTypes(id)).toEqual(['access_code.scheduled_on_device', 'acs_credential.issued']);
  house.clock.leap(72 * HOUR - 20_000);
  await house.pass(20_000);
  expect(house.eventTypes(id)).toContain('access_code.set_on_device');
  expect(writes(house)).toBe(1);
  house.clock.leap(HOUR);
  await house.pass(20_000);
  expect(house.device.table.size).toBe(0);
});

test('windows are kept over a restart in between', async () => {
  const house = started({ slots: without() });
  house.create({ code: '4711', starts_at: NOON + HOUR, ends_at: NOON + 2 * HOUR });
  await house.settle();
  await house.powerCycle(() => house.clock.leap(HOUR));
  expect(house.pins()).toEqual(['4711']);
  await house.powerCycle(() => house.clock.leap(HOUR));
  expect(house.device.table.size).toBe(0);
});

test('with a clock that nobody vouches for nothing begins, and what has ended for certain goes', async () => {
  const house = started({ slots: without() });
  const ending = house.create({ code: '4711', ends_at: NOON + HOUR });
  const beginning = house.create({ code: '4712', starts_at: NOON + HOUR });
  await house.settle();
  await house.powerCycle(() => {
    house.isTrusted = false;
    house.floorMs = NOON + 30 * 60_000;
    house.clock.leap(10 * HOUR);
  });
  expect(house.state(ending)).toBe('set');
  expect(house.state(beginning)).toBe('scheduled');
  house.floorMs = NOON + HOUR;
  await house.pass(20_000);
  expect(house.state(ending)).toBe('removed');
  expect(house.state(beginning)).toBe('set');
  expect(house.pins()).toEqual(['4712']);
});

test('a device that masks what it holds ends at unconfirmed, and a changed code behind the mask is still written', async () => {
  const house = started({ slots: { readBack: 'masked' } });
  const id = house.create({ code: '4711' });
  await house.settle();
  expect(house.state(id)).toBe('unconfirmed');
  expect(house.eventTypes(id)).toContain('acs_credential.issued');
  house.update(id, { code: '4712' });
  await house.settle();
  expect(house.pins()).toEqual(['4712']);
  const before = writes(house);
  house.sync.compareAll();
  await house.settle();
  expect(writes(house)).toBe(before);
});

test('a device that cannot be read ends at unconfirmed, and is never asked to read', async () => {
  const house = started({ slots: { readBack: 'none' } });
  const id = house.create({ code: '4711' });
  await house.settle();
  expect(house.state(id)).toBe('unconfirmed');
  expect(house.target(id)?.verified_at).toBeNull();
  house.delete(id);
  await house.settle();
  expect(house.device.table.size).toBe(0);
  expect(house.device.calls.some(({ what }) => what === 'read')).toBe(false);
});

test('a full table fails the ones that find no room, says so once, and writes them when room appears', async () => {
  const house = started({ slots: { count: 3 } });
  await house.settle();
  house.device.table.set(2, foreignRecord('cleaner'));
  const ids = ['4711', '4712'].map((code) => house.create({ code }));
  await house.settle();
  const late = house.create({ code: '4713' });
  await house.settle();
  expect(house.state(late)).toBe('failed');
  expect(house.target(late)?.error_type).toBe('no_space_for_access_code_on_device');
  await house.pass(HOUR);
  expect(house.eventTypes(late)).toEqual(['access_code.failed_to_set_on_device']);
  house.delete(ids[0] ?? '');
  await house.settle();
  expect(house.state(late)).toBe('set');
  expect(house.pins()).toEqual(['4712', '4713']);
  expect(house.device.table.get(2)).toEqual(foreignRecord('cleaner'));
});

test('what the device refuses for good stays failed until the credential changes', async () => {
  const house = started();
  await house.settle();
  house.device.faults.refusal = 'bad_pin';
  const id = house.create({ code: '4711' });
  await house.settle();
  expect(house.target(id)).toMatchObject({ state: 'failed', error_type: 'code_constraints_violated', slot: null });
  house.device.heal();
  await house.pass(HOUR);
  expect(house.state(id)).toBe('failed');
  house.update(id, { code: '4712' });
  await house.settle();
  expect(house.state(id)).toBe('set');
  expect(house.eventTypes(id)).toEqual([
    'access_code.failed_to_set_on_device',
    'access_code.set_on_device',
    'acs_credential.issued',
  ]);
});

test('a new code that the device refuses does not leave the old one behind', async () => {
  const house = started();
  const id = house.create({ code: '4711' });
  await house.settle();
  house.device.faults.refusal = null;
  house.device.table.set(50, Buffer.from(JSON.stringify({ pin: '4712' })));
  house.update(id, { code: '4712' });
  await house.settle();
  expect(house.target(id)).toMatchObject({ state: 'failed', error_type: 'duplicate_access_code', slot: null });
  expect([...house.device.table.keys()]).toEqual([50]);
});

test('two codes that change places pass each other on a device that takes each code once', async () => {
  const house = started();
  const a = house.create({ code: '1111', ends_at: NOON + HOUR });
  const b = house.create({ code: '2222' });
  await house.settle();
  house.offline();
  await house.pass(1000);
  house.update(b, { code: '3333' });
  house.update(a, { code: '2222' });
  house.update(b, { code: '1111' });
  house.online();
  await house.settle();
  await house.pass(10_000);
  expect([house.state(a), house.state(b)]).toEqual(['set', 'set']);
  expect(house.pins()).toEqual(['1111', '2222']);
});

test('the same code for the next guest waits for the end of the one before', async () => {
  const house = started();
  const first = house.create({ code: '4711', ends_at: NOON + HOUR });
  await house.settle();
  const next = house.create({ code: '4711', starts_at: NOON + HOUR });
  await house.settle();
  expect(house.state(next)).toBe('scheduled');
  await house.pass(HOUR);
  expect(house.state(first)).toBe('removed');
  await house.pass(10_000);
  expect(house.state(next)).toBe('set');
  expect(house.eventTypes(next)).not.toContain('access_code.failed_to_set_on_device');
});

test('a device that acknowledges and does not store is found out, tried again with pauses, and said to fail', async () => {
  const house = started();
  await house.settle();
  house.device.faults.isForgetful = true;
  const id = house.create({ code: '4711' });
  await house.settle();
  expect(house.state(id)).toBe('writing');
  await house.pass(10_000);
  expect(house.state(id)).toBe('failed');
  const tries = writes(house);
  await house.pass(1000);
  expect(writes(house) - tries).toBeLessThan(2);
  house.device.heal();
  await house.pass(10 * 60_000);
  expect(house.state(id)).toBe('set');
  expect(house.eventTypes(id)).toEqual([
    'access_code.failed_to_set_on_device',
    'access_code.set_on_device',
    'acs_credential.issued',
  ]);
});

test('one slot that never answers does not hold up the others', async () => {
  const house = started();
  const bad = house.create({ code: '4711' });
  await house.settle();
  house.device.faults = { ...house.device.faults, isSilent: true, onlySlots: [0] };
  house.update(bad, { code: '4700' });
  await house.pass(60_000);
  expect(house.state(bad)).toBe('writing');
  const good = house.create({ code: '4712' });
  await house.settle();
  expect(house.state(good)).toBe('set');
  house.device.heal();
  await house.pass(6 * 60_000);
  expect(house.state(bad)).toBe('set');
});

test('an end that passes while the controller is off is an alarm once, until it is erased', async () => {
  const house = started({ slots: without() });
  const id = house.create({ code: '4711', ends_at: NOON + HOUR });
  await house.settle();
  house.offline();
  await house.pass(HOUR + 59_000);
  expect(house.eventTypes(id)).not.toContain('access_code.failed_to_expire');
  await house.pass(5000);
  expect(house.eventTypes(id).filter((type) => type === 'access_code.failed_to_expire')).toHaveLength(1);
  await house.pass(HOUR);
  expect(house.eventTypes(id).filter((type) => type === 'access_code.failed_to_expire')).toHaveLength(1);
  expect(house.store.targets.summary().oldest_pending_erasure_at).toBe(NOON + HOUR);
  house.online();
  await house.settle();
  expect(house.state(id)).toBe('removed');
  expect(house.store.targets.summary().oldest_pending_erasure_at).toBeNull();
});

test('an erasure that the device refuses is said once and tried on', async () => {
  const house = started();
  const id = house.create({ code: '4711' });
  await house.settle();
  house.device.faults.refusal = 'device_error';
  house.suspend();
  await house.settle();
  await house.pass(30_000);
  expect(house.state(id)).toBe('removing');
  expect(house.eventTypes(id).filter((type) => type === 'access_code.failed_to_remove_from_device')).toHaveLength(1);
  house.device.heal();
  await house.pass(5 * 60_000);
  expect(house.state(id)).toBe('removed');
});

test('a command while the write is on its way is not lost', async () => {
  const house = started();
  await house.settle();
  const id = house.create({ code: '4711' });
  let isChanged = false;
  house.device.beforeEach = () => {
    if (!isChanged && house.device.calls.at(-1)?.what === 'write') {
      isChanged = true;
      house.update(id, { code: '4712' });
    }
    return Promise.resolve();
  };
  await house.settle();
  expect(isChanged).toBe(true);
  expect(house.pins()).toEqual(['4712']);
  expect(house.state(id)).toBe('set');
  expect(house.eventTypes(id).filter((type) => type.startsWith('acs_credential.'))).toEqual(['acs_credential.issued']);
});
