// The two ways in which people and systemd end a command that would go on.

import { systemClock } from '../ops/clock.ts';

/** A terminal and npm both pass on the same Ctrl-C: what comes this soon is not a second one. */
const SAME_SIGNAL_MS = 500;

/** Resolves at the first SIGINT or SIGTERM, with its name; a second one ends the process at once, whatever is still being put away. */
export async function untilSignal(): Promise<'SIGINT' | 'SIGTERM'> {
  return await new Promise((resolve) => {
    let firstAtMs: number | null = null;
    const take = (signal: 'SIGINT' | 'SIGTERM'): void => {
      const nowMs = systemClock.monotonicMs();
      if (firstAtMs !== null) {
        if (nowMs - firstAtMs > SAME_SIGNAL_MS) process.exit(signal === 'SIGINT' ? 130 : 143);
        return;
      }
      firstAtMs = nowMs;
      resolve(signal);
    };
    process.on('SIGINT', take);
    process.on('SIGTERM', take);
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
