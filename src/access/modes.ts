// Which mode each entrance has, and why: the words of commands and inputs as the database keeps them, and the schedules
// of the facility file by the clock. The strongest holds; one that goes leaves the next. What a full disk does not take
// holds in memory and is stored when it can be: nobody waits for a disk in an emergency.

import { newEvent, newEventAt, type NewEvent } from '../domain/events.ts';
import type { ModeInput } from '../domain/facility.ts';
import {
  byInput,
  canBeIn,
  EVERYWHERE,
  isPermissive,
  keyOf,
  kindOf,
  strongest,
  type Mode,
  type ModeSource,
} from '../domain/modes.ts';
import type { Clock, InputEvent, Log, Timer } from '../domain/ports.ts';
import type { Site, SiteEntrance } from '../domain/site.ts';
import type { TimeWitness } from '../domain/window.ts';
import { isStorageError } from '../store/disk-errors.ts';
import type { Store } from '../store/store.ts';
import { FirstPersons } from './first-persons.ts';
import type { Recorder } from './recorder.ts';
import type { Calendar } from './schedule-check.ts';
import { scheduledMode } from './mode-schedules.ts';

export type ModesOptions = {
  site: Site;
  store: Store | null;
  recorder: Recorder;
  clock: Clock;
  log: Log;
  inputs: readonly ModeInput[];
  time: () => TimeWitness;
  calendar: Calendar;
  acsSystemId: string;
  /** The doors follow. */
  apply: (entrance: SiteEntrance, mode: Mode, isNew: boolean) => void;
  onChange: () => void;
};

/** `source` null: nothing wants anything, and it is `normal`. `others`: what comes back when the strongest goes. */
export type Standing = { mode: Mode; source: ModeSource | null; others: readonly ModeSource[] };

const NORMAL: Standing = { mode: 'normal', source: null, others: [] };

/** What inputs say is waited for before a door is freed; no longer than this, for a device may be away. */
const INPUTS_WITHIN_MS = 10_000;
/** A clock that was set is noticed within this. */
const LOOK_EVERY_MS = 5_000;
const STORE_AGAIN_MS = 5_000;

export class Modes {
  readonly #options: ModesOptions;
  readonly #firstPersons: FirstPersons;
  /** As stored. */
  #stored = new Map<string, ModeSource>();
  /** What the disk has not taken yet; null: to be deleted. */
  readonly #unstored = new Map<string, ModeSource | null>();
  /** When a source ends by elapsed time, monotonic ms, whatever is done to the clock. */
  readonly #deadlines = new Map<string, number>();
  readonly #told = new Map<string, Mode>();
  /** Inputs by name, as they were seen last. */
  readonly #seen = new Map<string, boolean>();
  #isSettled = false;
  #timer: Timer | null = null;
  #settleTimer: Timer | null = null;
  #storeTimer: Timer | null = null;
  #isStopped = false;

  constructor(options: ModesOptions) {
    this.#options = options;
    this.#firstPersons = new FirstPersons(options);
    this.#load(true);
  }

