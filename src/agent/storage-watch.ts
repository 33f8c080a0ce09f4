// How the database is, for the whole house: looks now and then whether its files are still there, says once and for all
// that it is damaged, and tries a disk that was full or failing until it works again. What follows from it for doors
// and commands is the agent's to do.

import { newEvent } from '../domain/events.ts';
import type { Recorder } from '../access/recorder.ts';
import type { Clock, Log, Timer } from '../domain/ports.ts';
import type { Condition } from '../store/disk-errors.ts';
import type { Store } from '../store/store.ts';

export type StorageWatchOptions = {
  store: Store;
  recorder: Recorder;
  clock: Clock;
  log: Log;
  acsSystemId: string;
  /** In the very turn in which it was found: nobody is let in any more. `problem`: what is wrong, with the remedy. */
  onDamage: (problem: string) => void;
  /** On the next turn: whatever works on the store may be stopped. */
  afterDamage: () => void;
  /** Stores what waited for room; true when nothing waits any more. */
  carryOutHeld: () => boolean;
  /** Once everything that was held back can be taken. */
  afterRecovery: () => void;
  onChange: () => void;
};

/** Files may be gone while nobody writes: noticed within this. */
const LOOK_EVERY_MS = 1000;
/** A disk that is full or failing is tried so often, and room for the next full one looked for. */
const TRY_EVERY_LOOKS = 3;
const RESERVE_EVERY_LOOKS = 60;

export class StorageWatch {
  readonly #options: StorageWatchOptions;
  #timer: Timer | null = null;
  #looks = 0;
  /** The disk did not take what it was given, and not everything that waited for it is done. */
  #isBehind = false;

  constructor(options: StorageWatchOptions) {
    this.#options = options;
    options.store.onCondition((condition) => this.#changed(condition));
    options.store.onRenewed((files) => this.#renewed(files));
  }

  start(): void {
    if (this.#options.store.condition !== 'ok') this.#changed(this.#options.store.condition);
    void this.#options.store.keepReserve();
    this.#next();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #next(): void {
    this.#timer = this.#options.clock.after(LOOK_EVERY_MS, () => {
      this.#next();
      this.#look();
    });
  }

  #look(): void {
    const { store, carryOutHeld, afterRecovery } = this.#options;
    store.look();
    this.#looks += 1;
    if (this.#isBehind && this.#looks % TRY_EVERY_LOOKS === 0) {
      const isWell = store.tryAgain();
      // Also with the room that is kept for it, while the disk is full.
      if (carryOutHeld() && isWell) {
        this.#isBehind = false;
        afterRecovery();
      }
    }
    if (this.#looks % RESERVE_EVERY_LOOKS === 0) void store.keepReserve();
  }

  /** Called in the middle of whatever met it: what needs the store waits for the next turn. */
  #changed(condition: Condition): void {
    const { clock, log, store, onDamage, onChange } = this.#options;
    if (condition === 'damaged') {
      const problem = store.problem() ?? '';
      onDamage(problem);
      log.error(
        `${problem.replace(/\.?$/, '.')} Until then: no access is granted and no command is taken; request-to-exit works.`,
        { problems: store.damage?.problems ?? [] },
      );
      clock.immediate(() => this.#afterDamage());
    } else if (condition !== 'ok') {
      this.#isBehind = true;
      log.error(CONDITIONS[condition], { database: store.path });
    } else {
      log.info('the disk takes again what it is given');
      void store.keepReserve();
    }
    onChange();
  }

  #afterDamage(): void {
    const { store, recorder, log, acsSystemId, afterDamage, onDamage, onChange } = this.#options;
    const { how, problems } = store.damage ?? { how: 'damaged', problems: [] };
    // Into memory: a damaged file is not written to any more.
    recorder.record([newEvent('agent.storage_damaged', { acs_system_id: acsSystemId, how, problems: [...problems] })]);
    afterDamage();
    void store.rescue().then(
      (file) => {
        if (file === null) return;
        log.error('what the database held to the last is saved. Remedy: put this copy in its place', { file });
        onDamage(store.problem() ?? '');
        onChange();
      },
      (error: unknown) =>
        log.error('what the database held could not be saved; it is lost when Lintel stops', { error: String(error) }),
    );
  }

  #renewed(files: readonly string[]): void {
    const { recorder, clock, log, acsSystemId } = this.#options;
    log.error(
      'files of the database were deleted while it was in use; they were made anew and nothing is lost. Remedy: find out who deletes files in its folder',
      { files },
    );
    // Told behind a commit: the next one follows on the next turn.
    clock.immediate(
      () =>
        void recorder.record([
          newEvent('agent.storage_files_renewed', { acs_system_id: acsSystemId, files: [...files] }),
        ]),
    );
  }
}

const CONDITIONS = {
  full: 'the disk is full: commands are refused, but for those that take access away; doors go on, and one-time credentials only as far as their use can be stored. Remedy: free space',
  failing:
    'the disk fails: commands wait at the broker; doors go on as far as the database can be read, and one-time credentials do not. Remedy: look at the disk and the log of the kernel (dmesg)',
} as const;
