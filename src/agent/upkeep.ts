// What a building does by night and by the hour: compare controllers, copy the database, forget what is old, look
// whether the file is sound. Cron only wakes; when each job last completed is a row, so that a gateway that was off at
// the hour catches up once at its next start.

import { newEvent } from '../domain/events.ts';
import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Cron } from '../domain/cron.ts';
import type { Facility } from '../domain/facility.ts';
import type { Clock, Log, Random, Timer } from '../domain/ports.ts';
import { sealInBackground, type Background } from '../store/background.ts';
import type { Store } from '../store/store.ts';
import { isStorageError } from '../store/disk-errors.ts';
import { removeEnded } from './ended-records.ts';
import type { Sealed } from '../store/sealed-backup.ts';

export type UpkeepOptions = {
  store: Store;
  background: Background;
  clock: Clock;
  cron: Cron;
  random: Random;
  log: Log;
  timeZone: string;
  eventsKeepMs: number;
  eventsMax: number;
  /** Null: by the size of the disk. */
  eventsMaxBytes: number | null;
  /** The events the broker has not had were forgotten up to here. */
  onEventsTrimmed: () => void;
  onDamage: (problems: readonly string[]) => void;
  compareControllers: () => void;
  /** How long what ended stays. */
  endedKeepMs: number;
  /** The present as far as the clock can be trusted; null: nobody knows. */
  certainNowMs: () => number | null;
  /** Makes a sealed backup; null: none is wanted. */
  seal: Sealing | null;
  /** Looks whether every row is as it was written. */
  verifyRows: () => Promise<void>;
};

type Sealing = () => Promise<Sealed>;
type Job = { name: string; everyMs: number; run: () => Promise<void> | void };

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;
const JOURNAL_KEEP_MS = 30 * DAY_MS;
const BACKUPS_KEPT = 7;
/** Rows per slice of retention: well below 3 ms also on an SD card's gateway. */
const SLICE_ROWS = 50;
/** Below this much free space people are told, while there is still room to act in. */
const LOW_SPACE_BYTES = 256 * 1024 * 1024;
const SPACE_EVERY_MS = 60_000;
/** What events may weigh unless the facility file says so: this part of the disk, and no more than this. */
const EVENT_SHARE = 1 / 8;
const MOST_EVENT_BYTES = 1024 * 1024 * 1024;
const LEAST_EVENTS = 1000;
/** Not every building at the same minute: they may share a converter, a broker, a power supply. */
const SPREAD_MS = 20 * 60_000;

/** Null where the facility file names no recovery key. */
export function sealing({ file, name, acsSystemId, store }: Facility, version: string, clock: Clock): Sealing | null {
  const { path, masterKey, backup } = store;
  if (backup === null) return null;
  const { folder, keep, recoveryKey: recipient } = backup;
  const order = { path, facilityFile: file, facility: name, acsSystemId, version, recipient, folder, keep };
  return () => sealInBackground({ ...order, nowMs: clock.nowMs() }, masterKey);
}

