// The number of cards of the federal government of the United States (FASC-N), in the two shapes in which readers hand
// it over: 40 characters of five bits each, 200 bits; and 75 bits of its first fields with the day on which the card
// ends. Layouts of the Technical Implementation Guidance for smart card enabled physical access, 2.2.

import { OperatingError } from './errors.ts';

export const FASC_N_FORMATS = ['FASC-N', 'FASC-N-75'] as const;
export type FascN = (typeof FASC_N_FORMATS)[number];
export const isFascN = (name: string): name is FascN => (FASC_N_FORMATS as readonly string[]).includes(name);

type Bits = { widthBits: number; bytes: Buffer };

/** Null where the length, a parity bit, a separator or the check character is not right. */
export function decodeFascN(name: FascN, { widthBits, bytes }: Bits): string | null {
  const bits = bitsOf(bytes, widthBits);
  return name === 'FASC-N' ? decodeWhole(bits) : decodeShort(bits);
}

/** Of a canonical number. */
export const encodeFascN = (name: FascN, fields: readonly string[]): Bits =>
  packed(name === 'FASC-N' ? encodeWhole(fields[0] ?? '') : encodeShort(fields.map(Number)));

/** The canonical fields, whatever stands between the parts. Throws `invalid_input` with what would be right. */
export function parseFascN(name: FascN, fields: readonly string[]): string {
  const found = name === 'FASC-N' ? parseWhole(fields) : parseShort(fields);
  if (found !== null) return `${name}:${found}`;
  throw new OperatingError('invalid_input', WANTED[name]);
}

const WANTED: Readonly<Record<FascN, string>> = {
  'FASC-N':
    'format FASC-N is written FASC-N: and its 32 digits, with - between its parts or without: agency, system, credential number, series, issue, and the ten digits of the person with category, organisation and association, e.g. FASC-N:0032-0001-092446-0-1-1112223333112232',
  'FASC-N-75':
    'format FASC-N-75 is written FASC-N-75:agency:system:credential:expiry, decimals up to 16383, 16383 and 1048575, and the day as YYYYMMDD, e.g. FASC-N-75:32:1:92446:20301231',
};

// ---- 200 bits -------------------------------------------------------------------------------------------------------

/** How many digits each part has; a separator stands behind each but the last. */
const PARTS = [4, 4, 6, 1, 1, 16] as const;
const [START, SEPARATOR, END] = [11, 13, 15];
const CHARACTER_BITS = 5;
const WHOLE = /^([0-9]{4})([0-9]{4})([0-9]{6})([0-9])([0-9])([0-9]{16})$/;

function parseWhole(fields: readonly string[]): string | null {
  const [text = ''] = fields;
  const isMarked = text.includes('-');
  const digits = text.replaceAll('-', '');
  const written = WHOLE.exec(digits)?.slice(1).join('-');
  return fields.length === 1 && written !== undefined && (!isMarked || written === text) ? written : null;
}

function decodeWhole(bits: readonly number[]): string | null {
  if (bits.length !== CHARACTER_BITS * 40) return null;
  const characters = Array.from({ length: 40 }, (_, i) => bits.slice(CHARACTER_BITS * i, CHARACTER_BITS * (i + 1)));
  if (characters.some((character) => sumOf(character) % 2 === 0)) return null;
  const values = characters.map(([one = 0, two = 0, four = 0, eight = 0]) => one + 2 * two + 4 * four + 8 * eight);
  if (values.reduce((sum, value) => sum ^ value, 0) !== 0) return null;
  const parts: string[] = [];
  let at = 1;
  for (const length of PARTS) {
    const part = values.slice(at, at + length);
    if (part.some((value) => value > 9)) return null;
    parts.push(part.join(''));
    at += length + 1;
  }
  const digits = parts.join('-');
  return charactersOf(digits).every((value, i) => value === values[i]) ? `FASC-N:${digits}` : null;
}

/** All that stands around its digits, with the check character. */
function charactersOf(written: string): number[] {
  const within = Array.from(written, (sign) => (sign === '-' ? SEPARATOR : Number(sign)));
  const characters = [START, ...within, END];
  return [...characters, characters.reduce((sum, value) => sum ^ value, 0)];
}

const encodeWhole = (written: string): number[] =>
  charactersOf(written).flatMap((value) => {
    const four = [value & 1, (value >> 1) & 1, (value >> 2) & 1, (value >> 3) & 1];
    return [...four, 1 - (sumOf(four) % 2)];
  });

// ---- 75 bits --------------------------------------------------------------------------------------------------------

const SHORT_BITS = 75;
/** Agency, system, credential number, day of expiry. */
const FIELD_BITS = [14, 14, 20, 25] as const;
/** Makers differ in which of the two parity bits the one in the middle belongs to. */
const LAST_OF_FIRST_HALF = [37, 38] as const;

function parseShort(fields: readonly string[]): string | null {
  if (fields.length !== FIELD_BITS.length || fields.some((text) => !/^[0-9]{1,8}$/.test(text))) return null;
  const numbers = fields.map(Number);
  const isWithin = numbers.every((number, i) => number < 2 ** (FIELD_BITS[i] ?? 0));
  return isWithin ? numbers.join(':') : null;
}

function decodeShort(bits: readonly number[]): string | null {
  if (bits.length !== SHORT_BITS) return null;
  if (!LAST_OF_FIRST_HALF.some((last) => isShortParityRight(bits, last))) return null;
  let at = 1;
  const numbers = FIELD_BITS.map((width) => {
    const number = bits.slice(at, at + width).reduce((sum, bit) => 2 * sum + bit, 0);
    at += width;
    return number;
  });
  return `FASC-N-75:${numbers.join(':')}`;
}

const isShortParityRight = (bits: readonly number[], last: number): boolean =>
  sumOf(bits.slice(0, last)) % 2 === 0 && sumOf(bits.slice(last)) % 2 === 1;

function encodeShort(numbers: readonly number[]): number[] {
  const within = FIELD_BITS.flatMap((width, i) =>
    Array.from(numberBits(numbers[i] ?? 0, width), (digit) => (digit === '1' ? 1 : 0)),
  );
  const [last] = LAST_OF_FIRST_HALF;
  const even = sumOf(within.slice(0, last - 1)) % 2;
  return [even, ...within, 1 - (sumOf(within.slice(last - 1)) % 2)];
}

const numberBits = (number: number, width: number): string => number.toString(2).padStart(width, '0');

// ---- bits -----------------------------------------------------------------------------------------------------------

const sumOf = (bits: readonly number[]): number => bits.reduce((sum, bit) => sum + bit, 0);

const bitsOf = (bytes: Buffer, widthBits: number): number[] =>
  Array.from({ length: widthBits }, (_, i) => ((bytes[i >> 3] ?? 0) >> (7 - (i & 7))) & 1);

function packed(bits: readonly number[]): Bits {
  const bytes = Buffer.alloc(Math.ceil(bits.length / 8));
  bits.forEach((bit, i) => {
    bytes[i >> 3] = (bytes[i >> 3] ?? 0) | (bit << (7 - (i & 7)));
  });
  return { widthBits: bits.length, bytes };
}
