// A budget for each source, and the count of what went beyond it.

import { expect, test } from 'vitest';
import { Budget } from '../../src/domain/budget.ts';
import { Tally, type Tallied } from '../../src/domain/tally.ts';
import { ManualClock } from '../support/manual-clock.ts';

const MINUTE_MS = 60_000;

test('a budget gives what may come at once, then what comes back, and never more than that', () => {
  const budget = new Budget({ atOnce: 3, perSecond: 2 });
  const takenAt = (nowMs: number): number =>
    Array.from({ length: 10 }, () => budget.take(nowMs)).filter(Boolean).length;
  expect([takenAt(0), takenAt(0), takenAt(500), takenAt(1500), takenAt(60_000)]).toEqual([3, 0, 1, 2, 3]);
});

test('what cannot be refused is paid back before anything more may come', () => {
  const budget = new Budget({ atOnce: 100, perSecond: 50 });
  expect([budget.spend(0, 60), budget.spend(0, 60), budget.spend(400, 25)]).toEqual([0, 400, 500]);
});

function flooded(): { clock: ManualClock; tally: Tally; said: string[]; told: Tallied[] } {
  const clock = new ManualClock();
  const said: string[] = [];
  const told: Tallied[] = [];
  const tally = new Tally(clock, {
    began: () => void said.push('began'),
    tell: (tallied) => {
      told.push(tallied);
      said.push(`told ${tallied.count}`);
    },
    ended: () => void said.push('ended'),
  });
  return { clock, tally, said, told };
}

test('a flood is told soon after it began, every few minutes while it goes on, and at its end, each with its span and its kinds', async () => {
  const { clock, tally, said, told } = flooded();
  const beganMs = clock.nowMs();
  for (let second = 0; second < 400; second++) {
    tally.add(second % 4 === 0 ? 'card' : 'code');
    await clock.advance(1000);
  }
  await clock.advance(MINUTE_MS);
  expect(said).toEqual(['began', 'told 10', 'told 300', 'told 90', 'ended']);
  expect(told[0]).toEqual({ count: 10, kinds: { card: 3, code: 7 }, sinceMs: beganMs, untilMs: beganMs + 9000 });
  expect(told.reduce((sum, { count }) => sum + count, 0)).toBe(400);
});

test('a flood that comes and goes is told no more often than one that stays, and nothing of it is left out', async () => {
  const { clock, tally, told } = flooded();
  for (let round = 0; round < 120; round++) {
    tally.add();
    await clock.advance(30_000);
  }
  expect(told.length).toBeLessThanOrEqual(18);
  await clock.advance(10 * MINUTE_MS);
  expect(told.reduce((sum, { count }) => sum + count, 0)).toBe(120);
});

test('what was counted when the agent stops is told then', () => {
  const { tally, said } = flooded();
  tally.add();
  tally.stop();
  tally.stop();
  expect(said).toEqual(['began', 'told 1']);
});
