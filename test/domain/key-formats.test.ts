// Keys that a reader has proved itself and hands over as bits of a card.

import { describe, expect, it } from 'vitest';
import { Justification } from '../../drivers/osdp/cards.ts';
import { candidates, canonicalCard, encodeWiegand, parseCanonical } from '../../src/domain/card-formats.ts';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');
/** The example of the published text. */
const KEY =
  '040EC5D87DC39D14A2C5480686DA860C82B16BE0B6903B525F84848B79FD463E32BBDA1F0252C33503C5287035E6EAC55D138D0650DCFB5281D59A9CF4124D2831';
const X = KEY.slice(2, 66);
const FORMATS = ['PKOC-64', 'PKOC-75', 'PKOC-128', 'PKOC-256'];
const fallback = { format: 'H10302' };

describe('a key as a card', () => {
  it.each([
    ['PKOC-64', 64, '84848B79FD463E32'],
    ['PKOC-75', 75, '25F84848B79FD463E32'],
    ['PKOC-128', 128, 'B16BE0B6903B525F84848B79FD463E32'],
    ['PKOC-256', 256, X],
  ] as const)('%s has its low %i bits', (format, widthBits, digits) => {
    const canonical = `${format}:${digits}`;
    expect(canonicalCard(KEY.toLowerCase(), format, fallback)).toBe(canonical);
    expect(canonicalCard(digits.toLowerCase(), format, fallback)).toBe(canonical);
    expect(parseCanonical(canonical)).toBe(canonical);
    const bits = encodeWiegand(canonical);
    expect(bits?.widthBits).toBe(widthBits);
    expect(candidates({ kind: 'wiegand', widthBits, bytes: bits?.bytes ?? hex('') }, FORMATS)).toEqual([canonical]);
  });

  it('is read alike from a reader that sends its 75 bits left, and from one that sends them right', () => {
    const read = (justify: 'left' | 'right', bytes: string): string[] => {
      const reading = new Justification(justify).read(75, hex(bytes));
      return reading.kind === 'unread' ? [] : candidates(reading, FORMATS);
    };
    expect(read('left', '4BF090916F3FA8C7C640')).toEqual(['PKOC-75:25F84848B79FD463E32']);
    expect(read('right', '025F84848B79FD463E32')).toEqual(['PKOC-75:25F84848B79FD463E32']);
  });

  it('of another length, another curve’s form, or beyond its bits is refused with what would be right', () => {
    for (const wrong of ['25F84848B79FD463E3', 'F5F84848B79FD463E32', `02${X}`, 'xyz', ''])
      expect(() => canonicalCard(wrong, 'PKOC-75', fallback), wrong).toThrow(
        /PKOC-75 is written PKOC-75: and 19 hexadecimal digits/,
      );
    expect(candidates({ kind: 'wiegand', widthBits: 74, bytes: Buffer.alloc(10) }, FORMATS)).toEqual([]);
    expect(candidates({ kind: 'uid', bytes: hex('04A1B2C3') }, FORMATS)).toEqual([]);
  });
});
