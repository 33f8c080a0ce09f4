// What the synchronisation makes of a wire, and what a change costs it: bulk writes against the wire's own limit and
// against one write per credential, and one change in a large table against one in a small. `npm run bench -- sync`, or
// one part of it alone: `npm run bench -- sync/tcp`.

import { join } from 'node:path';
import { modbusDriver } from '../../drivers/modbus/driver.ts';
import { portOpener } from '../../drivers/serial-port.ts';
import type { Device, SlotContent } from '../../src/domain/ports.ts';
import type { Site } from '../../src/domain/site.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { setupDigest } from '../../src/sync/setup.ts';
import type { Sync } from '../../src/sync/sync.ts';
import { retarget } from '../../src/store/retarget.ts';
import type { Store } from '../../src/store/store.ts';
import { MemoryDevice } from '../support/memory-device.ts';
import { silentLog, STORE_ROOM, USER } from '../support/room.ts';
import { until } from '../support/ports.ts';
import { startChild, type AskedChild } from './child.ts';
import { against, beside, median, percentile, type Report } from './report.ts';
import {
  bareFrames,
  onPymodbus,
  plainCalls,
  pythonClient,
  REGISTERS,
  SMALL_REGISTERS,
  wireLimitMs,
} from './sync-clients.ts';
import type { DevicesAnswer, DevicesOrder, MoveInput } from './sync-child.ts';
import { inHouse, type BenchHouse } from './sync-house.ts';

const BENCH = 'sync';

const PARTS: Readonly<Record<string, (report: Report) => Promise<void>>> = {
  planning,
  serial: async (report) => {
    for (const baud of [9_600, 19_200, 115_200]) await serialBulk(report, baud, 1_000);
  },
  tcp: (report) => tcpBulk(report, 10_000),
  expiry: (report) => expiry(report, 9_600, 500),
  shared: (report) => sharedBus(report, 9_600),
};

export async function run(report: Report, part: string | null): Promise<void> {
  for (const [name, measure] of Object.entries(PARTS)) {
    if (part === null || part === name) await measure(report);
  }
}

// ---- planning -------------------------------------------------------------------------------------------------------

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
    retarget(store, site, key);
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

