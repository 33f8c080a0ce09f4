// The memory of a simulated device, and how it answers a request: only addresses that the profile names exist, as in
// the device itself.

import { COIL_OFF, COIL_ON, packBits, PDU_LIMITS, unpackBits, words, type FunctionCode } from './codec.ts';
import type { Area } from './schema-parts.ts';

/** A write as the device sees it, for whatever it sets off. */
export type Written = { area: 'coil' | 'holding'; at: number; value: number };

const ILLEGAL_FUNCTION = 1;
const ILLEGAL_ADDRESS = 2;
const ILLEGAL_VALUE = 3;

export type Access = {
  functions: readonly number[];
  /** Called before a read is answered. */
  reading(): void;
  /** Called for each element, after all of a request were stored. */
  written(writes: readonly Written[]): void;
  /** False: the device acknowledges and keeps nothing. */
  stores(): boolean;
};

export class SimulatedMemory {
  readonly #cells: Readonly<Record<Area, Map<number, number>>> = {
    coil: new Map(),
    discrete: new Map(),
    holding: new Map(),
    input: new Map(),
  };
  /** Coils whose value field means something else than on or off. */
  readonly rawCoils = new Set<number>();

  define(area: Area, at: number, count = 1, value = 0): void {
    for (let i = 0; i < count; i++) this.#cells[area].set(at + i, value);
  }

  get(area: Area, at: number): number {
    return this.#cells[area].get(at) ?? 0;
  }

  set(area: Area, at: number, value: number): void {
    this.#cells[area].set(at, value);
  }

  read(area: Area, at: number, count: number): number[] {
    return Array.from({ length: count }, (_, i) => this.get(area, at + i));
  }

  write(area: Area, at: number, values: readonly number[]): void {
    values.forEach((value, i) => this.set(area, at + i, value));
  }

  has(area: Area, at: number, count: number): boolean {
    for (let i = 0; i < count; i++) if (!this.#cells[area].has(at + i)) return false;
    return true;
  }

  clear(): void {
    for (const cells of Object.values(this.#cells)) for (const at of cells.keys()) cells.set(at, 0);
  }

  /** The reply to a request, both as PDU. */
  answer(pdu: Buffer, access: Access): Buffer {
    const fc = pdu[0] ?? 0;
    const handler = isKnown(fc) && access.functions.includes(fc) ? HANDLERS[fc] : undefined;
    const reply = handler === undefined ? ILLEGAL_FUNCTION : handler(this, pdu, access);
    return typeof reply === 'number' ? Buffer.of(fc | 0x80, reply) : reply;
  }
}

/** The answer, or the code of an exception. */
type Handler = (memory: SimulatedMemory, pdu: Buffer, access: Access) => Buffer | number;

const isKnown = (fc: number): fc is FunctionCode => Object.hasOwn(HANDLERS, fc);

const readBits =
  (area: Area): Handler =>
  (memory, pdu, access) => {
    const [at, count] = [pdu.readUInt16BE(1), pdu.readUInt16BE(3)];
    if (count < 1 || count > PDU_LIMITS.readBits) return ILLEGAL_VALUE;
    if (!memory.has(area, at, count)) return ILLEGAL_ADDRESS;
    access.reading();
    const data = packBits(memory.read(area, at, count).map((value) => value !== 0));
    return Buffer.concat([Buffer.of(pdu.readUInt8(0), data.length), data]);
  };

const readRegisters =
  (area: Area): Handler =>
  (memory, pdu, access) => {
    const [at, count] = [pdu.readUInt16BE(1), pdu.readUInt16BE(3)];
    if (count < 1 || count > PDU_LIMITS.readRegisters) return ILLEGAL_VALUE;
    if (!memory.has(area, at, count)) return ILLEGAL_ADDRESS;
    access.reading();
    return Buffer.concat([Buffer.of(pdu.readUInt8(0), count * 2), words(memory.read(area, at, count))]);
  };

function store(
  memory: SimulatedMemory,
  area: 'coil' | 'holding',
  at: number,
  values: readonly number[],
  access: Access,
) {
  if (!access.stores()) return;
  memory.write(area, at, values);
  access.written(values.map((value, i) => ({ area, at: at + i, value })));
}

const writeCoil: Handler = (memory, pdu, access) => {
  const [at, value] = [pdu.readUInt16BE(1), pdu.readUInt16BE(3)];
  if (!memory.has('coil', at, 1)) return ILLEGAL_ADDRESS;
  const raw = memory.rawCoils.has(at);
  if (!raw && value !== COIL_ON && value !== COIL_OFF) return ILLEGAL_VALUE;
  store(memory, 'coil', at, [raw ? value : value === COIL_ON ? 1 : 0], access);
  return pdu;
};

const writeRegister: Handler = (memory, pdu, access) => {
  const [at, value] = [pdu.readUInt16BE(1), pdu.readUInt16BE(3)];
  if (!memory.has('holding', at, 1)) return ILLEGAL_ADDRESS;
  store(memory, 'holding', at, [value], access);
  return pdu;
};

const writeCoils: Handler = (memory, pdu, access) => {
  const [at, count] = [pdu.readUInt16BE(1), pdu.readUInt16BE(3)];
  if (count < 1 || count > PDU_LIMITS.writeCoils || pdu.readUInt8(5) !== Math.ceil(count / 8)) return ILLEGAL_VALUE;
  if (!memory.has('coil', at, count)) return ILLEGAL_ADDRESS;
  store(memory, 'coil', at, unpackBits(pdu.subarray(6), count).map(Number), access);
  return pdu.subarray(0, 5);
};

const writeRegisters: Handler = (memory, pdu, access) => {
  const [at, count] = [pdu.readUInt16BE(1), pdu.readUInt16BE(3)];
  if (count < 1 || count > PDU_LIMITS.writeRegisters || pdu.readUInt8(5) !== count * 2) return ILLEGAL_VALUE;
  if (!memory.has('holding', at, count)) return ILLEGAL_ADDRESS;
  store(memory, 'holding', at, registersFrom(pdu, 6, count), access);
  return pdu.subarray(0, 5);
};

const maskWrite: Handler = (memory, pdu, access) => {
  const [at, and, or] = [pdu.readUInt16BE(1), pdu.readUInt16BE(3), pdu.readUInt16BE(5)];
  if (!memory.has('holding', at, 1)) return ILLEGAL_ADDRESS;
  store(memory, 'holding', at, [(memory.get('holding', at) & and) | (or & ~and & 0xffff)], access);
  return pdu;
};

const readWrite: Handler = (memory, pdu, access) => {
  const [at, count, writeAt, writeCount] = [1, 3, 5, 7].map((offset) => pdu.readUInt16BE(offset));
  if (at === undefined || count === undefined || writeAt === undefined || writeCount === undefined)
    return ILLEGAL_VALUE;
  if (count < 1 || count > PDU_LIMITS.readRegisters || writeCount < 1 || writeCount > PDU_LIMITS.readWriteRegisters)
    return ILLEGAL_VALUE;
  if (!memory.has('holding', at, count) || !memory.has('holding', writeAt, writeCount)) return ILLEGAL_ADDRESS;
  store(memory, 'holding', writeAt, registersFrom(pdu, 10, writeCount), access);
  access.reading();
  return Buffer.concat([Buffer.of(23, count * 2), words(memory.read('holding', at, count))]);
};

const registersFrom = (pdu: Buffer, offset: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => pdu.readUInt16BE(offset + i * 2));

const HANDLERS: Readonly<Record<FunctionCode, Handler>> = {
  1: readBits('coil'),
  2: readBits('discrete'),
  3: readRegisters('holding'),
  4: readRegisters('input'),
  5: writeCoil,
  6: writeRegister,
  15: writeCoils,
  16: writeRegisters,
  22: maskWrite,
  23: readWrite,
};

/**
 * Bytes of a request's PDU, from what has come of it; null while that cannot be told, 0 for a function that nobody here
 * knows.
 */
export function requestLength(start: Buffer): number | null {
  const fc = start[0];
  if (fc === undefined) return null;
  if (fc >= 1 && fc <= 6) return 5;
  if (fc === 22) return 7;
  const countAt = fc === 15 || fc === 16 ? 5 : fc === 23 ? 9 : null;
  if (countAt === null) return 0;
  const bytes = start[countAt];
  return bytes === undefined ? null : countAt + 1 + bytes;
}
