// A snapshot replaces what the facility has of people and access, all of it or nothing.

import { describe, expect, test } from 'vitest';
import { LOBBY, STORE_ROOM, USER } from '../support/room.ts';
import { card, code, errorOf, eventTypes, ID, setUp, uuid, type Setup } from './set-up.ts';
import { pageSha256, sendSnapshot, wholeSha256, type Item } from './snapshot-list.ts';

const GROUP = '44444444-4444-4444-4444-444444444444';
const SCHEDULE = '99999999-9999-9999-9999-999999999999';
const GRANT = 'bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb';
const METHOD = 'cccccccc-cccc-cccc-cccc-cccccccccccc';

const jane: Item = { command: 'users/create', params: { acs_user_id: USER, full_name: 'Jane Doe' } };
const person = (n: number): Item => ({
  command: 'users/create',
  params: { acs_user_id: uuid(n), full_name: `P ${n}` },
});
const credential = (n: number, more: Record<string, unknown> = {}): Item => ({
  command: 'credentials/create',
  params: { acs_credential_id: uuid(n), ...code({ code: String(100_000 + n * 97), ...more }) },
});

const full: readonly Item[] = [
  { command: 'access_grants/create', params: { access_grant_id: GRANT, acs_user_id: USER, acs_entrance_ids: [LOBBY], requested_access_methods: [{ mode: 'code', access_method_id: METHOD, code: '771133' }] } }, // prettier-ignore
  { command: 'credentials/create', params: { acs_credential_id: ID, acs_user_id: uuid(1), access_method: 'card', card_number: 'H10301:1:2', schedule_id: SCHEDULE } }, // prettier-ignore
  { command: 'access_groups/add_user', params: { acs_access_group_id: GROUP, acs_user_id: uuid(1) } },
  { command: 'entrances/grant_access', params: { acs_entrance_id: LOBBY, acs_user_id: uuid(1) } },
  { command: 'users/suspend', params: { acs_user_id: uuid(2) } },
  jane,
  person(1),
  person(2),
  { command: 'access_groups/create', params: { acs_access_group_id: GROUP, name: 'Staff', acs_entrance_ids: [LOBBY] } },
  { command: 'schedules/create', params: { schedule_id: SCHEDULE, name: 'Office', week: 'mon-fri 08:00-17:00' } },
];

const digest = async ({ caller }: Setup): Promise<unknown> =>
  (await caller.call('facility/digest', {})).result?.['digest'];
const revision = ({ room }: Setup): number => room.store.revision();