  /** Inputs are read before doors are freed. */
  start(): void {
    this.#isSettled = this.#options.inputs.length === 0;
    if (!this.#isSettled) this.#settleTimer = this.#options.clock.after(INPUTS_WITHIN_MS, () => this.#settle());
    this.#follow();
    this.#look();
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of [this.#timer, this.#settleTimer, this.#storeTimer]) timer?.cancel();
  }

  // ---- what holds ---------------------------------------------------------------------------------------------------

  /** `time`: left out, now. */
  of(entrance: SiteEntrance, time: TimeWitness | null = null): Standing {
    const isPlain = this.#stored.size === 0 && this.#unstored.size === 0 && entrance.modeSchedules.length === 0;
    return isPlain ? NORMAL : this.#standing(entrance, this.#sources(), time);
  }

  /** How it will be once these are stored; null: taken back. */
  preview(entrance: SiteEntrance, changes: ReadonlyMap<string, ModeSource | null>): Standing {
    const all = new Map<string, ModeSource | null>(this.#sources().map((source) => [keyOf(source), source]));
    for (const [key, source] of changes) all.set(key, source);
    return this.#standing(
      entrance,
      [...all.values()].filter((source) => source !== null),
      null,
    );
  }

  #standing(entrance: SiteEntrance, from: readonly ModeSource[], time: TimeWitness | null): Standing {
    const sources = from.filter((source) => this.#concerns(source, entrance) && !this.#isOver(source, time));
    const scheduled = this.#scheduled(entrance, time);
    const all = scheduled === null ? sources : [...sources, scheduled];
    const source = strongest(all);
    return { mode: source?.mode ?? 'normal', source, others: all.filter((one) => one !== source) };
  }

  /** The words of commands and inputs, stored or not. */
  sources(): ModeSource[] {
    return this.#sources().filter((source) => !this.#isOver(source, null));
  }

  /** What is in force and not stored: null: taken back. */
  unstored(): ReadonlyMap<string, ModeSource | null> {
    return this.#unstored;
  }

  isInputActive(name: string): boolean {
    return this.#seen.get(name) === true;
  }

  /** A word that frees it has an end, and without a trusted clock nobody knows whether that has come. */
  isInDoubt(entrance: SiteEntrance): boolean {
    if (this.#options.time().trusted) return false;
    return this.#sources().some(
      (source) =>
        source.untilMs !== null &&
        isPermissive(source.mode) &&
        this.#concerns(source, entrance) &&
        !this.#deadlines.has(keyOf(source)),
    );
  }

  // ---- what changes it ----------------------------------------------------------------------------------------------

  /** Behind the commit of a command that changed what is stored, and that has stored what was in memory as well. */
  changed(): void {
    this.#load(false);
    this.#follow();
    this.#arm();
  }

  /** The disk takes nothing: it holds from now on all the same. */
  holdUnstored(sources: readonly ModeSource[], events: readonly NewEvent[]): void {
    this.#change(
      sources.map((source) => [keyOf(source), source]),
      events,
    );
  }

  input({ device, input, active }: InputEvent): void {
    for (const one of this.#options.inputs) {
      if (one.controller !== device || one.input !== input) continue;
      this.#inputSeen(one, active !== one.isNormallyClosed);
    }
  }

  /** Somebody was let in. */
  letIn(entrance: SiteEntrance): void {
    if (this.#firstPersons.letIn(entrance, this.#options.time())) this.#follow();
  }

  #inputSeen(input: ModeInput, isActive: boolean): void {
    const was = this.#seen.get(input.name);
    this.#seen.set(input.name, isActive);
    const sources = this.#sourcesOf(input);
    const present = new Set(this.#sources().map(keyOf));
    if (isActive) {
      // Its sources may stand there since before a restart: they are older than this moment.
      const news = sources.filter((source) => !present.has(keyOf(source)));
      if (news.length > 0)
        this.#change(
          news.map((source) => [keyOf(source), source]),
          [],
        );
    } else if (!input.isLatched) {
      const gone = sources.filter((source) => present.has(keyOf(source)));
      if (gone.length > 0)
        this.#change(
          gone.map((source) => [keyOf(source), null]),
          [],
        );
    }
    if (was === undefined && this.#options.inputs.every(({ name }) => this.#seen.has(name))) this.#settle();
  }

  #sourcesOf({ name, mode, entrances }: ModeInput): ModeSource[] {
    const sinceMs = this.#options.clock.nowMs();
    const common = { kind: kindOf(mode), origin: byInput(name), mode, untilMs: null, sinceMs, command: null };
    return (entrances ?? [EVERYWHERE]).map((place) => ({ place, ...common }));
  }

  #settle(): void {
    this.#settleTimer?.cancel();
    if (this.#isSettled || this.#isStopped) return;
    this.#isSettled = true;
    this.#follow();
  }

