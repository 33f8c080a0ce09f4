// Schedules at a controller that decides for itself: the time zones that one takes there, and what of the calendar the
// controller must be told.

import { localMoment } from '../domain/local-time.ts';
import { mostRanges, type Schedule } from '../domain/schedule.ts';
import type { SlotController } from '../domain/site.ts';
import type { Store } from './store.ts';

/** One zone for each range of the fullest day. */
export const zonesNeeded = (schedule: Schedule): number => Math.max(1, mostRanges(schedule));

/** Ranges for holidays, which no controller knows: they have those of the day of the week, or none. */
export const hasRangesOfItsOwn = ({ holidays }: Schedule): boolean => holidays !== null && holidays.length > 0;

/** Inside a transaction: the zone that slots of this controller name for the schedule; null when it cannot keep it. */
export function zonesFor(
  store: Store,
  { name, slots }: SlotController,
  schedule: Schedule,
  scheduleKey: number,
): number | null {
  if (slots.schedules == null || hasRangesOfItsOwn(schedule)) return null;
  if (!store.zones.claim(name, slots.schedules, scheduleKey, zonesNeeded(schedule))) return null;
  return store.zones.chain(name, scheduleKey)[0]?.zone ?? null;
}

/**
 * The holidays of the coming year as `MM-DD`, the next first, at most `most`. `days` as the store has them. A device
 * keeps days without a year: one that has passed must not come back, and one in a year from today must not be today.
 */
export function holidaysFitting(days: readonly string[], timeZone: string, nowMs: number, most: number): string[] {
  const today = localMoment(nowMs, timeZone).date;
  const year = today.slice(0, 4);
  const nextYear = String(Number(year) + 1).padStart(4, '0');
  const dated = days.flatMap((day) => {
    if (day.length > 5) return day >= today && day < `${nextYear}${today.slice(4)}` ? [day] : [];
    return [`${day >= today.slice(5) ? year : nextYear}-${day}`];
  });
  const coming = [...new Set(dated)].sort().map((day) => day.slice(5));
  return [...new Set(coming)].slice(0, most);
}
