// What a person must show at an entrance, which may be something else by the clock: a card by day, a card and a code by
// night. Where the time of day is not known the strictest of them holds.

import type { Schedule } from './schedule.ts';

/** The strictest first. */
export const FACTORS = ['card_and_biometric', 'card_and_code', 'card', 'code', 'card_or_code'] as const;
export type Factors = (typeof FACTORS)[number];

/** The first of `schedules` that holds; else `otherwise`. */
export type FactorsByTime = {
  schedules: readonly { factors: Factors; schedule: Schedule }[];
  otherwise: Factors;
};

export const takesCards = (factors: Factors): boolean => factors !== 'code';
export const takesCodes = (factors: Factors): boolean => factors !== 'card' && factors !== 'card_and_biometric';

const all = ({ schedules, otherwise }: FactorsByTime): Factors[] => [
  otherwise,
  ...schedules.map(({ factors }) => factors),
];

/** What an entrance takes at any time at all: where each of a card and a code is ever of use, either of them. */
export function widestOf(byTime: FactorsByTime): Factors {
  const used = all(byTime);
  if (used.every((factors) => factors === byTime.otherwise)) return byTime.otherwise;
  if (!used.some(takesCodes)) return 'card';
  return 'card_or_code';
}

/** Both before one; one before either; of a card and a code that which holds without a schedule. */
export function strictestOf(byTime: FactorsByTime): Factors {
  const used = all(byTime);
  const both = FACTORS.find((factors) => factors.includes('_and_') && used.includes(factors));
  const one = used.find((factors) => factors !== 'card_or_code');
  return both ?? one ?? 'card_or_code';
}
