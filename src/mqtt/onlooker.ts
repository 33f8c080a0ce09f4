// A short look at one retained topic, on a connection of its own beside the session.

import { connect, type IClientOptions } from 'mqtt';
import type { Clock } from '../domain/ports.ts';

/**
 * What `read` makes of the first message of which it makes anything within `timeoutMs`; null where there is none, or
 * the broker does not let us look.
 */
export function lookAt<T>(
  url: string,
  options: IClientOptions,
  topic: string,
  read: (payload: string) => T | null,
  clock: Clock,
  timeoutMs: number,
): Promise<T | null> {
  const client = connect(url, options);
  return new Promise<T | null>((resolve) => {
    const over = (found: T | null): void => {
      timer.cancel();
      client.end(true);
      resolve(found);
    };
    const timer = clock.after(timeoutMs, () => over(null));
    client.on('error', () => over(null));
    client.once('close', () => over(null));
    client.on('connect', () => {
      client.subscribe(topic, { qos: 0 }, (error) => {
        if (error !== null) over(null);
      });
    });
    client.on('message', (_topic, payload) => {
      const found = read(payload.toString());
      if (found !== null) over(found);
    });
    client.connect();
  });
}
