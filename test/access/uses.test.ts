// A credential that is good for so many entries: each use is durable before the strike, and what was used stays used.

import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { expect, it, vi } from 'vitest';
import { CARD, code, ID, last, withCard, world, type World } from './world.ts';
import { setUp } from '../commands/set-up.ts';
import { LOBBY, STORE_ROOM, USER } from '../support/room.ts';
import { behindItsBack, openStore } from '../support/store.ts';
import { credentialLine } from '../../src/store/digest.ts';

const shown = async (here: World): Promise<Record<string, unknown>> => {
  const { result } = await here.caller.call('credentials/get', { acs_credential_id: ID });
  const { max_uses, uses_left, is_one_time_use } = result?.['acs_credential'] as Record<string, unknown>;
  return { max_uses, uses_left, is_one_time_use };
};
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

it('a card of three uses opens three times, tells how many are left, and is told as used with the last', async () => {
  const here = await withCard({}, { max_uses: 3 });
  const told: unknown[] = [];
  for (let i = 0; i < 4; i++) {
    here.card();
    told.push(await shown(here));
  }
  expect(told).toEqual([2, 1, 0, 0].map((left) => ({ max_uses: 3, uses_left: left, is_one_time_use: false })));
  expect(here.events().slice(-5)).toEqual([
    'lock.unlocked',
    'lock.unlocked',
    'lock.unlocked',
    'acs_credential.invalidated',
    'lock.access_denied already_used',
  ]);
  const opened = here.store.events.after(0, 100).filter(({ event_type: type }) => type === 'lock.unlocked');
  expect(opened.map(({ body }) => (JSON.parse(body) as { uses_left?: number }).uses_left)).toEqual([2, 1, 0]);
  expect(here.pulses).toHaveLength(3);
});

it('each use is on disk before the strike moves, and a restart gives none back', async () => {
  const here = await withCard({}, { max_uses: 2 });
  const other = new Database(here.store.path, { readonly: true });
  const left = other.prepare('SELECT uses_left, used_at IS NOT NULL AS is_used FROM credentials');
  const seen: unknown[] = [];
  here.strike.onPulse = () => void seen.push(left.get());
  here.card();
  here.restart();
  here.card();
  here.restart();
  here.card();
  other.close();
  expect(seen).toEqual([
    { uses_left: 1, is_used: 0 },
    { uses_left: 1, is_used: 1 },
  ]);
});

it('nobody is let in whose use the disk does not take', async () => {
  const here = await withCard({}, { max_uses: 2 });
  const full = vi.spyOn(here.store, 'now').mockImplementation(() => {
    throw new Database.SqliteError('database or disk is full', 'SQLITE_FULL');
  });
  here.card();
  full.mockRestore();
  expect(here.pulses).toHaveLength(0);
  expect(await shown(here)).toMatchObject({ uses_left: 2 });
});

it('the use of a card and that of its code each count, where both are asked for', async () => {
  const here = await withCard({ factors: 'card_and_code' }, { max_uses: 5 });
  await code(here, '4711', { max_uses: 1 });
  here.card();
  here.digits('4711');
  expect(last(here)).toBe('acs_credential.invalidated');
  expect(await shown(here)).toMatchObject({ uses_left: 4 });
  here.card();
  here.digits('4711');
  expect(last(here)).toBe('lock.access_denied already_used');
  expect(await shown(here)).toMatchObject({ uses_left: 4 });
});

it('a use whose strike failed stays used, and the event says whose it was', async () => {
  const here = await withCard({}, { max_uses: 2 });
  here.strike.outcome = { outcome: 'failed', error: 'controller_offline', message: 'relay-board does not answer' };
  here.card();
  await turn();
  expect(here.told()).toMatchObject({
    event_type: 'acs_entrance.unlock_failed',
    acs_credential_id: ID,
    acs_user_id: USER,
  });
  expect(await shown(here)).toMatchObject({ uses_left: 1 });
});

