// Who opens up: a schedule that waits for the first person frees its door only once somebody was let in within it. That
// somebody came outlives a restart.

import type { Clock } from '../domain/ports.ts';
import type { SiteEntrance } from '../domain/site.ts';
import type { TimeWitness } from '../domain/window.ts';
import { isStorageError } from '../store/disk-errors.ts';
import type { Store } from '../store/store.ts';
import { intervalsAt } from './mode-schedules.ts';
import type { Recorder } from './recorder.ts';
import type { Calendar } from './schedule-check.ts';

export type FirstPersonsOptions = { store: Store | null; recorder: Recorder; clock: Clock; calendar: Calendar };

export class FirstPersons {
  readonly #options: FirstPersonsOptions;
  /** By entrance, the interval in which somebody has come last; null: it was looked for. */
  readonly #come = new Map<string, string | null>();

  constructor(options: FirstPersonsOptions) {
    this.#options = options;
  }

  hasCome({ acsEntranceId }: SiteEntrance, interval: string): boolean {
    if (!this.#come.has(acsEntranceId)) this.#come.set(acsEntranceId, this.#stored(acsEntranceId));
    return this.#come.get(acsEntranceId) === interval;
  }

  /** True when that was the first one, and frees the door. */
  letIn(entrance: SiteEntrance, time: TimeWitness): boolean {
    const { store, recorder, calendar } = this.#options;
    const awaited = intervalsAt(entrance, time, calendar).find(({ firstPerson }) => firstPerson);
    if (awaited === undefined) return false;
    const { interval } = awaited.scheduled;
    if (this.hasCome(entrance, interval)) return false;
    this.#come.set(entrance.acsEntranceId, interval);
    // Lost with a full disk and a restart, the next one opens up.
    recorder.record([], () => store?.meta.set(keyOf(entrance.acsEntranceId), interval));
    return true;
  }

  #stored(acsEntranceId: string): string | null {
    try {
      return this.#options.store?.meta.text(keyOf(acsEntranceId)) ?? null;
    } catch (error) {
      if (!isStorageError(error)) throw error;
      return null;
    }
  }
}

const keyOf = (acsEntranceId: string): string => `first_person ${acsEntranceId}`;
