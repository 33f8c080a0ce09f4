// A Modbus server on jsmodbus, over TCP: PORT. Plain memory, and the strikes of the reference map, as a PLC has them.
//
// Says "ready" once it serves, and "coil N on" or "off" whenever a strike moves. Lines on standard input are what
// happens at the device: "set di 2 1" changes an input, "get hr 1000 10" asks for memory and is answered "hr 1000: 1 2
// 3 …".

import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { server as servers } from 'jsmodbus';

const SCAN_MS = 20;
const TENTH_MS = 100;
const STRIKES = [
  { coil: 0, register: 16 },
  { coil: 1, register: 17 },
];

const listening = createServer({ noDelay: true });
const plc = new servers.TCP(listening, {
  coils: Buffer.alloc(32),
  discrete: Buffer.alloc(32),
  holding: Buffer.alloc(2 * 8_000),
  input: Buffer.alloc(2 * 1_000),
});

const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** Memory by its short name: how one place is read and written. */
const bits = (memory: Buffer) => ({
  get: (at: number) => (memory.readUInt8(at >> 3) >> (at & 7)) & 1,
  set: (at: number, value: number) => {
    const mask = 1 << (at & 7);
    const byte = memory.readUInt8(at >> 3);
    memory.writeUInt8(value === 0 ? byte & ~mask : byte | mask, at >> 3);
  },
});
const words = (memory: Buffer) => ({
  get: (at: number) => memory.readUInt16BE(2 * at),
  set: (at: number, value: number) => void memory.writeUInt16BE(value, 2 * at),
});
const holding = words(plc.holding);
const coils = bits(plc.coils);
const areas = new Map([
  ['co', coils],
  ['di', bits(plc.discrete)],
  ['hr', holding],
  ['ir', words(plc.input)],
]);

[0x4c4e, 0x0201, 1].forEach((value, at) => holding.set(at, value));

const counting = new Map<number, number>();
/** A register that is not 0 counts down in tenths of a second, and holds its coil meanwhile. */
const scan = (): void => {
  for (const { coil, register } of STRIKES) {
    const left = holding.get(register);
    const nextMs = counting.get(coil);
    if (left > 0 && nextMs === undefined) {
      coils.set(coil, 1);
      counting.set(coil, performance.now() + TENTH_MS);
      say(`coil ${coil} on`);
    } else if (left === 0 && nextMs !== undefined) {
      coils.set(coil, 0);
      counting.delete(coil);
      say(`coil ${coil} off`);
    } else if (nextMs !== undefined && performance.now() >= nextMs) {
      holding.set(register, left - 1);
      counting.set(coil, nextMs + TENTH_MS);
    }
  }
};
setInterval(scan, SCAN_MS);
plc.on('postWriteSingleRegister', scan);

createInterface({ input: process.stdin }).on('line', (line) => {
  const [verb, name = '', at, value] = line.split(' ');
  const area = areas.get(name);
  if (area === undefined) return;
  if (verb === 'set') area.set(Number(at), Number(value));
  else
    say(`${name} ${at ?? ''}: ${Array.from({ length: Number(value) }, (_, i) => area.get(Number(at) + i)).join(' ')}`);
});

listening.listen(Number(process.argv[2]), '127.0.0.1', () => say('ready'));
