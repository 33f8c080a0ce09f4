// A device that ended the connection between two answers gets another for the next question, and that one may be long
// in coming: by then the question may be too late. One that came while we stood still is taken.

import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import type { Attempt, LineUnit } from '../../../drivers/modbus/bus-terms.ts';
import type { Request } from '../../../drivers/modbus/codec.ts';
import { TcpLine } from '../../../drivers/modbus/tcp.ts';
import { newCounters } from '../../../drivers/kit/counters.ts';
import { systemRandom } from '../../../src/ops/random.ts';
import { ManualClock, turn } from '../../support/manual-clock.ts';
import { until } from '../../support/ports.ts';
import { silentLog } from '../../support/room.ts';
import { later } from './site.ts';

const READ: Request = { fc: 3, address: 0, count: 1 };
const STRIKE: Request = { fc: 5, address: 0, value: 0xff00 };
const WITHIN_MS = 2_000;

const UNIT: LineUnit = {
  settings: {
    unit: 1,
    turnaroundMs: 100,
    lateReplyMs: 100,
    minGapMs: 0,
    readRetries: 0,
    maxInFlight: 1,
    probes: [READ],
    settlers: [READ],
  },
  counters: newCounters(),
  online: true,
  answeredLate: () => undefined,
};

/** Answers reads of one register and single coils; `functions`: what it was asked, in order. */
async function openServer(): Promise<{ port: number; functions: number[]; sockets: Set<Socket> }> {
  const functions: number[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (frame) => {
      functions.push(frame.readUInt8(7));
      if (frame[7] === 5) socket.write(frame);
      else socket.write(Buffer.from([...frame.subarray(0, 4), 0, 5, 1, 3, 2, 0, 0]));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  later(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has a port');
  return { port: address.port, functions, sockets };
}

test.each([
  { openedAfterMs: WITHIN_MS, result: 'reply', asked: [3, 3, 5] },
  { openedAfterMs: WITHIN_MS + 1, result: 'expired', asked: [3, 3, 3] },
])(
  'of a strike that has 2 s and whose connection opens after $openedAfterMs ms comes: $result',
  async ({ openedAfterMs, result, asked }) => {
    const { port, functions, sockets } = await openServer();
    const clock = new ManualClock();
    const line = new TcpLine({ host: '127.0.0.1', port }, 1, { clock, random: systemRandom, log: silentLog });
    later(() => line.stop());
    const told: string[] = [];
    line.start({ up: () => void told.push('up'), down: () => void told.push('down') });
    await until(() => told.length === 1, 'the line');
    // Two answers: it is not one that takes a connection for each.
    for (let i = 0; i < 2; i++) expect(await line.exchange(UNIT, READ, {})).toMatchObject({ result: 'reply' });
    const [socket] = sockets;
    socket?.end();
    await until(() => sockets.size === 0, 'the end of the connection');

    let sent = 0;
    const options = { notAfterMonotonicMs: clock.monotonicMs() + WITHIN_MS, onSent: () => void (sent += 1) };
    const struck: Promise<Attempt> = line.exchange(UNIT, STRIKE, options);
    // Nothing has been opened before the loop turns, and then it is as late as this.
    const passed = clock.advance(openedAfterMs);
    expect(await struck).toMatchObject({ result });
    await passed;
    expect(sent).toBe(result === 'reply' ? 1 : 0);
    // Behind it, on the same connection: what was sent before has arrived before.
    if (result === 'expired') expect(await line.exchange(UNIT, READ, {})).toMatchObject({ result: 'reply' });
    expect(functions).toEqual(asked);
    expect(told).toEqual(['up']);
  },
);

test('a connection that was made while we stood still for longer than it is waited for is used', async () => {
  const { port } = await openServer();
  const clock = new ManualClock();
  const line = new TcpLine({ host: '127.0.0.1', port }, 1, { clock, random: systemRandom, log: silentLog });
  later(() => line.stop());
  const told: string[] = [];
  await turn();
  line.start({ up: () => void told.push('up'), down: (reason) => void told.push(reason) });
  // It is asked for at the end of this turn, and nobody hears that it is there before the loop turns.
  await new Promise<void>((resolve) => process.nextTick(resolve));
  await clock.advance(60_000);
  await until(() => told.length > 0, 'the line');
  expect(told).toEqual(['up']);
});
