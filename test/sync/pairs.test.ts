// Doors that ask for a card and a code: both lie in one slot, the card's, and come and go together.

import { expect, test } from 'vitest';
import { ENTRANCES, STORE_ROOM } from '../support/room.ts';
import { House, HOUR, NOON, without } from '../support/sync-house.ts';

const CARD = 'H10301:123:45678';
const PLAIN = '55555555-5555-5555-5555-000000000007';

const vault = { ...ENTRANCES.storeRoom, factors: 'card_and_code' } as const;
const shed = { ...ENTRANCES.storeRoom, name: 'shed', acsEntranceId: PLAIN, door: 2, factors: 'card' } as const;

async function house(more: ConstructorParameters<typeof House>[0] = {}): Promise<House> {
  const built = new House({
    entrances: [vault, shed],
    ...more,
    slots: { cardAndPin: true, pinWithoutCard: false, ...more.slots },
  });
  built.sync.start();
  await built.settle();
  return built;
}

test('a card waits for its code, and then both are written into one slot', async () => {
  const built = await house();
  const card = built.create({ card_number: CARD });
  await built.settle();
  expect(built.state(card)).toBe('scheduled');
  const code = built.create({ code: '4711' });
  await built.settle();
  expect([...built.device.held().values()]).toEqual([
    { card: CARD, pin: '4711', cardAndPin: true, doors: [1], startsAtMs: null, endsAtMs: null, oneTimeUse: false },
  ]);
  expect([built.state(card), built.state(code)]).toEqual(['set', 'set']);
  expect(built.target(code)?.slot).toBeNull();
  for (const id of [card, code]) expect(built.eventTypes(id)).toContain('acs_credential.issued');
});

test('the slot is empty as soon as either of the two is gone', async () => {
  for (const which of ['card', 'code'] as const) {
    const built = await house();
    const ids = { card: built.create({ card_number: CARD }), code: built.create({ code: '4711' }) };
    await built.settle();
    expect(built.device.held().size).toBe(1);
    built.delete(ids[which]);
    await built.settle();
    expect(built.device.held().size).toBe(0);
    await built.close();
  }
});

test('a changed code is changed in the slot of the card', async () => {
  const built = await house();
  built.create({ card_number: CARD });
  const code = built.create({ code: '4711' });
  await built.settle();
  built.update(code, { code: '4712' });
  await built.settle();
  expect(built.pins()).toEqual(['4712']);
  expect(built.eventTypes(code)).toContain('acs_credential.reissued');
});

test('the pair is there while both windows are open', async () => {
  const built = await house({ slots: without({ cardAndPin: true, pinWithoutCard: false }) });
  built.create({ card_number: CARD, ends_at: NOON + 3 * HOUR });
  const code = built.create({ code: '4711', starts_at: NOON + HOUR, ends_at: NOON + 2 * HOUR });
  await built.settle();
  expect(built.device.held().size).toBe(0);
  built.clock.leap(HOUR);
  await built.pass(15_000);
  expect(built.device.held().size).toBe(1);
  expect(built.state(code)).toBe('set');
  built.clock.leap(HOUR);
  await built.pass(15_000);
  expect(built.device.held().size).toBe(0);
  expect(built.state(code)).toBe('removed');
});

test('another code of the user takes over from the one that ended', async () => {
  const built = await house({ slots: without({ cardAndPin: true, pinWithoutCard: false }) });
  built.create({ card_number: CARD });
  built.create({ code: '4711', ends_at: NOON + HOUR });
  await built.settle();
  built.create({ code: '4712' });
  await built.settle();
  expect(built.pins()).toEqual(['4711']);
  built.clock.leap(HOUR);
  await built.pass(15_000);
  await built.pass(15_000);
  expect(built.pins()).toEqual(['4712']);
});

test('a card for a plain door as well is there without a code, and asks for it everywhere once there is one', async () => {
  const built = await house();
  built.create({ card_number: CARD, allowed_acs_entrance_ids: [STORE_ROOM, PLAIN] });
  await built.settle();
  expect(built.device.held().get(0)).toMatchObject({ pin: null, cardAndPin: false, doors: [2] });
  built.create({ code: '4711' });
  await built.settle();
  expect(built.device.held().get(0)).toMatchObject({ pin: '4711', cardAndPin: true, doors: [1, 2] });
});

test('somebody else has no part in it', async () => {
  const built = await house();
  built.create({ card_number: CARD });
  built.addUser('33333333-3333-3333-3333-333333333334');
  const code = built.create({ code: '4711', acs_user_id: '33333333-3333-3333-3333-333333333334' });
  await built.settle();
  expect(built.device.held().size).toBe(0);
  expect(built.state(code)).toBe('scheduled');
});
