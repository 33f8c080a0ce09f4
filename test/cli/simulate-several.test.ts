// Several devices on one port of `lintel simulate`, each on its own: the line's unit in front says whom it happens to,
// and the driver on the other side meets each.

import { connect } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Driver, DriverEvent } from '../../drivers/driver.ts';
import { osdpDriver } from '../../drivers/osdp/driver.ts';
import { portOpener } from '../../drivers/serial-port.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { withTroubles } from '../../src/cli/simulators/played.ts';
import { parseUnits, unitsText } from '../../src/cli/simulators/units.ts';
import { MemoryKeys } from '../drivers/osdp/world.ts';
import { content, slotsOf, startDriver } from '../drivers/soyal/site.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { until } from '../support/ports.ts';
import { silentLog } from '../support/room.ts';
import { launch, say, type Running } from './lintel.ts';

/** The driver of two readers, in the clear, on this line. */
function serveReaders(address: string): { driver: Driver; events: DriverEvent[] } {
  const bus = osdpDriver.busSchema.parse({ port: address, baud: 115_200 });
  const controllers = [1, 2].map((unit) => {
    const config = osdpDriver.controllerSchema.parse({ address: unit, secure_channel: 'none', inputs: 2 });
    const { controller } = osdpDriver.prepare(`reader-${unit}`, bus, config, '/');
    if (controller === null) throw new Error('the configuration is good');
    return controller;
  });
  const events: DriverEvent[] = [];
  const context = { clock: systemClock, random: systemRandom, log: silentLog, openPort: portOpener(systemClock) };
  const emit = (event: DriverEvent): void => void events.push(event);
  const driver = osdpDriver.create('north', bus, controllers, { ...context, emit, readerKeys: new MemoryKeys() });
  onTestFinished(() => driver.stop(500));
  driver.start();
  return { driver, events };
}

