// How long a person waits at a door: from the reader's last byte handed to us to the relay request written, with few
// and many credentials, on a slow disk, and while a sender fills the building.

import { startChild, type ChildOptions } from './child.ts';
import type { DecisionRound } from './decision-child.ts';
import { against, beside, median, percentile, type Report } from './report.ts';

/** The middle one of the rounds' percentiles counts, so that one slow moment of the machine does not. */
const ROUNDS = 5;
const DECISIONS = 100;
const SLOW_DECISIONS = 30;
const SLOW_FLUSH_MS = 200;
/** A decision against one look-up and one write: its ladder, its other look-ups, the relay’s line. */
const MOST_AGAINST_BARE = 8;

type House = { round: (decisions: number) => Promise<DecisionRound>; end: () => void };
type Rounds = readonly DecisionRound[];

export async function run(report: Report): Promise<void> {
  // Both houses stand at once and are asked in turn: whatever else the machine does meets the one as much as the other.
  const [small = [], large = []] = await inTurn([await house(100_000), await house(1_000_000)], DECISIONS);
  tell(report, '100,000 credentials', small, MOST_AGAINST_BARE);
  report(beside('decision', 'of it the look-ups, each, p99', middle(small, 'lookups', 0.99), 'ms'));
  report(beside('decision', 'the commit behind it, p99', middle(small, 'commits', 0.99), 'ms'));
  tell(report, '1,000,000 credentials', large, MOST_AGAINST_BARE);
  report(beside('decision', 'of it the look-ups, each, p99', middle(large, 'lookups', 0.99), 'ms'));
  report(against('decision', 'ratio: p99 with 1,000,000 / with 100,000', p99(large) / p99(small), '', '<=', 1.5));
  const [slow = []] = await inTurn([await house(1_000, 'quiet', { flushMs: SLOW_FLUSH_MS })], SLOW_DECISIONS);
  tell(report, `every flush ${SLOW_FLUSH_MS} ms`, slow, MOST_AGAINST_BARE);
  report(beside('decision', 'the commit behind it, median, same run', middle(slow, 'commits', 0.5), 'ms'));
  const [busy = []] = await inTurn([await house(100_000, 'apply')], DECISIONS);
  tell(report, 'during an apply stream', busy, MOST_AGAINST_BARE);
}

/** Medians are held against each other, for they are steady; the worst of a hundred stand beside them. */
function tell(report: Report, what: string, rounds: Rounds, most: number): void {
  const figure = `reader byte to relay request, ${what}`;
  const [ours, bare] = [middle(rounds, 'latencies', 0.5), middle(rounds, 'bare', 0.5)];
  report(beside('decision', `${figure}, median`, ours, 'ms'));
  report(beside('decision', `${figure}, median at a bare door`, bare, 'ms'));
  report(beside('decision', `${figure}, p99`, p99(rounds), 'ms'));
  report(beside('decision', `${figure}, p99 at a bare door`, middle(rounds, 'bare', 0.99), 'ms'));
  report(against('decision', `${figure}: median / a bare door’s`, ours / bare, 'x', '<=', most));
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
