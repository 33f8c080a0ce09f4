// The one deadline helper. A busy loop fires timers late, over data that has already arrived: on expiry what waits in
// the loop is delivered first (one turn), and only then the time-out is reported.

import type { Clock } from './ports.ts';
import { OperatingError } from './errors.ts';

/**
 * Resolves as `work` does, or rejects with `timed_out` after `timeoutMs` and one more turn of the loop. `work` itself
 * goes on: its owner must end it.
 */
export async function withDeadline<T>(clock: Clock, timeoutMs: number, what: string, work: Promise<T>): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const timer = clock.after(timeoutMs, () => {
      clock.immediate(() => {
        reject(new OperatingError('timed_out', `${what}: no answer within ${timeoutMs} ms`));
      });
    });
    work.then(
      (value) => {
        timer.cancel();
        resolve(value);
      },
      (error: unknown) => {
        timer.cancel();
        reject(error instanceof Error ? error : new Error(String(error)));
      },
    );
  });
}
