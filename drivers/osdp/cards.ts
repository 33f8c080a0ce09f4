// From what a reader sends to the bits of a card, left-justified with zero padding. The format byte of RAW is not believed: card formats go by bit count and
// parity.

import type { CardReading } from '../../src/domain/card-formats.ts';
import { decodeWiegand, WIEGAND_FORMATS } from '../../src/domain/card-formats.ts';

export type Justify = 'auto' | 'left' | 'right';

/** Longer reads are no card numbers: the canonical form ends there. */
export const MAX_CARD_BITS = 512;

/** The reading of a RAW reply, or null when it is too long. */
export function rawReading(widthBits: number, bits: Buffer, justify: Justify): CardReading | null {
  if (widthBits > MAX_CARD_BITS) return null;
  const padBits = bits.length * 8 - widthBits;
  const left = masked(bits, padBits);
  if (justify === 'left' || padBits === 0) return { kind: 'wiegand', widthBits, bytes: left };
  const right = masked(shiftedLeft(bits, padBits), padBits);
  const useRight = justify === 'right' || looksRightJustified(widthBits, bits, left, right);
  return { kind: 'wiegand', widthBits, bytes: useRight ? right : left };
}

/**
 * Padding is zeros, so bits where one side's padding should be speak for the other. Parity decides where both sides could be padding, or neither; two parity bits fit
 * one random read in four, so they are asked last.
 */
function looksRightJustified(widthBits: number, bits: Buffer, left: Buffer, right: Buffer): boolean {
  const leftPossible = left.equals(bits);
  const rightPossible = (bits[0] ?? 0) >> (8 - (bits.length * 8 - widthBits)) === 0;
  if (leftPossible !== rightPossible) return rightPossible;
  return !hasGoodParity(widthBits, left) && hasGoodParity(widthBits, right);
}

/** The reading of a FMT reply: its characters, as raw bits. */
export function textReading(text: Buffer): CardReading | null {
  return text.length * 8 > MAX_CARD_BITS || text.length === 0
    ? null
    : { kind: 'wiegand', widthBits: text.length * 8, bytes: Buffer.from(text) };
}

const hasGoodParity = (widthBits: number, bytes: Buffer): boolean =>
  Object.keys(WIEGAND_FORMATS).some((name) => decodeWiegand(name, widthBits, bytes) !== null);

function masked(bits: Buffer, padBits: number): Buffer {
  const bytes = Buffer.from(bits);
  const last = bytes.length - 1;
  bytes[last] = (bytes[last] ?? 0) & (0xff << padBits);
  return bytes;
}

function shiftedLeft(bits: Buffer, by: number): Buffer {
  return Buffer.from(bits.map((byte, i) => ((byte << by) | ((bits[i + 1] ?? 0) >> (8 - by))) & 0xff));
}
