// The event log of a database file that nobody has to serve: opened for reading only, without the key, for events are
// not sealed. A backup, a file from a broken gateway, or that of an agent that runs.

import Database from 'better-sqlite3';
import { existsSync } from 'node:fs';
import { OperatingError } from '../domain/errors.ts';
import { codeOf, isOfSqlite } from './disk-errors.ts';
import type { Db } from './db.ts';
import { eventJson, type StoredEvent } from './events.ts';

/** Each event as it was published, oldest first. Throws an OperatingError with the remedy where the file is no such log. */
export function* eventsAtRest(path: string): Generator<string> {
  if (!existsSync(path)) throw new OperatingError('invalid_input', `there is no file ${path}`);
  let db: Db | null = null;
  try {
    db = new Database(path, { readonly: true, fileMustExist: true });
    const rows = db.prepare<[], StoredEvent>(
      'SELECT sequence, event_type, created_at, body FROM events ORDER BY sequence',
    );
    for (const row of rows.iterate()) yield eventJson(row);
  } catch (error) {
    throw explained(path, error);
  } finally {
    db?.close();
  }
}

function explained(path: string, error: unknown): unknown {
  const code = codeOf(error);
  if (!isOfSqlite(error)) return error;
  if (code === 'SQLITE_ERROR' || code === 'SQLITE_NOTADB')
    return new OperatingError('invalid_input', `${path} is no database of Lintel`);
  if (code.startsWith('SQLITE_CORRUPT')) return new OperatingError('storage_damaged', `${path} is damaged: the log cannot be read to its end`); // prettier-ignore
  return new OperatingError(
    'internal',
    `${path} cannot be read (${code}). Remedy: read it as its owner, in a folder where its -shm file may be made, or verify a copy`,
  );
}
