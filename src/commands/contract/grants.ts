// Access grants: what somebody is given as a whole, with the codes and cards for it; and spaces, entrances that have a
// name together.

import { z } from 'zod';
import {
  cardFormat,
  cardNumber,
  code,
  endsAt,
  ENTRANCE,
  id,
  isWindow,
  maxUses,
  metadata,
  ownWindow,
  paging,
  scheduleId,
  startsAt,
  system,
  text,
  userFields,
  userIdentity,
  windowOrder,
  WINDOW_ORDER,
} from './fields.ts';
import { command } from './spec.ts';

const GRANT = 'bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb';
const METHOD = 'cccccccc-cccc-cccc-cccc-cccccccccccc';
const SPACE = 'dddddddd-dddd-dddd-dddd-dddddddddddd';

const grantId = z.strictObject({ access_grant_id: id('Which'), acs_system_id: system });
const methodId = z.strictObject({ access_method_id: id('Which'), acs_system_id: system });
const spaceId = z.strictObject({ space_id: id('Which'), acs_system_id: system });
const key = (says: string) => z.string().min(1, 'must not be empty').max(200, 'at most 200 characters').describe(says);
const entrances = z.array(id('An entrance')).max(1000).describe('The entrances');
const spaces = z.array(id('A space')).max(100).describe('Spaces: the entrances that they hold now');

const requested = z
  .array(
    z.strictObject({
      mode: z
        .enum(['code', 'card', 'mobile_key'], 'one of code, card, mobile_key')
        .describe('What is to open: a PIN, a card, or phones that are enrolled for it'),
      access_method_id: id('Minted by the caller, so that a repeat is the same; left out, Lintel mints it').optional(),
      code: code.describe('With `code`: the PIN. Left out, one is generated and shown in this reply only').optional(),
      card_number: cardNumber
        .describe('With `card`: its number. Left out, access_methods/assign_card gives it')
        .optional(),
      card_format: cardFormat.optional(),
      is_one_time_use: z.boolean().default(false).describe('Good for one entry: as `max_uses` 1'),
      max_uses: maxUses.optional(),
    }),
  )
  .max(16, 'at most 16 methods')
  .describe('The codes, cards and keys that are to be made for it: `[{"mode":"code"}]`');

export const ACCESS_GRANTS = {
  'access_grants/create': command({
    summary:
      'Gives a person, who may be a new one, entrances within a window, and makes the codes and cards for it: all of it or nothing. With a `reservation_key` it ends other reservations in its guest rooms from its start on.',
    params: z
      .strictObject({
        access_grant_id: id(
          'Minted by the caller, so that a repeat is the same grant; left out, Lintel mints it',
        ).optional(),
        access_grant_key: key('The caller’s own name for it; a repeat is the same grant').optional(),
        acs_system_id: system,
        acs_user_id: id('To whom').optional(),
        user_identity_id: userIdentity,
        user: z
          .strictObject({
            acs_user_id: id('Minted by the caller').optional(),
            full_name: userFields.full_name,
            email_address: userFields.email_address.optional(),
            phone_number: userFields.phone_number.optional(),
            user_identity_id: userFields.user_identity_id.optional(),
          })
          .optional()
          .describe('Instead of acs_user_id: a new person'),
        acs_entrance_ids: entrances.default([]),
        space_ids: spaces.default([]),
        starts_at: startsAt.optional(),
        ends_at: endsAt.nullable().optional(),
        schedule_id: scheduleId.nullable().optional(),
        requested_access_methods: requested.default([]),
        reservation_key: key('The reservation: grants with the same one share guest rooms').optional(),
        replaces: id(
          'An access grant that ends when this one begins, in the same transaction: deleted where that is now, with its codes and cards, else with this start as its end',
        ).optional(),
        name: text('What people call it', 200).optional(),
        metadata: metadata.optional(),
      })
      .refine(windowOrder, WINDOW_ORDER),
    result:
      '`access_grant`: the grant; `access_methods`: what was made for it, where `code` shows a generated PIN here and nowhere else',
    kind: 'stores',
    example: {
      user: { full_name: 'Jane Doe' },
      acs_entrance_ids: [ENTRANCE],
      starts_at: '2026-03-01T14:00:00Z',
      ends_at: '2026-03-04T10:00:00Z',
      requested_access_methods: [{ mode: 'code' }],
      reservation_key: 'R-4711',
    },
  }),
  'access_grants/get': command({
    summary: 'One access grant.',
    params: grantId,
    result: '`access_grant`: the grant',
    kind: 'reads',
    example: { access_grant_id: GRANT },
  }),
  'access_grants/list': command({
    summary: 'Access grants, in order of creation.',
    params: z.strictObject({
      ...paging,
      acs_user_id: id('Only this person’s').optional(),
      reservation_key: key('Only those of this reservation').optional(),
      access_grant_key: key('Only the one with this key').optional(),
    }),
    result: '`access_grants`, `pagination`',
    kind: 'reads',
    example: { reservation_key: 'R-4711' },
  }),
  'access_grants/update': command({
    summary:
      'Changes what is given and leaves the rest, of the grant and of all that was made for it; at no instant on the way does it open less than before and after.',
    params: z
      .strictObject({
        access_grant_id: id('Which'),
        acs_system_id: system,
        ...ownWindow,
        acs_entrance_ids: entrances.optional(),
        space_ids: spaces.optional(),
        schedule_id: scheduleId.nullable().optional(),
        name: text('What people call it', 200).nullable().optional(),
        metadata: metadata.optional(),
      })
      .refine(isWindow, WINDOW_ORDER),
    result: '`access_grant`: the grant',
    kind: 'stores',
    example: { access_grant_id: GRANT, ends_at: '2026-03-05T10:00:00Z' },
  }),
  'access_grants/delete': command({
    summary: 'Takes it back at once, with all that was made for it. Its person stays.',
    params: grantId,
    result: '`{}`',
    kind: 'stores',
    revokes: true,
    example: { access_grant_id: GRANT },
  }),
  'access_grants/request_access_methods': command({
    summary: 'Makes further codes and cards for a grant.',
    params: z.strictObject({
      access_grant_id: id('Which'),
      acs_system_id: system,
      requested_access_methods: requested.min(1, 'at least one'),
    }),
    result: '`access_grant`: the grant; `access_methods`: what was made now',
    kind: 'stores',
    example: { access_grant_id: GRANT, requested_access_methods: [{ mode: 'card' }] },
  }),
  'access_methods/get': command({
    summary: 'One access method.',
    params: methodId,
    result: '`access_method`: the method',
    kind: 'reads',
    example: { access_method_id: METHOD },
  }),
  'access_methods/list': command({
    summary: 'Access methods, in order of creation.',
    params: z.strictObject({
      access_grant_id: id('Only those of this grant').optional(),
      acs_system_id: system,
      limit: paging.limit,
      page_cursor: paging.page_cursor,
    }),
    result: '`access_methods`, `pagination`',
    kind: 'reads',
    example: { access_grant_id: GRANT },
  }),
  'access_methods/assign_card': command({
    summary: 'Gives a card to an access method of the mode `card`: the first, or another in its place.',
    params: z.strictObject({
      access_method_id: id('Which'),
      acs_system_id: system,
      card_number: cardNumber,
      card_format: cardFormat.optional(),
    }),
    result: '`access_method`: the method',
    kind: 'stores',
    example: { access_method_id: METHOD, card_number: 'H10301:123:45678' },
  }),
  'access_methods/delete': command({
    summary: 'Takes one code or card back at once; the grant and its other methods stay.',
    params: methodId,
    result: '`{}`',
    kind: 'stores',
    revokes: true,
    example: { access_method_id: METHOD },
  }),
} as const;

