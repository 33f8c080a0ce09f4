// Opening the database file: pragmas set and asserted, the key matched, tables brought forward after a backup. What
// cannot be trusted is refused with the remedy; an existing building never starts empty.

import Database from 'better-sqlite3';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { assert, OperatingError, type ErrorType } from '../domain/errors.ts';
import type { SecretSource } from '../domain/facility.ts';
import type { Db } from './db.ts';
import { putInPlace } from './durable.ts';
import { teachFolding } from './fold.ts';
import { makeFolders } from './folders.ts';
import { codeOf, openingFault } from './disk-errors.ts';
import { type Damage } from './guard.ts';
import { Reserve } from './reserve.ts';
import { generationPath, hasGeneration, isBeginning, markBeginning } from './generation.ts';
import { MIGRATIONS, type Migration } from './migrations.ts';
import { ACCEPT, MEANT_NEW, openPast, RESEND, type Acceptance, type Past } from './past.ts';
import { loadMasterKey, Secrets } from './secrets.ts';

export type OpenOptions = {
  path: string;
  masterKey: SecretSource | null;
  env: NodeJS.ProcessEnv;
  nowMs: number;
  migrations?: readonly Migration[];
  /** What an operator has said of this database, where it would be refused otherwise. */
  acceptance?: Acceptance;
};

export type Opened = {
  db: Db;
  secrets: Secrets;
  /** True when the last run did not close the database: a check is due at once. */
  wasUnclean: boolean;
  /** Backups taken on the way, oldest first. */
  backups: string[];
  /** Files that others could read until now. */
  tightened: string[];
  /** The disk is full: nothing can be counted on being stored. */
  isFull: boolean;
  past: Past;
};

const CACHE_KIB = 8 * 1024;
const WAL_LIMIT_BYTES = 16 * 1024 * 1024;

/**
 * Throws an OperatingError (`internal`, `storage_damaged`, `storage_full`) that says what is wrong, and names the
 * newest backup where one exists.
 */
export function openDatabase(options: OpenOptions): Opened {
  const { path } = options;
  makeFolder(path, dirname(path));
  try {
    return openThere(options, 'for_writing');
  } catch (error) {
    const refusal = explainOpening(path, error);
    if (!(refusal instanceof OperatingError) || refusal.type !== 'storage_full') throw refusal;
    return openFull(options);
  }
}

/** On a full disk: with the room that was kept for this day, else for reading, so that whoever had access has it. */
function openFull(options: OpenOptions): Opened {
  const { path } = options;
  const wasReleased = new Reserve(path).release();
  try {
    return { ...openThere(options, wasReleased ? 'for_writing' : 'for_reading'), isFull: true };
  } catch (error) {
    throw explainOpening(path, error);
  }
}

function openThere(options: OpenOptions, how: 'for_writing' | 'for_reading'): Opened {
  const { path } = options;
  const folder = dirname(path);
  // A folder that may be entered and not written to answers, and would keep nothing.
  accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  const exists = existsSync(path) && statSync(path).size > 0;
  const isEmptyFolder = newestBackup(path) === null && !existsSync(join(folder, 'master.key')) && !hasGeneration(path);
  const isFirstStart = (!exists && isEmptyFolder) || isBeginning(path);
  if (!exists && !isFirstStart) {
    throw refusal(path, 'is missing, but its key or a backup is here: this building has had credentials', MEANT_NEW);
  }
  const hadKey = existsSync(join(folder, 'master.key'));
  if (isFirstStart) begin(path);
  const secrets = keyOf(options, isFirstStart, hadKey);
  const wasUnclean = existsSync(`${path}-wal`) && statSync(`${path}-wal`).size > 0;
  let db: Db | null = null;
  try {
    // SQLite gives its -wal and -shm the mode of the database: names of people are nobody else's business, whatever
    // folder the file stands in.
    if (!exists) writeFileSync(path, '', { flag: 'a', mode: OURS_ALONE });
    const tightened = [path, `${path}-wal`, `${path}-shm`, ...listBackups(path)].filter(tighten);
    db = new Database(path);
    compileOnce(db);
    teachFolding(db);
    const migrations = options.migrations ?? MIGRATIONS;
    if (how === 'for_reading') prepareReading(db, path, migrations);
    else prepareConnection(db);
    lookAfterDamage(db, path);
    if (!isFirstStart && Number(db.pragma('user_version', { simple: true })) === 0)
      throw refusal(path, 'holds nothing, but this building has had credentials', MEANT_NEW);
    const backups = migrate(db, path, migrations, exists ? options.nowMs : null);
    matchKey(db, path, secrets);
    const past = openPast({
      db,
      path,
      secrets,
      isFirstStart,
      migrations,
      acceptance: options.acceptance ?? null,
      refuse: (what, alternative) => refusal(path, what, alternative),
    });
    return { db, secrets, wasUnclean, backups, tightened, isFull: false, past };
  } catch (error) {
    db?.close();
    if (isFirstStart && !exists) forget(path, hadKey);
    throw error;
  }
}

