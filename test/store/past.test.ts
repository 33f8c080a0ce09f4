import Database from 'better-sqlite3';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { backUpInBackground } from '../../src/store/background.ts';
import { GenerationFile } from '../../src/store/generation.ts';
import type { Store } from '../../src/store/store.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { buildRoom, Caller, LOBBY, USER } from '../support/room.ts';
import { olderDatabase } from '../support/older-database.ts';
import { behindItsBack, openStore, refusalOf, temporaryFolder } from '../support/store.ts';

const ID = '66666666-6666-6666-6666-666666666666';

/** A building with one card, open. */
async function building(folder = temporaryFolder()): Promise<{ folder: string; store: Store; caller: Caller }> {
  const clock = new ManualClock();
  const store = openStore(folder, clock);
  const caller = new Caller(buildRoom(store, clock));
  await caller.call('users/create', { acs_user_id: USER, full_name: 'Jane' });
  await caller.call('credentials/create', {
    acs_credential_id: ID, acs_user_id: USER, access_method: 'card', card_number: 'H10301:1:2', allowed_acs_entrance_ids: [LOBBY],
  }); // prettier-ignore
  return { folder, store, caller };
}

const database = (folder: string): string => join(folder, 'lintel.db');

function copyOf(folder: string): () => void {
  const kept = temporaryFolder();
  const names = ['lintel.db', 'lintel.db-wal'].filter((name) => existsSync(join(folder, name)));
  for (const name of names) copyFileSync(join(folder, name), join(kept, name));
  return () => {
    for (const name of ['lintel.db', 'lintel.db-wal', 'lintel.db-shm']) rmSync(join(folder, name), { force: true });
    for (const name of names) copyFileSync(join(kept, name), join(folder, name));
  };
}

