// Instants as people write them: by the wall clock of the building, with the day of the week beside the date, so that a
// row that means a Sunday says so.

import { Temporal } from 'temporal-polyfill';

export const TIME_ZONE = 'Europe/Oslo';

const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
const FORM = /^([A-Z][a-z]{2}) ([0-9]{4}-[0-9]{2}-[0-9]{2}) ([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{3})?)?)( summer| winter)?$/; // prettier-ignore

/**
 * `Mon 2026-03-02 07:59`, seconds and thousandths where they matter; `summer` or `winter` behind an hour that autumn
 * has twice. A message instead.
 */
export function atLocal(text: string): number | string {
  const [, day, date, clock, which] = FORM.exec(text) ?? [];
  if (date === undefined || clock === undefined || day === undefined)
    return `"${text}" is not as Mon 2026-03-02 07:59, the wall clock of the building`;
  const plain = Temporal.PlainDateTime.from(`${date}T${clock}`);
  const real = DAYS[plain.dayOfWeek - 1];
  if (real !== day) return `${date} is a ${real ?? ''}, not a ${day}`;
  const disambiguation = which === ' winter' ? 'later' : 'earlier';
  const zoned = plain.toZonedDateTime(TIME_ZONE, { disambiguation });
  if (!zoned.toPlainDateTime().equals(plain)) return `no clock shows ${text}: that hour is left out`;
  const isTwice = zoned.epochMilliseconds !== plain.toZonedDateTime(TIME_ZONE, { disambiguation: 'later' }).epochMilliseconds; // prettier-ignore
  if (isTwice && which === undefined) return `the clock shows ${text} twice: say summer or winter behind it`;
  return zoned.epochMilliseconds;
}
