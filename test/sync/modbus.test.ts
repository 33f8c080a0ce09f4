// The synchronisation against a simulated controller on a real line: what it decides by itself is the proof of what it
// holds.

import { afterEach, expect, test } from 'vitest';
import type { DriverEvent, OpenPort, Port } from '../../drivers/driver.ts';
import { RecordCodec } from '../../drivers/modbus/record.ts';
import type { SimulatedUnit } from '../../drivers/modbus/simulator-unit.ts';
import type { EntranceSetup } from '../../src/domain/facility.ts';
import { EventBudgets } from '../../src/domain/event-budget.ts';
import { Site } from '../../src/domain/site.ts';
import { credentialObject } from '../../src/commands/credential-object.ts';
import { createCredential, deleteCredential } from '../../src/commands/credentials.ts';
import type { Outcome, Room } from '../../src/commands/room.ts';
import { createUser, suspendUser } from '../../src/commands/users.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { Sync } from '../../src/sync/sync.ts';
import type { Store } from '../../src/store/store.ts';
import {
  content,
  openLine,
  openPort,
  startDriver,
  type DriverOnLine,
  type Line,
  type Transport,
} from '../drivers/modbus/site.ts';
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

const DOOR: EntranceSetup = { ...ENTRANCES.storeRoom, controller: 'unit-1', door: 1 };

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

type Building = Line & {
  driver: DriverOnLine;
  store: Store;
  sync: Sync;
  room: Room;
  run(command: () => Outcome): void;
  create(code: string): string;
};

