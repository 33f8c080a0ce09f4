// A serial converter of a measurement, in a process of its own: a TCP port before a line that takes no time, of which
// each character passes at line speed, and is delivered as it comes off the wire. Given where the line is and its baud
// as JSON; says where it listens.

import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { systemClock } from '../../src/ops/clock.ts';
import { wireTimeMs } from '../../src/domain/line.ts';

export type PacingOrder = { path: string; baud: number };

const { path, baud } = JSON.parse(process.argv[2] ?? '{}') as PacingOrder;
const characterMs = wireTimeMs({ path: '', baud, parity: 'none', dataBits: 8, stopBits: 1 }, 1);
/** A timer fires no later than so much after its time; what is left is looked at in turns of the loop. */
const TIMER_LATE_MS = 1.5;
/** A converter hands on what it has this often, or as soon as nothing follows. */
const PACKET_MS = 1;

/** One direction: bytes in, and each out again when its last bit has passed the wire. */
class Direction {
  readonly #deliver: (bytes: Buffer) => void;
  #waiting = Buffer.alloc(0);
  /** When the first byte that waits has passed. */
  #dueMs = 0;
  #looking = false;

  constructor(deliver: (bytes: Buffer) => void) {
    this.#deliver = deliver;
  }

  take(bytes: Buffer): void {
    const nowMs = systemClock.monotonicMs();
    if (this.#waiting.length === 0) this.#dueMs = Math.max(this.#dueMs, nowMs) + characterMs;
    this.#waiting = Buffer.concat([this.#waiting, bytes]);
    if (!this.#looking) this.#lookAgain(nowMs);
  }

  /** At the end of what waits, or of a packet's time if that is sooner. */
  #lookAgain(nowMs: number): void {
    this.#looking = true;
    const endMs = this.#dueMs + (this.#waiting.length - 1) * characterMs;
    const leftMs = Math.min(endMs, Math.max(nowMs, this.#dueMs) + PACKET_MS) - nowMs;
    if (leftMs > TIMER_LATE_MS) systemClock.after(leftMs - TIMER_LATE_MS, () => this.#look());
    else systemClock.immediate(() => this.#look());
  }

  #look(): void {
    this.#looking = false;
    const nowMs = systemClock.monotonicMs();
    const endMs = this.#dueMs + (this.#waiting.length - 1) * characterMs;
    const passed = nowMs < this.#dueMs ? 0 : Math.floor((nowMs - this.#dueMs) / characterMs) + 1;
    const isPacket = nowMs >= endMs || passed * characterMs >= PACKET_MS;
    if (isPacket) {
      const count = Math.min(passed, this.#waiting.length);
      const bytes = this.#waiting.subarray(0, count);
      this.#waiting = this.#waiting.subarray(count);
      this.#dueMs += (count - (this.#waiting.length === 0 ? 1 : 0)) * characterMs;
      this.#deliver(bytes);
    }
    if (this.#waiting.length > 0) this.#lookAgain(nowMs);
  }
}

const server = createServer({ noDelay: true }, (socket) => {
  const { hostname, port } = new URL(path);
  const line = connect({ host: hostname, port: Number(port), noDelay: true });
  pass(socket, line);
  pass(line, socket);
  socket.on('close', () => line.destroy());
  line.on('close', () => socket.destroy());
});

function pass(from: Socket, to: Socket): void {
  const direction = new Direction((bytes) => {
    if (to.writable) to.write(bytes);
  });
  from.on('data', (bytes) => direction.take(bytes));
  from.on('error', () => from.destroy());
}

server.listen(0, '127.0.0.1', () => {
  process.send?.({ path: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}` });
});
process.on('disconnect', () => process.exit(0));
