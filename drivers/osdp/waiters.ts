// Whoever waits for a report that a reader sends with a later poll: a finger, a vendor's answer, a card's.

import type { Clock } from '../driver.ts';
import { OperatingError } from '../../src/domain/errors.ts';
import type { DecodedReply, ReplyFields, ReplyName } from './replies.ts';

type Waiter = { name: ReplyName; take: (reply: DecodedReply) => boolean };

export class Waiters {
  readonly #reader: string;
  readonly #clock: Clock;
  readonly #waiters = new Set<Waiter>();

  constructor(reader: string, clock: Clock) {
    this.#reader = reader;
    this.#clock = clock;
  }

  /**
   * `pick` takes a report or leaves it with null. Rejects with `timed_out`; or at once when `over` is aborted, for what
   * was asked and refused must not take the next one's report.
   */
  async wait<Name extends ReplyName, T>(
    name: Name,
    timeoutMs: number,
    pick: (fields: ReplyFields[Name]) => T | null,
    over: AbortSignal | null = null,
  ): Promise<T> {
    return await new Promise<T>((resolve, reject) => {
      const waiter: Waiter = {
        name,
        take: (reply) => {
          // The waiter is found by the reply's name, so the fields are those of this name.
          const picked = pick(reply.fields as ReplyFields[Name]);
          if (picked === null) return false;
          end();
          resolve(picked);
          return true;
        },
      };
      const timer = this.#clock.after(timeoutMs, () => {
        end();
        reject(new OperatingError('timed_out', `${this.#reader}: no ${name} came within ${timeoutMs} ms`));
      });
      const end = (): void => {
        timer.cancel();
        this.#waiters.delete(waiter);
        over?.removeEventListener('abort', giveUp);
      };
      const giveUp = (): void => {
        end();
        reject(new OperatingError('interrupted', `${this.#reader}: nobody waits for ${name} any more`));
      };
      over?.addEventListener('abort', giveUp);
      this.#waiters.add(waiter);
    });
  }

  /** True when somebody has waited for this report. */
  take(reply: DecodedReply): boolean {
    for (const waiter of this.#waiters) if (waiter.name === reply.name && waiter.take(reply)) return true;
    return false;
  }
}
