// The built-in broker (MQTT 3.1.1, on loopback only), for the demo and for a building that is commanded on the gateway
// itself. Whoever may publish to it opens doors, so it wants a password; and it lives in the agent's own process, so
// whatever a client can make it keep has a bound.

import { Aedes, type AuthenticateError, type Client } from 'aedes';
import { timingSafeEqual } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { assert, OperatingError } from '../domain/errors.ts';
import { PacketGuard } from './packet-guard.ts';

export type BrokerOptions = {
  username: string;
  password: string;
  /** The agent's own client: it alone may leave retained messages and a session behind. */
  owner: string;
};

const MOST_CONNECTIONS = 64;
/** A command has at most 256 KiB. */
const MOST_PACKET_BYTES = 512 * 1024;
const CONNECT_WITHIN_MS = 10_000;
/** Messages that wait for a client which reads slowly. */
const MOST_WAITING = 1000;
const BAD_USER_NAME_OR_PASSWORD = 4;

export class EmbeddedBroker {
  readonly #options: BrokerOptions;
  #aedes: Aedes | null = null;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();

  constructor(options: BrokerOptions) {
    this.#options = options;
  }

  /** Rejects when the port is taken; 0 chooses one. Resolves with the port. */
  async start(port: number): Promise<number> {
    await this.run();
    const listening = await this.listen(port);
    if (listening !== null) return listening;
    await this.stop();
    throw new OperatingError('internal', `port ${port} on 127.0.0.1 is taken. Remedy: another mqtt.embedded port`);
  }

  /** Ready for clients, with no port yet. */
  async run(): Promise<void> {
    const { owner } = this.#options;
    this.#aedes = await Aedes.createBroker({
      queueLimit: MOST_WAITING,
      connectTimeout: CONNECT_WITHIN_MS,
      preConnect: (_client, packet, done) => {
        // Of anybody else's session nothing is kept: a client that never comes back would fill the memory.
        if (packet.clientId !== owner) packet.clean = true;
        done(null, true);
      },
      authenticate: (_client, username, password, done) => {
        if (this.#knows(username, password)) done(null, true);
        else done(refusal(), null);
      },
      authorizePublish: (client: Client | null, packet, done) => {
        if (client !== null && client.id !== owner && packet.retain) packet.retain = false;
        done(null);
      },
    });
  }

  #knows(username: string | undefined, password: Buffer | undefined): boolean {
    const wanted = Buffer.from(this.#options.password);
    const given = password ?? Buffer.alloc(0);
    const isPassword = given.length === wanted.length && timingSafeEqual(given, wanted);
    return isPassword && username === this.#options.username;
  }

  /** Listens on 127.0.0.1 as well; resolves with the port, or null when it is taken or not for us. */
  async listen(port: number): Promise<number | null> {
    const server = createServer((socket) => this.#serve(socket));
    server.maxConnections = MOST_CONNECTIONS;
    const isListening = await new Promise<boolean>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(false);
        else reject(new OperatingError('internal', `the built-in broker cannot listen: ${error.message}`));
      });
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!isListening) return null;
    this.#servers.push(server);
    const address = server.address();
    assert(typeof address === 'object' && address !== null, 'a TCP server has a port');
    return address.port;
  }

  #serve(socket: Socket): void {
    const aedes = this.#aedes;
    if (aedes === null) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    const guard = new PacketGuard(MOST_PACKET_BYTES);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      guard.destroy();
    });
    socket.on('error', () => undefined);
    guard.on('error', () => socket.destroy());
    aedes.handle(Duplex.from({ readable: socket.pipe(guard), writable: socket }));
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

// The library's codes are a `const enum`, which a program whose types are stripped cannot name: the number it stands
// for.
const refusal = (): AuthenticateError =>
  Object.defineProperty(new Error('wrong user name or password'), 'returnCode', {
    value: BAD_USER_NAME_OR_PASSWORD,
  }) as AuthenticateError;
