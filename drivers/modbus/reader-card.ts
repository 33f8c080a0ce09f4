// From the registers of a reader to the bits of a card, and back again for the simulator. What cannot be a card is told
// as such: a wrong byte order or a garbled count must not become a number that opens a door.

import { swapBytes } from './layout.ts';
import type { CardSpec } from './reader-schema.ts';
import type { BitReading } from '../../src/domain/card-formats.ts';

export type ReadCard = { reading: BitReading } | { unreadable: string };

/** Shortest and longest serial number that anything here understands. */
export const UID_BITS = { min: 24, max: 80 } as const;

/** How many bits the registers have room for. */
export const capacityBits = (spec: CardSpec): number => spec.registers * spec.bytes_per_register * 8;

/** `count` is what the register of `bits` says; null where the profile names none. */
export function cardFromRegisters(spec: CardSpec, registers: readonly number[], count: number | null): ReadCard {
  const bytes = bytesOf(spec, registers);
  if (bytes === null) return { unreadable: 'a register holds more than one byte: bytes_per_register may be 2' };
  const widthBits = widthOf(spec, count);
  const mistake = widthMistake(spec, widthBits);
  if (mistake !== null) return { unreadable: mistake };
  const field = BigInt(`0x${bytes.toString('hex')}`);
  const room = BigInt(capacityBits(spec) - widthBits);
  const value = spec.align === 'left' ? field >> room : field & ((1n << BigInt(widthBits)) - 1n);
  if (value === 0n) return { unreadable: 'all bits of the card are zero' };
  if (spec.kind === 'uid') return { reading: { kind: 'uid', bytes: leftJustified(value, widthBits) } };
  return { reading: wiegand(spec.parity === 'stripped' ? withParity({ value, widthBits }) : { value, widthBits }) };
}

/**
 * The registers in which a reader hands this card over, and what its count says; null when such a reader does not read
 * it.
 */
export function registersFromCard(
  spec: CardSpec,
  reading: BitReading,
): { registers: number[]; count: number | null } | null {
  if ((reading.kind === 'uid') !== (spec.kind === 'uid')) return null;
  const whole = bitsOf(reading);
  const shown = spec.parity === 'stripped' ? withoutParity(whole) : whole;
  const { value, widthBits } = shown;
  if (typeof spec.bits !== 'object' && widthBits !== widthOf(spec, null)) return null;
  if (widthMistake(spec, widthBits) !== null) return null;
  const count = typeof spec.bits !== 'object' ? null : spec.bits.counts === 'bytes' ? widthBits / 8 : widthBits;
  const room = BigInt(capacityBits(spec) - widthBits);
  const field = spec.align === 'left' ? value << room : value;
  const bytes = Buffer.from(field.toString(16).padStart(capacityBits(spec) / 4, '0'), 'hex');
  const straight = Array.from({ length: spec.registers }, (_, i) =>
    spec.bytes_per_register === 1 ? bytes.readUInt8(i) : bytes.readUInt16BE(i * 2),
  );
  const swapped = spec.bytes === 'lo-hi' ? straight.map(swapBytes) : straight;
  return { registers: spec.words === 'lo-hi' ? swapped.reverse() : swapped, count };
}

/** Most significant byte first; null when a register holds more than it may. */
function bytesOf(spec: CardSpec, registers: readonly number[]): Buffer | null {
  const straight = spec.words === 'lo-hi' ? [...registers].reverse() : registers;
  if (spec.bytes_per_register === 1) {
    return straight.some((register) => register > 0xff) ? null : Buffer.from(straight);
  }
  const bytes = Buffer.alloc(straight.length * 2);
  straight.forEach((register, i) =>
    bytes.writeUInt16BE(spec.bytes === 'lo-hi' ? swapBytes(register) : register, i * 2),
  );
  return bytes;
}

function widthOf(spec: CardSpec, count: number | null): number {
  if (typeof spec.bits === 'number') return spec.bits;
  if (spec.bits === undefined) return capacityBits(spec);
  return spec.bits.counts === 'bytes' ? (count ?? 0) * 8 : (count ?? 0);
}

function widthMistake(spec: CardSpec, widthBits: number): string | null {
  const room = capacityBits(spec);
  if (widthBits < 1 || widthBits > room) return `a card of ${widthBits} bits, where there is room for 1 to ${room}`;
  const isUid = widthBits % 8 === 0 && widthBits >= UID_BITS.min && widthBits <= UID_BITS.max;
  return spec.kind === 'uid' && !isUid
    ? `a serial number of ${widthBits} bits, where 3 to 10 whole bytes are one`
    : null;
}

// ---- bits -----------------------------------------------------------------------------------------------------------

type Bits = { value: bigint; widthBits: number };

const leftJustified = (value: bigint, widthBits: number): Buffer => {
  const length = Math.ceil(widthBits / 8);
  const text = (value << BigInt(length * 8 - widthBits)).toString(16);
  return Buffer.from(text.padStart(length * 2, '0'), 'hex');
};

const wiegand = ({ value, widthBits }: Bits): BitReading => ({
  kind: 'wiegand',
  widthBits,
  bytes: leftJustified(value, widthBits),
});

function bitsOf(reading: BitReading): Bits {
  const widthBits = reading.kind === 'uid' ? reading.bytes.length * 8 : reading.widthBits;
  const padding = BigInt(reading.bytes.length * 8 - widthBits);
  return { value: BigInt(`0x${reading.bytes.toString('hex')}`) >> padding, widthBits };
}

/**
 * Formats of 26, 34 and 37 bits begin with even parity over the first half of the rest and end with odd parity over the
 * second; only those are put back.
 */
const WITH_OUTER_PARITY = [26, 34, 37];

function withParity({ value, widthBits }: Bits): Bits {
  if (!WITH_OUTER_PARITY.includes(widthBits + 2)) return { value, widthBits };
  const half = BigInt(Math.ceil(widthBits / 2));
  const first = ones(value >> (BigInt(widthBits) - half)) % 2;
  const last = (ones(value & ((1n << half) - 1n)) + 1) % 2;
  return {
    value: (BigInt(first) << BigInt(widthBits + 1)) | (value << 1n) | BigInt(last),
    widthBits: widthBits + 2,
  };
}

const withoutParity = ({ value, widthBits }: Bits): Bits =>
  WITH_OUTER_PARITY.includes(widthBits)
    ? { value: (value >> 1n) & ((1n << BigInt(widthBits - 2)) - 1n), widthBits: widthBits - 2 }
    : { value, widthBits };

const ones = (value: bigint): number => value.toString(2).replaceAll('0', '').length;
