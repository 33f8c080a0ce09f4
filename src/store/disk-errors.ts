// What an error of SQLite, or of the system below it, says of the file: asked everywhere, answered here alone.

/**
 * `full`: no room to write; `failing`: the disk does not do what it is asked. Both are read as far as they answer.
 * `damaged`: nothing is read either.
 */
export type Condition = 'ok' | 'full' | 'failing' | 'damaged';

const DAMAGED = /^SQLITE_(CORRUPT|NOTADB|IOERR_CORRUPTFS)/;
const FULL = /^(SQLITE_(FULL|IOERR_SHM)|(ENOSPC|EDQUOT)$)/;
const FAILING = /^SQLITE_(IOERR|READONLY|CANTOPEN|PERM)/;
const CONDITIONS: readonly (readonly [RegExp, Exclude<Condition, 'ok'>])[] = [
  [DAMAGED, 'damaged'],
  [FULL, 'full'],
  [FAILING, 'failing'],
];
/** What passes without a trace in the file, and is no mistake of ours either. */
const PASSING = /^SQLITE_(PROTOCOL|BUSY|NOMEM)/;

/** Why a database cannot be opened, beyond what its condition says. */
export type OpeningFault =
  Exclude<Condition, 'ok' | 'failing'> | 'not_ours' | 'read_only' | 'no_access' | 'disk_fails' | 'busy';
/** The first that fits. */
const OPENING: readonly (readonly [RegExp, OpeningFault])[] = [
  [DAMAGED, 'damaged'],
  // A table or column that is not there, or another one than ours: no statement of ours is wrong in a database that we
  // made.
  [/^SQLITE_(ERROR|SCHEMA|CONSTRAINT|MISMATCH)/, 'not_ours'],
  [FULL, 'full'],
  [/^(EROFS$|SQLITE_READONLY)/, 'read_only'],
  [/^(SQLITE_(CANTOPEN|PERM)|(EACCES|EPERM|EISDIR|ENOENT|ENOTDIR|EEXIST|ELOOP|ENAMETOOLONG)$)/, 'no_access'],
  [/^(SQLITE_(IOERR|PROTOCOL)|(EIO|EUCLEAN|ESTALE|ENXIO|ENODEV)$)/, 'disk_fails'],
  [/^SQLITE_BUSY/, 'busy'],
];

/** The code that an error carries; '' where it carries none. */
export const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

/** True for whatever SQLite itself has said, mistakes of ours included. */
export const isOfSqlite = (error: unknown): boolean => codeOf(error).startsWith('SQLITE_');

/** What an error of SQLite says of the file; null: nothing that would outlast it. */
export const conditionAfter = (error: unknown): Exclude<Condition, 'ok'> | null =>
  isOfSqlite(error) ? firstOf(CONDITIONS, codeOf(error)) : null;

/** True where the only thing wrong is that there is no room. */
export const isFull = (error: unknown): boolean => conditionAfter(error) === 'full';

/** True for what the disk or file did (full, IO error, corrupt), as against a mistake of ours. */
export const isStorageError = (error: unknown): boolean =>
  conditionAfter(error) !== null || PASSING.test(codeOf(error));

/** Null: a mistake of ours. */
export const openingFault = (error: unknown): OpeningFault | null => firstOf(OPENING, codeOf(error));

/** Somebody else holds the file. */
export const isHeld = (error: unknown): boolean => openingFault(error) === 'busy';

function firstOf<T>(table: readonly (readonly [RegExp, T])[], code: string): T | null {
  return table.find(([form]) => form.test(code))?.[1] ?? null;
}
