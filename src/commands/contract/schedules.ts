// Weekly schedules.

import { z } from 'zod';
import { id, text, system, paging, week, onHolidays, SCHEDULE } from './fields.ts';
import { command } from './spec.ts';

const scheduleOnly = z.strictObject({ schedule_id: id('Which'), acs_system_id: system });

export const SCHEDULES = {
  'schedules/create': command({
    summary: 'Adds a weekly schedule that credentials may follow.',
    params: z.strictObject({
      schedule_id: id(
        'Minted by the caller, so that a repeat is the same schedule; left out, Lintel mints it',
      ).optional(),
      acs_system_id: system,
      name: text('What people call it', 200),
      week,
      on_holidays: onHolidays.prefault('closed'),
    }),
    result: '`schedule`: the schedule',
    kind: 'stores',
    example: { schedule_id: SCHEDULE, name: 'Office hours', week: 'mon-fri 08:00-12:00, 13:00-17:00' },
  }),
  'schedules/get': command({
    summary: 'One schedule, and which controllers hold it.',
    params: scheduleOnly,
    result: '`schedule`: the schedule',
    kind: 'reads',
    example: { schedule_id: SCHEDULE },
  }),
  'schedules/list': command({
    summary: 'Schedules, in order of creation.',
    params: z.strictObject(paging),
    result: '`schedules`, `pagination`',
    kind: 'reads',
    example: {},
  }),
  'schedules/update': command({
    summary: 'Changes what is given and leaves the rest; whoever follows it follows it as it is now.',
    params: z.strictObject({
      schedule_id: id('Which'),
      acs_system_id: system,
      name: text('What people call it', 200).optional(),
      week: week.optional(),
      on_holidays: onHolidays.optional(),
    }),
    result: '`schedule`: the schedule',
    kind: 'stores',
    example: { schedule_id: SCHEDULE, on_holidays: '10:00-14:00' },
  }),
  'schedules/delete': command({
    summary: 'Deletes a schedule that no credential follows any more.',
    params: scheduleOnly,
    result: '`{}`',
    kind: 'stores',
    example: { schedule_id: SCHEDULE },
  }),
} as const;
