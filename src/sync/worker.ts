// The worker of one controller: it judges what is due, by the clock and whether or not the controller answers, and
// carries out what waits, one step at a time: erasures, then the comparison as far as it is owed first, then writes. It
// sleeps until it is woken, something is due, or a pause ends; never by cron.

import type { Clock, Device, Log, Random, SlotDevice, Timer } from '../domain/ports.ts';
import { OperatingError } from '../domain/errors.ts';
import type { Site, SlotController } from '../domain/site.ts';
import type { TimeWitness } from '../domain/window.ts';
import type { Store } from '../store/store.ts';
import { WAITS, type Waiting } from '../store/target-row.ts';
import { isStorageError } from '../store/disk-errors.ts';
import type { Announcer } from './announcer.ts';
import {
  Comparison,
  eraseForeign,
  foreignToErase,
  sampleDiffers,
  sampleOf,
  type CompareReason,
  type CompareResult,
} from './comparison.ts';
import { ClockWatch } from './clock-watch.ts';
import { certainInstant } from './desired.ts';
import { eraseStep, isErasureAhead } from './erasing.ts';
import { Hindrances } from './hindrances.ts';
import { Judge } from './judge.ts';
import { judgeDue, OVERDUE_MS, sayOverdue } from './judging.ts';
import { comeBack } from './making-way.ts';
import { Pace } from './pace.ts';
import { canRead, FINE, inSlices, nextTurn, offline, Stopped, wasSilent, type Post, type StepResult } from './post.ts';
import { Retries } from './retries.ts';
import { RoomAhead } from './room-ahead.ts';
import { followSetup, markTaken } from './setup.ts';
import { Silence } from './silence.ts';
import { SlotMap } from './slot-map.ts';
import { writeStep } from './writing.ts';
import { Zones } from './zones.ts';

/** The clock may leap: nobody sleeps longer than this over something that may be due by then. */
const LONGEST_SLEEP_MS = 15_000;
const STORAGE_PAUSE_MS = 5000;
const SAMPLE_SLOTS = 8;
/** How long a slot that was read empty is taken to be empty still, as long as the controller stays online. */
const EMPTINESS_MS = 5 * 60_000;
/** As long as nothing else is to be done a step of writes goes on, and no longer than this. */
const LONGEST_STEP_MS = 5000;
/** What could not be erased is tried again after so long, or after the next comparison. */
const FOREIGN_AGAIN_MS = 10 * 60_000;
/** A whole chunk of the table: no matter of one slot. */
const SILENT: StepResult = { asked: 2, unknown: 2, problem: null, isRepeat: false };

export type WorkerOptions = {
  store: Store;
  site: Site;
  controller: SlotController;
  device: Device;
  slots: SlotDevice;
  announcer: Announcer;
  clock: Clock;
  random: Random;
  log: Log;
  time: () => TimeWitness;
  preloadMs: number;
  drainEvents: () => Promise<void>;
  /** Something that the controller's state shows has changed. */
  onChange: () => void;
};

type Waiter = { resolve: (result: CompareResult) => void; reject: (error: OperatingError) => void };

export class Worker {
  readonly #options: WorkerOptions;
  readonly #hasPairs: boolean;
  readonly #judge: Judge;
  readonly #retries: Retries;
  readonly #hindrances = new Hindrances();
  readonly #pace: Pace;
  readonly #readPace: Pace;
  #post: Post | null = null;
  #running: Promise<void> | null = null;
  #isStopping = false;
  #wakeUp: (() => void) | null = null;
  #wasWoken = false;
  #isContactDue = true;
  #emptyUntilMs = 0;
  /** More waited at once than a few, and the last of them are not written yet. */
  #isBulk = false;
  #comparison: Comparison | null = null;
  readonly #zones = new Zones();
  readonly #clockWatch = new ClockWatch();
  readonly #roomAhead = new RoomAhead();
  /** The controller may have lost its weekly schedules. */
  #isZonesDoubted = false;
  #isOweStored = true;
  #waiters: Waiter[] = [];
  /** When foreign slots are next looked at that are to be erased, monotonic ms. */
  #foreignAtMs = 0;
  #wasChunk = false;
  readonly #silence: Silence;

