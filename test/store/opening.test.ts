// Opening the database: what it is opened with, what is refused with which remedy, and the check behind the doors.

import Database from 'better-sqlite3';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { MIGRATIONS } from '../../src/store/migrations.ts';
import { holdDatabase } from '../../src/store/lock.ts';
import { explainOpening, openDatabase } from '../../src/store/open.ts';
import { checkInBackground, backUpInBackground } from '../../src/store/background.ts';
import { Store } from '../../src/store/store.ts';
import { olderDatabase } from '../support/older-database.ts';
import { openStore, storeOptions, temporaryFolder } from '../support/store.ts';

const event = { event_type: 'agent.started', body: { version: 'test' } };
const refusalOf = (folder: string, masterKey: { file: string } | null = null): string => {
  try {
    new Store({ ...storeOptions(folder), masterKey }).close();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return 'it opened';
};

describe('opening the database', () => {
  it('flushes every commit, in WAL mode, on the first open and on every other', () => {
    const folder = temporaryFolder();
    for (let i = 0; i < 3; i++) {
      const { db } = openDatabase({ path: join(folder, 'lintel.db'), masterKey: null, env: {}, nowMs: 0 });
      db.exec(`INSERT OR REPLACE INTO meta VALUES ('a', ${i})`);
      expect(db.pragma('synchronous', { simple: true })).toBe(2);
      expect(db.pragma('journal_mode', { simple: true })).toBe('wal');
      db.close();
    }
  });

  it('compiles a statement once, however often its parameters are bound anew', () => {
    const { db } = openDatabase({ path: join(temporaryFolder(), 'lintel.db'), masterKey: null, env: {}, nowMs: 0 });
    onTestFinished(() => void db.close());
    const timeOf = (source: string): number => {
      const statement = db.prepare<[number]>(source);
      const rounds = Array.from({ length: 20 }, () => {
        const started = performance.now();
        for (let i = 0; i < 200; i++) statement.get(i);
        return performance.now() - started;
      });
      return Math.min(...rounds);
    };
    // Inside a transaction, or taking the lock would be most of it.
    db.exec('BEGIN');
    const plain = timeOf('SELECT entrance_key FROM credential_entrances WHERE credential_key = ?');
    const sorted = 'SELECT entrance_key FROM credential_entrances WHERE credential_key = ? ORDER BY entrance_key';
    const joined = 'SELECT acs_user_id FROM credentials JOIN users USING (user_key) WHERE credential_key = ?';
    expect(timeOf(sorted) / plain).toBeLessThan(4);
    expect(timeOf(joined) / plain).toBeLessThan(4);
  });

  it('makes a master key that only its owner can read, at the first start', () => {
    const folder = temporaryFolder();
    openStore(folder);
    expect(statSync(join(folder, 'master.key')).mode & 0o777).toBe(0o400);
  });

  it('backs up nothing at the first start, for there is nothing yet', () => {
    const folder = temporaryFolder();
    expect(openStore(folder).backups).toEqual([]);
    expect(existsSync(join(folder, 'backups'))).toBe(false);
  });

  it('takes the key from systemd’s credentials where there is one, and leaves none beside the database', () => {
    const folder = temporaryFolder();
    const credentials = temporaryFolder();
    writeFileSync(join(credentials, 'lintel-master-key'), 'ab'.repeat(32), { mode: 0o400 });
    const store = new Store({ ...storeOptions(folder), env: { CREDENTIALS_DIRECTORY: credentials } });
    store.close();
    expect(existsSync(join(folder, 'master.key'))).toBe(false);
  });

  it('refuses another key, a missing key and a key that others can read, each with the remedy', () => {
    const folder = temporaryFolder();
    openStore(folder).close();
    const key = join(folder, 'master.key');
    const right = readFileSync(key);
    chmodSync(key, 0o644);
    expect(refusalOf(folder)).toContain(`chmod 0400 ${key}`);
    chmodSync(key, 0o600);
    writeFileSync(key, right.subarray(1));
    expect(refusalOf(folder)).toMatch(/master key .* is not 32 bytes, .* Remedy: put back the key/);
    expect(refusalOf(folder, { file: join(folder, 'nowhere.key') })).toMatch(/cannot be read \(ENOENT\)\. Remedy: /);
    rmSync(key);
    expect(refusalOf(folder)).toMatch(/master key .* is missing.*Remedy: put back the key/);
    writeFileSync(key, 'cd'.repeat(32), { mode: 0o400 });
    expect(refusalOf(folder)).toMatch(/another master key\. Remedy: put back the key that belongs to it/);
    expect(refusalOf(folder)).not.toMatch(/backup|restore/i);
    rmSync(key);
    writeFileSync(key, right, { mode: 0o400 });
    expect(refusalOf(folder)).toBe('it opened');
  });

  it('keeps the database from other users, whatever folder it stands in', () => {
    const before = process.umask(0);
    onTestFinished(() => void process.umask(before));
    for (const mode of [0o700, 0o755, 0o777]) {
      const folder = temporaryFolder();
      chmodSync(folder, mode);
      openStore(folder);
      for (const name of ['lintel.db', 'lintel.db-wal', 'lintel.db-shm'])
        expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
    }
  });

  it('takes a database and backups that an earlier version left readable from other users', () => {
    const folder = temporaryFolder();
    const older = openStore(folder);
    mkdirSync(join(folder, 'backups'));
    const files = ['lintel.db', 'lintel.db-wal', 'lintel.db-shm', 'backups/lintel-20260301T000000Z-nightly.db'];
    const paths = files.map((name) => join(folder, name));
    // An unclean end: its -wal and -shm are still there.
    const wal = [paths[1], paths[2]].map((path) => readFileSync(path ?? ''));
    older.close();
    writeFileSync(paths[1] ?? '', wal[0] ?? '');
    writeFileSync(paths[2] ?? '', wal[1] ?? '');
    writeFileSync(paths[3] ?? '', 'a copy');
    for (const path of paths) chmodSync(path, 0o644);
    const store = openStore(folder);
    for (const path of paths) expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(store.tightened).toEqual(paths);
    store.close();
    expect(openStore(folder).tightened).toEqual([]);
  });

  it('copies it into files that nobody else can read', async () => {
    const folder = temporaryFolder();
    openStore(folder).close();
    mkdirSync(join(folder, 'backups'), { mode: 0o755 });
    const store = new Store({
      ...storeOptions(folder),
      migrations: [...MIGRATIONS, { version: 1001, sql: 'CREATE TABLE later (a INTEGER) STRICT;' }],
    });
    onTestFinished(() => store.close());
    const nightly = await backUpInBackground(store.path, 'nightly', 0, 3);
    expect(store.backups).toHaveLength(1);
    for (const path of [...store.backups, nightly]) expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('leaves nothing behind of a first start on a full disk, so that the next one is a first start again', () => {
    const folder = temporaryFolder();
    // Room for some of the files of a first start at a time, and no more: the key is cut short, then the database, then
    // the log of its first transaction.
    const text = `import { spawnSync } from 'node:child_process';
      import { readdirSync } from 'node:fs';
      import { Store } from '${join(import.meta.dirname, '../../src/store/store.ts')}';
      import { storeOptions } from '${join(import.meta.dirname, '../support/store.ts')}';
      process.on('SIGXFSZ', () => {});
      for (const bytes of [0, 4096, 8192, 40960]) {
        const { status, stderr } = spawnSync('prlimit', ['--pid', process.pid, '--fsize=' + bytes + ':']);
        if (status !== 0) throw new Error('no limit was set: ' + stderr);
        try { new Store(storeOptions('${folder}')); console.log('it opened'); } catch (error) { console.log(error.constructor.name, error.message, readdirSync('${folder}')); }
      }`;
    const file = join(temporaryFolder(), 'start.mts');
    writeFileSync(file, text);
    const { stdout, stderr } = spawnSync(process.execPath, [file], { encoding: 'utf8' });
    const starts = stdout.trim().split('\n');
    expect(starts, stderr).toHaveLength(4);
    for (const said of starts) expect(said).toMatch(/^OperatingError .*Remedy: .* \[\]$/);
    expect(refusalOf(folder)).toBe('it opened');
  });

  it('refuses a folder that cannot be made, with the remedy', () => {
    const folder = join(temporaryFolder(), 'state');
    writeFileSync(folder, 'a file');
    expect(refusalOf(folder)).toMatch(/the folder .* cannot be made \(EEXIST\)\. Remedy: /);
  });

  it.each(['/proc/x/lintel', '/proc/1/nothing/here', '/dev/null/lintel'])(
    'refuses a folder that cannot exist (%s), and does not hang over it',
    (folder) => {
      expect(refusalOf(folder)).toMatch(/the folder .* cannot be made \(E[A-Z]+\)\. Remedy: /);
      expect(holdDatabase(join(folder, 'lintel.db'))).toBeNull();
    },
  );

  it('refuses a folder that cannot be written to, with a database in it or without', () => {
    // Under /proc nothing is writable, also to root; a file system that is mounted read-only answers the same.
    expect(refusalOf('/proc/self')).toMatch(/Remedy: /);
    expect(
      explainOpening('/state/lintel.db', Object.assign(new Error('read-only'), { code: 'EROFS' })).message,
    ).toMatch(/the folder \/state .* cannot be written to \(EROFS\)\. Remedy: mount it writable/);
    for (const code of [
      'SQLITE_READONLY_DIRECTORY',
      'SQLITE_READONLY_RECOVERY',
      'SQLITE_CANTOPEN_ISDIR',
      'EACCES',
      'EIO',
    ])
      expect(explainOpening('/state/lintel.db', Object.assign(new Error('no'), { code })).message).toMatch(/Remedy: /);
  });

  it('refuses a path whose file is a folder', () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'lintel.db'));
    writeFileSync(join(folder, 'master.key'), `${'ab'.repeat(32)}\n`);
    expect(refusalOf(folder)).toMatch(/Remedy: /);
  });

  it('refuses a damaged file and names the newest backup, and restoring that backup works', async () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    store.now(() => store.events.add(event, 1));
    const backup = await backUpInBackground(store.path, 'nightly', 0, 7);
    store.close();
    const handle = openSync(store.path, 'r+');
    writeSync(handle, Buffer.alloc(200, 0x55), 0, 200, 0);
    closeSync(handle);
    const refusal = refusalOf(folder);
    expect(refusal).toContain('is damaged');
    expect(refusal).toContain(backup);
    expect(existsSync(store.path)).toBe(true);
    writeFileSync(store.path, readFileSync(backup));
    expect(openStore(folder).events.lastSequence()).toBe(1);
  });

  it('never starts empty where a building has been: a vanished database beside its key is refused', () => {
    const folder = temporaryFolder();
    openStore(folder).close();
    rmSync(join(folder, 'lintel.db'));
    expect(refusalOf(folder)).toContain('is missing, but its key or a backup is here');
    expect(existsSync(join(folder, 'lintel.db'))).toBe(false);
  });

  it('goes forward through migrations with a backup before each, and refuses a database from a newer Lintel', () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    store.now(() => store.events.add(event, 1));
    store.close();
    const next = [
      ...MIGRATIONS,
      { version: 1001, sql: 'CREATE TABLE later (a) STRICT;'.replace('(a)', '(a INTEGER)') },
      { version: 1002, sql: 'INSERT INTO later VALUES (7);' },
    ];
    const newer = new Store({ ...storeOptions(folder), migrations: next });
    expect(newer.backups).toHaveLength(2);
    expect(newer.events.lastSequence()).toBe(1);
    newer.close();
    const versions = newer.backups.map((path) => {
      const backup = new Database(path, { readonly: true });
      onTestFinished(() => void backup.close());
      return backup.pragma('user_version', { simple: true });
    });
    expect(versions).toEqual([MIGRATIONS.at(-1)?.version, 1001]);
    expect(refusalOf(folder)).toContain('version 1002');
  });

  it('counts what it held before on from there', () => {
    const folder = temporaryFolder();
    const old = olderDatabase(folder, 3);
    old.exec(`INSERT INTO targets (controller, credential_key, acs_credential_id, state, slot)
      VALUES ('panel', 1, 'credential 1', 'writing', 1), ('panel', 2, 'credential 2', 'writing', 2), ('panel', 3, 'credential 3', 'writing', 3)`);
    old.close();
    const store = openStore(folder);
    expect(store.targets.loadOf('panel')).toEqual({ used: 3, pending: 3 });
    expect(store.targets.summary()).toMatchObject({ pending: 3, failed: 0 });
    store.now(() => {
      const [first, second] = [store.targets.bySlot('panel', 1), store.targets.bySlot('panel', 2)];
      if (first !== undefined) store.targets.change(first, { ...first, state: 'set' });
      if (second !== undefined) store.targets.update({ ...second, state: 'failed', slot: null });
      store.targets.insert('panel', 4, 'credential 4');
    });
    expect(store.targets.loadOf('panel')).toEqual({ used: 2, pending: 2 });
    expect(store.targets.countOf('panel')).toBe(4);
    expect(store.targets.summary()).toMatchObject({ pending: 1, failed: 1 });
    expect(() =>
      store.now(() => {
        const row = store.targets.bySlot('panel', 3);
        if (row !== undefined) store.targets.change(row, { ...row, slot: 1, state: 'set' });
      }),
    ).toThrow(/UNIQUE/);
    expect(store.targets.loadOf('panel')).toEqual({ used: 2, pending: 2 });
  });

  it('leaves the database at the step before when a migration fails', () => {
    const folder = temporaryFolder();
    openStore(folder).close();
    const broken = [
      ...MIGRATIONS,
      { version: 1001, sql: 'CREATE TABLE half (a INTEGER) STRICT; INSERT INTO nowhere VALUES (1);' },
    ];
    expect(() => new Store({ ...storeOptions(folder), migrations: broken })).toThrow(/nowhere/);
    const db = new Database(join(folder, 'lintel.db'), { readonly: true });
    onTestFinished(() => void db.close());
    expect(db.pragma('user_version', { simple: true })).toBe(MIGRATIONS.at(-1)?.version);
    expect(db.prepare(`SELECT name FROM sqlite_master WHERE name = 'half'`).get()).toBeUndefined();
  });

  it('tells an unclean end from a clean one', () => {
    const folder = temporaryFolder();
    const first = openStore(folder);
    expect(first.wasUnclean).toBe(false);
    first.now(() => first.events.add(event, 1));
    const copy = temporaryFolder();
    for (const name of readdirSync(folder))
      if (name !== 'backups') writeFileSync(join(copy, name), readFileSync(join(folder, name)), { mode: 0o400 });
    chmodSync(join(copy, 'lintel.db'), 0o600);
    chmodSync(join(copy, 'lintel.db-wal'), 0o600);
    chmodSync(join(copy, 'lintel.db-shm'), 0o600);
    const second = openStore(copy);
    expect(second.wasUnclean).toBe(true);
    expect(second.events.lastSequence()).toBe(1);
  });
});

describe('the check behind the doors', () => {
  it('finds a page that was torn in the middle of the file, and nothing in a sound one', async () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    store.now(() => {
      for (let i = 0; i < 3000; i++)
        store.events.add({ event_type: 'agent.started', body: { filler: 'x'.repeat(200) } }, i);
    });
    expect(await checkInBackground(store.path)).toEqual([]);
    store.close();
    const handle = openSync(store.path, 'r+');
    writeSync(handle, Buffer.alloc(4096, 0xff), 0, 4096, 4096 * 60);
    closeSync(handle);
    expect((await checkInBackground(store.path)).length).toBeGreaterThan(0);
  });
});
