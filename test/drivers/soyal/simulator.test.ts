// The simulated controller by its bytes alone: what the manual's examples are answered with, and the traps that real
// readers set.

import { connect, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { SoyalSimulator } from '../../../drivers/soyal/simulator.ts';
import type { ControllerOptions, SimulatedController } from '../../../drivers/soyal/simulator-controller.ts';
import { systemClock } from '../../../src/ops/clock.ts';
import { until } from '../../support/ports.ts';
import { later } from './site.ts';

type Wire = {
  controller: SimulatedController;
  /** Sends hexadecimal and gives back as many bytes of answer as are expected. */
  ask(request: string, answerBytes: number): Promise<string>;
  send(request: string): void;
};

async function openWire(options: Partial<ControllerOptions> = {}): Promise<Wire> {
  const simulator = new SoyalSimulator([{ address: 1, ...options }], systemClock);
  later(() => simulator.close());
  const port = await simulator.listen(0);
  const socket: Socket = connect(port, '127.0.0.1');
  later(() => Promise.resolve(void socket.destroy()));
  let received = Buffer.alloc(0);
  socket.on('data', (bytes) => (received = Buffer.concat([received, bytes])));
  await until(() => socket.readyState === 'open', 'the connection');
  const send = (request: string): void => void socket.write(Buffer.from(request.replaceAll(' ', ''), 'hex'));
  return {
    controller: simulator.at(1),
    send,
    async ask(request, answerBytes) {
      received = Buffer.alloc(0);
      send(request);
      await until(() => received.length >= answerBytes, `${answerBytes} bytes of answer`);
      return received.toString('hex');
    },
  };
}

const ACK = '7e05000401faff';
const POLL = '7e 04 01 18 e6 ff';
/** As captured from a host with an older edition of the manual; bit 0 of its ninth byte is set in odd years. */
const POLL_THAT_OPENS = '7e 0e 01 18 00 1e 0b 04 16 01 00 04 19 00 fd 77';

test('the manual’s examples are answered, byte by byte', async () => {
  const wire = await openWire();
  expect(await wire.ask('7e 0e 01 83 0001 0441 ea4b 04d2 02 01 4d 25', 7)).toBe(ACK);
  expect(wire.controller.door.users.get(1)).toEqual({ uid: 0x0441ea4b, pin: 1234, mode: 2, zone: 1 });
  expect(await wire.ask('7e 07 01 87 0002 01 7a 05', 15)).toMatch(/^7e0d000301(00){8}/);
  expect(await wire.ask('7e 05 01 21 82 5d 01', 11)).toMatch(/^7e0900030163400018/);
  expect(await wire.ask('7e 04 01 25 db 01', 7)).toBe(ACK);
  expect(await wire.ask('7e 04 01 24 da ff', 19)).toMatch(/^7e11000301/);
  expect(await wire.ask('7e 0f 01 20 0080 08 1122334455667788 de eb', 7)).toBe(ACK);
  expect(await wire.ask('7e 07 01 12 0080 08 64 ff', 15)).toMatch(/^7e0d0003011122334455667788/);
  expect(await wire.ask(`7e 24 01 2a 01 01 0c 00 ${'01e00384'.repeat(7)} be cf`, 7)).toBe(ACK);
  expect(wire.controller.door.zones.get(1)?.toString('hex')).toBe(`0c00${'01e00384'.repeat(7)}`);
  expect(await wire.ask('7e 12 01 2c 00 06 0c01 0c02 0c03 0c04 0c05 0c06 d3 63', 7)).toBe(ACK);
  expect(await wire.ask('7e 04 01 85 7b 01', 7)).toBe(ACK);
  expect(wire.controller.door.users.size).toBe(0);
});

test('the status poll with the data of the older manual opens the door, as a real reader was seen to', async () => {
  const wire = await openWire();
  expect(await wire.ask(POLL, 12)).toBe('7e0a0009010000001800ef11');
  expect(wire.controller.door.relayOn).toBe(false);
  expect(await wire.ask(POLL_THAT_OPENS, 12)).toMatch(/^7e0a000901004000/);
  expect(wire.controller.forcedByPoll).toBe(1);
  expect(wire.controller.door.relayOn).toBe(true);
});

test('polled by 18H it hands cards to the host and waits for its verdict', async () => {
  const wire = await openWire();
  wire.controller.door.users.set(1, { uid: 0x636bb8b4, pin: 0, mode: 1, zone: 0 });
  expect(wire.controller.door.presentCard(0x636bb8b4)).toBe(true);
  wire.controller.door.setRelay(false, 'host');
  await wire.ask(POLL, 12);
  expect(wire.controller.door.presentCard(0x636bb8b4)).toBe(false);
  expect(await wire.ask(POLL, 18)).toMatch(/^7e100009010200636b0000b8b4001800/);
  wire.send('7e 04 01 04 fa ff');
  await until(() => wire.controller.door.relayOn, 'the door to open by the host’s verdict');
});

test('cut in mid frame it hears nothing until the missing bytes have come; 257 zeros are always enough', async () => {
  const wire = await openWire();
  wire.send('7e ff 01');
  await until(() => wire.controller.stuck, 'the reader to wait');
  wire.send(POLL);
  wire.send('00'.repeat(257));
  await until(() => !wire.controller.stuck, 'the reader to be free');
  expect(wire.controller.received).toEqual([]);
  expect(await wire.ask(POLL, 12)).toMatch(/^7e0a0009/);
  wire.send('00'.repeat(257));
  expect(await wire.ask(POLL, 12)).toMatch(/^7e0a0009/);
});

test('an event comes as 26 bytes, and stays until it is removed', async () => {
  const wire = await openWire();
  wire.controller.door.presentCard(0xfb51c652);
  const event = await wire.ask('7e 04 01 25 db 01', 31);
  expect(event).toMatch(/^7e1d000301/);
  // Source and address, which for an unknown card is the lower part of its number.
  expect(event.slice(24, 30)).toBe('01c652');
  expect(await wire.ask('7e 04 01 37 c9 01', 7)).toBe(ACK);
  expect(await wire.ask('7e 04 01 25 db 01', 7)).toBe(ACK);
});

test('wire and EEPROM take their time where they are asked to', async () => {
  const wire = await openWire({ baud: 9600, storeMs: 100 });
  const startedAtMs = performance.now();
  await wire.ask('7e 0e 01 83 0001 0441 ea4b 04d2 02 01 4d 25', 7);
  // 23 bytes at 9600 baud, and the storing.
  expect(performance.now() - startedAtMs).toBeGreaterThan(23 + 100 - 2);
});