/**
 * Where damage is noted that showed itself while the database was in use: the next start must not take the file for
 * sound.
 */
const damageNote = (path: string): string => `${path}.damaged`;

/**
 * Leaves word for the next start; the reason is said elsewhere. A disk that takes no file any more is found out by
 * itself.
 */
export function noteDamage(path: string, problems: readonly string[]): void {
  try {
    writeFileSync(damageNote(path), `${problems.join('\n')}\n`, { mode: OURS_ALONE });
  } catch {
    // Nothing more can be done: the check behind the doors finds it again.
  }
}

/** After damage the whole file is read before anybody is let in by it; a backup that was put back ends the matter. */
function lookAfterDamage(db: Db, path: string): void {
  if (!existsSync(damageNote(path))) return;
  const rows = db.pragma('quick_check(1)') as { quick_check: string }[];
  if (rows.some((row) => row.quick_check !== 'ok')) throw refusal(path, 'is damaged', '', 'storage_damaged');
  rmSync(damageNote(path), { force: true });
}

/** A first start without its key leaves nothing behind. */
function keyOf({ masterKey, path, env }: OpenOptions, isFirstStart: boolean, hadKey: boolean): Secrets {
  try {
    return new Secrets(loadMasterKey(masterKey, path, isFirstStart, env));
  } catch (error) {
    if (isFirstStart && !existsSync(path)) forget(path, hadKey);
    throw error;
  }
}

/**
 * What a first start made before it failed. Left there, the key alone would pass for that of a building whose database
 * was lost.
 */
function forget(path: string, hadKey: boolean): void {
  const key = join(dirname(path), 'master.key');
  const begun = generationPath(path);
  for (const file of [path, `${path}-wal`, `${path}-shm`, ...(hadKey ? [] : [key]), begun, `${begun}.new`])
    rmSync(file, { force: true });
  // With a key that was here before, only this tells that nothing has been lost.
  if (hadKey) begin(path);
}

/** A first start that a power cut interrupts is a first start the next time. */
function begin(path: string): void {
  if (isBeginning(path)) return;
  try {
    markBeginning(path);
  } catch (error) {
    const begun = generationPath(path);
    rmSync(`${begun}.new`, { force: true });
    throw new OperatingError(
      'internal',
      `the file ${begun} cannot be written (${(error as NodeJS.ErrnoException).code ?? 'error'}). Remedy: see that the disk has room and the folder belongs to Lintel's user, then start again`,
    );
  }
}

/** Only its owner reads and writes it. */
export const OURS_ALONE = 0o600;

/**
 * Takes from others what an earlier version or a careless copy gave them; true where it had to. A file of another owner
 * is his to keep.
 */
function tighten(file: string): boolean {
  try {
    const { mode, uid } = statSync(file);
    if ((mode & 0o077) === 0 || uid !== process.getuid?.()) return false;
    chmodSync(file, OURS_ALONE);
    return true;
  } catch {
    // Not there, or on a file system that knows no modes: no reason to keep a building shut.
    return false;
  }
}

/** A folder that cannot be made is one more reason to refuse, and none to leave the doors without their agent. */
function makeFolder(path: string, folder: string): void {
  try {
    makeFolders(folder);
  } catch (error) {
    throw new OperatingError(
      'internal',
      `the folder ${folder} of the database ${basename(path)} cannot be made (${(error as NodeJS.ErrnoException).code ?? 'error'}). Remedy: correct store.path, or make the folder and give it to Lintel's user.`,
    );
  }
}

/**
 * Every statement is compiled once. better-sqlite3 is built with STAT4: a plan that has looked at the value of a
 * parameter, as most do that sort or join, is thrown away whenever that parameter is bound anew, and compiling it again
 * costs ten times the look-up. Nobody looks behind a plus sign, and it changes no value.
 */
