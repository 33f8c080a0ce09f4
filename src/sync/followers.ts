// A group has changed, and controllers hold credentials of its members: each of them is looked at behind the change, a
// slice per turn of the loop, whatever happens to the process meanwhile. What takes access away comes first. A group that
// is gone opens nothing any more when this begins; here its rows go.

import type { Clock, Log, Timer } from '../domain/ports.ts';
import type { Site } from '../domain/site.ts';
import { isStorageError } from '../store/disk-errors.ts';
import { retarget } from '../store/retarget.ts';
import type { Store } from '../store/store.ts';
import { Stopped, whileLeft } from './post.ts';

/** Rows that nobody waits for are looked after so often. */
const IDLE_MS = 15_000;
const STORAGE_PAUSE_MS = 5000;
const MEMBERS_PER_STEP = 8;
const ENTRIES_PER_STEP = 32;
/** Members, then those whose controllers have something to do are told. */
const MEMBERS_PER_WAKE = 512;

export type FollowersOptions = {
  store: Store;
  site: Site;
  clock: Clock;
  log: Log;
  wake: (controllers: readonly string[]) => void;
};

export class Followers {
  readonly #options: FollowersOptions;
  #timer: Timer | null = null;
  #isLooking = false;
  #isStopping = false;

  constructor(options: FollowersOptions) {
    this.#options = options;
  }

  start(): void {
    this.wake();
  }

  stop(): void {
    this.#isStopping = true;
    this.#timer?.cancel();
  }

  /** A change may have been written down. */
  wake(): void {
    if (this.#isLooking || this.#isStopping) return;
    this.#timer?.cancel();
    void this.#look();
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    let pauseMs = IDLE_MS;
    try {
      while (this.#options.store.groupChanges.next() !== undefined) await this.#follow();
    } catch (error) {
      if (error instanceof Stopped) return;
      if (!isStorageError(error)) throw error;
      this.#options.log.error('the disk failed; the members of a changed group are looked at later', {
        error: String(error),
      });
      pauseMs = STORAGE_PAUSE_MS;
    } finally {
      this.#isLooking = false;
    }
    if (!this.#isStopping) this.#timer = this.#options.clock.after(pauseMs, () => this.wake());
  }

  /** Some members of the change that comes first. */
  async #follow(): Promise<void> {
    const { store, site, clock, wake } = this.#options;
    const concerned = new Set<string>();
    let members = 0;
    await whileLeft({ store, clock, isStopping: () => this.#isStopping }, () => {
      const change = store.groupChanges.next();
      if (change === undefined) return false;
      const isGone = change.is_gone === 1;
      const only = new Set(change.controllers);
      const users = store.groups.memberKeys(change.group_key, change.after_user, MEMBERS_PER_STEP);
      for (const user of users) {
        for (const key of only.size === 0 ? [] : store.credentials.following(user))
          for (const name of retarget(store, site, key, only)) concerned.add(name);
        if (isGone) store.groups.forget(change.group_key, user);
      }
      const last = users.at(-1);
      if (last !== undefined) store.groupChanges.move(change, last);
      else if (!isGone || store.groups.sweepEntrances(change.group_key, ENTRIES_PER_STEP) === 0)
        store.groupChanges.delete(change);
      members += users.length;
      return members < MEMBERS_PER_WAKE;
    });
    wake([...concerned]);
  }
}
