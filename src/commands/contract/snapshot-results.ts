// A part of what commands answer (results.ts): snapshots.

import { z } from 'zod';
import type { Parts } from './people-results.ts';

export const snapshotResults = ({ text, count }: Pick<Parts<never, never, never>, 'text' | 'count'>) =>
  ({
    'facility/begin_snapshot': z.strictObject({
      snapshot_id: text('which'),
      pages: z.array(z.int().min(0)).describe('pages that are here already, by number'),
      replaced_snapshot_id: text('what was under way, and is dropped; null: nothing was').nullable(),
    }),
    'facility/put_snapshot_page': z.strictObject({
      snapshot_id: text('which'),
      page: count('which page'),
      items: count('in it'),
      sha256: text('over its items, 64 hexadecimal digits'),
      pages: count('how many are here'),
    }),
    'facility/commit_snapshot': z.strictObject({
      snapshot_id: text('which'),
      revision: count('of the facility, as the snapshot has it'),
      digest: text('of the facility, 64 hexadecimal digits'),
      created: count('items that were not here'),
      updated: count('items that were here otherwise'),
      deleted: count('objects that it does not name'),
      unchanged: count('items that were here as they are'),
    }),
  }) as const;
