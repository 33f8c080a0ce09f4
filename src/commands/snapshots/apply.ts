// Applies a checked snapshot: what it does not name is taken away first, then what is here is changed, then what is new
// is made. A slice and the place behind it are one transaction, so that a crash goes on where it stood, and nothing is
// done twice. What is equal is left alone: no controller is written to for it.

import { OperatingError } from '../../domain/errors.ts';
import type { Replaced } from '../../store/snapshots.ts';
import { isStorageError } from '../../store/disk-errors.ts';
import { claimZones } from '../../store/retarget.ts';
import type { SnapshotCommand } from '../contract/snapshots.ts';
import type { Call, Room } from '../room.ts';
import type { Item } from './items.ts';
import { place, type Placed } from './place.ts';
import { removeUnnamed } from './remove.ts';
import { Stopping, type StagedItems, type Turns } from './staged.ts';
import type { Wanted } from './wanted.ts';

export type Counts = { created: number; updated: number; deleted: number; unchanged: number };
/** Which phase, and behind what of it: a key, or a page and a position on it. `failed`: what could not be done after all. */
export type Progress = { phase: number; after: number; position: number; counts: Counts; failed: string[] };
export const AT_FIRST: Progress = {
  phase: 0,
  after: 0,
  position: 0,
  counts: { created: 0, updated: 0, deleted: 0, unchanged: 0 },
  failed: [],
};

type Phase = { removes: Replaced } | { places: SnapshotCommand; only?: 'present' | 'new'; joins?: true };

const PHASES: readonly Phase[] = [
  { removes: 'credential' },
  { removes: 'grant' },
  { removes: 'user' },
  { removes: 'group' },
  { places: 'schedules/create' },
  { places: 'holidays/create' },
  { places: 'spaces/create' },
  { places: 'users/create' },
  { places: 'users/suspend' },
  { places: 'access_groups/create' },
  { places: 'users/create', joins: true },
  { places: 'access_groups/add_user' },
  { places: 'entrances/grant_access' },
  { places: 'access_grants/create' },
  { places: 'credentials/create', only: 'present' },
  { places: 'credentials/create', only: 'new' },
  { places: 'credentials/enroll_phone' },
  { removes: 'space' },
  { removes: 'holiday' },
  { removes: 'schedule' },
];

/** Objects that are looked at by one query. */
const OBJECTS_AT_ONCE = 64;
const MOST_FAILED = 10;
const STORAGE_PAUSE_MS = 5000;

export class SnapshotApply {
  readonly #room: Room;
  readonly #call: Call;
  readonly #wanted: Wanted;
  readonly #staged: StagedItems;
  readonly #turns: Turns;
  #progress: Progress;
  readonly #pages = new Map<number, readonly number[]>();
  #wake = new Set<string>();

  constructor(room: Room, call: Call, wanted: Wanted, staged: StagedItems, turns: Turns, progress: Progress) {
    // It was held to every rule as a whole: one by one its items are on their way there.
    this.#room = { ...room, isAccepted: true };
    this.#call = call;
    this.#wanted = wanted;
    this.#staged = staged;
    this.#turns = turns;
    this.#progress = structuredClone(progress);
  }

