// The event log as it grows, for whoever follows it on the gateway.

import { OperatingError } from '../domain/errors.ts';
import type { Clock } from '../domain/ports.ts';
import type { ControlContext } from '../ops/control-socket.ts';
import type { ControlRequest } from '../ops/control-protocol.ts';
import { eventJson } from '../store/events.ts';
import type { Store } from '../store/store.ts';

/** Events handed over in one turn of the loop. */
export const SLICE = 64;

export class EventStream {
  readonly #clock: Clock;
  readonly #watchers = new Set<() => void>();
  #watched: Store | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `{from?, follow?}`: streams events from `from` on (default: from now on), in order, each behind its commit. */
  async answer(
    store: Store,
    { from, follow }: ControlRequest,
    { stream, signal }: ControlContext,
  ): Promise<{ last_sequence: number }> {
    if (from !== undefined && !Number.isSafeInteger(from))
      throw new OperatingError('invalid_input', '`from` must be a sequence number');
    let last = typeof from === 'number' ? Math.max(0, from - 1) : store.events.lastSequence();
    for (;;) {
      const slice = store.events.after(last, SLICE);
      for (const event of slice) {
        await stream(JSON.parse(eventJson(event)));
        last = event.sequence;
      }
      if (slice.length > 0) await new Promise<void>((resolve) => this.#clock.immediate(resolve));
      else if (follow === true) await this.#moreEvents(store, last, signal);
      else return { last_sequence: last };
    }
  }

  /** Resolves once there is an event behind `last`; rejects when the request is over. */
  async #moreEvents(store: Store, last: number, signal: AbortSignal): Promise<void> {
    this.#watch(store);
    await new Promise<void>((resolve, reject) => {
      const over = (): void => {
        this.#watchers.delete(look);
        reject(new OperatingError('interrupted', 'the request is over'));
      };
      const look = (): void => {
        if (store.events.lastSequence() <= last) return;
        this.#watchers.delete(look);
        signal.removeEventListener('abort', over);
        resolve();
      };
      this.#watchers.add(look);
      signal.addEventListener('abort', over, { once: true });
      if (signal.aborted) over();
      else look();
    });
  }

  /** One listener at the store, however many clients follow: it keeps what it is given. */
  #watch(store: Store): void {
    if (this.#watched === store) return;
    this.#watched = store;
    store.onEvents(() => {
      for (const look of this.#watchers) look();
    });
  }
}
