// Numbers of cards of the federal government of the United States, in 200 and in 75 bits.

import { describe, expect, it } from 'vitest';
import {
  CARD_FORMATS,
  candidates,
  canonicalCard,
  encodeWiegand,
  type CardReading,
} from '../../src/domain/card-formats.ts';

/** The example of the published guidance. */
const WHOLE = '0032-0001-092446-0-1-1112223333112232';
const BITS = Buffer.from('D0439458210C2C19A0846D83685A1082108CE73984108CA3FC', 'hex');
const SHORT = 'FASC-N-75:32:1:92446:20301231';
const fallback = { format: 'H10302' };
const reading = (bytes: Buffer, widthBits: number): CardReading => ({ kind: 'wiegand', widthBits, bytes });
const named = (read: CardReading): string[] => candidates(read, CARD_FORMATS).filter((card) => card.startsWith('FASC'));
const flipped = (bytes: Buffer, bit: number): Buffer => {
  const other = Buffer.from(bytes);
  other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7));
  return other;
};

describe('a FASC-N', () => {
  it('of 200 bits is read as its digits, and written as those bits', () => {
    expect(named(reading(BITS, 200))).toEqual([`FASC-N:${WHOLE}`]);
    expect(encodeWiegand(`FASC-N:${WHOLE}`)).toEqual({ widthBits: 200, bytes: BITS });
    for (const written of [WHOLE, WHOLE.replaceAll('-', '')])
      expect(canonicalCard(written, 'FASC-N', fallback)).toBe(`FASC-N:${WHOLE}`);
  });

  it('of 75 bits is read as agency, system, credential and day of expiry, and written as those bits', () => {
    const bits = encodeWiegand(SHORT);
    expect(bits?.widthBits).toBe(75);
    expect(named(reading(bits?.bytes ?? BITS, 75))).toEqual([SHORT]);
    expect(canonicalCard('032:0001:92446:20301231', 'FASC-N-75', fallback)).toBe(SHORT);
    // The credential number holds the bit that some makers count to the one half, and some to the other.
    const odd = encodeWiegand('FASC-N-75:32:1:2048:20301231')?.bytes ?? BITS;
    const theOthers = flipped(flipped(odd, 0), 74);
    for (const bytes of [odd, theOthers]) expect(named(reading(bytes, 75))).toEqual(['FASC-N-75:32:1:2048:20301231']);
  });

  it('with one wrong bit is nobody’s number', () => {
    for (let bit = 0; bit < 200; bit++) expect(named(reading(flipped(BITS, bit), 200)), `${bit}`).toEqual([]);
    for (const credential of [2048, 92446]) {
      const bytes = encodeWiegand(`FASC-N-75:32:1:${credential}:20301231`)?.bytes ?? BITS;
      for (let bit = 0; bit < 75; bit++) expect(named(reading(flipped(bytes, bit), 75)), `${bit}`).toEqual([]);
    }
  });

  it('that is written otherwise is refused with how it is written', () => {
    for (const wrong of ['1234', WHOLE.slice(1), `${WHOLE}0`, '003-20001-092446-0-1-1112223333112232', ''])
      expect(() => canonicalCard(wrong, 'FASC-N', fallback), wrong).toThrow(/is written FASC-N: and its 32 digits/);
    for (const wrong of ['32:1:92446', '16384:1:92446:20301231', '32:1:1048576:20301231', '32:1:x:20301231'])
      expect(() => canonicalCard(wrong, 'FASC-N-75', fallback), wrong).toThrow(/is written FASC-N-75:agency:system/);
  });
});
