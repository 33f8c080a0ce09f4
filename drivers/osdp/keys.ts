// Which key a reader is greeted with, and which keys are no keys. The default key is in no list here: it is tried only
// inside an install window that an operator opened for that one reader, never because another key failed.

import { OperatingError } from '../../src/domain/errors.ts';
import type { Random } from '../driver.ts';
import { KEY_BYTES, SCBK_DEFAULT } from './secure-channel.ts';

/** Fewer distinct byte values than this are no chance: sixteen random bytes have less than nine once in ten million. */
const LEAST_DISTINCT = 8;

/** Why this key must not be used, or null when nothing speaks against it. Never names the key. */
export function keyWeakness(key: Buffer): string | null {
  if (key.length !== KEY_BYTES)
    return `a key has ${KEY_BYTES} bytes (32 hexadecimal digits), this one has ${key.length}`;
  if (key.equals(SCBK_DEFAULT)) return 'this is the default key that every reader has in install mode';
  const steps = new Set(
    [...key].map((byte, i) => (byte - (key[(i + KEY_BYTES - 1) % KEY_BYTES] ?? 0)) & 0xff).slice(1),
  );
  if (steps.size === 1) return 'its bytes are all equal or count up or down';
  for (const period of [1, 2, 4, 8])
    if (key.subarray(period).equals(key.subarray(0, KEY_BYTES - period)))
      return `it repeats itself every ${period} bytes`;
  if (new Set(key).size < LEAST_DISTINCT) return 'it has too few different bytes to be random';
  if (key.every((byte) => byte >= 0x20 && byte < 0x7f)) return 'it is plain text: somebody’s words, not random bytes';
  return null;
}

/** A random key that `keyWeakness` has nothing against. */
export function makeKey(random: Random): Buffer {
  for (;;) {
    const key = random.bytes(KEY_BYTES);
    if (keyWeakness(key) === null) return key;
  }
}

/**
 * Reads a key as operators have it: 32 hexadecimal digits, with or without spaces, colons or dashes. Throws
 * `invalid_input` with what is wrong, never the key.
 */
export function parseKey(text: string): Buffer {
  const digits = text.trim().replaceAll(/[\s:-]/g, '');
  if (!/^[0-9A-Fa-f]{32}$/.test(digits)) {
    throw new OperatingError('invalid_input', 'a Secure Channel key is written as 32 hexadecimal digits');
  }
  const key = Buffer.from(digits, 'hex');
  const weakness = keyWeakness(key);
  if (weakness !== null) throw new OperatingError('invalid_input', `this key is refused: ${weakness}`);
  return key;
}
