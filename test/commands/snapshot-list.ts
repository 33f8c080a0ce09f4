// The list of a whole facility as its sender keeps it, in pages, and what the sender computes from it.

import { createHash } from 'node:crypto';
import type { Caller, ParsedReply } from '../support/room.ts';

export type Item = { command: string; params: Record<string, unknown> };

/** Members in order of name, no space: as docs/mqtt-api.md says. */
const canonical = (value: unknown): string =>
  Array.isArray(value)
    ? `[${value.map(canonical).join(',')}]`
    : typeof value === 'object' && value !== null
      ? `{${Object.entries(value)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`)
          .join(',')}}`
      : JSON.stringify(value);

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
export const pageSha256 = (items: readonly Item[]): string =>
  sha256(items.map((item) => `${canonical(item)}\n`).join(''));
export const wholeSha256 = (pages: readonly (readonly Item[])[]): string =>
  sha256(pages.map((items) => `${pageSha256(items)}\n`).join(''));

/** Sends the pages in this order, and commits. `more`: of the commit. */
export async function sendSnapshot(
  caller: Caller,
  id: string,
  pages: readonly (readonly Item[])[],
  { base, revision = base + 1, ...more }: { base: number; revision?: number; [more: string]: unknown },
): Promise<ParsedReply> {
  const begun = await caller.call('facility/begin_snapshot', { snapshot_id: id, base_revision: base, revision });
  if (!begun.ok) return begun;
  for (const [page, items] of pages.entries()) {
    const put = await caller.call('facility/put_snapshot_page', { snapshot_id: id, page, items });
    if (!put.ok) return put;
  }
  const params = { snapshot_id: id, pages: pages.length, sha256: wholeSha256(pages), ...more };
  return await caller.call('facility/commit_snapshot', params);
}
