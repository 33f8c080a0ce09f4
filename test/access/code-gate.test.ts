// The budgets of wrong codes, to the millisecond and to the row on disk. Which attacks they hold against is told in
// guessing.test.ts.

import { describe, expect, it } from 'vitest';
import { CodeGate, type CodePlace } from '../../src/access/code-gate.ts';
import {
  accountOf,
  charge,
  isSettled,
  lockedForMs,
  newAccount,
  refunded,
  rowOf,
  type GuessAccount,
  type GuessRule,
} from '../../src/access/guess-account.ts';
import type { Store } from '../../src/store/store.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { openStore, temporaryFolder } from '../support/store.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Three in a minute lock for one minute, then two, up to five. */
const BURST: GuessRule = {
  burst: { attempts: 3, windowMs: MINUTE, firstMs: MINUTE, maxMs: 5 * MINUTE },
  perDay: null,
  pauseMs: null,
};
/** 48 a day: 24 at once, and one more every hour. */
const BUDGET: GuessRule = { burst: null, perDay: 48, pauseMs: null };
const PAUSED: GuessRule = { ...BUDGET, pauseMs: 10_000 };

/** Charges one wrong code at each of these instants. */
function after(rule: GuessRule, ...at: readonly number[]): GuessAccount {
  return at.reduce((account, ms) => charge(account, rule, ms).account, newAccount('x', 0));
}

describe('wrong codes in a short time', () => {
  it('lock at the last of them, for exactly so long', () => {
    const two = after(BURST, 0, 10_000);
    expect(lockedForMs(two, BURST, 10_000)).toBe(0);
    const { account, lock } = charge(two, BURST, 20_000);
    expect(lock).toEqual({ forMs: MINUTE, why: 'attempts' });
    expect(lockedForMs(account, BURST, 20_000)).toBe(MINUTE);
    expect(lockedForMs(account, BURST, 20_000 + MINUTE - 1)).toBe(1);
    expect(lockedForMs(account, BURST, 20_000 + MINUTE)).toBe(0);
  });

  it('count together up to the end of the window that the first of them opened', () => {
    expect(charge(after(BURST, 1000, 2000), BURST, 1000 + MINUTE).lock).not.toBeNull();
    const late = charge(after(BURST, 1000, 2000), BURST, 1000 + MINUTE + 1);
    expect(late.lock).toBeNull();
    // And that one opens the next window.
    expect(rowOf(late.account, BURST, 1000 + MINUTE + 1)).toMatchObject({ failed: 1 });
    expect(
      charge(after(BURST, 1000, 2000, 1000 + MINUTE + 1, 2 * MINUTE), BURST, 2 * MINUTE + 1001).lock,
    ).not.toBeNull();
  });

  it('lock twice as long each time, up to the most, and as at first after a quiet time as long as that', () => {
    let account = newAccount('x', 0);
    let now = 0;
    const locks: number[] = [];
    const lockOnce = (): number => {
      for (;;) {
        const charged = charge(account, BURST, now);
        account = charged.account;
        if (charged.lock !== null) return charged.lock.forMs;
      }
    };
    for (let i = 0; i < 5; i++) {
      const forMs = lockOnce();
      locks.push(forMs / MINUTE);
      now += forMs;
    }
    expect(locks).toEqual([1, 2, 4, 5, 5]);
    now += 5 * MINUTE;
    expect(lockOnce()).toBe(5 * MINUTE);
    now += 5 * MINUTE + 5 * MINUTE + 1;
    expect(lockOnce()).toBe(MINUTE);
  });

  it('never lock for longer than the most, however often', () => {
    const account = { ...newAccount('x', 0), level: 2000, failed: 2 };
    expect(charge(account, BURST, 0).lock).toEqual({ forMs: 5 * MINUTE, why: 'attempts' });
  });
});

