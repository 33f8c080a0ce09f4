// Seals every deciding row as it is written, whoever writes it: triggers of this connection alone, so that no statement
// goes past them and none of another program sets them off. A row whose seal does not fit is never sealed anew by a
// change of it: that would make a lie true.

import type Database from 'better-sqlite3';
import { assert } from '../domain/errors.ts';
import {
  EMPTY_SUM, LIST, movedSum, SEALED, SEALED_TABLES, sealedColumns, type Sealer, type SealedTable, type SealedValue,
} from './seal.ts'; // prettier-ignore

type Db = Database.Database;
export type LedgerName = 'all' | 'holidays';
export type LedgerRow = { name: LedgerName; row_count: number; sum: Buffer; generation: number; seal: Buffer | null };
/** How soon it must be remembered outside the database that somebody lost access. */
export type Urgency = 'none' | 'soon' | 'now';

const SLICE_ROWS = 2000;
/**
 * Of a credential: what is only the consequence of time or use. A use is remembered soon, for the door does not wait
 * for it.
 */
const BY_USE = new Set(['used_at', 'invalidated_at', 'uses_left']);
const USES = ['used_at', 'uses_left'];

export class Sealing {
  readonly #db: Db;
  readonly #sealer: Sealer;
  readonly #ledger;
  readonly #sealLedger;
  /** Of the change that is under way in a trigger. */
  #removed: Uint8Array | null = null;
  #added: Uint8Array | null = null;
  #step: Urgency = 'none';
  #isDirty = false;
  #urgency: Urgency = 'none';

  /** The rows are sealed already (`sealAll`), and the ledger is sound. */
  constructor(db: Db, sealer: Sealer) {
    this.#db = db;
    this.#sealer = sealer;
    this.#defineFunctions();
    for (const table of SEALED_TABLES) db.exec(triggersOf(table));
    db.exec(LIST_TRIGGER);
    this.#ledger = db.prepare<[LedgerName], LedgerRow>('SELECT * FROM ledger WHERE name = ?');
    this.#sealLedger = db.prepare('UPDATE ledger SET seal = lintel_ledger(name, row_count, sum, generation)');
  }

