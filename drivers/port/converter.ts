// A serial converter on the network: a TCP connection that carries the bytes of a line.

import { connect, type Socket } from 'node:net';
import { withDeadline } from '../../src/domain/deadline.ts';
import { codeOf, explainConnecting } from '../../src/domain/line-errors.ts';
import type { ConverterAddress } from '../../src/domain/line.ts';
import type { Clock, LineSettings, Port, PortHandlers } from '../driver.ts';
import { LineLife, READ_BYTES, THROW_EVERY_MS } from './life.ts';

const KEEP_ALIVE_MS = 10_000;
/** So many reads of a flood are thrown away before the next turn of the loop. */
const READS_THROWN = 64;

export async function openConverter(
  clock: Clock,
  settings: LineSettings,
  address: ConverterAddress,
  handlers: PortHandlers,
  timeoutMs: number,
): Promise<ConverterLine> {
  const { path } = settings;
  const reader: { line: ConverterLine | null } = { line: null };
  const socket = connect({
    ...address,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
    // By small reads of our own: the socket would hand over megabytes in one turn, whatever is made of them.
    onread: {
      buffer: Buffer.allocUnsafe(READ_BYTES),
      callback: (count, bytes) => reader.line?.receive(bytes.subarray(0, count)) ?? false,
    },
  });
  // Nothing is read before somebody listens.
  socket.pause();
  const connecting = new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.on('error', reject);
  });
  try {
    await withDeadline(clock, timeoutMs, `connecting to ${path}`, connecting);
  } catch (error) {
    socket.destroy();
    throw explainConnecting(path, error);
  }
  reader.line = new ConverterLine(clock, settings, socket, handlers);
  return reader.line;
}

export class ConverterLine implements Port {
  readonly #clock: Clock;
  readonly #socket: Socket;
  readonly #life: LineLife;
  #discarding = 0;
  #thrown = 0;
  #aborted = false;

  constructor(clock: Clock, settings: LineSettings, socket: Socket, handlers: PortHandlers) {
    this.#clock = clock;
    this.#socket = socket;
    this.#life = new LineLife(clock, settings, handlers, () => this.#release());
    socket.on('error', (error) => this.#life.lose(`the connection to the converter broke (${codeOf(error)})`));
    socket.on('end', () => this.#life.lose('the converter closed the connection'));
    socket.on('close', () => this.#life.lose('the connection to the converter is gone'));
  }

  begin(): void {
    this.#socket.resume();
  }

  /** The socket's own read; false: it stops reading. */
  receive(bytes: Uint8Array): boolean {
    if (this.#discarding > 0) return true;
    if (this.#life.isOverrun) {
      this.#thrown += 1;
      if (this.#thrown % READS_THROWN !== 0) return true;
      this.#clock.after(THROW_EVERY_MS, () => this.#goOn());
    } else {
      this.#life.deliver(Buffer.from(bytes));
      // A read that does not fill its buffer has emptied the socket, and is the last of this turn.
      if (bytes.length < READ_BYTES) return true;
      this.#clock.immediate(() => this.#goOn());
    }
    return false;
  }

  #goOn(): void {
    if (this.#life.open) this.#socket.resume();
  }

  write(bytes: Uint8Array): void {
    if (!this.#life.open) return;
    // Copied: the socket may hold on to it after this turn, and the caller may use its buffer again.
    this.#socket.write(Buffer.from(bytes), () => this.#life.setUnsent(this.#socket.writableLength));
    this.#life.setUnsent(this.#socket.writableLength);
  }

  async drain(): Promise<void> {
    await this.#life.whenSent();
  }

  /** What has arrived comes with the next full turn of the loop; two turns make sure that it was a full one. */
  async discardInput(): Promise<void> {
    this.#discarding++;
    await new Promise<void>((resolve) => this.#clock.immediate(() => this.#clock.immediate(resolve)));
    this.#discarding--;
  }

  async close(): Promise<void> {
    await this.#life.close();
  }

  async abort(): Promise<void> {
    this.#aborted = true;
    await this.#life.close();
  }

  /**
   * After a plain close the kernel goes on delivering what it has taken, for minutes; only a reset makes it forget
   * that.
   */
  async #release(): Promise<void> {
    if (this.#socket.closed) return;
    await new Promise<void>((resolve) => {
      this.#socket.once('close', () => resolve());
      if (this.#aborted) this.#socket.resetAndDestroy();
      else this.#socket.destroy();
    });
  }
}
