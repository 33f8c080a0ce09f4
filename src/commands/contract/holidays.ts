// Holidays.

import { z } from 'zod';
import { id, text, system, paging, DATE_ORDER, date, HOLIDAY } from './fields.ts';
import { command } from './spec.ts';

const holidayOnly = z.strictObject({ holiday_id: id('Which'), acs_system_id: system });

export const HOLIDAYS = {
  'holidays/create': command({
    summary: 'Adds a day, or days in a row, on which schedules hold what they say of holidays.',
    params: z
      .strictObject({
        holiday_id: id(
          'Minted by the caller, so that a repeat is the same holiday; left out, Lintel mints it',
        ).optional(),
        acs_system_id: system,
        name: text('What people call it', 200),
        date: date.describe('The day, or the first of them, `YYYY-MM-DD`'),
        last_date: date.optional().describe('The last of them, at most 61 days in all; left out, it is one day'),
        every_year: z.boolean().default(false).describe('On the same days of every year'),
      })
      .refine((value) => value.last_date === undefined || value.last_date >= value.date, DATE_ORDER),
    result: '`holiday`: the holiday',
    kind: 'stores',
    example: { holiday_id: HOLIDAY, name: 'Christmas', date: '2026-12-25', last_date: '2026-12-26', every_year: true },
  }),
  'holidays/get': command({
    summary: 'One holiday.',
    params: holidayOnly,
    result: '`holiday`: the holiday',
    kind: 'reads',
    example: { holiday_id: HOLIDAY },
  }),
  'holidays/list': command({
    summary: 'Holidays, in order of creation.',
    params: z.strictObject(paging),
    result: '`holidays`, `pagination`',
    kind: 'reads',
    example: {},
  }),
  'holidays/update': command({
    summary: 'Changes what is given and leaves the rest.',
    params: z.strictObject({
      holiday_id: id('Which'),
      acs_system_id: system,
      name: text('What people call it', 200).optional(),
      date: date.optional().describe('The day, or the first of them'),
      last_date: date.optional().describe('The last of them'),
      every_year: z.boolean().optional().describe('On the same days of every year'),
    }),
    result: '`holiday`: the holiday',
    kind: 'stores',
    example: { holiday_id: HOLIDAY, every_year: false },
  }),
  'holidays/delete': command({
    summary: 'Deletes a holiday: its days are days of the week as any other.',
    params: holidayOnly,
    result: '`{}`',
    kind: 'stores',
    example: { holiday_id: HOLIDAY },
  }),
} as const;
