// How devices write a card: as a number made of facility code and number, as the bits read with their parity, or as a
// serial number. A table of layouts, each with the canonical formats it can hold and the way back.

import { decodeWiegand, encodeWiegand, WIEGAND_FORMATS } from '../../src/domain/card-formats.ts';
import { assert } from '../../src/domain/errors.ts';
import { memberOf } from '../../src/domain/named.ts';

export type CardLayout = {
  /** Canonical formats (card-formats.ts) that it can hold. */
  formats: readonly string[];
  /** Width of the largest number; null: any width, and the device must be told it. */
  bits: number | null;
  /** The number, or null when this card does not go into this layout. */
  toNumber(canonical: string): bigint | null;
  /** The card, or null when the number alone does not say. */
  fromNumber(value: bigint, widthBits: number | null): string | null;
};

/** Facility code above the number, without parity, as most devices show it. */
function fields(name: string): CardLayout {
  const format = memberOf(WIEGAND_FORMATS, name);
  assert(format !== undefined, `card format ${name} exists`);
  const numberBits = BigInt(format.number.bits);
  const facilityBits = format.facilityCode?.bits ?? 0;
  return {
    formats: [name],
    bits: format.number.bits + facilityBits,
    toNumber(canonical) {
      const [found, ...parts] = canonical.split(':');
      if (found !== name) return null;
      const facility = parts.length === 2 ? (parts[0] ?? '0') : '0';
      return (BigInt(facility) << numberBits) | BigInt(parts.at(-1) ?? '0');
    },
    fromNumber(value) {
      const number = value & ((1n << numberBits) - 1n);
      const facility = value >> numberBits;
      if (facility >> BigInt(facilityBits) !== 0n) return null;
      return facilityBits === 0 ? `${name}:${number}` : `${name}:${facility}:${number}`;
    },
  };
}

/** Every bit that the reader saw, parity and all, as one number. */
function bits(name: string): CardLayout {
  const format = memberOf(WIEGAND_FORMATS, name);
  assert(format !== undefined, `card format ${name} exists`);
  return {
    formats: [name],
    bits: format.widthBits,
    toNumber: (canonical) => (canonical.startsWith(`${name}:`) ? bitsOf(canonical) : null),
    fromNumber: (value) => decodeWiegand(name, format.widthBits, toLeft(value, format.widthBits)),
  };
}

/** Bits of any format; the width stands in a field of its own. */
const anyBits: CardLayout = {
  formats: [...Object.keys(WIEGAND_FORMATS), 'raw'],
  bits: null,
  toNumber: (canonical) => (canonical.startsWith('uid:') ? null : bitsOf(canonical)),
  fromNumber: (value, widthBits) =>
    widthBits === null || widthBits < 1 || widthBits > 64 || value >> BigInt(widthBits) !== 0n
      ? null
      : `raw:${widthBits}:${toLeft(value, widthBits).toString('hex').toUpperCase()}`,
};

function uid(bytes: number): CardLayout {
  return {
    formats: ['uid'],
    bits: bytes * 8,
    toNumber(canonical) {
      const text = canonical.slice(4);
      return canonical.startsWith('uid:') && text.length === bytes * 2 ? BigInt(`0x${text}`) : null;
    },
    fromNumber: (value) =>
      `uid:${value
        .toString(16)
        .toUpperCase()
        .padStart(bytes * 2, '0')}`,
  };
}

function uidReversed(bytes: number): CardLayout {
  const straight = uid(bytes);
  const turn = (canonical: string): string =>
    `uid:${Buffer.from(canonical.slice(4), 'hex').reverse().toString('hex').toUpperCase()}`;
  return {
    ...straight,
    toNumber: (canonical) => (canonical.startsWith('uid:') ? straight.toNumber(turn(canonical)) : null),
    fromNumber(value, widthBits) {
      const found = straight.fromNumber(value, widthBits);
      return found === null ? null : turn(found);
    },
  };
}

/** The last four bytes of a tag's five, as the ten decimal digits printed on it; the first is lost. */
const lastFourBytes: CardLayout = {
  formats: ['uid'],
  bits: 32,
  toNumber: (canonical) => (/^uid:([0-9A-F]{2}){4,5}$/.test(canonical) ? BigInt(`0x${canonical.slice(-8)}`) : null),
  fromNumber: () => null,
};

/** Bits of a canonical Wiegand number, right-justified. */
function bitsOf(canonical: string): bigint | null {
  const encoded = encodeWiegand(canonical);
  if (encoded === null) return null;
  const padding = BigInt(encoded.bytes.length * 8 - encoded.widthBits);
  return BigInt(`0x${encoded.bytes.toString('hex')}`) >> padding;
}

function toLeft(value: bigint, widthBits: number): Buffer {
  const length = Math.ceil(widthBits / 8);
  const shifted = value << BigInt(length * 8 - widthBits);
  return Buffer.from(shifted.toString(16).padStart(length * 2, '0'), 'hex');
}

/**
 * Names as in the trade: w26 is the 24 bits that H10301 carries, raw26 all 26; site-card is the same number on a device
 * that shows it as two.
 */
const LAYOUTS = {
  w26: fields('H10301'),
  'site-card': fields('H10301'),
  w34: fields('H10306'),
  w35: fields('C1000-35'),
  w37: fields('H10302'),
  'w37-fc': fields('H10304'),
  w48: fields('C1000-48'),
  raw26: bits('H10301'),
  raw34: bits('H10306'),
  raw35: bits('C1000-35'),
  raw37: bits('H10302'),
  raw48: bits('C1000-48'),
  raw: anyBits,
  uid4: uid(4),
  uid5: uid(5),
  uid7: uid(7),
  uid8: uid(8),
  'uid4-reversed': uidReversed(4),
  'uid7-reversed': uidReversed(7),
  /** As printed on a 125 kHz tag: all ten hexadecimal digits, or the last four bytes in ten decimal ones. */
  '10h': uid(5),
  '10d': lastFourBytes,
} as const satisfies Record<string, CardLayout>;

export type CardLayoutName = keyof typeof LAYOUTS;
export const CARD_LAYOUTS = Object.keys(LAYOUTS) as [CardLayoutName, ...CardLayoutName[]];
export const cardLayout = (name: CardLayoutName): CardLayout => LAYOUTS[name];

/** Bits of the card's own width, for the field that tells it. */
export const cardWidthBits = (canonical: string): number => {
  const encoded = encodeWiegand(canonical);
  return encoded === null ? (canonical.length - 4) * 4 : encoded.widthBits;
};
