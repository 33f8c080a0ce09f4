// An OSDP bus on a real line with simulated readers at its far end, for tests: a pty pair, or a TCP port as a serial
// converter has it.

import type { Clock, Driver, DriverEvent, KeyOrigin, Log, OutputOutcome, ReaderKeys } from '../../../drivers/driver.ts';
import { osdpDriver } from '../../../drivers/osdp/driver.ts';
import { isOsdpDriver, type OsdpDriver } from '../../../drivers/osdp/operations.ts';
import { SimulatedReader } from '../../../drivers/osdp/simulated-reader.ts';
import type { SimulatedReaderOptions } from '../../../drivers/osdp/simulated-device.ts';
import { SimulatedLine } from '../../../drivers/osdp/simulator.ts';
import { portOpener } from '../../../drivers/serial-port.ts';
import { systemClock } from '../../../src/ops/clock.ts';
import { systemRandom } from '../../../src/ops/random.ts';
import { openPtyPair, until } from '../../support/ports.ts';
import type { PtyPair } from '../../support/ports.ts';

const ignore = (): undefined => undefined;
export const silentLog: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore, child: () => silentLog };

export const KEY = Buffer.from('C3A1F05E77120B9D4408EE6AB1D2937F', 'hex');

/** Keys in memory, in the order they were changed. */
export class MemoryKeys implements ReaderKeys {
  readonly rows = new Map<string, ReturnType<ReaderKeys['load']>>();
  readonly changes: string[] = [];

