// A database as an earlier Lintel left it.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { MIGRATIONS } from '../../src/store/migrations.ts';
import { Secrets } from '../../src/store/secrets.ts';

/** A database as the Lintel of this version left it, with its key beside it; the caller closes it. */
export function olderDatabase(folder: string, version: number, key = Buffer.alloc(32, 7)): Database.Database {
  writeFileSync(join(folder, 'master.key'), key.toString('hex'), { mode: 0o400 });
  const db = new Database(join(folder, 'lintel.db'));
  for (const migration of MIGRATIONS.filter((step) => step.version <= version)) db.exec(migration.sql);
  db.prepare(`INSERT INTO meta VALUES ('key_fingerprint', ?)`).run(new Secrets(key).fingerprint);
  db.pragma(`user_version = ${version}`);
  return db;
}
