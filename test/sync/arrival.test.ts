// Somebody who comes soon, and a door that does not know it yet.

import { expect, it } from 'vitest';
import { STORE_ROOM } from '../support/room.ts';
import { House, HOUR, NOON, without } from '../support/sync-house.ts';

const MINUTE = 60_000;
const told = (house: House): Record<string, unknown>[] =>
  house.events().filter(({ event_type: type }) => type === 'acs_credential.not_ready');

async function opened(options: ConstructorParameters<typeof House>[0] = {}): Promise<House> {
  const house = new House({ arrivalMs: 30 * MINUTE, ...options });
  house.sync.start();
  await house.settle();
  return house;
}

it('is an alarm half an hour ahead, once, with the doors named', async () => {
  const house = await opened();
  house.offline();
  const id = house.create({ code: '4711', starts_at: NOON + 2 * HOUR });
  await house.pass(MINUTE);
  expect(told(house)).toEqual([]);
  house.clock.leap(89 * MINUTE);
  await house.pass(MINUTE);
  await house.pass(5 * MINUTE);
  expect(told(house)).toMatchObject([
    { acs_credential_id: id, acs_entrance_ids: [STORE_ROOM], controllers: ['store-panel'] },
  ]);
  // Another start is another arrival.
  house.update(id, { starts_at: NOON + 2 * HOUR + 20 * MINUTE });
  await house.pass(20 * MINUTE);
  expect(told(house)).toHaveLength(2);
});

it('is none where the door holds it, or will be told at the start and can be', async () => {
  for (const slots of [{}, without()]) {
    const house = await opened({ slots });
    house.create({ code: '4711', starts_at: NOON + HOUR });
    house.clock.leap(40 * MINUTE);
    await house.pass(10 * MINUTE);
    expect(told(house)).toEqual([]);
    await house.close();
  }
});

it('is one where a controller that keeps no windows is out of reach', async () => {
  const house = await opened({ slots: without() });
  house.create({ code: '4711', starts_at: NOON + HOUR });
  await house.settle();
  house.offline();
  house.clock.leap(40 * MINUTE);
  await house.pass(2 * MINUTE);
  expect(told(house)).toHaveLength(1);
});

it('is not asked where the facility file says so', async () => {
  const house = await opened({ arrivalMs: 0 });
  house.offline();
  house.create({ code: '4711', starts_at: NOON + HOUR });
  house.clock.leap(50 * MINUTE);
  await house.pass(2 * MINUTE);
  expect(told(house)).toEqual([]);
});
