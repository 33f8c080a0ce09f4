// What the synchronisation makes of a wire, and what a change costs it: bulk writes against the wire's own limit and against one write per credential, and one
// change in a large table against one in a small. `npm run bench -- sync`.

import { join } from 'node:path';
import ModbusRTU from 'modbus-serial';
import { modbusDriver } from '../../drivers/modbus/driver.ts';
import { portOpener } from '../../drivers/serial-port.ts';
import type { Device } from '../../src/domain/ports.ts';
import { Site } from '../../src/domain/site.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { setupDigest } from '../../src/sync/setup.ts';
import { Sync } from '../../src/sync/sync.ts';
import { retarget } from '../../src/store/retarget.ts';
import type { Store } from '../../src/store/store.ts';
import { MemoryDevice } from '../support/memory-device.ts';
import { ENTRANCES, silentLog, STORE_ROOM, SYSTEM, USER } from '../support/room.ts';
import { until } from '../support/ports.ts';
import { benchFolder, openBenchStore } from './building.ts';
import { startChild } from './child.ts';
import { against, beside, median, type Report } from './report.ts';

const BENCH = 'sync';
const REGISTERS = 8;
const WRITE_LIMIT = 123;
const READ_LIMIT = 125;

export async function run(report: Report): Promise<void> {
  await planning(report);
  for (const baud of [9_600, 19_200, 115_200]) await serialBulk(report, baud, 1_000);
  await tcpBulk(report, 7_000);
}

// ---- planning ------------------------------------------------------------------------------------------------------------------------------------

async function planning(report: Report): Promise<void> {
  const small = await changeIn(1_000);
  const large = await changeIn(100_000);
  report(beside(BENCH, 'one change among 1,000: CPU from command to verified', small, 'ms'));
  report(beside(BENCH, 'one change among 100,000: CPU from command to verified', large, 'ms'));
  report(against(BENCH, 'one change among 100,000 against one among 1,000', large / small, 'x', '<=', 2));
}

/** CPU time of the whole agent for one change, verified at a controller that answers at once; median of rounds. */
async function changeIn(size: number): Promise<number> {
  const device = new MemoryDevice({ slots: { count: size + 1_000, duplicatePins: 'accept', windows: 'none' } });
  return await inHouse(device, async ({ store, site, sync }) => {
    const keys = fillTable(store, site, device, size);
    sync.start();
    await until(() => device.calls.length > 0, 'the controller was met');
    const rounds: number[] = [];
    for (let round = 0; round < 60; round++) {
      const before = process.cpuUsage();
      const key = keys[(round * 7919) % keys.length] ?? 0;
      change(store, site, sync, key, 200_000 + round);
      await until(() => store.targets.ofCredential(key)[0]?.state === 'set', 'the change is verified');
      const used = process.cpuUsage(before);
      if (round >= 10) rounds.push((used.user + used.system) / 1_000);
    }
    return median(rounds);
  });
}

function change(store: Store, site: Site, sync: Sync, key: number, code: number): void {
  store.now(() => {
    const row = store.credentials.byKey(key);
    if (row === undefined) return;
    const pin = String(code);
    const sealed = store.secrets.seal(pin, `code ${row.acs_credential_id}`);
    store.credentials.update({ ...row, code_hash: store.secrets.codeHash(pin), code_sealed: sealed, synced_at: null });
    retarget(store, site, key, Date.now());
    const [target] = store.targets.ofCredential(key);
    if (target !== undefined) store.targets.update({ ...target, state: 'writing' });
  });
  sync.wake(['store-panel']);
}

/** A table in which every credential is set, by the store's own tables: a measurement at a size, not of the filling. */
function fillTable(store: Store, site: Site, device: MemoryDevice, size: number): number[] {
  const keys: number[] = [];
  for (let from = 0; from < size; from += 5_000) {
    store.now(() => {
      for (let n = from; n < Math.min(size, from + 5_000); n++) {
        const key = insert(store, site, n);
        const [target] = store.targets.ofCredential(key);
        if (target === undefined) continue;
        const record = Buffer.from(`{"pin":"${n}"}`);
        device.table.set(n, record);
        const hash = store.secrets.imageHash(record);
        store.targets.update({ ...target, slot: n, state: 'set', written_hash: hash, read_hash: hash, due_at: null });
        keys.push(key);
      }
    });
  }
  const controller = site.slotController('store-panel');
  if (controller === undefined) throw new Error('the house has its controller');
  store.now(() =>
    store.controllers.change('store-panel', {
      compared_at: Date.now(),
      setup: setupDigest(site, controller),
      identity: device.identity,
    }),
  );
  return keys;
}

