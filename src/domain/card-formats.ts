// Card numbers: one canonical form, `format:fields`, and the table of formats between it and the bits that a reader
// sends. Layouts are the public ones of the field (HID 26/34/35/37/48 bit Wiegand); bit 1 is the first bit read. Parity
// is checked whenever a format is read.

import { OperatingError } from './errors.ts';
import { decodeFascN, encodeFascN, FASC_N_FORMATS, isFascN, parseFascN } from './fasc-n.ts';
import { memberOf } from './named.ts';
import { quoted } from './outside-text.ts';

/**
 * What a reader handed over, before any format is chosen. `bytes` hold the bits left-justified, the last byte padded
 * with zeros.
 */
export type CardReading =
  | { kind: 'wiegand'; widthBits: number; bytes: Buffer }
  /** A serial number, most significant byte first. */
  | { kind: 'uid'; bytes: Buffer }
  /** Characters: what the reader made of the card, and `asSent` with what it put around them. */
  | { kind: 'text'; bytes: Buffer; asSent: Buffer };

/** The longest number of a card: as many characters as a reader that sends text can count. */
export const MOST_CARD_BITS = 255 * 8;

type Field = { first: number; bits: number };
type Parity = { at: number; odd: boolean; over: readonly number[] };
type WiegandFormat = {
  widthBits: number;
  facilityCode: Field | null;
  number: Field;
  /** Applied in this order: a later one may cover an earlier one. */
  parities: readonly Parity[];
};

const range = (first: number, last: number): number[] => Array.from({ length: last - first + 1 }, (_, i) => first + i);
/** Two used, one skipped, from `first` to at most `last`. */
const twoOfThree = (first: number, last: number): number[] =>
  range(first, last).filter((bit) => (bit - first) % 3 !== 2);

const even = (at: number, over: readonly number[]): Parity => ({ at, odd: false, over });
const odd = (at: number, over: readonly number[]): Parity => ({ at, odd: true, over });

export const WIEGAND_FORMATS: Readonly<Record<string, WiegandFormat>> = {
  H10301: {
    widthBits: 26,
    facilityCode: { first: 2, bits: 8 },
    number: { first: 10, bits: 16 },
    parities: [even(1, range(2, 13)), odd(26, range(14, 25))],
  },
  H10306: {
    widthBits: 34,
    facilityCode: { first: 2, bits: 16 },
    number: { first: 18, bits: 16 },
    parities: [even(1, range(2, 17)), odd(34, range(18, 33))],
  },
  'C1000-35': {
    widthBits: 35,
    facilityCode: { first: 3, bits: 12 },
    number: { first: 15, bits: 20 },
    parities: [even(2, twoOfThree(3, 34)), odd(35, twoOfThree(2, 33)), odd(1, range(2, 35))],
  },
  H10302: {
    widthBits: 37,
    facilityCode: null,
    number: { first: 2, bits: 35 },
    parities: [even(1, range(2, 19)), odd(37, range(19, 36))],
  },
  H10304: {
    widthBits: 37,
    facilityCode: { first: 2, bits: 16 },
    number: { first: 18, bits: 19 },
    parities: [even(1, range(2, 19)), odd(37, range(19, 36))],
  },
  'C1000-48': {
    widthBits: 48,
    facilityCode: { first: 3, bits: 22 },
    number: { first: 25, bits: 23 },
    parities: [even(2, twoOfThree(4, 47)), odd(48, twoOfThree(3, 46)), odd(1, range(2, 48))],
  },
};

/**
 * The low bits of the X of a public key, which a PKOC reader that proves keys itself hands over as a card: how many.
 * Written in hexadecimal digits; a command may give the key itself.
 */
const KEY_FORMATS: Readonly<Record<string, number>> = {
  'PKOC-64': 64,
  'PKOC-75': 75,
  'PKOC-128': 128,
  'PKOC-256': 256,
};
const digitsOf = (widthBits: number): number => Math.ceil(widthBits / 4);

/**
 * Every format a reader or a command may name. `raw` is any Wiegand width as it is; `uid` a serial number;
 * `uid-reversed` one whose bytes come last first.
 */
export const CARD_FORMATS = [
  ...Object.keys(WIEGAND_FORMATS),
  ...Object.keys(KEY_FORMATS),
  ...FASC_N_FORMATS,
  'uid',
  'uid-reversed',
  'raw',
] as const;

const bitAt = (bytes: Buffer, bit: number): number => ((bytes[(bit - 1) >> 3] ?? 0) >> (7 - ((bit - 1) & 7))) & 1;

function setBit(bytes: Buffer, bit: number, value: number): void {
  const index = (bit - 1) >> 3;
  const mask = 0x80 >> ((bit - 1) & 7);
  bytes[index] = value ? (bytes[index] ?? 0) | mask : (bytes[index] ?? 0) & ~mask;
}

