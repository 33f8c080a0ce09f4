// The end of a credential is said once, by the clock as far as it can be trusted.

import { expect, test } from 'vitest';
import { LOBBY } from '../support/room.ts';
import { House, HOUR, NOON } from '../support/sync-house.ts';

const ended = (house: House): unknown[] =>
  house
    .events()
    .flatMap((event) => (event.event_type === 'acs_credential.invalidated' ? [event.acs_credential_id] : []));

test('each ended credential is said to be invalid once, in the order of their ends', async () => {
  const house = new House();
  house.sync.start();
  const [b, a] = [2, 1].map((hours) =>
    house.create({ code: `000${hours}`, ends_at: NOON + hours * HOUR, allowed_acs_entrance_ids: [LOBBY] }),
  );
  await house.pass(15_000);
  expect(ended(house)).toEqual([]);
  house.clock.leap(HOUR - 15_001);
  await house.pass(15_000);
  expect(ended(house)).toEqual([a]);
  house.clock.leap(HOUR);
  await house.pass(15_000);
  await house.powerCycle();
  expect(ended(house)).toEqual([a, b]);
  expect(house.events()).toContainEqual(expect.objectContaining({ acs_credential_id: a, reason: 'expired' }));
});

test('an end is said at its very instant', async () => {
  const house = new House();
  house.sync.start();
  await house.settle();
  house.create({ code: '0001', ends_at: NOON + 1000, allowed_acs_entrance_ids: [LOBBY] });
  await house.pass(15_000);
  house.create({ code: '0002', ends_at: NOON + 16_000, allowed_acs_entrance_ids: [LOBBY] });
  await house.pass(15_000);
  expect(ended(house)).toHaveLength(2);
});

test('the end itself is when it occurred, however late it is noticed', async () => {
  const house = new House();
  const id = house.create({ code: '0001', ends_at: NOON + HOUR, allowed_acs_entrance_ids: [LOBBY] });
  house.clock.leap(9 * HOUR);
  house.sync.start();
  await house.settle();
  expect(house.events()).toContainEqual(
    expect.objectContaining({
      event_type: 'acs_credential.invalidated',
      acs_credential_id: id,
      occurred_at: new Date(NOON + HOUR).toISOString(),
      created_at: new Date(NOON + 9 * HOUR).toISOString(),
    }),
  );
});

test('an untrusted clock ends only what ended before its floor', async () => {
  const house = new House();
  house.create({ code: '0001', ends_at: NOON + HOUR, allowed_acs_entrance_ids: [LOBBY] });
  house.isTrusted = false;
  house.clock.leap(10 * HOUR);
  house.sync.start();
  await house.pass(15_000);
  expect(ended(house)).toEqual([]);
  house.floorMs = NOON + HOUR;
  await house.pass(15_000);
  expect(ended(house)).toHaveLength(1);
});

test('many that end together are all said', async () => {
  const house = new House();
  for (let i = 0; i < 300; i++)
    house.create({ code: String(10_000 + i), ends_at: NOON + HOUR, allowed_acs_entrance_ids: [LOBBY] });
  house.clock.leap(HOUR);
  house.sync.start();
  await house.settle();
  expect(ended(house)).toHaveLength(300);
});