describe('a day’s budget', () => {
  const spent = after(BUDGET, ...Array.from({ length: 24 }, () => 0));

  it('is half at once; then the next code waits until there is room for it', () => {
    const last = charge(after(BUDGET, ...Array.from({ length: 22 }, () => 0)), BUDGET, 0);
    expect(last.lock).toBeNull();
    expect(lockedForMs(last.account, BUDGET, 0)).toBe(0);
    expect(charge(last.account, BUDGET, 0).lock).toEqual({ forMs: expect.closeTo(HOUR, 3), why: 'per_day' });
    expect(lockedForMs(spent, BUDGET, 0)).toBeCloseTo(HOUR, 3);
    expect(lockedForMs(spent, BUDGET, HOUR - 1)).toBeCloseTo(1, 3);
    expect(lockedForMs(spent, BUDGET, HOUR)).toBeCloseTo(0, 3);
  });

  it('is never overdrawn: a code that is charged all the same makes nobody wait longer', () => {
    expect(lockedForMs(charge(spent, BUDGET, 0).account, BUDGET, 0)).toBeCloseTo(HOUR, 3);
  });

  it('with pauses, locks nobody out but for the pause behind each wrong code', () => {
    const all = after(PAUSED, ...Array.from({ length: 23 }, () => 0));
    expect(lockedForMs(all, PAUSED, 0)).toBe(0);
    const { account, lock } = charge(all, PAUSED, 0);
    expect(lock).toEqual({ forMs: 10_000, why: 'per_day' });
    expect(lockedForMs(account, PAUSED, 0)).toBe(10_000);
    expect(lockedForMs(account, PAUSED, 10_000)).toBe(0);
  });

  it('drains to nothing in a day, and no further', () => {
    expect(rowOf(spent, BUDGET, DAY / 2)).toMatchObject({ spent: 12 });
    expect(rowOf(spent, BUDGET, 2 * DAY)).toMatchObject({ spent: 0 });
  });

  it('both rules at once: the longer lock holds', () => {
    const both: GuessRule = { ...BURST, perDay: 6 };
    const { account, lock } = charge(after(both, 0, 0), both, 0);
    expect(lock).toEqual({ forMs: expect.closeTo(8 * HOUR, 3), why: 'per_day' });
    expect(lockedForMs(account, both, 8 * HOUR)).toBeCloseTo(0, 3);
  });
});

describe('an account', () => {
  it('gets back what so many codes cost, never more than that, and keeps its lock', () => {
    const account = after(BURST, 0, 0);
    expect(rowOf(refunded(account, BURST, 1, 0), BURST, 0)).toMatchObject({ failed: 1 });
    expect(rowOf(refunded(account, BURST, 5, 0), BURST, 0)).toMatchObject({ failed: 0, spent: 0 });
    const budget = after(BUDGET, 0, 0, 0);
    expect(rowOf(refunded(budget, BUDGET, 2, HOUR), BUDGET, HOUR)).toMatchObject({ spent: 0 });
    expect(rowOf(refunded(budget, BUDGET, 1, HOUR), BUDGET, 2 * HOUR)).toMatchObject({ spent: expect.closeTo(0, 6) });
    expect(rowOf(refunded(budget, BUDGET, 1, HOUR), BUDGET, HOUR)).toMatchObject({ spent: expect.closeTo(1, 6) });
    const locked = after(BURST, 0, 0, 0);
    expect(lockedForMs(refunded(locked, BURST, 3, 0), BURST, 0)).toBe(MINUTE);
  });

  it('is settled once nothing of it is left: no budget, no window, no lock, no level', () => {
    expect(isSettled(newAccount('x', 0), BURST, 0)).toBe(true);
    expect(isSettled(after(BURST, 0), BURST, MINUTE)).toBe(false);
    expect(isSettled(after(BURST, 0), BURST, 5 * MINUTE + 1)).toBe(true);
    expect(isSettled(after(BUDGET, 0), BUDGET, HOUR - 1)).toBe(false);
    expect(isSettled(after(BUDGET, 0), BUDGET, HOUR + 1)).toBe(true);
    // Its lock is over, what the next one would cost is not.
    expect(isSettled(after(BURST, 0, 0, 0), BURST, 2 * MINUTE)).toBe(false);
    expect(isSettled(after(BURST, 0, 0, 0), BURST, 6 * MINUTE)).toBe(false);
    expect(isSettled(after(BURST, 0, 0, 0), BURST, 6 * MINUTE + 1)).toBe(true);
  });

  it('comes back from disk with its whole lock, whenever that is', () => {
    const row = rowOf(after(BURST, 0, 0, 0), BURST, 20_000);
    expect(row).toEqual({ name: 'x', spent: 0, failed: 0, level: 1, lock_ms: 40_000 });
    expect(lockedForMs(accountOf(row, 7_000_000), BURST, 7_000_000)).toBe(40_000);
    expect(rowOf({ ...newAccount('x', 0), lockedUntilMs: 0.5 }, BURST, 0)).toMatchObject({ lock_ms: 1 });
  });
});