function readField(bytes: Buffer, field: Field): bigint {
  let value = 0n;
  for (let i = 0; i < field.bits; i++) value = (value << 1n) | BigInt(bitAt(bytes, field.first + i));
  return value;
}

function writeField(bytes: Buffer, field: Field, value: bigint): void {
  for (let i = 0; i < field.bits; i++)
    setBit(bytes, field.first + i, Number((value >> BigInt(field.bits - 1 - i)) & 1n));
}

const parityBit = (bytes: Buffer, parity: Parity): number =>
  (parity.over.reduce((sum, bit) => sum + bitAt(bytes, bit), 0) + (parity.odd ? 1 : 0)) & 1;

/** The canonical number of these bits read as `name`, or null when the width or a parity bit does not fit. */
export function decodeWiegand(name: string, widthBits: number, bytes: Buffer): string | null {
  const format = memberOf(WIEGAND_FORMATS, name);
  if (format?.widthBits !== widthBits) return null;
  if (format.parities.some((parity) => parityBit(bytes, parity) !== bitAt(bytes, parity.at))) return null;
  const number = readField(bytes, format.number);
  return format.facilityCode === null
    ? `${name}:${number}`
    : `${name}:${readField(bytes, format.facilityCode)}:${number}`;
}

/**
 * The bits of a canonical Wiegand or raw number, left-justified, with parity; null for a `uid`. Throws `invalid_input`
 * when it is not canonical.
 */
export function encodeWiegand(canonical: string): { widthBits: number; bytes: Buffer } | null {
  const [name = '', ...fields] = parseCanonical(canonical).split(':');
  if (name === 'uid') return null;
  if (name === 'raw') return { widthBits: Number(fields[0]), bytes: Buffer.from(fields[1] ?? '', 'hex') };
  if (isFascN(name)) return encodeFascN(name, fields);
  const keyBits = memberOf(KEY_FORMATS, name);
  if (keyBits !== undefined) return { widthBits: keyBits, bytes: leftJustified(fields[0] ?? '', keyBits) };
  const format = memberOf(WIEGAND_FORMATS, name);
  if (format === undefined) throw new OperatingError('invalid_input', `card format ${quoted(name)} is not known`);
  const bytes = Buffer.alloc(Math.ceil(format.widthBits / 8));
  if (format.facilityCode !== null) writeField(bytes, format.facilityCode, BigInt(fields[0] ?? '0'));
  writeField(bytes, format.number, BigInt(fields.at(-1) ?? '0'));
  for (const parity of format.parities) setBit(bytes, parity.at, parityBit(bytes, parity));
  return { widthBits: format.widthBits, bytes };
}

/** What a reader hands over of a card with this canonical number. */
export function readingOf(canonical: string): BitReading {
  const bits = encodeWiegand(canonical);
  if (bits !== null) return { kind: 'wiegand', ...bits };
  return { kind: 'uid', bytes: Buffer.from(canonical.slice(canonical.indexOf(':') + 1), 'hex') };
}

/** What is no text. */
export type BitReading = Exclude<CardReading, { kind: 'text' }>;

/**
 * The canonical numbers that a reading may stand for, by the reader's list of formats and in its order. A 5-byte UID of
 * a 125 kHz tag also answers to a 24-bit format: its last three bytes are facility code and number as printed on such
 * tags (its frame has a checksum instead of parity).
 */
export function candidates(reading: CardReading, formats: readonly string[]): string[] {
  const found: string[] = [];
  for (const name of formats) {
    const all = reading.kind === 'text' ? textCandidates(reading, name) : [candidate(reading, name)];
    for (const canonical of all) if (canonical !== null && !found.includes(canonical)) found.push(canonical);
  }
  return found;
}

/**
 * Characters are the serial number that they spell, or what they are, byte by byte, also as they came. They are no bits
 * of a card: a layout with parity is not looked for in them.
 */
function textCandidates({ bytes, asSent }: CardReading & { kind: 'text' }, name: string): (string | null)[] {
  const spelled = spelledUid(bytes.toString('latin1'));
  const found = spelled === null ? [] : [candidate({ kind: 'uid', bytes: spelled }, name)];
  if (memberOf(WIEGAND_FORMATS, name) !== undefined || isFascN(name)) return found;
  const asBits = (some: Buffer): BitReading => ({ kind: 'wiegand', widthBits: some.length * 8, bytes: some });
  return [...found, ...[bytes, asSent].map((some) => candidate(asBits(some), name))];
}

