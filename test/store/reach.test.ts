// Who opens which door, by which path: asked of the store, whatever the windows.

import { describe, expect, it } from 'vitest';
import type { CredentialRow } from '../../src/store/credentials.ts';
import type { Store } from '../../src/store/store.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { buildRoom, Caller, LOBBY, STORE_ROOM, USER } from '../support/room.ts';
import { behindItsBack, openStore, temporaryFolder } from '../support/store.ts';

const CARD = 'H10301:1:1';
const PIN = '8247';
const idOf = (n: number): string => `66666666-6666-6666-6666-${String(n).padStart(12, '0')}`;

type House = {
  folder: string;
  store: Store;
  lobby: number;
  storeRoom: number;
  create: (n: number, params: Record<string, unknown>) => Promise<CredentialRow>;
};

async function house(): Promise<House> {
  const folder = temporaryFolder();
  const clock = new ManualClock();
  const store = openStore(folder, clock);
  const caller = new Caller(buildRoom(store, clock));
  await caller.call('users/create', { acs_user_id: USER, full_name: 'Jane' });
  const keyOf = (id: string): number => store.entrances.byId(id)?.entrance_key ?? 0;
  const create: House['create'] = async (n, params) => {
    const reply = await caller.call('credentials/create', { acs_credential_id: idOf(n), acs_user_id: USER, ...params });
    expect(reply.error).toBeUndefined();
    const row = store.credentials.byId(idOf(n));
    if (row === undefined) throw new Error('it was made');
    return row;
  };
  return { folder, store, lobby: keyOf(LOBBY), storeRoom: keyOf(STORE_ROOM), create };
}

const card = { access_method: 'card', card_number: CARD };
const code = { access_method: 'code', code: PIN };

const codeOf = ({ code_hash: hash, code_length: length }: CredentialRow): { hash: Buffer; length: number } | null =>
  hash === null || length === null ? null : { hash, length };

describe('a credential with a list of its own', () => {
  it('has one path to each entrance of it, without a window or a schedule, and none to any other', async () => {
    const { store, lobby, storeRoom, create } = await house();
    const row = await create(1, { ...card, allowed_acs_entrance_ids: [LOBBY] });
    const owner = store.credentials.withUser(row.credential_key);
    if (owner === undefined) throw new Error('it was made');
    const path = { kind: 'own_list', id: null, window: { startsAtMs: null, endsAtMs: null }, schedule: null };
    expect(store.reach.at(owner, lobby)).toMatchObject([path]);
    expect(store.reach.at(owner, storeRoom)).toEqual([]);
    expect(store.reach.pathsOf(owner)).toMatchObject([{ entranceKey: lobby, path }]);
    expect(store.reach.entrancesOf(owner)).toEqual([lobby]);
    expect(store.reach.at(owner, lobby).map((one) => store.seals.holds(owner, one))).toEqual([true]);
    store.credentials.setEntrances(row.credential_key, [storeRoom, lobby], null);
    const all = store.reach.pathsOf(store.credentials.withUser(row.credential_key) ?? owner);
    expect(all.map(({ entranceKey }) => entranceKey)).toEqual([lobby, storeRoom].sort((a, b) => a - b));
    expect(all.map((one) => store.seals.holdsPath(one.path))).toEqual([true, true]);
  });

  it('that is taken for one without has none, whatever entries are left', async () => {
    const { store, lobby, create } = await house();
    const row = await create(1, { ...card, allowed_acs_entrance_ids: [LOBBY] });
    const owner = store.credentials.withUser(row.credential_key);
    if (owner === undefined) throw new Error('it was made');
    const without = { ...owner, has_own_entrances: 0 as const };
    expect([store.reach.at(without, lobby), store.reach.pathsOf(without), store.reach.entrancesOf(without)]).toEqual([
      [],
      [],
      [],
    ]);
  });

  it('has no sound path by an entry whose code is not its own', async () => {
    const { folder, store, lobby, create } = await house();
    const row = await create(1, { ...code, allowed_acs_entrance_ids: [LOBBY] });
    const owner = store.credentials.withUser(row.credential_key);
    if (owner === undefined) throw new Error('it was made');
    const isSound = (): boolean[] => store.reach.at(owner, lobby).map((path) => store.seals.holdsPath(path));
    expect(isSound()).toEqual([true]);
    behindItsBack(folder, "UPDATE credential_entrances SET code_hash = x'00'");
    expect(isSound()).toEqual([false]);
    behindItsBack(folder, 'UPDATE credential_entrances SET code_hash = NULL');
    expect(isSound()).toEqual([false]);
  });
});