const POLICY = {
  attempts: 5,
  windowMs: MINUTE,
  firstMs: MINUTE,
  maxMs: 15 * MINUTE,
  perDay: 50,
  perDayCard: 20,
  perDayFacility: 40,
};
const RIGHT = '824759';
/** One digit of it wrong. */
const slip = (i: number): string => `82475${i % 9}`;
const place = (reader = 'front', acsCredentialId: string | null = null): CodePlace => ({
  reader,
  place: `door of ${reader}`,
  acsCredentialId,
});

type Here = { gate: () => CodeGate; clock: ManualClock; store: Store; commit: () => void; restart: () => void };

function open(): Here {
  const clock = new ManualClock();
  const store = openStore(temporaryFolder(), clock);
  let gate = new CodeGate(store, clock, POLICY);
  const commit = (): void => {
    store.now(() => gate.write());
    gate.written();
  };
  return { gate: () => gate, clock, store, commit, restart: () => void (gate = new CodeGate(store, clock, POLICY)) };
}
const named = ({ store }: Here): string[] =>
  store.guesses
    .all()
    .map(({ name }) => name)
    .sort();

describe('the gate of codes', () => {
  it('charges reader, entrance and facility, and the card that a code is tried with', () => {
    const here = open();
    here.gate().wrong(place('front', 'her-card'), '111111');
    expect(here.gate().isUnwritten).toBe(true);
    here.commit();
    expect(here.gate().isUnwritten).toBe(false);
    expect(named(here)).toEqual(['card her-card', 'entrance door of front', 'facility', 'reader front']);
  });

  it('takes from disk what is settled by now, and forgets it itself', async () => {
    const here = open();
    here.gate().wrong(place(), '111111');
    here.commit();
    await here.clock.advance(2 * DAY);
    here.gate().touchAll();
    here.commit();
    expect(named(here)).toEqual([]);
    here.gate().touchAll();
    expect(here.gate().isUnwritten).toBe(false);
  });

  it('leaves rows of what it does not know alone: another kind of place, a newer version', () => {
    const here = open();
    const row = { name: 'asking', spent: 3, failed: 1, level: 0, lock_ms: 5 };
    here.store.now(() => here.store.guesses.put(row));
    here.restart();
    here.gate().touchAll();
    expect(here.gate().isUnwritten).toBe(false);
    here.commit();
    expect(here.store.guesses.all()).toEqual([row]);
  });

  it('a right code ends the lock that a restart would serve again', async () => {
    const here = open();
    for (let i = 0; i < POLICY.attempts; i++) here.gate().wrong(place(), `11111${i}`);
    here.commit();
    expect(here.gate().lockedForMs(place())).toBe(MINUTE);
    await here.clock.advance(MINUTE);
    expect(here.gate().lockedForMs(place())).toBe(0);
    here.restart();
    expect(here.gate().lockedForMs(place())).toBe(MINUTE);
    await here.clock.advance(MINUTE);
    here.gate().right(place(), RIGHT, 'hers');
    expect(here.gate().isUnwritten).toBe(true);
    here.commit();
    here.restart();
    expect(here.gate().lockedForMs(place())).toBe(0);
    // Once is enough.
    here.gate().right(place(), RIGHT, 'hers');
    expect(here.gate().isUnwritten).toBe(false);
  });

  it('a right code at another door ends nobody’s lock', () => {
    const here = open();
    for (let i = 0; i < POLICY.attempts; i++) here.gate().wrong(place(), `11111${i}`);
    here.commit();
    here.gate().right(place('back'), RIGHT, 'hers');
    expect(here.gate().isUnwritten).toBe(false);
    expect(here.gate().lockedForMs(place())).toBe(MINUTE);
  });
});

