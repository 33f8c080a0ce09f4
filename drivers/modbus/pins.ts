// How devices write a PIN: digits in nibbles or characters beside a filling, or one binary number. Leading zeros count:
// 0123 and 123 are two PINs.

import type { ProfileDocument } from './profile-schema.ts';

export type PinSpec = NonNullable<NonNullable<ProfileDocument['credentials']>['record']['pin']>;

type PinForm = {
  /** Digits (or filling) that one register holds. */
  perRegister: number;
  bitsPerDigit: number;
  defaultPad: number;
  defaultAlign: 'left' | 'right';
  digit(character: string): number;
  character(digit: number): string | null;
};

const nibble = (defaultPad: number, defaultAlign: 'left' | 'right'): PinForm => ({
  perRegister: 4,
  bitsPerDigit: 4,
  defaultPad,
  defaultAlign,
  digit: Number,
  character: (digit) => (digit <= 9 ? String(digit) : null),
});

const FORMS: Readonly<Record<'bcd' | 'nibbles' | 'ascii', PinForm>> = {
  bcd: nibble(0, 'right'),
  nibbles: nibble(0xf, 'left'),
  ascii: {
    perRegister: 2,
    bitsPerDigit: 8,
    defaultPad: 0,
    defaultAlign: 'left',
    digit: (character) => character.charCodeAt(0),
    character: (digit) => (digit >= 0x30 && digit <= 0x39 ? String.fromCharCode(digit) : null),
  },
};

export const pinRegisters = (spec: PinSpec): number =>
  spec.type === 'u16' ? 1 : spec.type === 'u32' ? 2 : (spec.registers ?? 2);

/** How many digits there is room for. */
export const pinCapacity = (spec: PinSpec): number =>
  spec.type === 'u16' ? 4 : spec.type === 'u32' ? 9 : pinRegisters(spec) * FORMS[spec.type].perRegister;

/** Whether the stored form alone tells 0123 from 123: the filling is no digit, or every PIN has one length. */
export function keepsLeadingZeros(spec: PinSpec): boolean {
  if (spec.digits[0] === spec.digits[1]) return true;
  if (spec.type === 'u16' || spec.type === 'u32') return false;
  const form = FORMS[spec.type];
  return form.character(spec.pad ?? form.defaultPad) === null;
}

/** The number that the registers hold, most significant digit first; null when it does not fit. `null` as PIN: none. */
export function encodePin(spec: PinSpec, pin: string | null): bigint | null {
  const registers = pinRegisters(spec);
  if (pin === null && spec.empty !== undefined) {
    return spec.empty === 'zeros'
      ? 0n
      : spec.empty === 'ones'
        ? (1n << BigInt(registers * 16)) - 1n
        : BigInt(spec.empty);
  }
  if (spec.type === 'u16' || spec.type === 'u32') {
    const value = BigInt(pin ?? '0');
    return value >> BigInt(registers * 16) === 0n ? value : null;
  }
  const form = FORMS[spec.type];
  const capacity = registers * form.perRegister;
  const hexOf = (digit: number): string => (form.bitsPerDigit === 4 || digit > 0xf ? '' : '0') + digit.toString(16);
  let written = '';
  for (const character of pin ?? '') written += hexOf(form.digit(character));
  const left = capacity - (pin?.length ?? 0);
  if (left < 0) return null;
  const filling = hexOf(spec.pad ?? form.defaultPad).repeat(left);
  return BigInt(`0x${(spec.align ?? form.defaultAlign) === 'left' ? written + filling : filling + written}`);
}

/**
 * The digits, or null when these registers hold none. `length` comes from a field of its own where the record has one.
 */
export function decodePin(spec: PinSpec, raw: bigint, length: number | null): string | null {
  const digits = length ?? (spec.digits[0] === spec.digits[1] ? spec.digits[0] : null);
  if (spec.type === 'u16' || spec.type === 'u32') return raw.toString().padStart(digits ?? 0, '0');
  const form = FORMS[spec.type];
  const capacity = pinRegisters(spec) * form.perRegister;
  const mask = (1n << BigInt(form.bitsPerDigit)) - 1n;
  const places = Array.from({ length: capacity }, (_, i) =>
    Number((raw >> BigInt(form.bitsPerDigit * (capacity - 1 - i))) & mask),
  );
  const left = (spec.align ?? form.defaultAlign) === 'left';
  const pad = spec.pad ?? form.defaultPad;
  const count = digits ?? countDigits(left ? places : places.toReversed(), pad);
  if (count > capacity) return null;
  const kept = left ? places.slice(0, count) : places.slice(capacity - count);
  const text = kept.map((digit) => form.character(digit));
  return text.length === 0 || text.includes(null) ? null : text.join('');
}

function countDigits(places: readonly number[], pad: number): number {
  const end = places.indexOf(pad);
  return end < 0 ? places.length : end;
}
