import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { osdpDriver } from '../../drivers/osdp/driver.ts';
import { portOpener } from '../../drivers/serial-port.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { MemoryKeys } from '../drivers/osdp/world.ts';
import { openFarEnd, openPtyPair, until } from '../support/ports.ts';
import { PROGRAM } from '../support/program.ts';
import { silentLog } from '../support/room.ts';
import { temporaryFolder } from '../support/store.ts';
import { launch, say, type Running } from './lintel.ts';

async function dial(simulator: Running): Promise<{ socket: Socket; received: () => Buffer }> {
  const [, port] = await simulator.says(/127\.0\.0\.1(?::|, port: )(\d+)/);
  const socket = connect(Number(port), '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  let received = Buffer.alloc(0);
  socket.on('data', (bytes) => (received = Buffer.concat([received, bytes])));
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  return { socket, received: () => received };
}

describe('lintel simulate', () => {
  it('plays a reader on a TCP port, and takes lines', async () => {
    const simulator = launch(['simulate', 'uart-reader']);
    const { received } = await dial(simulator);
    await simulator.says(/somebody listens/);
    simulator.type('present 0A00B1C2D3');
    await simulator.says(/^presented$/m);
    await until(() => received().length > 0, 'the frame');
    // STX, ten digits, checksum 0A^00^B1^C2^D3 = AA, ETX
    expect(received().toString('latin1')).toBe('\u00020A00B1C2D3AA\u0003');
    simulator.type('presnt 0A00B1C2D3');
    await simulator.says(/it knows no presnt: did you mean present\?/);
    simulator.type('present 0A');
    await simulator.says(/ten hexadecimal digits/);
    simulator.type('silence 50ms');
    await simulator.says(/nobody listens any more/);
    expect(await simulator.signal('SIGINT')).toBe(0);
  });

  it('says in a word that its port is taken, and takes what a killed one left behind away', async () => {
    const first = launch(['simulate', 'uart-reader']);
    const [, port = ''] = await first.says(/127\.0\.0\.1:(\d+)/);
    const [, left = ''] = await first.says(/--simulator (\S+\.sock)/);
    const names = [...['uart-reader', 'relay-board', 'modbus-controller', 'osdp-reader', 'soyal']];
    for (const name of names) {
      const second = await say('simulate', name, '--port', `tcp://127.0.0.1:${port}`);
      expect(second.code, name).toBe(1);
      expect(second.stderr, name).toMatch(/^lintel: tcp:\/\/127\.0\.0\.1:\d+ is taken already\. Remedy: [^\n]*\n$/);
    }
    expect(existsSync(left)).toBe(true);
    await first.signal('SIGKILL');
    expect(existsSync(left)).toBe(true);
    const third = launch(['simulate', 'uart-reader']);
    const [, own = ''] = await third.says(/--simulator (\S+\.sock)/);
    expect(existsSync(left)).toBe(false);
    await third.signal('SIGTERM');
    expect(existsSync(own)).toBe(false);
  });

  it('plays a reader at the end of a serial line', async () => {
    const pair = await openPtyPair();
    onTestFinished(() => pair.close());
    const far = await openFarEnd(pair.b);
    onTestFinished(() => far.close());
    const simulator = launch(['simulate', 'uart-reader', '--port', pair.a, '--frame', 'id-12la']);
    await simulator.says(/uart-reader on /);
    simulator.type('card uid:0A00B1C2D3');
    expect((await far.take(16)).toString('latin1')).toBe('\u00020A00B1C2D3AA\r\n\u0003');
    expect(await simulator.signal('SIGTERM')).toBe(0);
  });

  it('plays a relay board, and says when a relay moves', async () => {
    const simulator = launch(['simulate', 'relay-board']);
    const { socket, received } = await dial(simulator);
    const relayOn = Buffer.from('010500 00FF008C3A'.replaceAll(' ', ''), 'hex');
    socket.write(relayOn);
    await until(() => received().equals(relayOn), 'the echo of the request');
    await simulator.says(/^relay 0 on$/m);
    simulator.type('input 2 on');
    await simulator.says(/^input 2 on$/m);
    const before = received().length;
    socket.write(Buffer.from('01020000000879CC', 'hex'));
    await until(() => received().length > before, 'the inputs');
    expect(received().readUInt8(before + 3)).toBe(0b100);
    simulator.type('power off');
    await simulator.says(/^relay 0 off$/m);
    expect(await simulator.signal('SIGINT')).toBe(0);
  });

  it('plays a controller that decides by its own table', async () => {
    const simulator = launch(['simulate', 'modbus-controller']);
    const { socket, received } = await dial(simulator);
    simulator.type('code 824759');
    await simulator.says(/^denied unknown$/m);
    // Slot 3: enabled, with a PIN, door 1; without limits. FC16 to 1030, ten registers.
    const record = [0x0105, 0, 0, 0, 0x8247, 0x59ff, 0, 0, 0xffff, 0xffff];
    const request = Buffer.alloc(13 + 20);
    request.writeUInt16BE(27, 4);
    request.set([1, 16, 1030 >> 8, 1030 & 0xff, 0, 10, 20], 6);
    record.forEach((word, i) => request.writeUInt16BE(word, 13 + 2 * i));
    socket.write(request);
    await until(() => received().length >= 12, 'the answer');
    simulator.type('code 824759');
    await simulator.says(/^granted \(slot 3\)$/m);
    await simulator.says(/^relay 0 on$/m);
    simulator.type('slots');
    const [line] = await simulator.says(/^slot 3: .*$/m);
    expect(line).toBe('slot 3: code, … to …');
    expect(await simulator.signal('SIGINT')).toBe(0);
  });

  it('plays a card reader that somebody else decides for', async () => {
    const simulator = launch(['simulate', 'modbus', '--profile', 'inveo-rfid-ind-u4']);
    const { socket, received } = await dial(simulator);
    simulator.type('card uid:0A00B1C2D3');
    await simulator.says(/^shown$/m);
    simulator.type('card uid:0A00B1C2D4');
    await simulator.says(/^not read: the card before it has not been taken yet$/m);
    socket.write(Buffer.from('010303E8000505B9', 'hex'));
    await until(() => received().length >= 15, 'the registers of the card');
    expect(received().subarray(3, 13).toString('hex')).toBe('000a000000b100c200d3');
    socket.write(Buffer.from('010503F3FF007C4D', 'hex'));
    await simulator.says(/^reader shows granted$/m);
    simulator.type('card H10301:123:45678');
    await simulator.says(/^not read: it is not a kind of card/m);
    expect(await simulator.signal('SIGINT')).toBe(0);
  });

  it.each([
    ['osdp-reader', 'card H10301:123:45678', /presented, and no controller listens/],
    ['osdp-reader', 'finger jane', /nobody is asked for a finger, and no controller listens/],
    ['soyal', 'card uid:04A1B2C3', /not opened/],
    ['soyal', 'clock 2026-12-25T09:00', /it shows 2026-12-25T09:00, and holds 0 time zones and 0 holidays/],
    ['soyal', 'clock noon', /clock 2026-12-25T09:00/],
  ])('plays %s', async (name, line, answer) => {
    const simulator = launch(['simulate', name]);
    await simulator.says(/at tcp:\/\/127\.0\.0\.1:\d+/);
    simulator.type(line);
    await simulator.says(answer);
    simulator.type('help');
    await simulator.says(/silence 5s/);
    expect(await simulator.signal('SIGINT')).toBe(0);
  });

  it.each([
    ['osdp-reader', 'stick 1', 'output 1 sticks', 'output 1 is free'],
    ['soyal', 'stick', 'the relay sticks', 'the relay is free'],
    ['relay-board', 'stick 7', 'output 7 sticks', 'output 7 is free'],
  ])('has a relay of %s stick, and frees it', async (name, line, sticks, isFree) => {
    const simulator = launch(['simulate', name]);
    await simulator.says(/127\.0\.0\.1/);
    for (const [word, answer] of [
      ['on', sticks],
      ['off', isFree],
    ] as const) {
      simulator.type(`${line} ${word}`);
      await simulator.says(new RegExp(`^${answer}$`, 'm'));
    }
    for (const wrong of [`${line} perhaps`, 'stick 99 on', 'stick']) simulator.type(wrong);
    await simulator.says(/(?:.*stick (?:0 )?on\|off[^\n]*\n){3}/);
    expect(await simulator.signal('SIGINT')).toBe(0);
  });

  it('plays a relay board whose stuck relay stays on when it is told to release', async () => {
    const simulator = launch(['simulate', 'relay-board']);
    const { socket, received } = await dial(simulator);
    const ask = async (request: string, answer: string): Promise<void> => {
      const before = received().length;
      socket.write(Buffer.from(request, 'hex'));
      await until(() => received().length >= before + answer.length / 2, 'the answer');
      expect(received().subarray(before).toString('hex')).toBe(answer);
    };
    simulator.type('stick 0 on');
    await simulator.says(/^output 0 sticks$/m);
    await ask('01050000ff008c3a', '01050000ff008c3a');
    await ask('010500000000cdca', '010500000000cdca');
    await ask('0101000000083dcc', '010101019048');
    simulator.type('stick 0 off');
    await simulator.says(/^output 0 is free$/m);
    await ask('010500000000cdca', '010500000000cdca');
    await simulator.says(/^relay 0 off$/m);
    expect(await simulator.signal('SIGINT')).toBe(0);
  });

  it('plays an OSDP reader that has a key already, and is met by whoever has it too', async () => {
    const key = 'C3A1F05E77120B9D4408EE6AB1D2937F';
    const file = join(temporaryFolder(), 'front.key');
    writeFileSync(file, `${key}\n`, { mode: 0o600 });
    const simulator = launch(['simulate', 'osdp-reader', '--unit', '3', '--key-file', file]);
    const [, address = ''] = await simulator.says(/at (tcp:\/\/127\.0\.0\.1:\d+), address 3/);
    const bus = osdpDriver.busSchema.parse({ port: address, baud: 9600 });
    const { controller } = osdpDriver.prepare('front', bus, osdpDriver.controllerSchema.parse({ address: 3 }), '/');
    if (controller === null) throw new Error('the configuration is good');
    const keys = new MemoryKeys();
    keys.give('front', Buffer.from(key, 'hex'));
    const context = { clock: systemClock, random: systemRandom, log: silentLog, openPort: portOpener(systemClock) };
    const driver = osdpDriver.create('north', bus, [controller], {
      ...context,
      emit: () => undefined,
      readerKeys: keys,
    });
    onTestFinished(() => driver.stop(500));
    driver.start();
    await simulator.says(/Secure Channel is up/);
    expect(simulator.stdout()).not.toContain(key);
    expect(await simulator.signal('SIGINT')).toBe(0);
    writeFileSync(file, 'C3A1');
    const refused = launch(['simulate', 'osdp-reader', '--key-file', file]);
    expect(await refused.ended).toBe(1);
    expect(refused.stderr()).toContain('32 hexadecimal digits');
  });

  it('plays with nobody to type at it, and ends when it is told to', async () => {
    const child = spawn(PROGRAM, ['simulate', 'osdp-reader'], { stdio: ['ignore', 'pipe', 'pipe'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (some: Buffer) => (said += some.toString()));
    await until(() => said.includes('lintel swipe'), 'the simulator to be there');
    const ended = new Promise((resolve) => void child.once('close', resolve));
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(said).not.toContain('TypeError');
  });
});
