// The ways in which people, terminals and scripts end a command that would go on. The daemon has more to put away: see
// exits.ts.

import { systemClock } from '../ops/clock.ts';

/** A terminal and npm both pass on the same Ctrl-C: what comes this soon is not a second one. */
const SAME_SIGNAL_MS = 500;

const CODES = { SIGINT: 130, SIGTERM: 143, SIGQUIT: 131, SIGHUP: 129 } as const;
type EndingSignal = keyof typeof CODES;

/**
 * Resolves at the first of these signals, with its name (SIGHUP: the terminal was closed); a second one ends the
 * process at once, whatever is still being put away.
 */
export async function untilSignal(): Promise<EndingSignal> {
  return await new Promise((resolve) => {
    let firstAtMs: number | null = null;
    const take = (signal: EndingSignal): void => {
      const nowMs = systemClock.monotonicMs();
      if (firstAtMs !== null) {
        if (nowMs - firstAtMs > SAME_SIGNAL_MS) process.exit(CODES[signal]);
        return;
      }
      firstAtMs = nowMs;
      resolve(signal);
    };
    for (const signal of Object.keys(CODES)) process.on(signal, take);
  });
}

/** Keeps the process alive until it is let go: our timers alone do not, so that nothing else ever hangs on one. */
export function stayAlive(): () => void {
  const { port1, port2 } = new MessageChannel();
  port1.ref();
  return () => {
    port1.close();
    port2.close();
  };
}