  load(device: string) {
    return { ...this.#row(device) };
  }
  savePending(device: string, key: Buffer, how: KeyOrigin = 'rotated'): void {
    this.changes.push('pending');
    Object.assign(this.#row(device), { pending: Buffer.from(key), pendingHow: how });
  }
  activate(device: string): void {
    this.changes.push('activate');
    const row = this.#row(device);
    Object.assign(row, { active: row.pending, pending: null, pendingHow: null });
  }
  discardPending(device: string): void {
    this.changes.push('discard');
    Object.assign(this.#row(device), { pending: null, pendingHow: null });
  }
  forget(device: string): void {
    this.changes.push('forget');
    this.rows.delete(device);
  }
  saveIdentity(device: string, identity: string): void {
    this.#row(device).identity = identity;
  }
  give(device: string, key: Buffer): void {
    this.#row(device).active = key;
  }

  #row(device: string) {
    const row = this.rows.get(device) ?? { active: null, pending: null, pendingHow: null, identity: null };
    this.rows.set(device, row);
    return row;
  }
}

export type WorldOptions = {
  /**
   * Simulated readers by the name of the controller that is configured for each; they get addresses 0, 1, 2, … unless
   * they say otherwise.
   */
  readers: Readonly<Record<string, SimulatedReaderOptions>>;
  /** Keys of the controllers in the facility file, beyond the address. */
  controllers?: Readonly<Record<string, Record<string, unknown>>>;
  bus?: Record<string, unknown>;
  line?: 'pty' | 'tcp';
  baud?: number;
  paced?: boolean;
  turnaroundMs?: number;
  /**
   * False: there is no place for keys, as when the agent's database was refused. Keys: as an earlier life left them.
   */
  store?: boolean | MemoryKeys;
  /** False: the driver is made and not started. */
  start?: boolean;
  /** Both ends' time runs this many times as fast as the test's, so that long outages are short. */
  speed?: number;
};

export function fasterClock(speed: number): Clock {
  return {
    ...systemClock,
    monotonicMs: () => systemClock.monotonicMs() * speed,
    after: (delayMs, run) => systemClock.after(delayMs / speed, run),
  };
}

export type World = {
  readonly driver: OsdpDriver;
  readonly line: SimulatedLine;
  readonly keys: MemoryKeys;
  readonly events: DriverEvent[];
  readonly pty: PtyPair | null;
  /** How often the driver and its line have asked for the next turn of the loop since the world began. */
  turns(): number;
  /** Time as both ends have it, ms. */
  nowMs(): number;
  sim(name: string): SimulatedReader;
  /** Waits until an event like this has come since `from` (an index into `events`), and gives it. */
  event<T extends DriverEvent['type']>(type: T, from?: number): Promise<DriverEvent & { type: T }>;
  /** Online, and polled. */
  online(name: string): Promise<void>;
  count(type: DriverEvent['type']): number;
  pulse(name: string, output: number, durationMs: number, withinMs?: number): Promise<OutputOutcome>;
  close(): Promise<void>;
};

/** Readers have KEY, and Lintel has it for them, unless `key` says otherwise (null: neither has one). */
export async function openWorld(options: WorldOptions): Promise<World> {
  const clock = options.speed === undefined ? systemClock : fasterClock(options.speed);
  const context = { clock, random: systemRandom, log: silentLog, openPort: portOpener(clock) };
  const keys = options.store instanceof MemoryKeys ? options.store : new MemoryKeys();
  const sims = new Map<string, SimulatedReader>();
  for (const [index, [name, setup]] of Object.entries(options.readers).entries()) {
    const key = setup.key === undefined ? KEY : setup.key;
    sims.set(name, new SimulatedReader(clock, systemRandom, { address: index, ...setup, key }));
    if (key !== null && keys !== options.store) keys.give(name, key);
  }
  const pty = options.line === 'tcp' ? null : await openPtyPair();
  const baud = options.baud ?? 115200;
  const line = new SimulatedLine(
    [...sims.values()],
    {
      at: pty === null ? { listen: 0 } : { path: pty.b },
      baud,
      paced: options.paced ?? false,
      turnaroundMs: options.turnaroundMs ?? 0,
    },
    context,
  );
  await line.start();
  const busConfig = osdpDriver.busSchema.parse({ port: pty?.a ?? line.path, baud, ...options.bus });
  const controllers = [...sims].map(([name, sim]) => {
    const given = { address: sim.address, ...options.controllers?.[name] };
    const { controller, problems } = osdpDriver.prepare(name, busConfig, osdpDriver.controllerSchema.parse(given), '/');
    if (controller === null) throw new Error(JSON.stringify(problems));
    return controller;
  });
  const events: DriverEvent[] = [];
  let turns = 0;
  const counted: Clock = {
    ...clock,
    immediate: (run) => {
      turns++;
      clock.immediate(run);
    },
  };
  const driver: Driver = osdpDriver.create('north', busConfig, controllers, {
    ...context,
    clock: counted,
    openPort: portOpener(counted),
    emit: (event) => events.push(event),
    ...(options.store === false ? {} : { readerKeys: keys }),
  });
  if (!isOsdpDriver(driver)) throw new Error('not an OSDP driver');
  if (options.start !== false) driver.start();
  return {
    driver,
    line,
    keys,
    events,
    pty,
    turns: () => turns,
    nowMs: () => clock.monotonicMs(),
    sim(name) {
      const sim = sims.get(name);
      if (sim === undefined) throw new Error(`no simulated reader ${name}`);
      return sim;
    },
    async event(type, from = 0) {
      const matches = (event: DriverEvent): event is DriverEvent & { type: typeof type } => event.type === type;
      await until(
        () => events.slice(from).some(matches),
        `the event ${type}; there are ${events.map((e) => e.type).join(', ')}`,
        15_000,
      );
      const found = events.slice(from).find(matches);
      if (found === undefined) throw new Error('the event went');
      return found;
    },
    async online(name) {
      const sim = sims.get(name);
      const status = () => driver.devices.get(name)?.status();
      await until(() => status()?.online === true, `${name} to be online (${status()?.problem ?? ''})`, 15_000);
      const polls = sim?.count('POLL') ?? 0;
      // What waits in a reader before its first polls is old, and not counted.
      await until(() => (sim?.count('POLL') ?? 0) >= polls + 2, `${name} to be polled`, 15_000);
    },
    count: (type) => events.filter((event) => event.type === type).length,
    async pulse(name, output, durationMs, withinMs = 2_000) {
      const outputs = driver.devices.get(name)?.outputs;
      if (outputs == null) throw new Error(`${name} has no outputs`);
      return await outputs.pulse(output, durationMs, clock.monotonicMs() + withinMs);
    },
    async close() {
      await driver.stop(500);
      await line.stop();
      await pty?.close();
    },
  };
}

/** Runs `work` in a world and takes it down afterwards, whatever happens. */
export async function inWorld(options: WorldOptions, work: (world: World) => Promise<void>): Promise<void> {
  const world = await openWorld(options);
  try {
    await work(world);
  } finally {
    await world.close();
  }
}

export const sleep = async (ms: number): Promise<void> => {
  await new Promise((resolve) => setTimeout(resolve, ms));
};
