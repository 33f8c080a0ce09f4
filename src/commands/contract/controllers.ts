// Controllers, their tables and slots.

import { z } from 'zod';
import { id, text, system, CREDENTIAL } from './fields.ts';
import { command } from './spec.ts';

export const CONTROLLERS = {
  'controllers/get': command({
    summary: 'One controller: online, identity, slots, counters.',
    params: z.strictObject({ controller: text('Its name in the facility file', 64), acs_system_id: system }),
    result: '`controller`',
    kind: 'reads',
    example: { controller: 'store-panel' },
  }),
  'controllers/list': command({
    summary: 'All controllers.',
    params: z.strictObject({ acs_system_id: system }),
    result: '`controllers`',
    kind: 'reads',
    example: {},
  }),
  'controllers/resync': command({
    summary: 'Compares the whole table of a controller with what it should hold and puts right what differs.',
    params: z.strictObject({ controller: text('Its name in the facility file', 64), acs_system_id: system }),
    result: '`compared`, `differing`, `foreign`: numbers of slots',
    kind: 'works',
    example: { controller: 'store-panel' },
  }),
  'controllers/adopt_slot': command({
    summary:
      'Takes over a slot that was filled by somebody else: for a credential, which is written there in place of what it holds, or to be emptied.',
    params: z.strictObject({
      controller: text('Its name in the facility file', 64),
      slot: z.int().min(0).max(65_535).describe('Its number: one of `foreign_slots` of `controllers/get`'),
      acs_credential_id: id('Whose slot it becomes; left out, it is emptied and free').optional(),
      acs_system_id: system,
    }),
    result: '`controller`, `slot`, `acs_credential_id` (null: it is emptied); what comes of it is told by events',
    kind: 'stores',
    mustExpire: true,
    example: { controller: 'store-panel', slot: 7, acs_credential_id: CREDENTIAL },
  }),
} as const;