export class Upkeep {
  readonly #options: UpkeepOptions;
  #tasks: ReturnType<Cron['schedule']>[] = [];
  #timers: Timer[] = [];
  #isStopped = false;
  #isSpaceLow = false;
  /** The newest sealed backup could not be made: it is tried again by the hour, and told once. */
  #isSealOwed = false;
  #spaceTimer: Timer | null = null;

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  start(): void {
    const { store, timeZone, clock, cron } = this.#options;
    const nightly: Job[] = [
      { name: 'compare_controllers', everyMs: DAY_MS, run: () => this.#options.compareControllers() },
      { name: 'back_up', everyMs: DAY_MS, run: () => this.#backUp() },
      { name: 'remove_ended', everyMs: DAY_MS, run: () => this.#removeEnded() },
      { name: 'check_database', everyMs: WEEK_MS, run: () => this.#check() },
      { name: 'verify_rows', everyMs: WEEK_MS, run: () => this.#options.verifyRows() },
    ];
    const seal: Job = { name: 'seal_backup', everyMs: DAY_MS, run: () => this.#seal() };
    if (this.#options.seal !== null) nightly.push(seal);
    const hourly: Job[] = [{ name: 'forget_old', everyMs: HOUR_MS, run: () => this.#forget() }];
    this.#tasks = [
      cron.schedule('30 2 * * *', timeZone, () => this.#later(SPREAD_MS, nightly)),
      cron.schedule('7 * * * *', timeZone, () => this.#later(0, this.#isSealOwed ? [...hourly, seal] : hourly)),
    ];
    this.#watchSpace();
    if (store.wasUnclean) void this.#run({ name: 'check_database', everyMs: 0, run: () => this.#check() });
    // What fell due while the gateway was off, once the doors are served.
    this.#timers.push(clock.after(60_000, () => void this.#runDue([...nightly, ...hourly])));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const timer of this.#timers) timer.cancel();
    this.#spaceTimer?.cancel();
    for (const task of this.#tasks) await task.stop();
  }

  #later(withinMs: number, jobs: readonly Job[]): void {
    this.#timers.push(
      this.#options.clock.after(this.#options.random.fraction() * withinMs, () => void this.#runDue(jobs)),
    );
  }

  /** Cron's hour and a start's catching up never both run a period. */
  async #runDue(jobs: readonly Job[]): Promise<void> {
    const { store, clock } = this.#options;
    for (const job of jobs) {
      if (this.#isStopped || store.condition === 'damaged') return;
      const last = this.#completedAtMs(job.name);
      const sinceMs = last === null ? Infinity : clock.nowMs() - last;
      // Half a period of slack: night to night is not to the minute. A clock that was set back makes everything due.
      if (sinceMs >= 0 && sinceMs < job.everyMs / 2) continue;
      await this.#run(job);
    }
  }

  /** A disk that does not answer makes it due: the job finds out for itself. */
  #completedAtMs(name: string): number | null {
    return this.#try(() => this.#options.store.jobs.completedAtMs(name));
  }

  async #run(job: Job): Promise<void> {
    const { store, clock, log } = this.#options;
    if (this.#isStopped) return;
    try {
      await job.run();
      // It may have been stopped while the job ran.
      if (store.isAlive()) store.group(() => store.jobs.complete(job.name, clock.nowMs()));
    } catch (error) {
      log.error('a job failed; it is tried again at its next hour', { job: job.name, error: String(error) });
    }
  }

  /** Tells once when the disk runs low, and again when it did and had recovered in between. */
  #watchSpace(): void {
    const { store, clock, log } = this.#options;
    this.#spaceTimer = clock.after(SPACE_EVERY_MS, () => this.#watchSpace());
    const disk = this.#disk();
    if (disk === null || store.condition === 'damaged') return;
    const { free } = disk;
    const isLow = free < LOW_SPACE_BYTES;
    if (isLow && !this.#isSpaceLow) {
      log.error('the disk runs low. Remedy: free space; when it is full, commands are refused', {
        free_mib: Math.floor(free / 1024 / 1024),
      });
      this.#try(() =>
        store.group(() => store.events.add(newEvent('agent.storage_low', { free_bytes: free }), clock.nowMs())),
      );
    }
    this.#isSpaceLow = isLow;
    // An hour of a flood may be more than the disk has room for.
    if ((this.#try(() => store.events.count()) ?? 0) > this.#mostEvents())
      void this.#run({ name: 'forget_old', everyMs: 0, run: () => this.#forget() });
  }

  /** Null where the disk is not there. */
  #disk(): { free: number; total: number } | null {
    try {
      const { bavail, blocks, bsize } = statfsSync(dirname(this.#options.store.path));
      return { free: bavail * bsize, total: blocks * bsize };
    } catch {
      return null;
    }
  }

  #try<T>(run: () => T): T | null {
    try {
      return run();
    } catch (error) {
      if (!isStorageError(error)) throw error;
      return null;
    }
  }

  /** By number, and by what they weigh on the average. */
  #mostEvents(): number {
    const { store, eventsMax, eventsMaxBytes } = this.#options;
    const most = eventsMaxBytes ?? Math.min(MOST_EVENT_BYTES, (this.#disk()?.total ?? Infinity) * EVENT_SHARE);
    const each = this.#try(() => store.events.averageBytes()) ?? 0;
    return each === 0 ? eventsMax : Math.min(eventsMax, Math.max(LEAST_EVENTS, Math.floor(most / each)));
  }

  async #check(): Promise<void> {
    const { store, log, onDamage } = this.#options;
    const problems = await this.#options.background.check(store.path);
    if (problems.length > 0) onDamage(problems);
    else log.debug('the database is sound');
  }

  async #backUp(): Promise<void> {
    const { store, clock, log } = this.#options;
    const file = await this.#options.background.backUp(store.path, 'nightly', clock.nowMs(), BACKUPS_KEPT);
    log.info('database backed up', { file });
  }

  async #seal(): Promise<void> {
    const { store, clock, log, seal } = this.#options;
    if (seal === null) return;
    try {
      const { file, bytes, sequence } = await seal();
      this.#isSealOwed = false;
      log.info('a sealed backup was made', { file, bytes });
      if (store.isAlive())
        store.group(() =>
          store.events.add(newEvent('agent.backed_up', { file, bytes, last_sequence: sequence }), clock.nowMs()),
        );
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (!this.#isSealOwed && store.isAlive())
        this.#try(() =>
          store.group(() =>
            store.events.add(newEvent('agent.backup_failed', { error: { type: 'internal', message } }), clock.nowMs()),
          ),
        );
      this.#isSealOwed = true;
      throw error;
    }
  }

  async #removeEnded(): Promise<void> {
    const { endedKeepMs: keepMs, log, ...options } = this.#options;
    const removed = await removeEnded({ ...options, keepMs, isStopped: () => this.#isStopped });
    if (removed.credentials + removed.grants > 0) log.info('what ended long ago was removed', removed);
  }

  async #forget(): Promise<void> {
    const { store, clock, eventsKeepMs, onEventsTrimmed } = this.#options;
    const eventsMax = this.#mostEvents();
    const nowMs = clock.nowMs();
    let unsent = 0;
    const gone: { first: number | null; last: { sequence: number; hash: string } | null } = { first: null, last: null };
    for (;;) {
      if (this.#isStopped) break;
      const slice = store.group(() => {
        const events = store.events.trim(nowMs - eventsKeepMs, eventsMax, SLICE_ROWS);
        return { ...events, journal: store.journal.trim(nowMs - JOURNAL_KEEP_MS, SLICE_ROWS) };
      });
      unsent += slice.unsent;
      gone.first ??= slice.first;
      gone.last = slice.last ?? gone.last;
      if (slice.removed === 0 && slice.journal === 0) break;
      await new Promise<void>((resolve) => clock.immediate(resolve));
    }
    const { first, last } = gone;
    if (first === null || last === null) return;
    store.group(() => {
      const body = { from_sequence: first, to_sequence: last.sequence, last_hash: last.hash };
      store.events.add(newEvent('agent.events_forgotten', body), nowMs);
      if (unsent > 0)
        store.events.add(
          newEvent('agent.events_dropped', { count: unsent, why: 'older or more than store.events keeps' }),
          nowMs,
        );
    });
    if (unsent === 0) return;
    onEventsTrimmed();
  }
}