describe('a snapshot', () => {
  test('makes an empty facility what commands would have made it, whatever the order of its items', async () => {
    const [one, other] = [await setUp(), await setUp()];
    const reply = await sendSnapshot(one.caller, 's', [full.slice(0, 3), full.slice(3)], {
      base: revision(one),
      revision: 77,
    });
    expect(errorOf(reply)).toBe('ok: ');
    expect(reply.result).toMatchObject({ revision: 77, created: 8, updated: 1, unchanged: 1, deleted: 0 });
    for (const at of [9, 6, 7, 8, 4, 2, 3, 0, 1])
      expect(errorOf(await other.caller.call(full[at]?.command ?? '', full[at]?.params))).toBe('ok: ');
    expect(await digest(one)).toBe(await digest(other));
    expect(reply.result?.['digest']).toBe(await digest(other));
    expect(revision(one)).toBe(77);
  });

  test('leaves what is equal alone, and says so once for all', async () => {
    const setup = await setUp();
    await sendSnapshot(setup.caller, 's', [full], { base: revision(setup) });
    const before = setup.room.store.events.lastSequence();
    setup.room.woken.length = 0;
    const reply = await sendSnapshot(setup.caller, 't', [full], { base: revision(setup) });
    expect(reply.result).toMatchObject({ created: 0, updated: 0, deleted: 0, unchanged: 10 });
    expect(setup.room.store.events.after(before, 100).map(({ event_type: type }) => type)).toEqual([
      'facility.snapshot_committed',
    ]);
    expect(setup.room.woken).toEqual([]);
  });

  test('takes away what it does not name, changes what differs, and keeps a code that it leaves out', async () => {
    const setup = await setUp();
    const { caller, room } = setup;
    await caller.call('credentials/create', code({ acs_credential_id: ID }));
    await caller.call('credentials/create', card({ acs_credential_id: uuid(1) }));
    const hash = room.store.credentials.byId(ID)?.code_hash;
    const rest = JSON.parse(
      JSON.stringify({ ...code({ acs_credential_id: ID, ends_at: '2030-01-01T00:00:00Z' }), code: undefined }),
    ) as Item['params'];
    const reply = await sendSnapshot(caller, 's', [[jane, { command: 'credentials/create', params: rest }]], {
      base: revision(setup),
      expect_deleted: 1,
    });
    expect(reply.result).toMatchObject({ created: 0, updated: 1, deleted: 1, unchanged: 1 });
    expect(room.store.credentials.byId(ID)?.code_hash).toEqual(hash);
    expect(room.store.credentials.byId(uuid(1))).toBeUndefined();
    expect(eventTypes(room).slice(-4)).toEqual([
      'acs_credential.deleted',
      'acs_credential.updated',
      'acs_credential.reissued',
      'facility.snapshot_committed',
    ]);
  });

  test('gives a person the card of another in one step, and exchanges two codes', async () => {
    const setup = await setUp();
    const first = [jane, person(1), credential(5, { code: '111222' }), credential(6, { code: '333444' })];
    await sendSnapshot(setup.caller, 's', [first], { base: revision(setup) });
    const second = [
      jane,
      person(1),
      credential(5, { code: '333444', acs_user_id: uuid(1) }),
      credential(6, { code: '111222' }),
    ];
    const reply = await sendSnapshot(setup.caller, 't', [second], { base: revision(setup) });
    expect(reply.result).toMatchObject({ updated: 2, unchanged: 2, deleted: 0 });
  });

  test('is refused as a whole, item by item, where a door or controller could not hold it', async () => {
    const setup = await setUp();
    const before = await digest(setup);
    const pages = [
      [jane, credential(1, { code: '111222' }), credential(2, { code: '111222' })],
      [1, 2, 3, 4].map((n) => credential(10 + n, { allowed_acs_entrance_ids: [STORE_ROOM] })),
      [{ command: 'access_groups/add_user', params: { acs_access_group_id: GROUP, acs_user_id: uuid(9) } }],
    ];
    const missing = await sendSnapshot(setup.caller, 's', pages, { base: revision(setup) });
    expect(errorOf(missing)).toContain(`page 2, item 0: access group ${GROUP} is not in the snapshot`);
    const refused = await sendSnapshot(setup.caller, 's', pages.slice(0, 2), { base: revision(setup), revision: 50 });
    expect(errorOf(refused)).toContain('page 0, item 1: params.code: at lobby, credential');
    expect(errorOf(refused)).toContain('page 1, item 0: store-panel has 3 slots');
    expect(errorOf(refused)).toContain('Nothing was changed');
    expect(await digest(setup)).toBe(before);
  });

  test('needs to be told how many it deletes where that is more than a fifth', async () => {
    const setup = await setUp();
    await sendSnapshot(setup.caller, 's', [[jane, ...[1, 2, 3, 4, 5].map((n) => credential(n))]], {
      base: revision(setup),
    });
    const fewer = [[jane, credential(1), credential(2), credential(3)]];
    expect(errorOf(await sendSnapshot(setup.caller, 't', fewer, { base: revision(setup) }))).toContain(
      'does not name 2 of 6 objects that are here (2 credentials), and would delete them. Remedy: expect_deleted 2',
    );
    const wrong = { base: revision(setup), expect_deleted: 3 };
    expect(errorOf(await sendSnapshot(setup.caller, 't', fewer, wrong))).toContain('expect_deleted 2');
    const right = await sendSnapshot(setup.caller, 't', fewer, { base: revision(setup), expect_deleted: 2 });
    expect(right.result).toMatchObject({ deleted: 2, unchanged: 4 });
  });

  test('does not bring a deleted id back, and does not mind one that ended long ago', async () => {
    const setup = await setUp();
    const { caller, room } = setup;
    await caller.call('credentials/create', code({ acs_credential_id: ID }));
    await caller.call('credentials/delete', { acs_credential_id: ID });
    const back = [jane, { command: 'credentials/create', params: code({ acs_credential_id: ID }) }];
    expect(errorOf(await sendSnapshot(caller, 's', [back], { base: revision(setup) }))).toContain(
      `page 0, item 1: credential ${ID} was deleted, and a deleted id is never used again`,
    );
    room.store.now(() => room.store.tombstones.add('credential', uuid(7), 1, 'ended'));
    const over = await sendSnapshot(caller, 't', [[jane, credential(7)]], { base: revision(setup) });
    expect(over.result).toMatchObject({ created: 0, unchanged: 2 });
  });
});

