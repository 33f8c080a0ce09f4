// What a person must show at an entrance, in the facility file: at all times, or by the clock.

import { z } from 'zod';
import { onHolidays, week } from './mode-schema.ts';

/** A reader compares with one template: something else must say whose. */
const NOT_ALONE =
  'expected card_and_biometric: a reader compares a finger with one person’s template, so that a card must say whose; one that knows its people by itself tells a number like a card, which is factors: card';

export const factors = z.enum(['card', 'code', 'card_or_code', 'card_and_code', 'card_and_biometric'], {
  error: ({ input }) => (input === 'biometric' ? NOT_ALONE : undefined),
});

export const factorSchedules = z
  .array(
    z.strictObject({
      factors: factors.meta({
        title: 'Factors',
        description: 'What a person must show meanwhile, in place of `factors` of the entrance.',
        examples: ['card'],
      }),
      week,
      on_holidays: onHolidays,
    }),
  )
  .max(16)
  .default([])
  .meta({
    title: 'Factor schedules',
    description:
      'Other `factors` by the clock, the first that holds; outside all of them `factors` of the entrance. Without a trusted clock the strictest of them all. A card that waits for its code when they change still needs it.',
    examples: [[{ factors: 'card', week: 'mon-fri 07:00-19:00' }]],
  });
