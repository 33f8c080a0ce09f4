// How the database is, for the whole house: looks now and then whether its files are still there, says once and for all that it is damaged, and tries a disk that
// was full or failing until it works again. What follows from it for doors and commands is the agent's to do.

import type { Recorder } from './access/recorder.ts';
import type { Clock, Log, Timer } from './domain/ports.ts';
import type { Condition } from './store/guard.ts';
import type { Store } from './store/store.ts';

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
  onChange: () => void;
};

/** Files may be gone while nobody writes: noticed within this. */
const LOOK_EVERY_MS = 1000;

export class StorageWatch {
  readonly #options: StorageWatchOptions;
  #timer: Timer | null = null;

  constructor(options: StorageWatchOptions) {
    this.#options = options;
    options.store.onCondition((condition) => this.#changed(condition));
    options.store.onRenewed((files) => this.#renewed(files));
  }

  start(): void {
    this.#next();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #next(): void {
    this.#timer = this.#options.clock.after(LOOK_EVERY_MS, () => {
      this.#next();
      this.#options.store.look();
    });
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
      log.error(
        condition === 'full' ? 'the disk is full. Remedy: free space' : 'the disk fails. Remedy: look at dmesg',
        { condition },
      );
    } else {
      log.info('the disk takes again what it is given');
    }
    onChange();
  }

  #afterDamage(): void {
    const { store, recorder, log, acsSystemId, afterDamage, onDamage, onChange } = this.#options;
    const { how, problems } = store.damage ?? { how: 'damaged', problems: [] };
    // Into memory: a damaged file is not written to any more.
    recorder.record([
      { event_type: 'agent.storage_damaged', body: { acs_system_id: acsSystemId, how, problems: [...problems] } },
    ]);
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
          { event_type: 'agent.storage_files_renewed', body: { acs_system_id: acsSystemId, files: [...files] } },
        ]),
    );
  }
}
