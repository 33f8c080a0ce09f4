// One rule for every driver: what is told of a device that is there, that goes, and that never came.

import { describe, expect, onTestFinished, test } from 'vitest';
import type { Driver, DriverEvent, DriverModule } from '../../../drivers/driver.ts';
import { DeviceLife } from '../../../drivers/kit/device-life.ts';
import { osdpDriver } from '../../../drivers/osdp/driver.ts';
import { portOpener } from '../../../drivers/serial-port.ts';
import { soyalDriver } from '../../../drivers/soyal/driver.ts';
import { uartDriver } from '../../../drivers/uart/driver.ts';
import { modbusDriver } from '../../../drivers/modbus/driver.ts';
import type { Clock } from '../../../src/domain/ports.ts';
import { systemClock } from '../../../src/ops/clock.ts';
import { systemRandom } from '../../../src/ops/random.ts';
import { openPtyPair, until } from '../../support/ports.ts';
import { silentLog } from '../../support/room.ts';

const SPEED = 10;
const hurried: Clock = {
  ...systemClock,
  monotonicMs: () => systemClock.monotonicMs() * SPEED,
  after: (delayMs, run) => systemClock.after(delayMs / SPEED, run),
};

const KINDS: Readonly<Record<string, { module: DriverModule; bus: object; controller: object }>> = {
  osdp: { module: osdpDriver, bus: {}, controller: { address: 3, secure_channel: 'none' } },
  soyal: { module: soyalDriver, bus: {}, controller: { address: 3 } },
  modbus: {
    module: modbusDriver,
    bus: { transport: 'rtu' },
    controller: { unit: 3, profile: 'waveshare-relay-d-8ch' },
  },
  uart: { module: uartDriver, bus: { frame: 'rdm6300' }, controller: {} },
};

function start(kind: string, port: string): { driver: Driver; events: DriverEvent[] } {
  const { module, bus, controller } = KINDS[kind] ?? { module: uartDriver, bus: {}, controller: {} };
  const busConfig = module.busSchema.parse({ port, ...bus });
  const prepared = module.prepare('door', busConfig, module.controllerSchema.parse(controller), '/');
  if (prepared.controller === null) throw new Error(JSON.stringify(prepared.problems));
  const events: DriverEvent[] = [];
  const driver = module.create('north', busConfig, [prepared.controller], {
    clock: hurried,
    random: systemRandom,
    log: silentLog,
    openPort: portOpener(hurried),
    emit: (event) => events.push(event),
  });
  driver.start();
  onTestFinished(() => driver.stop(100));
  return { driver, events };
}

describe('a device that was never there says so once, and a stop says nothing', () => {
  test.each(Object.keys(KINDS))('where its line does not open: %s', async (kind) => {
    const { driver, events } = start(kind, '/nowhere/at-all');
    await until(() => events.length > 0, 'the news');
    await driver.stop(100);
    expect(events).toMatchObject([{ type: 'offline', device: 'door' }]);
  });

  test.each(['osdp', 'soyal', 'modbus'])('where its line is open and nobody answers: %s', async (kind) => {
    const pair = await openPtyPair();
    onTestFinished(() => pair.close());
    const { driver, events } = start(kind, pair.a);
    await until(() => events.length > 0, 'the news', 20_000);
    expect(events).toMatchObject([{ type: 'offline', device: 'door' }]);
    expect(driver.devices.get('door')?.status()).toMatchObject({ online: false, problem: expect.any(String) });
    await driver.stop(100);
    expect(events).toHaveLength(1);
  });
});

test('what lasts is told when it begins and when it ends, each once', () => {
  const events: DriverEvent[] = [];
  const life = new DeviceLife('door', systemClock, (event) => events.push(event));
  life.fault('stuck', null);
  life.fault('stuck', 'it sticks');
  life.fault('stuck', 'it sticks still');
  life.fault('stuck', null);
  life.fault('stuck', 'again');
  life.fault('stuck', null, 'it is well');
  expect(events).toMatchObject([
    { message: 'it sticks', cleared: false },
    { message: 'it sticks', cleared: true },
    { message: 'again', cleared: false },
    { message: 'it is well', cleared: true },
  ]);
});

test('online and offline are told when they change, with the last reason at hand', () => {
  const events: DriverEvent[] = [];
  const life = new DeviceLife('door', systemClock, (event) => events.push(event));
  expect(life.status()).toEqual({ online: false, sinceMs: null, problem: 'not reached yet' });
  life.troubled('no answer');
  expect(events).toEqual([]);
  life.lost('no answer 3 times in a row');
  life.lost('the line is down');
  expect(life.problem).toBe('the line is down');
  life.found();
  life.found();
  life.stop();
  life.lost('too late');
  life.found();
  expect(events.map(({ type }) => type)).toEqual(['offline', 'online']);
  expect(life.status()).toMatchObject({ online: false, problem: 'stopped' });
});
