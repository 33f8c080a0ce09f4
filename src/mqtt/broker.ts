// The built-in broker (MQTT 3.1.1, on loopback only), for the demo and for a building that is commanded on the gateway itself. Its sessions live in memory.

import { Aedes } from 'aedes';
import { createServer, type Server, type Socket } from 'node:net';
import { OperatingError } from '../domain/errors.ts';

export class EmbeddedBroker {
  readonly #port: number;
  #aedes: Aedes | null = null;
  #server: Server | null = null;
  readonly #sockets = new Set<Socket>();

  constructor(port: number) {
    this.#port = port;
  }

  /** Resolves with the port it listens on (0 chooses one); rejects when it is taken. */
  async start(): Promise<number> {
    const aedes = await Aedes.createBroker();
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      aedes.handle(socket);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        const taken = error.code === 'EADDRINUSE';
        reject(
          new OperatingError(
            'internal',
            taken
              ? `port ${this.#port} on 127.0.0.1 is taken. Remedy: another mqtt.embedded port`
              : `the built-in broker cannot listen: ${error.message}`,
          ),
        );
      });
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#aedes = aedes;
    this.#server = server;
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : this.#port;
  }

  async stop(): Promise<void> {
    const { aedes, server } = { aedes: this.#aedes, server: this.#server };
    this.#aedes = null;
    this.#server = null;
    if (aedes === null || server === null) return;
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => void server.close(() => resolve()));
    await new Promise<void>((resolve) => aedes.close(() => resolve()));
  }
}