  constructor(options: WorkerOptions) {
    const { store, site, controller, clock, random, preloadMs } = options;
    this.#options = options;
    this.#hasPairs = site.entrances.some(
      ({ factors, controller: decider }) => factors === 'card_and_code' && decider === controller.name,
    );
    this.#judge = new Judge(store, site, controller, preloadMs);
    this.#retries = new Retries(clock, random);
    this.#silence = new Silence(clock, random);
    this.#pace = new Pace(clock, controller.slots.slotsPerWrite);
    this.#readPace = new Pace(clock, controller.slots.slotsPerWrite);
  }

  // ---- life ----

  start(): void {
    this.#running = this.#run();
  }

  /** Resolves when the worker touches neither store nor device any more; a transfer under way is not waited for. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#rejectWaiters('interrupted', 'the agent is stopping');
    this.wake();
    await Promise.race([this.#running, new Promise<void>((resolve) => this.#options.clock.immediate(resolve))]);
  }

  wake(): void {
    this.#wasWoken = true;
    this.#wakeUp?.();
  }

  deviceOnline(): void {
    this.#isContactDue = true;
    this.#hindrances.forget();
    this.#silence.forgive();
    this.wake();
  }

  /** The controller lost its memory, or says that it restarted. */
  deviceRestarted(): void {
    this.#isContactDue = true;
    this.#emptyUntilMs = 0;
    this.#owe('restarted');
    this.wake();
  }

  compare(reason: 'nightly'): void {
    this.#owe(reason);
    this.wake();
  }

  /** A full comparison at once; rejects with `controller_offline` when it cannot be made. */
  async resync(): Promise<CompareResult> {
    if (!this.#isUsable()) throw offline(this.#options);
    return await new Promise<CompareResult>((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      // One under way began before this was asked: it starts over.
      const reason = this.#comparison?.reason;
      this.#comparison = null;
      this.#silence.forgive();
      this.#owe(reason === 'first' || reason === 'identity' ? reason : 'asked');
      this.wake();
    });
  }

  get isComparing(): boolean {
    return this.#comparison !== null;
  }

  /** Why nothing gets through, for people; null when it does. */
  get problem(): string | null {
    return this.#silence.problem ?? this.#roomAhead.problem;
  }

  /** Why a row that is on its way has not arrived, as far as is known; null: nothing is in its way. */
  hindranceOf(targetKey: number): { type: 'controller_offline' | 'timed_out'; message: string } | null {
    if (!this.#isUsable()) return { type: 'controller_offline', message: offline(this.#options).message };
    const message = this.#hindrances.of(targetKey) ?? this.#silence.problem;
    return message === null ? null : { type: 'timed_out', message };
  }

  // ---- the loop ----

  async #run(): Promise<void> {
    let isPrepared = false;
    while (!this.#isStopping) {
      try {
        if (!isPrepared) await this.#prepare();
        isPrepared = true;
        this.#wasWoken = false;
        if (!(await this.#turn())) await this.#sleep();
        else await nextTurn(this.#ready());
      } catch (error) {
        if (error instanceof Stopped) return;
        if (!isStorageError(error)) throw error;
        this.#options.log.error('the disk failed; the controller waits', { error: String(error) });
        // What was undone may have owned slots: all that is known of them is read anew.
        isPrepared = false;
        await this.#pause(STORAGE_PAUSE_MS);
      }
    }
  }

  #ready(): Post {
    if (this.#post === null) throw new Error('a worker is prepared before it works');
    return this.#post;
  }

  /** Reads which slots are taken, follows what the facility file says by now, and takes up what the last run left. */
  async #prepare(): Promise<void> {
    const { store, controller, log } = this.#options;
    const { firstSlot, count } = controller.slots;
    const map = new SlotMap(firstSlot, count);
    const post: Post = {
      ...this.#options,
      judge: this.#judge,
      retries: this.#retries,
      hindrances: this.#hindrances,
      map,
      awaitingSlot: new Set(),
      zones: this.#zones,
      drainEvents: async () => {
        await this.#options.drainEvents();
        if (this.#isStopping) throw new Stopped();
      },
      isStopping: () => this.#isStopping,
    };
    this.#post = post;
    await inSlices(post, [null], () => {
      const lost = store.targets.disownOutside(controller.name, firstSlot, firstSlot + count - 1);
      if (lost > 0) log.warn('the table is smaller than it was: slots outside it are given up', { count: lost });
      store.targets.revive(controller.name);
    });
    await followSetup(post, this.#options.site);
    await markTaken(post);
    if (store.controllers.get(controller.name).is_comparison_due === 1) this.#owe('restarted');
    this.#isOweStored = true;
    this.#foreignAtMs = 0;
  }

  /** One step; false when there is nothing to do for now. */
  async #turn(): Promise<boolean> {
    const post = this.#ready();
    const { store, controller } = post;
    const wasJudged = await judgeDue(post, this.#hasPairs);
    if ((await sayOverdue(post)) || wasJudged) this.#options.onChange();
    await this.#roomAhead.look(post);
    await this.#storeOwed(post);
    await this.#doubtZones(post);
    if (!this.#isUsable()) {
      this.#rejectWaiters('controller_offline', `${this.#options.controller.name} is offline`);
      this.#emptyUntilMs = 0;
      this.#isContactDue = true;
      return false;
    }
    if (this.#silence.isQuiet(() => store.targets.queue(controller.name, WAITS.erasure, 1).length > 0)) return false;
    this.#watchIdentity(post);
    if (this.#isContactDue) return await this.#contact(post);
    if (this.#clockWatch.isDue(post)) await this.#clockWatch.look(post);
    return (await this.#compareFirst(post)) || (await this.#work(post));
  }

  async #work(post: Post): Promise<boolean> {
    const { store, controller, clock } = post;
    const erasures = store.targets.waiting(controller.name, WAITS.erasure, this.#stepSize());
    if (erasures.length > 0) return this.#note(await eraseStep(post, erasures, this.#pace));
    const told = await this.#zones.step(post);
    if (told !== null) return this.#note(told);
    // Writes and the comparison take turns, so that neither waits for the end of the other.
    if (this.#comparison !== null && !this.#wasChunk) return await this.#chunk(post, this.#comparison);
    this.#wasChunk = false;
    const few = 2 * controller.slots.slotsPerWrite;
    const size = this.#stepSize();
    const waiting = store.targets.queue(controller.name, WAITS.write, Math.max(size, few + 1));
    const writes = waiting.slice(0, size);
    // A few are read first in any case; of many the last comparison is believed for a while, or a bulk write would take
    // twice as long.
    this.#isBulk = waiting.length > few || (this.#isBulk && waiting.length > 0);
    const isEmptinessFresh = this.#isBulk && post.clock.monotonicMs() < this.#emptyUntilMs;
    if (writes.length > 0) {
      const untilMs = clock.monotonicMs() + LONGEST_STEP_MS;
      const isPressed = (): boolean => isErasureAhead(post);
      const more = (behind: Waiting): Waiting[] => (this.#mayGoOn(post, untilMs) ? this.#behind(behind) : []);
      return this.#note(await writeStep(post, writes, { pace: this.#pace, isEmptinessFresh, isPressed, more }));
    }
    if (this.#comparison !== null) return await this.#chunk(post, this.#comparison);
    return (await this.#emptyForeign(post)) || (await comeBack(post));
  }

  /** Whether a step of writes may take what comes next, which is nobody's turn but theirs. */
  #mayGoOn(post: Post, untilMs: number): boolean {
    const { store, controller, clock } = post;
    if (this.#wasWoken || this.#comparison !== null || this.#isStopping || !this.#isUsable()) return false;
    const due = store.targets.nextDueMs(controller.name);
    return clock.monotonicMs() < untilMs && (due === null || due > (certainInstant(post.time()) ?? 0));
  }

  #behind(row: Waiting): Waiting[] {
    this.#options.onChange();
    const { store, controller } = this.#options;
    return store.targets.queueBehind(controller.name, WAITS.write, row, this.#stepSize());
  }

  /** After silence one row is enough to find out whether the controller answers again. */
  #stepSize(): number {
    return this.#silence.isDoubted ? 1 : this.#pace.size();
  }

  #note(result: StepResult): true {
    if (!wasSilent(result)) {
      if (result.asked > 0) this.#silence.forgive();
    } else if (!result.isRepeat || !this.#isUsable()) this.#leaveAlone(result);
    this.#options.onChange();
    return true;
  }

  #leaveAlone(result: StepResult): void {
    const pause = this.#silence.note(result, this.#isUsable());
    if (pause === null) return;
    const { log, controller } = this.#options;
    const fields = { controller: controller.name, problem: result.problem, pauseMs: Math.round(pause) };
    log.warn('the controller does not answer; tried again after a pause', fields);
  }

  // ---- contact and comparison ----

  #isUsable(): boolean {
    return this.#options.device.status().online;
  }

  /** Another device answers than the one we know: nothing is written before its whole table was read. */
  #watchIdentity(post: Post): void {
    const { store, controller, device, log } = post;
    const { identity } = device.status();
    const known = store.controllers.get(controller.name);
    if (identity === null || identity === known.identity || this.#comparison?.reason === 'identity') return;
    if (known.identity === null) {
      store.group(() => store.controllers.change(controller.name, { identity }));
      return;
    }
    log.warn('another device answers: its table is compared before anything is written', {
      expected: known.identity,
      found: identity,
    });
    this.#comparison = null;
    this.#owe('identity');
  }

  /** Back online: the clock, what was recorded meanwhile, and a look at a few slots. */
  async #contact(post: Post): Promise<boolean> {
    this.#isContactDue = false;
    this.#emptyUntilMs = 0;
    const { store, controller } = post;
    this.#retryAll();
    await this.#clockWatch.look(post);
    await post.drainEvents();
    if (store.controllers.get(controller.name).compared_at === null) this.#owe('first');
    const sample = sampleOf(post, SAMPLE_SLOTS);
    // Where no sample can show that it is another controller, or lost its memory, its schedules are told anew.
    if (this.#comparison !== null || sample.length === 0) this.#isZonesDoubted = true;
    if (this.#comparison !== null || !canRead(post)) return true;
    const differs = await sampleDiffers(post, sample);
    if (typeof differs === 'string') {
      this.#isContactDue = true;
      return this.#note({ ...SILENT, problem: differs });
    }
    if (differs) this.#owe('sample');
    return true;
  }

  /** What was set aside while the line was bad need not wait for its pause. */
  #retryAll(): void {
    this.#options.store.group(() => this.#options.store.targets.revive(this.#options.controller.name));
  }

  async #doubtZones(post: Post): Promise<void> {
    if (!this.#isZonesDoubted) return;
    this.#isZonesDoubted = false;
    await this.#zones.doubt(post);
  }

  /**
   * From here on a full comparison is owed, also by the next run. One that is under way for a weightier reason goes on.
   */
  #owe(reason: CompareReason): void {
    this.#isZonesDoubted = true;
    const current = this.#comparison?.reason;
    if (current === 'identity' || current === 'first') return;
    this.#comparison = new Comparison(reason, this.#options.controller.slots.firstSlot);
    this.#isOweStored = reason === 'nightly';
  }

  async #storeOwed(post: Post): Promise<void> {
    if (this.#isOweStored) return;
    const { store, controller } = post;
    await inSlices(post, [null], () => store.controllers.change(controller.name, { is_comparison_due: 1 }));
    this.#isOweStored = true;
  }

  /** Of a device that we do not know yet everything is read before anything is written. */
  async #compareFirst(post: Post): Promise<boolean> {
    const reason = this.#comparison?.reason;
    if (this.#comparison === null || (reason !== 'first' && reason !== 'identity')) return false;
    return await this.#chunk(post, this.#comparison);
  }

  async #chunk(post: Post, comparison: Comparison): Promise<true> {
    this.#wasChunk = true;
    const most = this.#silence.isDoubted ? 1 : this.#readPace.size();
    const problem = await this.#readPace.measure(most, () => comparison.step(post, most));
    if (problem !== null) return this.#note({ ...SILENT, problem });
    this.#note({ ...FINE, asked: 1 });
    if (!comparison.isDone(post) || this.#comparison !== comparison) return true;
    await this.#endComparison(post, comparison);
    return true;
  }

  async #endComparison(post: Post, comparison: Comparison): Promise<void> {
    const { store, controller, clock, log, device } = post;
    const { compared, differing, foreign } = comparison.result;
    await inSlices(post, [null], () => {
      const { identity } = device.status();
      store.controllers.change(controller.name, {
        ...(identity === null ? {} : { identity }),
        compared_at: clock.nowMs(),
        compared,
        differing,
        is_comparison_due: 0,
      });
      store.targets.touchFailed(controller.name, 'no_space_for_access_code_on_device', post.map.free);
    });
    this.#comparison = null;
    this.#emptyUntilMs = canRead(post) ? clock.monotonicMs() + EMPTINESS_MS : 0;
    this.#foreignAtMs = 0;
    log.info('the table was compared', {
      controller: controller.name,
      reason: comparison.reason,
      compared,
      differing,
      foreign,
    });
    for (const waiter of this.#waiters.splice(0)) waiter.resolve({ compared, differing, foreign });
    this.#options.onChange();
  }

  async #emptyForeign(post: Post): Promise<boolean> {
    const { clock, controller, log } = post;
    if (clock.monotonicMs() < this.#foreignAtMs || foreignToErase(post, 1).length === 0) return false;
    const { left, problem } = await eraseForeign(post, this.#pace.size());
    if (problem !== null) {
      this.#foreignAtMs = clock.monotonicMs() + FOREIGN_AGAIN_MS;
      log.warn('foreign slots remain', { controller: controller.name, problem });
    }
    this.#options.onChange();
    return left && problem === null;
  }

  #rejectWaiters(type: 'controller_offline' | 'interrupted', message: string): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(new OperatingError(type, message));
  }

  // ---- sleep ----

  async #sleep(): Promise<void> {
    if (this.#wasWoken) return;
    await this.#pause(this.#sleepMs());
  }

  #sleepMs(): number {
    const { store, controller } = this.#options;
    const time = this.#options.time();
    const waits: number[] = [LONGEST_SLEEP_MS];
    if (time.trusted) {
      const due = store.targets.nextDueMs(controller.name);
      if (due !== null) waits.push(due - time.nowMs);
      const overdue = store.targets.nextOverdueSinceMs(controller.name);
      if (overdue !== null) waits.push(overdue + OVERDUE_MS - time.nowMs);
    }
    const retry = this.#retries.nextInMs();
    if (retry !== null) waits.push(retry);
    const { leftMs } = this.#silence;
    if (leftMs > 0 && this.#isUsable()) waits.push(leftMs);
    return Math.max(1, Math.ceil(Math.min(...waits)));
  }

  async #pause(delayMs: number): Promise<void> {
    let timer: Timer | null = null;
    await new Promise<void>((resolve) => {
      this.#wakeUp = resolve;
      timer = this.#options.clock.after(delayMs, resolve);
      if (this.#isStopping) resolve();
    });
    this.#wakeUp = null;
    (timer as Timer | null)?.cancel();
  }
}
