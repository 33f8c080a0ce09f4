// Real lines for tests: pairs of pseudo terminals from socat that can be cut and plugged in again, and TCP far ends
// that stand for serial converters. Everything lives in temp folders and on 127.0.0.1, and nothing outlives the test
// process.

import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SerialPort } from 'serialport';

export type PtyPair = {
  /**
   * Device paths of the two ends; what is written to one is read at the other. They stay the same over `cut` and
   * `replug`.
   */
  readonly a: string;
  readonly b: string;
  /** Pulls the cable: both paths vanish and whoever has them open is hung up on. */
  cut(): Promise<void>;
  /** Brings both paths back, on new devices. */
  replug(): Promise<void>;
  close(): Promise<void>;
};

/** A pair of raw pseudo terminals with stable paths. */
export async function openPtyPair(): Promise<PtyPair> {
  const folder = mkdtempSync(join(tmpdir(), 'lintel-pty-'));
  const a = join(folder, 'A');
  const b = join(folder, 'B');
  let socat: ChildProcess | null = await startSocat(a, b);
  const cut = async (): Promise<void> => {
    if (socat !== null) await endProcess(socat);
    socat = null;
    rmSync(a, { force: true });
    rmSync(b, { force: true });
  };
  return {
    a,
    b,
    cut,
    async replug() {
      await cut();
      socat = await startSocat(a, b);
    },
    async close() {
      await cut();
      rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
    },
  };
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

async function startSocat(a: string, b: string): Promise<ChildProcess> {
  const child = spawn('socat', ['-d', '-d', `pty,raw,echo=0,link=${a}`, `pty,raw,echo=0,link=${b}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  running.add(child);
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4096)));
  child.on('exit', () => running.delete(child));
  let failure: string | null = null;
  child.on('error', (error: NodeJS.ErrnoException) => {
    running.delete(child);
    failure =
      error.code === 'ENOENT'
        ? 'socat is missing, and tests over serial lines need it: apt-get install socat'
        : error.message;
  });
  await until(
    () => {
      if (failure !== null) throw new Error(failure);
      if (child.exitCode !== null) throw new Error(`socat ended with ${child.exitCode}: ${said}`);
      // The links appear first; both ends are served only once the transfer loop is announced.
      return existsSync(a) && existsSync(b) && said.includes('starting data transfer loop');
    },
    'socat to make both ends',
    10_000,
  );
  return child;
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });
}

/** A TCP port on 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server, 0);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

export type TcpPair = {
  readonly port: number;
  /** As a line's path: `tcp://127.0.0.1:port`. */
  readonly path: string;
  /** The far end of the next connection that was not handed out yet. */
  connection(): Promise<Socket>;
  /** Closes every connection and refuses new ones. */
  cut(): Promise<void>;
  /** Listens again on the same port. */
  replug(): Promise<void>;
  close(): Promise<void>;
};

/**
 * A listening far end, as a serial converter is. Connections come paused: nothing is read from them until somebody
 * listens for their data.
 */
export async function tcpPair(): Promise<TcpPair> {
  const sockets = new Set<Socket>();
  const waiting: Socket[] = [];
  let server: Server;
  const open = async (port: number): Promise<number> => {
    server = createServer({ noDelay: true }, (socket) => {
      socket.on('error', () => undefined);
      socket.on('close', () => sockets.delete(socket));
      sockets.add(socket);
      waiting.push(socket);
    });
    return await listen(server, port);
  };
  const port = await open(0);
  const cut = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    waiting.length = 0;
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return {
    port,
    path: `tcp://127.0.0.1:${port}`,
    async connection() {
      await until(() => waiting.length > 0, 'somebody to connect', 10_000);
      const socket = waiting.shift();
      if (socket === undefined) throw new Error('the connection was cut before it was handed out');
      return socket;
    },
    cut,
    async replug() {
      await open(port);
    },
    close: cut,
  };
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve());
  });
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server without a port');
  return address.port;
}

export type FarEnd = {
  /** Everything received since the last `take`. */
  received(): Buffer;
  /** Waits for at least `count` bytes and takes exactly them. */
  take(count: number, timeoutMs?: number): Promise<Buffer>;
  write(bytes: Uint8Array | string): Promise<void>;
  close(): Promise<void>;
};

/** The other end of a serial line, by hand and without a lock: a device that says exactly what the test says. */
export async function openFarEnd(path: string): Promise<FarEnd> {
  const port = new SerialPort({ path, baudRate: 9600, lock: false, autoOpen: false });
  await settle((done) => port.open(done));
  let buffer = Buffer.alloc(0);
  port.on('data', (bytes: Buffer) => (buffer = Buffer.concat([buffer, bytes])));
  port.on('error', () => undefined);
  return {
    received: () => buffer,
    async take(count, timeoutMs = 10_000) {
      await until(() => buffer.length >= count, `${count} bytes at ${path} (${buffer.length} came)`, timeoutMs);
      const taken = buffer.subarray(0, count);
      buffer = buffer.subarray(count);
      return taken;
    },
    write: (bytes) => settle((done) => port.write(Buffer.from(bytes), done)),
    async close() {
      if (port.isOpen) await settle((done) => port.close(done));
    },
  };
}

async function settle(call: (done: (error: Error | null | undefined) => void) => void): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    call((error) => (error ? reject(error) : resolve()));
  });
}

/**
 * Waits until `value` has stood still for so many turns of the loop: whoever moves it in this process waits for
 * something else by then.
 */
export async function atRest(value: () => number, turns = 300): Promise<void> {
  let before = value();
  for (let still = 0; still < turns; still++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (value() === before) continue;
    before = value();
    still = 0;
  }
}

/**
 * Waits until `condition` holds, looking every few milliseconds; throws after `timeoutMs` and says what it waited for.
 */
export async function until(condition: () => boolean, what: string, timeoutMs = 30_000): Promise<void> {
  const endsAt = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > endsAt) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
