// Who is in which area. Whoever is let through is written down before the strike moves, and is inside only once the
// contact says that the door was opened, or, without a contact, the strike that it was driven. All of it is rows; what
// stands in memory is how long ago, which no clock that is set can change.

import type { AreaSetup } from '../domain/areas.ts';
import { newEvent, type NewEvent } from '../domain/events.ts';
import type { LocalMoment } from '../domain/local-time.ts';
import type { Clock, Log, Timer } from '../domain/ports.ts';
import type { Site, SiteEntrance } from '../domain/site.ts';
import type { TimeWitness } from '../domain/window.ts';
import type { PassageRow, Stand } from '../store/areas.ts';
import { isStorageError } from '../store/disk-errors.ts';
import type { Store } from '../store/store.ts';
import { passbackOf } from './area-gates.ts';
import { Companions } from './companions.ts';
import type { Companion, Ground, Standing } from './crossing.ts';
import { violationEvent } from './effects.ts';
import type { HeldBy } from './interlocks.ts';
import type { Recorder } from './recorder.ts';
import type { Calendar } from './schedule-check.ts';

export type AreasOptions = {
  site: Site;
  store: Store | null;
  recorder: Recorder;
  clock: Clock;
  log: Log;
  calendar: Calendar;
  time: () => TimeWitness;
  acsSystemId: string;
  heldBy: (entrance: SiteEntrance) => HeldBy | null;
  onChange: () => void;
};

/** What became of somebody who was let through. */
export type Crossed = 'walked' | 'not_walked' | 'unknown';

const AGAIN_MS = 5_000;
const MINUTE_MS = 60_000;
const DAY_MINUTES = 1_440;
const RESTORED = 'areas_restored';

type Ways = { into: readonly AreaSetup[]; outOf: readonly AreaSetup[] };
const NOWHERE: Ways = { into: [], outOf: [] };

export class Areas {
  readonly #options: AreasOptions;
  readonly #ways: ReadonlyMap<string, Ways>;
  readonly #companions: Companions;
  /** When people entered, monotonic ms, of those who did since the start. */
  readonly #entered = new Map<string, number>();
  readonly #startedAt: number;
  /** The newest events that the outside knows of are gone: it is an older copy. */
  readonly #isRestored: boolean;
  readonly #again = new Map<string, Timer>();
  #resetTimer: Timer | null = null;
  #isStopped = false;

  constructor(options: AreasOptions) {
    const { site, store, clock } = options;
    this.#options = options;
    this.#companions = new Companions(clock);
    this.#startedAt = clock.monotonicMs();
    this.#ways = waysOf(site.areas);
    this.#isRestored = store !== null && (asked(() => isOlderCopy(store)) ?? false);
  }

