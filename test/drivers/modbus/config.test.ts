import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { modbusDriver } from '../../../drivers/modbus/driver.ts';
import { SHIPPED_PROFILES } from '../../../drivers/modbus/profile.ts';
import type { PreparedController } from '../../../drivers/driver.ts';
import { later } from './site.ts';

const busConfig = (config: object): unknown => modbusDriver.busSchema.parse(config);
const serial = { transport: 'rtu', port: '/dev/serial/by-id/usb-FTDI_X', baud: 9600 };

/** What is said about a controller on this bus. */
function told(controller: object, bus: object = serial, folder = '/'): string[] {
  const config = modbusDriver.controllerSchema.parse(controller);
  const { problems } = modbusDriver.prepare('c', busConfig(bus), config, folder);
  return problems.map(
    ({ severity, path, message, remedy }) => `${severity} ${path.join('.')}: ${message} -> ${remedy}`,
  );
}

function prepared(name: string, controller: object, bus: object = serial): PreparedController {
  const config = modbusDriver.controllerSchema.parse(controller);
  const { controller: made } = modbusDriver.prepare(name, busConfig(bus), config, '/');
  if (made === null) throw new Error('it can be prepared');
  return made;
}

const mistakes = (bus: object): string[] => {
  const { error } = modbusDriver.busSchema.safeParse(bus);
  return (error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);
};

describe('the place of a bus', () => {
  it.each([
    [{ transport: 'rtu', port: '/dev/ttyS0' }],
    [{ port: 'tcp://192.0.2.30:4001' }],
    [{ transport: 'tcp', host: '192.0.2.20' }],
    [{ transport: 'tcp', host: '192.0.2.20', port: 1502, max_in_flight: 4 }],
    [{ transport: 'rtu-over-tcp', host: '192.0.2.20', port: 4001 }],
    [{ transport: 'rtu-over-tcp', port: 'tcp://192.0.2.20:4001', baud: 19200, parity: 'even' }],
  ])('may be %o', (bus) => {
    expect(mistakes(bus)).toEqual([]);
    // What comes out goes in again, as the facility file does it.
    expect(modbusDriver.busSchema.parse(busConfig(bus))).toEqual(busConfig(bus));
  });

  it.each([
    [{ transport: 'rtu' }, 'port: a serial bus needs its device'],
    [{ transport: 'rtu', port: 502 }, 'port: a serial bus needs its device'],
    [{ transport: 'rtu', port: '/dev/ttyS0', host: 'x' }, 'host: a serial bus has no host'],
    [{ transport: 'tcp', port: 502 }, 'host: the bus is reached over the network and has no host'],
    [{ transport: 'tcp', host: 'x', port: '/dev/ttyS0' }, 'port: a TCP port is a number'],
    [{ transport: 'rtu-over-tcp', host: 'x' }, 'port: a converter has no usual port'],
    [{ transport: 'rtu-over-tcp', port: '/dev/ttyS0' }, 'port: a converter is reached over the network'],
  ])('may not be %o', (bus, message) => {
    expect(mistakes(bus)).toEqual([message]);
  });
});

describe('a controller on a bus', () => {
  it('is prepared with what its profile can do', () => {
    const { capabilities } = prepared('c', { unit: 1, profile: 'plc-door-2' });
    expect(capabilities.slots?.count).toBe(500);
    expect(capabilities.outputs.length).toBe(2);
  });

  it('must be reachable by its transport', () => {
    expect(told({ unit: 1, profile: 'waveshare-relay-8ch' }, { transport: 'tcp', host: 'x' })).toEqual([
      'error profile: waveshare-relay-8ch is not reached by tcp, but by rtu, rtu-over-tcp -> put the controller on another bus, or use another profile',
    ]);
  });

  it('is doubted when the bus is not as the device leaves the factory', () => {
    expect(told({ unit: 1, profile: 'plc-door-2' })[0]).toMatch(
      /^warning profile: plc-door-2 leaves the factory with 19200 baud and parity even, the bus has 9600 and none/,
    );
    expect(told({ unit: 1, profile: 'waveshare-relay-8ch' })).toEqual([]);
  });

  it('may come from a file beside the facility file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'lintel-profile-'));
    later(async () => {
      await rm(folder, { recursive: true, force: true });
    });
    const text = readFileSync(join(SHIPPED_PROFILES, 'waveshare-relay-8ch.yaml'), 'utf8');
    writeFileSync(join(folder, 'guess.yaml'), text.replace('status: vendor-doc', 'status: guess'));
    expect(told({ unit: 1, profile: './guess.yaml' }, serial, folder)[0]).toMatch(
      /was guessed and never tried on a device -> try it without a door first/,
    );
    expect(told({ unit: 1, profile: './guess.yaml', accept_guess: true }, serial, folder)).toEqual([]);
    writeFileSync(join(folder, 'broken.yaml'), text.replace('kind: coil, at: 0,', 'kind: coil, att: 0,'));
    expect(told({ unit: 1, profile: './broken.yaml' }, serial, folder)[0]).toMatch(
      /^error profile: broken\.yaml:\d+: outputs\.0/,
    );
  });

  it('with local time needs its zone', () => {
    const reader = join(import.meta.dirname, 'profiles/reader.yaml');
    expect(told({ unit: 1, profile: reader })[0]).toMatch(/^error time_zone: reader keeps local time -> add time_zone/);
    expect(told({ unit: 1, profile: reader, time_zone: 'Europe/Olso' })[0]).toMatch(/Europe\/Olso is no time zone/);
    expect(told({ unit: 1, profile: reader, time_zone: 'Europe/Oslo' })).toEqual([]);
    expect(told({ unit: 1, profile: 'waveshare-relay-8ch', time_zone: 'Europe/Oslo' })[0]).toMatch(
      /^warning time_zone/,
    );
  });
});

describe('a bus as a whole', () => {
  const check = (bus: object, controllers: Record<string, object>): string[] =>
    modbusDriver
      .checkBus(
        'plant',
        busConfig(bus),
        Object.entries(controllers).map(([name, controller]) => prepared(name, controller, bus)),
      )
      .map(({ severity, path, message }) => `${severity} ${path.join('.')}: ${message}`);

  it('has each unit once', () => {
    expect(
      check(serial, {
        a: { unit: 1, profile: 'waveshare-relay-8ch' },
        b: { unit: 1, profile: 'waveshare-relay-d-8ch' },
      }),
    ).toEqual(['error controllers.b.unit: a is unit 1 on bus plant already']);
  });

  it('is doubted when its inputs fill it', () => {
    const boards = Object.fromEntries(
      [1, 2, 3].map((unit) => [`b${unit}`, { unit, profile: 'waveshare-relay-d-8ch', input_period: '50ms' }]),
    );
    expect(check(serial, boards)[0]).toMatch(/^warning buses\.plant: reading the inputs takes \d+ % of the bus/);
    expect(check({ ...serial, baud: 115_200 }, boards)).toEqual([]);
  });

  it('is doubted when a credential takes longer than its inputs may wait', () => {
    const mixed = {
      io: { unit: 1, profile: 'waveshare-relay-d-8ch', input_period: '40ms' },
      plc: { unit: 2, profile: 'plc-door-2', input_period: '1s' },
    };
    expect(check(serial, mixed).at(-1)).toContain('a credential of 10 registers takes longer to write');
  });

  it('with a port whose name moves is doubted', () => {
    expect(
      check({ transport: 'rtu', port: '/dev/ttyUSB0' }, { a: { unit: 1, profile: 'waveshare-relay-8ch' } })[0],
    ).toContain('/dev/ttyUSB0 may name another adapter');
  });
});
