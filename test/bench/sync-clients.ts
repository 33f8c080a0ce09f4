// The bare equivalents that the synchronisation is held against: what the wire itself allows, frames without a thought
// behind them, and the plain clients that others would write.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import ModbusRTU from 'modbus-serial';
import type { Request } from '../../drivers/modbus/codec.ts';
import { lineTimes, replyFrameLength, requestFrame } from '../../drivers/modbus/rtu.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { freePort } from '../support/ports.ts';

/** Of a record in the tables of `controller.yaml` and `controller-small.yaml`. */
export const REGISTERS = 8;
export const SMALL_REGISTERS = 6;
const WRITE_LIMIT = 123;
const READ_LIMIT = 125;

/**
 * Characters of 11 bits and the pauses of 3.5 characters before each frame is taken, as the facts of the field have it;
 * the device itself takes no time.
 */
function wireMs(baud: number, requestBytes: number, replyBytes: number): number {
  const characterMs = 11_000 / baud;
  const pauseMs = baud > 19_200 ? 1.75 : 3.5 * characterMs;
  return (requestBytes + replyBytes) * characterMs + 2 * pauseMs;
}

/** Writing and reading back `count` records, as many to a frame as the protocol allows. */
export function wireLimitMs(baud: number, count: number): number {
  const inFrames = (most: number, cost: (records: number) => number): number => {
    const perFrame = Math.floor(most / REGISTERS);
    const rest = count % perFrame;
    return Math.floor(count / perFrame) * cost(perFrame) + (rest === 0 ? 0 : cost(rest));
  };
  const write = inFrames(WRITE_LIMIT, (records) => wireMs(baud, 9 + 2 * records * REGISTERS, 8));
  return write + inFrames(READ_LIMIT, (records) => wireMs(baud, 8, 5 + 2 * records * REGISTERS));
}

/** Enough of them to tell, where all would take minutes. */
const MOST_BARE_MS = 10_000;

/**
 * The frames that write and read back `count` records, ready-made, each sent when the answer to the one before has come
 * and the pause is over; nothing is looked at but how long an answer is. Of a slow line a part, and the rest by rule of
 * three.
 */
export async function bareFrames(port: number, baud: number, count: number): Promise<number> {
  const perFrame = Math.floor(WRITE_LIMIT / REGISTERS);
  const limitMs = wireLimitMs(baud, count);
  const runs = Math.max(1, Math.ceil((Math.ceil(count / perFrame) * Math.min(limitMs, MOST_BARE_MS)) / limitMs));
  const asked = Array.from({ length: runs }, (_, run): [Request, Request] => {
    const address = 1000 + run * perFrame * REGISTERS;
    const registers = Array.from({ length: perFrame * REGISTERS }, (_, i) => (run + i) & 0xffff);
    return [
      { fc: 16, address, registers },
      { fc: 3, address, count: registers.length },
    ];
  }).flat();
  const frames = asked.map((request) => ({
    bytes: requestFrame(1, request),
    answerBytes: replyFrameLength(request),
  }));
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  await once(socket, 'connect');
  const { t35Ms } = lineTimes({ baud, dataBits: 8, stopBits: 1, parity: 'even' });
  const started = systemClock.monotonicMs();
  for (const { bytes, answerBytes } of frames) {
    let come = 0;
    const answered = new Promise<void>((resolve) => {
      const take = (chunk: Buffer): void => {
        come += chunk.length;
        if (come < answerBytes) return;
        socket.off('data', take);
        resolve();
      };
      socket.on('data', take);
    });
    socket.write(bytes);
    await answered;
    const until = systemClock.monotonicMs() + t35Ms;
    while (systemClock.monotonicMs() < until) await new Promise((resolve) => setImmediate(resolve));
  }
  const takenMs = systemClock.monotonicMs() - started;
  socket.destroy();
  return (takenMs * Math.ceil(count / perFrame)) / runs;
}

/**
 * What a program does that knows nothing of bulk: one FC16 for each credential, the next when it is answered.
 * `isWhole`: out of force first, read back, in force.
 */
export async function plainCalls(
  port: number,
  kind: 'rtu' | 'tcp',
  count: number,
  registers: number,
  isWhole = false,
): Promise<number> {
  const client = new ModbusRTU.default();
  client.setID(1);
  client.setTimeout(5_000);
  if (kind === 'tcp') await client.connectTCP('127.0.0.1', { port });
  else await client.connectTelnet('127.0.0.1', { port });
  const started = systemClock.monotonicMs();
  for (let n = 0; n < count; n++) {
    const at = 1000 + n * registers;
    const record = Array.from({ length: registers }, (_, i) => (n + i) & 0xffff);
    await client.writeRegisters(at, record);
    if (!isWhole) continue;
    if (String((await client.readHoldingRegisters(at, registers)).data) !== String(record))
      throw new Error('the far end holds something else');
    await client.writeRegisters(at, [(record[0] ?? 0) | 1]);
  }
  const takenMs = systemClock.monotonicMs() - started;
  client.close(() => undefined);
  return takenMs;
}

export async function pythonClient(port: number, count: number, registers: number): Promise<number> {
  const script = join(import.meta.dirname, 'sequential_client.py');
  const client = spawn('/usr/bin/python3', [script, String(port), String(count), String(registers)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  client.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => void client.once('close', resolve));
  if (code !== 0) throw new Error(`the client of pymodbus ended with ${code}`);
  return Number(said);
}

export async function onPymodbus<T>(work: (port: number) => Promise<T>): Promise<T> {
  const port = await freePort();
  const script = join(import.meta.dirname, '../interop/servers/pymodbus_server.py');
  const server = spawn('/usr/bin/python3', [script, 'tcp', String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await new Promise<void>((resolve, reject) => {
      server.stdout.once('data', () => resolve());
      server.once('error', reject);
      server.once('exit', () => reject(new Error('pymodbus ended; is python3-pymodbus installed?')));
    });
    return await work(port);
  } finally {
    server.kill('SIGKILL');
  }
}
