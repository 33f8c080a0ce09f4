// What a controller could not hold is refused when the command comes, not found out at the door.

import { expect, test } from 'vitest';
import { OperatingError } from '../../src/domain/errors.ts';
import { foreignRecord } from '../support/memory-device.ts';
import { ENTRANCES, STORE_ROOM } from '../support/room.ts';
import { House, HOUR, NOON } from '../support/sync-house.ts';

const SIDE = '55555555-5555-5555-5555-000000000008';

function refusal(run: () => unknown): string | null {
  try {
    run();
    return null;
  } catch (error) {
    if (error instanceof OperatingError) return `${error.type} ${(error.path ?? []).join('.')}`;
    throw error;
  }
}

test('a code of a length, a card of a format, a use or a factor that the controller does not know is refused', () => {
  const house = new House({
    entrances: [
      ENTRANCES.storeRoom,
      { ...ENTRANCES.storeRoom, name: 'side', acsEntranceId: SIDE, door: 2, factors: 'card' },
    ],
  });
  expect(refusal(() => house.create({ code: '12345678' }))).toBe('code_constraints_violated params.code');
  expect(refusal(() => house.create({ card_number: 'H10302:5' }))).toBe('not_supported params.card_number');
  expect(refusal(() => house.create({ code: '4711', is_one_time_use: true }))).toBe(
    'not_supported params.is_one_time_use',
  );
  expect(refusal(() => house.create({ code: '4711', allowed_acs_entrance_ids: [SIDE] }))).toBe(
    'not_supported params.allowed_acs_entrance_ids',
  );
  expect(refusal(() => house.create({ card_number: 'H10301:1:2', allowed_acs_entrance_ids: [SIDE] }))).toBeNull();
});

test('a code without a card is refused where the controller holds none', () => {
  const house = new House({ slots: { pinWithoutCard: false } });
  expect(refusal(() => house.create({ code: '4711' }))).toBe('not_supported params.access_method');
});

test('a full table refuses one more over the same time, and takes one for later', () => {
  const house = new House({ slots: { count: 2 } });
  for (const code of ['4711', '4712']) house.create({ code, starts_at: NOON, ends_at: NOON + HOUR });
  const full = 'no_space_for_access_code_on_device params.allowed_acs_entrance_ids';
  expect(refusal(() => house.create({ code: '4713' }))).toBe(full);
  expect(refusal(() => house.create({ code: '4713', starts_at: NOON + HOUR / 2, ends_at: NOON + 2 * HOUR }))).toBe(
    full,
  );
  expect(refusal(() => house.create({ code: '4713', starts_at: NOON + HOUR, ends_at: NOON + 2 * HOUR }))).toBeNull();
});

test('many that never meet leave room for one that meets each of them', () => {
  const house = new House({ slots: { count: 2 } });
  for (let day = 0; day < 20; day++)
    house.create({
      code: String(4000 + day),
      starts_at: NOON + day * 24 * HOUR,
      ends_at: NOON + (day + 1) * 24 * HOUR,
    });
  expect(refusal(() => house.create({ code: '5000' }))).toBeNull();
  expect(refusal(() => house.create({ code: '5001' }))).not.toBeNull();
});

test('a change of a credential does not count itself', () => {
  const house = new House({ slots: { count: 2 } });
  const [first] = ['4711', '4712'].map((code) => house.create({ code }));
  expect(refusal(() => house.update(first ?? '', { code: '4713' }))).toBeNull();
});

test('slots that are not ours take room', async () => {
  const house = new House({ slots: { count: 2 } });
  house.device.table.set(0, foreignRecord('cleaner'));
  house.sync.start();
  await house.settle();
  expect(refusal(() => house.create({ code: '4711', allowed_acs_entrance_ids: [STORE_ROOM] }))).toBeNull();
  expect(refusal(() => house.create({ code: '4712' }))).toContain('no_space');
});

test('one that was deleted makes room at once: it is erased before anything is written', () => {
  const house = new House({ slots: { count: 1 } });
  const first = house.create({ code: '4711' });
  expect(refusal(() => house.create({ code: '4712' }))).toContain('no_space');
  house.delete(first);
  expect(refusal(() => house.create({ code: '4712' }))).toBeNull();
});
