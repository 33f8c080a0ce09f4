// Access groups: people and entrances that belong together.

import { z } from 'zod';
import { command } from './spec.ts';
import {
  ENTRANCE,
  GROUP,
  id,
  isWindow,
  metadata,
  mostEntrances,
  ownWindow,
  paging,
  scheduleId,
  system,
  text,
  USER,
  userIdentity,
  WINDOW_ORDER,
} from './fields.ts';

const groupId = z.strictObject({ acs_access_group_id: id('Which'), acs_system_id: system });
const entrances = z.array(id('An entrance')).max(1000).describe('The entrances that it opens');
const whom = {
  acs_user_id: id('Who').optional(),
  user_identity_id: userIdentity,
};
const pages = { limit: paging.limit, page_cursor: paging.page_cursor };

export const ACCESS_GROUPS = {
  'access_groups/create': command({
    summary:
      'Adds an access group: whoever is in it opens its entrances, with every credential that has no list of its own.',
    params: z.strictObject({
      acs_access_group_id: id(
        'Minted by the caller, so that a repeat is the same group; left out, Lintel mints it',
      ).optional(),
      acs_system_id: system,
      name: text('What people call it', 200),
      acs_entrance_ids: entrances.default([]),
      schedule_id: scheduleId.nullable().optional(),
      metadata: metadata.optional(),
    }),
    result: '`acs_access_group`: the group',
    kind: 'stores',
    example: { acs_access_group_id: GROUP, name: 'Cleaners', acs_entrance_ids: [ENTRANCE] },
  }),
  'access_groups/get': command({
    summary: 'One access group.',
    params: groupId,
    result: '`acs_access_group`: the group',
    kind: 'reads',
    example: { acs_access_group_id: GROUP },
  }),
  'access_groups/list': command({
    summary: 'Access groups, in order of creation.',
    params: z.strictObject({ ...paging, acs_user_id: id('Only those that this person is in').optional() }),
    result: '`acs_access_groups`, `pagination`',
    kind: 'reads',
    example: { acs_user_id: USER },
  }),
  'access_groups/update': command({
    summary: 'Changes what is given and leaves the rest; `acs_entrance_ids` replaces all of its entrances.',
    params: z.strictObject({
      acs_access_group_id: id('Which'),
      acs_system_id: system,
      name: text('What people call it', 200).optional(),
      acs_entrance_ids: entrances.optional(),
      schedule_id: scheduleId.nullable().optional(),
      metadata: metadata.optional(),
    }),
    result: '`acs_access_group`: the group',
    kind: 'stores',
    example: { acs_access_group_id: GROUP, name: 'Cleaners, west wing' },
  }),
  'access_groups/delete': command({
    summary: 'Deletes a group: nobody opens anything by it any more. Its members stay. Its id is never used again.',
    params: groupId,
    result: '`{}`',
    kind: 'stores',
    revokes: true,
    example: { acs_access_group_id: GROUP },
  }),
  'access_groups/add_user': command({
    summary:
      'Takes a person into a group, within a window of its own where one is given. Said again, the window is the new one.',
    params: z
      .strictObject({ acs_access_group_id: id('Which group'), acs_system_id: system, ...whom, ...ownWindow })
      .refine(isWindow, WINDOW_ORDER),
    result: '`{}`',
    kind: 'stores',
    example: { acs_access_group_id: GROUP, acs_user_id: USER, ends_at: '2026-04-01T00:00:00Z' },
  }),
  'access_groups/remove_user': command({
    summary: 'Takes a person out of a group; effective at once.',
    params: z.strictObject({ acs_access_group_id: id('Which group'), acs_system_id: system, ...whom }),
    result: '`{}`',
    kind: 'stores',
    revokes: true,
    example: { acs_access_group_id: GROUP, acs_user_id: USER },
  }),
  'access_groups/list_users': command({
    summary: 'Who is in a group, and when.',
    params: z.strictObject({ acs_access_group_id: id('Which group'), acs_system_id: system, ...pages }),
    result: '`acs_users`, `memberships` of the same people in the same order, `pagination`',
    kind: 'reads',
    example: { acs_access_group_id: GROUP },
  }),
  'access_groups/list_accessible_entrances': command({
    summary: 'The entrances that a group opens.',
    params: z.strictObject({ ...groupId.shape, limit: mostEntrances, page_cursor: paging.page_cursor }),
    result: '`acs_entrances`, `pagination`',
    kind: 'reads',
    example: { acs_access_group_id: GROUP },
  }),
} as const;
