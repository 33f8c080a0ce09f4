// People.

import { z } from 'zod';
import {
  paging,
  id,
  metadata,
  system,
  accessSchedule,
  userFields,
  userIdentity,
  ownWindow,
  isWindow,
  WINDOW_ORDER,
  USER,
  GROUP,
  mostEntrances,
} from './fields.ts';
import { command } from './spec.ts';

const userId = z.strictObject({ acs_user_id: id('Which'), acs_system_id: system });

const whom = {
  acs_user_id: id('Who').optional(),
  acs_system_id: system,
  user_identity_id: userIdentity,
};

export const USERS = {
  'users/create': command({
    summary: 'Adds a person.',
    params: z.strictObject({
      acs_user_id: id('Minted by the caller, so that a repeat is the same user; left out, Lintel mints it').optional(),
      acs_system_id: system,
      full_name: userFields.full_name,
      email_address: userFields.email_address.optional(),
      phone_number: userFields.phone_number.optional(),
      user_identity_id: userFields.user_identity_id.optional(),
      access_schedule: accessSchedule.nullable().optional(),
      is_extended_access: userFields.is_extended_access.optional(),
      acs_access_group_ids: z
        .array(id('A group'))
        .max(128, 'at most 128 groups')
        .optional()
        .describe('The access groups that this person is in from the start'),
      metadata: metadata.optional(),
    }),
    result: '`acs_user`: the user',
    kind: 'stores',
    example: { acs_user_id: USER, full_name: 'Jane Doe' },
  }),
  'users/get': command({
    summary: 'One person.',
    params: userId,
    result: '`acs_user`: the user',
    kind: 'reads',
    example: { acs_user_id: USER },
  }),
  'users/list': command({
    summary: 'People, in order of creation.',
    params: z.strictObject({ ...paging, user_identity_id: userFields.user_identity_id.optional() }),
    result: '`acs_users`, `pagination`',
    kind: 'reads',
    example: { search: 'jane' },
  }),
  'users/update': command({
    summary: 'Changes what is given and leaves the rest; `access_schedule: null` clears it.',
    params: z.strictObject({
      acs_user_id: id('Which'),
      acs_system_id: system,
      full_name: userFields.full_name.optional(),
      email_address: userFields.email_address.nullable().optional(),
      phone_number: userFields.phone_number.nullable().optional(),
      user_identity_id: userFields.user_identity_id.nullable().optional(),
      access_schedule: accessSchedule.nullable().optional(),
      is_extended_access: userFields.is_extended_access.optional(),
      metadata: metadata.optional(),
    }),
    result: '`acs_user`: the user',
    kind: 'stores',
    example: {
      acs_user_id: USER,
      access_schedule: { starts_at: '2026-03-01T00:00:00Z', ends_at: '2026-04-01T00:00:00Z' },
    },
  }),
  'users/delete': command({
    summary: 'Deletes a person and invalidates and deletes all their credentials.',
    params: userId,
    result: '`{}`',
    kind: 'stores',
    revokes: true,
    example: { acs_user_id: USER },
  }),
  'users/erase': command({
    summary:
      'Removes a person for good, also one who was deleted before: deletes as `users/delete` does, and takes names, addresses and numbers out of replies kept for repeats and out of lists of areas. What stays is the id.',
    params: userId,
    result:
      '`acs_user_id`, and what was removed: `credentials`, `biometrics`, `area_entries`, `replies` (each as many as there were), `was_deleted` before; `pending_erasures` at controllers, on their way; `backups` of the database beside it, which hold the person until they are replaced; `is_purged`: false where the log of the database could not be emptied yet',
    kind: 'works',
    revokes: true,
    example: { acs_user_id: USER },
  }),
  'users/suspend': command({
    summary: 'Takes all access from a person until unsuspended; effective at once.',
    params: userId,
    result: '`acs_user`: the user',
    kind: 'stores',
    revokes: true,
    example: { acs_user_id: USER },
  }),
  'users/unsuspend': command({
    summary: 'Gives the access back.',
    params: userId,
    result: '`acs_user`: the user',
    kind: 'stores',
    example: { acs_user_id: USER },
  }),
  'users/add_to_access_group': command({
    summary: 'Takes a person into a group, as access_groups/add_user does.',
    params: z
      .strictObject({ ...whom, acs_access_group_id: id('Which group'), ...ownWindow })
      .refine(isWindow, WINDOW_ORDER),
    result: '`{}`',
    kind: 'stores',
    example: { acs_user_id: USER, acs_access_group_id: GROUP },
  }),
  'users/remove_from_access_group': command({
    summary: 'Takes a person out of a group; effective at once.',
    params: z.strictObject({ ...whom, acs_access_group_id: id('Which group') }),
    result: '`{}`',
    kind: 'stores',
    revokes: true,
    example: { acs_user_id: USER, acs_access_group_id: GROUP },
  }),
  'users/revoke_access_to_all_entrances': command({
    summary:
      'Takes every entrance from a person at once: out of all groups, without anything granted, with access grants deleted and the lists of all credentials emptied. The person and the other credentials stay.',
    params: z.strictObject(whom),
    result: '`{}`',
    kind: 'stores',
    revokes: true,
    example: { acs_user_id: USER },
  }),
  'users/list_accessible_entrances': command({
    summary:
      'The entrances that a person may open, by groups, by what was granted, and by lists of credentials, whatever windows and schedules.',
    params: z.strictObject({ ...userId.shape, limit: mostEntrances, page_cursor: paging.page_cursor }),
    result: '`acs_entrances`, `pagination`',
    kind: 'reads',
    example: { acs_user_id: USER },
  }),
} as const;
