// What counts as a slip of the finger: held against every edit of a code that is one, made here in the plainest way.

import { expect, it } from 'vitest';
import { isSlip } from '../../src/domain/slip.ts';

const DIGITS = Array.from('0123456789');

function slipsOf(code: string): Set<string> {
  const places = Array.from(code, (_, i) => i);
  const wrong = places.flatMap((i) => DIGITS.map((digit) => code.slice(0, i) + digit + code.slice(i + 1)));
  const missing = places.map((i) => code.slice(0, i) + code.slice(i + 1));
  const added = [...places, code.length].flatMap((i) =>
    DIGITS.map((digit) => code.slice(0, i) + digit + code.slice(i)),
  );
  const swapped = places
    .slice(1)
    .map((i) => code.slice(0, i - 1) + (code[i] ?? '') + (code[i - 1] ?? '') + code.slice(i + 1));
  return new Set([...wrong, ...missing, ...added, ...swapped].filter((slip) => slip !== code));
}

/** Every text of up to so many of these digits. */
const texts = (digits: readonly string[], length: number): string[] =>
  length === 0 ? [''] : texts(digits, length - 1).flatMap((text) => [text, ...digits.map((digit) => text + digit)]);

it.each(['4711', '1122', '1212', '999', '123456'])('of %s is each single edit of it, and nothing else', (code) => {
  const slips = slipsOf(code);
  const others = [...new Set(texts([...new Set(Array.from(code))].slice(0, 3), Math.min(5, code.length + 1)))];
  for (const text of new Set([...slips, ...others, code, `${code}00`, code.slice(2)]))
    expect({ text, isSlip: isSlip(text, code) }).toEqual({ text, isSlip: slips.has(text) });
  // A few dozen, so that whoever tries them learns next to nothing.
  expect(slips.size).toBeLessThan(12 * (code.length * 2 + 1));
});
