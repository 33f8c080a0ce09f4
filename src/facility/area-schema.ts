// Areas and interlocks in the facility file.

import { z } from 'zod';
import { duration, uuid } from './values.ts';

const SECOND_MS = 1_000;
const DAY_MS = 86_400 * SECOND_MS;

const readers = (title: string, description: string, example: string) =>
  z
    .array(z.string())
    .max(64)
    .refine((names) => new Set(names).size === names.length, { error: 'a reader stands here twice' })
    .meta({ title, description, examples: [[example]] });

const TIME_WANTED = 'a time of the day, as 04:00';
const timeOfDay = z
  .string()
  .regex(/^([01][0-9]|2[0-3]):[0-5][0-9]$/)
  .transform((text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3)))
  .meta({ patternErrorMessage: TIME_WANTED });

const MOST_PEOPLE = 100_000;

export const areaSchema = z
  .strictObject({
    display_name: z
      .string()
      .min(1)
      .max(120)
      .optional()
      .meta({
        title: 'Display name',
        description: "Name for people; without it the area's name.",
        examples: ['Workshop'],
      }),
    in: readers(
      'In',
      'Readers at which whoever is let in enters this area, by their names under `controllers`.',
      'workshop-in',
    ).min(1),
    out: readers(
      'Out',
      'Readers at which whoever is let through leaves it. A reader between two areas stands in `out` of one and `in` of the other; one that leads into an area within this one stands in `in` of that one alone.',
      'workshop-out',
    ).default([]),
    anti_passback: z
      .enum(['hard', 'soft', 'timed'])
      .optional()
      .meta({
        title: 'Anti-passback',
        description:
          'What becomes of somebody who shows up at a way in and is inside already. `hard`: is not let in; `soft`: is let in, and it is told; `timed`: is not let in until `forget_after` after the entry. Without it nobody asks. Leaving is never denied.',
        examples: ['hard'],
      }),
    forget_after: duration(SECOND_MS, 30 * DAY_MS)
      .optional()
      .meta({
        title: 'Forget after',
        description: 'How long an entry counts for `anti_passback: timed`.',
        examples: ['10m'],
      }),
    limit: z
      .int()
      .min(1)
      .max(MOST_PEOPLE)
      .optional()
      .meta({
        title: 'Limit',
        description: 'Most people who may be inside; without it any number.',
        examples: [20],
      }),
    exempt_groups: z
      .array(uuid({ title: 'Group', description: 'Id of an access group.' }))
      .max(64)
      .default([])
      .meta({
        title: 'Exempt groups',
        description:
          'Access groups, by id, whose members neither `anti_passback` nor `limit` keeps out, where such a group opens the door: guards, say. They are counted like everybody.',
        examples: [['44444444-4444-4444-4444-444444444444']],
      }),
    reset: z
      .array(timeOfDay)
      .max(8)
      .refine((times) => new Set(times).size === times.length, { error: 'a time stands here twice' })
      .default([])
      .meta({
        title: 'Reset',
        description:
          'Times of the day, by the wall clock of the building, at which nobody is inside: whoever is still listed is taken off.',
        examples: [['04:00']],
      }),
    two_persons: duration(2 * SECOND_MS, 120 * SECOND_MS)
      .optional()
      .meta({
        title: 'Two persons',
        description:
          'Two different people must be shown at one door within this time, in either order, and go in together; without it one is enough.',
        examples: ['20s'],
      }),
  })
  .superRefine(({ anti_passback: kind, forget_after: after, limit, two_persons: two }, context) => {
    const flaw = (path: string, message: string, remedy: string): void => {
      context.addIssue({ code: 'custom', path: [path], message, params: { remedy } });
    };
    if (kind === 'timed' && after === undefined)
      flaw('anti_passback', 'nobody says how long an entry counts', 'Add `forget_after`, for example `10m`.');
    if (kind !== 'timed' && after !== undefined)
      flaw('forget_after', 'only `anti_passback: timed` forgets', 'Write `anti_passback: timed`, or leave it out.');
    if (two !== undefined && limit === 1)
      flaw('limit', 'two people enter together, and there is room for one', 'Write `limit: 2` or more.');
  });

export const interlockSchema = z.strictObject({
  entrances: z
    .array(z.string())
    .min(2)
    .max(16)
    .refine((names) => new Set(names).size === names.length, { error: 'an entrance stands here twice' })
    .meta({
      title: 'Entrances',
      description:
        'Doors of which at most one is open or unlocked at a time, by their names in this file: of an airlock, say.',
      examples: [['lock-outer', 'lock-inner']],
    }),
});