describe('a database that is not the one that was here', () => {
  it('is refused when only its first page was restored, for what it held was in the log that is gone', async () => {
    const { folder, store } = await building();
    const early = readFileSync(database(folder));
    store.close();
    writeFileSync(database(folder), early);
    expect(early).toHaveLength(4096);
    expect(refusalOf(folder)).toMatch(/holds nothing/);
    const empty = new Database(join(folder, 'empty.db'));
    empty.pragma('journal_mode = WAL');
    empty.close();
    copyFileSync(join(folder, 'empty.db'), database(folder));
    expect(refusalOf(folder)).toMatch(
      /holds nothing, but this building has had credentials.*lintel store new --config/,
    );
  });

  it('is refused where only the key comes from outside and the file is gone, or empty', async () => {
    const { folder, store } = await building();
    store.close();
    const key = readFileSync(join(folder, 'master.key'), 'latin1').trim();
    const credentials = temporaryFolder();
    writeFileSync(join(credentials, 'lintel-master-key'), key, { mode: 0o400 });
    rmSync(join(folder, 'master.key'));
    for (const spoil of [() => rmSync(database(folder)), () => writeFileSync(database(folder), '')]) {
      spoil();
      expect(refusalOf(folder, { env: { CREDENTIALS_DIRECTORY: credentials } })).toMatch(/is missing, .*store new/);
    }
  });

  it.each([
    ['credentials/delete', { acs_credential_id: ID }],
    ['credentials/unassign', { acs_credential_id: ID }],
    ['credentials/update', { acs_credential_id: ID, ends_at: '2027-01-01T00:00:00Z' }],
    ['credentials/update', { acs_credential_id: ID, allowed_acs_entrance_ids: [] }],
    ['users/suspend', { acs_user_id: USER }],
    ['users/delete', { acs_user_id: USER }],
  ])('is refused as an older copy after %s %j, and taken when an operator says so', async (command, params) => {
    const { folder, store, caller } = await building();
    store.close();
    const putBack = copyOf(folder);
    const again = openStore(folder);
    const clock = new ManualClock();
    const asked = new Caller(buildRoom(again, clock));
    expect((await asked.call(command, params, { command_id: 'revoked' })).error).toBeUndefined();
    // The power goes: nothing is closed in good order.
    const generation = readFileSync(join(folder, 'lintel.generation'));
    again.close();
    writeFileSync(join(folder, 'lintel.generation'), generation);
    expect(refusalOf(folder)).toBe('it opened');
    putBack();
    expect(refusalOf(folder)).toMatch(
      /is an older copy: .* access was taken .*lintel store accept --config FILE.*sent again/,
    );
    expect(refusalOf(folder, { acceptance: 'copy' })).toBe('it opened');
    expect(refusalOf(folder)).toBe('it opened');
    expect(caller).toBeDefined();
  });

  it('is not refused when nobody lost access since: a nightly copy of a quiet day is put back as ever', async () => {
    const { folder, store, caller } = await building();
    const backup = await backUpInBackground(store.path, 'nightly', 0, 3);
    await caller.call('users/create', { acs_user_id: ID, full_name: 'Eve' });
    store.close();
    writeFileSync(database(folder), readFileSync(backup));
    expect(refusalOf(folder)).toBe('it opened');
  });

  it('is refused by whoever accepted another copy after it was made', async () => {
    const { folder, store, caller } = await building();
    store.close();
    const first = copyOf(folder);
    const again = openStore(folder);
    await new Caller(buildRoom(again, new ManualClock())).call(
      'users/suspend',
      { acs_user_id: USER },
      { command_id: 'x' },
    );
    again.close();
    first();
    expect(refusalOf(folder, { acceptance: 'copy' })).toBe('it opened');
    first();
    expect(refusalOf(folder)).toMatch(/older copy/);
    expect(caller).toBeDefined();
  });

  it('is refused without the file that tells an older copy, with that of another building, and with a spoilt one', async () => {
    const { folder, store } = await building();
    const other = await building();
    store.close();
    other.store.close();
    const file = join(folder, 'lintel.generation');
    const right = readFileSync(file);
    for (const wrong of [
      null,
      readFileSync(join(other.folder, 'lintel.generation')),
      'beginning\n',
      right.subarray(0, 20),
    ]) {
      if (wrong === null) rmSync(file);
      else writeFileSync(file, wrong);
      expect(refusalOf(folder)).toMatch(/lintel store accept/);
    }
    writeFileSync(file, right);
    expect(refusalOf(folder)).toBe('it opened');
  });

  it('is refused when the sum over its rows was changed, or its seals were taken out', async () => {
    const { folder, store } = await building();
    store.close();
    const putBack = copyOf(folder);
    for (const statement of [
      'UPDATE ledger SET generation = 99',
      'DELETE FROM ledger',
      `DELETE FROM meta WHERE key = 'store_id'`,
    ]) {
      behindItsBack(folder, statement);
      expect(refusalOf(folder)).toMatch(/changed behind the back|before its rows were sealed/);
      putBack();
    }
    behindItsBack(folder, 'UPDATE ledger SET generation = 99');
    expect(refusalOf(folder, { acceptance: 'copy' })).toMatch(/store accept --rows/);
    expect(refusalOf(folder, { acceptance: 'rows' })).toBe('it opened');
    expect(refusalOf(folder)).toBe('it opened');
  });

  it.each([
    [
      'a trigger that writes with our own hand',
      'CREATE TRIGGER helper AFTER INSERT ON events BEGIN UPDATE users SET is_suspended = 0; END',
    ],
    [
      'a view in the place of a table',
      'ALTER TABLE holidays RENAME TO kept; CREATE VIEW holidays AS SELECT * FROM kept',
    ],
    ['a trigger of ours that is gone', 'DROP TRIGGER code_counts_insert'],
    ['a table that is gone', 'DROP TABLE guesses'],
    ['a version that was set back', 'PRAGMA user_version = 6'],
  ])('is refused for %s', async (_what, statement) => {
    const { folder, store } = await building();
    store.close();
    behindItsBack(folder, statement);
    expect(refusalOf(folder)).toMatch(/the database .* (is not as Lintel made it|is not made as Lintel made it)/);
  });

  it('has nothing left of a planted trigger once an operator has said that its rows are right', async () => {
    const { folder, store } = await building();
    store.close();
    behindItsBack(folder, 'CREATE TRIGGER helper AFTER INSERT ON events BEGIN UPDATE users SET is_suspended = 0; END');
    expect(refusalOf(folder, { acceptance: 'copy' })).toContain('the trigger helper');
    expect(refusalOf(folder, { acceptance: 'rows' })).toBe('it opened');
    expect(refusalOf(folder)).toBe('it opened');
  });

  it('is never refused for a power cut between the database and the file beside it, nor for one that tore the file', async () => {
    const { folder, store, caller } = await building();
    const file = join(folder, 'lintel.generation');
    const before = readFileSync(file);
    await caller.call('users/suspend', { acs_user_id: USER });
    await caller.call('users/unsuspend', { acs_user_id: USER });
    const after = readFileSync(file);
    expect(after.equals(before)).toBe(false);
    store.close();
    writeFileSync(file, before);
    expect(refusalOf(folder)).toBe('it opened');
    const torn = Buffer.from(readFileSync(file));
    const restarted = openStore(folder);
    await new Caller(buildRoom(restarted, new ManualClock())).call(
      'users/suspend',
      { acs_user_id: USER },
      { command_id: 'y' },
    );
    const written = readFileSync(file);
    const place = [0, 512].find((at) => !written.subarray(at, at + 512).equals(torn.subarray(at, at + 512))) ?? 0;
    restarted.close();
    written.copy(torn, place, place, place + 30);
    writeFileSync(file, torn);
    expect(refusalOf(folder)).toBe('it opened');
  });
});

