// Modbus TCP servers that answer badly. They stand on a simulated device whose answers are bent on the way out.

import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SimulatedUnit, NO_FAULTS } from '../../../drivers/modbus/simulator-unit.ts';
import { systemClock } from '../../../src/ops/clock.ts';
import { until } from '../../support/ports.ts';
import { content, later, openSite, pause, shipped, startDriver, type DriverOnLine } from './site.ts';

type Bend = (frame: Buffer, connection: number, request: Buffer) => Buffer | null;

/** A PLC whose every answer (MBAP frame) goes through `bend`. */
async function openBentServer(bend: Bend): Promise<{ unit: SimulatedUnit; port: number; connections(): number }> {
  const unit = new SimulatedUnit({ unit: 1, profile: shipped('plc-door-2') }, systemClock);
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    const connection = ++connections;
    sockets.add(socket);
    let received = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes]);
      while (received.length >= 7 && received.length >= received.readUInt16BE(4) + 6) {
        const request = received.subarray(0, received.readUInt16BE(4) + 6);
        received = received.subarray(request.length);
        const answer = unit.handle(request.subarray(7), NO_FAULTS);
        const frame = Buffer.concat([request.subarray(0, 7), answer]);
        frame.writeUInt16BE(answer.length + 1, 4);
        const bent = bend(frame, connection, request);
        if (bent !== null) socket.write(bent);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  later(async () => {
    for (const socket of sockets) socket.destroy();
    unit.close();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has a port');
  return { unit, port: address.port, connections: () => connections };
}

/**
 * Registers of a table behind FC03 and FC16. Requests are seen to one after the other, however many have come, and each
 * takes its time.
 */
async function openSlowTable(perRequestMs: number): Promise<{ port: number; mostAtOnce(): number }> {
  const registers = new Uint16Array(65_536);
  registers.set([0x4c4e, 0x0201]);
  const answerTo = (pdu: Buffer): Buffer => {
    const [at, count] = [pdu.readUInt16BE(1), pdu.readUInt16BE(3)];
    if (pdu[0] === 16) {
      for (let i = 0; i < count; i++) registers[at + i] = pdu.readUInt16BE(6 + 2 * i);
      return pdu.subarray(0, 5);
    }
    const answer = Buffer.alloc(2 + 2 * count);
    answer.set([3, 2 * count]);
    for (let i = 0; i < count; i++) answer.writeUInt16BE(registers[at + i] ?? 0, 2 + 2 * i);
    return answer;
  };
  let [waiting, most] = [0, 0];
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    let received = Buffer.alloc(0);
    let before = Promise.resolve();
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes]);
      while (received.length >= 7 && received.length >= received.readUInt16BE(4) + 6) {
        const request = received.subarray(0, received.readUInt16BE(4) + 6);
        received = received.subarray(request.length);
        most = Math.max(most, ++waiting);
        before = before.then(async () => {
          await pause(perRequestMs);
          const answer = answerTo(request.subarray(7));
          const frame = Buffer.concat([request.subarray(0, 7), answer]);
          frame.writeUInt16BE(answer.length + 1, 4);
          waiting -= 1;
          socket.write(frame);
        });
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  later(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has a port');
  return { port: address.port, mostAtOnce: () => most };
}

const drive = (port: number): DriverOnLine =>
  startDriver({ transport: 'tcp', host: '127.0.0.1', port }, [
    { unit: 1, profile: 'plc-door-2', turnaround_max: '50ms' },
  ]);

const isWrite = (frame: Buffer): boolean => frame[7] === 16;
const one = [{ slot: 1, content: content({ pin: '1234' }) }];

describe('a Modbus TCP server', () => {
  it('that acknowledges another address is not believed', async () => {
    const server = await openBentServer((frame) => {
      if (isWrite(frame)) frame.writeUInt16BE(frame.readUInt16BE(8) + 1, 8);
      return frame;
    });
    const site = drive(server.port);
    await site.seen('online');
    expect(await site.slots().write(one)).toMatchObject([
      { outcome: 'unknown', message: expect.stringContaining('another address') as unknown },
    ]);
  });

  it('that answers for another unit is not believed', async () => {
    const server = await openBentServer((frame) => {
      if (isWrite(frame)) frame.writeUInt8(9, 6);
      return frame;
    });
    const site = drive(server.port);
    await site.seen('online');
    expect(await site.slots().write(one)).toMatchObject([{ outcome: 'unknown' }]);
  });

  it('that always answers for another unit is shown as just that, however often it is called anew', async () => {
    let bent = true;
    const server = await openBentServer((frame) => {
      if (bent) frame.writeUInt8(0, 6);
      return frame;
    });
    const site = drive(server.port);
    const problem = (): string => site.device().status().problem ?? '';
    await until(() => problem().includes('unit 0 answered'), 'the fault', 20_000);
    const shown = new Set<string>();
    const before = server.connections();
    const again = (): boolean => {
      shown.add(problem());
      return server.connections() >= before + 2;
    };
    await until(again, 'two more connections', 25_000);
    expect([...shown]).toEqual(['unit 0 answered where 1 was asked']);
    bent = false;
    await site.seen('online');
    expect(site.device().status().problem).toBeNull();
  }, 60_000);

  it('that sends less than was asked for is asked again', async () => {
    let short = 1;
    const server = await openBentServer((frame, _, request) => {
      if (frame[7] !== 3 || request.readUInt16BE(8) !== 1010 || short-- <= 0) return frame;
      const cut = Buffer.concat([frame.subarray(0, 8), Buffer.of(2, 0, 0)]);
      cut.writeUInt16BE(5, 4);
      return cut;
    });
    const site = drive(server.port);
    await site.seen('online');
    expect(await site.slots().read([1])).toMatchObject([{ state: 'empty' }]);
    expect(site.device().status().counters.retries).toBe(1);
  });

  it('that sends its answers twice, or with bytes in between, does no harm', async () => {
    const server = await openBentServer((frame) => Buffer.concat([frame, frame]));
    const site = drive(server.port);
    await site.seen('online');
    await site.slots().write(one);
    const [first, second] = await Promise.all([site.slots().read([1]), site.slots().read([2])]);
    expect([first[0]?.state, second[0]?.state]).toEqual(['occupied', 'empty']);
  });

  it('that loses its place in the stream is left and called anew', async () => {
    const server = await openBentServer((frame, connection) =>
      connection === 1 ? Buffer.concat([Buffer.from('0001000000ff01', 'hex'), frame]) : frame,
    );
    const site = drive(server.port);
    await site.seen('online');
    expect(server.connections()).toBeGreaterThan(1);
    expect(await site.slots().write(one)).toMatchObject([{ outcome: 'written' }]);
  });

  it('that takes several requests at once is given as many but one, each with the time of those before it', async () => {
    const server = await openSlowTable(150);
    const site = startDriver({ transport: 'tcp', host: '127.0.0.1', port: server.port }, [
      { unit: 1, profile: join(import.meta.dirname, '../../bench/controller-small.yaml'), turnaround_max: '160ms' },
    ]);
    await site.seen('online');
    const writes = Array.from({ length: 70 }, (_, slot) => ({ slot, content: content({ pin: String(4000 + slot) }) }));
    const outcomes = await site.slots().write(writes);
    expect(new Set(outcomes.map(({ outcome }) => outcome))).toEqual(new Set(['written']));
    expect(server.mostAtOnce()).toBe(3);
    const readings = await site.slots().read(writes.map(({ slot }) => slot));
    expect(readings.map(({ slot }) => slot)).toEqual(writes.map(({ slot }) => slot));
    expect(writes.every((write, i) => readings[i]?.image.equals(site.slots().image(write.slot, write.content)))).toBe(
      true,
    );
  });

  it('whose segments come byte by byte is understood', async () => {
    const site = await openSite('tcp', [{ unit: 1, profile: 'plc-door-2', config: { turnaround_max: '1s' } }]);
    site.simulator.lineFaults.fragment = { bytes: 2, pauseMs: 1 };
    expect(await site.slots().write(one)).toMatchObject([{ outcome: 'written' }]);
    expect(await site.slots().read([1])).toMatchObject([{ state: 'occupied' }]);
  });

  it('behind a gateway that does not reach the device leaves it offline', async () => {
    const site = await openSite('tcp', [{ unit: 1, profile: 'plc-door-2' }]);
    site.simulator.unit(1).faults.exception = 11;
    await site.seen('offline');
    expect(site.device().status().problem).toContain('the gateway does not reach the unit');
    site.simulator.unit(1).faults.exception = null;
    await site.seen('online', 2);
  });
});
