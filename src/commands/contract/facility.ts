// The facility as a whole.

import { z } from 'zod';
import { system } from './fields.ts';
import { command } from './spec.ts';

export const FACILITY = {
  'facility/digest': command({
    summary:
      'A digest over ids, windows, entrances, flags and secret revisions, never over a PIN or card value, that the sender can compute from its own list.',
    params: z.strictObject({ acs_system_id: system }),
    result: '`revision`, `digest` (SHA-256, hexadecimal), `users`, `credentials`',
    kind: 'reads',
    example: {},
  }),
  'facility/reset_stream': command({
    summary:
      'Forgets the number of a stream, after its sender has begun anew: the next number that comes is believed, whatever it is.',
    params: z.strictObject({
      stream_id: z.string().min(1).max(64).describe('`stream.id` of the sender’s commands'),
      acs_system_id: system,
    }),
    result: '`stream_id`, `last_seq`: the number it stood at (null: there was no such stream)',
    kind: 'stores',
    example: { stream_id: 'tower-1' },
  }),
} as const;
