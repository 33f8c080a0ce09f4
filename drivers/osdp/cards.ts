// From what a reader sends to the bits of a card, left-justified with zero padding. The format byte of RAW is not
// believed: card formats go by bit count and parity.

import type { CardReading } from '../../src/domain/card-formats.ts';
import { decodeWiegand, MOST_CARD_BITS, WIEGAND_FORMATS } from '../../src/domain/card-formats.ts';
import { memberOf } from '../../src/domain/named.ts';

export type Justify = 'auto' | 'left' | 'right';

/**
 * Where the bits of one reader head begin in the bytes that it sends. With `auto` it is learnt from the padding, which
 * is zeros: bits that are set where one side's padding would be speak for the other. Only a reading that can be one
 * side alone, and whose parity is right there in every format of its length, is believed. How a reading is taken never
 * depends on its own parity: a reader's habit is one thing and a damaged card another, and a second look would let one
 * wrong card in four pass.
 */
export class Justification {
  #side: 'left' | 'right' | null;
  readonly #isLearning: boolean;

  constructor(justify: Justify) {
    this.#isLearning = justify === 'auto';
    this.#side = justify === 'auto' ? null : justify;
  }

  forget(): void {
    if (this.#isLearning) this.#side = null;
  }

  /** The reading of a RAW reply. */
  read(widthBits: number, bits: Buffer): CardReading | UnreadCard {
    if (widthBits > MOST_CARD_BITS) return tooLong(widthBits);
    const padBits = bits.length * 8 - widthBits;
    const left = masked(bits, padBits);
    if (padBits === 0) return { kind: 'wiegand', widthBits, bytes: left };
    const right = masked(shiftedLeft(bits, padBits), padBits);
    const isLeftPossible = left.equals(bits);
    const isRightPossible = (bits[0] ?? 0) >> (8 - padBits) === 0;
    if (this.#isLearning && isLeftPossible !== isRightPossible) {
      const side = isLeftPossible ? 'left' : 'right';
      const passes = isSoundEverywhere(widthBits, isLeftPossible ? left : right);
      // What contradicts all that was learnt is not read by it: the head sends otherwise than was thought, or anyhow.
      this.#side = passes ? side : this.#side === side ? side : null;
      return { kind: 'wiegand', widthBits, bytes: isLeftPossible ? left : right };
    }
    // As the specification has it, where nothing is known.
    return { kind: 'wiegand', widthBits, bytes: this.#side === 'right' ? right : left };
  }
}

/** A card was there, and what came is no number of one. */
export type UnreadCard = { kind: 'unread'; why: string };

const tooLong = (widthBits: number): UnreadCard => ({
  kind: 'unread',
  why: `it was sent as ${widthBits} bits, and the number of a card has at most ${MOST_CARD_BITS}`,
});

/**
 * Tracks of ISO 7811 and 4909: what begins one, and by which bits of its characters the last one checks the others. The
 * third track begins as the second does, and some readers write that another way.
 */
const TRACKS = [
  { begin: '%', bits: 0x3f },
  { begin: ';', bits: 0x0f },
  { begin: '+', bits: 0x0f },
] as const;
const TRACK_END = '?';
const [STX, ETX] = ['\x02', '\x03'];

/**
 * The reading of a FMT reply. Some readers leave on what stands around the number
 * on a card: start and end sentinels with the check character behind them, STX and ETX, an end of line. A card that was
 * swiped backwards shows its end first and is turned round; the direction byte is not believed, for readers differ in
 * what they call forward. Where the check character is wrong nothing is taken off, so that a damaged read is nobody's
 * number.
 */
export function textReading(text: Buffer): CardReading | UnreadCard {
  const bytes = Buffer.from(unframed(text.toString('latin1')), 'latin1');
  if (bytes.length === 0) return { kind: 'unread', why: 'it was sent as text without a character' };
  return bytes.length * 8 > MOST_CARD_BITS
    ? tooLong(bytes.length * 8)
    : { kind: 'text', bytes, asSent: Buffer.from(text) };
}

function unframed(text: string): string {
  const line = text.replace(/[\0\r\n ]+$/, '');
  if (line.length > 2 && line.startsWith(STX) && line.endsWith(ETX)) return unframed(line.slice(1, -1));
  return ofTrack(line) ?? ofTrack(Array.from(line).reverse().join('')) ?? line;
}

/** What stands between the sentinels of one whole track; null when there is no such thing. */
function ofTrack(line: string): string | null {
  const track = TRACKS.find(({ begin }) => line.startsWith(begin));
  const end = line.indexOf(TRACK_END);
  const inside = line.slice(1, end);
  if (track === undefined || end < 2 || line.length > end + 2 || inside.includes(track.begin)) return null;
  const isChecked = line.length === end + 2;
  return isChecked && checkOf(line, track.bits) !== 0 ? null : inside;
}

/** Over a whole track with its check character it comes out as zero. */
const checkOf = (line: string, bits: number): number =>
  Buffer.from(line, 'latin1').reduce((sum, code) => sum ^ ((code - 0x20) & bits), 0);

/** There are formats of this length, and the parity of all of them is right. */
function isSoundEverywhere(widthBits: number, bytes: Buffer): boolean {
  const names = Object.keys(WIEGAND_FORMATS).filter((name) => memberOf(WIEGAND_FORMATS, name)?.widthBits === widthBits);
  return names.length > 0 && names.every((name) => decodeWiegand(name, widthBits, bytes) !== null);
}

function masked(bits: Buffer, padBits: number): Buffer {
  const bytes = Buffer.from(bits);
  const last = bytes.length - 1;
  bytes[last] = (bytes[last] ?? 0) & (0xff << padBits);
  return bytes;
}

function shiftedLeft(bits: Buffer, by: number): Buffer {
  return Buffer.from(bits.map((byte, i) => ((byte << by) | ((bits[i + 1] ?? 0) >> (8 - by))) & 0xff));
}
