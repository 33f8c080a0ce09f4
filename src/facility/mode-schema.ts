// Modes in the facility file: those that an entrance has by the clock, and inputs that want one.

import { z } from 'zod';
import { parseRanges, parseWeek, type DayRange } from '../domain/schedule.ts';

const WEEK_WORDS = 'days and ranges as mon-fri 08:00-12:00, 13:00-17:00; sat 10:00-14:00';

/** What `parse` makes of it, or what it says is wrong. */
const read =
  <T, R>(parse: (value: T) => R | string) =>
  (value: T, context: z.RefinementCtx<T>): R => {
    const parsed = parse(value);
    if (typeof parsed !== 'string') return parsed;
    context.addIssue({ code: 'custom', message: parsed, input: value });
    return z.NEVER;
  };

function holidaysOf(text: string): DayRange[] | null | string {
  if (text === 'as_usual') return null;
  if (text === 'closed') return [];
  const parsed = parseRanges(text.split(',').map((one) => one.trim()));
  return typeof parsed === 'string' ? `closed, as_usual, or ranges of the day: ${parsed}` : parsed;
}

export const week = z
  .string()
  .max(1000)
  .transform(read<string, DayRange[][]>(parseWeek))
  .meta({
    title: 'Week',
    description: 'When, by the wall clock of the building.',
    examples: ['mon-fri 08:00-17:00'],
    patternErrorMessage: WEEK_WORDS,
  });
export const onHolidays = z
  .string()
  .max(200)
  .prefault('closed')
  .transform(read<string, DayRange[] | null>(holidaysOf))
  .meta({
    title: 'On holidays',
    description:
      'What holds on the holidays that commands set: `closed` (not at all), `as_usual`, or ranges of the day as `10:00-14:00`.',
    patternErrorMessage: '`closed`, `as_usual`, or ranges of the day as `10:00-14:00`',
  });

/** By the clock of the building. */
export const modeSchedules = z
  .array(
    z.strictObject({
      mode: z.enum(['unlocked', 'locked']).meta({
        title: 'Mode',
        description: '`unlocked`: free to walk through; `locked`: nobody is let in, everybody gets out.',
        examples: ['unlocked'],
      }),
      week,
      on_holidays: onHolidays,
      first_person: z.boolean().default(false).meta({
        title: 'First person',
        description: 'Each time it begins only once somebody was let in at this entrance.',
      }),
    }),
  )
  .max(16)
  .default([])
  .meta({
    title: 'Mode schedules',
    description: 'Modes that the entrance has by the clock, the first that holds. Without a trusted clock none does.',
    examples: [[{ mode: 'unlocked', week: 'mon-fri 08:00-17:00' }]],
  });

export const modeInput = z
  .strictObject({
    controller: z.string().meta({
      title: 'Controller',
      description: 'The controller that sees the input.',
      examples: ['relay-board'],
    }),
    input: z
      .int()
      .min(0)
      .max(65_535)
      .meta({ title: 'Input', description: 'Its input, counted from 0.', examples: [3] }),
    normally: z.enum(['open', 'closed']).default('open').meta({
      title: 'Normally',
      description:
        'How its contact is at rest. `closed`: it wants the mode as soon as it opens, a cut wire included, as a fire panel should be wired.',
    }),
    mode: z.enum(['evacuate', 'lockdown', 'unlocked', 'locked']).meta({
      title: 'Mode',
      description: 'What it wants while it is active.',
      examples: ['evacuate'],
    }),
    latched: z
      .boolean()
      .optional()
      .meta({
        title: 'Latched',
        description:
          'Whether that holds on when the input is at rest again, until `facility/all_clear`; an evacuation only by `lintel facility all-clear` on the gateway. Without it true for `evacuate` and `lockdown`, false for the others.',
        examples: [true],
      }),
    entrances: z
      .array(z.string())
      .min(1)
      .max(1000)
      .optional()
      .meta({
        title: 'Entrances',
        description: 'Which entrances, by their names in this file; without it all.',
        examples: [['lobby']],
      }),
  })
  .refine((value) => value.latched !== true || value.mode === 'evacuate' || value.mode === 'lockdown', {
    path: ['latched'],
    error: 'only evacuate and lockdown are taken back by an all-clear',
    params: { remedy: 'Leave it out: the mode holds while the input is active.' },
  });
