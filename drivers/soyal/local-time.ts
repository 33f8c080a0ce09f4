// The controller's clock: seven binary bytes of local time (section 2.8), second first, weekday 1 for Sunday, year
// without century. It knows neither zones nor summer time, so the host says which wall clock it should show.

import { Temporal } from 'temporal-polyfill';
import { assert } from '../../src/domain/errors.ts';

export const LOCAL_TIME_BYTES = 7;

export type LocalTime = { year: number; month: number; day: number; hour: number; minute: number; second: number };

/** Instants the clock can show at all: the century is not stored. */
export const isShowable = (time: LocalTime): boolean => time.year >= 2000 && time.year <= 2099;

export function encodeLocalTime(time: LocalTime): Buffer {
  assert(isShowable(time), 'the clock shows the years 2000 to 2099');
  const weekday = (plain(time).dayOfWeek % 7) + 1;
  return Buffer.from([time.second, time.minute, time.hour, weekday, time.day, time.month, time.year - 2000]);
}

/** The time in the first seven bytes; null when they hold no possible date. The weekday is not believed. */
export function decodeLocalTime(bytes: Buffer): LocalTime | null {
  const [second = 0, minute = 0, hour = 0, , day = 0, month = 0, year = 0] = bytes;
  const time = { year: 2000 + year, month, day, hour, minute, second };
  if (year > 99) return null;
  try {
    plain(time);
    return time;
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

const plain = (time: LocalTime): Temporal.PlainDateTime => Temporal.PlainDateTime.from(time, { overflow: 'reject' });

/** What a wall clock in this zone shows at that instant. */
export function localTimeAt(epochMs: number, timeZone: string): LocalTime {
  const { year, month, day, hour, minute, second } = Temporal.Instant.fromEpochMilliseconds(
    Math.floor(epochMs),
  ).toZonedDateTimeISO(timeZone);
  return { year, month, day, hour, minute, second };
}

/**
 * The instant a clock means that knows nothing of summer time and was read about `nearMs`. Of the two an hour of autumn
 * has, the nearer; in an hour that spring left out it was not put forward, and is an hour behind.
 */
export function instantShown(time: LocalTime, timeZone: string, nearMs: number): number {
  const [earlier, later] = (['earlier', 'later'] as const).map(
    (disambiguation) => plain(time).toZonedDateTime(timeZone, { disambiguation }).epochMilliseconds,
  );
  assert(earlier !== undefined && later !== undefined, 'a wall clock means some instant');
  const isLeftOut = localTimeAt(earlier, timeZone).hour !== time.hour;
  return isLeftOut || Math.abs(earlier - nearMs) <= Math.abs(later - nearMs) ? earlier : later;
}

/** What the clock shows, as if the wall had no zone: it runs on evenly where the wall clock leaps. */
export const evenMs = ({ year, month, day, hour, minute, second }: LocalTime): number =>
  Date.UTC(year, month - 1, day, hour, minute, second);

/** The instant a wall clock in this zone means; of the two an hour of autumn has, the earlier. */
export function instantOf(time: LocalTime, timeZone: string): number {
  return plain(time).toZonedDateTime(timeZone, { disambiguation: 'compatible' }).epochMilliseconds;
}
