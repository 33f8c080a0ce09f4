// The synchronisation against a simulated SOYAL controller, which knows no dates: windows are kept by writing a slot at
// the start and overwriting it at the end.

import { afterEach, expect, test } from 'vitest';
import type { EntranceSetup } from '../../src/domain/facility.ts';
import { EventBudgets } from '../../src/domain/event-budget.ts';
import { Site } from '../../src/domain/site.ts';
import { createCredential, deleteCredential } from '../../src/commands/credentials.ts';
import { COMMANDS, type ParamsOf } from '../../src/commands/contract.ts';
import type { Outcome, Room } from '../../src/commands/room.ts';
import { createHoliday } from '../../src/commands/holidays.ts';
import { createSchedule } from '../../src/commands/schedules.ts';
import { createUser } from '../../src/commands/users.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { systemRandom } from '../../src/ops/random.ts';
import type { Store } from '../../src/store/store.ts';
import { Sync } from '../../src/sync/sync.ts';
import { openSite, startDriver, type Site as Soyal } from '../drivers/soyal/site.ts';
import { until } from '../support/ports.ts';
import {
  buildRoom,
  ENTRANCES,
  silentLog,
  STORE_ROOM,
  SYSTEM,
  USER,
  newCredential,
  TEST_ASKER,
} from '../support/room.ts';
import { openStore, temporaryFolder } from '../support/store.ts';

const CARD = 'uid:04A1B2C3';
const CARD_UID = 0x04a1b2c3;
const UNKNOWN = { reason_code: 'unknown_code', detail: 'unknown_credential' };
const NOBODY = { uid: 0, pin: 0, mode: 0, zone: 0 };

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

type Building = {
  site: Soyal;
  door: Soyal['controller']['door'];
  writes: ReadonlyMap<number, number>;
  store: Store;
  stop(): Promise<void>;
  create(params: Partial<ParamsOf<'credentials/create'>>): string;
  delete(id: string): void;
  /** Returns its id. */
  schedule(week: string): string;
  holiday(date: string): void;
  state(id: string): string | undefined;
};

/**
 * Beside an earlier building it is the same one after the facility file was changed: its controller and its store live
 * on.
 */
async function building(
  factors: EntranceSetup['factors'],
  config: Record<string, unknown> = {},
  earlier: Building | null = null,
): Promise<Building> {
  const controllers = [{ address: 1, ...config }];
  const site = earlier?.site ?? (await openSite({ configured: controllers }));
  const line = earlier === null ? site : startDriver(`tcp://127.0.0.1:${site.port}`, controllers);
  await line.seen('online');
  const { slots } = line.device().capabilities;
  if (slots === null) throw new Error('the controller has a table');
  const store = earlier?.store ?? openStore(temporaryFolder(), systemClock);
  const door: EntranceSetup = { ...ENTRANCES.storeRoom, controller: 'door-1', door: 1, factors };
  const doors = store.now(
    () =>
      new Site(
        [{ ...door, entranceKey: store.entrances.declare(STORE_ROOM, 'store-room') }],
        ['door-1'],
        [{ name: 'door-1', slots, foreignSlots: 'report' }],
      ),
  );
  const base = buildRoom(store, systemClock);
  const room: Room = { ...base, site: doors, policy: { ...base.policy, pinSpace: 'warn' } };
  const sync = new Sync({
    store,
    site: doors,
    devices: line.driver.devices,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    time: room.time,
    preloadMs: 72 * 3_600_000,
    arrivalMs: 0,
    acsSystemId: SYSTEM,
    eventBudgets: new EventBudgets(systemClock, () => undefined),
    onChange: () => undefined,
  });
  const call = () => ({ nowMs: Date.now(), commandId: systemRandom.uuid(), asker: TEST_ASKER });
  const run = (command: () => Outcome): void => sync.wake(store.now(command).wake ?? []);
  if (earlier === null) run(() => createUser(room, { acs_user_id: USER, full_name: 'Ada' }, call()));
  sync.start();
  sync.deviceOnline('door-1');
  stops.push(async () => await sync.stop());
  return {
    site,
    door: site.controller.door,
    writes: site.controller.writes,
    store,
    async stop() {
      await sync.stop();
      await line.driver.stop(1_000);
    },
    create(params) {
      const whole = newCredential(params);
      run(() => createCredential(room, whole, call()));
      return whole.acs_credential_id;
    },
    schedule(week) {
      const id = systemRandom.uuid();
      const written = { schedule_id: id, name: 'Office hours', week };
      run(() => createSchedule(room, COMMANDS['schedules/create'].params.parse(written), call()));
      return id;
    },
    holiday: (date) => run(() => createHoliday(room, { name: date, date, every_year: true }, call())),
    delete: (id) => run(() => deleteCredential(room, { acs_credential_id: id }, call())),
    state: (id) => store.targets.ofCredential(store.credentials.byId(id)?.credential_key ?? 0)[0]?.state,
  };
}

