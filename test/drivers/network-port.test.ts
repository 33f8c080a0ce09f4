// Converters on the network as a driver sees them: lines behind a TCP connection.

import { spawn } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { turn } from '../support/manual-clock.ts';
import { freePort, tcpPair, until, type TcpPair } from '../support/ports.ts';
import { open, at, listener, refusal, everyByte } from './real-ports.ts';

describe('a converter on the network', () => {
  let pair: TcpPair;
  beforeEach(async () => {
    pair = await tcpPair();
  });
  afterEach(() => pair.close());

  test('carries every byte unchanged in both directions', async () => {
    const { heard, handlers } = listener();
    const port = await open(at(pair.path), handlers, 2000);
    const far = await pair.connection();
    const got: Buffer[] = [];
    far.on('data', (bytes) => got.push(bytes));
    port.write(everyByte);
    await port.drain();
    far.write(everyByte);
    await until(() => heard.bytes.length === 256 && Buffer.concat(got).length === 256, 'all bytes');
    expect(heard.bytes).toEqual(everyByte);
    expect(Buffer.concat(got)).toEqual(everyByte);
    await port.close();
  });

  test('is lost once when the far end closes or breaks the connection', async () => {
    for (const end of [(far: Socket) => void far.end(), (far: Socket) => void far.resetAndDestroy()]) {
      const { heard, handlers } = listener();
      const port = await open(at(pair.path), handlers, 2000);
      end(await pair.connection());
      await until(() => heard.lost.length > 0, 'the loss');
      port.write(everyByte);
      await expect(port.drain()).rejects.toThrow('converter');
      await port.close();
      expect(heard.lost).toHaveLength(1);
    }
  });

  test('says nothing of a loss that comes after it was closed', async () => {
    const { heard, handlers } = listener();
    const port = await open(at(pair.path), handlers, 2000);
    const far = await pair.connection();
    await port.close();
    far.destroy();
    await turn(20);
    expect(heard.lost).toEqual([]);
  });

  test('throws away what has arrived and was not delivered', async () => {
    const { heard, handlers } = listener();
    const port = await open(at(pair.path), handlers, 2000);
    const far = await pair.connection();
    far.write('stale');
    await port.discardInput();
    await turn(20);
    far.write('fresh');
    await until(() => heard.bytes.length >= 5, 'what comes later');
    expect(heard.bytes.toString()).toBe('fresh');
    await port.close();
  });

  test('whose far end never reads is lost, with a bounded amount waiting', async () => {
    const { heard, handlers } = listener();
    const port = await open(at(pair.path), handlers, 2000);
    await pair.connection();
    let written = 0;
    while (heard.lost.length === 0 && written < 256 * 1024 * 1024) {
      port.write(Buffer.alloc(4096));
      written += 4096;
      if (written % (64 * 1024) === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(heard.lost).toHaveLength(1);
    expect(heard.lost[0]).toContain('takes no bytes');
    await port.close();
  });

  test('that listens on no such port is refused with what to check', async () => {
    const error = await refusal(open(at(`tcp://127.0.0.1:${await freePort()}`), listener().handlers, 2000));
    expect(error.type).toBe('controller_offline');
    expect(error.message).toMatch(/refused.*TCP server/);
  });

  test('that does not answer is given up at the deadline', async () => {
    const { port, end } = await silentListener();
    onTestFinished(end);
    const error = await refusal(open(at(`tcp://127.0.0.1:${port}`), listener().handlers, 300));
    expect(error.type).toBe('timed_out');
    expect(error.message).toMatch(/connecting to tcp:.*power, cable and address/);
  });
});

/**
 * Something that listens and accepts nobody, its queue full: a connection to it stays half made, as one to a dead host.
 */
async function silentListener(): Promise<{ port: number; end: () => void }> {
  const program = `
    const server = require('node:net').createServer();
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      require('node:fs').writeSync(1, String(server.address().port));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise<number>((resolve) => child.stdout.once('data', (text) => resolve(Number(text))));
  const fillers = Array.from({ length: 6 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
  // The kernel takes each of them up as it is made: behind this its queue is full.
  await turn(20);
  return {
    port,
    end: () => {
      for (const filler of fillers) filler.destroy();
      child.kill('SIGKILL');
    },
  };
}
