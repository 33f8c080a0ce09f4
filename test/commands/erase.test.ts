// A person who was erased is nowhere in the files of the database, byte for byte, and the log of events is as whole as
// before.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ChainCheck } from '../../src/cli/audit-chain.ts';
import { eventJson } from '../../src/store/events.ts';
import type { Store } from '../../src/store/store.ts';
import { LOBBY, STORE_ROOM } from '../support/room.ts';
import { card, code, errorOf, setUp, uuid, type Setup } from './set-up.ts';

const WHO = uuid(77);
/** Each of them is nowhere else. */
const NAMES = ['Zephyrine Quaxwold', 'Zephyrine Umbrelstock'];
const SECRETS = ['zq@quaxwold.example', '+4791122334', 'walks with a blue cane', 'her spare card'];

const person = (n: number): Record<string, unknown> => ({
  acs_user_id: uuid(n),
  full_name: `Neighbour ${n} ${'x'.repeat(n % 90)}`,
  email_address: `neighbour-${n}@example.com`,
});

async function must({ caller }: Setup, command: string, params: object): Promise<Record<string, unknown>> {
  const reply = await caller.call(command, params);
  expect(errorOf(reply)).toBe('ok: ');
  return reply.result ?? {};
}

/** Somebody with a history, among neighbours whose rows moved hers about. */
async function withHistory(): Promise<Setup> {
  const here = await setUp();
  for (let n = 100; n < 150; n += 1) await must(here, 'users/create', person(n));
  const fields = { email_address: SECRETS[0], phone_number: SECRETS[1], metadata: { note: SECRETS[2] } };
  await must(here, 'users/create', { acs_user_id: WHO, full_name: NAMES[0], ...fields });
  for (let n = 150; n < 200; n += 1) await must(here, 'users/create', person(n));
  await must(here, 'credentials/create', card({ acs_user_id: WHO, display_name: SECRETS[3] }));
  await must(here, 'credentials/create', code({ acs_user_id: WHO, allowed_acs_entrance_ids: [STORE_ROOM] }));
  // It was written to its controller.
  const { credentials, targets } = here.room.store;
  const [target] = credentials
    .ofUser(here.room.store.users.byId(WHO)?.user_key ?? 0)
    .flatMap((one) => targets.ofCredential(one.credential_key));
  if (target !== undefined)
    here.room.store.now(() => targets.update({ ...target, slot: 1, state: 'set', written_hash: Buffer.alloc(32, 1) }));
  const long = { note: `${SECRETS[2]} ${'and more '.repeat(400)}` };
  await must(here, 'users/update', { acs_user_id: WHO, full_name: NAMES[1], metadata: long });
  for (let n = 100; n < 200; n += 3) await must(here, 'users/delete', { acs_user_id: uuid(n) });
  here.room.store.now(() =>
    here.room.store.areas.enter('workshop', {
      acs_user_id: WHO,
      atMs: 1,
      acs_entrance_id: LOBBY,
      reader: 'workshop-in',
    }),
  );
  return here;
}

/** Which of these stand in the files of the database. */
function found({ folder }: Setup, words: readonly string[]): string[] {
  const files = ['lintel.db', 'lintel.db-wal'].map((name) => join(folder, name)).filter((file) => existsSync(file));
  const bytes = files.map((file) => readFileSync(file));
  return words.filter((word) => bytes.some((file) => file.includes(word) || file.includes(word.toLowerCase())));
}

function isWhole(store: Store): boolean {
  const check = new ChainCheck();
  for (const row of store.events.after(0, 100_000))
    check.add(eventJson(row), JSON.parse(eventJson(row)) as Record<string, unknown>);
  return check.end().findings.length === 0;
}

describe('a person who is erased', () => {
  it('is nowhere in the database and its log, and the chain of events holds', async () => {
    const here = await withHistory();
    const words = [...NAMES, ...SECRETS];
    expect(found(here, words)).toEqual(words);
    const result = await must(here, 'users/erase', { acs_user_id: WHO });
    expect(result).toMatchObject({
      acs_user_id: WHO,
      was_deleted: false,
      credentials: 2,
      area_entries: 1,
      pending_erasures: 1,
      backups: 0,
      is_purged: true,
    });
    // Created, updated, two credentials.
    expect(result['replies']).toBe(4);
    expect(found(here, words)).toEqual([]);
    const { store } = here.room;
    expect(isWhole(store)).toBe(true);
    expect(here.room.woken).toContain('store-panel');
    expect(store.events.after(0, 100_000).map(({ event_type: type }) => type)).toContain('acs_user.erased');
    expect(errorOf(await here.caller.call('users/create', { acs_user_id: WHO, full_name: 'Somebody else' }))).toContain(
      'a deleted id is never used again',
    );
    // Whoever is still inside is looked for in an emergency, by the id.
    const [inside] = store.areas.list({ area: 'workshop', after: 0, limit: 10 });
    expect(inside).toMatchObject({ acs_user_id: WHO, full_name: null });
  });

  it('may have been deleted before, and erased before', async () => {
    const here = await withHistory();
    await must(here, 'users/delete', { acs_user_id: WHO });
    expect(found(here, NAMES)).not.toEqual([]);
    expect(await must(here, 'users/erase', { acs_user_id: WHO })).toMatchObject({ was_deleted: true, credentials: 0 });
    expect(found(here, [...NAMES, ...SECRETS])).toEqual([]);
    expect(await must(here, 'users/erase', { acs_user_id: WHO })).toMatchObject({ was_deleted: true, area_entries: 0 });
    expect(errorOf(await here.caller.call('users/erase', { acs_user_id: uuid(999) }))).toContain('acs_user_not_found');
  });

  it('is not named by a reply to a repeat of what was commanded then, which still has no second effect', async () => {
    const here = await setUp();
    const envelope = { command_id: 'then' };
    const params = { acs_user_id: WHO, full_name: NAMES[0] };
    expect((await here.caller.call('users/create', params, envelope)).ok).toBe(true);
    await must(here, 'users/erase', { acs_user_id: WHO });
    const again = await here.caller.call('users/create', params, envelope);
    expect(again).toMatchObject({ ok: true, result: { type: 'erased' } });
    expect(here.room.store.users.byId(WHO)).toBeUndefined();
  });
});
