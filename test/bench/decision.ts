// How long a person waits at a door: from the reader's last byte handed to us to the relay request written, with few and many credentials, on a slow disk, and while
// a sender fills the building.

import { startChild, type ChildOptions } from './child.ts';
import type { DecisionRound } from './decision-child.ts';
import { against, beside, median, percentile, type Report } from './report.ts';

/** The middle one of the rounds' percentiles counts, so that one slow moment of the machine does not. */
const ROUNDS = 5;
const DECISIONS = 200;
const SLOW_DECISIONS = 30;
const SLOW_FLUSH_MS = 200;

type House = { round: (decisions: number) => Promise<DecisionRound>; end: () => void };
type Rounds = readonly DecisionRound[];

export async function run(report: Report): Promise<void> {
  // Both houses stand at once and are asked in turn: whatever else the machine does meets the one as much as the other.
  const [small = [], large = []] = await inTurn([await house(100_000), await house(1_000_000)], DECISIONS);
  const what = 'reader byte to relay request, p99';
  report(against('decision', `${what}, 100,000 credentials`, p99(small), 'ms', '<=', 2));
  report(beside('decision', 'the same, median', middle(small, 'latencies', 0.5), 'ms'));
  report(beside('decision', 'of it the look-ups, each, p99', middle(small, 'lookups', 0.99), 'ms'));
  report(beside('decision', 'the commit behind it, p99', middle(small, 'commits', 0.99), 'ms'));
  report(beside('decision', `${what}, 1,000,000 credentials`, p99(large), 'ms'));
  report(beside('decision', 'of it the look-ups, each, p99', middle(large, 'lookups', 0.99), 'ms'));
  report(against('decision', 'ratio: p99 with 1,000,000 / with 100,000', p99(large) / p99(small), '', '<=', 1.5));
  const [slow = []] = await inTurn([await house(1_000, 'quiet', { flushMs: SLOW_FLUSH_MS })], SLOW_DECISIONS);
  report(against('decision', `${what}, every flush ${SLOW_FLUSH_MS} ms`, p99(slow), 'ms', '<=', 10));
  report(beside('decision', 'the commit behind it, median, same run', middle(slow, 'commits', 0.5), 'ms'));
  const [busy = []] = await inTurn([await house(100_000, 'apply')], DECISIONS);
  report(against('decision', `${what}, during an apply stream`, p99(busy), 'ms', '<=', 10));
}

const middle = (rounds: Rounds, of: keyof DecisionRound, fraction: number): number =>
  median(rounds.map((round) => percentile(round[of], fraction)));
const p99 = (rounds: Rounds): number => middle(rounds, 'latencies', 0.99);

async function inTurn(houses: readonly House[], decisions: number): Promise<DecisionRound[][]> {
  const measured: DecisionRound[][] = houses.map(() => []);
  for (let i = 0; i < ROUNDS; i++)
    for (const [n, { round }] of houses.entries()) measured[n]?.push(await round(decisions));
  for (const { end } of houses) end();
  return measured;
}

async function house(credentials: number, load = 'quiet', options: ChildOptions = {}): Promise<House> {
  const args = [String(credentials), String(ROUNDS * DECISIONS), load];
  const child = await startChild<number, DecisionRound>('decision-child.ts', args, options);
  return { round: child.ask, end: child.end };
}
