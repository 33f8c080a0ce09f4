// Wrong codes in a row lock code entry at that reader for a while that doubles. Cards, REX and other doors are never locked. The count is in the database, so
// that pulling the plug is no way around it.

import type { Policy } from '../domain/facility.ts';
import type { Store } from '../store/store.ts';

export class Lockout {
  readonly #store: Store;
  readonly #policy: Policy['lockout'];

  constructor(store: Store, policy: Policy['lockout']) {
    this.#store = store;
    this.#policy = policy;
  }

  /** Until when code entry is locked, epoch ms; null when it is not. */
  lockedUntil(name: string, nowMs: number): number | null {
    const until = this.#store.lockouts.get(name)?.locked_until ?? null;
    if (until === null || until <= nowMs) return null;
    // A clock that was set back must not lock for longer than any lock may last.
    return Math.min(until, nowMs + this.#policy.maxMs);
  }

  /** Inside a transaction. Returns until when it is locked from now on, or null. */
  failed(name: string, nowMs: number): number | null {
    const { lockouts } = this.#store;
    const row = lockouts.get(name) ?? { name, failed: 0, first_failed_at: nowMs, locked_until: null, level: 0 };
    const isFresh = nowMs - row.first_failed_at > this.#policy.windowMs || nowMs < row.first_failed_at;
    const failed = isFresh ? 1 : row.failed + 1;
    const firstFailedAt = isFresh ? nowMs : row.first_failed_at;
    // After a quiet time as long as the longest lock, the next one is short again.
    const level = row.locked_until !== null && nowMs - row.locked_until > this.#policy.maxMs ? 0 : row.level;
    if (failed < this.#policy.attempts) {
      lockouts.put({ name, failed, first_failed_at: firstFailedAt, locked_until: row.locked_until, level });
      return null;
    }
    const lockedUntil = nowMs + Math.min(this.#policy.maxMs, this.#policy.firstMs * 2 ** Math.min(level, 20));
    lockouts.put({ name, failed: 0, first_failed_at: nowMs, locked_until: lockedUntil, level: level + 1 });
    return lockedUntil;
  }

  /** Inside a transaction: a right code ends the row of wrong ones. */
  succeeded(name: string): void {
    if (this.#store.lockouts.get(name) !== undefined) this.#store.lockouts.clear(name);
  }
}
