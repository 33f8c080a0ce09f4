// How devices write an instant: a table of forms, each a number of one to three registers. `local` ones go by the wall
// clock at the door, so a zone comes along.

import { Temporal } from 'temporal-polyfill';

export const TIME_TYPES = [
  'unix32',
  'minutes2000',
  'days1970',
  'ymd-packed',
  'bcd-yyyymmdd',
  'bcd-yymmddhhmm',
  'bcd-yymmddhhmmss',
] as const;
export type TimeType = (typeof TIME_TYPES)[number];

/** The parts of a wall clock; `weekday` 1 is Monday. */
export type WallClock = { year: number; month: number; day: number; hour: number; minute: number; second: number };

type TimeForm = {
  registers: number;
  resolutionMs: number;
  /** Null when the form cannot say it. */
  toRaw(wall: WallClock): bigint | null;
  /** Null when the number is no date. */
  fromRaw(raw: bigint): WallClock | null;
};

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const EPOCH_2000_MS = Date.UTC(2000, 0, 1);

/** A wall clock as if it were UTC: for counting forms, and to check that a date exists. */
const asUtcMs = (wall: WallClock): number =>
  Date.UTC(wall.year, wall.month - 1, wall.day, wall.hour, wall.minute, wall.second);

function fromUtcMs(ms: number): WallClock {
  const date = new Date(ms);
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
  };
}

const counting = (registers: number, resolutionMs: number, epochMs: number): TimeForm => ({
  registers,
  resolutionMs,
  toRaw(wall) {
    const raw = Math.floor((asUtcMs(wall) - epochMs) / resolutionMs);
    return raw < 0 || raw >= 2 ** (registers * 16) ? null : BigInt(raw);
  },
  fromRaw: (raw) => fromUtcMs(Number(raw) * resolutionMs + epochMs),
});

type Part = keyof WallClock | 'century';

/** BCD, two digits for each part, first part highest; what is over at the end is zero. */
const bcd = (registers: number, resolutionMs: number, parts: readonly Part[]): TimeForm => ({
  registers,
  resolutionMs,
  toRaw(wall) {
    if (!parts.includes('century') && (wall.year < 2000 || wall.year > 2099)) return null;
    const text = parts.map((part) => twoDigits(part === 'century' ? Math.floor(wall.year / 100) : wall[part] % 100));
    return BigInt(`0x${text.join('').padEnd(registers * 4, '0')}`);
  },
  fromRaw(raw) {
    const text = raw.toString(16).padStart(registers * 4, '0');
    if (!/^[0-9]+$/.test(text)) return null;
    const wall: WallClock = { year: 0, month: 1, day: 1, hour: 0, minute: 0, second: 0 };
    let century = 20;
    parts.forEach((part, i) => {
      const value = Number(text.slice(i * 2, i * 2 + 2));
      if (part === 'century') century = value;
      else wall[part] = value;
    });
    wall.year += century * 100;
    return isDate(wall) ? wall : null;
  },
});

const twoDigits = (value: number): string => value.toString().padStart(2, '0');

/** Whether the calendar has it: 30 February has not. */
const isDate = (wall: WallClock): boolean => {
  const back = fromUtcMs(asUtcMs(wall));
  return (Object.keys(back) as (keyof WallClock)[]).every((part) => back[part] === wall[part]);
};

const ymdPacked: TimeForm = {
  registers: 1,
  resolutionMs: DAY_MS,
  toRaw: ({ year, month, day }) =>
    year < 2000 || year > 2127 ? null : BigInt(((year - 2000) << 9) | (month << 5) | day),
  fromRaw(raw) {
    const value = Number(raw);
    const wall = {
      year: 2000 + (value >> 9),
      month: (value >> 5) & 15,
      day: value & 31,
      hour: 0,
      minute: 0,
      second: 0,
    };
    return isDate(wall) ? wall : null;
  },
};

export const TIME_FORMS: Readonly<Record<TimeType, TimeForm>> = {
  unix32: counting(2, SECOND_MS, 0),
  minutes2000: counting(2, MINUTE_MS, EPOCH_2000_MS),
  days1970: counting(1, DAY_MS, 0),
  'ymd-packed': ymdPacked,
  'bcd-yyyymmdd': bcd(2, DAY_MS, ['century', 'year', 'month', 'day']),
  'bcd-yymmddhhmm': bcd(3, MINUTE_MS, ['year', 'month', 'day', 'hour', 'minute']),
  'bcd-yymmddhhmmss': bcd(3, SECOND_MS, ['year', 'month', 'day', 'hour', 'minute', 'second']),
};

/** The wall clock of an instant, by `zone` (an IANA name, or `UTC`). Seconds are cut, not rounded. */
export function wallClock(atMs: number, zone: string): WallClock & { weekday: number } {
  const local = Temporal.Instant.fromEpochMilliseconds(Math.floor(atMs)).toZonedDateTimeISO(zone);
  const { year, month, day, hour, minute, second, dayOfWeek } = local;
  return { year, month, day, hour, minute, second, weekday: dayOfWeek };
}

/** The instant of a wall clock; the earlier of two in the hour that comes twice. */
export const instantOf = (wall: WallClock, zone: string): number =>
  Temporal.ZonedDateTime.from({ ...wall, timeZone: zone }, { disambiguation: 'earlier' }).epochMilliseconds;

/**
 * The number for the start of a window (`from`) or its end (`until`, exclusive), or null when the form cannot say it.
 * Forms of a minute and finer are rounded inwards, so that the device never opens outside the window; forms of a day
 * outwards, because inwards nothing would be left of a day (who writes them at the start and erases them at the end
 * keeps the window).
 */
export function windowToRaw(
  type: TimeType,
  edge: 'from' | 'until',
  atMs: number,
  zone: string,
  inclusive: boolean,
): bigint | null {
  const form = TIME_FORMS[type];
  const { resolutionMs } = form;
  if (resolutionMs >= DAY_MS) {
    if (edge === 'from') return form.toRaw(wallClock(atMs, zone));
    const lastDay = wallClock(atMs - 1, zone);
    return form.toRaw(inclusive ? lastDay : fromUtcMs(asUtcMs({ ...lastDay, hour: 0, minute: 0, second: 0 }) + DAY_MS));
  }
  const roundedMs =
    edge === 'from' ? Math.ceil(atMs / resolutionMs) * resolutionMs : Math.floor(atMs / resolutionMs) * resolutionMs;
  return form.toRaw(wallClock(edge === 'until' && inclusive ? roundedMs - resolutionMs : roundedMs, zone));
}

/** The instant that a stored edge means, or null when the number is no date. */
export function windowFromRaw(
  type: TimeType,
  edge: 'from' | 'until',
  raw: bigint,
  zone: string,
  inclusive: boolean,
): number | null {
  const form = TIME_FORMS[type];
  const wall = form.fromRaw(raw);
  if (wall === null) return null;
  if (edge === 'from' || !inclusive) return instantOf(wall, zone);
  return form.resolutionMs >= DAY_MS
    ? instantOf(fromUtcMs(asUtcMs(wall) + DAY_MS), zone)
    : instantOf(wall, zone) + form.resolutionMs;
}