describe('a first start and an older version', () => {
  it('begins again where a power cut ended a first start, wherever that was', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'lintel.generation'), 'beginning\n');
    openStore(folder).close();
    const other = temporaryFolder();
    for (const name of ['master.key']) copyFileSync(join(folder, name), join(other, name));
    writeFileSync(join(other, 'lintel.generation'), 'beginning\n');
    writeFileSync(database(other), '');
    expect(refusalOf(other)).toBe('it opened');
    writeFileSync(join(folder, 'lintel.generation'), 'beginning\n');
    expect(refusalOf(folder)).toBe('it opened');
  });

  it('seals the rows of an older version once, as they stand, and takes no such copy any more', () => {
    const folder = temporaryFolder();
    const old = olderDatabase(folder, 4);
    old.exec(`INSERT INTO users (acs_user_id, is_suspended, created_at) VALUES ('jane', 0, 1);
      INSERT INTO entrances (acs_entrance_id, name) VALUES ('${LOBBY}', 'lobby');
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4500)
        INSERT INTO credentials (acs_credential_id, user_key, access_method, has_own_entrances, card_hash, created_at) SELECT 'c' || i, 1, 'card', 1, randomblob(16), 1 FROM n;
      INSERT INTO credential_entrances (credential_key, entrance_key) SELECT credential_key, 1 FROM credentials;
      INSERT INTO tombstones VALUES ('user', 'bob', 1)`);
    old.close();
    const unsealed = readFileSync(database(folder));
    const store = openStore(folder);
    expect(store.past.sealedRows).toBe(4502);
    for (const id of ['c1', 'c2000', 'c2001', 'c4500']) {
      const found = store.reach.one(store.credentials.byId(id)?.credential_key ?? 0, 1);
      expect(found?.paths.map((path) => store.seals.holds(found.credential, path))).toEqual([true]);
    }
    store.close();
    expect(openStore(folder).past.sealedRows).toBeNull();
    const later = temporaryFolder();
    for (const name of readdirSync(folder).filter((one) => /generation|key/.test(one)))
      copyFileSync(join(folder, name), join(later, name));
    mkdirSync(join(later, 'backups'));
    writeFileSync(database(later), unsealed);
    expect(refusalOf(later)).toMatch(/from before its rows were sealed/);
  });

  it('goes on sealing where a power cut ended it', () => {
    const folder = temporaryFolder();
    const old = olderDatabase(folder, 4);
    old.exec(`INSERT INTO users (acs_user_id, is_suspended, created_at) VALUES ('jane', 0, 1)`);
    old.close();
    const store = openStore(folder);
    const { storeId, sealer } = store.past;
    store.close();
    behindItsBack(folder, 'DELETE FROM ledger', 'UPDATE users SET seal = NULL');
    new GenerationFile(store.path, storeId, sealer).begin({ isSealed: false, generation: 0, sequence: 0 });
    const again = openStore(folder);
    expect(again.past.sealedRows).toBe(1);
    const jane = again.users.byId('jane');
    expect(jane !== undefined && again.seals.holdsUserRow(jane)).toBe(true);
  });
});