function compileOnce(db: Db): void {
  const prepare = db.prepare.bind(db);
  db.prepare = (source: string) => prepare(unseen(source));
}

/** The statement with a plus before each parameter that something is compared with. */
const unseen = (source: string): string => source.replaceAll(/(?<=[=<>]\s*|\bLIMIT\s+)(?=\?|:\w)/g, '+');

function prepareConnection(db: Db): void {
  db.pragma('locking_mode = NORMAL');
  db.pragma('journal_mode = WAL');
  // After WAL, and on every open: better-sqlite3 is compiled to fall back to NORMAL in WAL mode, which would lose
  // acknowledged commands in a power cut.
  db.pragma('synchronous = FULL');
  db.pragma('foreign_keys = ON');
  db.pragma('temp_store = MEMORY');
  db.pragma(`cache_size = -${CACHE_KIB}`);
  db.pragma(`journal_size_limit = ${WAL_LIMIT_BYTES}`);
  db.pragma('busy_timeout = 2000');
  // Also of a page that is freed: a name that was deleted is not to be found in the file.
  db.pragma('secure_delete = ON');
  // The first write is where the fall-back would happen: make one, then look.
  db.pragma(`user_version = ${Number(db.pragma('user_version', { simple: true }))}`);
  assert(db.pragma('journal_mode', { simple: true }) === 'wal', 'the database is in WAL mode');
  assert(db.pragma('synchronous', { simple: true }) === 2, 'every commit is flushed (synchronous = FULL)');
  assert(db.pragma('foreign_keys', { simple: true }) === 1, 'foreign keys are enforced');
}

/**
 * Where there is no room for as much as the index of the log, one connection alone keeps that in memory; nobody else
 * can read then. What this database would have to be changed for first is refused. With room again it is opened as any
 * other (`renewCompanions`).
 */
function prepareReading(db: Db, path: string, migrations: readonly Migration[]): void {
  db.pragma('locking_mode = EXCLUSIVE');
  db.pragma('synchronous = FULL');
  db.pragma('foreign_keys = ON');
  db.pragma('temp_store = MEMORY');
  db.pragma(`cache_size = -${CACHE_KIB}`);
  db.pragma(`journal_size_limit = ${WAL_LIMIT_BYTES}`);
  db.pragma('secure_delete = ON');
  const isCurrent = Number(db.pragma('user_version', { simple: true })) === (migrations.at(-1)?.version ?? 0);
  if (db.pragma('journal_mode', { simple: true }) !== 'wal' || !isCurrent)
    throw new OperatingError(
      'storage_full',
      `the disk that holds ${path} is full, and the database must be brought forward first. Remedy: free space, then start Lintel`,
    );
}

/** `nowMs` is null for a new database: there is nothing in it to back up. */
function migrate(db: Db, path: string, migrations: readonly Migration[], nowMs: number | null): string[] {
  const newest = migrations.at(-1)?.version ?? 0;
  const current = Number(db.pragma('user_version', { simple: true }));
  if (current > newest) {
    throw refusal(
      path,
      `is of version ${current}, this Lintel knows up to ${newest}`,
      'Install the newer Lintel again.',
    );
  }
  const backups: string[] = [];
  for (const migration of migrations) {
    if (migration.version <= Number(db.pragma('user_version', { simple: true }))) continue;
    const from = Number(db.pragma('user_version', { simple: true }));
    if (from > 0 && nowMs !== null) backups.push(backUp(db, path, `before-v${migration.version}`, nowMs));
    db.transaction(() => {
      db.exec(migration.sql);
      db.pragma(`user_version = ${migration.version}`);
    }).immediate();
  }
  return backups;
}

function matchKey(db: Db, path: string, secrets: Secrets): void {
  const row = db.prepare<[], { value: Buffer }>(`SELECT value FROM meta WHERE key = 'key_fingerprint'`).get();
  if (row === undefined) {
    const used = db.prepare<[], { count: number }>('SELECT count(*) AS count FROM credentials').get();
    assert(used?.count === 0, 'a database with credentials names its key');
    db.prepare(`INSERT INTO meta (key, value) VALUES ('key_fingerprint', ?)`).run(secrets.fingerprint);
    return;
  }
  if (!secrets.fingerprint.equals(row.value)) {
    // The database is sound: a backup of it would be under the same key.
    throw new OperatingError(
      'internal',
      `the database ${path} was written under another master key. Remedy: put back the key that belongs to it, then start again`,
    );
  }
}

