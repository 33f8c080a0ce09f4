// Weekly schedules: for each day of the week the ranges of the wall clock in which a credential opens, and what holds
// on holidays. They repeat for ever; from when to when they do is the window's affair.

import type { LocalMoment } from './local-time.ts';

/** Minutes since midnight, `[fromMinute, untilMinute)`; 1440 is the end of the day. */
export type DayRange = { fromMinute: number; untilMinute: number };

export type Schedule = {
  /**
   * Seven days, Monday first; each with its ranges in order, none touching the next. [] is a day on which nobody
   * enters.
   */
  week: readonly (readonly DayRange[])[];
  /** What holds on holidays in place of the day of the week; null: the day of the week as usual, [] nothing at all. */
  holidays: readonly DayRange[] | null;
};

export const WEEKDAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] as const;
const DAY_MINUTES = 24 * 60;
/** More ranges a day than this is no schedule that anybody could explain at the door. */
export const MOST_RANGES = 8;
/** A range that nobody could make use of is a slip of the pen. */
const LEAST_MINUTES = 5;

/** The ranges that hold on the day of this moment. */
export function rangesOn(
  { week, holidays }: Schedule,
  { weekday }: LocalMoment,
  isHoliday: boolean,
): readonly DayRange[] {
  return isHoliday && holidays !== null ? holidays : (week[weekday] ?? []);
}

/** True when the schedule lets in at this moment. */
export function isWithin(schedule: Schedule, moment: LocalMoment, isHoliday: boolean): boolean {
  return rangesOn(schedule, moment, isHoliday).some(
    ({ fromMinute, untilMinute }) => fromMinute <= moment.minute && moment.minute < untilMinute,
  );
}

/** The most ranges that one of its days has. */
export const mostRanges = (schedule: Schedule): number => Math.max(0, ...schedule.week.map((ranges) => ranges.length));

// ---- as people write it ---------------------------------------------------------------------------------------------

const RANGE_FORM = /^([0-9]{2}):([0-9]{2})\s*-\s*([0-9]{2}):([0-9]{2})$/;
const RANGE_WANTED = 'as 08:00-17:30, from 00:00 to 24:00';

/** `08:00-17:30`; a message instead when it is none. */
function parseRange(text: string): DayRange | string {
  const match = RANGE_FORM.exec(text.trim());
  if (match === null) return `"${text}" is no range of the day ${RANGE_WANTED}`;
  const [fromHour = 0, fromMinutes = 0, untilHour = 0, untilMinutes = 0] = match.slice(1).map(Number);
  const fromMinute = fromHour * 60 + fromMinutes;
  const untilMinute = untilHour * 60 + untilMinutes;
  if (fromMinutes > 59 || untilMinutes > 59 || fromMinute >= DAY_MINUTES || untilMinute > DAY_MINUTES)
    return `"${text}" is no range of the day ${RANGE_WANTED}`;
  if (untilMinute <= fromMinute)
    return `"${text}" ends before it begins. One that passes midnight is two: ${clockText(fromMinute)}-24:00, and 00:00-${clockText(untilMinute)} on the day after`;
  if (untilMinute - fromMinute < LEAST_MINUTES) return `"${text}" is shorter than ${LEAST_MINUTES} minutes`;
  return { fromMinute, untilMinute };
}

/** The ranges of a day in order, those that overlap or touch made one; a message instead. */
export function parseRanges(texts: readonly string[]): DayRange[] | string {
  const ranges: DayRange[] = [];
  for (const text of texts) {
    const range = parseRange(text);
    if (typeof range === 'string') return range;
    ranges.push(range);
  }
  const merged = merge(ranges);
  return merged.length > MOST_RANGES
    ? `a day has at most ${MOST_RANGES} ranges, this one has ${merged.length}`
    : merged;
}

