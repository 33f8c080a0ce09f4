// Card numbers in the controller's 32 bits, site (16) and card (16). Its own displays write a card as `site,card` in
// decimal (WG34) or as eight hexadecimal digits: 00558,17412 is 022E4404.
//
//   canonical            siteH siteL cardH cardL
//   uid:04A1B2C3         04    A1    B2    C3      four bytes as read; `uid_order: reversed` for readers that give the last byte first
//   uid:A1B2C3           00    A1    B2    C3      three bytes: the upper one is zero
//   uid:0F04A1B2C3       04    A1    B2    C3      five bytes (125 kHz tags) only with `tag_bytes: last_four`: the table has no place for the first
//   H10301:46:17412      00    2E    44    04      26 bits: facility code in the low byte of site, number in card
//   H10306:558:17412     02    2E    44    04      34 bits: facility code is site, number is card

import { parseCanonical } from '../../src/domain/card-formats.ts';
import { OperatingError } from '../../src/domain/errors.ts';

/** Formats whose numbers the table can hold. */
export const SOYAL_CARD_FORMATS = ['uid', 'H10301', 'H10306'] as const;

export type CardTraits = {
  /** How the controller's reader puts a UID into its number. */
  uidOrder: 'as_read' | 'reversed';
  /** Five-byte tags: refused, or told apart by their last four bytes alone. */
  tagBytes: 'refuse' | 'last_four';
};

/** The controller's number of a canonical card, or why it has none. The message never holds the number. */
export function cardUid(canonical: string, traits: CardTraits): { uid: number } | { message: string } {
  let checked: string;
  try {
    checked = parseCanonical(canonical);
  } catch (error) {
    if (error instanceof OperatingError) return { message: 'the card number is not in canonical form' };
    throw error;
  }
  const [format = '', ...fields] = checked.split(':');
  const number = format === 'uid' ? uidNumber(fields[0] ?? '', traits) : siteAndCard(format, fields);
  if (typeof number === 'string') return { message: number };
  return number === 0 ? { message: 'card number 0 stands for “no card” in this controller' } : { uid: number };
}

function siteAndCard(format: string, fields: readonly string[]): number | string {
  if (format !== 'H10301' && format !== 'H10306') {
    return `this controller holds cards of the formats ${SOYAL_CARD_FORMATS.join(', ')}`;
  }
  return Number(fields[0]) * 0x10000 + Number(fields[1]);
}

function uidNumber(hex: string, traits: CardTraits): number | string {
  const bytes = Buffer.from(hex, 'hex');
  if (traits.uidOrder === 'reversed') bytes.reverse();
  if (bytes.length === 5 && traits.tagBytes === 'last_four') return bytes.readUInt32BE(1);
  if (bytes.length > 4) return 'this controller compares four bytes of a uid, and this one has more';
  return bytes.readUIntBE(0, bytes.length);
}
