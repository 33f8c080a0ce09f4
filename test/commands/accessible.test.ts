// Who may open what, as lists.

import { describe, expect, it } from 'vitest';
import { ManualClock } from '../support/manual-clock.ts';
import { buildRoom, Caller, LOBBY, STORE_ROOM, USER } from '../support/room.ts';
import { openStore, temporaryFolder } from '../support/store.ts';

const JOE = '44444444-4444-4444-4444-444444444444';
const NOWHERE = '55555555-5555-5555-5555-000000000999';
const idOf = (n: number): string => `66666666-6666-6666-6666-${String(n).padStart(12, '0')}`;

async function building(): Promise<Caller> {
  const clock = new ManualClock();
  const caller = new Caller(buildRoom(openStore(temporaryFolder(), clock), clock));
  for (const id of [USER, JOE]) await caller.call('users/create', { acs_user_id: id, full_name: id });
  return caller;
}

const card = async (caller: Caller, n: number, more: Record<string, unknown>): Promise<void> => {
  const reply = await caller.call('credentials/create', {
    acs_credential_id: idOf(n), acs_user_id: USER, access_method: 'card', card_number: `H10301:1:${n}`, allowed_acs_entrance_ids: [LOBBY], ...more,
  }); // prettier-ignore
  expect(reply.error).toBeUndefined();
};

async function entrancesOf(caller: Caller, acs_user_id: string): Promise<unknown[]> {
  const { result } = await caller.call('users/list_accessible_entrances', { acs_user_id });
  return (result?.['acs_entrances'] as { acs_entrance_id: string }[]).map((one) => one.acs_entrance_id);
}

type Page = { ids: string[]; cursor: string | null };
async function pageOf(caller: Caller, params: Record<string, unknown>): Promise<Page> {
  const { result } = await caller.call('entrances/list_credentials_with_access', params);
  return {
    ids: (result?.['acs_credentials'] as { acs_credential_id: string }[]).map((one) => one.acs_credential_id),
    cursor: (result?.['pagination'] as { next_page_cursor: string | null }).next_page_cursor,
  };
}

describe('the entrances of a person', () => {
  it('are those of all their credentials, each once, and of nobody else’s', async () => {
    const caller = await building();
    expect(await entrancesOf(caller, USER)).toEqual([]);
    await card(caller, 1, { allowed_acs_entrance_ids: [STORE_ROOM] });
    await card(caller, 2, { allowed_acs_entrance_ids: [STORE_ROOM, LOBBY] });
    await card(caller, 3, { acs_user_id: JOE, allowed_acs_entrance_ids: [] });
    const all = await entrancesOf(caller, USER);
    expect(all).toHaveLength(2);
    expect(all).toEqual(expect.arrayContaining([LOBBY, STORE_ROOM]));
    expect(await entrancesOf(caller, JOE)).toEqual([]);
    await caller.call('credentials/delete', { acs_credential_id: idOf(2) });
    expect(await entrancesOf(caller, USER)).toEqual([STORE_ROOM]);
    await caller.call('credentials/assign', { acs_credential_id: idOf(1), acs_user_id: JOE });
    expect(await entrancesOf(caller, USER)).toEqual([]);
    expect(await entrancesOf(caller, JOE)).toEqual([STORE_ROOM]);
  });

  it('are asked of somebody who is there', async () => {
    const caller = await building();
    const { error } = await caller.call('users/list_accessible_entrances', { acs_user_id: idOf(9) });
    expect(error).toMatchObject({ type: 'acs_user_not_found', path: ['params', 'acs_user_id'] });
  });
});

describe('the credentials of an entrance', () => {
  it('come in pages that lose nobody, and are those that name it', async () => {
    const caller = await building();
    for (let n = 0; n < 7; n++)
      await card(caller, n, { allowed_acs_entrance_ids: n % 2 === 0 ? [LOBBY] : [STORE_ROOM] });
    const seen: string[] = [];
    for (let page: Page | null = null; page?.cursor !== null;) {
      const cursor: string | undefined = page?.cursor ?? undefined;
      page = await pageOf(caller, { acs_entrance_id: LOBBY, limit: 2, page_cursor: cursor });
      expect(page.ids.length).toBeLessThanOrEqual(2);
      seen.push(...page.ids);
    }
    expect(seen).toEqual([0, 2, 4, 6].map(idOf));
    expect((await pageOf(caller, { acs_entrance_id: STORE_ROOM })).ids).toEqual([1, 3, 5].map(idOf));
    await caller.call('credentials/update', { acs_credential_id: idOf(2), allowed_acs_entrance_ids: [] });
    expect((await pageOf(caller, { acs_entrance_id: LOBBY })).ids).toEqual([0, 4, 6].map(idOf));
  });

  it('are asked of an entrance that is there', async () => {
    const caller = await building();
    const { error } = await caller.call('entrances/list_credentials_with_access', { acs_entrance_id: NOWHERE });
    expect(error).toMatchObject({ type: 'acs_entrance_not_found', path: ['params', 'acs_entrance_id'] });
  });
});
