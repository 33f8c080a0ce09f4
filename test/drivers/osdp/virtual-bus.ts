// An OSDP bus and its simulated readers in virtual time, both ends of its line in one process, so that what a bus makes
// of its wire comes out the same on every machine.

import { osdpDriver } from '../../../drivers/osdp/driver.ts';
import { isOsdpDriver, type OsdpDriver } from '../../../drivers/osdp/operations.ts';
import type { SimulatedReaderOptions } from '../../../drivers/osdp/simulated-device.ts';
import { SimulatedReader } from '../../../drivers/osdp/simulated-reader.ts';
import { SimulatedLine } from '../../../drivers/osdp/simulator.ts';
import type { DriverEvent, OpenPort, Port, PortHandlers } from '../../../drivers/driver.ts';
import { wireTimeMs } from '../../../src/domain/line.ts';
import { systemRandom } from '../../../src/ops/random.ts';
import { VirtualTime } from '../../support/virtual-time.ts';
import { KEY, MemoryKeys, silentLog } from './world.ts';

export const TURNAROUND_MS = 2;
const NETWORK_MS = 0.05;
const NEAR = 'tcp://127.0.0.1:1';
const FAR = 'far end';

/**
 * `wire`: the readers' line itself takes its time. `converter`: what is before it does, and hands on answers at once or
 * every so often.
 */
export type LineKind = { kind: 'wire' } | { kind: 'converter'; everyMs: number };

/** Both ends of a line in one process. */
function openLine(time: VirtualTime, baud: number, line: LineKind, opened: (baud: number) => void): OpenPort {
  const ends = new Map<string, PortHandlers>();
  const characterMs = wireTimeMs({ path: '', baud, parity: 'none', dataBits: 8, stopBits: 1 }, 1);
  const freeAtMs = new Map<string, number>();
  const deliver = (to: string, bytes: Buffer, atMs: number): void =>
    void time.at(atMs + NETWORK_MS, () => ends.get(to)?.data(bytes));

  const send = (to: string, bytes: Buffer): void => {
    const arrivedMs = time.nowMs + NETWORK_MS;
    if (line.kind === 'wire') {
      deliver(to, bytes, arrivedMs);
      return;
    }
    const beganMs = Math.max(arrivedMs, freeAtMs.get(to) ?? 0);
    freeAtMs.set(to, beganMs + bytes.length * characterMs);
    for (let i = 0; i < bytes.length; i++) {
      const passedMs = beganMs + (i + 1) * characterMs;
      const isHeldBack = line.everyMs > 0 && to === NEAR;
      const atMs = isHeldBack ? Math.ceil(passedMs / line.everyMs) * line.everyMs : passedMs;
      deliver(to, Buffer.from(bytes.subarray(i, i + 1)), atMs);
    }
  };
  return (settings, handlers) => {
    const to = settings.path === FAR ? NEAR : FAR;
    ends.set(settings.path, handlers);
    if (settings.path === NEAR) opened(settings.baud);
    const port: Port = {
      write: (bytes) => send(to, Buffer.from(bytes)),
      drain: () => Promise.resolve(),
      discardInput: () => Promise.resolve(),
      close: () => Promise.resolve(),
      abort: () => Promise.resolve(),
    };
    return Promise.resolve(port);
  };
}

export type VirtualBus = {
  time: VirtualTime;
  driver: OsdpDriver;
  sims: readonly SimulatedReader[];
  simulated: SimulatedLine;
  events: readonly DriverEvent[];
  keys: MemoryKeys;
  count: (type: DriverEvent['type']) => number;
  /** Lets time pass in steps until it is so. */
  passUntil: (isSo: () => boolean, withinMs: number, what: string) => Promise<void>;
  /** Lets time pass until this has ended, and gives what came of it. */
  passDuring: <T>(work: Promise<T>, withinMs: number) => Promise<T>;
};

