// From what a reader sends to the bits of a card, left-justified with zero padding. The format byte of RAW is not
// believed: card formats go by bit count and parity.

import type { CardReading } from '../../src/domain/card-formats.ts';
import { decodeWiegand, WIEGAND_FORMATS } from '../../src/domain/card-formats.ts';
import { memberOf } from '../../src/domain/named.ts';

export type Justify = 'auto' | 'left' | 'right';

/** Longer reads are no card numbers: the canonical form ends there. */
export const MAX_CARD_BITS = 512;

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

  /** The reading of a RAW reply, or null when it is too long. */
  read(widthBits: number, bits: Buffer): CardReading | null {
    if (widthBits > MAX_CARD_BITS) return null;
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

/** The reading of a FMT reply: its characters, as raw bits. */
export function textReading(text: Buffer): CardReading | null {
  return text.length * 8 > MAX_CARD_BITS || text.length === 0
    ? null
    : { kind: 'wiegand', widthBits: text.length * 8, bytes: Buffer.from(text) };
}

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
