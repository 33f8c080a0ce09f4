// The demonstration's broker: it can be stopped in front of everybody and come back on the same port, and it lets the service above in before the agent, so that
// nothing the agent sends is missed.

import { Aedes } from 'aedes';
import { createServer, type Server, type Socket } from 'node:net';
import { assert } from '../../domain/errors.ts';

export class DemoBroker {
  #aedes: Aedes | null = null;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();

  async start(): Promise<void> {
    this.#aedes = await Aedes.createBroker();
  }

  /** Listens on 127.0.0.1; 0 takes a free port. Resolves with the port, or null when it is taken. */
  async listen(port: number): Promise<number | null> {
    const aedes = this.#aedes;
    assert(aedes !== null, 'a broker that runs');
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      aedes.handle(socket);
    });
    const isListening = await new Promise<boolean>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(false);
        else reject(error);
      });
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!isListening) return null;
    this.#servers.push(server);
    const address = server.address();
    assert(typeof address === 'object' && address !== null, 'a TCP server has a port');
    return address.port;
  }

  /** With everything it knew: it comes back empty. */
  async stop(): Promise<void> {
    const aedes = this.#aedes;
    this.#aedes = null;
    for (const socket of this.#sockets) socket.destroy();
    for (const server of this.#servers.splice(0))
      await new Promise<void>((resolve) => void server.close(() => resolve()));
    if (aedes !== null) await new Promise<void>((resolve) => aedes.close(() => resolve()));
  }
}
