// One credential's life, as the log and its rows tell it.

import { describe, expect, it } from 'vitest';
import { CARD, ID, withCard, world, type World } from '../access/world.ts';
import { LOBBY, USER } from '../support/room.ts';

const GROUP = '22222222-2222-2222-2222-222222222222';
const OTHER = '44444444-4444-4444-4444-444444444444';

type Entry = Record<string, unknown> & { event_type: string; count: number };
type Page = {
  timeline: Entry[];
  now: Record<string, unknown> | null;
  log: Record<string, unknown>;
  pagination: { next_page_cursor: string | null };
};

async function page(here: World, more: Record<string, unknown> = {}): Promise<Page> {
  const reply = await here.caller.call('credentials/get_timeline', { acs_credential_id: ID, ...more });
  expect(reply.error).toBeUndefined();
  return reply.result as unknown as Page;
}

async function life(here: World, more: Record<string, unknown> = {}): Promise<{ entries: Entry[]; pages: number }> {
  const entries: Entry[] = [];
  let pages = 0;
  for (let cursor: string | null | undefined = undefined; cursor !== null; pages++) {
    const one: Page = await page(here, { ...more, ...(cursor === undefined ? {} : { page_cursor: cursor }) });
    entries.push(...one.timeline);
    cursor = one.pagination.next_page_cursor;
  }
  return { entries, pages };
}

const types = (entries: readonly Entry[]): string[] =>
  entries.map(({ event_type: type, count }) => (count === 1 ? type : `${type} × ${count}`));