  /** Before anything is served. */
  start(): void {
    const { store, log } = this.#options;
    try {
      if (store !== null) this.#tidy(store);
    } catch (error) {
      if (!isStorageError(error)) throw error;
      log.error('who is in which area could not be brought up to date', { error: String(error) });
    }
    if (this.#options.site.areas.some(({ resets }) => resets.length > 0)) this.#lookAtResets();
  }

  stop(): void {
    this.#isStopped = true;
    this.#companions.stop();
    this.#resetTimer?.cancel();
    for (const timer of this.#again.values()) timer.cancel();
  }

  /** Who was on the way through when the process ended may be inside; after an older copy nobody knows of anybody. */
  #tidy(store: Store): void {
    const { site, recorder, clock, log } = this.#options;
    const gone = store.areas.named().filter((name) => site.area(name) === undefined);
    const passages = store.areas.allPassages();
    if (gone.length === 0 && passages.length === 0 && !this.#isRestored) return;
    const forgiven = this.#isRestored
      ? site.areas.map(({ name }) => this.#forgiven(name, null, store.areas.counts(name).inside, 'restored'))
      : [];
    const isDone = recorder.record(forgiven, () => {
      for (const name of gone) store.areas.empty(name);
      for (const passage of passages) {
        const { into } = this.#waysAt(passage.reader);
        for (const { name } of into) store.areas.suspect(name, seenBy(passage, passage.granted_at));
        store.areas.endPassages(passage.acs_entrance_id);
      }
      if (this.#isRestored) for (const { name } of site.areas) store.areas.forgive(name, null);
      store.meta.delete(RESTORED);
    });
    if (gone.length > 0 && isDone)
      log.warn('areas left the facility file; who was in them is forgotten', { areas: gone });
    if (passages.length > 0 && isDone)
      log.info('people were on their way through doors when Lintel ended; they may be inside', {
        people: passages.length,
        at: new Date(clock.nowMs()).toISOString(),
      });
  }

  /** Somebody may be somewhere. */
  get areThere(): boolean {
    return this.#options.site.areas.length > 0;
  }

  // ---- what a decision asks -----------------------------------------------------------------------------------------

  groundAt(entrance: SiteEntrance, reader: string): Ground | null {
    const { store, heldBy } = this.#options;
    const held = heldBy(entrance);
    const ways = this.#waysAt(reader);
    if (store === null || (ways === NOWHERE && held === null)) return null;
    const waiting = this.#companions.at(entrance.acsEntranceId);
    // Asked once: what is said of a decision afterwards is what it was made by.
    const stands = new Map<string, Standing>();
    const taken = new Map<string, number>();
    return {
      reader,
      ...ways,
      heldBy: held,
      isForCompanion: false,
      companion: waiting !== null && isSameWay(this.#waysAt(waiting.reader), ways) ? waiting : null,
      stand: (area, acsUserId) =>
        once(stands, keyOf(area.name, acsUserId), () => this.#standing(store, area, acsUserId, entrance.acsEntranceId)),
      taken: (area, acsUserIds) =>
        once(taken, keyOf(area.name, acsUserIds.join(' ')), () => this.#taken(store, area, acsUserIds)),
    };
  }

  #standing(store: Store, area: AreaSetup, acsUserId: string, acsEntranceId: string): Standing {
    const stand = store.areas.stand(area.name, acsUserId);
    const isOnTheWay = store.areas
      .passagesOf(acsUserId)
      .some((one) => one.acs_entrance_id !== acsEntranceId && area.inReaders.includes(one.reader));
    return {
      area,
      state: stand?.state ?? null,
      sinceMs: stand === undefined ? 0 : this.#sinceMs(area.name, acsUserId, stand),
      isOnTheWay,
    };
  }

  /** Of an entry before the start the clock tells, where it can be trusted; else it began with the start at the latest. */
  #sinceMs(area: string, acsUserId: string, { entered_at: enteredAt }: Stand): number {
    const { clock, time } = this.#options;
    const entered = this.#entered.get(keyOf(area, acsUserId));
    if (entered !== undefined) return clock.monotonicMs() - entered;
    const sinceStart = clock.monotonicMs() - this.#startedAt;
    const { trusted, nowMs } = time();
    return trusted ? Math.max(sinceStart, nowMs - enteredAt) : sinceStart;
  }

  #taken(store: Store, { name, inReaders }: AreaSetup, acsUserIds: readonly string[]): number {
    const isInside = (acsUserId: string): boolean => {
      const state = store.areas.stand(name, acsUserId)?.state;
      return state === 'inside' || state === 'unsure';
    };
    const onTheWay = store.areas
      .allPassages()
      .filter(({ reader, acs_user_id: id }) => inReaders.includes(reader) && !acsUserIds.includes(id) && !isInside(id));
    const others = new Set(onTheWay.map(({ acs_user_id: id }) => id));
    return store.areas.counts(name).inside - acsUserIds.filter(isInside).length + others.size;
  }

  // ---- what follows from it -----------------------------------------------------------------------------------------

  /** Shown where two people must be. `nobodyCame`: no second one within the time. */
  awaitSecond(entrance: SiteEntrance, companion: Companion, nobodyCame: () => void): void {
    const times = this.#waysAt(companion.reader).into.flatMap(({ twoPersonsMs }) => twoPersonsMs ?? []);
    this.#companions.hold(entrance.acsEntranceId, companion, Math.min(...times), nobodyCame);
  }

  secondCame(entrance: SiteEntrance): void {
    this.#companions.release(entrance.acsEntranceId);
  }

  /** Kept out by anti-passback: of which areas. */
  violations(entrance: SiteEntrance, reader: string, acsUserId: string): NewEvent[] {
    const ground = this.groundAt(entrance, reader);
    if (ground === null) return [];
    const { acsEntranceId } = entrance;
    const entered = asked(() => passbackOf(ground, acsUserId)) ?? [];
    return entered.map((area) => {
      const violation = { area, acsUserId, direction: 'in', wasUnsure: false } as const;
      return violationEvent(violation, { acsEntranceId, reader }, this.#options.acsSystemId, false);
    });
  }

  /** Whoever is inside somewhere was let through here; inside a transaction. */
  noteSeen(acsUserId: string, entrance: SiteEntrance, reader: string): void {
    const { store, site, clock } = this.#options;
    if (store === null || site.areas.length === 0) return;
    store.areas.seen({ acs_user_id: acsUserId, atMs: clock.nowMs(), acs_entrance_id: entrance.acsEntranceId, reader });
  }

  /** The door was seen to be walked through by whoever was let through, or not to be. */
  crossed({ acsEntranceId }: Pick<SiteEntrance, 'acsEntranceId'>, how: Crossed): void {
    const { store, site, clock } = this.#options;
    // A strike that answers behind the end finds no store: who was on the way is looked at by the next start.
    if (store === null || site.areas.length === 0 || this.#isStopped) return;
    this.#again.get(acsEntranceId)?.cancel();
    this.#again.delete(acsEntranceId);
    try {
      const passages = store.areas.passages(acsEntranceId);
      if (passages.length === 0 || this.#write(store, acsEntranceId, passages, how)) return;
    } catch (error) {
      if (!isStorageError(error)) throw error;
    }
    // Until it is written they stand as on their way.
    this.#again.set(acsEntranceId, clock.after(AGAIN_MS, () => this.crossed({ acsEntranceId }, how))); // prettier-ignore
  }

  #write(store: Store, acsEntranceId: string, passages: readonly PassageRow[], how: Crossed): boolean {
    const { recorder, clock, onChange } = this.#options;
    const nowMs = clock.nowMs();
    const moves = passages.map((passage) => ({ seen: seenBy(passage, nowMs), ...this.#waysAt(passage.reader) }));
    const told: NewEvent[] = [];
    if (how === 'walked') this.#tell(store, moves, told);
    const isDone = recorder.record(told, () => {
      store.areas.endPassages(acsEntranceId);
      for (const { seen, into, outOf } of moves) {
        if (how === 'not_walked') continue;
        if (how === 'walked') for (const { name } of outOf) store.areas.leave(name, seen);
        for (const { name } of into)
          if (how === 'walked') store.areas.enter(name, seen);
          else store.areas.suspect(name, seen);
      }
    });
    if (!isDone) return false;
    for (const { seen, into, outOf } of moves) {
      for (const { name } of outOf) this.#entered.delete(keyOf(name, seen.acs_user_id));
      if (how === 'walked')
        for (const { name } of into) this.#entered.set(keyOf(name, seen.acs_user_id), clock.monotonicMs());
    }
    onChange();
    return true;
  }

  /** What is told, with how many are inside behind each step. */
  #tell(store: Store, moves: readonly (Ways & { seen: Seen })[], told: NewEvent[]): void {
    const { acsSystemId: acs_system_id } = this.#options;
    const inside = new Map<string, number>();
    const states = new Map<string, boolean>();
    const step = (area: AreaSetup, { acs_user_id, acs_entrance_id, reader }: Seen, isIn: boolean): void => {
      const key = keyOf(area.name, acs_user_id);
      const state = store.areas.stand(area.name, acs_user_id)?.state;
      const was = states.get(key) ?? (state === 'inside' || state === 'unsure');
      const before = inside.get(area.name) ?? store.areas.counts(area.name).inside;
      const occupancy = before + (isIn && !was ? 1 : 0) - (!isIn && was ? 1 : 0);
      inside.set(area.name, occupancy);
      states.set(key, isIn);
      const body = { acs_system_id, area: area.name, acs_user_id, acs_entrance_id, reader, occupancy };
      told.push(newEvent(isIn ? 'area.entered' : 'area.left', body));
      if (isIn && occupancy === area.limit && before < occupancy)
        told.push(newEvent('area.full', { acs_system_id, area: area.name, occupancy }));
    };
    for (const { seen, into, outOf } of moves) {
      for (const area of outOf) step(area, seen, false);
      for (const area of into) step(area, seen, true);
    }
  }

  // ---- what makes it uncertain --------------------------------------------------------------------------------------

  /** A reader does not answer, or a door stands free: people leave by it, and nobody sees who. */
  mayHaveLeft(readers: readonly string[]): void {
    const { store, site, recorder } = this.#options;
    const concerned = site.areas.filter(({ outReaders }) => readers.some((reader) => outReaders.includes(reader)));
    if (store === null || concerned.length === 0) return;
    recorder.record([], () => {
      for (const { name } of concerned) store.areas.doubt(name);
    });
  }

  // ---- by the clock -------------------------------------------------------------------------------------------------

  #lookAtResets(): void {
    const { clock, time, site } = this.#options;
    const now = time();
    if (now.trusted) for (const area of site.areas) if (area.resets.length > 0) this.#lookAtReset(area, now.nowMs);
    this.#resetTimer = clock.after(MINUTE_MS - (clock.nowMs() % MINUTE_MS), () => this.#lookAtResets());
  }

  /** Each time of day once, however late; whoever entered since stays. */
  #lookAtReset({ name, resets }: AreaSetup, nowMs: number): void {
    const { store, recorder, calendar, onChange, log } = this.#options;
    if (store === null) return;
    try {
      const { key, ageMs } = lastReset(resets, nowMs, (at) => calendar.moment(at));
      const done = store.meta.text(metaOf(name));
      if (done !== null && done >= key) return;
      const rows = done === null ? [] : store.areas.list({ area: name, after: 0, limit: Number.MAX_SAFE_INTEGER });
      const old = rows.filter((row) => this.#sinceMs(name, row.acs_user_id, row) >= ageMs);
      const isEverybody = old.length === rows.length;
      const counted = (row: (typeof rows)[number]): boolean => row.state !== 'unknown';
      const told =
        old.length === 0
          ? []
          : isEverybody
            ? [this.#forgiven(name, null, old.filter(counted).length, 'reset')]
            : old.map((row) => this.#forgiven(name, row.acs_user_id, counted(row) ? 1 : 0, 'reset'));
      recorder.record(told, () => {
        if (isEverybody && rows.length > 0) store.areas.empty(name);
        else for (const row of old) store.areas.takeOff(name, row.acs_user_id);
        store.meta.set(metaOf(name), key);
      });
      for (const row of old) this.#entered.delete(keyOf(name, row.acs_user_id));
      if (old.length > 0) onChange();
    } catch (error) {
      if (!isStorageError(error)) throw error;
      log.error('an area could not be reset; it is tried again', { area: name, error: String(error) });
    }
  }

  #forgiven(area: string, acsUserId: string | null, count: number, why: 'reset' | 'restored'): NewEvent {
    return newEvent('area.forgiven', {
      acs_system_id: this.#options.acsSystemId,
      area,
      acs_user_id: acsUserId,
      count,
      why,
    });
  }

  #waysAt(reader: string): Ways {
    return this.#ways.get(reader) ?? NOWHERE;
  }
}

function once<T>(known: Map<string, T>, key: string, ask: () => T): T {
  const value = known.get(key) ?? ask();
  known.set(key, value);
  return value;
}

/** Null: the database does not answer, and whoever is at a door has an answer all the same. */
function asked<T>(question: () => T): T | null {
  try {
    return question();
  } catch (error) {
    if (!isStorageError(error)) throw error;
    return null;
  }
}

/** An operator took it for one, or it lacks the newest events. */
const isOlderCopy = (store: Store): boolean =>
  store.meta.number(RESTORED) !== null || store.events.lastSequence() < store.past.record.sequence;

type Seen = { acs_user_id: string; atMs: number; acs_entrance_id: string; reader: string };
const seenBy = ({ acs_user_id, acs_entrance_id, reader }: PassageRow, atMs: number): Seen => ({
  acs_user_id,
  atMs,
  acs_entrance_id,
  reader,
});
const keyOf = (area: string, acsUserId: string): string => `${area} ${acsUserId}`;
const metaOf = (area: string): string => `area_reset ${area}`;

function waysOf(areas: readonly AreaSetup[]): Map<string, Ways> {
  const readers = new Set(areas.flatMap(({ inReaders, outReaders }) => [...inReaders, ...outReaders]));
  return new Map(
    [...readers].map((reader) => [
      reader,
      {
        into: areas.filter(({ inReaders }) => inReaders.includes(reader)),
        outOf: areas.filter(({ outReaders }) => outReaders.includes(reader)),
      },
    ]),
  );
}

/** Two who go in together go into the same areas. */
const isSameWay = (one: Ways, other: Ways): boolean =>
  one.into.length === other.into.length && one.into.every((area) => other.into.includes(area));

/** The last of these times of day: a key that rises with each of them, and how long ago it was. */
function lastReset(
  resets: readonly number[],
  nowMs: number,
  momentOf: (epochMs: number) => LocalMoment,
): { key: string; ageMs: number } {
  const now = momentOf(nowMs);
  const today = resets.findLast((minute) => minute <= now.minute);
  if (today !== undefined) return { key: resetKey(now.date, today), ageMs: (now.minute - today) * MINUTE_MS };
  const last = resets.at(-1) ?? 0;
  // Two hours into the day before, for the day may be an hour longer.
  const yesterday = momentOf(nowMs - (now.minute + 120) * MINUTE_MS);
  return { key: resetKey(yesterday.date, last), ageMs: (now.minute + DAY_MINUTES - last) * MINUTE_MS };
}

const resetKey = (date: string, minute: number): string => `${date} ${String(minute).padStart(4, '0')}`;