describe('the pages of a snapshot', () => {
  test('come in any order, and one that comes again takes the place of the first', async () => {
    const setup = await setUp();
    const { caller } = setup;
    const pages = [[jane, credential(1)], [person(1)]];
    const base = revision(setup);
    await caller.call('facility/begin_snapshot', { snapshot_id: 's', base_revision: base, revision: base + 1 });
    const put = async (page: number, items: readonly Item[]) =>
      (await caller.call('facility/put_snapshot_page', { snapshot_id: 's', page, items })).result;
    expect(await put(1, pages[1] ?? [])).toMatchObject({ pages: 1, sha256: pageSha256(pages[1] ?? []) });
    const commit = { snapshot_id: 's', pages: 2, sha256: wholeSha256(pages) };
    expect(errorOf(await caller.call('facility/commit_snapshot', commit))).toContain('pages are missing: 0');
    await put(0, [jane]);
    expect(errorOf(await caller.call('facility/commit_snapshot', commit))).toContain(
      'over the pages that are here it is',
    );
    expect(await put(0, pages[0] ?? [])).toMatchObject({ pages: 2 });
    expect(await put(0, pages[0] ?? [])).toMatchObject({ pages: 2 });
    const again = await caller.call('facility/begin_snapshot', {
      snapshot_id: 's',
      base_revision: base,
      revision: base + 1,
    });
    expect(again.result).toMatchObject({ pages: [0, 1], replaced_snapshot_id: null });
    const done = await caller.call('facility/commit_snapshot', commit);
    expect(done.result).toMatchObject({ created: 2, unchanged: 1 });
    expect((await caller.call('facility/commit_snapshot', commit)).result).toEqual(done.result);
  });

  test('are checked by the schema of their command, and nothing of a code is kept in the clear', async () => {
    const setup = await setUp();
    const { caller, room, folder } = setup;
    const base = revision(setup);
    await caller.call('facility/begin_snapshot', { snapshot_id: 's', base_revision: base, revision: base + 1 });
    const put = (items: readonly unknown[]) =>
      caller.call('facility/put_snapshot_page', { snapshot_id: 's', page: 0, items });
    const bad = await put([jane, { command: 'users/create', params: { full_name: 'No id' } }]);
    expect(errorOf(bad)).toContain('params.items.1: params.acs_user_id: required in a snapshot');
    expect(bad.error?.path).toEqual(['params', 'items', 1, 'params', 'acs_user_id']);
    expect(errorOf(await put([{ command: 'users/delete', params: {} }]))).toContain('params.items.0.command');
    await put([jane, credential(1, { code: '48151623' })]);
    room.store.flush();
    const { readFileSync, readdirSync } = await import('node:fs');
    for (const name of readdirSync(folder).filter((file) => file.startsWith('lintel.db')))
      expect(readFileSync(`${folder}/${name}`, 'latin1')).not.toContain('48151623');
  });

  test('are refused for another revision, and without a snapshot; a new one drops the older one', async () => {
    const setup = await setUp();
    const { caller, room } = setup;
    const base = revision(setup);
    const begin = (snapshot_id: string, base_revision: number) =>
      caller.call('facility/begin_snapshot', { snapshot_id, base_revision, revision: base_revision + 5 });
    expect(errorOf(await begin('s', base + 1))).toContain(
      `stale_revision: params.base_revision: the snapshot was made for revision ${base + 1}`,
    );
    expect(
      errorOf(await caller.call('facility/put_snapshot_page', { snapshot_id: 's', page: 0, items: [jane] })),
    ).toContain('snapshot_not_found');
    await begin('s', base);
    await caller.call('facility/put_snapshot_page', { snapshot_id: 's', page: 0, items: [jane] });
    await caller.call('users/create', { full_name: 'Somebody meanwhile' });
    const late = { snapshot_id: 's', pages: 1, sha256: wholeSha256([[jane]]) };
    expect(errorOf(await caller.call('facility/commit_snapshot', late))).toContain('stale_revision');
    expect((await begin('t', revision(setup))).result).toMatchObject({ pages: [], replaced_snapshot_id: 's' });
    expect(eventTypes(room).at(-1)).toBe('facility.snapshot_abandoned');
  });
});

test('the example of docs/mqtt-api.md is right', () => {
  const page = [
    jane,
    { command: 'credentials/create', params: card({ acs_credential_id: ID, allowed_acs_entrance_ids: [LOBBY] }) },
  ];
  expect(pageSha256(page)).toBe('27724c05f1b040ecf2439fd457c4a4f8d1f7377ec8e6de766d342560b1e20f14');
  expect(wholeSha256([page])).toBe('9c59a7d9fa548cc71f3d43469d6d154e63cfdec83de842d3eceb5d3b0ebf114b');
});
