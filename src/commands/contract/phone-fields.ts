// What parameters hold of phones: the key, and what an issuer has signed for it.

import { z } from 'zod';
import { MOST_TOKEN_BYTES } from '../../domain/issued-token.ts';
import { importPoint } from '../../domain/p256.ts';
import { read } from './fields.ts';

const PUBLIC_KEY_WANTED = 'a public key of P-256: 130 hexadecimal digits that begin with 04';

/** On the curve: what is none would be refused by every proof. */
export const publicKey = z
  .string(PUBLIC_KEY_WANTED)
  .transform(read(pointOf))
  .describe('Its public key, P-256: the uncompressed point, 130 hexadecimal digits that begin with 04');

const TOKEN_WANTED = `a signed key (CWT), hexadecimal, at most ${MOST_TOKEN_BYTES} bytes`;
export const tokenBytes = z
  .string(TOKEN_WANTED)
  .max(2 * MOST_TOKEN_BYTES, TOKEN_WANTED)
  .regex(/^([0-9a-fA-F]{2})+$/, TOKEN_WANTED)
  .transform((text) => Buffer.from(text, 'hex'))
  .describe('The signed key: a CWT in COSE_Sign1, hexadecimal (docs/mobile-keys.md)');

function pointOf(digits: string): Buffer | string {
  if (!/^[0-9a-fA-F]{130}$/.test(digits)) return PUBLIC_KEY_WANTED;
  const point = Buffer.from(digits, 'hex');
  return importPoint(point) === null ? 'no point of the curve P-256' : point;
}
