// Whether a controller that decides for itself can keep a schedule, and what of the calendar it must be told: asked
// when a command is accepted, so that nothing is promised that a door would not keep.

import type { ApiError } from '../domain/errors.ts';
import { localMoment } from '../domain/local-time.ts';
import { mostRanges, type Schedule } from '../domain/schedule.ts';
import type { SlotController } from '../domain/site.ts';
import type { Store } from './store.ts';

/** One zone for each range of the fullest day. */
export const zonesNeeded = (schedule: Schedule): number => Math.max(1, mostRanges(schedule));

/** Why the controller could not keep this schedule; null when it can. `param` is what a message points at. */
export function refusesSchedule(
  store: Store,
  { name, slots }: SlotController,
  schedule: Schedule,
  scheduleKey: number,
  param: string,
): ApiError | null {
  const path = ['params', param];
  const refusal = (type: ApiError['type'], message: string): ApiError => ({
    type,
    message: `params.${param}: ${message}`,
    path,
  });
  if (slots.schedules == null) {
    return refusal(
      'not_supported',
      `${name} decides by its own table and keeps no weekly schedules for Lintel. Remedy: leave its entrances out${slots.schedules === null ? ', or name the time zones that Lintel may write with schedule_zones in the facility file' : ''}`,
    );
  }
  if (schedule.holidays !== null && schedule.holidays.length > 0) {
    return refusal(
      'not_supported',
      `${name} has on holidays the ranges of the day of the week, or none. Remedy: on_holidays closed or as_usual`,
    );
  }
  const needed = zonesNeeded(schedule);
  if (store.zones.hasRoom(name, slots.schedules, scheduleKey, needed)) return null;
  const { firstZone, lastZone } = slots.schedules;
  return refusal(
    'no_space_for_access_code_on_device',
    `${name} has the time zones ${firstZone} to ${lastZone} for schedules, and fewer are free than the ${needed} that it needs (one for each range of the fullest day). Remedy: delete schedules that nobody follows there, or use fewer ranges`,
  );
}

/** Inside a transaction: the zone that slots of this controller name for the schedule; null when it cannot keep it. */
export function zonesFor(
  store: Store,
  { name, slots }: SlotController,
  schedule: Schedule,
  scheduleKey: number,
): number | null {
  if (slots.schedules == null || (schedule.holidays !== null && schedule.holidays.length > 0)) return null;
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