  /** In force at once, then stored. */
  #change(changes: readonly (readonly [string, ModeSource | null])[], events: readonly NewEvent[]): void {
    for (const [key, source] of changes) {
      this.#unstored.set(key, source);
      this.#deadlines.delete(key);
      if (source !== null) this.#begin(source);
    }
    this.#follow(events);
    this.#arm();
  }

  // ---- following ----------------------------------------------------------------------------------------------------

  /** Doors first, then what is told and stored of it. */
  #follow(events: readonly NewEvent[] = []): void {
    const { site, apply, onChange } = this.#options;
    const news: NewEvent[] = [...events];
    for (const entrance of site.entrances) {
      const { mode, source } = this.of(entrance);
      const before = this.#told.get(entrance.acsEntranceId) ?? null;
      const isNew = mode !== (before ?? 'normal');
      if (this.#isSettled || !isPermissive(mode)) apply(entrance, mode, isNew);
      if (!isNew) continue;
      this.#told.set(entrance.acsEntranceId, mode);
      news.push(this.#modeChanged(entrance, mode, before, source));
    }
    if (news.length > 0 || this.#unstored.size > 0) this.#store(news);
    if (news.length > 0) onChange();
  }

  #modeChanged(entrance: SiteEntrance, mode: Mode, before: Mode | null, source: ModeSource | null): NewEvent {
    const door = { acs_system_id: this.#options.acsSystemId, acs_entrance_id: entrance.acsEntranceId };
    const until = source?.untilMs == null ? null : new Date(source.untilMs).toISOString();
    const why = { mode_source: source?.kind ?? null, origin: source?.origin ?? null, until };
    return newEventAt('acs_entrance.mode_changed', door, { mode, before, ...why, ...(source?.command ?? {}) });
  }

  #store(events: readonly NewEvent[]): void {
    const { store, recorder, clock } = this.#options;
    const changes = [...this.#unstored];
    const write = (): void => {
      if (store === null) return;
      for (const [key, source] of changes)
        if (source !== null) store.modeSources.put(source);
        else deleteOf(store, this.#stored.get(key));
    };
    if (!recorder.record(events, write)) {
      if (changes.length > 0 && !this.#isStopped)
        this.#storeTimer ??= clock.after(STORE_AGAIN_MS, () => this.#storeAgain());
      return;
    }
    for (const [key, source] of changes) {
      this.#unstored.delete(key);
      if (source === null) this.#stored.delete(key);
      else this.#stored.set(key, source);
    }
  }

  #storeAgain(): void {
    this.#storeTimer = null;
    if (this.#unstored.size > 0) this.#store([]);
  }

  #load(isFirst: boolean): void {
    const { store, log, recorder } = this.#options;
    if (store === null) return;
    try {
      const { sources, foreign } = store.modeSources.all();
      this.#stored = new Map(sources.map((source) => [keyOf(source), source]));
      for (const [key, source] of this.#unstored)
        if (source === null ? !this.#stored.has(key) : isSame(this.#stored.get(key), source))
          this.#unstored.delete(key);
      for (const source of sources) if (!isFirst || this.#options.time().trusted) this.#begin(source);
      if (foreign.length > 0 && isFirst)
        recorder.record(
          foreign.map((id) => newEvent('agent.storage_tampered', { what: 'row', table: 'mode_sources', id })),
        );
    } catch (error) {
      if (!isStorageError(error)) throw error;
      log.error('the modes of doors could not be read; what is known of them goes on', { error: String(error) });
    }
    for (const key of [...this.#deadlines.keys()])
      if (!this.#stored.has(key) && !this.#unstored.has(key)) this.#deadlines.delete(key);
  }

  // ---- by the clock -------------------------------------------------------------------------------------------------

  /** From now on it ends by elapsed time, whatever becomes of the clock. */
  #begin(source: ModeSource): void {
    const { clock } = this.#options;
    const key = keyOf(source);
    if (source.untilMs === null) this.#deadlines.delete(key);
    else this.#deadlines.set(key, clock.monotonicMs() + source.untilMs - clock.nowMs());
  }

  /**
   * Without a trusted clock, and without having seen it begin, nobody knows whether it has ended: then what locks goes
   * on and what frees does not.
   */
  #isOver(source: ModeSource, at: TimeWitness | null): boolean {
    const { untilMs } = source;
    if (untilMs === null) return false;
    if (at !== null) return at.nowMs >= untilMs;
    const { clock, time } = this.#options;
    const now = time();
    if (now.trusted && now.nowMs >= untilMs) return true;
    const deadline = this.#deadlines.get(keyOf(source));
    if (deadline !== undefined) return clock.monotonicMs() >= deadline;
    return now.trusted ? false : isPermissive(source.mode);
  }

  #scheduled(entrance: SiteEntrance, at: TimeWitness | null): ModeSource | null {
    const { time, calendar } = this.#options;
    const scheduled = scheduledMode(entrance, at ?? time(), calendar, (key) =>
      this.#firstPersons.hasCome(entrance, key),
    );
    if (scheduled === null) return null;
    const { mode, origin } = scheduled;
    return { place: entrance.acsEntranceId, kind: 'schedule', origin, mode, untilMs: null, sinceMs: 0, command: null };
  }

  #look(): void {
    if (this.#isStopped) return;
    const ended = this.#sources().filter((source) => this.#isEnded(source));
    for (const source of this.#sources())
      if (source.untilMs !== null && !this.#deadlines.has(keyOf(source)) && this.#options.time().trusted)
        this.#begin(source);
    if (ended.length > 0)
      this.#change(
        ended.map((source) => [keyOf(source), null]),
        [],
      );
    else this.#follow();
    this.#arm();
  }

  #arm(): void {
    this.#timer?.cancel();
    if (!this.#isStopped) this.#timer = this.#options.clock.after(this.#nextLookMs(), () => this.#look());
  }

  /** For good, and not only for as long as nobody knows the time. */
  #isEnded(source: ModeSource): boolean {
    const isKnown = this.#deadlines.has(keyOf(source)) || this.#options.time().trusted;
    return isKnown && this.#isOver(source, null);
  }

  /** At the next full minute, and at the end of whatever ends sooner. */
  #nextLookMs(): number {
    const { clock } = this.#options;
    const now = clock.monotonicMs();
    const ends = [...this.#deadlines.values()].filter((deadline) => deadline > now).map((deadline) => deadline - now);
    return Math.min(this.#isTimed() ? LOOK_EVERY_MS : 60_000, 60_000 - (clock.nowMs() % 60_000), ...ends);
  }

  /** Something begins or ends by the clock, which may be set at any moment. */
  #isTimed(): boolean {
    const isScheduled = this.#options.site.entrances.some(({ modeSchedules }) => modeSchedules.length > 0);
    return isScheduled || this.#sources().some(({ untilMs }) => untilMs !== null);
  }

  #sources(): ModeSource[] {
    const all = new Map<string, ModeSource | null>(this.#stored);
    for (const [key, source] of this.#unstored) all.set(key, source);
    return [...all.values()].filter((source) => source !== null);
  }

  /** A door whose table its controller keeps cannot be locked from here. */
  #concerns({ place, mode }: ModeSource, entrance: SiteEntrance): boolean {
    return (place === EVERYWHERE || place === entrance.acsEntranceId) && canBeIn(mode, entrance);
  }
}

const deleteOf = (store: Store, source: ModeSource | undefined): void => {
  if (source !== undefined) store.modeSources.delete(source);
};

const isSame = (a: ModeSource | undefined, b: ModeSource): boolean =>
  a !== undefined && a.mode === b.mode && a.untilMs === b.untilMs && a.sinceMs === b.sinceMs;
