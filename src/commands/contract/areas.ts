// Areas: who is inside.

import { z } from 'zod';
import { id, paging, system, USER } from './fields.ts';
import { command } from './spec.ts';

const area = z.string().min(1).max(64).describe('Which, by its name in the facility file');
const { limit, page_cursor } = paging;

export const AREAS = {
  'areas/list': command({
    summary: 'The areas of the facility file, with how many people are inside.',
    params: z.strictObject({ acs_system_id: system }),
    result: '`areas`',
    kind: 'reads',
    example: {},
  }),
  'areas/get': command({
    summary: 'One area.',
    params: z.strictObject({ area, acs_system_id: system }),
    result: '`area`: the area',
    kind: 'reads',
    example: { area: 'workshop' },
  }),
  'areas/list_occupants': command({
    summary:
      'Who is inside, and who may be, in the order in which they were first seen there: the muster list. Somebody who was deleted meanwhile stands there until they are known to have left.',
    params: z.strictObject({
      area: area.describe('Of which area, by its name in the facility file; left out, of all').optional(),
      limit,
      page_cursor,
      acs_system_id: system,
    }),
    result: '`occupants`, `pagination`',
    kind: 'reads',
    example: { area: 'workshop' },
  }),
  'areas/forgive': command({
    summary:
      'Forgets where somebody is, or everybody: they count as inside no more and are listed as `unknown`, and whichever way they are shown next is right. Say of whom, or `is_everybody`.',
    params: z
      .strictObject({
        area: area.describe('In which area, by its name in the facility file; left out, in all').optional(),
        acs_user_id: id('Whom').optional(),
        is_everybody: z.literal(true).optional().describe('Everybody'),
        acs_system_id: system,
      })
      .refine((value) => (value.acs_user_id === undefined) !== (value.is_everybody === undefined), {
        message: 'give either acs_user_id or is_everybody',
        path: ['acs_user_id'],
      }),
    result: '`forgiven`: how many were inside',
    kind: 'stores',
    example: { area: 'workshop', acs_user_id: USER },
  }),
} as const;
