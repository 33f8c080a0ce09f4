// Whether what the file asks people to show can be shown there, at each time that it names.

import type { Capabilities } from '../domain/ports.ts';
import { printable } from '../domain/words.ts';
import type { Report } from './report.ts';
import { valueAt } from './shape.ts';
import type { KeyPath } from './yaml-source.ts';

/** What the file names for an entrance: at most times, and by each of its schedules. */
export function factorsIn(entrance: unknown): unknown[] {
  const schedules = valueAt(entrance, ['factor_schedules']);
  const byTime = Array.isArray(schedules) ? schedules.map((one) => valueAt(one, ['factors'])) : [];
  return [valueAt(entrance, ['factors']), ...byTime];
}

/** Of a reader at an entrance. */
export function checkShown(
  reader: string,
  at: KeyPath,
  entrance: unknown,
  { readers }: Pick<Capabilities, 'readers'>,
  report: Report,
): void {
  const keypad = readers.some((one) => one.keypad);
  const card = readers.some((one) => one.card);
  const wanted = new Set(factorsIn(entrance));
  for (const factors of ['code', 'card_and_code'])
    if (wanted.has(factors) && !keypad)
      report.error(
        at,
        `${reader} has no keypad, and factors: ${factors} asks for a code`,
        'Name a reader with a keypad, or write factors: card.',
      );
  for (const factors of ['card', 'card_and_code'])
    if (wanted.has(factors) && !card)
      report.error(
        at,
        `${reader} reads no cards, and factors: ${factors} asks for one`,
        'Name a reader that reads cards, or write factors: code.',
      );
  if (wanted.has('card_and_biometric') && !(card && readers.some((one) => one.biometric === true)))
    report.error(
      at,
      `${reader} ${card ? 'reads no fingers or faces' : 'reads no cards'}, and factors: card_and_biometric asks for both`,
      card
        ? 'Write `biometrics: {}` for it where it does and compares them with a template that it is given (OSDP), or name a reader that does.'
        : 'Name a reader that reads cards.',
    );
  if (wanted.has('card_or_code') && !(keypad && card))
    report.warn(
      at,
      `${reader} ${keypad ? 'reads no cards' : 'has no keypad'}: ${keypad ? 'cards' : 'codes'} cannot be shown there`,
      `Write factors: ${keypad ? 'code' : 'card'} if that is meant.`,
    );
}

/** A controller that decides by its own table asks for the same at all times. */
export function checkByTime(decider: string, entrance: unknown, path: KeyPath, report: Report): void {
  const schedules = valueAt(entrance, ['factor_schedules']);
  if (!Array.isArray(schedules) || schedules.length === 0) return;
  report.error(
    [...path, 'factor_schedules'],
    `${printable(decider)} decides here by its own table, which asks for the same at all times`,
    'Leave it out and write factors; or let Lintel decide: name readers and a strike in place of controller.',
  );
}
