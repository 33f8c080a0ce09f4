// How the facility would stand by a snapshot, as acceptance asks it (acceptance/ground.ts): who has which code and card
// at which time, how many codes an entrance carries, how full each controller's table and its time zones are.

import { mostAtOnce } from '../../domain/most-at-once.ts';
import type { Standing } from '../../acceptance/ground.ts';
import type { ZoneRange } from '../../store/zones.ts';
import type { Room } from '../room.ts';
import type { Wanted } from './wanted.ts';

/** Whoever has a code or a card. `entrances` null: it follows its person. */
export type Holder = {
  n: number;
  id: string;
  startsAtMs: number | null;
  endsAtMs: number | null;
  entrances: readonly number[] | null;
};
type Bounds = { n: number; startsAtMs: number | null; endsAtMs: number | null };

/** Codes of one length at one entrance; entrance 0: those that follow their persons. */
const countKey = (entranceKey: number, length: number): string => `${entranceKey} ${length}`;
const FOLLOWING = 0;

export class SnapshotStanding implements Standing {
  readonly foreignSlots: Standing['foreignSlots'];
  readonly secrets: Standing['secrets'];
  readonly #wanted: Wanted;
  readonly #cards = new Map<string, Holder[]>();
  readonly #codes = new Map<string, Holder[]>();
  readonly #counts = new Map<string, number>();
  /** Codes by length, for whoever counts them at several entrances at once. */
  readonly #byLength = new Map<number, Holder[]>();
  readonly #targets = new Map<string, Bounds[]>();
  readonly #controllersOf = new Map<number, readonly string[]>();
  readonly #zones = new Map<string, Map<number, number>>();

  constructor({ store }: Pick<Room, 'store'>, wanted: Wanted) {
    this.foreignSlots = store.foreignSlots;
    this.secrets = store.secrets;
    this.#wanted = wanted;
  }

  addCard(hash: Buffer, holder: Holder): void {
    add(this.#cards, hash.toString('latin1'), holder);
  }

  addCode(hash: Buffer, length: number, holder: Holder): void {
    add(this.#codes, hash.toString('latin1'), holder);
    add(this.#byLength, length, holder);
    for (const key of holder.entrances ?? [FOLLOWING]) {
      const at = countKey(key, length);
      this.#counts.set(at, (this.#counts.get(at) ?? 0) + 1);
    }
  }

  addTargets(n: number, controllers: readonly string[], window: Omit<Bounds, 'n'>): void {
    if (controllers.length === 0) return;
    this.#controllersOf.set(n, controllers);
    for (const controller of controllers) add(this.#targets, controller, { n, ...window });
  }

  readonly reach: Standing['reach'] = {
    overlappingCode: (hash, entranceKey, starts, ends, except) =>
      this.#overlapping(
        this.#codes,
        hash,
        { starts, ends, except },
        ({ entrances }) =>
        entrances === null || entrances.includes(entranceKey), // prettier-ignore
      ),
    overlappingAnywhere: (hash, starts, ends, except) =>
      this.#overlapping(this.#codes, hash, { starts, ends, except }, () => true),
    codesAt: (entranceKey, length) => this.#count(entranceKey, length) + this.#count(FOLLOWING, length),
    codesAtAny: (entranceKeys, length) => this.#countAny(entranceKeys, length) + this.#count(FOLLOWING, length),
    followingCodes: (length) => this.#count(FOLLOWING, length),
  };

  readonly credentials: Standing['credentials'] = {
    overlappingCard: (hash, starts, ends, except) =>
      this.#overlapping(this.#cards, hash, { starts, ends, except }, () => true),
  };

  readonly targets: Standing['targets'] = {
    countOf: (controller) => this.#targets.get(controller)?.length ?? 0,
    ofCredential: (n) => (this.#controllersOf.get(n) ?? []).map((controller) => ({ controller })),
    mostAtOnce: (controller, starts, ends, except) => mostIn(this.#targets.get(controller) ?? [], starts, ends, except),
  };

  readonly schedules: Standing['schedules'] = {
    byKey: (key) => {
      for (const schedule of this.#wanted.schedules.values())
        if (schedule.key === key) return { schedule_key: key, content: schedule.content };
      return undefined;
    },
  };

  readonly zones: Standing['zones'] = {
    hasRoom: (controller: string, { firstZone, lastZone }: ZoneRange, scheduleKey: number, needed: number): boolean => {
      const claimed = this.#zones.get(controller) ?? new Map<number, number>();
      this.#zones.set(controller, claimed);
      claimed.set(scheduleKey, needed);
      const all = [...claimed.values()].reduce((sum, count) => sum + count, 0);
      return all <= lastZone - firstZone + 1;
    },
  };

  #count(entranceKey: number, length: number): number {
    return this.#counts.get(countKey(entranceKey, length)) ?? 0;
  }

  /** Asked for each code of a lift, and counted once. */
  #countAny(entranceKeys: readonly number[], length: number): number {
    const at = `any ${entranceKeys.join(' ')} ${length}`;
    const known = this.#counts.get(at);
    if (known !== undefined) return known;
    const keys = new Set(entranceKeys);
    const holders = this.#byLength.get(length) ?? [];
    const count = holders.filter(({ entrances }) => entrances?.some((key) => keys.has(key)) === true).length;
    this.#counts.set(at, count);
    return count;
  }

  #overlapping(
    holders: ReadonlyMap<string, readonly Holder[]>,
    hash: Buffer,
    { starts, ends, except }: { starts: number | null; ends: number | null; except: number },
    isMeant: (holder: Holder) => boolean,
  ): string | null {
    const found = (holders.get(hash.toString('latin1')) ?? []).find(
      (other) =>
        other.n !== except &&
        (ends === null || other.startsAtMs === null || other.startsAtMs < ends) &&
        (starts === null || other.endsAtMs === null || starts < other.endsAtMs) &&
        isMeant(other),
    );
    return found?.id ?? null;
  }
}

/** How many there are at the fullest moment of the window, beside this one. */
function mostIn(all: readonly Bounds[], starts: number | null, ends: number | null, except: number): number {
  const there = all.filter(
    (one) =>
      one.n !== except &&
      (ends === null || one.startsAtMs === null || one.startsAtMs < ends) &&
      (starts === null || one.endsAtMs === null || starts < one.endsAtMs),
  );
  const from = starts ?? -Infinity;
  return mostAtOnce(
    there.map((one) => Math.max(one.startsAtMs ?? -Infinity, from)),
    there.flatMap((one) => one.endsAtMs ?? []),
  );
}

function add<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const known = lists.get(key);
  if (known === undefined) lists.set(key, [value]);
  else known.push(value);
}
