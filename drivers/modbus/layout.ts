// Where the fields of a record stand, and how numbers and bits lie in registers.

import { pinRegisters } from './pins.ts';
import type { ProfileDocument } from './profile-schema.ts';
import { TIME_FORMS } from './times.ts';

export type CredentialsSpec = NonNullable<ProfileDocument['credentials']>;
export type RecordSpec = CredentialsSpec['record'];
export type BitRange = { lo: number; width: number };
export type SmallField = { at: number; bits?: BitRange | undefined };
export type WordOrder = { words?: 'hi-lo' | 'lo-hi' | undefined; bytes: 'hi-lo' | 'lo-hi' };

/** A field's place in the record: which bits of which registers are its own. */
export type Extent = { name: string; at: number; masks: readonly number[] };

// ---- where fields stand ---------------------------------------------------------------------------------------------

export const FULL = 0xffff;
export const rangeMask = (bits: BitRange | undefined): number =>
  bits === undefined ? FULL : (((1 << bits.width) - 1) << bits.lo) & FULL;
const wholeRegisters = (count: number): number[] => Array.from({ length: count }, () => FULL);

export const CARD_REGISTERS = { u16: 1, u32: 2, u48: 3, u64: 4 } as const;
export const cardRegisters = (card: NonNullable<RecordSpec['card']>): number =>
  card.type === 'bcd' || card.type === 'ascii' ? (card.registers ?? 1) : CARD_REGISTERS[card.type];

/** Every field's place, for overlaps, length and comparison. */
export function extents(record: RecordSpec): Extent[] {
  const small = (name: string, field: SmallField | undefined): Extent[] =>
    field === undefined ? [] : [{ name, at: field.at, masks: [rangeMask(field.bits)] }];
  const whole = (name: string, at: number, count: number): Extent[] => [{ name, at, masks: wholeRegisters(count) }];
  const { card, pin, from, until } = record;
  return [
    ...(record.flags === undefined ? [] : [{ name: 'flags', at: record.flags.at, masks: [flagsMask(record.flags)] }]),
    ...small('mode', record.mode),
    ...small('slot', record.slot),
    ...(card === undefined ? [] : whole('card', card.at, cardRegisters(card))),
    ...small('card_width', record.card_width),
    ...(pin === undefined ? [] : whole('pin', pin.at, pinRegisters(pin))),
    ...small('pin_length', record.pin_length),
    ...small('doors', record.doors),
    ...(from === undefined ? [] : whole('from', from.at, TIME_FORMS[from.type].registers)),
    ...(until === undefined ? [] : whole('until', until.at, TIME_FORMS[until.type].registers)),
    ...record.constants.flatMap((constant, i) => small(`constants.${i}`, constant)),
  ];
}

function flagsMask(flags: NonNullable<RecordSpec['flags']>): number {
  const { door, enabled, card, pin, card_and_pin, one_time } = flags.bits;
  const named = [enabled, card, pin, card_and_pin, one_time].reduce<number>(
    (mask, bit) => (bit === undefined ? mask : mask | (1 << bit)),
    0,
  );
  return named | flags.set | (door === undefined ? 0 : rangeMask(door));
}

export const recordRegisters = (record: RecordSpec): number =>
  Math.max(...extents(record).map((extent) => extent.at + extent.masks.length));

// ---- numbers in registers -------------------------------------------------------------------------------------------

/** A number over several registers in the device's own order. */
export function numberToRegisters(value: bigint, count: number, order: WordOrder): number[] {
  const registers: number[] = [];
  // Up to three registers it is a plain number, which is an order of magnitude quicker.
  if (value <= 0xffff_ffff_ffffn) {
    for (let rest = Number(value); registers.length < count; rest = Math.floor(rest / 0x10000))
      registers.unshift(rest % 0x10000);
  } else for (let rest = value; registers.length < count; rest >>= 16n) registers.unshift(Number(rest & 0xffffn));
  const swapped = order.bytes === 'lo-hi' ? registers.map(swapBytes) : registers;
  return order.words === 'lo-hi' ? swapped.reverse() : swapped;
}

export function registersToNumber(registers: readonly number[], order: WordOrder): bigint {
  const straight = order.words === 'lo-hi' ? [...registers].reverse() : registers;
  return straight.reduce(
    (value, register) => (value << 16n) | BigInt(order.bytes === 'lo-hi' ? swapBytes(register) : register),
    0n,
  );
}

export const swapBytes = (register: number): number => ((register & 0xff) << 8) | (register >> 8);

export function patternNumber(pattern: number | 'ones' | 'zeros', registers: number): bigint {
  if (pattern === 'zeros') return 0n;
  return pattern === 'ones' ? (1n << BigInt(registers * 16)) - 1n : BigInt(pattern);
}

export function putBits(registers: number[], field: SmallField, value: number): void {
  const mask = rangeMask(field.bits);
  registers[field.at] = ((registers[field.at] ?? 0) & ~mask & FULL) | ((value << (field.bits?.lo ?? 0)) & mask);
}

export const getBits = (registers: readonly number[], field: SmallField): number =>
  ((registers[field.at] ?? 0) & rangeMask(field.bits)) >> (field.bits?.lo ?? 0);

export const fitsBits = (field: SmallField, value: number): boolean =>
  value >= 0 && value <= rangeMask(field.bits) >> (field.bits?.lo ?? 0);

export function putNumber(registers: number[], at: number, value: bigint, count: number, order: WordOrder): void {
  registers.splice(at, count, ...numberToRegisters(value, count, order));
}
