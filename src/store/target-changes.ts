// Changes of single rows of what a controller should hold (targets.ts): only of the columns that differ, and of many rows
// by one statement. A statement opens the table and its indexes anew, which costs as much as the change of a row.

import type { Statement } from 'better-sqlite3';
import type { Db } from './db.ts';
import type { TargetRow } from './target-row.ts';

type Value = Buffer | string | number | null;
type RowStatement = Statement<Value[]>;
type Pending = { stored: TargetRow; target: TargetRow; then: () => void };

export const CHANGEABLE = [
  'slot',
  'state',
  'written_hash',
  'read_hash',
  'verified_at',
  'error_type',
  'error_message',
  'attempts',
  'due_at',
  'waits',
  'urgent_at',
  'erase_since',
  'erase_reason',
  'is_overdue',
  'announced',
  'partner_key',
  'zone',
  'is_deferred',
] as const;

/**
 * For statements about single rows: a constraint that is broken undoes nothing of the statement. Otherwise SQLite keeps
 * a copy of every page that the statement and its trigger touch, which costs more than the change. The error is thrown
 * all the same, and undoes the transaction's part.
 */
export const UPDATE_ROW = 'UPDATE OR FAIL targets SET';

/** Rows that one statement changes. */
const AT_ONCE = 16;

/** Columns that differ, a bit for each of `CHANGEABLE`, and what is to stand in them. */
type Difference = { columns: number; values: Value[] };

export class TargetChanges {
  readonly #db: Db;
  /** By the columns that change; a row takes few ways through its life. */
  readonly #ofOne = new Map<number, RowStatement>();
  readonly #ofMany = new Map<number, RowStatement>();

  constructor(db: Db) {
    this.#db = db;
  }

  /** Writes what differs from the row as it stands in the store: what is equal is left alone, and so are its indexes. */
  make(stored: TargetRow, target: TargetRow): void {
    this.#makeOne(target.target_key, differenceOf(stored, target));
  }

  /** As `make`, of many rows. */
  makeAll(changes: readonly Pick<Pending, 'stored' | 'target'>[]): void {
    const byColumns = new Map<number, { key: number; difference: Difference }[]>();
    for (const { stored, target } of changes) {
      const difference = differenceOf(stored, target);
      const alike = byColumns.get(difference.columns);
      if (alike === undefined) byColumns.set(difference.columns, [{ key: target.target_key, difference }]);
      else alike.push({ key: target.target_key, difference });
    }
    for (const [columns, alike] of byColumns) {
      let at = 0;
      for (; columns !== 0 && at + AT_ONCE <= alike.length; at += AT_ONCE) {
        const rows = alike.slice(at, at + AT_ONCE);
        this.#statement(this.#ofMany, columns, AT_ONCE).run(
          ...rows.flatMap((row) => [...row.difference.values, row.key]),
        );
      }
      for (; at < alike.length; at++) {
        const row = alike[at];
        if (row !== undefined) this.#makeOne(row.key, row.difference);
      }
    }
  }

  #makeOne(key: number, { columns, values }: Difference): void {
    if (columns !== 0) this.#statement(this.#ofOne, columns, 1).run(...values, key);
  }

  /** It takes the values of each row in the order of the columns, and behind them its key. */
  #statement(known: Map<number, RowStatement>, columns: number, rows: number): RowStatement {
    let statement = known.get(columns);
    if (statement === undefined) {
      const names = CHANGEABLE.filter((_, i) => (columns & (1 << i)) !== 0);
      statement = this.#db.prepare(rows === 1 ? forOne(names) : forMany(names, rows));
      known.set(columns, statement);
    }
    return statement;
  }
}

/**
 * Inside a transaction: changes that are made together at the next `flush`, in the order in which they came, and what
 * follows from each behind them. Whoever asks the store about such a row meanwhile sees it as it was.
 */
export class ChangesTogether {
  readonly #changes: TargetChanges;
  #pending: Pending[] = [];

  constructor(changes: TargetChanges) {
    this.#changes = changes;
  }

  add(stored: TargetRow, target: TargetRow, then: () => void = () => undefined): void {
    this.#pending.push({ stored, target, then });
  }

  flush(): void {
    if (this.#pending.length === 0) return;
    const pending = this.#pending;
    this.#pending = [];
    this.#changes.makeAll(pending);
    for (const { then } of pending) then();
  }
}

function differenceOf(stored: TargetRow, target: TargetRow): Difference {
  const values: Value[] = [];
  let columns = 0;
  for (let i = 0; i < CHANGEABLE.length; i++) {
    const name = CHANGEABLE[i];
    if (name === undefined || isSame(stored[name], target[name])) continue;
    columns |= 1 << i;
    values.push(target[name]);
  }
  return { columns, values };
}

const isSame = (a: Value, b: Value): boolean => a === b || (Buffer.isBuffer(a) && Buffer.isBuffer(b) && a.equals(b));

const forOne = (names: readonly string[]): string =>
  `${UPDATE_ROW} ${names.map((name) => `${name} = ?`).join(', ')} WHERE target_key = ?`;

function forMany(names: readonly string[], rows: number): string {
  const row = `(${[...names, 'target_key'].map(() => '?').join(', ')})`;
  const set = names.map((name, i) => `${name} = v.column${i + 1}`).join(', ');
  const values = Array.from({ length: rows }, () => row).join(', ');
  return `${UPDATE_ROW} ${set} FROM (VALUES ${values}) v WHERE target_key = v.column${names.length + 1}`;
}
