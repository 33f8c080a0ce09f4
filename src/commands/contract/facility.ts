// The facility as a whole.

import { z } from 'zod';
import { id, instant, system, text } from './fields.ts';
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
  'facility/lockdown': command({
    summary:
      'Locks all entrances down, or those that are named: nobody is let in at them, everybody gets out. Doors that their controllers decide for cannot be locked from here, and are named. It is taken while nobody knows the time, and on a full disk.',
    params: z.strictObject({
      acs_entrance_ids: z.array(id('An entrance')).min(1).max(1000).optional().describe('Which; left out, all'),
      until: instant.optional().describe('Until when; left out, until it is taken back. At most 31 days ahead'),
      reason: text('Why; recorded', 200).optional(),
      acs_system_id: system,
    }),
    result: '`acs_entrance_ids` that are locked down now, `not_locked` with the reason, `is_stored`',
    kind: 'stores',
    mustExpire: true,
    revokes: true,
    isUrgent: true,
    example: { reason: 'drill' },
  }),
  'facility/all_clear': command({
    summary:
      'Takes back every lockdown and evacuation by command, and lockdowns by inputs that are not active any more. An evacuation by an input is taken back on site alone (`lintel facility all-clear` on the gateway), once the input is at rest.',
    params: z.strictObject({ reason: text('Why; recorded', 200).optional(), acs_system_id: system }),
    result: '`cleared`: how many; `remaining`: what holds all the same, with the reason',
    kind: 'stores',
    mustExpire: true,
    example: { reason: 'drill is over' },
  }),
} as const;