/** Hexadecimal digits of 3 to 10 bytes, as printed or with signs between them. */
const spelledUid = (text: string): Buffer | null =>
  /^([0-9A-Fa-f]{2}){3,10}$/.test(text) || SPACED_UID.test(text)
    ? Buffer.from(text.replaceAll(/[^0-9A-Fa-f]/g, ''), 'hex')
    : null;

function candidate(reading: BitReading, name: string): string | null {
  if (reading.kind === 'uid') {
    if (name === 'uid') return `uid:${hex(reading.bytes)}`;
    if (name === 'uid-reversed') return `uid:${hex(Buffer.from(reading.bytes).reverse())}`;
    if (name === 'H10301' && reading.bytes.length === 5)
      return `H10301:${reading.bytes.readUInt8(2)}:${reading.bytes.readUInt16BE(3)}`;
    return null;
  }
  if (name === 'raw') return `raw:${reading.widthBits}:${hex(reading.bytes)}`;
  if (isFascN(name)) return decodeFascN(name, reading);
  const keyBits = memberOf(KEY_FORMATS, name);
  if (keyBits !== undefined)
    return keyBits === reading.widthBits ? `${name}:${keyDigits(reading.bytes, keyBits)}` : null;
  const wholeBytes = reading.widthBits % 8 === 0;
  if (name === 'uid') return wholeBytes ? `uid:${hex(reading.bytes)}` : null;
  if (name === 'uid-reversed') return wholeBytes ? `uid:${hex(Buffer.from(reading.bytes).reverse())}` : null;
  return decodeWiegand(name, reading.widthBits, reading.bytes);
}

/** Bits that end with the last one, as the digits of a number. */
function keyDigits(bytes: Buffer, widthBits: number): string {
  const number = BigInt(`0x${bytes.toString('hex')}`) >> BigInt(bytes.length * 8 - widthBits);
  return number.toString(16).toUpperCase().padStart(digitsOf(widthBits), '0');
}

