// PIN rules. A PIN is a string of digits, leading zeros and all.

import { CODE_CONSTRAINTS } from './code-constraints.ts';
import type { Random } from './ports.ts';

export const PIN_FORM = /^[0-9]{4,12}$/;
export const PIN_MIN_DIGITS = 4;
export const PIN_MAX_DIGITS = 12;

/** At least this many possible codes per allocated one and entrance (IEC 60839-11-1). */
export const CODES_PER_ALLOCATED = 1000;

/** How many codes of a length an entrance may carry: 4 digits 10, 6 digits 1,000. */
export const codeCapacity = (digits: number): number => Math.floor(10 ** digits / CODES_PER_ALLOCATED);

/** Drawn on the keypad: a column, a cross, a way around. No rule of digits finds them. */
const DRAWN = new Set([
  '2580', '0852', '1470', '0741', '3690', '0963', '1379', '7913', '147258', '258369', '147369', '159753', '159357', '123654', '321654', '789456',
]); // prettier-ignore

type Triviality = { name: string; isTrivial: (code: string) => boolean; says: string };
const breaks =
  (rule: keyof typeof CODE_CONSTRAINTS) =>
  (code: string): boolean =>
    !CODE_CONSTRAINTS[rule].isKept(code);

/**
 * What makes a code one of those that people try first; by Seam's names of the rule that it breaks where there is one.
 * The first that fits is told.
 */
const TRIVIALITIES: readonly Triviality[] = [
  { name: 'no_all_same_digits', isTrivial: breaks('no_all_same_digits'), says: 'its digits are all the same' },
  {
    name: 'no_ascending_or_descending_sequence',
    // Over the 0 as well: 7890, 8901, 3210, 1098.
    isTrivial: (code) => [1, 9].some((step) => hasOneStep(code, step)),
    says: 'its digits are a run up or down',
  },
  {
    name: 'at_least_three_unique_digits',
    isTrivial: breaks('at_least_three_unique_digits'),
    says: 'it has only two different digits',
  },
  { name: 'no_repetition', isTrivial: (code) => /^(\d{2,})\1+$/.test(code), says: 'it is the same few digits again' },
  { name: 'no_year', isTrivial: (code) => /^(19|20)\d\d$/.test(code), says: 'it is a year, as of a birth' },
  { name: 'no_keypad_pattern', isTrivial: (code) => DRAWN.has(code), says: 'it is drawn on the keypad' },
];

const hasOneStep = (code: string, step: number): boolean =>
  Array.from(code, Number).every((digit, i, all) => i === 0 || (digit - (all[i - 1] ?? 0) + 10) % 10 === step);

/** The rule that a code breaks which people try first, and what is trivial about it; null: it is none of those. */
export function trivialityOf(code: string): { name: string; says: string } | null {
  return TRIVIALITIES.find(({ isTrivial }) => isTrivial(code)) ?? null;
}

/** A uniformly random code of `digits` digits that is not trivial. */
export function randomPin(random: Random, digits: number): string {
  for (;;) {
    let code = '';
    while (code.length < digits) {
      // 250 is the largest multiple of ten in a byte: anything above would favour small digits.
      for (const byte of random.bytes(digits * 2)) {
        if (byte < 250 && code.length < digits) code += String(byte % 10);
      }
    }
    if (trivialityOf(code) === null) return code;
  }
}
