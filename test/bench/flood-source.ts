// A reader that has gone mad, as a process of its own: it shows unknown cards as fast as its line takes them.
// Arguments: `tcp`, or a device and its baud rate. Told `on`, `off` or a tag to show once; answers how many frames it
// has sent.

import { createWriteStream } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { encodeTag } from '../../drivers/uart/codec.ts';

const [where = 'tcp', baudText = '115200'] = process.argv.slice(2);
const FRAME_BYTES = 14;
const FRAMES_AT_ONCE = 5000;
const EVERY_MS = 10;

let isOn = false;
let sent = 0;
const frames = (count: number): Buffer =>
  Buffer.concat(
    Array.from({ length: count }, () => {
      const uid = Buffer.alloc(5, 0xee);
      uid.writeUInt32BE(sent++ >>> 0, 1);
      return encodeTag('rdm6300', uid);
    }),
  );

if (where === 'tcp') {
  const clients = new Set<Socket>();
  // Made before: the line is to be filled as fast as the network takes it.
  const pool = frames(FRAMES_AT_ONCE);
  const pour = (client: Socket): void => {
    if (!isOn || client.destroyed) return;
    sent += FRAMES_AT_ONCE;
    // By turns, or nothing that it is told would ever be heard.
    if (client.write(pool)) setImmediate(() => pour(client));
  };
  const server = createServer({ noDelay: true }, (client) => {
    clients.add(client);
    client.on('close', () => clients.delete(client));
    client.on('error', () => client.destroy());
    client.on('drain', () => pour(client));
    client.resume();
    pour(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  answer((frame) => {
    for (const client of clients) if (frame === null) pour(client);
    if (frame !== null) for (const client of clients) client.write(frame);
  });
  process.send?.({ path: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}` });
} else {
  const line = createWriteStream(where, { flags: 'r+' });
  const perTurn = Math.max(1, Math.round((Number(baudText) / 10 / 1000) * (EVERY_MS / FRAME_BYTES)));
  setInterval(() => {
    if (isOn && line.writableLength === 0) line.write(frames(perTurn));
  }, EVERY_MS);
  answer((frame) => {
    if (frame !== null) line.write(frame);
  });
  process.send?.({ path: where });
}

function answer(begin: (frame: Buffer | null) => void): void {
  process.on('message', (told: string) => {
    isOn = told === 'on';
    begin(told === 'on' || told === 'off' ? null : encodeTag('rdm6300', Buffer.from(told, 'hex')));
    process.send?.({ sent });
  });
  process.on('disconnect', () => process.exit(0));
}
