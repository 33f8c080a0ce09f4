// Looks at every sealed row, whether anybody uses it or not: in a worker thread with a read-only connection of its own,
// one row at a time, so that a million of them take no memory and no door waits.

import { LEFT_OUT } from './events.ts';
import Database from 'better-sqlite3';
import { createHash } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { credentialLine, FURTHER_LINES, userLine, type CredentialLine } from './digest.ts';
import { EMPTY_SUM, LIST, movedSum, SEALED, SEALED_TABLES, Sealer, sealedColumns, type SealedTable, type SealedValue } from './seal.ts'; // prettier-ignore
import { LISTED_IDS } from './own-lists.ts';
import { PHONE_IDS } from './phones.ts';
import { isSound } from './past.ts';
import type { LedgerName, LedgerRow } from './sealing.ts';
import type { Tampered } from './seals.ts';

export type Gap = { first: number; last: number };
export type Findings = {
  rows: number;
  /** Whose seal does not fit: the first of them, and how many. */
  tampered: Tampered[];
  count: number;
  /**
   * Rows that vanished, or came back from an older copy of this very database: the seals fit, and their sum does not.
   */
  isExchanged: boolean;
  /**
   * What must be added to the stored digest so that it is the one of the rows (hexadecimal, modulo 2^256), and to the
   * counts; null: nothing.
   */
  digest: { sum: string; users: number; credentials: number } | null;
  /** Numbers between the oldest and the newest event that are not there. */
  gaps: Gap[];
};

const MOST_NAMED = 100;
const MOST_GAPS = 20;
/** So many rows, then a pause about as long as they take: the other core belongs to the doors. */
const SLICE_ROWS = 2000;
const PAUSE_MS = 20;
const MODULUS = 2n ** 256n;

export type VerificationTask = { path: string; key: Uint8Array };

export function verifyInBackground(path: string, key: Uint8Array): Promise<Findings> {
  return new Promise((resolve, reject) => {
    const task: VerificationTask = { path, key };
    const worker = new Worker(new URL('./verification-worker.ts', import.meta.url), { workerData: task });
    let findings: Findings | null = null;
    worker.once('message', (message: Findings) => (findings = message));
    worker.once('error', reject);
    worker.once('exit', (code) => {
      if (findings !== null) resolve(findings);
      else reject(new Error(`the check of all rows ended with code ${code} and no result`));
    });
    worker.unref();
  });
}

type Db = Database.Database;

export function verify({ path, key }: VerificationTask): Findings {
  const db = new Database(path, { readonly: true, fileMustExist: true });
  try {
    db.exec('BEGIN');
    return new Verification(db, new Sealer(key)).run();
  } finally {
    db.close();
  }
}

class Verification {
  readonly #db: Db;
  readonly #sealer: Sealer;
  readonly #tampered: Tampered[] = [];
  #count = 0;
  #rows = 0;

  constructor(db: Db, sealer: Sealer) {
    this.#db = db;
    this.#sealer = sealer;
  }

