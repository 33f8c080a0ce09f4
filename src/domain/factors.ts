// What a person must show at an entrance, which may be something else by the clock: a card by day, a card and a code by
// night. Where the time of day is not known the strictest of them holds.

import type { Schedule } from './schedule.ts';

export type Factors = 'card' | 'code' | 'card_or_code' | 'card_and_code';

/** The first of `schedules` that holds; else `otherwise`. */
export type FactorsByTime = {
  schedules: readonly { factors: Factors; schedule: Schedule }[];
  otherwise: Factors;
};

const all = ({ schedules, otherwise }: FactorsByTime): Factors[] => [
  otherwise,
  ...schedules.map(({ factors }) => factors),
];

/** What an entrance takes at any time at all: where each of a card and a code is ever of use, either of them. */
export function widestOf(byTime: FactorsByTime): Factors {
  const used = all(byTime);
  if (used.every((factors) => factors === byTime.otherwise)) return byTime.otherwise;
  return 'card_or_code';
}

/** Both before one; one before either; of a card and a code that which holds without a schedule. */
export function strictestOf(byTime: FactorsByTime): Factors {
  const used = all(byTime);
  const strict = used.filter((factors) => factors !== 'card_or_code');
  return used.includes('card_and_code') ? 'card_and_code' : (strict[0] ?? 'card_or_code');
}
