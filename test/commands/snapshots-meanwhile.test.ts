// What a snapshot that is being committed does to everything else, and what everything else does to it: commands that
// come meanwhile, a stop in the middle, a disk that is full.

import { expect, test } from 'vitest';
import { buildRoom, Caller, LOBBY, USER, type ParsedReply } from '../support/room.ts';
import { openStore } from '../support/store.ts';
import { errorOf, ID, setUp, uuid, code, type Setup } from './set-up.ts';
import { sendSnapshot, wholeSha256, type Item } from './snapshot-list.ts';

const jane: Item = { command: 'users/create', params: { acs_user_id: USER, full_name: 'Jane Doe' } };
const COUNT = 900;
const pages: Item[][] = [
  [jane],
  ...[0, 1, 2].map((page) =>
    Array.from({ length: COUNT / 3 }, (_, i) => ({
      command: 'credentials/create',
      params: {
        acs_credential_id: uuid(page * 1000 + i),
        acs_user_id: USER,
        access_method: 'card',
        card_number: `H10301:${page}:${i + 1}`,
        allowed_acs_entrance_ids: [LOBBY],
      },
    })),
  ),
];

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** All pages are there, and the commit is under way. */
async function committing({ caller, room }: Setup): Promise<{ reply: Promise<ParsedReply> }> {
  const base = room.store.revision();
  await caller.call('facility/begin_snapshot', { snapshot_id: 's', base_revision: base, revision: 500 });
  for (const [page, items] of pages.entries())
    await caller.call('facility/put_snapshot_page', { snapshot_id: 's', page, items });
  const params = { snapshot_id: 's', pages: pages.length, sha256: wholeSha256(pages), expect_deleted: 1 };
  const reply = caller.call('facility/commit_snapshot', params, { command_id: 'commit' });
  while (room.store.snapshots.present()?.progress == null) await turn();
  return { reply };
}

test('commands that change people or access wait in order; a revocation is in force at once; the rest goes on', async () => {
  const setup = await setUp();
  const { caller, room } = setup;
  await caller.call('credentials/create', code({ acs_credential_id: ID }));
  const { reply } = await committing(setup);
  const order: string[] = [];
  const waiting = [
    caller.call('users/update', { acs_user_id: USER, full_name: 'Jane Roe' }).then((one) => order.push(errorOf(one))),
    caller.call('users/suspend', { acs_user_id: USER }).then((one) => order.push(errorOf(one))),
  ];
  expect(room.store.withdrawn.has({ acs_credential_id: ID, acs_user_id: USER })).toBe(true);
  expect(errorOf(await caller.call('facility/reset_stream', { stream_id: 'x' }))).toBe('ok: ');
  expect(errorOf(await caller.call('facility/digest', {}))).toBe('ok: ');
  expect(order).toEqual([]);
  void reply.then((one) => order.push(`commit ${errorOf(one)}`));
  await Promise.all([reply, ...waiting]);
  expect(order).toEqual(['commit ok: ', 'ok: ', 'ok: ']);
  expect(room.store.revision()).toBe(502);
  expect(room.store.withdrawn.has({ acs_credential_id: ID, acs_user_id: USER })).toBe(false);
});

test('a stop in the middle goes on at the next start, counts each item once, and is answered then', async () => {
  const setup = await setUp();
  const { caller, room, folder, clock } = setup;
  await caller.call('credentials/create', code({ acs_credential_id: ID }));
  void (await committing(setup)).reply;
  while (room.store.credentials.count() < COUNT / 2) await turn();
  caller.dispatcher.stop();
  await turn();
  await turn();
  const { store: before } = room;
  expect(before.credentials.count()).toBeLessThan(COUNT);
  expect(before.revision()).toBeLessThan(500);
  before.close();

  const store = openStore(folder, clock);
  const again = new Caller(buildRoom(store, clock));
  again.dispatcher.recover();
  while (store.snapshots.present() !== undefined) await turn();
  const reply = await again.call('facility/digest', {}, { command_id: 'digest' });
  expect(reply.result).toMatchObject({ credentials: COUNT, users: 1, revision: 500 });
  const row = store.journal.get('commit');
  const answer = JSON.parse(row === undefined ? '{}' : (store.journal.replyOf(row) ?? '{}')) as ParsedReply;
  expect(answer.result).toMatchObject({ created: COUNT, unchanged: 1, deleted: 1, updated: 0 });
  expect(answer.result?.['digest']).toBe(reply.result?.['digest']);
  expect(store.events.after(0, 5000).filter(({ event_type: type }) => type === 'acs_credential.created')).toHaveLength(
    COUNT + 1,
  );
  const [last] = store.events.after(store.events.lastSequence() - 1, 1);
  expect(last?.event_type).toBe('facility.snapshot_committed');
});

test('a snapshot that nobody sends any more is dropped after a day', async () => {
  const { expireSnapshot } = await import('../../src/commands/snapshots/snapshots.ts');
  const { caller, room, clock } = await setUp();
  await caller.call('facility/begin_snapshot', {
    snapshot_id: 's',
    base_revision: room.store.revision(),
    revision: 500,
  });
  await caller.call('facility/put_snapshot_page', { snapshot_id: 's', page: 0, items: [jane] });
  expireSnapshot(room, clock.nowMs() + 86_399_999);
  expect(room.store.snapshots.present()).toBeDefined();
  expireSnapshot(room, clock.nowMs() + 86_400_000);
  room.store.flush();
  expect(room.store.snapshots.present()).toBeUndefined();
  expect(room.store.snapshots.size()).toMatchObject({ pages: 0 });
  expect(errorOf(await sendSnapshot(caller, 't', [[jane]], { base: room.store.revision() }))).toBe('ok: ');
});