/** A consistent copy beside the database, in `backups/`; returns its path. */
export function backUp(db: Db, path: string, reason: string, nowMs: number): string {
  const target = backupTarget(path, reason, nowMs);
  copyInto(db, target);
  return target;
}

/** Where a backup may be written that overwrites none; its folder is there. */
export function backupTarget(path: string, reason: string, nowMs: number): string {
  mkdirSync(backupFolder(path), { recursive: true, mode: 0o700 });
  const stamp = new Date(nowMs)
    .toISOString()
    .replaceAll(/[-:]/g, '')
    .replace(/\.\d+Z$/, 'Z');
  let target = join(backupFolder(path), `${basename(path, '.db')}-${stamp}-${reason}.db`);
  for (let i = 2; existsSync(target); i++)
    target = join(backupFolder(path), `${basename(path, '.db')}-${stamp}-${reason}-${i}.db`);
  return target;
}

/**
 * A consistent copy in a new file that nobody else can read; nothing is left of one that failed. Under another name until
 * it is whole and on the disk: SQLite flushes nothing of it, and a power cut leaves no half copy that looks like one.
 */
export function copyInto(db: Db, target: string): void {
  const unfinished = `${target}.part`;
  try {
    rmSync(unfinished, { force: true });
    // SQLite writes into an empty file, and would make one as readable as the umask has it.
    writeFileSync(unfinished, '', { flag: 'wx', mode: OURS_ALONE });
    db.prepare('VACUUM INTO ?').run(unfinished);
    putInPlace(unfinished, target);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error;
  }
}

export const backupFolder = (path: string): string => join(dirname(path), 'backups');

/** Newest first. */
export function listBackups(path: string): string[] {
  const folder = backupFolder(path);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.db'))
    .map((name) => join(folder, name))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
}

const newestBackup = (path: string): string | null => listBackups(path)[0] ?? null;

function refusal(path: string, what: string, alternative: string, type: ErrorType = 'internal'): OperatingError {
  const backup = newestBackup(path);
  const restore =
    backup === null
      ? 'No backup is beside it; restore one from elsewhere.'
      : `Newest backup: ${backup}. To restore it: stop Lintel, move ${path} and its -wal and -shm files away, copy the backup to ${path}, run ${ACCEPT} as its user, start Lintel. ${RESEND}`;
  return new OperatingError(type, `the database ${path} ${what}. ${restore} ${alternative}`.trim());
}

/** Why a database that was in use is not used any more, with the remedy as it is now. */
export const damageText = (path: string, { how }: Damage): string =>
  refusal(
    path,
    how === 'damaged'
      ? 'is damaged'
      : 'was taken away while it was in use (deleted, renamed, replaced, or its folder unmounted)',
    how === 'damaged' ? '' : 'Or put the very file back that was there, with Lintel stopped.',
  ).message;

/**
 * What the system or SQLite said when the database was opened, in words that name the place and the remedy; anything
 * else is a mistake of ours.
 */
export function explainOpening(path: string, error: unknown): Error {
  if (error instanceof OperatingError) return error;
  const code = codeOf(error);
  const folder = dirname(path);
  const internal = (text: string): OperatingError => new OperatingError('internal', text);
  switch (openingFault(error)) {
    case 'damaged':
      return refusal(path, 'is damaged', '', 'storage_damaged');
    case 'not_ours':
      return refusal(path, `is not made as Lintel made it (${String(error)})`, '');
    case 'full':
      return new OperatingError(
        'storage_full',
        `the disk that holds ${path} is full. Remedy: free space, then start Lintel`,
      );
    case 'read_only':
      return internal(
        `the folder ${folder} of the database ${basename(path)} cannot be written to (${code}). Remedy: mount it writable (a disk that fails is often made read-only: look at dmesg), give it to Lintel's user, then start Lintel`,
      );
    case 'no_access':
      return internal(
        `the database ${path} cannot be opened (${code}). Remedy: check that ${folder} is a folder that belongs to Lintel's user, and ${basename(path)} a file that does`,
      );
    case 'disk_fails':
      return internal(
        `the disk that holds ${path} fails (${code}). Remedy: look at the disk and the log of the kernel (dmesg), then start Lintel`,
      );
    case 'busy':
      return internal(
        `the database ${path} is in use by another process. Remedy: stop the other Lintel of this facility`,
      );
    case null:
      return error instanceof Error ? error : new Error(String(error));
  }
}
