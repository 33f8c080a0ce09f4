// The bare equivalent of an idle bus: frames of the same length at the same pace through `net` or `serialport`, and nothing else. In one process the loop that asks,
// in another the far end that answers. Given its part as JSON; the loop answers each number that it is sent as idle-child.ts does.

import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { SerialPort } from 'serialport';
import { usageOver } from './idle-usage.ts';

export type BareOrder =
  | { part: 'far-end'; path: string | null; sentBytes: number; receivedBytes: number; answerAfterMs: number }
  | { part: 'loop'; path: string; perSecond: number; sentBytes: number; receivedBytes: number }
  /** A process that waits for nothing but its parent. */
  | { part: 'nothing' };

type Bytes = Pick<Socket, 'write' | 'on'> | Pick<SerialPort, 'write' | 'on'>;

const order = JSON.parse(process.argv[2] ?? '{}') as BareOrder;
process.on('disconnect', () => process.exit(0));
if (order.part === 'far-end') {
  const { path } = order;
  if (path !== null) answerOn(new SerialPort({ path, baudRate: 115_200 }), order);
  const server = createServer({ noDelay: true }, (socket) => answerOn(socket, order));
  server.listen(0, '127.0.0.1', () => {
    process.send?.({ path: path ?? `tcp://127.0.0.1:${(server.address() as AddressInfo).port}` });
  });
} else {
  if (order.part === 'loop') ask(open(order.path), order);
  process.on('message', (windowMs: number) => void usageOver(windowMs).then((used) => process.send?.(used)));
  process.send?.({ path: '' });
}

function open(path: string): Bytes {
  if (!path.startsWith('tcp://')) return new SerialPort({ path, baudRate: 115_200 });
  const { hostname, port } = new URL(path);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  return socket;
}

/** Calls `frame` whenever that many bytes have come. */
function collect(line: Bytes, frameBytes: number, frame: () => void): void {
  let come = 0;
  line.on('data', (bytes: Buffer) => {
    come += bytes.length;
    if (come < frameBytes) return;
    come -= frameBytes;
    frame();
  });
}

function answerOn(line: Bytes, { sentBytes, receivedBytes, answerAfterMs }: BareOrder & { part: 'far-end' }): void {
  const answer = Buffer.alloc(receivedBytes, 0x55);
  collect(line, sentBytes, () => void setTimeout(() => line.write(answer), answerAfterMs));
}

function ask(line: Bytes, { perSecond, sentBytes, receivedBytes }: BareOrder & { part: 'loop' }): void {
  const frame = Buffer.alloc(sentBytes, 0x55);
  let dueMs = performance.now();
  const next = (): void => {
    const nowMs = performance.now();
    dueMs = Math.max(dueMs + 1_000 / perSecond, nowMs);
    setTimeout(() => line.write(frame), dueMs - nowMs);
  };
  collect(line, receivedBytes, next);
  next();
}
