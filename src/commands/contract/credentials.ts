// Credentials: PINs and cards.

import { z } from 'zod';
import {
  paging,
  id,
  instant,
  startsAt,
  endsAt,
  text,
  metadata,
  code,
  cardNumber,
  MOST_CARD_CHARACTERS,
  cardFormat,
  entranceIds,
  mostEntrances,
  system,
  secretRevision,
  maxUses,
  userFields,
  userIdentity,
  windowOrder,
  WINDOW_ORDER,
  scheduleId,
  USER,
  CREDENTIAL,
  ENTRANCE,
} from './fields.ts';
import { publicKey, tokenBytes } from './phone-fields.ts';
import { command } from './spec.ts';

const brandMetadata = metadata.optional();

const PHONE = '88888888-8888-8888-8888-888888888888';

const credentialCreateParams = z
  .strictObject({
    acs_credential_id: id(
      'Minted by the caller, so that a repeat is the same credential; left out, Lintel mints it',
    ).optional(),
    acs_system_id: system,
    acs_user_id: id('Whose credential it is').optional(),
    user_identity_id: userIdentity,
    access_method: z
      .enum(['code', 'card', 'mobile_key'], 'one of code, card, mobile_key')
      .describe('What opens: a PIN, a card, or the phones that are enrolled for it'),
    code: z
      .string('a string of digits')
      .max(MOST_CARD_CHARACTERS)
      .optional()
      .describe(
        'The PIN, 4 to 12 digits. Left out for `code`: one is generated and shown in this reply only. With `card`: the card number',
      ),
    card_number: cardNumber.optional(),
    card_format: cardFormat.optional(),
    starts_at: startsAt.optional(),
    ends_at: endsAt.nullable().optional(),
    allowed_acs_entrance_ids: entranceIds.optional(),
    is_one_time_use: z.boolean().default(false).describe('Good for one entry: as `max_uses` 1'),
    max_uses: maxUses.optional(),
    is_duress: z
      .boolean()
      .optional()
      .describe(
        'With `code`: to be typed under threat. It opens as any other code, and is told as `acs_entrance.duress`',
      ),
    schedule_id: scheduleId.nullable().optional(),
    is_multi_phone_sync_credential: z
      .boolean()
      .default(false)
      .describe('Must be true for `mobile_key`: each phone is enrolled for itself'),
    credential_manager_acs_system_id: id(
      'Who signs the keys of its phones: one of `credential_managers` of the facility file. Where that names none, it is kept as given',
    ).optional(),
    replaces: id(
      'A credential that ends when this one begins, in the same transaction: deleted where that is now, else with this start as its end',
    ).optional(),
    display_name: text('What people call it', 200).optional(),
    secret_revision: secretRevision.optional(),
    metadata: metadata.optional(),
    visionline_metadata: brandMetadata,
    salto_space_metadata: brandMetadata,
    assa_abloy_vostio_metadata: brandMetadata,
    hotek_metadata: brandMetadata,
  })
  .refine(windowOrder, WINDOW_ORDER);

const credentialUpdateParams = z
  .strictObject({
    acs_credential_id: id('Which'),
    acs_system_id: system,
    code: code.optional(),
    card_number: cardNumber.optional(),
    card_format: cardFormat.optional(),
    starts_at: startsAt.nullable().optional(),
    ends_at: endsAt.nullable().optional(),
    allowed_acs_entrance_ids: entranceIds.nullable().optional(),
    display_name: text('What people call it', 200).nullable().optional(),
    schedule_id: scheduleId.nullable().optional(),
    max_uses: maxUses.nullable().optional(),
    secret_revision: secretRevision.optional(),
    metadata: metadata.optional(),
  })
  .refine((value) => value.starts_at == null || value.ends_at == null || value.ends_at > value.starts_at, WINDOW_ORDER);

const MANAGER = '99999999-9999-9999-9999-999999999999';
const TOKEN_ID_WANTED = '2 to 64 hexadecimal digits, whole bytes';
const credentialId = z.strictObject({ acs_credential_id: id('Which'), acs_system_id: system });