async function building(
  transport: Transport,
  open: OpenPort = openPort,
  before: (unit: SimulatedUnit) => void = () => undefined,
  profile: 'plc-door-1' | 'plc-door-2' = 'plc-door-2',
): Promise<Building> {
  const line = await openLine(transport, [{ unit: 1, profile }]);
  before(line.simulator.unit(1));
  const driver = startDriver(line.bus, [{ unit: 1, profile, turnaround_max: '40ms' }], open);
  const device = driver.device();
  const slots = device.capabilities.slots;
  if (slots === null) throw new Error('the controller has a table');
  const store = openStore(temporaryFolder(), systemClock);
  const site = store.now(
    () =>
      new Site(
        [{ ...DOOR, entranceKey: store.entrances.declare(STORE_ROOM, 'store-room') }],
        ['unit-1'],
        [{ name: 'unit-1', slots, foreignSlots: 'report' }],
      ),
  );
  const base = buildRoom(store, systemClock);
  const room: Room = { ...base, site, policy: { ...base.policy, pinSpace: 'warn' } };
  const sync = new Sync({
    store,
    site,
    devices: driver.driver.devices,
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
  const create = (code: string): string => {
    const params = newCredential({ code });
    run(() => createCredential(room, params, call()));
    return params.acs_credential_id;
  };
  run(() => createUser(room, { acs_user_id: USER, full_name: 'Ada' }, call()));
  sync.start();
  watch(driver.events, sync);
  stops.push(async () => await sync.stop());
  return { ...line, driver, store, sync, room, run, create };
}

/** What the agent does with what the driver tells. */
function watch(events: DriverEvent[], sync: Sync): void {
  const push = events.push.bind(events);
  events.push = (...added) => {
    for (const event of added) {
      if (event.type === 'online') sync.deviceOnline(event.device);
      if (event.type === 'restarted') sync.deviceRestarted(event.device);
    }
    return push(...added);
  };
  sync.deviceOnline('unit-1');
}

const isGranted = (place: Building, pin: string): boolean => place.simulator.unit(1).doors.present(1, { pin }).granted;
const isSettled = (place: Building): boolean => {
  const { store } = place;
  return store.targets.nextDueMs('unit-1') !== 0 && store.targets.loadOf('unit-1').pending === 0;
};
const codes = (count: number): string[] => Array.from({ length: count }, (_, i) => String(4000 + i));

test.for(['tcp', 'rtu-over-tcp', 'rtu'] as const)(
  'over %s a credential opens the door by the controller alone, and is gone when it is deleted',
  async (transport) => {
    const place = await building(transport);
    const id = place.create('4711');
    await until(() => isGranted(place, '4711'), 'the door opens', 30_000);
    await until(() => isSettled(place), 'it is set', 30_000);
    expect(place.store.targets.ofCredential(place.store.credentials.byId(id)?.credential_key ?? 0)).toMatchObject([
      { state: 'set', slot: 0 },
    ]);
    place.run(() =>
      deleteCredential(place.room, { acs_credential_id: id }, { nowMs: Date.now(), commandId: 'x', asker: TEST_ASKER }),
    );
    await until(() => isSettled(place) && !isGranted(place, '4711'), 'the door stays shut');
    const told = (): string[] => place.store.events.after(0, 1000).map((event) => event.event_type);
    await until(
      () => told().includes('lock.unlocked') && told().includes('lock.access_denied'),
      'the controller has told',
    );
  },
);

test('a controller that lost its memory with its power is filled again', async () => {
  const place = await building('tcp');
  for (const code of codes(60)) place.create(code);
  await until(() => isSettled(place), 'all are set');
  place.simulator.unit(1).powerOff();
  place.simulator.unit(1).powerOn({ keepMemory: false });
  await until(() => codes(60).every((code) => isGranted(place, code)), 'all doors open again', 60_000);
}, 240_000);

test('a controller without a count of its starts that comes back empty has lost its memory: told once, and filled again', async () => {
  const place = await building('tcp', openPort, undefined, 'plc-door-1');
  for (const code of codes(58)) place.create(code);
  await until(() => isSettled(place), 'all are set', 60_000);
  place.simulator.unit(1).powerOff();
  place.simulator.unit(1).powerOn({ keepMemory: false });
  await place.sync.resync('unit-1');
  await until(() => codes(58).every((code) => isGranted(place, code)), 'all doors open again', 60_000);
  const told = place.store.events.after(0, 10_000).map((event) => event.event_type);
  expect(told.filter((type) => type === 'device.memory_lost')).toHaveLength(1);
  expect(told).not.toContain('access_code.modified_externally');
}, 240_000);

test('a slot that somebody emptied at the controller is told as just that', async () => {
  const place = await building('tcp', openPort, undefined, 'plc-door-1');
  for (const code of codes(20)) place.create(code);
  await until(() => isSettled(place), 'all are set', 60_000);
  place.simulator.unit(1).doors.eraseSlot(1);
  place.simulator.unit(1).doors.eraseSlot(2);
  await place.sync.resync('unit-1');
  await until(() => codes(20).every((code) => isGranted(place, code)), 'all doors open again', 60_000);
  const told = place.store.events.after(0, 10_000).map((event) => event.event_type);
  expect(told.filter((type) => type === 'access_code.modified_externally')).toHaveLength(2);
  expect(told).not.toContain('device.memory_lost');
}, 240_000);

test('what is on its way says what is in its way, until it has arrived', async () => {
  const place = await building('tcp');
  const panel = place.simulator.unit(1);
  const stateOf = (id: string): { state: string; error: { type: string; message: string | null } | null } => {
    const row = place.store.credentials.byId(id);
    if (row === undefined) throw new Error('the credential is there');
    const [state] = credentialObject({ ...place.room, sync: place.sync }, row).controller_states;
    if (state === undefined) throw new Error('it is meant for the controller');
    return state;
  };
  const says = async (id: string, type: string, message: string): Promise<void> =>
    await until(
      () => stateOf(id).error?.type === type && stateOf(id).error?.message?.includes(message) === true,
      `${type}: ${message}`,
      60_000,
    );
  await until(() => place.driver.device().status().online, 'it is online', 30_000);
  panel.failNext({ deaf: true }, 10_000, 16);
  const id = place.create('4711');
  await says(id, 'timed_out', 'no answer within');
  expect(stateOf(id).state).toBe('writing');
  panel.mend();
  await until(() => isSettled(place), 'it is set', 60_000);
  expect(stateOf(id)).toMatchObject({ state: 'set', error: null });

  await place.simulator.cut();
  await place.driver.seen('offline');
  const late = place.create('4712');
  await says(late, 'controller_offline', 'cannot connect');
  await place.simulator.start();
  await until(() => isSettled(place), 'both are set', 60_000);
  expect(stateOf(late)).toMatchObject({ state: 'set', error: null });

  panel.failNext({ deaf: true }, 10_000, 16);
  place.run(() =>
    suspendUser(place.room, { acs_user_id: USER }, { nowMs: Date.now(), commandId: 'x', asker: TEST_ASKER }),
  );
  await until(() => stateOf(id).state === 'removing' && stateOf(id).error !== null, 'why it is still there', 60_000);
  expect(stateOf(id).error?.message).toContain('no answer within');
  panel.mend();
  await until(() => isSettled(place) && !isGranted(place, '4711'), 'it is gone', 60_000);
  expect(stateOf(id).error).toBeNull();
}, 240_000);

test('a suspension while the controller is off is carried out first when it returns', async () => {
  const place = await building('tcp');
  for (const code of codes(20)) place.create(code);
  await until(() => isSettled(place), 'all are set');
  await place.simulator.cut();
  place.run(() =>
    suspendUser(place.room, { acs_user_id: USER }, { nowMs: Date.now(), commandId: 'x', asker: TEST_ASKER }),
  );
  await place.driver.seen('offline');
  expect(isGranted(place, '4000')).toBe(true);
  await place.simulator.start();
  await until(() => isSettled(place), 'all are erased', 20_000);
  expect(codes(20).filter((code) => isGranted(place, code))).toEqual([]);
});

test('a device that writes a record and then says that it failed keeps no code of ours, in force or not', async () => {
  const place = await building('tcp');
  place.create('3999');
  await until(() => isSettled(place), 'the first is set');
  const unit = place.simulator.unit(1);
  unit.failNext({ exceptionAfter: 4 }, 2, 16);
  const id = place.create('4711');
  await until(() => place.store.targets.ofCredential(keyOf(place, id))[0]?.attempts !== 0, 'it was refused');
  await until(() => unit.doors.slot(1).pin === null || isGranted(place, '4711'), 'the record is erased, or in force');
  await until(() => isGranted(place, '4711') && isSettled(place), 'it is tried again', 20_000);
  expect(place.store.foreignSlots.of('unit-1')).toEqual([]);
  expect(heldPins(place)).toEqual(['3999', '4711']);
});

test('a foreign record that is out of force is a foreign slot: reported, seen by comparisons, and left alone', async () => {
  const place = await building('tcp', openPort, (unit) => {
    const { base } = tableOf(unit);
    const record = new RecordCodec(tableOf(unit).spec, 2, 'UTC').encode(0, content({ pin: '6543' }));
    if (!record.ok) throw new Error('the device can hold it');
    unit.memory.write('holding', base, new RecordCodec(tableOf(unit).spec, 2, 'UTC').disabled(record.registers));
  });
  const id = place.create('4711');
  await until(() => isSettled(place) && isGranted(place, '4711'), 'the first is set');
  expect(place.store.targets.ofCredential(keyOf(place, id))).toMatchObject([{ state: 'set', slot: 1 }]);
  expect(place.store.foreignSlots.of('unit-1')).toMatchObject([{ slot: 0 }]);
  expect(await place.sync.resync('unit-1')).toMatchObject({ foreign: 1 });
  expect(place.simulator.unit(1).doors.slot(0)).toMatchObject({ pin: '6543', enabled: false });
});

test('a record of ours that somebody puts out of force at the device differs, and is put right', async () => {
  const place = await building('tcp');
  place.create('4711');
  await until(() => isSettled(place) && isGranted(place, '4711'), 'it is set');
  const unit = place.simulator.unit(1);
  const { base, spec } = tableOf(unit);
  const codec = new RecordCodec(spec, 2, 'UTC');
  unit.memory.write('holding', base, codec.disabled(unit.memory.read('holding', base, codec.registers)));
  expect(await place.sync.resync('unit-1')).toMatchObject({ differing: 1, foreign: 0 });
  await until(() => isSettled(place) && isGranted(place, '4711'), 'it is set again');
});

const keyOf = (place: Building, id: string): number => place.store.credentials.byId(id)?.credential_key ?? 0;
const heldPins = (place: Building): (string | null)[] =>
  Array.from({ length: 10 }, (_, slot) => place.simulator.unit(1).doors.slot(slot).pin).filter((pin) => pin !== null);

function tableOf(unit: SimulatedUnit): { base: number; spec: NonNullable<SimulatedUnit['profile']['credentials']> } {
  const spec = unit.profile.credentials;
  if (spec === undefined) throw new Error('the unit has a table');
  return { base: spec.table.base, spec };
}

test(
  'a line that is cut in the middle of a bulk write, anywhere, leaves the table right in the end',
  { timeout: 120_000 },
  async () => {
    for (let bytes = 1; bytes < 900; bytes += 197) {
      const knife = cutter();
      const place = await building('rtu-over-tcp', knife.open);
      place.create('3999');
      await until(() => isSettled(place), 'the first is set');
      knife.cutAfter(bytes);
      for (const code of codes(25)) place.create(code);
      await until(() => knife.wasCut(), 'the line is cut');
      await until(() => isSettled(place), `after ${bytes} bytes all are set`, 20_000);
      expect(codes(25).filter((code) => !isGranted(place, code))).toEqual([]);
      for (const stop of stops.splice(0)) await stop();
    }
  },
);

/** A line that is cut once, after so many bytes that go out. */
function cutter(): { open: OpenPort; cutAfter(bytes: number): void; wasCut(): boolean } {
  let left = Infinity;
  let wasCut = false;
  const open: OpenPort = async (settings, handlers, timeoutMs) => {
    const inner: Port = await openPort(settings, handlers, timeoutMs);
    const write = (bytes: Uint8Array): void => {
      if (bytes.length <= left) {
        left -= bytes.length;
        inner.write(bytes);
        return;
      }
      inner.write(bytes.subarray(0, left));
      left = Infinity;
      wasCut = true;
      setTimeout(() => {
        void inner.close();
        handlers.lost('the cable was cut');
      }, 5);
    };
    return {
      ...inner,
      write,
      drain: () => inner.drain(),
      discardInput: () => inner.discardInput(),
      close: () => inner.close(),
      abort: () => inner.abort(),
    };
  };
  return { open, cutAfter: (bytes) => void (left = bytes), wasCut: () => wasCut };
}