describe('the timeline of a credential', () => {
  it('says what was done to it, by whom, and sums up its uses in between', async () => {
    const here = await withCard();
    for (let i = 0; i < 3; i++) here.card();
    const jane = { sender: 'jane@tower', command_id: 'end-it' };
    await here.caller.call('credentials/update', { acs_credential_id: ID, ends_at: '2026-03-02T10:00:00Z' }, jane);
    here.card();
    await here.caller.call('users/suspend', { acs_user_id: USER }, {}, { source: 'local' });
    for (let i = 0; i < 2; i++) here.card();
    await here.clock.advance(1_000);
    const { entries } = await life(here);
    expect(types(entries)).toEqual([
      'acs_credential.created',
      'acs_credential.issued',
      'lock.unlocked × 3',
      'acs_credential.updated',
      'acs_credential.reissued',
      'lock.unlocked',
      'acs_user.suspended',
      'lock.access_denied × 2',
    ]);
    expect(entries[3]).toMatchObject({ changed: ['ends_at'], by: { source: 'mqtt', ...jane } });
    expect(entries[5]).toMatchObject({ acs_entrance_ids: [LOBBY], by: null });
    expect(entries[6]).toMatchObject({ by: { source: 'local' } });
    expect(entries[7]).toMatchObject({ reason: 'user_suspended' });
    // What is asked about one door leaves the others out, and keeps what is about none.
    const elsewhere = { acs_entrance_id: OTHER, acs_credential_id: ID, decided_by: 'gateway' };
    here.store.group(() => here.store.events.add({ event_type: 'lock.unlocked', body: elsewhere }, here.clock.nowMs()));
    expect((await life(here)).entries).toHaveLength(9);
    expect((await life(here, { acs_entrance_id: LOBBY })).entries).toEqual(entries);
    expect((await page(here)).log).toEqual({ first_sequence: 1, last_sequence: 13, reaches_back: true });
  });

  it('follows it to its next person, and to that person’s groups and grants, and tells nothing of anybody else', async () => {
    const here = world();
    const { caller } = here;
    const call = async (name: string, params: object): Promise<void> =>
      expect((await caller.call(name, params)).error).toBeUndefined();
    for (const id of [USER, OTHER]) await call('users/create', { acs_user_id: id, full_name: id });
    await call('credentials/create', { acs_credential_id: ID, acs_user_id: USER, access_method: 'card', card_number: CARD }); // prettier-ignore
    await call('access_groups/create', { acs_access_group_id: GROUP, name: 'Staff' });
    await call('access_groups/add_user', { acs_access_group_id: GROUP, acs_user_id: OTHER });
    await call('users/suspend', { acs_user_id: OTHER });
    await call('users/unsuspend', { acs_user_id: OTHER });
    await call('credentials/unassign', { acs_credential_id: ID });
    await call('users/suspend', { acs_user_id: USER });
    await call('credentials/assign', { acs_credential_id: ID, acs_user_id: OTHER });
    await call('entrances/grant_access', { acs_entrance_id: LOBBY, acs_access_group_id: GROUP });
    await call('users/delete', { acs_user_id: USER });
    const { entries } = await life(here);
    expect(types(entries)).toEqual([
      'acs_credential.created',
      'acs_credential.issued',
      'acs_credential.unassigned',
      'acs_credential.assigned',
      'acs_credential.reissued',
      'acs_entrance.access_granted',
    ]);
    const pages = await life(here, { limit: 1 });
    expect(pages.entries).toEqual(entries);
    expect(pages.pages).toBeGreaterThanOrEqual(entries.length);
  });

  it('is there when the credential is deleted, and says how far back the log reaches', async () => {
    const here = await withCard();
    here.card();
    await here.caller.call('credentials/delete', { acs_credential_id: ID });
    const gone = await page(here);
    expect(gone.now).toBe(null);
    expect(types(gone.timeline).at(-1)).toBe('acs_credential.deleted');
    expect(gone.log['reaches_back']).toBe(true);

    const other = await withCard();
    await other.caller.call('users/suspend', { acs_user_id: USER });
    other.store.group(() => other.store.events.trim(Infinity, 1, 1_000));
    const cut = await page(other);
    // Whose it is stands in its row: what happened to that person is told, though no event says that it is theirs.
    expect(types(cut.timeline)).toEqual(['acs_user.suspended']);
    expect(cut.log).toMatchObject({ reaches_back: false, first_sequence: 4 });
    expect(cut.now).toMatchObject({ acs_user_id: USER, is_issued: true });
  });

  it('is read in slices, of which some are empty, and survives what is forgotten between two of them', async () => {
    const here = await withCard();
    const noise = { event_type: 'acs_entrance.opened', body: { acs_entrance_id: LOBBY } };
    here.store.group(() => {
      for (let i = 0; i < 4_500; i++) here.store.events.add(noise, here.clock.nowMs());
    });
    here.card();
    const { entries, pages } = await life(here);
    expect(types(entries)).toEqual(['acs_credential.created', 'acs_credential.issued', 'lock.unlocked']);
    expect(pages).toBe(3);
    const first = await page(here);
    here.store.group(() => here.store.events.trim(0, 10, 4_000));
    const rest = await life(here, { page_cursor: first.pagination.next_page_cursor });
    expect(types(rest.entries)).toEqual(['lock.unlocked']);
  });

  it('is refused for what was never here, and for a cursor of somebody else', async () => {
    const here = await withCard();
    const ask = async (params: object): Promise<string | undefined> =>
      (await here.caller.call('credentials/get_timeline', { acs_credential_id: ID, ...params })).error?.type;
    expect(await ask({ acs_credential_id: OTHER })).toBe('acs_credential_not_found');
    expect(await ask({ acs_entrance_id: OTHER })).toBe('acs_entrance_not_found');
    for (const cursor of [
      'x',
      '',
      Buffer.from('[1,2]').toString('base64url'),
      Buffer.from('[-1,null]').toString('base64url'),
      Buffer.from('{"a":1}').toString('base64url'),
    ])
      // prettier-ignore
      expect(await ask({ page_cursor: cursor })).toBe('invalid_input');
  });

  it('keeps each page within what a reply may weigh', async () => {
    const here = await withCard();
    for (let i = 0; i < 90; i++)
      await here.caller.call('credentials/update', { acs_credential_id: ID, display_name: `Card ${i}` }, { sender: 'x'.repeat(60) }); // prettier-ignore
    const { entries } = await life(here, { limit: 500 });
    expect(entries).toHaveLength(92);
  });
});
