// A port whose far end is the test itself: what is written to it is kept, and what comes by it, and when it goes, the
// test says.

import type { OpenPort, Port, PortHandlers } from '../../src/domain/ports.ts';

export class ScriptedPort {
  /** What was written, port by port: the newest last. */
  readonly ports: Buffer[][] = [];
  #handlers: PortHandlers | null = null;

  readonly open: OpenPort = (_settings, handlers) => {
    const written: Buffer[] = [];
    this.ports.push(written);
    this.#handlers = handlers;
    const port: Port = {
      write: (bytes) => void written.push(Buffer.from(bytes)),
      drain: () => Promise.resolve(),
      discardInput: () => Promise.resolve(),
      close: () => Promise.resolve(),
      abort: () => Promise.resolve(),
    };
    return Promise.resolve(port);
  };

  /** By the port that is open now. */
  get written(): readonly Buffer[] {
    return this.ports.at(-1) ?? [];
  }

  say(bytes: Buffer): void {
    this.#handlers?.data(bytes);
  }

  lose(reason: string): void {
    this.#handlers?.lost(reason);
  }
}
