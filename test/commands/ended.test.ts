// What ended long ago is removed at night: credentials and grants go, their ids stay, and nothing that comes late makes
// them anew.

import Database from 'better-sqlite3';
import { expect, it, onTestFinished } from 'vitest';
import { removeEnded } from '../../src/agent/ended-records.ts';
import { Expiry } from '../../src/sync/expiry.ts';
import { LOBBY, silentLog, STORE_ROOM, SYSTEM, USER } from '../support/room.ts';
import { card, code, errorOf, ID, setUp, uuid, type Setup } from './set-up.ts';

const DAY_MS = 86_400_000;
const KEEP_MS = 400 * DAY_MS;
const GRANT = uuid(900);
const METHOD = uuid(901);

type Night = Setup & {
  inDays: (days: number) => string;
  pass: (days: number) => Promise<void>;
  /** The job of the night; how many it took. */
  night: (options?: { trusted?: boolean }) => Promise<{ credentials: number; grants: number }>;
  told: () => Record<string, unknown>[];
};

async function nights(): Promise<Night> {
  const here = await setUp();
  const { room, clock } = here;
  const startMs = clock.nowMs();
  const expiry = new Expiry({ store: room.store, clock, log: silentLog, time: () => room.time(), acsSystemId: SYSTEM });
  expiry.start();
  onTestFinished(() => expiry.stop());
  return {
    ...here,
    inDays: (days) => new Date(startMs + days * DAY_MS).toISOString(),
    async pass(days) {
      clock.leap(days * DAY_MS);
      await clock.advance(16_000);
    },
    night: ({ trusted = true } = {}) =>
      removeEnded({
        ...{ store: room.store, clock, keepMs: KEEP_MS, isStopped: () => false },
        certainNowMs: () => (trusted ? clock.nowMs() : null),
      }),
    told: () =>
      room.store.events
        .after(0, 10_000)
        .filter(({ event_type }) => event_type === 'agent.ended_removed')
        .map(({ body }) => JSON.parse(body) as Record<string, unknown>),
  };
}
async function done(here: Setup, name: string, params: Record<string, unknown>): Promise<Record<string, unknown>> {
  const reply = await here.caller.call(name, params);
  expect(errorOf(reply)).toBe('ok: ');
  return reply.result ?? {};
}
const get = async (here: Setup, id: string): Promise<string> =>
  errorOf(await here.caller.call('credentials/get', { acs_credential_id: id }));
const digestOf = async (here: Setup): Promise<unknown> => (await done(here, 'facility/digest', {}))['digest'];

it('an ended credential stays for its time, and then it is gone, with its card, and told by its id', async () => {
  const here = await nights();
  const empty = await digestOf(here);
  await done(here, 'credentials/create', card({ acs_credential_id: ID, ends_at: here.inDays(10) }));
  await done(here, 'credentials/create', code({ acs_credential_id: uuid(1) }));
  const kept = uuid(1);
  await here.pass(11);
  await here.pass(399);
  expect(await here.night()).toEqual({ credentials: 0, grants: 0 });
  expect(await get(here, ID)).toBe('ok: ');
  await here.pass(2);
  expect(await here.night({ trusted: false })).toEqual({ credentials: 0, grants: 0 });
  const revision = here.room.store.revision();
  expect(await here.night()).toEqual({ credentials: 1, grants: 0 });
  expect(here.room.store.revision()).toBeGreaterThan(revision);
  expect(await get(here, ID)).toMatch(/^acs_credential_deleted: .*ended long ago and was removed on 20/);
  expect(await get(here, kept)).toBe('ok: ');
  expect(here.told()).toMatchObject([{ count: 1, acs_credential_ids: [ID], access_grant_ids: [] }]);
  const db = new Database(here.room.store.path, { readonly: true });
  expect(db.prepare('SELECT count(*) FROM credentials WHERE card_hash IS NOT NULL').pluck().get()).toBe(0);
  db.close();
  await done(here, 'credentials/delete', { acs_credential_id: kept });
  expect(await digestOf(here)).toBe(empty);
  expect(await here.night()).toEqual({ credentials: 0, grants: 0 });
});

it('no late command makes it anew, and its card is free for somebody else', async () => {
  const here = await nights();
  const created = card({ acs_credential_id: ID, ends_at: here.inDays(10) });
  await done(here, 'credentials/create', created);
  await here.pass(11);
  await here.pass(401);
  await here.night();
  for (const late of [created, { ...created, ends_at: here.inDays(900) }, { ...created, ends_at: undefined }])
    expect(errorOf(await here.caller.call('credentials/create', late))).toMatch(/^acs_credential_deleted/);
  expect(errorOf(await here.caller.call('credentials/update', { acs_credential_id: ID, ends_at: here.inDays(900) }))).toMatch(/^acs_credential_deleted: .*ended long ago/); // prettier-ignore
  await done(here, 'credentials/delete', { acs_credential_id: ID });
  await done(here, 'credentials/get_timeline', { acs_credential_id: ID });
  await done(here, 'credentials/create', card({ acs_credential_id: uuid(2) }));
});

