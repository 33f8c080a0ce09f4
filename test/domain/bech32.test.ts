import { describe, expect, it } from 'vitest';
import { isBech32 } from '../../src/domain/bech32.ts';

describe('Bech32', () => {
  it('takes what the specification gives as valid, and nothing of what it gives as invalid', () => {
    expect(isBech32('a12uel5l', 'a')).toBe(true);
    expect(isBech32('abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw', 'abcdef')).toBe(true);
    expect(isBech32('split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w', 'split')).toBe(true);
    for (const [text, prefix] of [
      ['x1b4n0q5v', 'x'],
      ['li1dgmt3', 'li'],
      ['a12uel5m', 'a'],
      ['a12uel5l', 'b'],
      ['pzry9x0s0muk', ''],
      ['a1', 'a'],
      ['', ''],
    ] as const)
      expect(isBech32(text, prefix), text).toBe(false);
  });

  it('notices every single wrong character of a key', () => {
    const key = 'age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq';
    expect(isBech32(key, 'age')).toBe(true);
    for (let at = 4; at < key.length; at += 1)
      for (const wrong of ['q', 'p', 'l', 'Q'])
        if (key[at] !== wrong) expect(isBech32(key.slice(0, at) + wrong + key.slice(at + 1), 'age')).toBe(false);
  });
});