function insert(store: Store, site: Site, n: number): number {
  const id = `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
  const pin = String(100_000 + n).slice(0, 6);
  const key = store.credentials.insert({
    acs_credential_id: id,
    user_key: store.users.byId(USER)?.user_key ?? null,
    access_method: 'code',
    starts_at: null,
    ends_at: null,
    has_own_entrances: 1,
    is_one_time_use: 0,
    used_at: null,
    invalidated_at: null,
    card_hash: null,
    card_sealed: null,
    code_hash: store.secrets.codeHash(pin),
    code_sealed: store.secrets.seal(pin, `code ${id}`),
    code_length: pin.length,
    secret_revision: null,
    display_name: null,
    metadata: null,
    opaque: null,
    schedule_modified: 0,
    issued_at: null,
    synced_at: null,
    created_at: Date.now(),
  });
  const entranceKey = site.byId(STORE_ROOM)?.entranceKey ?? 0;
  store.credentials.setEntrances(key, [entranceKey], { hash: store.secrets.codeHash(pin), length: pin.length });
  retarget(store, site, key, Date.now());
  return key;
}

// ---- the wire ------------------------------------------------------------------------------------------------------------------------------------

/** Characters of 11 bits and the pauses of 3.5 characters before each frame is taken, as the facts of the field have it; the device itself takes no time. */
function wireMs(baud: number, requestBytes: number, replyBytes: number): number {
  const characterMs = 11_000 / baud;
  const pauseMs = baud > 19_200 ? 1.75 : 3.5 * characterMs;
  return (requestBytes + replyBytes) * characterMs + 2 * pauseMs;
}

/** Writing and reading back `count` records, as many to a frame as the protocol allows. */
function wireLimitMs(baud: number, count: number): number {
  const inFrames = (most: number, cost: (records: number) => number): number => {
    const perFrame = Math.floor(most / REGISTERS);
    const rest = count % perFrame;
    return Math.floor(count / perFrame) * cost(perFrame) + (rest === 0 ? 0 : cost(rest));
  };
  const write = inFrames(WRITE_LIMIT, (records) => wireMs(baud, 9 + 2 * records * REGISTERS, 8));
  return write + inFrames(READ_LIMIT, (records) => wireMs(baud, 8, 5 + 2 * records * REGISTERS));
}

async function serialBulk(report: Report, baud: number, count: number): Promise<void> {
  const takenMs = await bulk('rtu-over-tcp', count, baud);
  const limitMs = wireLimitMs(baud, count);
  const plain = 50;
  const plainMs = ((await plainWrites('rtu-over-tcp', plain, baud)) * count) / plain;
  const what = `${count} credentials at ${baud} baud`;
  report(beside(BENCH, `${what}, written and read back`, takenMs / 1_000, 's'));
  report(beside(BENCH, `${what}, one write each by modbus-serial, not read back`, plainMs / 1_000, 's'));
  report(against(BENCH, `${what}: share of the wire’s limit`, limitMs / takenMs, '', '>=', 0.93));
}

async function tcpBulk(report: Report, count: number): Promise<void> {
  const takenMs = await bulk('tcp', count);
  const plainMs = await plainWrites('tcp', count);
  report(beside(BENCH, `${count} credentials over Modbus TCP, written and read back`, takenMs / 1_000, 's'));
  report(beside(BENCH, `${count} credentials over Modbus TCP, one write each by modbus-serial`, plainMs / 1_000, 's'));
  report(against(BENCH, 'Modbus TCP: modbus-serial one by one against us', plainMs / takenMs, 'x', '>=', 3));
}

/** From the moment a controller that was compared is given `count` credentials until all of them are verified. */
export async function bulk(transport: string, count: number, baud?: number): Promise<number> {
  return await withController(transport, baud, async (port) => {
    const busConfig = modbusDriver.busSchema.parse({ transport, host: '127.0.0.1', port, baud: baud ?? 115_200 });
    const profile = join(import.meta.dirname, 'controller.yaml');
    const config = modbusDriver.controllerSchema.parse({ unit: 1, profile });
    const { controller, problems } = modbusDriver.prepare('store-panel', busConfig, config, '/');
    if (controller === null) throw new Error(problems.map(({ message }) => message).join('\n'));
    let online = false;
    const driver = modbusDriver.create('plant', busConfig, [controller], {
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      openPort: portOpener(systemClock),
      emit: (event) => (online ||= event.type === 'online'),
    });
    driver.start();
    await until(() => online, 'the controller is online', 20_000);
    const device = driver.devices.get('store-panel');
    if (device === undefined) throw new Error('the bus has its controller');
    try {
      return await inHouse(device, async ({ store, site, sync }) => {
        store.now(() => {
          store.controllers.change('store-panel', { compared_at: Date.now() });
        });
        sync.start();
        // The table is taken to be as empty as it was just seen: its first comparison is another measurement.
        await sync.resync('store-panel');
        store.now(() => {
          for (let n = 0; n < count; n++) insert(store, site, n);
        });
        const started = systemClock.monotonicMs();
        sync.wake(['store-panel']);
        await until(
          () => store.targets.loadOf('store-panel').used === count && isSettled(store),
          'all are verified',
          300_000,
        );
        return systemClock.monotonicMs() - started;
      });
    } finally {
      await driver.stop(1_000);
    }
  });
}

const isSettled = (store: Store): boolean =>
  store.targets.nextDueMs('store-panel') !== 0 && store.targets.loadOf('store-panel').pending === 0;

/** What a program does that knows nothing of bulk: one FC16 for each credential, the next when it is answered. */
async function plainWrites(transport: string, count: number, baud?: number): Promise<number> {
  return await withController(transport, baud, async (port) => {
    const client = new ModbusRTU.default();
    client.setID(1);
    client.setTimeout(5_000);
    if (transport === 'tcp') await client.connectTCP('127.0.0.1', { port });
    else await client.connectTelnet('127.0.0.1', { port });
    const started = systemClock.monotonicMs();
    for (let n = 0; n < count; n++)
      await client.writeRegisters(1000 + n * REGISTERS, [0x0805, 0, 0, n, 0, 0, 0xffff, 0xffff]);
    const takenMs = systemClock.monotonicMs() - started;
    client.close(() => undefined);
    return takenMs;
  });
}

async function withController<T>(
  transport: string,
  baud: number | undefined,
  work: (port: number) => Promise<T>,
): Promise<T> {
  const speed = baud === undefined ? [] : [String(baud)];
  const child = await startChild<never, { port: number }>('sync-child.ts', [transport, ...speed]);
  try {
    return await work(child.first.port);
  } finally {
    child.end();
  }
}

// ---- the house -----------------------------------------------------------------------------------------------------------------------------------

type BenchHouse = { store: Store; site: Site; sync: Sync };

async function inHouse<T>(device: Device, work: (house: BenchHouse) => Promise<T>): Promise<T> {
  const { folder, remove } = benchFolder();
  const store = openBenchStore(folder);
  const slots = device.capabilities.slots;
  if (slots === null) throw new Error('the controller has a table');
  const site = store.now(() => {
    store.users.insert({
      acs_user_id: USER,
      full_name: 'Bench',
      email_address: null,
      phone_number: null,
      user_identity_id: null,
      starts_at: null,
      ends_at: null,
      is_suspended: 0,
      metadata: null,
      created_at: 0,
    });
    const entranceKey = store.entrances.declare(STORE_ROOM, 'store-room');
    return new Site(
      [{ ...ENTRANCES.storeRoom, entranceKey }],
      ['store-panel'],
      [{ name: 'store-panel', slots, foreignSlots: 'report' }],
    );
  });
  const sync = new Sync({
    store,
    site,
    devices: new Map([['store-panel', device]]),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    time: () => ({ trusted: true, nowMs: Date.now(), floorMs: null, isGraceLeft: true }),
    preloadMs: 72 * 3_600_000,
    acsSystemId: SYSTEM,
    onChange: () => undefined,
  });
  try {
    return await work({ store, site, sync });
  } finally {
    await sync.stop();
    store.close();
    remove();
  }
}