function insert(store: Store, site: Site, n: number, endsAtMs: number | null = null): number {
  const id = `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
  const pin = String(100_000 + n).slice(0, 6);
  const key = store.credentials.insert({
    acs_credential_id: id,
    user_key: store.users.byId(USER)?.user_key ?? null,
    access_method: 'code',
    starts_at: null,
    ends_at: endsAtMs,
    has_own_entrances: 1,
    uses_left: 0,
    max_uses: null,
    is_duress: 0,
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
    schedule_key: null,
  });
  const entranceKey = site.byId(STORE_ROOM)?.entranceKey ?? 0;
  store.credentials.setEntrances(key, [entranceKey], { hash: store.secrets.codeHash(pin), length: pin.length });
  retarget(store, site, key);
  return key;
}

// ---- the wire -------------------------------------------------------------------------------------------------------

/**
 * Against the wire's own limit, and against bare frames on the same line just before and after: what a busy machine
 * takes from the one it takes from the other, devices and all.
 */
async function serialBulk(report: Report, baud: number, count: number): Promise<void> {
  const before = await onDevices(serial(baud), (port) => bareFrames(port, baud, count));
  const takenMs = await onDevices(serial(baud), async (port) => await onAgent(port, serial(baud), bulkOf(count)));
  const bareMs = (before + (await onDevices(serial(baud), (port) => bareFrames(port, baud, count)))) / 2;
  const limitMs = wireLimitMs(baud, count);
  const plain = 50;
  const plainMs =
    ((await onDevices(serial(baud), (port) => plainCalls(port, 'rtu', plain, REGISTERS))) * count) / plain;
  const what = `${count} credentials at ${baud} baud`;
  report(beside(BENCH, `${what}, written and read back`, takenMs / 1_000, 's'));
  report(beside(BENCH, `${what}, one write each by modbus-serial, not read back`, plainMs / 1_000, 's'));
  report(beside(BENCH, `${what}: share of the wire’s limit`, limitMs / takenMs, ''));
  report(
    against(BENCH, `${what}: bare frames of the same length / the synchronisation`, bareMs / takenMs, 'x', '>=', 0.95),
  );
}

const TCP_ROUNDS = 3;
/** An agent runs for months: what the compilers of Node do with a program in its first seconds is shown by itself. */
const FIRST_ROUNDS = 2;

/**
 * Against a server that nobody here wrote, which takes several requests at once, every credential written, put in force
 * and read back: by the whole synchronisation, which also makes each step of each credential durable, with its events,
 * and by two plain clients, one call after the other. Beside them the driver alone. In turns, the median of each.
 */
async function tcpBulk(report: Report, count: number): Promise<void> {
  const order: DevicesOrder = { transport: 'tcp', baud: null, profiles: ['controller-small.yaml'], turnaroundMs: 0 };
  const rounds: Record<'sync' | 'cpu' | 'driver' | 'plain' | 'plainCpu' | 'python', number[]> = {
    sync: [],
    cpu: [],
    driver: [],
    plain: [],
    plainCpu: [],
    python: [],
  };
  const first: number[] = [];
  for (let round = 0; round < FIRST_ROUNDS; round++) {
    const { cpuMs } = await onPymodbus((port) => onAgent(port, order, withCpu(bulkOf(count))));
    first.push(cpuMs / count);
    await onPymodbus((port) => plainCalls(port, 'tcp', count, SMALL_REGISTERS, true));
  }
  for (let round = 0; round < TCP_ROUNDS; round++) {
    const { takenMs, cpuMs } = await onPymodbus((port) => onAgent(port, order, withCpu(bulkOf(count))));
    rounds.sync.push(takenMs);
    rounds.cpu.push(cpuMs / count);
    rounds.driver.push(await onPymodbus((port) => onAgent(port, order, ({ device }) => writeAndRead(device, count))));
    const before = process.cpuUsage();
    rounds.plain.push(await onPymodbus((port) => plainCalls(port, 'tcp', count, SMALL_REGISTERS, true)));
    rounds.plainCpu.push(cpuSince(before) / count);
    rounds.python.push(await onPymodbus((port) => pythonClient(port, count, SMALL_REGISTERS)));
  }
  const [syncMs, driverMs, plainMs] = [median(rounds.sync), median(rounds.driver), median(rounds.plain)];
  const pythonMs = median(rounds.python);
  const what = `${count} credentials to pymodbus over TCP, written, in force and read back`;
  report(beside(BENCH, `${what}, by the whole synchronisation, durably`, syncMs / 1_000, 's'));
  report(beside(BENCH, `${what}, by the driver`, driverMs / 1_000, 's'));
  report(beside(BENCH, `${what}, by modbus-serial one by one`, plainMs / 1_000, 's'));
  report(beside(BENCH, `${what}, by pymodbus one by one`, pythonMs / 1_000, 's'));
  const [cpuMs, plainCpuMs] = [median(rounds.cpu), median(rounds.plainCpu)];
  report(beside(BENCH, 'CPU per credential, the whole synchronisation, durably', cpuMs, 'ms'));
  report(beside(BENCH, 'the same, of the first in the life of a process', first[0] ?? NaN, 'ms'));
  report(beside(BENCH, 'CPU per credential, modbus-serial one by one', plainCpuMs, 'ms'));
  report(
    against(BENCH, 'CPU, the whole synchronisation / modbus-serial one by one', cpuMs / plainCpuMs, 'x', '<=', 0.8),
  );
  report(against(BENCH, 'Modbus TCP: modbus-serial one by one / the driver', plainMs / driverMs, 'x', '>=', 3));
  report(
    against(BENCH, 'Modbus TCP: modbus-serial one by one / the whole synchronisation', plainMs / syncMs, 'x', '>=', 1),
  );
  report(
    against(BENCH, 'Modbus TCP: pymodbus one by one / the whole synchronisation', pythonMs / syncMs, 'x', '>=', 1),
  );
  await tcpNetwork(report, { ...order, turnaroundMs: 1 }, count / 5);
}

/**
 * The same where an answer takes a millisecond, as over a building's network it does: on loopback there is nothing to
 * wait for, and so nothing to save.
 */
async function tcpNetwork(report: Report, order: DevicesOrder, count: number): Promise<void> {
  const syncMs = await onDevices(order, (port) => onAgent(port, order, bulkOf(count)));
  const plainMs = await onDevices(order, (port) => plainCalls(port, 'tcp', count, SMALL_REGISTERS, true));
  const what = `Modbus TCP, answers after ${order.turnaroundMs} ms: modbus-serial one by one / the whole synchronisation`;
  report(against(BENCH, what, plainMs / syncMs, 'x', '>=', 5));
}

/** The processor time of this process, which is the whole agent; what the other side takes is not in it. */
const withCpu =
  (work: (house: BenchAgent) => Promise<number>) =>
  async (house: BenchAgent): Promise<{ takenMs: number; cpuMs: number }> => {
    let before = process.cpuUsage();
    const takenMs = await work({ ...house, begun: () => void (before = process.cpuUsage()) });
    return { takenMs, cpuMs: cpuSince(before) };
  };

function cpuSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

async function writeAndRead(device: Device, count: number): Promise<number> {
  const { slots } = device;
  if (slots === null) throw new Error('the controller has a table');
  const writes = Array.from({ length: count }, (_, slot) => ({
    slot,
    content: { ...NO_CONTENT, pin: String(100_000 + slot) },
  }));
  const started = systemClock.monotonicMs();
  const outcomes = await slots.write(writes);
  const readings = await slots.read(writes.map(({ slot }) => slot));
  const takenMs = systemClock.monotonicMs() - started;
  const isRight = writes.every(
    ({ slot, content }) => readings[slot]?.image.equals(slots.image(slot, content)) === true,
  );
  if (!isRight || outcomes.some(({ outcome }) => outcome !== 'written'))
    throw new Error('the far end holds something else');
  return takenMs;
}

const NO_CONTENT: SlotContent = {
  card: null,
  pin: null,
  cardAndPin: false,
  doors: [1],
  startsAtMs: null,
  endsAtMs: null,
  oneTimeUse: false,
};

/** All of them end in the same second: how long until the last is erased, and seen to be. */
async function expiry(report: Report, baud: number, count: number): Promise<void> {
  const takenMs = await onDevices(serial(baud), async (port) =>
    onAgent(port, serial(baud), async (house) => {
      const endsAtMs = Date.now() + 60_000;
      await bulkOf(count, endsAtMs)(house);
      await until(() => Date.now() >= endsAtMs, 'the end comes', 90_000);
      await until(() => house.store.targets.loadOf('store-panel').used === 0, 'all are erased', 120_000);
      return Date.now() - endsAtMs;
    }),
  );
  const limitMs = wireLimitMs(baud, count);
  report(
    beside(
      BENCH,
      `${count} credentials end together at ${baud} baud: the last is erased and read back after`,
      takenMs / 1_000,
      's',
    ),
  );
  report(against(BENCH, `${count} erasures: taken / wire time`, takenMs / limitMs, '', '<=', 1.2));
}

const INPUTS_UNIT = 2;
const MOVES = 200;
const MOVES_AT_REST = 100;

/**
 * Inputs and a table on one slow bus: how soon a button is seen while credentials are written without end, against the
 * same bus at rest.
 */
async function sharedBus(report: Report, baud: number): Promise<void> {
  const order: DevicesOrder = { ...serial(baud), profiles: ['controller.yaml', 'inputs.yaml'], turnaroundMs: 5 };
  await onDevices(order, async (port, child) =>
    onAgent(port, order, async (house) => {
      const atRestMs = await seeMoves(child, house, MOVES_AT_REST);
      const written = bulkOf(1_000)(house);
      written.catch(() => undefined);
      await sleep(2_000);
      const besideMs = await seeMoves(child, house, MOVES);
      report(beside(BENCH, 'slots written meanwhile on that bus', house.store.targets.loadOf('store-panel').used, ''));
      for (const fraction of [0.5, 0.99]) {
        const what = `an input is seen at ${baud} baud, p${100 * fraction}`;
        report(beside(BENCH, `${what}, at rest`, percentile(atRestMs, fraction), 'ms'));
        report(beside(BENCH, `${what}, beside a bulk write`, percentile(besideMs, fraction), 'ms'));
      }
      const ratio = percentile(besideMs, 0.99) / percentile(atRestMs, 0.99);
      report(
        against(BENCH, `an input is seen at ${baud} baud, p99: beside a bulk write / at rest`, ratio, 'x', '<=', 1.4),
      );
      return 0;
    }),
  );
}

async function seeMoves(child: Devices, house: BenchAgent, count: number): Promise<number[]> {
  const seenMs: number[] = [];
  for (let i = 0; i < count; i++) {
    const active = i % 2 === 0;
    const seen = house.nextInput();
    const { atNs = '0' } = await child.ask({ unit: INPUTS_UNIT, input: 3, active });
    seenMs.push(Number((await seen) - BigInt(atNs)) / 1e6);
    await sleep(120 + Math.random() * 230);
  }
  return seenMs;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

// ---- devices and the agent ------------------------------------------------------------------------------------------

const serial = (baud: number): DevicesOrder => ({
  transport: 'rtu-over-tcp',
  baud,
  profiles: ['controller.yaml'],
  turnaroundMs: 0,
});

type Devices = AskedChild<MoveInput, DevicesAnswer>;

async function onDevices<T>(order: DevicesOrder, work: (port: number, child: Devices) => Promise<T>): Promise<T> {
  const child = await startChild<MoveInput, DevicesAnswer>('sync-child.ts', [JSON.stringify(order)]);
  try {
    return await work(child.first.port ?? 0, child);
  } finally {
    child.end();
  }
}

type BenchAgent = BenchHouse & {
  device: Device;
  /** The moment at which the next change of an input is told, CLOCK_MONOTONIC. */
  nextInput(): Promise<bigint>;
  /** Called when the credentials are stored and the controller is about to be told. */
  begun?: () => void;
};

/**
 * A driver on these devices, and the synchronisation of unit 1. Where it is alone its table was just seen to be empty:
 * the first comparison is another measurement.
 */
async function onAgent<T>(port: number, order: DevicesOrder, work: (agent: BenchAgent) => Promise<T>): Promise<T> {
  const { transport } = order;
  const busConfig = modbusDriver.busSchema.parse({ transport, host: '127.0.0.1', port, baud: order.baud ?? 115_200 });
  const names = ['store-panel', 'inputs'];
  const controllers = order.profiles.map((file, i) => {
    const config = modbusDriver.controllerSchema.parse({ unit: i + 1, profile: join(import.meta.dirname, file) });
    const { controller, problems } = modbusDriver.prepare(names[i] ?? '', busConfig, config, '/');
    if (controller === null) throw new Error(problems.map(({ message }) => message).join('\n'));
    return controller;
  });
  const online = new Set<string>();
  let toldInput: (atNs: bigint) => void = () => undefined;
  const driver = modbusDriver.create('plant', busConfig, controllers, {
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    openPort: portOpener(systemClock),
    emit: (event) => {
      if (event.type === 'online') online.add(event.device);
      if (event.type === 'input') toldInput(process.hrtime.bigint());
    },
  });
  driver.start();
  await until(() => online.size === controllers.length, 'the controllers are online', 20_000);
  const device = driver.devices.get('store-panel');
  if (device === undefined) throw new Error('the bus has its controller');
  try {
    return await inHouse(device, async (house) => {
      house.store.now(() => {
        house.store.controllers.change('store-panel', { compared_at: Date.now() });
      });
      house.sync.start();
      // On a bus with inputs that reading would take minutes.
      if (controllers.length === 1) await house.sync.resync('store-panel');
      return await work({ ...house, device, nextInput: () => new Promise((resolve) => (toldInput = resolve)) });
    });
  } finally {
    await driver.stop(1_000);
  }
}

/** From the moment a controller is given `count` credentials until all of them are verified, ms. */
const bulkOf =
  (count: number, endsAtMs: number | null = null) =>
  async ({ store, site, sync, begun }: BenchHouse & Pick<BenchAgent, 'begun'>): Promise<number> => {
    store.now(() => {
      for (let n = 0; n < count; n++) insert(store, site, n, endsAtMs);
    });
    begun?.();
    const started = systemClock.monotonicMs();
    sync.wake(['store-panel']);
    const isSettled = (): boolean => {
      const { used, pending } = store.targets.loadOf('store-panel');
      return used === count && pending === 0 && store.targets.nextDueMs('store-panel') !== 0;
    };
    await until(isSettled, 'all are verified', 600_000);
    return systemClock.monotonicMs() - started;
  };
