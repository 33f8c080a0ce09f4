// Entrances.

import { z } from 'zod';
import { paging, id, instant, text, code, cardNumber, cardFormat, system, CREDENTIAL, ENTRANCE } from './fields.ts';
import { command } from './spec.ts';

const entranceId = z.strictObject({ acs_entrance_id: id('Which'), acs_system_id: system });

export const ENTRANCES = {
  'entrances/get': command({
    summary: 'One entrance.',
    params: entranceId,
    result: '`acs_entrance`: the entrance',
    kind: 'reads',
    example: { acs_entrance_id: ENTRANCE },
  }),
  'entrances/list': command({
    summary: 'The entrances of the facility file.',
    params: z.strictObject({ ...paging, acs_credential_id: id('Only those this credential opens').optional() }),
    result: '`acs_entrances`, `pagination`',
    kind: 'reads',
    example: {},
  }),
  'entrances/list_credentials_with_access': command({
    summary: 'The credentials that may open an entrance, whatever their windows and schedules, in order of creation.',
    params: z.strictObject({
      acs_entrance_id: id('Which'),
      acs_system_id: system,
      limit: paging.limit,
      page_cursor: paging.page_cursor,
    }),
    result: '`acs_credentials`, `pagination`',
    kind: 'reads',
    example: { acs_entrance_id: ENTRANCE },
  }),
  'entrances/unlock': command({
    summary: 'Opens an entrance once, for its strike time.',
    params: z.strictObject({
      acs_entrance_id: id('Which'),
      acs_system_id: system,
      acs_user_id: id('For whom; recorded').optional(),
      acs_credential_id: id('By which credential; recorded').optional(),
      reason: text('Why; recorded', 200).optional(),
    }),
    result: '`action_attempt`: `{action_attempt_id, action_type, status, result: {was_confirmed_by_device}}`',
    kind: 'moves',
    example: { acs_entrance_id: ENTRANCE, reason: 'delivery' },
  }),
  'entrances/explain': command({
    summary:
      'What would happen if this credential, card or code were presented now, step by step. Nothing moves. By card or code only where `policy.explain_by_secret` of the facility file allows it, 200 times a day, and each burst is an event.',
    params: z.strictObject({
      acs_entrance_id: id('Where'),
      acs_system_id: system,
      acs_credential_id: id('Which credential').optional(),
      card_number: cardNumber.optional(),
      card_format: cardFormat.optional(),
      code: code.optional(),
      reader: text('At which of its readers; left out, its first', 64).optional(),
      at: instant.optional().describe('At another time than now; whether the keypad is locked then nobody can tell'),
    }),
    result: '`outcome` (granted or denied), `reason`, `steps`',
    kind: 'reads',
    example: { acs_entrance_id: ENTRANCE, acs_credential_id: CREDENTIAL },
  }),
} as const;
