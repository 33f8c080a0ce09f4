// What SQLite says of the file is heard in one place, for every statement runs through here. Damage is believed at once
// and for good: from then on nothing is read or written any more, and whoever tries is told so by an error that every
// caller knows (`isStorageError` of disk-errors.ts). A full or failing disk may get better: it is tried on.

import type Database from 'better-sqlite3';
import type { Db } from './db.ts';
import { conditionAfter, type Condition } from './disk-errors.ts';

/** What is wrong, for people; `how`: `damaged`, or `lost` where the file was taken away from under us. */
export type Damage = { how: 'damaged' | 'lost'; problems: readonly string[] };

/** A database that was found damaged is not asked again. */
export class StorageRefused extends Error {
  readonly code = 'SQLITE_CORRUPT';

  constructor(damage: Damage) {
    super(`the database is refused: ${damage.problems[0] ?? 'it is damaged'}`);
    this.name = 'StorageRefused';
  }
}

type Statement = Database.Statement;

export class Guard {
  #condition: Condition = 'ok';
  #damage: Damage | null = null;
  readonly #listeners: ((condition: Condition) => void)[] = [];

  /** From here on every statement of this connection passes the guard. */
  watch(db: Db): void {
    const prepare = db.prepare.bind(db);
    db.prepare = (source: string) => this.#guarded(prepare(source), ENDS.test(source));
  }

  get condition(): Condition {
    return this.#condition;
  }

  get damage(): Damage | null {
    return this.#damage;
  }

  /**
   * Told of every change, in the turn in which it is found: perhaps in the middle of a transaction, so nothing may be
   * asked of the store there.
   */
  onChange(listener: (condition: Condition) => void): void {
    this.#listeners.push(listener);
  }

  /** Believed at once and until the end of this process. */
  condemn(damage: Damage): void {
    if (this.#damage !== null) return;
    this.#damage = damage;
    this.#become('damaged');
  }

  /** What an error says of the file. */
  note(error: unknown): void {
    if (this.#damage !== null || error instanceof StorageRefused) return;
    const condition = conditionAfter(error);
    if (condition === 'damaged')
      this.condemn({ how: 'damaged', problems: [error instanceof Error ? error.message : String(error)] });
    else if (condition !== null) this.#become(condition);
  }

  /** The disk was seen to take what it is given. */
  recovered(): void {
    if (this.#damage === null) this.#become('ok');
  }

  /** Found out by whoever opened the file. */
  become(condition: Exclude<Condition, 'damaged'>): void {
    this.#become(condition);
  }

  #become(condition: Condition): void {
    if (this.#condition === condition) return;
    this.#condition = condition;
    for (const listener of this.#listeners) listener(condition);
  }

  /** `isEnd`: it only undoes, which a transaction must be able to also when the file has just been found damaged. */
  #guarded<S extends Statement>(statement: S, isEnd: boolean): S {
    const pass = <A extends unknown[], R>(call: (...args: A) => R): ((...args: A) => R) => {
      return (...args) => {
        if (this.#damage !== null && !isEnd) throw new StorageRefused(this.#damage);
        try {
          return call(...args);
        } catch (error) {
          this.note(error);
          throw error;
        }
      };
    };
    statement.run = pass(statement.run.bind(statement));
    statement.get = pass(statement.get.bind(statement));
    statement.all = pass(statement.all.bind(statement));
    const iterate = statement.iterate.bind(statement);
    const steps = (rows: IterableIterator<unknown>): IterableIterator<unknown> => this.#steps(rows);
    statement.iterate = pass((...args: unknown[]) => steps(iterate(...args)));
    return statement;
  }

  *#steps(rows: IterableIterator<unknown>): IterableIterator<unknown> {
    try {
      yield* rows;
    } catch (error) {
      this.note(error);
      throw error;
    }
  }
}

const ENDS = /^\s*(ROLLBACK|RELEASE)\b/i;