  run(): Findings {
    const sums = new Map(SEALED_TABLES.map((table) => [table, this.#table(table)]));
    this.#lists();
    const all = [...sums.values()];
    const total = {
      rows: all.reduce((count, { rows }) => count + rows, 0),
      sum: all.reduce((sum, one) => movedSum(sum, null, one.sum), EMPTY_SUM),
    };
    const areAllThere = this.#isLedger('all', total);
    const days = sums.get('holiday_days');
    if (days !== undefined && !this.#isLedger('holidays', days)) this.#note('holidays', '');
    return {
      rows: this.#rows,
      tampered: this.#tampered,
      count: this.#count,
      isExchanged: !areAllThere,
      digest: this.#digest(),
      gaps: this.#gaps(),
    };
  }

  #table(table: SealedTable): { rows: number; sum: Buffer } {
    const columns = sealedColumns(table);
    const idAt = columns.indexOf(SEALED[table].id);
    const found = { rows: 0, sum: EMPTY_SUM };
    const rows = this.#db.prepare<[], SealedValue[]>(`SELECT ${columns.join(', ')}, seal FROM ${table}`).raw();
    for (const row of rows.iterate()) {
      const seal = row.at(-1) as Buffer | null;
      if (!this.#sealer.holds(table, row.slice(0, -1), seal)) this.#note(table, String(row[idAt]));
      found.rows += 1;
      found.sum = movedSum(found.sum, null, seal);
      this.#pace();
    }
    return found;
  }

  #lists(): void {
    const rows = this.#db
      .prepare<[], [string, number, string, Buffer | null, 0 | 1]>(
        `SELECT c.acs_credential_id, c.list_revision, e.acs_entrance_id, ce.seal, ce.code_hash IS c.code_hash
         FROM ${LIST} ce LEFT JOIN credentials c USING (credential_key) LEFT JOIN entrances e USING (entrance_key)`,
      )
      .raw();
    for (const [id, revision, entrance, seal, isSameCode] of rows.iterate()) {
      if (isSameCode !== 1 || !this.#sealer.holds(LIST, [id, revision, entrance], seal)) this.#note(LIST, id);
      this.#pace();
    }
  }

  #isLedger(name: LedgerName, { rows, sum }: { rows: number; sum: Buffer }): boolean {
    const row = this.#db.prepare<[LedgerName], LedgerRow>('SELECT * FROM ledger WHERE name = ?').get(name);
    return row !== undefined && isSound(row, this.#sealer) && row.row_count === rows && row.sum.equals(sum);
  }

  #digest(): Findings['digest'] {
    let sum = 0n;
    const counted = { users: 0, credentials: 0 };
    const add = (line: string): void => {
      sum += BigInt(`0x${createHash('sha256').update(line).digest('hex')}`);
      this.#pace();
    };
    const users = this.#db.prepare<[], Parameters<typeof userLine>[0]>('SELECT * FROM users');
    for (const row of users.iterate()) {
      counted.users += 1;
      add(userLine(row));
    }
    const credentials = this.#db.prepare<[], CredentialLine>(
      `SELECT c.acs_credential_id, u.acs_user_id, c.access_method, c.starts_at, c.ends_at, c.has_own_entrances, c.max_uses, c.is_duress, c.secret_revision, s.schedule_id,
         ${LISTED_IDS} AS entrances, ${PHONE_IDS} AS phones
       FROM credentials c LEFT JOIN users u USING (user_key) LEFT JOIN schedules s USING (schedule_key)`,
    );
    for (const row of credentials.iterate()) {
      counted.credentials += 1;
      add(credentialLine(row));
    }
    for (const { sql, line } of FURTHER_LINES) {
      for (const row of this.#db.prepare<[], Parameters<typeof line>[0]>(sql).iterate()) add(line(row as never));
    }
    const stored = this.#meta('digest_sum');
    const off =
      (sum - (typeof stored === 'string' && /^[0-9a-f]{64}$/.test(stored) ? BigInt(`0x${stored}`) : 0n)) % MODULUS;
    const offUsers = counted.users - Number(this.#meta('count_users') ?? 0);
    const offCredentials = counted.credentials - Number(this.#meta('count_credentials') ?? 0);
    if (off === 0n && offUsers === 0 && offCredentials === 0) return null;
    return { sum: ((off + MODULUS) % MODULUS).toString(16), users: offUsers, credentials: offCredentials };
  }

  #meta(key: string): unknown {
    return this.#db.prepare<[string], { value: unknown }>('SELECT value FROM meta WHERE key = ?').get(key)?.value;
  }

  #gaps(): Gap[] {
    const span = this.#db
      .prepare<[], { first: number | null; last: number | null; count: number }>(
        'SELECT min(sequence) AS first, max(sequence) AS last, count(*) AS count FROM events',
      )
      .get();
    if (span?.first == null || span.last === null || span.last - span.first + 1 === span.count) return [];
    const noted = this.#meta(LEFT_OUT);
    const leftOut = typeof noted === 'string' ? noted.split(' ') : [];
    const gaps = this.#db
      .prepare<[number], Gap>(
        `SELECT sequence + 1 AS first, next - 1 AS last FROM (SELECT sequence, lead(sequence) OVER (ORDER BY sequence) AS next FROM events)
         WHERE next > sequence + 1 LIMIT ?`,
      )
      .all(MOST_GAPS);
    return gaps.filter(({ first, last }) => !leftOut.includes(`${first}-${last}`));
  }

  #note(table: Tampered['table'], id: string): void {
    this.#count += 1;
    if (this.#tampered.length < MOST_NAMED) this.#tampered.push({ table, id });
  }

  #pace(): void {
    this.#rows += 1;
    if (this.#rows % SLICE_ROWS !== 0) return;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
  }
}
