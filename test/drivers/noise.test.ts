// Bytes that are no frame at all, without end and in pieces of any size: no parser keeps more of them than one frame
// may be long or looks at the same place again and again, and each hears the first whole frame behind them.

import { createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { findReply } from '../../drivers/modbus/rtu.ts';
import type { Request } from '../../drivers/modbus/codec.ts';
import { TcpLine } from '../../drivers/modbus/tcp.ts';
import { encodeFrame as encodeOsdp } from '../../drivers/osdp/frame.ts';
import { FrameParser as OsdpParser } from '../../drivers/osdp/parser.ts';
import { encodeFrame as encodeSoyal, FrameParser as SoyalParser } from '../../drivers/soyal/frame.ts';
import { encodeTag, TagParser } from '../../drivers/uart/codec.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { silentLog } from '../support/room.ts';
import { until } from '../support/ports.ts';

const NOISE_BYTES = 50_000;
const repeated = (...bytes: number[]): Buffer => Buffer.alloc(NOISE_BYTES, Buffer.from(bytes));
/** Random bytes, an endless line without an end, and beginnings that never become a frame. */
const NOISES: readonly Buffer[] = [
  systemRandom.bytes(NOISE_BYTES),
  repeated(0x20),
  repeated(0x30),
  repeated(0x02, 0x30),
  repeated(0x53, 0x00, 0xa0, 0x05, 0x04),
  repeated(0x7e, 0xff),
  repeated(0x7e, 0x04, 0x00),
  repeated(0x01, 0x03),
];
const PIECES = [1, 7, 1024];

function* cut(bytes: Buffer, piece: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece);
}

test.each(PIECES)('a tag is read behind noise that came in pieces of %i bytes', (piece) => {
  for (const noise of NOISES) {
    const parser = new TagParser('rdm6300');
    for (const bytes of cut(noise, piece)) parser.push(bytes, 0);
    const uid = Buffer.from('62E3086CED', 'hex');
    expect(parser.push(encodeTag('rdm6300', uid), 0).uids).toEqual([uid]);
  }
});

test.each(PIECES)('an OSDP reply is read behind noise that came in pieces of %i bytes', (piece) => {
  const reply = encodeOsdp({
    address: 1,
    reply: true,
    sequence: 1,
    crc: true,
    code: 0x40,
    data: Buffer.alloc(0),
    block: null,
  });
  for (const noise of NOISES) {
    const parser = new OsdpParser();
    for (const bytes of cut(noise, piece)) parser.push(bytes);
    const found = [...parser.push(reply), ...parser.stalled()];
    expect(found.map(({ code }) => code)).toContain(0x40);
    expect(parser.pending).toBe(false);
  }
});

test.each(PIECES)('a SOYAL reply is read behind noise that came in pieces of %i bytes', (piece) => {
  const reply = encodeSoyal(0, Buffer.of(0x04, 0x01));
  for (const noise of NOISES) {
    const parser = new SoyalParser();
    for (const bytes of cut(noise, piece)) parser.push(bytes);
    const found = [...parser.push(reply), ...parser.expire()];
    expect(found.map(({ payload }) => payload.toString('hex'))).toContain('0401');
    expect(parser.unfinished).toBe(false);
  }
});

test('the answer of a Modbus unit is looked for at each place once, however the noise before it comes', () => {
  const request: Request = { fc: 3, address: 0, count: 120 };
  const longest = 5 + 2 * 120;
  for (const noise of NOISES) {
    const bytes = noise.subarray(0, 900);
    let from = 0;
    for (let length = 1; length <= bytes.length; length++) {
      const search = findReply(1, request, bytes.subarray(0, length), from);
      if (search.found) throw new Error('noise was taken for an answer');
      expect(search.next).toBeGreaterThanOrEqual(from);
      from = search.next;
      // What is looked at again is no more than one answer that may still be coming.
      expect(length - from).toBeLessThan(longest);
    }
  }
});

test('a Modbus TCP device that sends without end has a little taken in each turn of the loop, and the rest waits at its side', async () => {
  // Whole answers, to questions that nobody asked.
  const flood = Buffer.alloc(64 * 1024 * 1024, Buffer.from('004d00000006010300010002', 'hex'));
  const farEnds: Socket[] = [];
  const server = createServer((socket) => {
    farEnds.push(socket);
    socket.on('error', () => undefined);
    socket.write(flood);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  const line = new TcpLine(address, 1, { clock: new ManualClock(), random: systemRandom, log: silentLog });
  let isUp = false;
  line.start({ up: () => void (isUp = true), down: () => undefined });
  onTestFinished(async () => {
    await line.stop();
    for (const far of farEnds) far.destroy();
    server.close();
  });
  await until(() => isUp && farEnds.length > 0, 'the connection');
  for (let turn = 0; turn < 2000; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
  // The kernel holds a few megabytes on the way.
  expect(farEnds[0]?.writableLength).toBeGreaterThan(flood.length / 2);
});
