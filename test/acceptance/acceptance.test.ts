// What a controller could not hold is refused when the command comes, not found out at the door.

import { expect, test } from 'vitest';
import { OperatingError } from '../../src/domain/errors.ts';
import { foreignRecord } from '../support/memory-device.ts';
import { buildRoom, ENTRANCES, silentLog, STORE_ROOM, USER, newCredential, TEST_ASKER } from '../support/room.ts';
import { House, HOUR, NOON } from '../support/sync-house.ts';
import { soyalDriver } from '../../drivers/soyal/driver.ts';
import { portOpener } from '../../drivers/serial-port.ts';
import { createCredential } from '../../src/commands/credentials.ts';
import type { ParamsOf } from '../../src/commands/contract.ts';
import { createUser } from '../../src/commands/users.ts';
import type { Factors } from '../../src/domain/factors.ts';
import { brokenConstraint } from '../../src/domain/code-constraints.ts';
import { Site } from '../../src/domain/site.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { openStore, temporaryFolder } from '../support/store.ts';

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

test('a code that a device takes once is refused at any of its doors, over an overlapping window', () => {
  const house = new House({
    entrances: [ENTRANCES.storeRoom, { ...ENTRANCES.storeRoom, name: 'side', acsEntranceId: SIDE, door: 2 }],
  });
  house.create({ code: '4711', starts_at: NOON, ends_at: NOON + HOUR });
  const side = { code: '4711', allowed_acs_entrance_ids: [SIDE] };
  expect(refusal(() => house.create(side))).toBe('duplicate_access_code params.code');
  expect(refusal(() => house.create({ ...side, starts_at: NOON + HOUR, ends_at: NOON + 2 * HOUR }))).toBeNull();
});

test('a device that takes a code twice is not asked about its other doors', () => {
  const house = new House({
    slots: { duplicatePins: 'accept' },
    entrances: [ENTRANCES.storeRoom, { ...ENTRANCES.storeRoom, name: 'side', acsEntranceId: SIDE, door: 2 }],
  });
  house.create({ code: '4711' });
  expect(refusal(() => house.create({ code: '4711', allowed_acs_entrance_ids: [SIDE] }))).toBeNull();
});

test('rules that a device has for its codes are kept, by Seam’s names, also by codes that are generated', () => {
  const house = new House({
    slots: { count: 100, pin: { lengths: [4], constraints: ['no_zeros', 'no_triple_consecutive_ints'] } },
  });
  expect(() => house.create({ code: '4071' })).toThrow('store-panel takes codes without the digit 0 (no_zeros)');
  expect(() => house.create({ code: '5671' })).toThrow('(no_triple_consecutive_ints)');
  expect(refusal(() => house.create({ code: '4711' }))).toBeNull();
  const made = Array.from({ length: 40 }, () => {
    const { result } = house.run(() => createCredential(house.room, newCredential({}), house.call()));
    return 'acs_credential' in result ? String(result.acs_credential.code) : '';
  });
  for (const code of made) expect(brokenConstraint(code, ['no_zeros', 'no_triple_consecutive_ints'])).toBeNull();
});

test('a window that the record of a device cannot hold is named as such, whatever code there is or none', () => {
  const house = new House();
  const image = house.device.slots.image.bind(house.device.slots);
  house.device.slots.image = (slot, content) => {
    const refuse = (what: string): never => {
      throw new OperatingError('not_supported', `this controller cannot store such ${what}`);
    };
    if ((content?.startsAtMs ?? NOON) < NOON) refuse('a start');
    if ((content?.endsAtMs ?? NOON) > NOON + 1000 * HOUR) refuse('an end');
    return image(slot, content);
  };
  const late = { ends_at: NOON + 1001 * HOUR };
  const early = { starts_at: NOON - HOUR };
  for (const secret of [{ code: '4711' }, { card_number: 'H10301:1:2' }, {}]) {
    expect(refusal(() => house.create({ ...secret, ...late }))).toBe('not_supported params.ends_at');
    expect(refusal(() => house.create({ ...secret, ...early }))).toBe('not_supported params.starts_at');
    expect(() => house.create({ ...secret, ...late })).toThrow('params.ends_at: store-panel: this controller cannot');
    expect(refusal(() => house.create({ ...secret, starts_at: NOON }))).toBeNull();
  }
});

test('what the record of a device cannot hold is refused in its words, alone and beside a card', () => {
  // Four zeros mean "no PIN" to it, and its table has four bytes for a card.
  expect(atSoyal('card_or_code', { code: '0000' })).toContain(
    'code_constraints_violated params.code: door-1: this controller takes PINs of four digits',
  );
  expect(atSoyal('card_and_code', { code: '0000' })).toContain('code_constraints_violated params.code: door-1');
  expect(atSoyal('card_or_code', { card_number: 'uid:04A1B2C3D4E5F6' })).toContain(
    'not_supported params.card_number: door-1: this controller compares four bytes of a uid',
  );
  expect(atSoyal('card_or_code', { code: '4711' })).toBeNull();
  expect(atSoyal('card_and_code', { card_number: 'uid:04A1B2C3' })).toBeNull();
});

/** What comes of creating this at a door of a SOYAL controller; null: accepted. */
function atSoyal(factors: Factors, params: Partial<ParamsOf<'credentials/create'>>): string | null {
  const bus = soyalDriver.busSchema.parse({ port: 'tcp://127.0.0.1:1' });
  const { controller } = soyalDriver.prepare('door-1', bus, soyalDriver.controllerSchema.parse({ address: 1 }), '/');
  if (controller?.capabilities.slots == null) throw new Error('the controller has a table');
  const { slots } = controller.capabilities;
  const context = {
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    openPort: portOpener(systemClock),
    emit: () => undefined,
  };
  const device = soyalDriver.create('annex', bus, [controller], context).devices.get('door-1');
  const store = openStore(temporaryFolder(), systemClock);
  const door = { ...ENTRANCES.storeRoom, controller: 'door-1', factors };
  const site = store.now(
    () =>
      new Site(
        [{ ...door, entranceKey: store.entrances.declare(STORE_ROOM, 'store-room') }],
        ['door-1'],
        [{ name: 'door-1', slots, foreignSlots: 'report' }],
      ),
  );
  const base = buildRoom(store, systemClock);
  const encode: typeof base.controllers.encode = (_name, content) =>
    void device?.slots?.image(slots.firstSlot, content);
  const room = { ...base, site, controllers: { ...base.controllers, encode } };
  const call = { nowMs: NOON, commandId: 'c', asker: TEST_ASKER };
  store.now(() => createUser(room, { acs_user_id: USER, full_name: 'Ada' }, call));
  try {
    store.now(() => createCredential(room, newCredential(params), call));
    return null;
  } catch (error) {
    if (error instanceof OperatingError) return `${error.type} ${error.message}`;
    throw error;
  }
}
