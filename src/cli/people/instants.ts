// Days and times as people write them in lists, at the building's own clock.

import { Temporal } from 'temporal-polyfill';

/** A day that ends something is included: valid until Friday is valid on Friday. */
export type Which = 'start' | 'end';

const WITH_OFFSET = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/i;
const LOCAL = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?))?$/;
const DOTTED = /^(\d{1,2})\.(\d{1,2})\.(\d{4})(?: (\d{2}:\d{2}(?::\d{2})?))?$/;

/** RFC 3339 in UTC; null: it is none of what is understood. */
export function instantOf(text: string, timeZone: string, which: Which): string | null {
  if (WITH_OFFSET.test(text)) {
    const ms = Date.parse(text.replace(' ', 'T'));
    return Number.isNaN(ms) ? null : new Date(ms).toISOString();
  }
  const [, day, month, year, clock] = DOTTED.exec(text) ?? [];
  const iso =
    day === undefined || month === undefined
      ? text
      : `${year ?? ''}-${month.padStart(2, '0')}-${day.padStart(2, '0')}${clock === undefined ? '' : ` ${clock}`}`;
  const [, date, time] = LOCAL.exec(iso) ?? [];
  if (date === undefined) return null;
  try {
    const plain = Temporal.PlainDate.from(date, { overflow: 'reject' });
    const moment =
      time === undefined
        ? (which === 'start' ? plain : plain.add({ days: 1 })).toZonedDateTime({ timeZone })
        : plain.toZonedDateTime({ timeZone, plainTime: Temporal.PlainTime.from(time, { overflow: 'reject' }) });
    return new Date(moment.epochMilliseconds).toISOString();
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

export const INSTANT_WORDS =
  'write 2027-01-31, 2027-01-31 18:00, 31.01.2027 or 2027-01-31T18:00:00+01:00 (31/01/2027 is not taken: nobody can tell the day from the month)';
