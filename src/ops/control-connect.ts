// One try to reach the far end of a unix socket, with what came of it in the field's terms: served, nobody there, not
// allowed, or too busy to answer.

import { createConnection, type Socket } from 'node:net';
import type { Clock } from '../domain/ports.ts';
import { memberOf } from '../domain/named.ts';

export type ConnectOutcome =
  { state: 'connected'; socket: Socket } | { state: 'nobody' | 'forbidden' | 'busy'; code: string };

const STATES: Readonly<Record<string, 'nobody' | 'forbidden'>> = {
  ENOENT: 'nobody',
  ECONNREFUSED: 'nobody', // a socket that a dead process left
  ENOTSOCK: 'nobody',
  EACCES: 'forbidden',
  EPERM: 'forbidden',
};

/** Never rejects. A far end whose queue is full (EAGAIN) or that does not accept in time lives: it is busy. */
export async function tryConnect(clock: Clock, path: string, timeoutMs: number): Promise<ConnectOutcome> {
  return await new Promise((resolve) => {
    const socket = createConnection({ path });
    const timer = clock.after(timeoutMs, () => {
      socket.destroy();
      resolve({ state: 'busy', code: 'ETIMEDOUT' });
    });
    const failed = (error: NodeJS.ErrnoException): void => {
      timer.cancel();
      const code = error.code ?? 'unknown';
      resolve({ state: memberOf(STATES, code) ?? 'busy', code });
    };
    socket.once('error', failed);
    socket.once('connect', () => {
      timer.cancel();
      socket.off('error', failed);
      resolve({ state: 'connected', socket });
    });
  });
}
