// What a building does by night and by the hour: compare controllers, copy the database, forget what is old, look
// whether the file is sound. Cron only wakes; when each job last completed is a row, so that a gateway that was off at
// the hour catches up once at its next start.

import { newEvent } from '../domain/events.ts';
import { dirname } from 'node:path';
import type { Cron } from '../domain/cron.ts';
import type { Facility } from '../domain/facility.ts';
import type { Clock, Log, Random, Timer } from '../domain/ports.ts';
import { diskSpace } from '../store/disk-space.ts';
import { sealInBackground, type Background } from '../store/background.ts';
import type { Store } from '../store/store.ts';
import { isStorageError } from '../store/disk-errors.ts';
import { removeEnded } from './ended-records.ts';
import { forgetOld, isTooMuch, type Disk, type RetentionOptions } from './retention.ts';
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
  /** Events were forgotten that somebody still waited for. */
  onEventsTrimmed: () => void;
  onDamage: (problems: readonly string[]) => void;
  compareControllers: () => void;
  /** How long what ended stays. */
  endedKeepMs: number;
  /** The present as far as the clock can be trusted; null: nobody knows. */
  certainNowMs: () => number | null;
  /** Drops a snapshot that nobody sends any more. */
  expireSnapshot?: () => void;
  /** Makes a sealed backup; null: none is wanted. */
  seal: Sealing | null;
  /** The disk that a file stands on; left out: as the system says. */
  disk?: (path: string) => Disk | null;
  /** Looks whether every row is as it was written. */
  verifyRows: () => Promise<void>;
};

type Sealing = () => Promise<Sealed>;
type Job = { name: string; everyMs: number; run: () => Promise<void> | void };

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;
const BACKUPS_KEPT = 7;
/** Below this much free space people are told, while there is still room to act in. */
const LOW_SPACE_BYTES = 256 * 1024 * 1024;
const SPACE_EVERY_MS = 60_000;
/** Not every building at the same minute: they may share a converter, a broker, a power supply. */
const SPREAD_MS = 20 * 60_000;

/** Null where the disk is not there. */
function diskOf(path: string): Disk | null {
  try {
    return diskSpace(dirname(path));
  } catch {
    return null;
  }
}

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
  readonly #retention: RetentionOptions;
  #tasks: ReturnType<Cron['schedule']>[] = [];
  #timers: Timer[] = [];
  #isStopped = false;
  #isSpaceLow = false;
  /** The newest sealed backup could not be made: it is tried again by the hour, and told once. */
  #isSealOwed = false;
  #spaceTimer: Timer | null = null;

  constructor(options: UpkeepOptions) {
    this.#options = options;
    const { store, disk = diskOf } = options;
    this.#retention = { ...options, disk: () => disk(store.path), isStopped: () => this.#isStopped };
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
    const disk = this.#retention.disk();
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
    if (this.#try(() => isTooMuch(this.#retention)) === true)
      void this.#run({ name: 'forget_old', everyMs: 0, run: () => this.#forget() });
  }

  #try<T>(run: () => T): T | null {
    try {
      return run();
    } catch (error) {
      if (!isStorageError(error)) throw error;
      return null;
    }
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
    this.#options.expireSnapshot?.();
    if (await forgetOld(this.#retention)) this.#options.onEventsTrimmed();
  }
}