export type VirtualOptions = {
  /** Whether phones with this key are asked for what an issuer has signed. */
  wantsToken?: (key: Buffer) => boolean;
  baud: number;
  readers: number;
  /** Before anybody speaks to it. */
  prepare?: (sim: SimulatedReader) => void;
  line?: LineKind;
  turnaroundMs?: number;
  /** Of each reader, beyond address and key. */
  reader?: SimulatedReaderOptions;
  controller?: Record<string, unknown> | ((address: number) => Record<string, unknown>);
  /** Who decides; left out: a card that is presented is let in at once. */
  emit?: (event: DriverEvent) => void;
};

/**
 * Readers, and controllers for each of them by the names `reader-0`, `reader-1`, ….
 */
export async function openVirtualBus(options: VirtualOptions): Promise<VirtualBus> {
  const { baud, readers: count, line = { kind: 'wire' }, turnaroundMs = TURNAROUND_MS } = options;
  const time = new VirtualTime();
  const context = {
    random: systemRandom,
    log: silentLog,
    openPort: openLine(time, baud, line, (now) => (simulated.baud = now)),
  };
  const sims = Array.from(
    { length: count },
    (_, address) => new SimulatedReader(time.deviceClock(), systemRandom, { key: KEY, address, ...options.reader }),
  );
  for (const sim of sims) options.prepare?.(sim);
  const simulated: SimulatedLine = new SimulatedLine(
    sims,
    { at: { path: FAR }, baud, paced: line.kind === 'wire', turnaroundMs },
    { ...context, clock: time.deviceClock() },
  );
  const keys = new MemoryKeys();
  const busConfig = osdpDriver.busSchema.parse({ port: NEAR, baud });
  const controllers = sims.map(({ key }, address) => {
    const name = `reader-${address}`;
    const own = typeof options.controller === 'function' ? options.controller(address) : options.controller;
    if (key !== null) keys.give(name, key);
    const config = osdpDriver.controllerSchema.parse({ outputs: 1, address, ...own });
    const { controller } = osdpDriver.prepare(name, busConfig, config, '/');
    if (controller === null) throw new Error('the test’s own configuration is refused');
    return controller;
  });
  const events: DriverEvent[] = [];
  const driver = osdpDriver.create('bus', busConfig, controllers, {
    ...context,
    clock: time.loopClock(),
    emit: (event) => {
      events.push(event);
      if (options.emit !== undefined) options.emit(event);
      else if (event.type === 'presented')
        void driver.devices.get(event.device)?.outputs?.pulse(0, 100, time.nowMs + 2_000);
    },
    readerKeys: keys,
    ...(options.wantsToken === undefined ? {} : { wantsToken: options.wantsToken }),
  });
  if (!isOsdpDriver(driver)) throw new Error('not an OSDP driver');
  await simulated.start();
  driver.start();
  const countEvents = (type: DriverEvent['type']): number => events.filter((event) => event.type === type).length;
  const passUntil: VirtualBus['passUntil'] = async (isSo, withinMs, what) => {
    const endMs = time.nowMs + withinMs;
    while (!isSo()) {
      if (time.nowMs >= endMs) throw new Error(`waited ${withinMs} ms for ${what}`);
      await time.passUntil(Math.min(endMs, time.nowMs + 20));
    }
  };
  const passDuring: VirtualBus['passDuring'] = async (work, withinMs) => {
    let isOver = false;
    const over = (): void => void (isOver = true);
    void work.then(over, over);
    await passUntil(() => isOver, withinMs, 'it to end');
    return await work;
  };
  // Both ends have their line from the first moment on.
  await passUntil(() => driver.health?.().state !== 'down' && time.nowMs >= 20, 1_000, 'the line to be open');
  return { time, driver, sims, simulated, events, keys, count: countEvents, passUntil, passDuring };
}

/** As `openVirtualBus`, with every reader online and set up. */
export async function raiseVirtualBus(options: VirtualOptions): Promise<VirtualBus> {
  const bus = await openVirtualBus(options);
  const isUp = (): boolean =>
    bus.count('online') === options.readers && bus.sims.every((sim) => sim.count('RSTAT') > 0);
  await bus.passUntil(isUp, 60_000, 'all readers to be online');
  return bus;
}