it('more uses are added by an update, on top of what was used; fewer than were used are refused', async () => {
  const here = await withCard({}, { is_one_time_use: true });
  here.card();
  here.card();
  expect(last(here)).toBe('lock.access_denied already_used');
  expect((await here.caller.call('credentials/update', { acs_credential_id: ID, max_uses: 3 })).ok).toBe(true);
  expect(await shown(here)).toEqual({ max_uses: 3, uses_left: 2, is_one_time_use: false });
  here.card();
  const { error } = await here.caller.call('credentials/update', { acs_credential_id: ID, max_uses: 2 });
  expect(error).toMatchObject({ type: 'invalid_input', path: ['params', 'max_uses'] });
  expect(await shown(here)).toMatchObject({ uses_left: 1 });
  await here.caller.call('credentials/update', { acs_credential_id: ID, max_uses: null });
  for (let i = 0; i < 3; i++) here.card();
  expect(here.pulses).toHaveLength(5);
  expect(await shown(here)).toEqual({ max_uses: null, uses_left: null, is_one_time_use: false });
});

it('a count is held to its bounds, and to what is_one_time_use says', async () => {
  const here = world();
  await here.caller.call('users/create', { acs_user_id: USER, full_name: 'Jane' });
  const refusal = async (more: Record<string, unknown>): Promise<string> => {
    const params = { acs_user_id: USER, access_method: 'code', allowed_acs_entrance_ids: [LOBBY], ...more };
    const { error } = await here.caller.call('credentials/create', params);
    return `${error?.type ?? 'ok'} ${error?.message ?? ''}`;
  };
  expect(await refusal({ max_uses: 0 })).toMatch(/^invalid_input .*at least 1/);
  expect(await refusal({ max_uses: 1.5 })).toMatch(/^invalid_input/);
  expect(await refusal({ max_uses: 2, is_one_time_use: true })).toMatch(/^invalid_input .*is 1 with is_one_time_use/);
  expect(await refusal({ max_uses: 1, is_one_time_use: true })).toBe('ok ');
});

it('a door that its controller decides cannot count, and says so', async () => {
  const { caller } = await setUp();
  const { error } = await caller.call('credentials/create', {
    acs_user_id: USER,
    access_method: 'code',
    code: '824759',
    allowed_acs_entrance_ids: [STORE_ROOM],
    max_uses: 2,
  });
  expect(error).toMatchObject({ type: 'not_supported', path: ['params', 'max_uses'] });
  expect(error?.message).toContain('counts no uses');
});

it('the digest covers how often it opens in all, and not how often it did', async () => {
  const here = await withCard({}, { max_uses: 3 });
  const before = here.store.digest.read().digest;
  here.card();
  expect(here.store.digest.read().digest).toBe(before);
  const line = { acs_credential_id: ID, acs_user_id: USER, access_method: 'card', starts_at: null, ends_at: null, has_own_entrances: 1, is_duress: 0, secret_revision: null, schedule_id: null, entrances: LOBBY, phones: null } as const; // prettier-ignore
  expect(credentialLine({ ...line, max_uses: 3 })).toBe(`credential|${ID}|${USER}|card|||${LOBBY}|uses 3|`);
  expect(credentialLine({ ...line, max_uses: 1 })).toBe(`credential|${ID}|${USER}|card|||${LOBBY}|one_time|`);
});

it('a one-time card of a database from before uses were counted opens once, or is used', async () => {
  for (const isUsed of [false, true]) {
    const here = await withCard({}, { is_one_time_use: true });
    if (isUsed) here.card();
    here.store.close();
    const folder = dirname(here.store.path);
    behindItsBack(folder, 'DROP INDEX credentials_duress');
    behindItsBack(folder, 'ALTER TABLE credentials RENAME COLUMN uses_left TO is_one_time_use');
    behindItsBack(folder, 'ALTER TABLE credentials DROP COLUMN max_uses');
    behindItsBack(folder, 'ALTER TABLE credentials DROP COLUMN is_duress');
    for (const later of ['DROP TABLE biometrics', 'DROP TABLE snapshots', 'DROP TABLE snapshot_pages', 'ALTER TABLE tombstones DROP COLUMN is_ended', 'DROP INDEX credentials_by_invalidation', 'DROP INDEX access_grants_by_end']) behindItsBack(folder, later); // prettier-ignore
    behindItsBack(folder, 'PRAGMA user_version = 16');
    const store = openStore(folder, here.clock);
    const row = store.credentials.byId(ID);
    expect(row).toMatchObject({ max_uses: 1, uses_left: 1 });
    expect(row?.used_at === null).toBe(!isUsed);
    const [found] = store.reach.byCard(store.secrets.cardHash(CARD), here.entrance.entranceKey);
    const [path] = found?.paths ?? [];
    if (found === undefined || path === undefined) throw new Error('it is there');
    expect(store.seals.holds(found.credential, path)).toBe(true);
    store.close();
  }
});
