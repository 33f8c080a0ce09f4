// People.

import { z } from 'zod';
import { paging, id, metadata, system, accessSchedule, userFields, USER } from './fields.ts';
import { command } from './spec.ts';

const userId = z.strictObject({ acs_user_id: id('Which'), acs_system_id: system });

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
  'users/list_accessible_entrances': command({
    summary: 'The entrances that a person’s credentials may open, whatever their windows and schedules.',
    params: userId,
    result: '`acs_entrances`',
    kind: 'reads',
    example: { acs_user_id: USER },
  }),
} as const;
