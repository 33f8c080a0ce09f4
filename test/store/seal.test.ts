// Which columns decide, and that none of them is written past its seal.

import { describe, expect, it, onTestFinished } from 'vitest';
import { openDatabase } from '../../src/store/open.ts';
import { SEALED, SEALED_TABLES, sealedColumns, type SealedTable, type SealedValue } from '../../src/store/seal.ts';
import { Sealing } from '../../src/store/sealing.ts';
import { storeOptions, temporaryFolder } from '../support/store.ts';

/** Columns that may say anything: nobody is let in or kept out by them. A new column is either here or sealed. */
const OTHERS: Record<string, readonly string[]> = {
  users: ['full_name', 'email_address', 'phone_number', 'user_identity_id', 'metadata', 'created_at', 'folded', 'is_extended_access'],
  credentials: [
    'max_uses',
    // Opened only where their hash, which is sealed, fits what they hold.
    'card_sealed', 'code_sealed',
    'code_length', 'secret_revision', 'display_name', 'metadata', 'opaque', 'schedule_modified', 'issued_at', 'synced_at', 'created_at', 'is_from_token',
  ],
  issued_keys: ['public_key', 'created_at'],
  schedules: ['name', 'created_at'],
  holiday_days: [],
  tombstones: ['deleted_at', 'is_ended'],
  phones: ['public_key', 'display_name', 'created_at'],
  biometrics: ['quality', 'display_name', 'created_at'],
  access_groups: ['name', 'metadata', 'user_count', 'entrance_count', 'parts_sum', 'created_at'],
  access_group_users: [],
  access_group_entrances: [],
  user_entrances: [],
}; // prettier-ignore

const ROWS: Record<SealedTable, string> = {
  users: `INSERT INTO users (acs_user_id, created_at) VALUES ('jane', 1), ('bob', 1)`,
  schedules: `INSERT INTO schedules (schedule_id, name, content, created_at) VALUES ('s', 'S', '{}', 1)`,
  credentials: `INSERT INTO credentials (acs_credential_id, user_key, access_method, has_own_entrances, created_at) VALUES ('c', 1, 'card', 1, 1)`,
  phones: `INSERT INTO phones (acs_credential_id, credential_key, key_hash, public_key, created_at) VALUES ('p', 1, x'01', x'04', 1)`,
  biometrics: `INSERT INTO biometrics (acs_biometric_id, user_key, biometric_type, format, template_sealed, quality, created_at)
    VALUES ('b', 1, 'face', 'default', x'01', 90, 1)`,
  issued_keys: `INSERT INTO issued_keys (acs_credential_id, credential_key, key_hash, public_key, issuer, token_id, starts_at, ends_at, issued_at, entrances, created_at)
    VALUES ('i', 1, x'01', x'04', 'm', '01', 1, 2, 1, 'e', 1)`,
  holiday_days: `INSERT INTO holidays (holiday_id, name, first_date, last_date, is_every_year, created_at) VALUES ('h', 'H', '2026-01-01', '2026-01-01', 0, 1);
    INSERT INTO holiday_days (day, holiday_key) VALUES ('2026-01-01', 1)`,
  access_groups: `INSERT INTO access_groups (acs_access_group_id, name, created_at) VALUES ('g', 'G', 1)`,
  access_group_users: `INSERT INTO access_group_users (user_key, group_key) VALUES (1, 1)`,
  access_group_entrances: `INSERT INTO entrances (acs_entrance_id, name) VALUES ('e', 'E');
    INSERT INTO access_group_entrances (group_key, entrance_key, acs_entrance_id) VALUES (1, 1, 'e')`,
  user_entrances: `INSERT INTO user_entrances (user_key, entrance_key, grant_key, acs_entrance_id) VALUES (1, 1, 0, 'e')`,
  tombstones: `INSERT INTO tombstones VALUES ('user', 'eve', 1, NULL)`,
};

function opened() {
  const { db, past } = openDatabase({ ...storeOptions(temporaryFolder()), nowMs: 0 });
  onTestFinished(() => void db.close());
  new Sealing(db, past.sealer);
  const order = [
    'users', 'schedules', 'credentials', 'phones', 'biometrics', 'issued_keys', 'access_groups', 'access_group_users', 'access_group_entrances', 'user_entrances', 'holiday_days', 'tombstones',
  ] as const; // prettier-ignore
  for (const table of order)
    db.exec(ROWS[table].replace(`VALUES ('user', 'eve', 1, NULL)`, `(kind, id, deleted_at) VALUES ('user', 'eve', 1)`));
  db.pragma('foreign_keys = OFF');
  const fits = (table: SealedTable): boolean =>
    db
      .prepare<[], SealedValue[]>(`SELECT ${sealedColumns(table).join(', ')}, seal FROM ${table}`)
      .raw()
      .all()
      .every((row) => past.sealer.holds(table, row.slice(0, -1), row.at(-1) as Buffer | null));
  return { db, fits };
}

describe('the seal over a row', () => {
  it.each(SEALED_TABLES)('takes in every column of %s that decides', (table) => {
    const { db } = opened();
    const columns = (db.pragma(`table_info(${table})`) as { name: string }[]).map(({ name }) => name);
    expect([...sealedColumns(table), ...(OTHERS[table] ?? []), 'seal'].sort()).toEqual(columns.sort());
  });

  it.each(
    SEALED_TABLES.flatMap((table) => SEALED[table].rest.map((column) => [table, column] as [SealedTable, string])),
  )('is renewed by whatever statement changes %s.%s, and fits no other value', (table, column) => {
    const { db, fits } = opened();
    const isBlob = column.endsWith('_hash') || column.endsWith('_sealed');
    const value = isBlob ? `x'${'ab'.repeat(16)}'` : column.endsWith('_id') || column === 'content' ? `'other'` : '5';
    const text = column === 'access_method' ? `'code'` : value;
    const key = SEALED[table].key[0];
    expect(fits(table)).toBe(true);
    db.exec(`UPDATE ${table} SET ${column} = ${text} WHERE ${key} = 1`);
    expect(fits(table)).toBe(true);
    for (const { name } of db
      .prepare<[], { name: string }>(`SELECT name FROM sqlite_temp_master WHERE type = 'trigger'`)
      .all())
      db.exec(`DROP TRIGGER temp.${name}`);
    const another = isBlob
      ? `x'${'cd'.repeat(16)}'`
      : column === 'access_method'
        ? `'card'`
        : text.startsWith(`'`)
          ? `'third'`
          : '7';
    db.exec(`UPDATE ${table} SET ${column} = ${another} WHERE ${key} = 1`);
    expect(fits(table)).toBe(false);
  });

  it('goes with rows that are inserted, replaced and deleted, and the sum over all of them with it', () => {
    const { db } = opened();
    const count = (): number => {
      const row = db.prepare<[], { row_count: number }>(`SELECT row_count FROM ledger WHERE name = 'all'`).get();
      return row?.row_count ?? -1;
    };
    expect(count()).toBe(13);
    db.exec(`DELETE FROM holiday_days; DELETE FROM tombstones; DELETE FROM credentials`);
    expect(count()).toBe(10);
  });
});