const operation = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('create'), params: z.record(z.string(), z.unknown()) }),
  z.strictObject({ op: z.literal('update'), params: z.record(z.string(), z.unknown()) }),
  z.strictObject({ op: z.literal('delete'), params: z.record(z.string(), z.unknown()) }),
]);

export const CREDENTIALS = {
  'credentials/create': command({
    summary: 'Adds a credential, a PIN or a card, with its window and its entrances.',
    params: credentialCreateParams,
    result: '`acs_credential`: the credential; `code` shows a generated PIN here and nowhere else',
    kind: 'stores',
    example: {
      acs_credential_id: CREDENTIAL,
      acs_user_id: USER,
      access_method: 'code',
      code: '824759',
      starts_at: '2026-03-01T12:00:00Z',
      ends_at: '2026-03-04T10:00:00Z',
      allowed_acs_entrance_ids: [ENTRANCE],
    },
  }),
  'credentials/get': command({
    summary: 'One credential.',
    params: credentialId,
    result: '`acs_credential`: the credential',
    kind: 'reads',
    example: { acs_credential_id: CREDENTIAL },
  }),
  'credentials/list': command({
    summary: 'Credentials, in order of creation.',
    params: z.strictObject({
      ...paging,
      acs_user_id: id('Only this person’s').optional(),
      user_identity_id: userFields.user_identity_id.optional(),
      created_before: instant.optional().describe('Only older ones'),
    }),
    result: '`acs_credentials`, `pagination`',
    kind: 'reads',
    example: { acs_user_id: USER },
  }),
  'credentials/update': command({
    summary: 'Changes what is given and leaves the rest; `ends_at: null` makes it open ended.',
    params: credentialUpdateParams,
    result: '`acs_credential`: the credential',
    kind: 'stores',
    example: { acs_credential_id: CREDENTIAL, ends_at: '2026-03-05T10:00:00Z' },
  }),
  'credentials/delete': command({
    summary: 'Denies it at once, erases it from every controller, and never uses its id again.',
    params: credentialId,
    result: '`{}`',
    kind: 'stores',
    revokes: true,
    example: { acs_credential_id: CREDENTIAL },
  }),
  'credentials/assign': command({
    summary: 'Gives a credential to a person.',
    params: z.strictObject({
      acs_credential_id: id('Which'),
      acs_system_id: system,
      acs_user_id: id('To whom').optional(),
      user_identity_id: id('Instead of acs_user_id').optional(),
    }),
    result: '`acs_credential`: the credential',
    kind: 'stores',
    example: { acs_credential_id: CREDENTIAL, acs_user_id: USER },
  }),
  'credentials/unassign': command({
    summary: 'Takes it from its person: it is kept, and opens nothing.',
    params: z.strictObject({
      acs_credential_id: id('Which'),
      acs_system_id: system,
      acs_user_id: id('From whom; must be its user when given').optional(),
      user_identity_id: id('Instead of acs_user_id').optional(),
    }),
    result: '`acs_credential`: the credential',
    kind: 'stores',
    revokes: true,
    example: { acs_credential_id: CREDENTIAL },
  }),
  'credentials/list_accessible_entrances': command({
    summary: 'The entrances a credential opens, by its own list or by the groups of its user and what was granted.',
    params: z.strictObject({ ...credentialId.shape, limit: mostEntrances, page_cursor: paging.page_cursor }),
    result: '`acs_entrances`, `pagination`',
    kind: 'reads',
    example: { acs_credential_id: CREDENTIAL },
  }),
  'credentials/enroll_phone': command({
    summary:
      'Enrols a phone, or a card with a key, for a mobile key: it opens what that opens, by proving its key. Up to 16.',
    params: z.strictObject({
      acs_credential_id: id('The mobile key for which it is enrolled'),
      phone_acs_credential_id: id(
        'Of the phone, minted by the caller, so that a repeat is the same phone; left out, Lintel mints it',
      ).optional(),
      acs_system_id: system,
      public_key: publicKey,
      display_name: text('What people call it', 200).optional(),
    }),
    result: '`phone`: the phone, with its own `acs_credential_id`',
    kind: 'stores',
    example: {
      acs_credential_id: CREDENTIAL,
      public_key:
        '0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299',
      display_name: 'Jane’s phone',
    },
  }),
  'credentials/remove_phone': command({
    summary: 'Takes a phone from its mobile key: it opens nothing any more, and its id is never used again.',
    params: z.strictObject({
      acs_credential_id: id('Of the phone itself, as enroll_phone answered it'),
      acs_system_id: system,
    }),
    result: '`{}`',
    kind: 'stores',
    revokes: true,
    example: { acs_credential_id: PHONE },
  }),
  'credentials/enroll_issued_key': command({
    summary:
      'Takes a key that a credential manager has signed, ahead of the phone that could hand it over itself. The same again is the same phone.',
    params: z.strictObject({ acs_system_id: system, token: tokenBytes }),
    result: '`phone`: the phone, with its own `acs_credential_id`',
    kind: 'stores',
    example: { token: '844da201260448c0ffee0000000001a058b1a702' },
  }),
  'credentials/revoke_issued_keys': command({
    summary:
      'Takes back what a credential manager has signed, whether it is here already or is handed over later: one by its number, all for a phone, or all that were issued before an instant. For good: it is remembered until nothing that it names can be valid, two years at most where `ends_at` is not given and the key is not here; 10,000 single ones for each manager.',
    params: z.strictObject({
      acs_system_id: system,
      credential_manager_acs_system_id: id('Whose'),
      token_id: z
        .string(TOKEN_ID_WANTED)
        .regex(/^([0-9a-fA-F]{2}){1,32}$/, TOKEN_ID_WANTED)
        .optional()
        .describe('One, by its number (`cti`), hexadecimal'),
      public_key: publicKey.optional(),
      issued_before: instant
        .optional()
        .describe('All that were issued earlier, by `iat`, or `nbf` where there is none'),
      ends_at: instant
        .optional()
        .describe(
          'Until when what is taken back would have been good, where that is known: from then on it need not be remembered. With `token_id` or `public_key`',
        ),
    }),
    result: '`revoked`: how many were here',
    kind: 'stores',
    revokes: true,
    example: { credential_manager_acs_system_id: MANAGER, token_id: '0102030405060708' },
  }),
  'credentials/get_timeline': command({
    summary:
      'The life of a credential, also of a deleted one, oldest first: what was done to it and by whom, where it was written, and where it was used. Uses between two other entries are one entry for each door. A page may be empty while there are more.',
    params: z.strictObject({
      acs_credential_id: id('Which'),
      acs_system_id: system,
      acs_entrance_id: id('Only what concerns this door, or none').optional(),
      limit: paging.limit,
      page_cursor: z.string().max(2_000).optional().describe('`next_page_cursor` of the page before'),
    }),
    result:
      '`timeline`, `pagination`; `now`: how it stands, null: it was deleted; `log`: what the log still has, and whether it reaches back to the beginning',
    kind: 'reads',
    example: { acs_credential_id: CREDENTIAL },
  }),
  'credentials/list_phones': command({
    summary: 'The phones of a mobile key, in order of enrolment.',
    params: credentialId,
    result: '`phones`',
    kind: 'reads',
    example: { acs_credential_id: CREDENTIAL },
  }),
  'credentials/apply': command({
    summary:
      'Up to 500 creates, updates and deletes in one command (100 when `atomic`), each answered by its position.',
    params: z
      .strictObject({
        acs_system_id: system,
        atomic: z.boolean().default(false).describe('All or nothing'),
        operations: z
          .array(operation)
          .min(1)
          .max(500, 'at most 500 operations')
          .describe('`[{"op":"create|update|delete","params":{…}}]`'),
      })
      .refine((value) => !value.atomic || value.operations.length <= 100, {
        message: 'at most 100 operations when atomic',
        path: ['operations'],
      }),
    result: '`results`: for each operation `{ok, acs_credential}` or `{ok, error}`',
    kind: 'works',
    example: { operations: [{ op: 'delete', params: { acs_credential_id: CREDENTIAL } }] },
  }),
} as const;