  /** Inside every transaction that ends, before its COMMIT. */
  beforeCommit(): void {
    if (!this.#isDirty) return;
    this.#sealLedger.run();
    this.#isDirty = false;
  }

  /** Behind a commit: how soon the generation must be written. */
  takeUrgency(): Urgency {
    const urgency = this.#urgency;
    this.#urgency = 'none';
    return urgency;
  }

  generation(): number {
    return this.ledger('all').generation;
  }

  ledger(name: LedgerName): LedgerRow {
    const row = this.#ledger.get(name);
    assert(row !== undefined, 'a sealed database has its ledger');
    return row;
  }

  #defineFunctions(): void {
    const define = (name: string, fn: (...args: SealedValue[]) => SealedValue): void =>
      void this.#db.function(name, { varargs: true }, fn as (...args: unknown[]) => unknown);
    define('lintel_seal', (kind, ...values) => {
      this.#removed = null;
      this.#added = this.#sealer.seal(kind as SealedTable, values);
      this.#step = kind === 'tombstones' || kind === 'holiday_days' ? 'now' : 'none';
      return this.#added;
    });
    define('lintel_reseal', (kind, seal, ...values) => {
      const table = kind as SealedTable;
      const before = values.slice(0, values.length / 2);
      const after = values.slice(values.length / 2);
      this.#removed = seal as Uint8Array | null;
      this.#added = this.#sealer.holds(table, before, this.#removed) ? this.#sealer.seal(table, after) : null;
      this.#step = urgencyOf(table, before, after);
      return this.#added;
    });
    define('lintel_unseal', (seal) => {
      this.#removed = seal as Uint8Array | null;
      this.#added = null;
      this.#step = 'now';
      return null;
    });
    define('lintel_sum', (sum) => movedSum(sum as Uint8Array, this.#removed, this.#added));
    define('lintel_revoked', () => {
      this.#isDirty = true;
      if (this.#urgency !== 'now' && this.#step !== 'none') this.#urgency = this.#step;
      return this.#step === 'none' ? 0 : 1;
    });
    define('lintel_ledger', (...values) => this.#sealer.seal('ledger', values));
  }
}

function urgencyOf(table: SealedTable, before: readonly SealedValue[], after: readonly SealedValue[]): Urgency {
  if (table !== 'credentials') return 'now';
  const changed = sealedColumns(table).filter((_, i) => !isSame(before[i] ?? null, after[i] ?? null));
  if (changed.some((name) => !BY_USE.has(name))) return 'now';
  return changed.some((name) => USES.includes(name)) ? 'soon' : 'none';
}

const isSame = (a: SealedValue, b: SealedValue): boolean =>
  a === b || (a instanceof Uint8Array && b instanceof Uint8Array && Buffer.from(a).equals(b));

/** Counted with all, and the days of holidays once more for themselves: a decision asks whether they are complete. */
const noted = (table: SealedTable, count: string): string =>
  `UPDATE ledger SET row_count = row_count ${count}, sum = lintel_sum(sum), generation = generation + lintel_revoked()
     WHERE name ${table === 'holiday_days' ? `IN ('all', 'holidays')` : `= 'all'`};`;

function triggersOf(table: SealedTable): string {
  const columns = sealedColumns(table);
  const of = (row: string): string => columns.map((name) => `${row}.${name}`).join(', ');
  const isThis = SEALED[table].key.map((name) => `${name} = new.${name}`).join(' AND ');
  const isChanged = columns.map((name) => `old.${name} IS NOT new.${name}`).join(' OR ');
  return `
CREATE TEMP TRIGGER seal_${table}_insert AFTER INSERT ON main.${table} BEGIN
  UPDATE ${table} SET seal = lintel_seal('${table}', ${of('new')}) WHERE ${isThis};
  ${noted(table, '+ 1')}
END;
CREATE TEMP TRIGGER seal_${table}_update AFTER UPDATE OF ${columns.join(', ')} ON main.${table} WHEN ${isChanged} BEGIN
  UPDATE ${table} SET seal = lintel_reseal('${table}', old.seal, ${of('old')}, ${of('new')}) WHERE ${isThis};
  ${noted(table, '+ 0')}
END;
CREATE TEMP TRIGGER seal_${table}_delete AFTER DELETE ON main.${table} BEGIN
  SELECT lintel_unseal(old.seal);
  ${noted(table, '- 1')}
END;`;
}

const entrySeal = (row: string): string =>
  `(SELECT lintel_seal('${LIST}', c.acs_credential_id, c.list_revision, e.acs_entrance_id) FROM credentials c, entrances e
     WHERE c.credential_key = ${row}.credential_key AND e.entrance_key = ${row}.entrance_key)`;

const LIST_TRIGGER = `
CREATE TEMP TRIGGER seal_${LIST}_insert AFTER INSERT ON main.${LIST} BEGIN
  UPDATE ${LIST} SET seal = ${entrySeal('new')} WHERE credential_key = new.credential_key AND entrance_key = new.entrance_key;
END;
CREATE TEMP TRIGGER seal_${LIST}_update AFTER UPDATE OF credential_key, entrance_key ON main.${LIST} BEGIN
  UPDATE ${LIST} SET seal = NULL WHERE credential_key = new.credential_key AND entrance_key = new.entrance_key;
END;`;

/**
 * Seals every row as it stands, in slices of one transaction each; the ledger comes with the last one, so that a start
 * that was cut short does it again. Before there are triggers: the rows of a database that knew no seals, and what an
 * operator has said to be right.
 */
export function sealAll(db: Db, sealer: Sealer, generation: number): number {
  db.function('lintel_seal_as', { varargs: true, deterministic: true }, (kind: unknown, ...values: unknown[]) =>
    sealer.seal(kind as SealedTable, values as SealedValue[]),
  );
  const totals: Record<LedgerName, { rows: number; sum: Buffer }> = {
    all: { rows: 0, sum: EMPTY_SUM },
    holidays: { rows: 0, sum: EMPTY_SUM },
  };
  db.exec('DELETE FROM ledger');
  for (const table of SEALED_TABLES) {
    const columns = sealedColumns(table).join(', ');
    const ledgers: readonly LedgerName[] = table === 'holiday_days' ? ['all', 'holidays'] : ['all'];
    inSlices(db, table, SEALED[table].key, (where, bounds) => {
      const sealed = db
        .prepare<unknown[], { seal: Buffer }>(
          `UPDATE ${table} SET seal = lintel_seal_as('${table}', ${columns}) WHERE ${where} RETURNING seal`,
        )
        .all(...bounds);
      for (const name of ledgers) {
        totals[name].rows += sealed.length;
        totals[name].sum = sealed.reduce((sum, { seal }) => movedSum(sum, null, seal), totals[name].sum);
      }
    });
  }
  inSlices(db, LIST, ['credential_key', 'entrance_key'], (where, bounds) => {
    const seal = entrySeal(LIST).replace('lintel_seal(', 'lintel_seal_as(');
    db.prepare(`UPDATE ${LIST} SET seal = ${seal} WHERE ${where}`).run(...bounds);
  });
  db.transaction(() => {
    const insert = db.prepare('INSERT INTO ledger (name, row_count, sum, generation, seal) VALUES (?, ?, ?, ?, ?)');
    for (const name of ['all', 'holidays'] as const) {
      const { rows, sum } = totals[name];
      const at = name === 'all' ? generation : 0;
      insert.run(name, rows, sum, at, sealer.seal('ledger', [name, rows, sum, at]));
    }
  }).immediate();
  return totals.all.rows;
}

/**
 * Each slice in a transaction of its own: the log of a large building's database must not grow to the size of the
 * database.
 */
function inSlices(
  db: Db,
  table: string,
  key: readonly string[],
  work: (where: string, bounds: readonly unknown[]) => void,
): void {
  const tuple = `(${key.join(', ')})`;
  const asked = `(${key.map(() => '?').join(', ')})`;
  const keysBehind = (where: string): string =>
    `SELECT ${key.join(', ')} FROM ${table} WHERE ${where} ORDER BY ${key.join(', ')} LIMIT ${SLICE_ROWS}`;
  const first = db.prepare<unknown[], unknown[]>(keysBehind('true')).raw();
  const further = db.prepare<unknown[], unknown[]>(keysBehind(`${tuple} > ${asked}`)).raw();
  for (let keys = first.all(); keys.length > 0;) {
    const from = keys[0] ?? [];
    const to = keys.at(-1) ?? [];
    db.transaction(() => work(`${tuple} >= ${asked} AND ${tuple} <= ${asked}`, [...from, ...to])).immediate();
    keys = further.all(...to);
  }
}