test('a card and a code are written at their start and overwritten at their end', async () => {
  const place = await building('card_or_code');
  const startsAtMs = Date.now() + 1_500;
  const window = { starts_at: startsAtMs, ends_at: startsAtMs + 2_000 };
  const ids = [place.create({ card_number: CARD, ...window }), place.create({ code: '4711', ...window })];
  await until(() => ids.every((id) => place.state(id) === 'scheduled'), 'both to wait for their start');
  expect(place.door.presentCard(CARD_UID)).toBe(false);
  expect(place.writes.size).toBe(0);

  await until(() => ids.every((id) => place.state(id) === 'set'), 'both to be set');
  expect(Date.now()).toBeGreaterThanOrEqual(startsAtMs);
  expect(place.door.presentCard(CARD_UID)).toBe(true);
  expect(place.door.typePin('4711')).toBe(true);

  await until(() => ids.every((id) => place.state(id) === 'removed'), 'both to be removed');
  expect(Date.now()).toBeGreaterThanOrEqual(startsAtMs + 2_000);
  expect([...place.door.users.values()]).toEqual([NOBODY, NOBODY]);
  expect(place.door.presentCard(CARD_UID)).toBe(false);
  expect(place.door.typePin('4711')).toBe(false);
});

test('a card and its code lie in one slot that asks for both, and go together', async () => {
  const place = await building('card_and_code');
  const card = place.create({ card_number: CARD });
  await until(() => place.state(card) === 'scheduled', 'the card to wait for its code');
  expect(place.door.users.size).toBe(0);
  const code = place.create({ code: '4711' });
  await until(() => place.state(card) === 'set' && place.state(code) === 'set', 'the pair to be set');
  expect([...place.door.users.values()]).toEqual([{ uid: CARD_UID, pin: 4711, mode: 3, zone: 0 }]);
  expect(place.door.presentCard(CARD_UID)).toBe(false);
  expect(place.door.typePin('4711')).toBe(true);
  expect(place.door.typePin('4711')).toBe(false);

  place.delete(code);
  await until(() => [...place.door.users.values()].every(({ mode }) => mode === 0), 'the slot to be overwritten');
  expect([...place.door.users.values()]).toEqual([NOBODY]);
});

test('a code without a card is overwritten once the facility file says that such slots open for card number 0', async () => {
  const before = await building('card_or_code');
  const code = before.create({ code: '4711' });
  const card = before.create({ card_number: CARD });
  await until(() => before.state(code) === 'set' && before.state(card) === 'set', 'both to be set');
  before.site.controller.options.opensForCardZero = true;
  expect(before.door.presentCard(0)).toBe(true);
  await before.stop();

  const after = await building('card_or_code', { pin_without_card: false }, before);
  await until(() => after.state(code) === 'removed', 'the code to be removed');
  expect(after.state(card)).toBe('set');
  expect([...after.door.users.values()]).toContainEqual(NOBODY);
  expect(after.door.presentCard(0)).toBe(false);
  expect(after.door.presentCard(CARD_UID)).toBe(true);
});

test('what the controller decided is told with the person, and freed once it was stored', async () => {
  const place = await building('card_or_code');
  const card = place.create({ card_number: CARD });
  await until(() => place.state(card) === 'set', 'the card to be set');
  place.door.presentCard(CARD_UID);
  place.door.typePin('9999');
  place.door.presentCard(0xdeadbeef);
  await until(() => place.door.log.length === 0, 'the log to be freed');
  const told = place.store.events
    .after(0, 1_000)
    .map(({ body }): unknown => JSON.parse(body))
    .filter((event) => JSON.stringify(event).includes('"event_type":"lock.'));
  const unknown = { event_type: 'lock.access_denied', reason: UNKNOWN };
  expect(told).toMatchObject([
    { event_type: 'lock.unlocked', acs_credential_id: card, acs_user_id: USER, decided_by: 'controller' },
    unknown,
    unknown,
  ]);
  expect(JSON.stringify(told)).not.toMatch(/9999|deadbeef|3735928559/i);
});

test('a weekly schedule lets in at its hours with Lintel gone, and nobody on a holiday', async () => {
  const place = await building('card_or_code', { schedule_zones: { first: 2, last: 4 } });
  const week = place.schedule('mon-fri 08:00-12:00, 13:00-17:00');
  place.holiday('2026-12-25');
  const card = place.create({ card_number: CARD, schedule_id: week });
  const code = place.create({ code: '4711' });
  await until(() => place.state(card) === 'set' && place.state(code) === 'set', 'both to be set');
  const zoneOf = (uid: number) => [...place.door.users.values()].find((user) => user.uid === uid)?.zone;
  expect([zoneOf(CARD_UID), zoneOf(0)]).toEqual([2, 0]);
  await place.stop();

  const at = (iso: string): [card: boolean, code: boolean] => {
    place.door.clockMs = Date.parse(iso);
    return [place.door.presentCard(CARD_UID), place.door.typePin('4711')];
  };
  // A Thursday, a Saturday, and a Friday that is a holiday.
  expect(at('2026-12-03T09:00:00Z')).toEqual([true, true]);
  expect(at('2026-12-03T16:59:00Z')).toEqual([true, true]);
  expect(at('2026-12-03T12:30:00Z')).toEqual([false, true]);
  expect(at('2026-12-05T09:00:00Z')).toEqual([false, true]);
  expect(at('2026-12-25T09:00:00Z')).toEqual([false, true]);
});
