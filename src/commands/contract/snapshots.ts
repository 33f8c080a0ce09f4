// Snapshots: the list of a whole facility, sent in pages and committed as one revision.

import { z } from 'zod';
import { ENTRANCE, system, text, USER, CREDENTIAL } from './fields.ts';
import { command } from './spec.ts';

/**
 * A snapshot is the list of commands that would make the facility from nothing. In the order in which they are carried
 * out, whatever page each stands on.
 */
export const SNAPSHOT_COMMANDS = [
  'schedules/create',
  'holidays/create',
  'spaces/create',
  'users/create',
  'users/suspend',
  'access_groups/create',
  'access_groups/add_user',
  'entrances/grant_access',
  'access_grants/create',
  'credentials/create',
  'credentials/enroll_phone',
] as const;
export type SnapshotCommand = (typeof SNAPSHOT_COMMANDS)[number];

export const MOST_PAGE_ITEMS = 500;
export const MOST_PAGES = 4_000;
/** Items of all pages together. */
export const MOST_ITEMS = 500_000;

const snapshotId = text('The sender’s own name for it', 64);
const revision = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const item = z.strictObject({
  command: z.enum(SNAPSHOT_COMMANDS, `one of ${SNAPSHOT_COMMANDS.join(', ')}`),
  params: z.record(z.string(), z.unknown()),
});
const SNAPSHOT = 'tower-2026-03-01';

export const SNAPSHOTS = {
  'facility/begin_snapshot': command({
    summary:
      'Begins a snapshot: the list of all schedules, holidays, spaces, people, groups, grants and credentials, which replaces them as one revision when it is committed. There is one at a time; another one that was begun and not committed is dropped.',
    params: z.strictObject({
      snapshot_id: snapshotId,
      base_revision: revision.describe('The `revision` of the facility that the list was made for'),
      revision: revision.describe('The `revision` that the facility has once it is committed; higher than that'),
      acs_system_id: system,
    }),
    result: '`snapshot_id`, `pages` that are here already, `replaced_snapshot_id`: what was dropped for it',
    kind: 'stores',
    example: { snapshot_id: SNAPSHOT, base_revision: 0, revision: 1 },
  }),
  'facility/put_snapshot_page': command({
    summary: `Adds a page: up to ${MOST_PAGE_ITEMS} of the commands that would make the facility from nothing. Pages may come in any order; one that comes again takes the place of the first.`,
    params: z.strictObject({
      snapshot_id: snapshotId,
      page: z
        .int()
        .min(0)
        .max(MOST_PAGES - 1)
        .describe('Which, from 0'),
      items: z
        .array(item)
        .min(1, 'at least one item')
        .max(MOST_PAGE_ITEMS, `at most ${MOST_PAGE_ITEMS} items`)
        .describe('`[{"command":"users/create","params":{…}}]`, with ids minted by the sender'),
      acs_system_id: system,
    }),
    result: '`snapshot_id`, `page`, `items` in it, `sha256` of it, `pages` that are here',
    kind: 'stores',
    example: {
      snapshot_id: SNAPSHOT,
      page: 0,
      items: [
        { command: 'users/create', params: { acs_user_id: USER, full_name: 'Jane Doe' } },
        {
          command: 'credentials/create',
          params: {
            acs_credential_id: CREDENTIAL,
            acs_user_id: USER,
            access_method: 'card',
            card_number: 'H10301:123:45678',
            allowed_acs_entrance_ids: [ENTRANCE],
          },
        },
      ],
    },
  }),
  'facility/commit_snapshot': command({
    summary:
      'Commits a snapshot: looks whether every door and controller can hold it, all or nothing, then replaces what is here. Answered when that is done; commands that change people or access wait meanwhile, doors do not.',
    params: z.strictObject({
      snapshot_id: snapshotId,
      pages: z.int().min(1).max(MOST_PAGES).describe('How many there are'),
      sha256: z
        .string('64 hexadecimal digits')
        .regex(/^[0-9a-fA-F]{64}$/, '64 hexadecimal digits')
        .toLowerCase()
        .describe('Over the `sha256` of every page, in order, each followed by a line feed'),
      expect_deleted: z
        .int()
        .min(0)
        .optional()
        .describe(
          'How many objects it deletes; required, and compared, where that is more than a fifth of what is here',
        ),
      acs_system_id: system,
    }),
    result:
      '`snapshot_id`, `revision`, `digest`; of its items `created`, `updated`, `unchanged`; `deleted`: objects that it does not name',
    kind: 'works',
    takesMs: 600_000,
    example: {
      snapshot_id: SNAPSHOT,
      pages: 1,
      sha256: '9c59a7d9fa548cc71f3d43469d6d154e63cfdec83de842d3eceb5d3b0ebf114b',
    },
  }),
} as const;
