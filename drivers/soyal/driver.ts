// The `soyal` driver: SOYAL H series controllers (AR-721H, AR-725H, AR-727H) on an RS-485 line or behind a serial
// converter. They decide by their own table; the driver fills it, reads their events and inputs, and pulses their door.
// It follows the vendor's “standard polling” (25H and 37H, the state by 21H) and never sends 18H: a reader polled with
// that hands its cards to the host instead of deciding, and one wrong byte in it opens the door.

import { withDeadline } from '../../src/domain/deadline.ts';
import type { BusHealth, Device, Driver, DriverContext, DriverModule, Keeps, PreparedController } from '../driver.ts';
import { busSchema, busSettings, checkBus, controllerSchema, controllerSettings, prepare } from './config.ts';
import { SoyalDevice } from './device.ts';
import { SoyalLine } from './line.ts';

export const soyalDriver: DriverModule = {
  name: 'soyal',
  busSchema,
  controllerSchema,
  prepare,
  checkBus,
  unseen: {
    says: 'its master code cannot be read over the line; with the one from the factory (123456) anybody at its keypad changes it',
    remedy: 'Enter programming mode with it once (* code #): if that works with 123456, give it another one there',
  },
  create: (busName, busConfig, controllers, context) => new SoyalDriver(busName, busConfig, controllers, context),
};

class SoyalDriver implements Driver {
  readonly bus: string;
  readonly devices: ReadonlyMap<string, Device>;
  readonly #byAddress: ReadonlyMap<number, SoyalDevice>;
  readonly #line: SoyalLine;
  readonly #context: DriverContext;
  #resting: Promise<void> | null = null;

  constructor(busName: string, busConfig: unknown, controllers: readonly PreparedController[], context: DriverContext) {
    const bus = busSettings(busConfig);
    const settings = controllers.map((controller) => ({ controller, settings: controllerSettings(controller.config) }));
    this.bus = busName;
    this.#context = context;
    this.#line = new SoyalLine(
      bus,
      settings.map((one) => one.settings.address),
      context,
      {
        heard: (node) => this.#byAddress.get(node)?.heard(),
        missed: (node) => this.#byAddress.get(node)?.missed(),
        up: () => this.#eachDevice((device) => device.lineUp()),
        disturbed: (problem) => {
          if (problem !== null) context.log.warn('the line is disturbed', { bus: busName, problem });
          context.emit({ type: 'bus_disturbed', bus: busName, problem });
        },
        down: (reason) => this.#eachDevice((device) => device.lineDown(reason)),
      },
    );
    const devices = settings.map(
      ({ controller, settings: own }) =>
        new SoyalDevice(controller.name, controller.capabilities, own, bus, this.#line, context),
    );
    this.devices = new Map(devices.map((device) => [device.name, device]));
    this.#byAddress = new Map(devices.map((device) => [device.address, device]));
  }

  start(): void {
    this.#eachDevice((device) => device.start());
    this.#line.start();
  }

  health(): BusHealth {
    return this.#line.health();
  }

  rest(timeoutMs: number, keeps: Keeps = () => false): Promise<void> {
    this.#resting ??= this.#rest(timeoutMs, keeps);
    return this.#resting;
  }

  async stop(timeoutMs: number): Promise<void> {
    await this.rest(timeoutMs);
    this.#eachDevice((device) => device.stop());
    await this.#line.stop();
  }

  async #rest(timeoutMs: number, keeps: Keeps): Promise<void> {
    const { clock, log } = this.#context;
    const all = Promise.all([...this.#byAddress.values()].map((device) => device.rest(keeps)));
    await withDeadline(clock, timeoutMs, 'switching the door relays off', all).catch((error: unknown) => {
      log.warn('a door relay may still be on', { bus: this.bus, reason: String(error) });
    });
  }

  #eachDevice(tell: (device: SoyalDevice) => void): void {
    for (const device of this.#byAddress.values()) tell(device);
  }
}