it('a used one-time code goes as well; what has no end, or whose end was moved on, stays', async () => {
  const here = await nights();
  const { store } = here.room;
  await done(here, 'credentials/create', code({ acs_credential_id: ID, is_one_time_use: true }));
  await done(here, 'credentials/create', code({ acs_credential_id: uuid(1), code: '913746' }));
  await done(here, 'credentials/create', card({ acs_credential_id: uuid(2), ends_at: here.inDays(10) }));
  store.now(() => {
    const key = store.credentials.byId(ID)?.credential_key ?? 0;
    store.credentials.markUsed(key, here.clock.nowMs());
    store.credentials.markInvalidated(key, here.clock.nowMs());
  });
  await here.pass(20);
  await done(here, 'credentials/update', { acs_credential_id: uuid(2), ends_at: here.inDays(2000) });
  await here.pass(401);
  expect(await here.night()).toEqual({ credentials: 1, grants: 0 });
  expect(await get(here, ID)).toMatch(/ended long ago/);
  expect([await get(here, uuid(1)), await get(here, uuid(2))]).toEqual(['ok: ', 'ok: ']);
});

it('stays as long as a controller may hold it', async () => {
  const here = await nights();
  await done(here, 'credentials/create', code({ acs_credential_id: ID, ends_at: here.inDays(10), allowed_acs_entrance_ids: [STORE_ROOM] })); // prettier-ignore
  await here.pass(11);
  await here.pass(401);
  expect(await here.night()).toEqual({ credentials: 0, grants: 0 });
  here.room.store.flush();
  const db = new Database(here.room.store.path);
  expect(db.prepare("UPDATE targets SET state = 'removed', slot = NULL").run().changes).toBe(1);
  db.close();
  expect(await here.night()).toEqual({ credentials: 1, grants: 0 });
});

it('a grant goes with its methods and their codes, and its key and ids do not come again', async () => {
  const here = await nights();
  const empty = await digestOf(here);
  const without = {
    ...{ access_grant_key: 'stay-1', reservation_key: 'R-1', acs_user_id: USER },
    ...{ acs_entrance_ids: [LOBBY], starts_at: here.inDays(1), ends_at: here.inDays(5) },
    requested_access_methods: [{ mode: 'code', access_method_id: METHOD }, { mode: 'card' }],
  };
  const stay = { ...without, access_grant_id: GRANT };
  await done(here, 'access_grants/create', stay);
  await here.pass(6);
  await here.pass(398);
  expect(await here.night()).toEqual({ credentials: 0, grants: 0 });
  expect(errorOf(await here.caller.call('access_grants/get', { access_grant_id: GRANT }))).toBe('ok: ');
  await here.pass(4);
  expect(await here.night()).toEqual({ credentials: 0, grants: 1 });
  expect(here.told()).toMatchObject([{ count: 3, access_grant_ids: [GRANT] }]);
  expect(await digestOf(here)).toBe(empty);
  expect(errorOf(await here.caller.call('access_grants/get', { access_grant_id: GRANT }))).toMatch(/^access_grant_not_found: .*ended long ago and was removed/); // prettier-ignore
  expect(errorOf(await here.caller.call('access_methods/get', { access_method_id: METHOD }))).toMatch(/^access_method_not_found: .*ended long ago/); // prettier-ignore
  expect(await get(here, METHOD)).toMatch(/ended long ago/);
  expect(errorOf(await here.caller.call('access_grants/create', stay))).toMatch(/^access_grant_exists/);
  expect(errorOf(await here.caller.call('access_grants/create', without))).toMatch(
    /^invalid_input: .*lies in the past/,
  );
  await done(here, 'access_grants/delete', { access_grant_id: GRANT });
  // Its reservation key is free for a later stay.
  const later = { ...without, starts_at: here.inDays(500), ends_at: here.inDays(505), requested_access_methods: [] };
  await done(here, 'access_grants/create', later);
});

it('many go in slices, each with its event, and their room in the file is used again', async () => {
  const here = await nights();
  const { store } = here.room;
  const MANY = 130;
  const pages = (): number => {
    store.flush();
    const db = new Database(store.path, { readonly: true });
    const count = db.pragma('page_count', { simple: true }) as number;
    db.close();
    return count;
  };
  const sizes: number[] = [];
  for (let year = 0; year < 3; year++) {
    for (let i = 0; i < MANY; i++)
      await done(here, 'credentials/create', card({ acs_credential_id: uuid(10_000 * (year + 1) + i), card_number: `H10301:7:${i}`, ends_at: here.inDays(year * 420 + 10), metadata: { note: 'x'.repeat(2_000) } })); // prettier-ignore
    await here.pass(11);
    await here.pass(409);
    const before = store.commits;
    expect(await here.night()).toEqual({ credentials: MANY, grants: 0 });
    expect(store.commits - before).toBeGreaterThan(3);
    store.now(() => store.journal.trim(here.clock.nowMs(), 10_000));
    store.now(() => store.events.trim(here.clock.nowMs(), 10, 10_000));
    sizes.push(pages());
  }
  const [first = 0, , last = 0] = sizes;
  // A quarter for the ids that stay; a year of credentials is three times that.
  expect(last).toBeLessThan(1.25 * first);
});
