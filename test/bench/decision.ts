// How long a person waits at a door: from the reader's last byte handed to us to the relay request written, with few and many credentials, on a slow disk, and while
// a sender fills the building.

import { runChild } from './child.ts';
import { against, beside, median, percentile, type Report } from './report.ts';

type Measured = { latencies: number[]; lookups: number[]; commits: number[] };

/** In three rounds: the middle one of their percentiles counts, so that one slow moment of the machine does not. */
const ROUNDS = 3;
const DECISIONS = 600;
const SLOW_DECISIONS = 90;
const SLOW_FLUSH_MS = 200;

export async function run(report: Report): Promise<void> {
  const small = await runChild<Measured>('decision-child.ts', ['100000', String(DECISIONS), 'quiet']);
  const large = await runChild<Measured>('decision-child.ts', ['1000000', String(DECISIONS), 'quiet']);
  const p99 = ({ latencies }: Measured): number => {
    const size = Math.ceil(latencies.length / ROUNDS);
    return median(
      Array.from({ length: ROUNDS }, (_, i) => percentile(latencies.slice(i * size, (i + 1) * size), 0.99)),
    );
  };
  report(against('decision', 'reader byte to relay request, p99, 100,000 credentials', p99(small), 'ms', '<=', 2));
  report(beside('decision', 'the same, median', percentile(small.latencies, 0.5), 'ms'));
  report(beside('decision', 'of it the look-up, p99', percentile(small.lookups, 0.99), 'ms'));
  report(beside('decision', 'the commit behind it, p99', percentile(small.commits, 0.99), 'ms'));
  report(beside('decision', 'reader byte to relay request, p99, 1,000,000 credentials', p99(large), 'ms'));
  report(beside('decision', 'of it the look-up, p99', percentile(large.lookups, 0.99), 'ms'));
  report(against('decision', 'ratio: p99 with 1,000,000 / with 100,000', p99(large) / p99(small), '', '<=', 1.5));
  const slow = await runChild<Measured>('decision-child.ts', ['1000', String(SLOW_DECISIONS), 'quiet'], {
    flushMs: SLOW_FLUSH_MS,
  });
  report(
    against(
      'decision',
      `reader byte to relay request, p99, every flush ${SLOW_FLUSH_MS} ms`,
      p99(slow),
      'ms',
      '<=',
      10,
    ),
  );
  report(beside('decision', 'the commit behind it, median, same run', percentile(slow.commits, 0.5), 'ms'));
  const busy = await runChild<Measured>('decision-child.ts', ['100000', String(DECISIONS), 'apply']);
  report(against('decision', 'reader byte to relay request, p99, during an apply stream', p99(busy), 'ms', '<=', 10));
}
