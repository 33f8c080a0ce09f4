// A network between the driver and a device on TCP, which may stand still: then it keeps what it is given, and hands it
// over when it moves again.

import { connect, createServer } from 'node:net';

export type Network = {
  port: number;
  stall(): void;
  flow(): void;
  /** Pieces that were thrown away with the connection that they came by. */
  readonly dropped: number;
  close(): Promise<void>;
};

/** What it keeps of a connection is delivered even when that was closed, as networks do, but not when it was reset. */
export async function openNetwork(devicePort: number): Promise<Network> {
  let isStalled = false;
  let dropped = 0;
  const flushes = new Set<() => void>();
  const server = createServer((client) => {
    const device = connect(devicePort, '127.0.0.1');
    let kept: Buffer[] = [];
    const flush = (): void => {
      for (const bytes of kept.splice(0)) device.write(bytes);
    };
    flushes.add(flush);
    client.on('data', (bytes) => {
      kept.push(bytes);
      if (!isStalled) flush();
    });
    device.on('data', (bytes) => {
      if (!isStalled) client.write(bytes);
    });
    client.on('error', () => {
      dropped += kept.length;
      kept = [];
    });
    client.on('close', () => {
      if (kept.length === 0) device.destroy();
    });
    device.on('error', () => client.destroy());
    device.on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return {
    port: address.port,
    stall() {
      isStalled = true;
    },
    flow() {
      isStalled = false;
      for (const flush of flushes) flush();
    },
    get dropped() {
      return dropped;
    },
    close: () => new Promise((resolve) => void server.close(() => resolve())),
  };
}