describe('a card or a code at an entrance', () => {
  it('stands for whoever has it: a card anywhere, a code where it is listed', async () => {
    const { store, lobby, storeRoom, create } = await house();
    const { secrets, reach } = store;
    await create(1, { ...card, allowed_acs_entrance_ids: [LOBBY] });
    await create(2, { ...code, allowed_acs_entrance_ids: [LOBBY] });
    const found = (candidates: ReturnType<typeof reach.byCard>): unknown[] =>
      candidates.map(({ credential, paths }) => [credential.acs_credential_id, paths.length]);
    expect(found(reach.byCard(secrets.cardHash(CARD), lobby))).toEqual([[idOf(1), 1]]);
    expect(found(reach.byCard(secrets.cardHash(CARD), storeRoom))).toEqual([[idOf(1), 0]]);
    expect(found(reach.byCard(secrets.cardHash('H10301:1:2'), lobby))).toEqual([]);
    expect(found(reach.byCode(secrets.codeHash(PIN), lobby))).toEqual([[idOf(2), 1]]);
    expect(found(reach.byCode(secrets.codeHash(PIN), storeRoom))).toEqual([]);
    expect(reach.one(store.credentials.byId(idOf(2))?.credential_key ?? 0, lobby)?.paths).toHaveLength(1);
    expect(reach.one(4711, lobby)).toBeUndefined();
  });

  it('stands also for those without a list of their own, by whatever paths they have', async () => {
    const { store, lobby, create } = await house();
    await create(1, code);
    const [candidate, ...others] = store.reach.byCode(store.secrets.codeHash(PIN), lobby);
    expect(others).toEqual([]);
    expect(candidate).toMatchObject({ credential: { acs_credential_id: idOf(1) }, paths: [] });
  });

  it('stands for so many at most: more behind one card or code are not looked at', async () => {
    const { store, lobby, create } = await house();
    const listed = [
      await create(1, { ...card, allowed_acs_entrance_ids: [LOBBY] }),
      await create(2, { ...code, allowed_acs_entrance_ids: [LOBBY] }),
    ];
    const following = await create(3, { access_method: 'code', code: '1357' });
    store.now(() => {
      for (let n = 100; n < 170; n++) {
        for (const [i, row] of [...listed, following].entries()) {
          const key = store.credentials.insert({ ...row, acs_credential_id: idOf(n * 10 + i) });
          if (row !== following) store.credentials.setEntrances(key, [lobby], codeOf(row));
        }
      }
    });
    const { secrets, reach } = store;
    expect(reach.byCard(secrets.cardHash(CARD), lobby)).toHaveLength(64);
    expect(reach.byCode(secrets.codeHash(PIN), lobby)).toHaveLength(64);
    expect(reach.byCode(secrets.codeHash('1357'), lobby)).toHaveLength(64);
  });

  it('is not what an index says, but what its row says', async () => {
    const { folder, store, lobby, create } = await house();
    await create(1, { ...card, allowed_acs_entrance_ids: [LOBBY] });
    await create(2, { ...code, allowed_acs_entrance_ids: [LOBBY] });
    const other = (hash: Buffer): string => `x'${hash.toString('hex')}'`;
    behindItsBack(
      folder,
      `UPDATE credentials SET card_hash = ${other(store.secrets.cardHash('H10301:9:9'))} WHERE card_hash IS NOT NULL`,
      `UPDATE credential_entrances SET code_hash = ${other(store.secrets.codeHash('1357'))} WHERE code_hash IS NOT NULL`,
    );
    expect(store.reach.byCard(store.secrets.cardHash(CARD), lobby)).toEqual([]);
    expect(store.reach.byCode(store.secrets.codeHash(PIN), lobby)).toEqual([]);
  });
});

describe('the credentials of an entrance', () => {
  it('come in order, so many behind any one of them', async () => {
    const { store, lobby, storeRoom, create } = await house();
    const keys: number[] = [];
    for (let n = 0; n < 4; n++) {
      const row = await create(n, {
        access_method: 'card',
        card_number: `H10301:2:${n}`,
        allowed_acs_entrance_ids: [LOBBY],
      });
      keys.push(row.credential_key);
    }
    expect(store.reach.credentialsAt(lobby, 0, 10)).toEqual(keys);
    expect(store.reach.credentialsAt(lobby, 0, 2)).toEqual(keys.slice(0, 2));
    expect(store.reach.credentialsAt(lobby, keys[1] ?? 0, 10)).toEqual(keys.slice(2));
    expect(store.reach.credentialsAt(storeRoom, 0, 10)).toEqual([]);
  });
});

describe('a code over a window', () => {
  const HOUR = 3_600_000;
  const at = (ms: number): string => new Date(ms).toISOString();

  it('meets another one at its entrance where the half-open windows overlap, and nowhere else', async () => {
    const { store, lobby, storeRoom, create } = await house();
    const noon = Date.parse('2026-03-02T12:00:00Z');
    const row = await create(1, {
      ...code,
      starts_at: at(noon),
      ends_at: at(noon + HOUR),
      allowed_acs_entrance_ids: [LOBBY],
    });
    const meets = (starts: number | null, ends: number | null, entrance = lobby, except = -1): string | null =>
      store.reach.overlappingCode(store.secrets.codeHash(PIN), entrance, starts, ends, except);
    expect(meets(null, null)).toBe(idOf(1));
    expect(meets(null, noon)).toBeNull();
    expect(meets(null, noon + 1)).toBe(idOf(1));
    expect(meets(noon + HOUR, null)).toBeNull();
    expect(meets(noon + HOUR - 1, null)).toBe(idOf(1));
    expect(meets(null, null, storeRoom)).toBeNull();
    expect(meets(null, null, lobby, row.credential_key)).toBeNull();
    store.credentials.markInvalidated(row.credential_key, noon);
    expect(meets(null, null)).toBeNull();
  });

  it('takes room among the codes of its length, for as long as it may be used', async () => {
    const { store, lobby, storeRoom, create } = await house();
    const row = await create(1, { ...code, allowed_acs_entrance_ids: [LOBBY] });
    const room = (): number[] => [
      store.reach.codesAt(lobby, 4),
      store.reach.codesAt(lobby, 5),
      store.reach.codesAt(storeRoom, 4),
    ];
    expect(room()).toEqual([1, 0, 0]);
    store.credentials.markInvalidated(row.credential_key, 1);
    expect(room()).toEqual([0, 0, 0]);
    store.credentials.update({ ...row, code_length: 5 });
    expect(room()).toEqual([0, 1, 0]);
    store.credentials.delete(row.credential_key);
    expect(room()).toEqual([0, 0, 0]);
  });
});
