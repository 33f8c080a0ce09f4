// The bare equivalent of a bus: frames of the same length through `net` or `serialport`, and nothing else. In one
// process the loop that asks, in another the far end that answers. Given its part as JSON; the loop answers each number
// that it is sent by what it used in so many ms, and how many exchanges it made.

import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { SerialPort } from 'serialport';
import { usageOver, type UsageOver } from './idle-usage.ts';

export type BareOrder =
  | { part: 'far-end'; path: string | null; sentBytes: number; receivedBytes: number; answerAfterMs: number }
  /** `perSecond`: at this pace, always. `pauseMs`: only while it is measured, the next so long after each answer. */
  | {
      part: 'loop';
      path: string;
      sentBytes: number;
      receivedBytes: number;
      pace: { perSecond: number } | { pauseMs: number };
    }
  /** A process that waits for nothing but its parent. */
  | { part: 'nothing' };
export type BareUse = UsageOver & { perSecond: number };

type Bytes = Pick<Socket, 'write' | 'on'> | Pick<SerialPort, 'write' | 'on'>;
type LoopOrder = BareOrder & { part: 'loop' };

const TIMER_LATE_MS = 2;
let exchanges = 0;
let isMeasured = false;
let begin: () => void = () => undefined;

const order = JSON.parse(process.argv[2] ?? '{}') as BareOrder;
process.on('disconnect', () => process.exit(0));
if (order.part === 'far-end') serve(order);
else {
  if (order.part === 'loop') ask(open(order.path), order);
  process.on('message', (windowMs: number) => void measure(windowMs).then((used) => process.send?.(used)));
  process.send?.({ path: '' });
}

async function measure(windowMs: number): Promise<BareUse> {
  const before = exchanges;
  isMeasured = true;
  begin();
  const used = await usageOver(windowMs);
  isMeasured = false;
  return { ...used, perSecond: (exchanges - before) / used.seconds };
}

function serve(far: BareOrder & { part: 'far-end' }): void {
  const { path } = far;
  if (path !== null) answerOn(new SerialPort({ path, baudRate: 115_200 }), far);
  const server = createServer({ noDelay: true }, (socket) => answerOn(socket, far));
  server.listen(0, '127.0.0.1', () => {
    process.send?.({ path: path ?? `tcp://127.0.0.1:${(server.address() as AddressInfo).port}` });
  });
}

function open(path: string): Bytes {
  if (!path.startsWith('tcp://')) return new SerialPort({ path, baudRate: 115_200 });
  const { hostname, port } = new URL(path);
  return connect({ host: hostname, port: Number(port), noDelay: true });
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
  collect(line, sentBytes, () => exactly(performance.now() + answerAfterMs, () => line.write(answer)));
}

function ask(line: Bytes, { pace, sentBytes, receivedBytes }: LoopOrder): void {
  const frame = Buffer.alloc(sentBytes, 0x55);
  let dueMs = performance.now();
  const send = (): void => void line.write(frame);
  const next = (): void => {
    const nowMs = performance.now();
    if ('pauseMs' in pace) {
      if (isMeasured) exactly(nowMs + pace.pauseMs, send);
      return;
    }
    dueMs = Math.max(dueMs + 1_000 / pace.perSecond, nowMs);
    setTimeout(send, dueMs - nowMs);
  };
  collect(line, receivedBytes, () => {
    exchanges++;
    next();
  });
  if ('pauseMs' in pace) begin = send;
  else next();
}

/** More exactly than a timer can. */
function exactly(atMs: number, act: () => void): void {
  const leftMs = atMs - performance.now();
  if (leftMs <= 0) act();
  else if (leftMs > TIMER_LATE_MS) setTimeout(() => exactly(atMs, act), leftMs - TIMER_LATE_MS);
  else setImmediate(() => exactly(atMs, act));
}
