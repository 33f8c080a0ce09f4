// Waiting, for commands that have nothing better to do.

import { systemClock } from '../ops/clock.ts';

/** Resolves after `delayMs`, or as soon as `signal` is aborted. */
export async function pause(delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal !== undefined && isOver(signal)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = systemClock.after(delayMs, done);
    signal?.addEventListener('abort', done);
  });
}

/** Asked anew each time: it changes while we wait. */
export const isOver = (signal: AbortSignal): boolean => signal.aborted;
