// Looks ahead whether somebody who comes soon will find the doors ready: a credential with a start in the future that a
// controller does not hold by then is an alarm, while there is still time to go there.

import { newEvent } from '../domain/events.ts';
import type { Clock, Device, Log, Timer } from '../domain/ports.ts';
import type { Site } from '../domain/site.ts';
import type { TimeWitness } from '../domain/window.ts';
import type { CredentialRow } from '../store/credentials.ts';
import { isStorageError } from '../store/disk-errors.ts';
import type { Store } from '../store/store.ts';
import { inSlices, Stopped } from './post.ts';

const EVERY_MS = 30_000;
const ROWS_PER_LOOK = 256;
/** So many are told of one by one; of more at a time the first. */
const MOST_TOLD = 4096;

export type ArrivalOptions = {
  store: Store;
  site: Site;
  devices: ReadonlyMap<string, Device>;
  clock: Clock;
  log: Log;
  time: () => TimeWitness;
  acsSystemId: string;
  /** How long ahead of its start everything must be there; 0: nobody asks. */
  arrivalMs: number;
};

export class Arrival {
  readonly #options: ArrivalOptions;
  /** Told of, by the key of the credential: its start as it was then. */
  readonly #told = new Map<number, number>();
  #timer: Timer | null = null;
  #isStopping = false;

  constructor(options: ArrivalOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#options.arrivalMs > 0) void this.#look();
  }

  stop(): void {
    this.#isStopping = true;
    this.#timer?.cancel();
  }

  async #look(): Promise<void> {
    const { clock, log, time } = this.#options;
    try {
      const { trusted, nowMs } = time();
      if (trusted) await this.#ask(nowMs);
    } catch (error) {
      if (error instanceof Stopped) return;
      if (!isStorageError(error)) throw error;
      log.error('the disk failed; who comes soon is looked at later', { error: String(error) });
    }
    if (!this.#isStopping) this.#timer = clock.after(EVERY_MS, () => void this.#look());
  }

  async #ask(nowMs: number): Promise<void> {
    const { store, clock, arrivalMs } = this.#options;
    for (const [key, startsAtMs] of this.#told) if (startsAtMs <= nowMs) this.#told.delete(key);
    const slicer = { store, clock, isStopping: () => this.#isStopping };
    for (let after = { starts_at: nowMs, credential_key: 0 }; ;) {
      const rows = store.credentials.startingBehind(after, nowMs + arrivalMs, ROWS_PER_LOOK);
      await inSlices(slicer, rows, (row) => this.#judge(row, nowMs));
      const last = rows.at(-1);
      if (last?.starts_at == null) return;
      after = { starts_at: last.starts_at, credential_key: last.credential_key };
    }
  }

  #judge(row: CredentialRow, nowMs: number): void {
    const { store, site, clock, acsSystemId } = this.#options;
    const { credential_key: key, starts_at: startsAtMs } = row;
    if (startsAtMs === null || this.#told.get(key) === startsAtMs || this.#told.size >= MOST_TOLD) return;
    const controllers = this.#missingAt(key, nowMs);
    if (controllers.length === 0) return;
    this.#told.set(key, startsAtMs);
    const opened = new Set(store.reach.entrancesOf(row));
    const doors = controllers
      .flatMap((name) => site.doorsOf(name))
      .filter(({ entranceKey }) => opened.has(entranceKey));
    const user = row.user_key === null ? undefined : store.users.byKey(row.user_key);
    const body = {
      acs_system_id: acsSystemId,
      acs_credential_id: row.acs_credential_id,
      acs_user_id: user?.acs_user_id ?? null,
      starts_at: new Date(startsAtMs).toISOString(),
      acs_entrance_ids: doors.map(({ acsEntranceId }) => acsEntranceId),
      controllers,
    };
    store.events.add(newEvent('acs_credential.not_ready', body), clock.nowMs());
  }

  /**
   * Controllers that do not hold it. One that keeps no windows is written at the start: until then it only has to be
   * within reach.
   */
  #missingAt(credentialKey: number, nowMs: number): string[] {
    const { store, devices } = this.#options;
    return store.targets
      .ofCredential(credentialKey)
      .filter(({ state, due_at: dueAt, controller }) => {
        if (state === 'set' || state === 'unconfirmed') return false;
        const isPlanned = state === 'scheduled' && dueAt !== null && dueAt > nowMs;
        return !isPlanned || devices.get(controller)?.status().online !== true;
      })
      .map(({ controller }) => controller);
  }
}
