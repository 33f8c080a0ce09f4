// The two verbs by which anything is ever written. `group` joins the open group commit with a savepoint of its own:
// commands and bookkeeping share one flush. `now` commits what is open, runs in a transaction of its own and returns
// when it is durable: decisions use only that, for an event that joined a group would vanish with the group's rollback.

import type { Clock } from '../domain/ports.ts';
import { assert } from '../domain/errors.ts';
import type { Db } from './db.ts';
import { isStorageError } from './disk-errors.ts';

export type GroupHooks = {
  /** After the group's COMMIT; here replies leave. */
  committed?: () => void;
  /** When the group was rolled back as a whole: nothing of it happened, nothing may be acknowledged. */
  rolledBack?: (error: Error) => void;
  /** One slice of many, whose last one flushes: alone it need not be committed before the next slice has joined it. */
  isSlice?: boolean;
};

/** Whoever must have a hand in every commit. */
export type CommitObserver = {
  /** Writes what belongs into the transaction as its last. */
  beforeCommit: () => void;
  /**
   * Throws when what was committed is not where the next start would look for it: then nobody is told that it is
   * durable.
   */
  confirm: () => void;
  /** It is durable, and nobody was told yet. */
  committed: () => void;
  /** Its members were told. */
  afterCommit: () => void;
};

/**
 * A group of nothing but slices is committed after so many turns of the loop, whether or not there are more: a decision
 * that comes next has to wait for it.
 */
const MOST_TURNS_OPEN = 16;

export class Transactions {
  readonly #db: Db;
  readonly #clock: Clock;
  readonly #begin;
  readonly #commit;
  readonly #rollback;
  readonly #savepoint;
  readonly #release;
  readonly #rollbackTo;
  readonly #beginAttempt;
  readonly #keepAttempt;
  readonly #undoAttempt;
  #hooks: GroupHooks[] = [];
  #isGroupOpen = false;
  /** Somebody waits for the group, who is no slice. */
  #isAwaited = false;
  #isInside = false;
  /** Commits so far, for measurements. */
  commits = 0;

  readonly #observer: CommitObserver;

  constructor(db: Db, clock: Clock, observer: CommitObserver) {
    this.#observer = observer;
    this.#db = db;
    this.#clock = clock;
    this.#begin = db.prepare('BEGIN IMMEDIATE');
    this.#commit = db.prepare('COMMIT');
    this.#rollback = db.prepare('ROLLBACK');
    this.#savepoint = db.prepare('SAVEPOINT member');
    this.#release = db.prepare('RELEASE member');
    this.#rollbackTo = db.prepare('ROLLBACK TO member');
    this.#beginAttempt = db.prepare('SAVEPOINT attempt');
    this.#keepAttempt = db.prepare('RELEASE attempt');
    this.#undoAttempt = db.prepare('ROLLBACK TO attempt');
  }

  /**
   * Runs `fn` inside the open group, opening one where there is none; the group commits at the next `flush`, at the
   * latest on the next turn of the loop, or a few turns later while there are only slices in it. When `fn` throws, what
   * it wrote is undone and the error is passed on; the rest of the group stays.
   */
  group<T>(fn: () => T, hooks: GroupHooks = {}): T {
    assert(!this.#isInside, 'transactions do not nest');
    if (!this.#isGroupOpen) {
      this.#begin.run();
      this.#isGroupOpen = true;
      this.#isAwaited = false;
      this.#commitSoon(this.#hooks, MOST_TURNS_OPEN);
    }
    if (hooks.isSlice !== true) this.#isAwaited = true;
    const result = this.#member(fn);
    this.#hooks.push(hooks);
    return result;
  }

  /** `members`: those of the group that is meant, which may be committed long since. */
  #commitSoon(members: GroupHooks[], turnsLeft: number): void {
    this.#clock.immediate(() => {
      if (!this.#isGroupOpen || this.#hooks !== members) return;
      if (this.#isAwaited || turnsLeft <= 1) this.#flushQuietly();
      else this.#commitSoon(members, turnsLeft - 1);
    });
  }

