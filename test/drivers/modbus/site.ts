// What the tests of this driver share: the driver at one end of a real line, simulated devices at the other, and what
// was told meanwhile.

import { afterEach, beforeEach } from 'vitest';
import { modbusDriver } from '../../../drivers/modbus/driver.ts';
import type { Profile } from '../../../drivers/modbus/profile-schema.ts';
import { loadProfile } from '../../../drivers/modbus/profile.ts';
import { startModbusDevices, type ModbusSimulator, type UnitOptions } from '../../../drivers/modbus/simulator.ts';
import type {
  Clock,
  Device,
  Driver,
  DriverEvent,
  Log,
  OpenPort,
  OutputDevice,
  SlotContent,
  SlotDevice,
} from '../../../drivers/driver.ts';
import { portOpener } from '../../../drivers/serial-port.ts';
import { systemClock } from '../../../src/ops/clock.ts';
import { systemRandom } from '../../../src/ops/random.ts';
import { openPtyPair, until, type PtyPair } from '../../support/ports.ts';

const cleanUps: (() => Promise<void>)[] = [];
let running = 0;
beforeEach(() => {
  running++;
});
// Of tests that run side by side the last one cleans up for all.
afterEach(async () => {
  if (--running > 0) return;
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});
export const later = (cleanUp: () => Promise<void>): void => void cleanUps.push(cleanUp);

export const openPort = portOpener(systemClock);

export type LogLine = { level: string; message: string; fields: Record<string, unknown> };
export function recordingLog(lines: LogLine[]): Log {
  const at = (level: string) => (message: string, fields?: Record<string, unknown>) =>
    void lines.push({ level, message, fields: fields ?? {} });
  const log: Log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), child: () => log };
  return log;
}

export const TRANSPORTS = ['rtu', 'tcp', 'rtu-over-tcp'] as const;
export type Transport = (typeof TRANSPORTS)[number];

export const shipped = (name: string): Profile => {
  const { profile } = loadProfile(name, '/');
  if (profile === null) throw new Error(`${name} is a good profile`);
  return profile;
};

export type DriverOnLine = {
  driver: Driver;
  events: DriverEvent[];
  log: LogLine[];
  device(name?: string): Device;
  outputs(name?: string): OutputDevice;
  slots(name?: string): SlotDevice;
  /** Waits until so many events of this type have come, counted from the start. */
  seen(type: DriverEvent['type'], count?: number): Promise<void>;
};

/**
 * The driver with controllers named `unit-N`. Quick devices are expected, so that a lost answer does not make a test
 * wait.
 */
export function startDriver(
  bus: Record<string, unknown>,
  controllers: readonly Record<string, unknown>[],
  open: OpenPort = openPort,
  clock: Clock = systemClock,
  isLeftAsFound?: (device: string, output: number) => boolean,
): DriverOnLine {
  const busConfig = modbusDriver.busSchema.parse(bus);
  const prepared = controllers.map((config) => {
    const checked = modbusDriver.controllerSchema.parse({ turnaround_max: '100ms', input_period: '50ms', ...config });
    const { controller, problems } = modbusDriver.prepare(`unit-${String(config['unit'])}`, busConfig, checked, '/');
    if (controller === null) throw new Error(problems.map((problem) => problem.message).join('\n'));
    return controller;
  });
  const events: DriverEvent[] = [];
  const log: LogLine[] = [];
  const driver = modbusDriver.create('plant', busConfig, prepared, {
    clock,
    random: systemRandom,
    log: recordingLog(log),
    openPort: open,
    emit: (event) => events.push(event),
    ...(isLeftAsFound === undefined ? {} : { isLeftAsFound }),
  });
  driver.start();
  later(() => driver.stop(1_000));
  const device = (name = 'unit-1'): Device => {
    const found = driver.devices.get(name);
    if (found === undefined) throw new Error(`no device ${name}`);
    return found;
  };
  const present = <T>(part: T | null): T => {
    if (part === null) throw new Error('the device has no such part');
    return part;
  };
  return {
    driver,
    events,
    log,
    device,
    outputs: (name) => present(device(name).outputs),
    slots: (name) => present(device(name).slots),
    seen: (type, count = 1) =>
      until(() => events.filter((event) => event.type === type).length >= count, `${count} events ${type}`, 15_000),
  };
}

export type Line = { simulator: ModbusSimulator; bus: Record<string, unknown>; pty: PtyPair | null };

/** Simulated devices behind a line of this kind, and the bus configuration that reaches them. */
export async function openLine(
  transport: Transport,
  units: readonly UnitOptions[],
  more: object = {},
  clock: Clock = systemClock,
): Promise<Line> {
  if (transport === 'rtu') {
    const pty = await openPtyPair();
    later(() => pty.close());
    const simulator = await startModbusDevices({
      listen: { kind: 'serial', path: pty.b, openPort },
      units,
      clock,
    });
    later(() => simulator.close());
    return { simulator, pty, bus: { transport, port: pty.a, baud: 115_200, ...more } };
  }
  const simulator = await startModbusDevices({ listen: { kind: transport, port: 0 }, units, clock });
  later(() => simulator.close());
  return { simulator, pty: null, bus: { transport, host: '127.0.0.1', port: simulator.port, baud: 115_200, ...more } };
}

export type Site = DriverOnLine & Line;

/** Devices on a line and the driver that has met all of them. */
export async function openSite(
  transport: Transport,
  units: readonly (UnitOptions & { config?: Record<string, unknown> })[],
  bus: Record<string, unknown> = {},
): Promise<Site> {
  const line = await openLine(transport, units, bus);
  const controllers = units.map(({ unit, profile, config }) => ({
    unit,
    profile: typeof profile === 'string' ? profile : 'plc-door-2',
    ...config,
  }));
  const driver = startDriver(line.bus, controllers);
  await driver.seen('online', units.length);
  return { ...driver, ...line };
}

export const content = (some: Partial<SlotContent>): SlotContent => ({
  card: null,
  pin: null,
  cardAndPin: false,
  doors: [1],
  startsAtMs: null,
  endsAtMs: null,
  oneTimeUse: false,
  ...some,
});

export const soon = (ms = 2_000): number => systemClock.monotonicMs() + ms;
export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A controller whose slot N holds the card number N, with inputs rarely looked at, so that faults meet the reads. */
export async function filledSite(transport: Transport, turnaround = '150ms'): Promise<Site> {
  const site = await openSite(transport, [
    { unit: 1, profile: 'plc-door-2', config: { input_period: '5s', turnaround_max: turnaround } },
  ]);
  const writes = Array.from({ length: 40 }, (_, slot) => ({
    slot,
    content: content({ card: `H10301:1:${slot + 1}` }),
  }));
  const outcomes = await site.slots().write(writes);
  if (outcomes.some(({ outcome }) => outcome !== 'written')) throw new Error('the table could not be filled');
  return site;
}

/** Reads a slot; `wrong` is what must never come. */
export async function readSlot(site: Site, slot: number): Promise<'right' | 'wrong' | 'failed'> {
  try {
    const [reading] = await site.slots().read([slot]);
    const expected = site.slots().image(slot, content({ card: `H10301:1:${slot + 1}` }));
    return reading?.image.equals(expected) === true ? 'right' : 'wrong';
  } catch {
    return 'failed';
  }
}