  /** All of it is durable when it resolves, but for the revision. A disk that takes nothing is waited for. */
  async run(): Promise<Progress> {
    const { store, sync, clock, log } = this.#room;
    const failures: Error[] = [];
    const before: { progress: Progress } = { progress: structuredClone(this.#progress) };
    for (;;) {
      try {
        const isLeft = store.group(() => this.#slice(), {
          isSlice: true,
          rolledBack: (error) => void failures.push(error),
        });
        if (!isLeft) store.flush();
        await this.#turns.next();
        const [failure] = failures.splice(0);
        if (failure !== undefined) throw failure;
        const woken = [...this.#wake];
        this.#wake.clear();
        if (woken.length > 0) sync.wake(woken);
        if (!isLeft) return this.#progress;
      } catch (error) {
        if (error instanceof Stopping || !isStorageError(error)) throw error;
        failures.splice(0);
        log.error('a snapshot waits: the disk takes nothing', { error: String(error) });
        await new Promise<void>((resolve) => void clock.after(STORAGE_PAUSE_MS, resolve));
        await this.#turns.next();
        this.#progress = this.#stored(before.progress);
      }
    }
  }

  /** Slices that were undone together are done again from where the database stands. */
  #stored(first: Progress): Progress {
    const text = this.#room.store.snapshots.present()?.progress;
    return text == null ? structuredClone(first) : (JSON.parse(text) as Progress);
  }

  /** Inside a transaction, as much as fits into a turn; false: nothing is left. */
  #slice(): boolean {
    const { store } = this.#room;
    return store.keepRevision(() => {
      let isLeft = this.#step();
      while (isLeft && !this.#turns.isOver()) isLeft = this.#step();
      store.snapshots.saveProgress(JSON.stringify(this.#progress));
      return isLeft;
    });
  }

  #step(): boolean {
    const phase = PHASES[this.#progress.phase];
    if (phase === undefined) return false;
    const isLeft = 'removes' in phase ? this.#remove(phase.removes) : this.#placeNext(phase);
    if (!isLeft) Object.assign(this.#progress, { phase: this.#progress.phase + 1, after: 0, position: 0 });
    if (this.#progress.phase < PHASES.length) return true;
    this.#claimZones();
    return false;
  }

  #remove(kind: Replaced): boolean {
    const { counts, after } = this.#progress;
    const rows = this.#room.store.snapshots.objects(kind, after, OBJECTS_AT_ONCE);
    for (const row of rows) {
      this.#attempt(row.id, () => {
        const removed = removeUnnamed(this.#room, this.#wanted, kind, row, this.#call);
        counts.deleted += removed.count;
        for (const name of removed.wake) this.#wake.add(name);
      });
      this.#progress.after = row.key;
      if (this.#turns.isOver()) return true;
    }
    return rows.length === OBJECTS_AT_ONCE;
  }

  #placeNext(phase: Extract<Phase, { places: SnapshotCommand }>): boolean {
    const known = this.#pages.get(this.#progress.phase);
    const pages = known ?? this.#staged.with([phase.places]);
    if (known === undefined) this.#pages.set(this.#progress.phase, pages);
    const page = pages[this.#progress.after];
    if (page === undefined) return false;
    const items = this.#staged.of(page);
    const item = items[this.#progress.position];
    this.#progress.position += 1;
    if (item === undefined) Object.assign(this.#progress, { after: this.#progress.after + 1, position: 0 });
    else if (item.command === phase.places) this.#placeOne(item, phase);
    return true;
  }

  #placeOne(item: Item, { only = null, joins = false }: { only?: 'present' | 'new' | null; joins?: boolean }): void {
    const { counts } = this.#progress;
    this.#attempt(item.command, () => {
      const placed: Placed | null = place(this.#room, this.#wanted, item, { only, joins }, this.#call);
      if (placed === null) return;
      if (!joins) counts[placed.what] += 1;
      for (const name of placed.wake) this.#wake.add(name);
    });
  }

  /** It was checked before: what is refused all the same is told, and does not keep the rest from being right. */
  #attempt(what: string, run: () => void): void {
    const { store, log } = this.#room;
    try {
      store.attempt(run);
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error;
      log.error('a part of a snapshot was refused behind its check', { what, error: error.message });
      const { failed } = this.#progress;
      if (failed.length < MOST_FAILED) failed.push(`${what}: ${error.message}`);
    }
  }

  /** What a schedule that is gone now has left at a controller, another one may have waited for. */
  #claimZones(): void {
    const { store, site } = this.#room;
    for (const { name } of site.slotControllers())
      for (const id of this.#wanted.schedules.keys()) {
        const key = store.schedules.byId(id)?.schedule_key;
        if (key !== undefined && store.zones.isFollowed(name, key)) claimZones(store, site, name, key);
      }
  }
}
