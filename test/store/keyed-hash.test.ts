// The hash under a key against the one of Node.

import { createHmac, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { KeyedHash } from '../../src/store/keyed-hash.ts';

test('is HMAC-SHA256, of texts and of bytes, short and long, one after the other', () => {
  for (const keyBytes of [0, 1, 16, 32, 63, 64]) {
    const key = randomBytes(keyBytes);
    const hash = new KeyedHash(key);
    for (const length of [0, 1, 55, 64, 1000, 1365, 1366, 4096, 4097, 20_000]) {
      for (const content of ['a'.repeat(length), '€'.repeat(length), randomBytes(length)]) {
        const whole = createHmac('sha256', key).update(content).digest();
        expect(hash.over(content)).toEqual(whole);
        expect(hash.over(content, 16)).toEqual(whole.subarray(0, 16));
      }
    }
  }
});

test('takes half a character as Node does', () => {
  const key = randomBytes(32);
  expect(new KeyedHash(key).over('\ud800')).toEqual(createHmac('sha256', key).update('\ud800').digest());
});

test('takes no key that would have to be hashed first', () => {
  expect(() => new KeyedHash(Buffer.alloc(65))).toThrow('a key is not longer than a block');
});
