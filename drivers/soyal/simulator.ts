// Simulated SOYAL controllers on a real line: all of them hear every byte of their bus, whether it is a pseudo terminal
// or a listening TCP port that stands for a serial converter. Tests, the demo and `lintel simulate soyal` use the same
// ones.

import { createServer, type Server, type Socket } from 'node:net';
import { assert } from '../../src/domain/errors.ts';
import type { Clock, OpenPort, Port } from '../driver.ts';
import { SimulatedController, type ControllerOptions } from './simulator-controller.ts';

const OPEN_MS = 5_000;

export class SoyalSimulator {
  readonly controllers: readonly SimulatedController[];
  /** The host's adapter hears itself: whatever it sends comes back first. */
  echoes = false;
  readonly #clock: Clock;
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;
  #port: Port | null = null;

  constructor(controllers: readonly Partial<ControllerOptions>[], clock: Clock) {
    this.#clock = clock;
    this.controllers = controllers.map(
      (options) => new SimulatedController(options, clock, (bytes) => this.say(bytes)),
    );
    const addresses = new Set(this.controllers.map(({ options }) => options.address));
    assert(addresses.size === this.controllers.length, 'each simulated controller has its own address');
  }

  /** The one at this address. */
  at(address: number): SimulatedController {
    const found = this.controllers.find(({ options }) => options.address === address);
    assert(found !== undefined, `no simulated controller has address ${address}`);
    return found;
  }

  /** Listens on 127.0.0.1 as a serial converter would; 0 takes a free port. Resolves to the port. */
  async listen(port: number): Promise<number> {
    assert(this.#server === null && this.#port === null, 'a simulator is on one line');
    const server = createServer({ noDelay: true }, (socket) => {
      this.#sockets.add(socket);
      socket.on('data', (bytes) => this.#receive(bytes));
      socket.on('error', () => undefined);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    const address = server.address();
    assert(address !== null && typeof address === 'object', 'a TCP server has a port');
    return address.port;
  }

  /** Sits on a serial line, one end of a pair of pseudo terminals for instance. */
  async open(path: string, openPort: OpenPort): Promise<void> {
    assert(this.#server === null && this.#port === null, 'a simulator is on one line');
    const settings = { path, baud: 9600, parity: 'none', dataBits: 8, stopBits: 1 } as const;
    const handlers = { data: (bytes: Buffer) => this.#receive(bytes), lost: () => (this.#port = null) };
    this.#port = await openPort(settings, handlers, OPEN_MS);
  }

  async close(): Promise<void> {
    await this.#port?.close();
    this.#port = null;
    const server = this.#server;
    this.#server = null;
    for (const socket of this.#sockets) socket.destroy();
    if (server !== null) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  /** In a turn of its own, as bytes on a wire are. */
  #receive(bytes: Buffer): void {
    if (this.echoes) this.say(bytes);
    this.#clock.immediate(() => {
      for (const controller of this.controllers) controller.receive(bytes);
    });
  }

  /** Puts bytes on the line as somebody else on the bus, or interference, would. */
  say(bytes: Buffer): void {
    this.#port?.write(bytes);
    for (const socket of this.#sockets) socket.write(bytes);
  }
}
