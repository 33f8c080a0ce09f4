// What a controller recorded of its door and what our own inputs saw of it are often the same: it is told once. But
// inputs see nothing while the line is cut, and miss what is shorter than a poll; then the controller's record is all
// there is. Each told event stands for one record, the nearest in time.

import type { ControllerEvent } from '../domain/ports.ts';
import type { SiteEntrance } from '../domain/site.ts';
import type { Store } from '../store/store.ts';

/** A controller's clock is set only when it is wrong by more than half a minute. */
const CLOCKS_APART_MS = 35_000;
/** Events of the log that are looked through, the newest ones. */
const LOOKED_THROUGH = 512;

const SEEN_AS: Readonly<Partial<Record<ControllerEvent['kind'], string>>> = {
  rex: 'acs_entrance.rex',
  opened: 'acs_entrance.opened',
  closed: 'acs_entrance.closed',
  forced: 'acs_entrance.forced',
  held: 'acs_entrance.held',
};

type Told = { acs_entrance_id?: unknown; occurred_at: string; controller_event?: unknown };

/** True for what an input of this door shows as well. */
export function isWatched(entrance: SiteEntrance, kind: ControllerEvent['kind']): boolean {
  if (kind === 'rex') return entrance.rex !== null;
  return entrance.contact !== null && SEEN_AS[kind] !== undefined;
}

/** So lately, as far as the two clocks agree, that an input may only be about to show it. */
export const isLately = (event: ControllerEvent, nowMs: number): boolean =>
  event.atMs === null || Math.abs(nowMs - event.atMs) <= CLOCKS_APART_MS;

export class ToldByInputs {
  readonly #store: Store;
  /** Told events that stand for a record already, by their numbers. */
  #taken = new Set<number>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** The number of the told event that says the same; null: none does. */
  find(entrance: SiteEntrance, event: ControllerEvent, nowMs: number): number | null {
    const atMs = event.atMs ?? nowMs;
    let found: { sequence: number; apartMs: number } | null = null;
    for (const row of this.#recent()) {
      if (row.event_type !== SEEN_AS[event.kind] || this.#taken.has(row.sequence)) continue;
      const told = JSON.parse(row.body) as Told;
      if (told.acs_entrance_id !== entrance.acsEntranceId || told.controller_event !== undefined) continue;
      const apartMs = Math.abs(Date.parse(told.occurred_at) - atMs);
      if (apartMs <= CLOCKS_APART_MS && apartMs < (found?.apartMs ?? Infinity))
        found = { sequence: row.sequence, apartMs };
    }
    return found?.sequence ?? null;
  }

  /** From now on this told event stands for a record, and for no other. */
  take(sequence: number): void {
    const oldest = this.#store.events.lastSequence() - LOOKED_THROUGH;
    this.#taken = new Set([...this.#taken].filter((taken) => taken > oldest).concat(sequence));
  }

  #recent() {
    const { events } = this.#store;
    return events.after(Math.max(0, events.lastSequence() - LOOKED_THROUGH), LOOKED_THROUGH);
  }
}
