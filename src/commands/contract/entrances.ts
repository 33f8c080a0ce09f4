// Entrances.

import { z } from 'zod';
import {
  paging, id, instant, text, code, cardNumber, cardFormat, system, scheduleId, userFields, ownWindow, isWindow, WINDOW_ORDER, CREDENTIAL, ENTRANCE, USER,
} from './fields.ts'; // prettier-ignore
import { MODES } from '../../domain/modes.ts';
import { publicKey, tokenBytes } from './phone-fields.ts';
import { command } from './spec.ts';

const entranceId = z.strictObject({ acs_entrance_id: id('Which'), acs_system_id: system });

const whom = {
  acs_user_id: id('Who: exactly one of the three').optional(),
  user_identity_id: userFields.user_identity_id
    .describe('Instead of acs_user_id: the user with this identity')
    .optional(),
  acs_access_group_id: id('Instead of a person: which group').optional(),
};

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
  'entrances/grant_access': command({
    summary:
      'Lets a person, or everybody in an access group, open an entrance, with every credential that has no list of its own. For a person within a window and a schedule, where they are given; said again, they are the new ones.',
    params: z
      .strictObject({ ...entranceId.shape, ...whom, ...ownWindow, schedule_id: scheduleId.nullable().optional() })
      .refine(isWindow, WINDOW_ORDER),
    result: '`{}`',
    kind: 'stores',
    example: { acs_entrance_id: ENTRANCE, acs_user_id: USER, ends_at: '2026-04-01T00:00:00Z' },
  }),
  'entrances/revoke_access': command({
    summary:
      'Takes back what grant_access gave, effective at once. What a person opens by a group or by the list of a credential stays.',
    params: z.strictObject({ ...entranceId.shape, ...whom }),
    result: '`{}`',
    kind: 'stores',
    revokes: true,
    example: { acs_entrance_id: ENTRANCE, acs_user_id: USER },
  }),
  'entrances/unlock': command({
    summary: 'Opens an entrance once, for its strike time.',
    params: z.strictObject({
      acs_entrance_id: id('Which'),
      acs_system_id: system,
      acs_user_id: id('For whom; recorded').optional(),
      acs_credential_id: id('By which credential; recorded').optional(),
      reason: text('Why; recorded', 200).optional(),
      is_override: z
        .boolean()
        .optional()
        .describe(
          'Also while the entrance is `locked` or in `lockdown`, or another door of its interlock is not shut, where it is refused otherwise',
        ),
    }),
    result: '`action_attempt`: `{action_attempt_id, action_type, status, result: {was_confirmed_by_device}}`',
    kind: 'moves',
    example: { acs_entrance_id: ENTRANCE, reason: 'delivery' },
  }),
  'entrances/set_mode': command({
    summary:
      'Sets the mode of an entrance: `unlocked` is free to walk through, `locked` and `lockdown` let nobody in (everybody gets out), `evacuate` stays open. What wants a mode stands in a row: evacuation before lockdown before `unlocked`, `locked` and `normal` by command before the schedule of the facility file. `normal` without `until` takes back what was set here by this command, so that the next strongest holds; with `until` it is `normal` whatever the schedule says.',
    params: z
      .strictObject({
        acs_entrance_id: id('Which'),
        acs_system_id: system,
        mode: z.enum(MODES).describe('Which'),
        until: instant.optional().describe('Until when; required for `unlocked`, at most 31 days ahead'),
        reason: text('Why; recorded', 200).optional(),
      })
      .refine((value) => value.mode !== 'unlocked' || value.until !== undefined, {
        message: 'required for unlocked: a door that stays open for ever is a schedule of the facility file',
        path: ['until'],
      }),
    result: '`acs_entrance_id`, `mode` and `mode_source` as they are now, `is_stored`',
    kind: 'stores',
    mustExpire: true,
    example: { acs_entrance_id: ENTRANCE, mode: 'unlocked', until: '2026-03-01T18:00:00Z', reason: 'delivery' },
  }),
  'entrances/explain': command({
    summary:
      'What would happen if this credential, card, code or phone were presented now, step by step. Nothing moves. By card or code only where `policy.explain_by_secret` of the facility file allows it, 200 times a day, and each burst is an event.',
    params: z.strictObject({
      acs_entrance_id: id('Where'),
      acs_system_id: system,
      acs_credential_id: id('Which credential, or which phone of a mobile key').optional(),
      card_number: cardNumber.optional(),
      card_format: cardFormat.optional(),
      code: code.optional(),
      public_key: publicKey.optional().describe('A phone, by its public key'),
      token: tokenBytes
        .optional()
        .describe('A phone that hands over this signed key: a CWT in COSE_Sign1, hexadecimal. Not with `at`'),
      reader: text('At which of its readers; left out, its first', 64).optional(),
      at: instant.optional().describe('At another time than now; whether the keypad is locked then nobody can tell'),
    }),
    result: '`outcome` (granted or denied), `reason`, `steps`',
    kind: 'reads',
    example: { acs_entrance_id: ENTRANCE, acs_credential_id: CREDENTIAL },
  }),
  'entrances/explain_decision': command({
    summary:
      'Why somebody was let in or not, then: gate by gate, as the event of that decision keeps it, whatever was changed or deleted since.',
    params: z.strictObject({
      sequence: z.int().min(1).describe('The number of the event, a `lock.unlocked` or `lock.access_denied`'),
      event_id: id('Must be that of the event, where it is given').optional(),
      acs_system_id: system,
    }),
    result:
      '`outcome`, `reason` and `steps` as of `entrances/explain`, and of the decision `occurred_at`, `decided_by`, `revision`; `note` where not all of it is known',
    kind: 'reads',
    example: { sequence: 4711 },
  }),
} as const;
