// The mode that an entrance has by the clock: the first of its schedules that holds. A week asks for the time of day,
// which nobody knows without a trusted clock: then none holds.

import { rangesOn } from '../domain/schedule.ts';
import type { SiteEntrance } from '../domain/site.ts';
import type { TimeWitness } from '../domain/window.ts';
import type { Calendar } from './schedule-check.ts';

/** `interval`: which occurrence of which schedule it is, the same from its beginning to its end. */
export type Scheduled = { mode: 'unlocked' | 'locked'; origin: string; interval: string };

/** `hasCome`: whether the first person of an interval was let in. */
export function scheduledMode(
  entrance: SiteEntrance,
  time: TimeWitness,
  calendar: Calendar,
  hasCome: (interval: string) => boolean,
): Scheduled | null {
  for (const { scheduled, firstPerson } of intervalsAt(entrance, time, calendar))
    if (!firstPerson || hasCome(scheduled.interval)) return scheduled;
  return null;
}

/** All that hold by the clock, whether or not somebody has come. */
export function intervalsAt(
  { modeSchedules }: SiteEntrance,
  time: TimeWitness,
  calendar: Calendar,
): { scheduled: Scheduled; firstPerson: boolean }[] {
  if (modeSchedules.length === 0 || !time.trusted) return [];
  const moment = calendar.moment(time.nowMs);
  const isHoliday = calendar.isHoliday(moment.date);
  return modeSchedules.flatMap(({ mode, schedule, firstPerson }, i) => {
    const range = rangesOn(schedule, moment, isHoliday).find(
      ({ fromMinute, untilMinute }) => fromMinute <= moment.minute && moment.minute < untilMinute,
    );
    if (range === undefined) return [];
    const interval = `${moment.date} ${i} ${range.fromMinute}`;
    return [{ scheduled: { mode, origin: `mode_schedules[${i}]`, interval }, firstPerson }];
  });
}
