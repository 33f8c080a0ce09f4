// A broker of MQTT 3.1.1 and 5 on a bare socket that does as badly as the test wants: it answers what it is told to
// answer, and nothing else.

import { createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export type Packet = { type: number; flags: number; body: Buffer };
export type Client = {
  send: (bytes: Buffer) => void;
  /** As a broker that goes away: what was sent still arrives. */
  hangUp: () => void;
};
export type Double = { url: string; port: number; /** When each connection came, ms. */ arrivals: number[] };

export const CONNECT = 1;
export const PUBLISH = 3;
export const SUBSCRIBE = 8;
export const PINGREQ = 12;

export async function brokerDouble(onPacket: (packet: Packet, client: Client, count: number) => void): Promise<Double> {
  const arrivals: number[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    arrivals.push(performance.now());
    const count = arrivals.length;
    const client: Client = { send: (bytes) => void socket.write(bytes), hangUp: () => void socket.end() };
    let kept = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk) => {
      kept = Buffer.concat([kept, chunk]);
      for (let packet = take(); packet !== null; packet = take()) onPacket(packet, client, count);
    });
    function take(): Packet | null {
      const [head] = kept;
      const length = readLength(kept);
      if (head === undefined || length === null || kept.length < length.end + length.value) return null;
      const body = kept.subarray(length.end, length.end + length.value);
      kept = kept.subarray(length.end + length.value);
      return { type: head >> 4, flags: head & 15, body };
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => void server.close(() => resolve()));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return { url: `mqtt://127.0.0.1:${address.port}`, port: address.port, arrivals };
}

function readLength(bytes: Buffer): { value: number; end: number } | null {
  let value = 0;
  for (let i = 1; i < Math.min(5, bytes.length); i++) {
    const byte = bytes[i] ?? 0;
    value += (byte & 0x7f) * 128 ** (i - 1);
    if ((byte & 0x80) === 0) return { value, end: i + 1 };
  }
  return null;
}

export function packet(head: number, body: Buffer): Buffer {
  const length: number[] = [];
  let left = body.length;
  do {
    const more = left >= 128;
    length.push((left % 128) | (more ? 0x80 : 0));
    left = Math.floor(left / 128);
  } while (left > 0);
  return Buffer.concat([Buffer.from([head, ...length]), body]);
}

/** Whether a CONNECT speaks MQTT 5. */
export const isFive = ({ body }: Packet): boolean => body[6] === 5;

export const connack = (isV5: boolean): Buffer => packet(0x20, Buffer.from(isV5 ? [0, 0, 0] : [0, 0]));

/** The answer to a SUBSCRIBE: granted with QoS 1, or refused. */
export const suback = ({ body }: Packet, isV5: boolean, code = 1): Buffer =>
  packet(0x90, Buffer.from([...body.subarray(0, 2), ...(isV5 ? [0] : []), code]));

export const puback = (publish: Packet): Buffer => packet(0x40, idOf(publish));

export const topicOf = ({ body }: Packet): string => body.subarray(2, 2 + body.readUInt16BE(0)).toString();

function idOf({ body }: Packet): Buffer {
  const at = 2 + body.readUInt16BE(0);
  return body.subarray(at, at + 2);
}

/** A PUBLISH to the client. */
export function publish(
  topic: string,
  payload: Buffer,
  qos: 0 | 1 | 2,
  isV5: boolean,
  properties = Buffer.from([0]),
): Buffer {
  const name = Buffer.from(topic);
  const size = Buffer.from([name.length >> 8, name.length & 255]);
  const id = qos === 0 ? [] : [Buffer.from([0, 7])];
  return packet(0x30 | (qos << 1), Buffer.concat([size, name, ...id, ...(isV5 ? [properties] : []), payload]));
}

/** Answers CONNECT, SUBSCRIBE, PUBLISH and PINGREQ as a good broker does. */
export function behave(packetIn: Packet, client: Client, isV5 = false): void {
  if (packetIn.type === CONNECT) client.send(connack(isV5));
  else if (packetIn.type === SUBSCRIBE) client.send(suback(packetIn, isV5));
  else if (packetIn.type === PUBLISH) client.send(puback(packetIn));
  else if (packetIn.type === PINGREQ) client.send(packet(0xd0, Buffer.alloc(0)));
}
