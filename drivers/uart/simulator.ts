// The reader itself on a real port: at the other end of a serial line or pseudo terminal, or behind a TCP port as a
// serial converter has it. Tests, the demo and `lintel simulate uart-reader` use this one. It does what the wire does
// on a bad day as well: pieces, noise, wrong checksums, an unplugged cable.

import { createServer, type Server, type Socket } from 'node:net';
import { parseConverter } from '../../src/domain/line.ts';
import { OperatingError } from '../../src/domain/errors.ts';
import type { Clock, LineSettings, OpenPort, Random } from '../driver.ts';
import { SteadyLine } from '../kit/steady-line.ts';
import { encodeTag, REPEATS, UID_BYTES, type FrameName } from './codec.ts';

export type UartReaderOptions = {
  /** A device path, or `tcp://host:port` to listen there as a converter (port 0: any free one). */
  port: string;
  frame: FrameName;
  baud?: number;
  clock: Clock;
  openPort: OpenPort;
};

export type PresentOptions = {
  /** How long the tag is held; 0: one frame. */
  holdMs?: number;
  /**
   * Time from frame to frame while it is held. An RDM6300 repeats; an ID-12LA sends once, whatever this says, unless it
   * is one of the copies that repeat.
   */
  repeatMs?: number;
  isCopyThatRepeats?: boolean;
  /** Sends each frame in pieces of this many bytes, a moment apart. */
  fragmentBytes?: number;
  /** Sends a wrong checksum. */
  corrupt?: boolean;
};

export type UartReader = {
  /**
   * What a facility file gives as the bus's `port`: the converter's own address, or null for the far end of a serial
   * line.
   */
  readonly address: string | null;
  /** Whether somebody can hear it: a client is connected, or the device is open. */
  readonly connected: boolean;
  /** Holds a tag of five bytes (ten hex digits) to the reader; resolves when it has been taken away. */
  present(uidHex: string, options?: PresentOptions): Promise<void>;
  /** Sends these bytes as they are. */
  noise(bytes: Uint8Array): void;
  /** Takes the reader off the line: a converter drops its clients and listens no more, a serial device falls silent. */
  unplug(): Promise<void>;
  /** Puts it back where it was. */
  plug(): Promise<void>;
  stop(): Promise<void>;
};

const REPEAT_MS = 65;
const FRAGMENT_GAP_MS = 5;
/** A client that reads nothing is dropped. */
const MAX_UNREAD_BYTES = 16 * 1024;

/** Starts a reader. Rejects with an OperatingError when the port cannot be opened or listened on. */
export async function startUartReader(options: UartReaderOptions): Promise<UartReader> {
  const { clock, frame } = options;
  const listenAt = listenAddress(options.port);
  const wire = listenAt === null ? deviceWire(options) : converterWire(listenAt);
  await wire.plug();
  let stopped = false;
  const pause = (delayMs: number) => new Promise<void>((resolve) => clock.after(delayMs, resolve));
  const send = async (bytes: Buffer, fragmentBytes: number): Promise<void> => {
    for (let i = 0; i < bytes.length; i += fragmentBytes) {
      if (i > 0) await pause(FRAGMENT_GAP_MS);
      wire.send(bytes.subarray(i, i + fragmentBytes));
    }
  };
  return {
    get address() {
      return wire.address();
    },
    get connected() {
      return wire.connected();
    },
    async present(
      uidHex,
      { holdMs = 0, repeatMs = REPEAT_MS, isCopyThatRepeats = false, fragmentBytes = Infinity, corrupt = false } = {},
    ) {
      const bytes = encodeTag(frame, parseUid(uidHex));
      if (corrupt) bytes.writeUInt8(bytes.readUInt8(1) === 0x30 ? 0x31 : 0x30, 1);
      const endsAtMs = clock.monotonicMs() + holdMs;
      await send(bytes, fragmentBytes);
      while (!stopped && clock.monotonicMs() + repeatMs <= endsAtMs) {
        await pause(repeatMs);
        if (REPEATS[frame] || isCopyThatRepeats) await send(bytes, fragmentBytes);
      }
    },
    noise: (bytes) => wire.send(bytes),
    unplug: () => wire.unplug(),
    plug: () => wire.plug(),
    async stop() {
      stopped = true;
      await wire.unplug();
    },
  };
}

