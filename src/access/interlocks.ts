// Doors that are not open together: while one of a set is open or unlocked nobody is let through at the others. The exit
// button, and whoever opens a door by hand, are kept back by nothing; that is told.

import type { InterlockSetup } from '../domain/areas.ts';
import { newEventAt } from '../domain/events.ts';
import type { Mode } from '../domain/modes.ts';
import type { Site, SiteEntrance } from '../domain/site.ts';
import type { Recorder } from './recorder.ts';

/** How a door stands. `unseen`: its contact does not answer. */
export type Leaf = 'shut' | 'open' | 'unlocked' | 'unseen';
/** By which other door of the set, by its name for people; null: by none. */
export type HeldBy = { interlock: string; by: null } | { interlock: string; by: string; how: Exclude<Leaf, 'shut'> };

export type InterlocksOptions = {
  site: Site;
  recorder: Recorder;
  acsSystemId: string;
  leafOf: (entrance: SiteEntrance) => Leaf;
  modeOf: (entrance: SiteEntrance) => Mode;
};

type DoorSet = { setup: InterlockSetup; entrances: readonly SiteEntrance[]; isViolated: boolean };

export class Interlocks {
  readonly #options: InterlocksOptions;
  readonly #sets: readonly DoorSet[];

  constructor(options: InterlocksOptions) {
    this.#options = options;
    this.#sets = options.site.interlocks.map((setup) => ({
      setup,
      entrances: setup.acsEntranceIds.flatMap((id) => options.site.byId(id) ?? []),
      isViolated: false,
    }));
  }

  /** Null: the door is in no set. */
  heldBy(entrance: SiteEntrance): HeldBy | null {
    let none: HeldBy | null = null;
    for (const { setup, entrances } of this.#sets) {
      if (!entrances.includes(entrance)) continue;
      none = { interlock: setup.name, by: null };
      for (const other of entrances) {
        const how = other === entrance ? 'shut' : this.#options.leafOf(other);
        if (how !== 'shut') return { interlock: setup.name, by: other.displayName, how };
      }
    }
    return none;
  }

  /** Behind every change of a door: two of a set that stand open, or unlocked, are told once. */
  doorChanged(entrance: SiteEntrance): void {
    const { leafOf, modeOf, recorder, acsSystemId } = this.#options;
    for (const set of this.#sets) {
      if (!set.entrances.includes(entrance)) continue;
      const astray = set.entrances.filter((one) => leafOf(one) === 'open' || leafOf(one) === 'unlocked');
      const wasViolated = set.isViolated;
      set.isViolated = astray.length > 1;
      if (!set.isViolated || wasViolated || set.entrances.some((one) => modeOf(one) === 'evacuate')) continue;
      const door = { acs_system_id: acsSystemId, acs_entrance_id: entrance.acsEntranceId };
      const others = astray.filter((one) => one !== entrance).map(({ acsEntranceId }) => acsEntranceId);
      recorder.note({ ...door, device: null }, [
        newEventAt('acs_entrance.interlock_violated', door, {
          interlock: set.setup.name,
          other_acs_entrance_ids: others,
        }),
      ]);
    }
  }
}