/** A master over TCP: sends bytes and takes what comes back. */
async function dial(simulator: Running): Promise<(hex: string, bytes: number) => Promise<string>> {
  const [, port] = await simulator.says(/127\.0\.0\.1(?::|, port: )(\d+)/);
  const socket = connect(Number(port), '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  let received = Buffer.alloc(0);
  socket.on('data', (some) => (received = Buffer.concat([received, some])));
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  return async (hex, bytes) => {
    received = Buffer.alloc(0);
    socket.write(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
    await until(() => received.length >= bytes, `${bytes} bytes in answer to ${hex}`);
    return received.toString('hex');
  };
}

describe('several devices on one port', () => {
  it('are two OSDP readers, each with cards and power of its own', async () => {
    const simulator = launch(['simulate', 'osdp-reader', '--unit', '2,1']);
    const [, address = ''] = await simulator.says(/osdp-reader at (tcp:\/\/127\.0\.0\.1:\d+), addresses 1,2$/m);
    await simulator.says(
      /^lines, with the unit in front \(1 card H10301:123:45678\), or several \(1,2 power off\): card/m,
    );
    const { driver, events } = serveReaders(address);
    const isOnline = (name: string): boolean => driver.devices.get(name)?.status().online === true;
    await until(() => isOnline('reader-1') && isOnline('reader-2'), 'both to be met');
    expect(driver.devices.get('reader-1')?.status().identity).not.toBe(
      driver.devices.get('reader-2')?.status().identity,
    );
    await simulator.says(/^2: a controller speaks to it$/m);

    simulator.type('card H10301:1:2');
    await simulator.says(/^which of them\? There are 1,2: write `1 card …`, or several, `1,2 card …`$/m);
    simulator.type('3 card H10301:1:2');
    await simulator.says(/^there is no unit 3: there are 1,2$/m);
    simulator.type('2 card H10301:1:2');
    await simulator.says(/^2: presented$/m);
    const cardsAt = (): string[] => events.flatMap((event) => (event.type === 'presented' ? [event.device] : []));
    await until(() => cardsAt().length > 0, 'the card');
    expect(cardsAt()).toEqual(['reader-2']);

    simulator.type('1 power off');
    await simulator.says(/^1: power off$/m);
    simulator.type('1 card H10301:1:2');
    await simulator.says(/^1: nothing: it has no power$/m);
    await until(() => !isOnline('reader-1'), 'the first to be missed', 15_000);
    expect(isOnline('reader-2')).toBe(true);
    simulator.type('2 card H10301:1:3');
    await until(() => cardsAt().length === 2, 'a card at the other');
    simulator.type('1 power on');
    await until(() => isOnline('reader-1'), 'the first to be back', 15_000);
    expect(await simulator.signal('SIGINT')).toBe(0);
  });

  it('are a wing of SOYAL controllers, each with a table of its own', async () => {
    const simulator = launch(['simulate', 'soyal', '--unit', '1-20']);
    const [, address = ''] = await simulator.says(/soyal at (tcp:\/\/127\.0\.0\.1:\d+), addresses 1-20$/m);
    const site = startDriver(address, [{ address: 1 }, { address: 20 }]);
    await site.seen('online', 2);
    const card = content({ card: 'uid:04A1B2C3' });
    const outcomes = await slotsOf(site.device('door-20')).write([{ slot: 1, content: card }]);
    expect(outcomes).toMatchObject([{ outcome: 'written' }]);
    simulator.type('1,20 slots');
    await simulator.says(/^1: 0 users\n20: 1 users$/m);
    simulator.type('19-20 card uid:04A1B2C3');
    await simulator.says(/^19: not opened\n20: opened$/m);
    await simulator.says(/^20: door relay on$/m);
    simulator.type('1 silence 1h');
    await until(() => !site.device('door-1').status().online, 'the first to be missed', 15_000);
    expect(site.device('door-20').status().online).toBe(true);
    simulator.type('2-20 power off');
    await simulator.says(/^2: power off\n(?:\d+: power off\n){17}20: power off$/m);
    await until(() => !site.device('door-20').status().online, 'the last to be missed', 15_000);
    expect(await simulator.signal('SIGINT')).toBe(0);
  });

  it('are relay boards on a serial line, that each hear their own unit', async () => {
    const simulator = launch(['simulate', 'relay-board', '--unit', '1,2']);
    await simulator.says(/units 1,2$/m);
    const ask = await dial(simulator);
    expect(await ask('020500 00FF008C09', 8)).toBe('02050000ff008c09');
    await simulator.says(/^2: relay 0 on$/m);
    simulator.type('1 input 2 on');
    await simulator.says(/^1: input 2 on$/m);
    expect(await ask('01020000000879CC', 6)).toMatch(/^01020104/);
    expect(await ask('02020000000879FF', 6)).toMatch(/^02020100/);
    simulator.type('1,2 power off');
    await simulator.says(/^2: relay 0 off$/m);
    expect(await simulator.signal('SIGINT')).toBe(0);
  });

  it('are units of Modbus TCP, from 0 to 255', async () => {
    const simulator = launch(['simulate', 'modbus-controller', '--unit', '0,1,254-255']);
    await simulator.says(/\(Modbus TCP\), units 0,1,254,255$/m);
    const ask = await dial(simulator);
    for (const unit of ['00', '01', 'fe', 'ff'])
      expect(await ask(`000100000006 ${unit} 030000 0001`, 11)).toBe(`000100000005${unit}03024c4e`);
    expect(await ask('000100000006 02 030000 0001', 9)).toBe('000100000003 02 830b'.replaceAll(' ', ''));
    expect(await simulator.signal('SIGINT')).toBe(0);
  });

  it('are met by `lintel swipe`, which says at which of them', async () => {
    const simulator = launch(['simulate', 'soyal', '--unit', '3,7']);
    const [, path = ''] = await simulator.says(/--simulator (\S+\.sock) --unit …$/m);
    const swipe = ['swipe', '--card', 'uid:04A1B2C3', '--present', '--simulator', path];
    expect((await say(...swipe, '--unit', '7')).stdout).toBe('presented\n');
    const asked = await say(...swipe);
    expect(asked.code).toBe(1);
    expect(asked.stderr).toContain('which of them? There are 3,7');
    expect((await say(...swipe, '--unit', '8')).stderr).toContain('there is no unit 8: there are 3,7');
    expect(await simulator.signal('SIGINT')).toBe(0);
  });

  it('have to be units that such a device can have', async () => {
    for (const [name, units, message] of [
      ['osdp-reader', '126,127', '--unit: an OSDP reader has 0 to 126, and not 127'],
      ['soyal', '0-20', '--unit: a SOYAL controller has 1 to 254, and not 0'],
      ['relay-board', '1,248-255', '--unit: a serial line has 1 to 247, and not 248-255'],
      ['modbus-controller', '256', '--unit: a number, several (1,2) or a range (1-20), none above 255'],
      ['uart-reader', '1', '--unit is not for uart-reader'],
    ] as const) {
      const { code, stderr } = await say('simulate', name, '--unit', units);
      expect({ code, stderr }, name).toEqual({ code: 2, stderr: expect.stringContaining(message) });
    }
  });
});

describe('a device alone', () => {
  it('needs no unit in front, and takes its own', async () => {
    const simulator = launch(['simulate', 'soyal', '--unit', '5']);
    await simulator.says(/address 5$/m);
    simulator.type('5 slots');
    await simulator.says(/^0 users$/m);
    simulator.type('4 slots');
    await simulator.says(/^there is no unit 4: there are 5$/m);
    simulator.type('5');
    await simulator.says(/^what of 5\? help lists what it knows$/m);
    expect(await simulator.signal('SIGINT')).toBe(0);
  });

  it('is silent for as long as was said last', async () => {
    const clock = new ManualClock();
    let isSilent = false;
    const { silence } = withTroubles(
      clock,
      {},
      { silence: (silent) => void (isSilent = silent), power: () => undefined },
    );
    await silence?.run(['5s']);
    await clock.advance(4_000);
    await silence?.run(['5s']);
    await clock.advance(4_000);
    expect(isSilent).toBe(true);
    await clock.advance(1_000);
    expect(isSilent).toBe(false);
  });
});

it.each([
  ['1', [1], '1'],
  ['2,1', [1, 2], '1,2'],
  ['1-4,3,9-10', [1, 2, 3, 4, 9, 10], '1-4,9,10'],
  ['0,255', [0, 255], '0,255'],
  ['', null, ''],
  ['4-1', null, ''],
  ['1,', null, ''],
  ['-1', null, ''],
  ['256', null, ''],
])('units as %j', (text, units, written) => {
  expect(parseUnits(text)).toEqual(units);
  if (units !== null) expect(unitsText(units)).toBe(written);
});
