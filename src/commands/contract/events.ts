// The log of events.

import { z } from 'zod';
import { system, limit, eventType } from './fields.ts';
import { command } from './spec.ts';

export const EVENTS = {
  'events/list': command({
    summary: 'Events from a sequence number on, oldest first.',
    params: z.strictObject({
      acs_system_id: system,
      from_sequence: z.int().min(0).default(1).describe('The first wanted'),
      event_types: z.array(eventType).max(50).optional().describe('Only these'),
      limit,
    }),
    result: '`events`, `first_sequence` and `last_sequence` kept, `next_sequence`',
    kind: 'reads',
    example: { from_sequence: 4711 },
  }),
} as const;