function merge(ranges: readonly DayRange[]): DayRange[] {
  const merged: DayRange[] = [];
  for (const range of [...ranges].sort((a, b) => a.fromMinute - b.fromMinute)) {
    const last = merged.at(-1);
    if (last !== undefined && range.fromMinute <= last.untilMinute)
      merged[merged.length - 1] = { ...last, untilMinute: Math.max(last.untilMinute, range.untilMinute) };
    else merged.push(range);
  }
  return merged;
}

/**
 * `mon-fri 08:00-12:00, 13:00-17:00; sat 10:00-14:00`: a week in one line, days left out are closed; a message instead.
 */
export function parseWeek(text: string): DayRange[][] | string {
  const week: DayRange[][] = WEEKDAYS.map(() => []);
  for (const part of text.split(';').filter((one) => one.trim() !== '')) {
    const match = /^([a-z][a-z,\s-]*?)\s+([0-9].*)$/.exec(part.trim().toLowerCase());
    if (match === null) return `"${part.trim()}" is not days and ranges, as mon-fri 08:00-12:00, 13:00-17:00`;
    const [, days = '', ranges = ''] = match;
    const named = parseDays(days);
    if (typeof named === 'string') return named;
    const parsed = parseRanges(ranges.split(',').map((one) => one.trim()));
    if (typeof parsed === 'string') return parsed;
    for (const day of named) {
      const together = merge([...(week[day] ?? []), ...parsed]);
      if (together.length > MOST_RANGES)
        return `a day has at most ${MOST_RANGES} ranges, ${WEEKDAYS[day] ?? ''} has ${together.length}`;
      week[day] = together;
    }
  }
  return week.some((ranges) => ranges.length > 0) ? week : 'opens on no day at all. Remedy: name days and ranges';
}

/** `mon`, `mon-fri`, `mon, wed`; a range may pass the end of the week. */
function parseDays(text: string): number[] | string {
  const found: number[] = [];
  for (const part of text.split(',').map((one) => one.trim())) {
    const [first = '', last = first, ...more] = part.split('-').map((one) => one.trim());
    const from = dayNamed(first);
    const until = dayNamed(last);
    if (from === null || until === null || more.length > 0)
      return `"${part}" is no day of the week: mon, tue, wed, thu, fri, sat or sun, or two of them as mon-fri`;
    for (let day = from; ; day = (day + 1) % WEEKDAYS.length) {
      found.push(day);
      if (day === until) break;
    }
  }
  return found;
}

function dayNamed(text: string): number | null {
  const day = WEEKDAYS.findIndex((name) => name === text || name.slice(0, 3) === text);
  return day === -1 ? null : day;
}

export const rangeText = ({ fromMinute, untilMinute }: DayRange): string =>
  `${clockText(fromMinute)}-${clockText(untilMinute)}`;

/** `08:30`. */
export const clockText = (minute: number): string =>
  `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;

/** A day's ranges for people. */
export const rangesText = (ranges: readonly DayRange[]): string =>
  ranges.length === 0 ? 'closed' : ranges.map(rangeText).join(', ');

// ---- as it is stored ------------------------------------------------------------------------------------------------

type Stored = { week: [number, number][][]; holidays: [number, number][] | null };

const pack = (ranges: readonly DayRange[]): [number, number][] =>
  ranges.map(({ fromMinute, untilMinute }) => [fromMinute, untilMinute]);
const unpack = (ranges: readonly [number, number][]): DayRange[] =>
  ranges.map(([fromMinute, untilMinute]) => ({ fromMinute, untilMinute }));

/** One text for one schedule: equal exactly when they hold at the same times. */
export const scheduleText = ({ week, holidays }: Schedule): string =>
  JSON.stringify({ week: week.map(pack), holidays: holidays === null ? null : pack(holidays) } satisfies Stored);

export function scheduleFrom(text: string): Schedule {
  const { week, holidays } = JSON.parse(text) as Stored;
  return { week: week.map(unpack), holidays: holidays === null ? null : unpack(holidays) };
}
