// The log of events.

import { z } from 'zod';
import { system, limit, eventType, instant } from './fields.ts';
import { command } from './spec.ts';

export const EVENTS = {
  'events/list': command({
    summary: 'Events from a sequence number on, oldest first.',
    params: z.strictObject({
      acs_system_id: system,
      from_sequence: z.int().min(0).default(1).describe('The first wanted'),
      event_type: eventType.optional().describe('Only this one'),
      event_types: z.array(eventType).max(50).optional().describe('Only these'),
      occurred_since: instant.optional().describe('Only what happened at this instant or later'),
      occurred_before: instant.optional().describe('Only what happened before it'),
      created_since: instant.optional().describe('Only what was recorded at this instant or later'),
      created_before: instant.optional().describe('Only what was recorded before it'),
      limit,
    }),
    result:
      '`events`, `first_sequence` and `last_sequence` kept, `next_sequence`, and `forgotten`: the numbers that were asked for and are kept no more. With a filter 5,000 events are looked at for a page, so one may be empty while `next_sequence` is not behind `last_sequence` yet',
    kind: 'reads',
    example: { from_sequence: 4711 },
  }),
} as const;
