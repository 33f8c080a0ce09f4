// The log of events.

import { z } from 'zod';
import { system, id, limit, eventType, instant } from './fields.ts';
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
  'events/acknowledge': command({
    summary:
      'Every event up to a number has arrived, where `mqtt.event_delivery` is `acknowledged`: those behind it are sent again. The same again, or an older number, changes nothing.',
    params: z.strictObject({
      acs_system_id: system,
      sequence: z.int().min(1).describe('The last that came without a gap before it'),
      event_id: id('Its `event_id`, so that no other log can be meant').optional(),
    }),
    result:
      '`acknowledged_sequence`, now; `delivered_sequence`, the newest that was handed to the broker; `waiting`, how many are kept behind the acknowledged one',
    kind: 'reads',
    effect: 'Takes events off what is to be delivered; it is not remembered as a command, for it may come again.',
    example: { sequence: 4711, event_id: '0192f7c4-7d1c-7c3e-9d5a-4f1f2f0b6d11' },
  }),
} as const;
