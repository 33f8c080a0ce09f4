// PIN rules. A PIN is a string of digits, leading zeros and all.

import { isRun } from './code-constraints.ts';
import type { Random } from './ports.ts';

export const PIN_FORM = /^[0-9]{4,12}$/;
export const PIN_MIN_DIGITS = 4;
export const PIN_MAX_DIGITS = 12;

/** At least this many possible codes per allocated one and entrance (IEC 60839-11-1). */
export const CODES_PER_ALLOCATED = 1000;

/** How many codes of a length an entrance may carry: 4 digits 10, 6 digits 1,000. */
export const codeCapacity = (digits: number): number => Math.floor(10 ** digits / CODES_PER_ALLOCATED);

/** Codes people try first: all the same digit, or a run up or down. */
export function isWeakPin(code: string): boolean {
  return /^(\d)\1*$/.test(code) || isRun(code);
}

/** A uniformly random code of `digits` digits that is not weak. */
export function randomPin(random: Random, digits: number): string {
  for (;;) {
    let code = '';
    while (code.length < digits) {
      // 250 is the largest multiple of ten in a byte: anything above would favour small digits.
      for (const byte of random.bytes(digits * 2)) {
        if (byte < 250 && code.length < digits) code += String(byte % 10);
      }
    }
    if (!isWeakPin(code)) return code;
  }
}
