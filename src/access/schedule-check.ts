// Whether a weekly schedule lets somebody in. A week asks for the time of day, which the last trusted instant cannot
// tell: without a trusted clock nobody comes in by a schedule.

import type { LocalMoment } from '../domain/local-time.ts';
import type { PathSchedule } from '../domain/path.ts';
import { isWithin, scheduleFrom } from '../domain/schedule.ts';
import type { TimeWitness } from '../domain/window.ts';
import type { Detail } from './details.ts';

/** What the building's wall clock and calendar say. */
export type Calendar = {
  moment(epochMs: number): LocalMoment;
  isHoliday(date: string): boolean;
};

/** What people call it, and the text of domain/schedule.ts. */
export type Scheduled = Pick<PathSchedule, 'name' | 'content'>;

/** Null: it lets in. */
export function whyOutside({ content }: Scheduled, time: TimeWitness, calendar: Calendar): Detail | null {
  if (!time.trusted) return 'clock_untrusted';
  const moment = calendar.moment(time.nowMs);
  return isWithin(scheduleFrom(content), moment, calendar.isHoliday(moment.date)) ? null : 'outside_schedule';
}
