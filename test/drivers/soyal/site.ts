// What the tests of this driver share: the driver on one end of a real line, simulated controllers on the other, and
// what was emitted meanwhile.

import { afterEach } from 'vitest';
import { soyalDriver } from '../../../drivers/soyal/driver.ts';
import { SoyalSimulator } from '../../../drivers/soyal/simulator.ts';
import type { SimulatedController, ControllerOptions } from '../../../drivers/soyal/simulator-controller.ts';
import type { Device, Driver, DriverEvent, Log, SlotContent } from '../../../drivers/driver.ts';
import { portOpener } from '../../../drivers/serial-port.ts';
import { systemClock } from '../../../src/ops/clock.ts';
import { systemRandom } from '../../../src/ops/random.ts';
import { until } from '../../support/ports.ts';

const cleanUps: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});
export const later = (cleanUp: () => Promise<void>): void => void cleanUps.push(cleanUp);

export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};

/** Quick answers are expected, so that a lost one does not make a test wait. */
const QUICK = { baud: 115_200, answer_within: '60ms', gap: '1ms' };

export type DriverOnLine = {
  driver: Driver;
  events: DriverEvent[];
  device(name?: string): Device;
  /** Waits for an event of this type, counted from the start. */
  seen(type: DriverEvent['type'], count?: number): Promise<void>;
};

/** The driver on a line, with controllers named `door-ADDRESS`. */
export function startDriver(
  path: string,
  controllers: readonly Record<string, unknown>[],
  bus: Record<string, unknown> = {},
): DriverOnLine {
  const busConfig = soyalDriver.busSchema.parse({ ...QUICK, port: path, ...bus });
  const prepared = controllers.map((config) => {
    const checked = soyalDriver.controllerSchema.parse({ poll: '100ms', ...config });
    const { controller, problems } = soyalDriver.prepare(`door-${String(config['address'])}`, busConfig, checked, '/');
    if (controller === null) throw new Error(problems.map((problem) => problem.message).join());
    return controller;
  });
  const events: DriverEvent[] = [];
  const driver = soyalDriver.create('annex', busConfig, prepared, {
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    openPort: portOpener(systemClock),
    emit: (event) => events.push(event),
  });
  driver.start();
  later(() => driver.stop(1_000));
  return {
    driver,
    events,
    device(name = 'door-1') {
      const device = driver.devices.get(name);
      if (device === undefined) throw new Error(`no device ${name}`);
      return device;
    },
    seen: (type, count = 1) =>
      until(() => events.filter((event) => event.type === type).length >= count, `${count} events ${type}`),
  };
}

export type Site = DriverOnLine & { simulator: SoyalSimulator; controller: SimulatedController; port: number };

/** Controllers behind a serial converter, and the driver that has met the first of them. */
export async function openSite(
  options: {
    simulated?: readonly Partial<ControllerOptions>[];
    configured?: readonly Record<string, unknown>[];
    bus?: Record<string, unknown>;
    before?: (controller: SimulatedController) => void;
  } = {},
): Promise<Site> {
  const simulator = new SoyalSimulator(options.simulated ?? [{ address: 1 }], systemClock);
  later(() => simulator.close());
  const controller = simulator.controllers[0];
  if (controller === undefined) throw new Error('no controller is simulated');
  options.before?.(controller);
  const port = await simulator.listen(0);
  const line = startDriver(`tcp://127.0.0.1:${port}`, options.configured ?? [{ address: 1 }], options.bus);
  await line.seen('online');
  return { ...line, simulator, controller, port };
}

/** Contents that say only what matters in a test. */
export const content = (change: Partial<SlotContent>): SlotContent => ({
  card: null,
  pin: null,
  cardAndPin: false,
  doors: [1],
  startsAtMs: null,
  endsAtMs: null,
  oneTimeUse: false,
  ...change,
});

export function slotsOf(device: Device) {
  if (device.slots === null) throw new Error('the device has slots');
  return device.slots;
}
export function outputsOf(device: Device) {
  if (device.outputs === null) throw new Error('the device has outputs');
  return device.outputs;
}
export function eventsOf(device: Device) {
  if (device.events === null) throw new Error('the device has events');
  return device.events;
}
export function clockOf(device: Device) {
  if (device.clock === null) throw new Error('the device has a clock');
  return device.clock;
}

export const soon = (ms = 2_000): number => systemClock.monotonicMs() + ms;
export const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
