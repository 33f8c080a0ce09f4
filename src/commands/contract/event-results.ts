// A part of what commands answer (results.ts): the log of events.

import { z } from 'zod';
import type { Parts } from './people-results.ts';

export function eventResults<E extends z.ZodType, W extends z.ZodType, M extends z.ZodType>({ count }: Parts<E, W, M>) {
  const event = z
    .looseObject({ sequence: z.int().min(1), event_type: z.string() })
    .describe('as it was published; a stub where it is larger than a reply may be');
  return {
    'events/list': z.strictObject({
      events: z.array(event),
      first_sequence: count('of the oldest that is kept; null: none is').nullable(),
      last_sequence: count('of the newest; null: none is kept').nullable(),
      next_sequence: count('for `from_sequence` of the next page'),
      forgotten: z
        .strictObject({ from_sequence: count('the first'), to_sequence: count('the last') })
        .nullable()
        .describe('numbers that were asked for and are kept no more, as `agent.events_forgotten` said; null: none'),
    }),
    'events/acknowledge': z.strictObject({
      acknowledged_sequence: count('of the newest event that was acknowledged'),
      delivered_sequence: count('of the newest that was handed to the broker'),
      waiting: count('events kept behind the acknowledged one'),
    }),
  };
}
