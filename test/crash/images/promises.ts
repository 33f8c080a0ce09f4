// What the agent has promised by each moment of a recorded run, read from the bytes that it sent: commands that it
// acknowledged or answered, events that it told, and strikes of cards that work once, which must be used up by then.

import type { Recorded } from './record.ts';
import type { Op } from './trace.ts';

const [PUBLISH, PUBACK] = [3, 4];
/** Of the board: a pulse of output n is coil 0x0200 + n. */
const [WRITE_COIL, PULSES_AT] = [5, 0x0200];
const ONCE_OUTPUT = 1;

export class Promises {
  readonly #recorded: Recorded;
  readonly #streams = new Map<string, Buffer>();
  #life = 0;
  #acknowledged = 0;
  #strikes = 0;
  readonly commands = new Set<string>();
  readonly events = new Map<number, string>();
  readonly usedUp: string[] = [];

  constructor(recorded: Recorded) {
    this.#recorded = recorded;
  }

  nextLife(): void {
    this.#life += 1;
    this.#acknowledged = 0;
  }

  /** True where something more is promised now. */
  take(op: Op): boolean {
    if (op.kind !== 'sent') return false;
    const before = this.commands.size + this.events.size + this.usedUp.length;
    if (op.to === this.#recorded.relayPort) this.#toRelays(op.data);
    if (op.to === this.#recorded.brokerPort) this.#toBroker(op.socket, op.data);
    return this.commands.size + this.events.size + this.usedUp.length > before;
  }

  #toRelays(frame: Buffer): void {
    if (frame.length !== 8 || frame[1] !== WRITE_COIL || frame.readUInt16BE(2) !== PULSES_AT + ONCE_OUTPUT) return;
    const id = this.#recorded.oneTime[this.#strikes++];
    if (id === undefined) throw new Error('a strike of the workshop that no card was shown for');
    this.usedUp.push(id);
  }

  #toBroker(socket: string, data: Buffer): void {
    let stream = Buffer.concat([this.#streams.get(socket) ?? Buffer.alloc(0), data]);
    for (let packet = firstPacket(stream); packet !== null; packet = firstPacket(stream)) {
      this.#packet(packet.type, packet.body, packet.qos);
      stream = stream.subarray(packet.length);
    }
    this.#streams.set(socket, stream);
  }

  #packet(type: number, body: Buffer, qos: number): void {
    // Acknowledgements come in the order of what they acknowledge: [MQTT-4.6.0-2].
    if (type === PUBACK) {
      const id = this.#recorded.commands[this.#life]?.[this.#acknowledged++];
      if (id !== undefined) this.commands.add(id);
    }
    if (type !== PUBLISH) return;
    const topicLength = body.readUInt16BE(0);
    const topic = body.toString('utf8', 2, 2 + topicLength);
    const properties = 2 + topicLength + (qos > 0 ? 2 : 0);
    const [size, sizeBytes] = varint(body, properties);
    const payload = body.toString('utf8', properties + sizeBytes + size);
    if (topic.includes('/event/')) this.events.set((JSON.parse(payload) as { sequence: number }).sequence, payload);
    const answered = /\/reply\/(.+)$/.exec(topic)?.[1];
    if (answered !== undefined && (JSON.parse(payload) as { ok: boolean }).ok) this.commands.add(answered);
  }
}

function firstPacket(stream: Buffer): { type: number; qos: number; body: Buffer; length: number } | null {
  const [first] = stream;
  if (first === undefined || stream.length < 2) return null;
  const [size, sizeBytes] = varint(stream, 1);
  const length = 1 + sizeBytes + size;
  if (stream.length < length) return null;
  return { type: first >> 4, qos: (first >> 1) & 3, body: stream.subarray(1 + sizeBytes, length), length };
}

function varint(bytes: Buffer, at: number): [value: number, bytes: number] {
  let value = 0;
  for (let i = 0; i < 4; i++) {
    const byte = bytes[at + i] ?? 0;
    value += (byte & 0x7f) << (7 * i);
    if ((byte & 0x80) === 0) return [value, i + 1];
  }
  return [value, 4];
}
