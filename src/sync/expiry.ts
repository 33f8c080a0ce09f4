// Says once of every credential whose end has come that it cannot be used any more. Driven by the next end and the
// clock, as far as the clock can be trusted.

import { invalidated } from '../domain/invalidated.ts';
import type { Clock, Log, Timer } from '../domain/ports.ts';
import type { TimeWitness } from '../domain/window.ts';
import type { Store } from '../store/store.ts';
import { isStorageError } from '../store/disk-errors.ts';
import { certainInstant } from './desired.ts';
import { inSlices, Stopped } from './post.ts';

/** The clock may leap: nobody sleeps longer than this over an end. */
const LONGEST_SLEEP_MS = 15_000;
const STORAGE_PAUSE_MS = 5000;
const PER_LOOK = 128;

export type ExpiryOptions = { store: Store; clock: Clock; log: Log; time: () => TimeWitness; acsSystemId: string };

export class Expiry {
  readonly #options: ExpiryOptions;
  #timer: Timer | null = null;
  #isStopping = false;

  constructor(options: ExpiryOptions) {
    this.#options = options;
  }

  start(): void {
    void this.#look();
  }

  stop(): void {
    this.#isStopping = true;
    this.#timer?.cancel();
  }

  async #look(): Promise<void> {
    let sleepMs = STORAGE_PAUSE_MS;
    try {
      await this.#record();
      sleepMs = this.#untilNextMs();
    } catch (error) {
      if (error instanceof Stopped) return;
      if (!isStorageError(error)) throw error;
      this.#options.log.error('the disk failed; ended credentials are recorded later', { error: String(error) });
    }
    if (!this.#isStopping) this.#timer = this.#options.clock.after(sleepMs, () => void this.#look());
  }

  async #record(): Promise<void> {
    const { store, clock, time, acsSystemId } = this.#options;
    const slicer = { store, clock, isStopping: () => this.#isStopping };
    for (;;) {
      const instant = certainInstant(time());
      const rows = instant === null ? [] : store.credentials.ended(instant, PER_LOOK);
      if (rows.length === 0) return;
      await inSlices(slicer, rows, ({ credential_key: key }) => {
        const row = store.credentials.byKey(key);
        // A command may have moved the end, or deleted it, since it was read.
        if (row?.ends_at == null || instant === null || row.ends_at > instant || row.invalidated_at !== null) return;
        const user = row.user_key === null ? undefined : store.users.byKey(row.user_key);
        const { acs_credential_id } = row;
        const acs_user_id = user?.acs_user_id ?? null;
        store.credentials.markInvalidated(key, clock.nowMs());
        store.events.add(
          invalidated({ acs_system_id: acsSystemId, acs_credential_id, acs_user_id, reason: 'expired' }, row.ends_at),
          clock.nowMs(),
        );
      });
    }
  }

  #untilNextMs(): number {
    const time = this.#options.time();
    const next = time.trusted ? this.#options.store.credentials.nextEndMs() : null;
    return next === null ? LONGEST_SLEEP_MS : Math.max(1, Math.min(LONGEST_SLEEP_MS, next - time.nowMs));
  }
}