function parseUid(hex: string): Buffer {
  const uid = Buffer.from(hex, 'hex');
  if (uid.length === UID_BYTES && hex.length === 2 * UID_BYTES) return uid;
  throw new OperatingError('invalid_input', 'a tag is ten hexadecimal digits: version byte and four bytes of number');
}

/** The same form as a line's address, but port 0 is allowed: any free one. */
function listenAddress(port: string): { host: string; port: number } | null {
  const address = parseConverter(port.replace(/:0+$/, ':1'));
  return address === null || !/:0+$/.test(port) ? address : { host: address.host, port: 0 };
}

type Wire = {
  address(): string | null;
  connected(): boolean;
  send(bytes: Uint8Array): void;
  plug(): Promise<void>;
  unplug(): Promise<void>;
};

function deviceWire(options: UartReaderOptions): Wire {
  const settings = {
    path: options.port,
    baud: options.baud ?? 9600,
    parity: 'none',
    dataBits: 8,
    stopBits: 1,
  } as const;
  const context = { clock: options.clock, random: { fraction: () => 0.5 }, openPort: options.openPort };
  let line: SteadyLine | null = null;
  return {
    address: () => null,
    connected: () => line?.port != null,
    send: (bytes) => line?.port?.write(bytes),
    async plug() {
      await line?.stop();
      line = await openSteady(settings, context);
    },
    async unplug() {
      await line?.stop();
      line = null;
    },
  };
}

/** A line that is open, and comes back by itself from then on. */
async function openSteady(
  settings: LineSettings,
  context: { clock: Clock; random: Pick<Random, 'fraction'>; openPort: OpenPort },
): Promise<SteadyLine> {
  return await new Promise((resolve, reject) => {
    let opened = false;
    const line = new SteadyLine(settings, context, {
      up: () => {
        opened = true;
        resolve(line);
      },
      data: () => undefined,
      down: (reason) => {
        // Only the first attempt's failure is an answer to the caller; later ones are what the line is steady over.
        if (opened) return;
        void line.stop();
        reject(new OperatingError('controller_offline', reason));
      },
    });
    line.start();
  });
}

function converterWire(listenAt: { host: string; port: number }): Wire {
  const clients = new Set<Socket>();
  let server: Server | null = null;
  let port = listenAt.port;
  const welcome = (client: Socket): void => {
    clients.add(client);
    client.on('close', () => clients.delete(client));
    client.on('error', () => client.destroy());
    client.resume();
  };
  const host = listenAt.host.includes(':') ? `[${listenAt.host}]` : listenAt.host;
  return {
    address: () => `tcp://${host}:${port}`,
    connected: () => clients.size > 0,
    send: (bytes) => {
      for (const client of clients) {
        if (client.writableLength > MAX_UNREAD_BYTES) client.destroy();
        else client.write(Buffer.from(bytes));
      }
    },
    async plug() {
      if (server !== null) return;
      const opening = createServer({ noDelay: true }, welcome);
      await new Promise<void>((resolve, reject) => {
        opening.once('error', reject);
        opening.listen(port, listenAt.host, () => resolve());
      });
      const bound = opening.address();
      if (bound !== null && typeof bound === 'object') port = bound.port;
      server = opening;
    },
    async unplug() {
      const closing = server;
      server = null;
      for (const client of clients) client.destroy();
      if (closing !== null) await new Promise<void>((resolve) => closing.close(() => resolve()));
    },
  };
}
