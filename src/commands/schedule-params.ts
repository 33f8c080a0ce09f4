// How the parameters of a schedule are read: a week in one line or day by day, and what holds on holidays.

import { parseRanges, parseWeek, WEEKDAYS, type DayRange } from '../domain/schedule.ts';

/** One line, or ranges by day of the week, where days left out are closed. */
type WeekParam = string | Partial<Record<string, readonly string[] | undefined>>;

/** Seven days, Monday first; a message instead. */
export function weekOf(param: WeekParam): DayRange[][] | string {
  if (typeof param === 'string') return parseWeek(param);
  const week: DayRange[][] = [];
  for (const day of WEEKDAYS) {
    const ranges = parseRanges(param[day] ?? []);
    if (typeof ranges === 'string') return `${day}: ${ranges}`;
    week.push(ranges);
  }
  return week.some((ranges) => ranges.length > 0) ? week : 'opens on no day at all. Remedy: name days and ranges';
}

/** Null: as usual; [] nothing; a message instead. */
export function holidaysOf(param: string | readonly string[]): DayRange[] | string | null {
  if (param === 'as_usual') return null;
  if (param === 'closed') return [];
  const ranges = typeof param === 'string' ? param.split(',').map((one) => one.trim()) : param;
  const parsed = parseRanges(ranges);
  return typeof parsed === 'string' ? `closed, as_usual, or ranges of the day: ${parsed}` : parsed;
}