describe('slips of a code that is then right', () => {
  const failed = (here: Here, reader = 'front'): number | undefined => {
    here.commit();
    return here.store.guesses.all().find(({ name }) => name === `reader ${reader}`)?.failed;
  };

  it('two are given back, the third is not', () => {
    const here = open();
    for (let i = 0; i < 3; i++) here.gate().wrong(place(), slip(i));
    here.gate().right(place(), RIGHT, 'hers');
    expect(failed(here)).toBe(1);
  });

  it('only those of the last minute, at this reader, and no code that is none', async () => {
    const here = open();
    here.gate().wrong(place(), '000000');
    here.gate().right(place(), RIGHT, 'hers');
    expect(failed(here)).toBe(1);
    here.gate().wrong(place('back'), slip(0));
    here.gate().right(place(), RIGHT, 'hers');
    expect(failed(here, 'back')).toBe(1);
    const there = open();
    there.gate().wrong(place(), slip(0));
    await there.clock.advance(MINUTE);
    there.gate().right(place(), RIGHT, 'hers');
    expect(failed(there)).toBeUndefined();
    const late = open();
    late.gate().wrong(place(), slip(0));
    await late.clock.advance(MINUTE + 1);
    late.gate().wrong(place(), '000000');
    late.gate().right(place(), RIGHT, 'hers');
    expect(failed(late)).toBe(1);
  });

  it('once, and again after six hours; for each credential by itself', async () => {
    const here = open();
    const slipOnce = (who: string): number | undefined => {
      here.gate().wrong(place(), slip(0));
      here.gate().right(place(), RIGHT, who);
      return failed(here);
    };
    expect(slipOnce('hers')).toBeUndefined();
    expect(slipOnce('hers')).toBe(1);
    expect(slipOnce('his')).toBe(1);
    await here.clock.advance(6 * HOUR - 1);
    expect(slipOnce('hers')).toBe(1);
    await here.clock.advance(MINUTE + 1);
    expect(slipOnce('hers')).toBeUndefined();
  });

  it('a slip that was given back is not given back again', async () => {
    const here = open();
    here.gate().wrong(place(), slip(0));
    here.gate().wrong(place(), '000000');
    here.gate().right(place(), RIGHT, 'hers');
    expect(failed(here)).toBe(1);
    here.gate().right(place(), RIGHT, 'his');
    expect(failed(here)).toBe(1);
    await here.clock.advance(0);
  });

  it('of a thousand credentials it is remembered, and the one longest ago goes first', () => {
    const here = open();
    const slipOnce = (who: string): void => {
      here.gate().wrong(place(who), slip(0));
      here.gate().right(place(who), RIGHT, who);
    };
    for (let i = 0; i < 1001; i++) slipOnce(`c${i}`);
    // The first one is forgotten, and has its slip given back once more; the second is not.
    slipOnce('c1');
    expect(failed(here, 'c1')).toBe(1);
    slipOnce('c0');
    expect(failed(here, 'c0')).toBeUndefined();
  });
});

describe('a facility whose budget is half spent', () => {
  const places = function* (): Generator<CodePlace, never> {
    for (let i = 0; ; i++) yield place(`reader-${i}`);
  };
  /** Alarms of the facility that one more wrong code brings. */
  const told = (here: Here, at: CodePlace): number =>
    here
      .gate()
      .wrong(at, '111111')
      .filter(({ kind }) => kind === 'facility').length;

  it('is told once, and anew only after half of that has drained', async () => {
    const here = open();
    const next = places();
    // 40 a day: 20 at once. The pause behind each of them is over before the next one.
    const spend = async (): Promise<number> => {
      const alarms = told(here, next.next().value);
      await here.clock.advance(MINUTE);
      return alarms;
    };
    let alarms = 0;
    for (let i = 0; i < 19; i++) alarms += await spend();
    expect(alarms).toBe(0);
    for (let i = 0; i < 20; i++) alarms += await spend();
    expect(alarms).toBe(1);
    // 20 spent; 10 are left after twelve hours.
    await here.clock.advance(11 * HOUR);
    for (let i = 0; i < 10; i++) alarms += await spend();
    expect(alarms).toBe(1);
    await here.clock.advance(14 * HOUR);
    for (let i = 0; i < 20; i++) alarms += await spend();
    expect(alarms).toBe(2);
  });

  it('slows nobody who shows a card that is let in', () => {
    const here = open();
    const next = places();
    for (let i = 0; i < 20; i++) told(here, next.next().value);
    expect(here.gate().lockedForMs(place('elsewhere'))).toBe(MINUTE);
    expect(here.gate().lockedForMs(place('elsewhere', 'her-card'))).toBe(0);
  });
});
