// Encoders: readers at which cards, and phones that prove their key, are enrolled.

import { z } from 'zod';
import { BIOMETRIC_TYPES } from '../../domain/biometrics.ts';
import {
  cardFormat,
  endsAt,
  entranceIds,
  id,
  scheduleId,
  startsAt,
  system,
  text,
  USER,
  windowOrder,
  WINDOW_ORDER,
} from './fields.ts';
import { command } from './spec.ts';

const ENCODER = '77777777-7777-7777-7777-777777777777';
const encoderId = id('Which, as `entrances.NAME.encoder` of the facility file names it');
const MOST_WAIT_S = 120;
const WAIT_WANTED = `whole seconds, 1 to ${MOST_WAIT_S}`;
const timeout = z
  .int(WAIT_WANTED)
  .min(1, WAIT_WANTED)
  .max(MOST_WAIT_S, WAIT_WANTED)
  .default(30)
  .describe('How long it waits for somebody to show something, seconds');
/** The longest wait, and room for the answer. */
const takesMs = (MOST_WAIT_S + 10) * 1_000;

export const ENCODERS = {
  'encoders/list': command({
    summary: 'The readers at which credentials are enrolled.',
    params: z.strictObject({ acs_system_id: system }),
    result: '`acs_encoders`',
    kind: 'reads',
    example: {},
  }),
  'encoders/scan_credential': command({
    summary:
      'Waits for what is shown next at a reader, and says what it is: its bits, every format that fits, and which credential it is here. Meanwhile the reader decides nothing and opens no door.',
    params: z.strictObject({ acs_encoder_id: encoderId, acs_system_id: system, timeout_seconds: timeout }),
    result:
      '`action_attempt`: `{action_attempt_id, action_type, status, result: {acs_credential_on_encoder, acs_credential_on_seam, warnings}}`',
    kind: 'moves',
    takesMs,
    example: { acs_encoder_id: ENCODER, timeout_seconds: 30 },
  }),
  'encoders/scan_to_assign_credential': command({
    summary:
      'Waits for what is shown next at a reader, and makes it somebody’s credential: a card, or a phone that proves its key. Meanwhile the reader decides nothing and opens no door.',
    params: z
      .strictObject({
        acs_encoder_id: encoderId,
        acs_system_id: system,
        acs_user_id: id('Whose it becomes').optional(),
        user_identity_id: id('Instead of acs_user_id: the user with this identity').optional(),
        acs_credential_id: id(
          'One that is there already: a card takes this one in place of its own, a mobile key gets this phone. Else the id of the new one; left out, Lintel mints it',
        ).optional(),
        card_format: cardFormat
          .optional()
          .describe('How the card is read; left out, the first of its reader that fits'),
        starts_at: startsAt.optional(),
        ends_at: endsAt.nullable().optional(),
        allowed_acs_entrance_ids: entranceIds.optional(),
        schedule_id: scheduleId.nullable().optional(),
        display_name: text('What people call it', 200).optional(),
        timeout_seconds: timeout,
      })
      .refine(windowOrder, WINDOW_ORDER),
    result: '`action_attempt`: its result is the credential, with the phone that was enrolled',
    kind: 'moves',
    takesMs,
    example: { acs_encoder_id: ENCODER, acs_user_id: USER, timeout_seconds: 30 },
  }),
  'encoders/enroll_biometric': command({
    summary:
      'Asks for somebody’s finger, face or the like at a reader, checks how good it is, asks for it once more and has the reader compare the two, and keeps the template, sealed. Meanwhile the reader decides nothing and opens no door.',
    params: z.strictObject({
      acs_encoder_id: encoderId,
      acs_system_id: system,
      acs_user_id: id('Whose it is').optional(),
      user_identity_id: id('Instead of acs_user_id: the user with this identity').optional(),
      acs_credential_id: id('Instead of acs_user_id: the person whose credential this is').optional(),
      biometric_type: z
        .enum(BIOMETRIC_TYPES)
        .optional()
        .describe('Which finger, or what else; left out, what the reader’s `biometrics` in the facility file says'),
      is_duress: z
        .boolean()
        .default(false)
        .describe('To be used under threat: it opens as any other finger, and is told as `acs_entrance.duress`'),
      display_name: text('What people call it', 200).optional(),
      timeout_seconds: timeout.default(60),
    }),
    result: '`action_attempt`: its result is what was enrolled',
    kind: 'moves',
    takesMs,
    example: { acs_encoder_id: ENCODER, acs_user_id: USER, biometric_type: 'right_index_finger' },
  }),
  'encoders/cancel_scan': command({
    summary: 'Ends the scan at a reader: whoever asked for it is answered `interrupted`.',
    params: z.strictObject({ acs_encoder_id: encoderId, acs_system_id: system }),
    result: '`was_scanning`: whether there was one',
    kind: 'moves',
    example: { acs_encoder_id: ENCODER },
  }),
} as const;