function leftJustified(digits: string, widthBits: number): Buffer {
  const bytes = Math.ceil(widthBits / 8);
  const number = BigInt(`0x${digits}`) << BigInt(bytes * 8 - widthBits);
  return Buffer.from(number.toString(16).padStart(2 * bytes, '0'), 'hex');
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex').toUpperCase();

export type DefaultCardFormat = { format: string; facility_code?: number | undefined };

/**
 * One canonical form for whatever a command gave: canonical already, `facility:number` or a bare decimal together with
 * `format` (or the facility's default). Throws `invalid_input` with what would be right.
 */
export function canonicalCard(value: string, format: string | null, fallback: DefaultCardFormat): string {
  if ((format === null || format === 'uid') && SPACED_UID.test(value))
    return parseCanonical(`uid:${value.replaceAll(/[^0-9A-Fa-f]/g, '')}`);
  if (/^[A-Za-z][A-Za-z0-9-]*:/.test(value)) {
    const canonical = parseCanonical(value);
    if (format !== null && canonical.split(':')[0] !== format) {
      throw new OperatingError(
        'invalid_input',
        `the number is of format ${canonical.split(':')[0] ?? ''}, card_format says ${format}`,
      );
    }
    return canonical;
  }
  const name = format ?? fallback.format;
  if (name === 'uid' || name === 'raw' || isFascN(name) || memberOf(KEY_FORMATS, name) !== undefined)
    return parseCanonical(`${name}:${value}`);
  const layout = memberOf(WIEGAND_FORMATS, name);
  if (layout === undefined)
    throw new OperatingError(
      'invalid_input',
      `card format ${quoted(name)} is not known; known are ${CARD_FORMATS.join(', ')}`,
    );
  if (format === null && layout.facilityCode === null && TWO_NUMBERS.test(value)) {
    throw new OperatingError(
      'invalid_input',
      `${name} has no facility code, and this number has one. Remedy: say how the card is read, as H10301:facility:number, or in card_format: one of ${WITH_FACILITY_CODE.join(', ')}`,
    );
  }
  const facilityCode = name === fallback.format ? fallback.facility_code : undefined;
  if (layout.facilityCode !== null && !value.includes(':')) {
    if (facilityCode === undefined) {
      throw new OperatingError(
        'invalid_input',
        `format ${name} has a facility code: give the number as facility:number, e.g. 123:45678, or set policy.default_card_format.facility_code`,
      );
    }
    return parseCanonical(`${name}:${facilityCode}:${value}`);
  }
  return parseCanonical(`${name}:${value}`);
}

/** Bytes as phones and desk readers show them: `DD:17:38:0A`, `dd-17-38-0a`. */
const SPACED_UID = /^[0-9A-Fa-f]{2}([:\- ][0-9A-Fa-f]{2}){2,9}$/;
const TWO_NUMBERS = /^[0-9]{1,10}:[0-9]{1,10}$/;
const WITH_FACILITY_CODE = Object.entries(WIEGAND_FORMATS)
  .filter(([, { facilityCode }]) => facilityCode !== null)
  .map(([name]) => name);

/** Checks a canonical number and gives it back in its one spelling (no leading zeros, hex in upper case). */
export function parseCanonical(value: string): string {
  const [name = '', ...fields] = value.split(':');
  if (name === 'uid') return parseUid(fields);
  if (name === 'raw') return parseRaw(fields);
  if (isFascN(name)) return parseFascN(name, fields);
  const keyBits = memberOf(KEY_FORMATS, name);
  if (keyBits !== undefined) return `${name}:${parseKey(name, keyBits, fields)}`;
  const format = memberOf(WIEGAND_FORMATS, name);
  if (format === undefined)
    throw new OperatingError(
      'invalid_input',
      `card format ${quoted(name)} is not known; known are ${CARD_FORMATS.join(', ')}`,
    );
  const expected = format.facilityCode === null ? [format.number] : [format.facilityCode, format.number];
  if (fields.length !== expected.length) {
    throw new OperatingError(
      'invalid_input',
      `format ${name} is written ${name}:${format.facilityCode === null ? 'number' : 'facility:number'}`,
    );
  }
  const numbers = expected.map((field, i) => {
    const text = fields[i] ?? '';
    const limit = 2n ** BigInt(field.bits) - 1n;
    if (!/^[0-9]{1,20}$/.test(text) || BigInt(text) > limit) {
      throw new OperatingError(
        'invalid_input',
        `format ${name}: the ${expected.length === 2 && i === 0 ? 'facility code' : 'number'} is a decimal from 0 to ${limit}`,
      );
    }
    return BigInt(text).toString();
  });
  return `${name}:${numbers.join(':')}`;
}

/** The digits themselves, or the uncompressed point of which they are the low bits of X. */
function parseKey(name: string, widthBits: number, fields: readonly string[]): string {
  const text = (fields[0] ?? '').toUpperCase();
  const digits = digitsOf(widthBits);
  const isKey = /^04[0-9A-F]{128}$/.test(text);
  if (fields.length === 1 && isKey) {
    const x = BigInt(`0x${text.slice(2, 66)}`);
    return BigInt.asUintN(widthBits, x).toString(16).toUpperCase().padStart(digits, '0');
  }
  const isNumber = fields.length === 1 && text.length === digits && /^[0-9A-F]+$/.test(text);
  if (isNumber && BigInt(`0x${text}`) >> BigInt(widthBits) === 0n) return text;
  throw new OperatingError(
    'invalid_input',
    `format ${name} is written ${name}: and ${digits} hexadecimal digits, the low ${widthBits} bits of X, or the public key whole, 130 digits that begin with 04`,
  );
}

function parseUid(fields: readonly string[]): string {
  const text = (fields[0] ?? '').toUpperCase();
  if (fields.length !== 1 || !/^([0-9A-F]{2}){3,10}$/.test(text)) {
    throw new OperatingError(
      'invalid_input',
      'a uid is written uid: and 3 to 10 bytes in hexadecimal, e.g. uid:04A1B2C3',
    );
  }
  return `uid:${text}`;
}

function parseRaw(fields: readonly string[]): string {
  const widthBits = Number(fields[0]);
  const text = (fields[1] ?? '').toUpperCase();
  const good =
    fields.length === 2 &&
    /^[0-9]{1,4}$/.test(fields[0] ?? '') &&
    widthBits >= 1 &&
    widthBits <= MOST_CARD_BITS &&
    /^([0-9A-F]{2})+$/.test(text) &&
    text.length === Math.ceil(widthBits / 8) * 2 &&
    (Number.parseInt(text.slice(-2), 16) & ((1 << ((8 - (widthBits % 8)) % 8)) - 1)) === 0;
  if (!good) {
    throw new OperatingError(
      'invalid_input',
      `raw bits are written raw:width:hex, at most ${MOST_CARD_BITS} of them, left-justified and padded with zero bits, e.g. raw:26:BDD93740`,
    );
  }
  return `raw:${widthBits}:${text}`;
}

/**
 * A four-byte UID whose first byte is 08 is made anew at every tap (ISO 14443-3): it identifies nobody and is refused
 * at enrolment.
 */
export const isRandomUid = (canonical: string): boolean => /^uid:08[0-9A-F]{6}$/.test(canonical);

/** How a canonical number is answered: the part behind the format, and the format. */
export function presentCard(canonical: string): { card_number: string; card_format: string } {
  const separator = canonical.indexOf(':');
  return { card_format: canonical.slice(0, separator), card_number: canonical.slice(separator + 1) };
}
