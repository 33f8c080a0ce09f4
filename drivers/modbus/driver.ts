// The `modbus` driver: one bus (a serial line, a converter, or Modbus TCP) and the controllers and IO modules on it,
// each as its profile describes it.

import { Bus } from './bus.ts';
import {
  busSchema,
  busSettings,
  checkBus,
  controllerConfigOf,
  controllerSchema,
  lookPeriodMs,
  prepare,
  preparedOf,
  transferRegisters,
  unitSettings,
} from './config.ts';
import { ModbusDevice } from './device.ts';
import { RtuLine } from './line.ts';
import { TcpLine } from './tcp.ts';
import { withDeadline } from '../../src/domain/deadline.ts';
import { parseDuration } from '../../src/domain/duration.ts';
import type { BusHealth, Device, Driver, DriverContext, DriverModule, Keeps, PreparedController } from '../driver.ts';

export const modbusDriver: DriverModule = {
  name: 'modbus',
  busSchema,
  controllerSchema,
  prepare,
  checkBus,
  create: (busName, busConfig, controllers, context) => new ModbusDriver(busName, busConfig, controllers, context),
};

class ModbusDriver implements Driver {
  readonly bus: string;
  readonly devices: ReadonlyMap<string, Device>;
  readonly #devices: readonly ModbusDevice[];
  readonly #bus: Bus;
  readonly #context: DriverContext;
  #resting: Promise<void> | null = null;

  constructor(busName: string, busConfig: unknown, controllers: readonly PreparedController[], context: DriverContext) {
    this.bus = busName;
    this.#context = { ...context, log: context.log.child({ bus: busName }) };
    const settings = busSettings(busConfig);
    const parts = controllers.map(({ name, config, capabilities, prepared }) => ({
      name,
      capabilities,
      config: controllerConfigOf(config),
      profile: preparedOf({ name, config, capabilities, prepared }).profile,
    }));
    const units = parts.map(({ config, profile }) => unitSettings(config, profile));
    const line =
      settings.kind === 'rtu'
        ? new RtuLine(settings.line, this.#context)
        : new TcpLine(settings, settings.maxInFlight ?? leastInFlight(units), this.#context);
    const { log } = this.#context;
    this.#bus = new Bus(context.clock, context.random, line, (problem) => {
      if (problem !== null) log.warn('the line is disturbed', { problem });
      context.emit({ type: 'bus_disturbed', bus: busName, problem });
    });
    const perTransfer = transferRegisters(settings, parts);
    const lookMs = lookPeriodMs(settings, parts);
    this.#devices = parts.map(({ name, capabilities, config, profile }) => {
      const unit = unitSettings(config, profile);
      const maxInFlight = settings.kind === 'tcp' ? (settings.maxInFlight ?? unit.maxInFlight) : 1;
      return new ModbusDevice(
        {
          name,
          profile,
          capabilities,
          unit: { ...unit, maxInFlight },
          inputPeriodMs: parseDuration(config.input_period),
          lookPeriodMs: lookMs,
          zone: config.time_zone ?? 'UTC',
          transferRegisters: perTransfer,
        },
        this.#bus,
        this.#context,
      );
    });
    this.devices = new Map(this.#devices.map((device) => [device.name, device]));
  }

  start(): void {
    this.#bus.start();
  }

  health(): BusHealth {
    return this.#bus.health();
  }

  rest(timeoutMs: number, keeps?: Keeps): Promise<void> {
    const resting = this.#devices.map((device) => device.rest(keeps));
    this.#resting ??= this.#within(timeoutMs, 'bringing outputs to rest', resting);
    return this.#resting;
  }

  /** All of it goes to the line in this turn, the outputs first. */
  async stop(timeoutMs: number): Promise<void> {
    const resting = this.rest(timeoutMs);
    const leaving = this.#devices.map((device) => device.leave());
    await Promise.all([resting, this.#within(timeoutMs, 'letting go of readers', leaving)]);
    for (const device of this.#devices) device.close();
    await this.#bus.stop();
  }

  async #within(timeoutMs: number, what: string, work: readonly Promise<void>[]): Promise<void> {
    const { clock, log } = this.#context;
    await withDeadline(clock, timeoutMs, what, Promise.all(work)).catch((error: unknown) => {
      log.warn('the end is not clean: an output may not be at rest', { reason: String(error) });
    });
  }
}

/** A gateway takes no more at once than the least of the devices behind it. */
const leastInFlight = (units: readonly { maxInFlight: number }[]): number =>
  Math.max(1, Math.min(...units.map((unit) => unit.maxInFlight), 16));
