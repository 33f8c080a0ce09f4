// For how long doors decide without word from above, for the facility and, where it says otherwise, for an entrance.

import { z } from 'zod';
import { duration } from './values.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** Milliseconds once read, or `unlimited`. */
export const grace = z.union([z.literal('unlimited'), duration(MINUTE_MS, 365 * DAY_MS)], {
  error: 'expected unlimited, or a duration from 1m to 365d such as 72h',
});

export const offlineClasses = {
  staff: grace.optional().meta({
    title: 'Staff',
    description: 'The same for people and credentials that have no end; without it `grace`.',
    examples: ['unlimited'],
  }),
  visitor: grace.optional().meta({
    title: 'Visitors',
    description: 'The same for those that have an end, the credential or the person; without it `grace`.',
    examples: ['24h'],
  }),
  one_time: grace.optional().meta({
    title: 'One-time',
    description: 'The same for credentials that are good for so many entries; without it `grace`.',
    examples: ['4h'],
  }),
} as const;

/** Of an entrance. */
export const entranceOffline = z
  .strictObject({
    grace: grace.optional().meta({
      title: 'Grace',
      description: 'How long this door goes on deciding without word from above; without it as the facility says.',
      examples: ['1h'],
    }),
    ...offlineClasses,
  })
  .prefault({})
  .meta({
    title: 'Without word from above',
    description: 'What this door says otherwise than `policy.offline`.',
    examples: [{ grace: '1h' }],
  });
