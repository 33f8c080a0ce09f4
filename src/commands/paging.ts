// Lists come in pages: at most so many items and at most what a reply may weigh. The cursor is opaque to callers and
// only says behind which row to go on.

import { refused } from '../domain/errors.ts';
import { fold } from '../domain/fold.ts';

/** Room left for the envelope of a reply of 128 KiB. */
const MOST_PAGE_BYTES = 120 * 1024;
/** Below this the pages of a building would be without end. */
const LEAST_PAGE_BYTES = 512;
const ENVELOPE_BYTES = 512;

/** What the items of a page may weigh in a reply of so many bytes. */
export const pageBytes = (mostReplyBytes = Infinity): number =>
  Math.floor(Math.max(LEAST_PAGE_BYTES, Math.min(MOST_PAGE_BYTES, mostReplyBytes - ENVELOPE_BYTES)));

export function readPage(cursor: string | undefined): number {
  if (cursor === undefined) return 0;
  const text = Buffer.from(cursor, 'base64url').toString('latin1');
  if (!/^[0-9]{1,15}$/.test(text)) {
    throw refused('invalid_input', 'page_cursor', 'not a cursor of ours; take next_page_cursor of the page before');
  }
  return Number(text);
}

/** What is searched for, as names are compared. */
export const folded = (search: string | undefined): string | null => (search === undefined ? null : fold(search));

type Pagination = { pagination: { has_next_page: boolean; next_page_cursor: string | null } };

/** `rows` holds one more than `most.items` when there is a next page. */
export function writePage<N extends string, R, T>(
  name: N,
  rows: readonly R[],
  most: { items: number; bytes: number },
  present: (row: R) => T,
  keyOf: (row: R) => number,
): Record<N, T[]> & Pagination {
  const items: T[] = [];
  let bytes = 0;
  let last: R | null = null;
  for (const row of rows.slice(0, most.items)) {
    const item = present(row);
    bytes += Buffer.byteLength(JSON.stringify(item)) + 1;
    if (bytes > most.bytes && items.length > 0) break;
    items.push(item);
    last = row;
  }
  const hasNext = last !== null && items.length < rows.length;
  const page = { [name]: items } as Record<N, T[]>;
  return {
    ...page,
    pagination: {
      has_next_page: hasNext,
      next_page_cursor:
        hasNext && last !== null ? Buffer.from(String(keyOf(last)), 'latin1').toString('base64url') : null,
    },
  };
}
