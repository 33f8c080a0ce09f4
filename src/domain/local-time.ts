// What the wall clock of a place shows at an instant: the day and the minute that weekly schedules and holidays are
// judged by, daylight saving included.

import { Temporal } from 'temporal-polyfill';

export type LocalMoment = {
  /** `YYYY-MM-DD`. */
  date: string;
  /** 0 for Monday to 6 for Sunday. */
  weekday: number;
  /** Minutes since midnight as the wall clock shows them. */
  minute: number;
};

/**
 * `timeZone` is an IANA name. An hour that autumn has twice is shown twice; one that spring leaves out is never shown.
 */
export function localMoment(epochMs: number, timeZone: string): LocalMoment {
  const local = Temporal.Instant.fromEpochMilliseconds(Math.floor(epochMs)).toZonedDateTimeISO(timeZone);
  return {
    date: local.toPlainDate().toString(),
    weekday: local.dayOfWeek - 1,
    minute: local.hour * 60 + local.minute,
  };
}

/** The days from `first` to `last`, both included, as `YYYY-MM-DD`; at most `most` of them. */
export function daysBetween(first: string, last: string, most: number): string[] {
  const days: string[] = [];
  const end = Temporal.PlainDate.from(last);
  for (let day = Temporal.PlainDate.from(first); days.length < most; day = day.add({ days: 1 })) {
    if (Temporal.PlainDate.compare(day, end) > 0) break;
    days.push(day.toString());
  }
  return days;
}
