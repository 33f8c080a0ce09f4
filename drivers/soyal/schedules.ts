// Weekly schedules and holidays as the synchronisation knows them, in the time zones and the holiday list of a
// controller. Nothing of it can be read back.

import { assert } from '../../src/domain/errors.ts';
import type { DayRange } from '../../src/domain/schedule.ts';
import type { ScheduleDevice, ScheduleOutcome } from '../driver.ts';
import { MAX_HOLIDAYS_PER_WRITE } from './codec.ts';
import type { Maintenance } from './maintenance.ts';
import { CLOSED_DAY, type DayRange as ZoneRange } from './time-zones.ts';

/** Wire time of one frame: under 50 ms at 9600 baud, so that the inputs are read in between. */
const HOLIDAYS_PER_WRITE = 15;
/** No day of any year, for an entry that is to mean none. */
const NO_DAY = { month: 0, day: 0 };

export function scheduleDevice(maintenance: Maintenance): ScheduleDevice {
  return {
    async writeZone(zone, { days, onHolidays, link }) {
      assert(days.length === 7, 'a week has seven days');
      const written = {
        link: link ?? 0,
        onHolidays,
        level: 0,
        // Ours begins on Monday, the controller's on Sunday.
        days: days.map((_, day) => zoneRange(days[(day + 6) % 7] ?? null)),
      };
      return await maintenance.writeTimeZones(zone, [written]);
    },

    async writeHolidays(days, former) {
      const entries = days.slice(0, MAX_HOLIDAYS_PER_WRITE).map(monthAndDay);
      // A day twice is harmless on any firmware; only where there is none at all is there nothing to repeat.
      const filler = entries.at(-1) ?? NO_DAY;
      while (entries.length < Math.min(former, MAX_HOLIDAYS_PER_WRITE)) entries.push(filler);
      for (let at = 0; at < entries.length; at += HOLIDAYS_PER_WRITE) {
        const outcome: ScheduleOutcome = await maintenance.writeHolidays(
          at,
          entries.slice(at, at + HOLIDAYS_PER_WRITE),
        );
        if (outcome.outcome !== 'done') return outcome;
      }
      return { outcome: 'done' };
    },
  };
}

/** Ours ends before its last minute, the controller's with it. */
const zoneRange = (range: DayRange | null): ZoneRange =>
  range === null ? CLOSED_DAY : { beginMinute: range.fromMinute, endMinute: range.untilMinute - 1 };

function monthAndDay(text: string): { month: number; day: number } {
  const match = /^([0-9]{2})-([0-9]{2})$/.exec(text);
  assert(match !== null, 'a day of the year as MM-DD');
  return { month: Number(match[1]), day: Number(match[2]) };
}