export const SPACES = {
  'spaces/create': command({
    summary: 'Gives entrances a name together.',
    params: z.strictObject({
      space_id: id('Minted by the caller, so that a repeat is the same space; left out, Lintel mints it').optional(),
      acs_system_id: system,
      name: text('What people call it', 200),
      acs_entrance_ids: entrances.default([]),
      metadata: metadata.optional(),
    }),
    result: '`space`: the space',
    kind: 'stores',
    example: { space_id: SPACE, name: 'Ground floor', acs_entrance_ids: [ENTRANCE] },
  }),
  'spaces/get': command({
    summary: 'One space.',
    params: spaceId,
    result: '`space`: the space',
    kind: 'reads',
    example: { space_id: SPACE },
  }),
  'spaces/list': command({
    summary: 'Spaces, in order of creation.',
    params: z.strictObject(paging),
    result: '`spaces`, `pagination`',
    kind: 'reads',
    example: {},
  }),
  'spaces/update': command({
    summary: 'Changes what is given and leaves the rest. Grants open what a space held when they were made or changed.',
    params: z.strictObject({
      space_id: id('Which'),
      acs_system_id: system,
      name: text('What people call it', 200).optional(),
      acs_entrance_ids: entrances.optional(),
      metadata: metadata.optional(),
    }),
    result: '`space`: the space',
    kind: 'stores',
    example: { space_id: SPACE, name: 'Ground floor and garden' },
  }),
  'spaces/add_acs_entrances': command({
    summary: 'Adds entrances to a space, for grants from now on.',
    params: z.strictObject({ space_id: id('Which'), acs_system_id: system, acs_entrance_ids: entrances }),
    result: '`space`: the space',
    kind: 'stores',
    example: { space_id: SPACE, acs_entrance_ids: [ENTRANCE] },
  }),
  'spaces/remove_acs_entrances': command({
    summary: 'Takes entrances out of a space, for grants from now on.',
    params: z.strictObject({ space_id: id('Which'), acs_system_id: system, acs_entrance_ids: entrances }),
    result: '`space`: the space',
    kind: 'stores',
    example: { space_id: SPACE, acs_entrance_ids: [ENTRANCE] },
  }),
  'spaces/delete': command({
    summary: 'Deletes a space; grants that named it stay as they are. Its id is never used again.',
    params: spaceId,
    result: '`{}`',
    kind: 'stores',
    example: { space_id: SPACE },
  }),
} as const;
