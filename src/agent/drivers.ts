// Makes the driver of each bus of the facility file, with the controllers on it.

import type { DriverModule, PreparedController } from '../domain/driver-module.ts';
import { newEvent } from '../domain/events.ts';
import type { Facility } from '../domain/facility.ts';
import type { Clock, Driver, DriverEvent, Keeps, Log, OpenPort, Random } from '../domain/ports.ts';
import type { Store } from '../store/store.ts';

export type DriverSetup = {
  facility: Facility;
  drivers: readonly DriverModule[];
  clock: Clock;
  random: Random;
  log: Log;
  openPort: OpenPort;
};

/** `store`: null where the database was refused; readers have no keys then. */
export function buildDrivers(
  setup: DriverSetup,
  store: Store | null,
  emit: (event: DriverEvent) => void,
  wantsToken: (key: Buffer, device: string) => boolean,
): Driver[] {
  const { facility, drivers, clock, random, log, openPort } = setup;
  if (store !== null) {
    store.readerKeys.onForgotten = (device) => {
      const body = { acs_system_id: facility.acsSystemId, device };
      store.events.add(newEvent('device.key_forgotten', body), clock.nowMs());
    };
    store.readerKeys.onInstalled = (device, how) => {
      const body = { acs_system_id: facility.acsSystemId, device, how };
      store.events.add(newEvent('device.key_installed', body), clock.nowMs());
    };
  }
  const kept = facility.entrances.filter(({ atStop }) => atStop === 'keep');
  const locks = kept.flatMap(({ strike, secondLock }) => [strike, secondLock]);
  const isLeftAsFound: Keeps = (device, output) =>
    locks.some((lock) => lock?.controller === device && lock.output === output);
  return facility.buses.map((bus) => {
    const module = drivers.find(({ name }) => name === bus.driver);
    if (module === undefined)
      throw new Error(`the facility file was checked against a driver ${bus.driver} that is not here`);
    const controllers = facility.controllers
      .filter((controller) => controller.bus === bus.name)
      .map(({ name, config, capabilities, prepared }): PreparedController => ({
        name,
        config,
        capabilities,
        prepared,
      }));
    return module.create(bus.name, bus.config, controllers, {
      clock,
      random,
      log: log.child({ bus: bus.name }),
      openPort,
      emit,
      wantsToken,
      isLeftAsFound,
      ...(store === null ? {} : { readerKeys: store.readerKeys }),
    });
  });
}