  /** Undoes what `fn` wrote when it throws. Only inside `group` or `now`. */
  attempt<T>(fn: () => T): T {
    assert(this.#isInside, 'an attempt is made inside a transaction');
    this.#beginAttempt.run();
    try {
      const result = fn();
      this.#keepAttempt.run();
      return result;
    } catch (error) {
      if (this.#db.inTransaction) {
        this.#undoAttempt.run();
        this.#keepAttempt.run();
      }
      throw error;
    }
  }

  /** Commits the open group, then runs `fn` in a transaction of its own; durable when it returns. */
  now<T>(fn: () => T): T {
    assert(!this.#isInside, 'transactions do not nest');
    this.#flushQuietly();
    this.#begin.run();
    const result = this.#alone(fn);
    this.#observer.committed();
    this.#observer.afterCommit();
    return result;
  }

  #alone<T>(fn: () => T): T {
    this.#isInside = true;
    try {
      const result = fn();
      this.#observer.beforeCommit();
      this.#commit.run();
      this.commits += 1;
      this.#observer.confirm();
      return result;
    } catch (error) {
      if (this.#db.inTransaction) this.#rollback.run();
      throw error;
    } finally {
      this.#isInside = false;
    }
  }

  /** Commits the open group. Throws what COMMIT threw, after everyone in the group was told. */
  flush(): void {
    assert(!this.#isInside, 'a transaction ends before the group is committed');
    if (!this.#isGroupOpen) return;
    const hooks = this.#hooks;
    this.#hooks = [];
    this.#isGroupOpen = false;
    try {
      this.#observer.beforeCommit();
      this.#commit.run();
      this.commits += 1;
      this.#observer.confirm();
    } catch (error) {
      if (this.#db.inTransaction) this.#rollback.run();
      const cause = error instanceof Error ? error : new Error(String(error));
      tellEach(hooks, (hook) => hook.rolledBack?.(cause));
      throw cause;
    }
    this.#observer.committed();
    try {
      tellEach(hooks, (hook) => hook.committed?.());
    } finally {
      this.#observer.afterCommit();
    }
  }

  /** True in the middle of a transaction. */
  get isInside(): boolean {
    return this.#isInside;
  }

  get isGroupOpen(): boolean {
    return this.#isGroupOpen;
  }

  /** The members were told of the failure; whoever asked for the flush in passing has nothing to add. */
  #flushQuietly(): void {
    try {
      this.flush();
    } catch (error) {
      if (!isStorageError(error)) throw error;
    }
  }

  #member<T>(fn: () => T): T {
    this.#savepoint.run();
    this.#isInside = true;
    try {
      const result = fn();
      this.#release.run();
      return result;
    } catch (error) {
      this.#undoMember(error);
      throw error;
    } finally {
      this.#isInside = false;
    }
  }

  /** A full or failing disk makes SQLite end the whole transaction by itself: then everybody in the group is told. */
  #undoMember(error: unknown): void {
    if (this.#db.inTransaction) {
      this.#rollbackTo.run();
      this.#release.run();
      if (!isStorageError(error)) return;
      this.#rollback.run();
    }
    const hooks = this.#hooks;
    this.#hooks = [];
    this.#isGroupOpen = false;
    const cause = error instanceof Error ? error : new Error(String(error));
    tellEach(hooks, (hook) => hook.rolledBack?.(cause));
  }
}

/** Everybody hears of it, also when somebody's mistake throws: that one is passed on at the end. */
function tellEach(hooks: readonly GroupHooks[], tell: (hook: GroupHooks) => void): void {
  const mistakes: unknown[] = [];
  for (const hook of hooks) {
    try {
      tell(hook);
    } catch (error) {
      mistakes.push(error);
    }
  }
  if (mistakes.length > 0) throw mistakes[0];
}
