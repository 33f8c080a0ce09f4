// What wrong codes cost at one place, as arithmetic over monotonic time. Two rules hold at once: a few in a short time
// lock for a while that doubles, and a budget that drains slowly bounds what a whole day allows, however patiently
// somebody tries. Nobody's success refills it.

import type { GuessRow } from '../store/guesses.ts';

const DAY_MS = 86_400_000;

export type GuessRule = {
  /**
   * So many wrong codes within the window lock for `firstMs`, and each further lock lasts twice as long, up to `maxMs`;
   * null: they do not.
   */
  burst: { attempts: number; windowMs: number; firstMs: number; maxMs: number } | null;
  /** Wrong codes in any 24 hours: half of them at once, the other half as the budget drains; null: without a bound. */
  perDay: number | null;
  /**
   * What a spent budget does: null: the next code waits until there is room for it again; else each wrong code is
   * followed by a pause of so many ms.
   */
  pauseMs: number | null;
};

/** Instants are monotonic ms of this process. */
export type GuessAccount = {
  readonly name: string;
  readonly spent: number;
  readonly spentAtMs: number;
  readonly failed: number;
  readonly firstFailedAtMs: number;
  readonly level: number;
  readonly lockedUntilMs: number;
};

export type Charge = { account: GuessAccount; lock: { forMs: number; why: 'attempts' | 'per_day' } | null };

export const newAccount = (name: string, nowMs: number): GuessAccount => ({
  name,
  spent: 0,
  spentAtMs: nowMs,
  failed: 0,
  firstFailedAtMs: nowMs,
  level: 0,
  lockedUntilMs: nowMs,
});

/**
 * As it was kept: the time that the process was away counts for nothing, so that a lock is at most served twice and
 * never cut short.
 */
export const accountOf = (row: GuessRow, nowMs: number): GuessAccount => ({
  ...newAccount(row.name, nowMs),
  spent: row.spent,
  failed: row.failed,
  level: row.level,
  lockedUntilMs: nowMs + row.lock_ms,
});

export const rowOf = (account: GuessAccount, rule: GuessRule, nowMs: number): GuessRow => ({
  name: account.name,
  spent: spentNow(account, rule, nowMs),
  failed: isWindowOver(account, rule, nowMs) ? 0 : account.failed,
  level: isForgotten(account, rule, nowMs) ? 0 : account.level,
  lock_ms: Math.max(0, Math.ceil(account.lockedUntilMs - nowMs)),
});

/** Nothing is left of it: it need not be kept. */
export function isSettled(account: GuessAccount, rule: GuessRule, nowMs: number): boolean {
  const { spent, failed, level, lock_ms: lockMs } = rowOf(account, rule, nowMs);
  return spent === 0 && failed === 0 && level === 0 && lockMs === 0;
}

const capacityOf = (perDay: number): number => perDay / 2;
const drainPerMs = (perDay: number): number => perDay / 2 / DAY_MS;

function spentNow({ spent, spentAtMs }: GuessAccount, { perDay }: GuessRule, nowMs: number): number {
  return perDay === null ? 0 : Math.max(0, spent - (nowMs - spentAtMs) * drainPerMs(perDay));
}

/** There is no room for one more today. */
const isSpent = (spent: number, perDay: number): boolean => spent + 1 > capacityOf(perDay) + 1e-9;

/** How long no code is looked up here, ms; 0: it is. */
export function lockedForMs(account: GuessAccount, rule: GuessRule, nowMs: number): number {
  const lockMs = Math.max(0, account.lockedUntilMs - nowMs);
  const { perDay, pauseMs } = rule;
  if (perDay === null || pauseMs !== null) return lockMs;
  const spent = spentNow(account, rule, nowMs);
  if (!isSpent(spent, perDay)) return lockMs;
  return Math.max(lockMs, (spent + 1 - capacityOf(perDay)) / drainPerMs(perDay));
}

/** One wrong code more, and the lock that it brings about. */
export function charge(account: GuessAccount, rule: GuessRule, nowMs: number): Charge {
  const { burst, perDay, pauseMs } = rule;
  const spent = perDay === null ? 0 : Math.min(spentNow(account, rule, nowMs) + 1, capacityOf(perDay));
  const failed = (isWindowOver(account, rule, nowMs) ? 0 : account.failed) + 1;
  const charged: GuessAccount = {
    ...account,
    spent,
    spentAtMs: nowMs,
    failed,
    firstFailedAtMs: failed === 1 ? nowMs : account.firstFailedAtMs,
    level: isForgotten(account, rule, nowMs) ? 0 : account.level,
  };
  const locked = burst !== null && failed >= burst.attempts ? locking(charged, burst, nowMs) : charged;
  if (perDay !== null && isSpent(spent, perDay)) {
    const paused = pauseMs === null ? locked : { ...locked, lockedUntilMs: nowMs + pauseMs };
    return { account: paused, lock: { forMs: lockedForMs(paused, rule, nowMs), why: 'per_day' } };
  }
  if (locked === charged) return { account: charged, lock: null };
  return { account: locked, lock: { forMs: locked.lockedUntilMs - nowMs, why: 'attempts' } };
}

function locking(account: GuessAccount, burst: NonNullable<GuessRule['burst']>, nowMs: number): GuessAccount {
  const lockMs = Math.min(burst.maxMs, burst.firstMs * 2 ** Math.min(account.level, 20));
  return { ...account, failed: 0, firstFailedAtMs: nowMs, level: account.level + 1, lockedUntilMs: nowMs + lockMs };
}

/** Gives back what so many wrong codes cost. A lock that they brought about stays. */
export const refunded = (account: GuessAccount, rule: GuessRule, count: number, nowMs: number): GuessAccount => ({
  ...account,
  spent: Math.max(0, spentNow(account, rule, nowMs) - count),
  spentAtMs: nowMs,
  failed: Math.max(0, account.failed - count),
});

const isWindowOver = ({ firstFailedAtMs }: GuessAccount, { burst }: GuessRule, nowMs: number): boolean =>
  burst === null || nowMs - firstFailedAtMs > burst.windowMs;

/** After a quiet time as long as the longest lock, the next one is short again. */
const isForgotten = ({ lockedUntilMs }: GuessAccount, { burst }: GuessRule, nowMs: number): boolean =>
  burst === null || nowMs - lockedUntilMs > burst.maxMs;
