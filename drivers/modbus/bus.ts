// One queue for one physical bus. It decides who speaks next (strikes first), how often a lost answer is asked for
// again, and when a unit counts as gone, so that a dead one is only knocked at now and then and costs the others
// little. How bytes travel is the line's business: RTU (`line.ts`) or Modbus TCP (`tcp.ts`).

import {
  PRIORITIES,
  type Attempt,
  type Line,
  type BusUnit,
  type Outcome,
  type Priority,
  type RequestOptions,
  type UnitSettings,
  type UnitWatch,
} from './bus-terms.ts';
import { describeException, isReadOnly, exceptionKind, type Request } from './codec.ts';
import { Unit } from './unit.ts';
import { assert } from '../../src/domain/errors.ts';
import { FineWait } from '../kit/fine-wait.ts';
import { LineHealth } from '../kit/line-health.ts';
import { SilenceShare } from '../kit/silence.ts';
import { CALLED_BACK } from '../kit/strike.ts';
import type { BusHealth, Clock, Random } from '../../src/domain/ports.ts';

const NOBODY_ANSWERS = 'none of the units answers';
/** So many requests may wait on one bus; more means that somebody asks faster than the wire answers. */
const QUEUE_BOUND = 512;
/** So many lost answers running and the unit counts as gone. */
const MISSES_UNTIL_OFFLINE = 3;
const PROBE_FIRST_MS = 250;
const PROBE_LAST_MS = 5_000;
/**
 * After so many input polls in a row something else that waits goes first, so that a bus too slow for its inputs still
 * takes credentials.
 */
const POLLS_IN_A_ROW = 4;
/**
 * So many lost answers of all units running, and at least one for each of them, with not one answer in between, and the
 * connection is made anew.
 */
const MISSES_UNTIL_RENEWAL = 3;
/** `knock`: whether a unit that is offline answers again. */
type Lane = Priority | 'knock';
const LANES: readonly Lane[] = [...PRIORITIES, 'knock'];
const TRANSFERS: ReadonlySet<Lane> = new Set(['erase', 'write', 'read']);
/** What keeps the others waiting for longer than this is asked half as often. */
const DEAR_MS = 1_000;
/** What units that do not answer may take of the bus while others do. */
const SILENT_UNITS = { share: 1 / 6, leastPauseMs: 0 } as const;
/** A line that others have kept from falling silent for so long has cost whoever waits an exchange. */
const HELD_UP_MS = 500;
const NEVER_SILENT = 'the line never falls silent: look for a second master, noise, a wrong baud, and A and B';
/** Whoever was answered may want to ask on, before the bus is spent on somebody who does not answer. */
const AFTER_ANSWER_MS = 5;

type Job = {
  unit: Unit;
  lane: Lane;
  sinceMs: number;
  request: Request;
  options: RequestOptions;
  attempts: number;
  resolve(outcome: Outcome): void;
};

export class Bus {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #line: Line;
  readonly #units = new Map<number, Unit>();
  readonly #queues: Record<Lane, Job[]> = { strike: [], input: [], erase: [], write: [], read: [], knock: [] };
  readonly #silence = new SilenceShare(SILENT_UNITS);
  #inFlight = 0;
  /** Of those that nobody waits behind there is one at a time as well. */
  #asideInFlight = 0;
  #queued = 0;
  #pollsInARow = 0;
  #missesInARow = 0;
  #heardAtMs = Number.NEGATIVE_INFINITY;
  transferAtMs = Number.NEGATIVE_INFINITY;
  #state: 'new' | 'down' | 'up' | 'closed' = 'new';
  #downReason = 'the line has not been opened yet';
  readonly #wait: FineWait;
  readonly #health: LineHealth;
  /** When it was last counted that the line does not fall silent. */
  #heldUpAtMs = Number.NEGATIVE_INFINITY;
  #isPumping = false;
  /** Units whose inputs were asked for ahead of the transfer that goes next. */
  readonly #asked = new Set<Unit>();

  /** `disturbed`: the line itself is, by what; null: it is well again. */
  constructor(clock: Clock, random: Random, line: Line, disturbed: (problem: string | null) => void = () => undefined) {
    this.#clock = clock;
    this.#health = new LineHealth({ devices: 'units', patience: 'turnaround_max' }, disturbed);
    this.#wait = new FineWait(clock, () => this.#pump());
    this.#random = random;
    this.#line = line;
  }

  addUnit(settings: UnitSettings, watch: UnitWatch): BusUnit {
    assert(this.#state === 'new', 'units are added before the bus starts');
    assert(!this.#units.has(settings.unit), `unit ${settings.unit} is on the bus once`);
    assert(settings.probes.length > 0 && settings.probes.every(isReadOnly), 'a unit is probed by reads');
    const unit = new Unit(this, settings, watch);
    this.#units.set(settings.unit, unit);
    return unit;
  }

  health(): BusHealth {
    return this.#health.report(this.#state === 'up' ? null : this.#downReason);
  }

  start(): void {
    this.#state = 'down';
    this.#line.start({
      up: () => {
        this.#state = 'up';
        this.#missesInARow = 0;
        this.#silence.open(this.#units.size);
        for (const unit of this.#units.values()) this.#probe(unit);
      },
      down: (reason) => {
        if (this.#state === 'closed') return;
        this.#state = 'down';
        this.#downReason = reason;
        // Made anew because nobody answers: what was wrong with each says more. Any other end of the line is the news
        // itself.
        const isRenewal = reason === NOBODY_ANSWERS;
        for (const unit of this.#units.values())
          this.#goOffline(unit, 'line', isRenewal ? (unit.fault ?? reason) : reason);
      },
      late: () => this.#health.late(),
      strange: (unit) => this.#health.strange(unit),
    });
  }

  async stop(): Promise<void> {
    this.#state = 'closed';
    this.#wait.cancel();
    for (const unit of this.#units.values()) unit.probeTimer?.cancel();
    this.#refuseQueued(() => true, 'closed', 'the bus is being closed');
    await this.#line.stop();
  }

  /** A write to all units at once, which none of them answers. */
  async broadcast(request: Request): Promise<boolean> {
    assert(!isReadOnly(request), 'only writes are broadcast');
    return this.#state === 'up' && (await this.#line.broadcast(request));
  }

  request(unit: Unit, request: Request, options: RequestOptions): Promise<Outcome> {
    return new Promise((resolve) => {
      if (this.#state === 'closed') resolve(notSent('closed', 'the bus is being closed'));
      else if (this.#state !== 'up') resolve(notSent('offline', this.#downReason));
      else if (!unit.online) resolve(notSent('offline', unit.problem?.reason ?? 'the unit has not answered yet'));
      else if (this.#queued >= QUEUE_BOUND)
        resolve(notSent('queue_full', `${QUEUE_BOUND} requests wait for the bus already`));
      else this.#enqueue({ unit, lane: options.priority, request, options, resolve });
    });
  }

  callBack(sinceMonotonicMs: number): void {
    if (this.#state === 'up' && this.#heardAtMs < sinceMonotonicMs) this.#line.renew(CALLED_BACK);
  }

  /**
   * A gateway has looked for the unit for longer than the unit was waited for, and nobody else could be asked
   * meanwhile.
   */
  answeredLate(unit: Unit, tookMs: number, attempt: Attempt): void {
    if (isHeard(attempt)) {
      this.#silence.forgive();
      return;
    }
    this.#spent(tookMs - unit.settings.turnaroundMs);
    if (attempt.result === 'exception') this.#found(unit, unreached(attempt.code));
    else if (attempt.result === 'garbled') this.#found(unit, attempt.message);
  }

  #enqueue(asked: Omit<Job, 'attempts' | 'sinceMs'>): void {
    const job: Job = { ...asked, attempts: 0, sinceMs: this.#clock.monotonicMs() };
    this.#queues[job.lane].push(job);
    this.#queued++;
    if (TRANSFERS.has(job.lane)) this.transferAtMs = job.sinceMs;
    if (job.options.priority === 'strike') this.#line.abandonProbe();
    this.#pump();
  }

  /** Sends whatever may go now. Runs in the turn of the request, so that a strike on an idle bus is written at once. */
  #pump(): void {
    // Asked from within: whoever pumps already will come to it.
    if (this.#isPumping) return;
    this.#isPumping = true;
    this.#wait.cancel();
    this.#watchSilence(this.#clock.monotonicMs());
    while (this.#state === 'up' && this.#inFlight < this.#line.maxInFlight) {
      const { job, waitMs } = this.#next();
      if (job === null) {
        if (waitMs < Number.POSITIVE_INFINITY) this.#pumpIn(waitMs);
        break;
      }
      void this.#carryOut(job);
    }
    this.#isPumping = false;
  }

  /** Exchanges that do not happen because others speak all the time are missed like any other. */
  #watchSilence(nowMs: number): void {
    this.#health.judge(nowMs);
    const sinceMs = this.#state === 'up' && this.#inFlight === 0 ? (this.#line.heldUpSinceMs?.(nowMs) ?? null) : null;
    if (sinceMs === null || nowMs - Math.max(sinceMs, this.#heldUpAtMs) < HELD_UP_MS) return;
    this.#heldUpAtMs = nowMs;
    const waiting = new Set(LANES.flatMap((lane) => this.#queues[lane].map(({ unit }) => unit)));
    for (const unit of waiting) {
      this.#health.unsent();
      if (unit.online) this.#missed(unit, NEVER_SILENT);
    }
  }

  #pumpIn(waitMs: number): void {
    const isPressed = this.#queued > this.#queues.input.length + this.#queues.knock.length;
    this.#wait.for(waitMs, isPressed);
  }

  /**
   * Takes the first job that may go, or says how long until one may. Those whose time has passed are answered on the
   * way.
   */
  #next(): { job: Job | null; waitMs: number } {
    let waitMs = Number.POSITIVE_INFINITY;
    // One instant for all: else the pause of the line could end between two looks, and what is less urgent go first.
    const nowMs = this.#clock.monotonicMs();
    for (const lane of this.#order(nowMs)) {
      const queue = this.#queues[lane];
      if (lane === 'knock' && queue.length > 0 && !this.#mayKnock(nowMs) && !this.#isKnockOverdue(nowMs)) {
        waitMs = Math.min(waitMs, this.#knockAtMs - nowMs);
        continue;
      }
      for (let i = 0; i < queue.length; i++) {
        const job = queue[i];
        assert(job !== undefined, 'the queue has no holes');
        const { notAfterMonotonicMs } = job.options;
        if (notAfterMonotonicMs !== undefined && nowMs > notAfterMonotonicMs) {
          this.#take(queue, i--);
          job.resolve(notSent('too_late', 'the bus was not free in time'));
          continue;
        }
        if (job.unit.inFlight >= job.unit.settings.maxInFlight) continue;
        if (lane === 'knock' && this.#asideInFlight > 0) continue;
        const jobWaitMs = this.#line.waitMs(job.unit, nowMs);
        if (jobWaitMs <= 0) {
          if (this.#asksAhead(job)) return this.#next();
          this.#take(queue, i);
          this.#pollsInARow = lane === 'input' ? this.#pollsInARow + 1 : 0;
          return { job, waitMs: 0 };
        }
        waitMs = Math.min(waitMs, jobWaitMs);
      }
    }
    return { job: null, waitMs };
  }

  /** True when inputs were asked for that would else have waited for the end of this transfer. */
  #asksAhead({ request, options: { priority } }: Job): boolean {
    if (priority === 'strike' || priority === 'input') return false;
    const lengthMs = this.#line.lengthMs(request);
    const before = this.#queued;
    for (const unit of this.#units.values()) {
      if (lengthMs === 0 || this.#asked.has(unit)) continue;
      const queued = this.#queued;
      unit.watch.ahead?.(lengthMs);
      if (this.#queued > queued) this.#asked.add(unit);
    }
    if (this.#queued > before) return true;
    this.#asked.clear();
    return false;
  }

  #order(nowMs: number): readonly Lane[] {
    if (this.#isKnockOverdue(nowMs)) return ['strike', 'knock', 'input', 'erase', 'write', 'read'];
    return this.#pollsInARow >= POLLS_IN_A_ROW ? ['strike', 'erase', 'write', 'read', 'input', 'knock'] : LANES;
  }

  #isKnockOverdue(nowMs: number): boolean {
    const [knock] = this.#queues.knock;
    return knock !== undefined && this.#silence.isOverdue(knock.sinceMs, nowMs);
  }

  get #someAnswer(): boolean {
    return [...this.#units.values()].some(({ online }) => online);
  }

  get #knockAtMs(): number {
    return Math.max(this.#silence.readyAtMs, this.#heardAtMs + AFTER_ANSWER_MS);
  }

  #mayKnock(nowMs: number): boolean {
    return this.#knockAtMs <= nowMs || !this.#someAnswer;
  }

  #take(queue: Job[], index: number): void {
    queue.splice(index, 1);
    this.#queued--;
  }

  async #carryOut(job: Job): Promise<void> {
    const { unit } = job;
    const isAside = this.#isAside(job);
    if (isAside) this.#asideInFlight++;
    else this.#inFlight++;
    unit.inFlight++;
    unit.counters.requests++;
    if (job.attempts > 0) unit.counters.retries++;
    job.attempts++;
    const sentAtMs = this.#clock.monotonicMs();
    const attempt = await this.#line.exchange(unit, job.request, job.options);
    if (job.lane === 'knock' && !isHeard(attempt)) this.#spent(this.#clock.monotonicMs() - sentAtMs);
    if (isAside) this.#asideInFlight--;
    else this.#inFlight--;
    unit.inFlight--;
    if (TRANSFERS.has(job.lane)) this.transferAtMs = this.#clock.monotonicMs();
    this.#judge(job, attempt);
    this.#pump();
  }

  /** Whether nobody waits behind it. */
  #isAside(job: Job): boolean {
    return job.lane === 'knock' && this.#line.isAside?.(job.unit) === true;
  }

  #spent(costMs: number): void {
    const chargedMs = costMs > DEAR_MS ? 2 * costMs : costMs;
    this.#silence.spend(this.#clock.monotonicMs(), chargedMs, this.#someAnswer);
  }

  #judge(job: Job, attempt: Attempt): void {
    const { unit } = job;
    const wasAnswered = attempt.result === 'reply' || attempt.result === 'exception';
    const wasLost = attempt.result === 'timed_out' || attempt.result === 'garbled';
    if (wasAnswered || (wasLost && unit.online)) this.#health.exchanged(wasAnswered);
    if (wasAnswered) this.#heardAtMs = this.#clock.monotonicMs();
    switch (attempt.result) {
      case 'reply':
        unit.counters.replies++;
        unit.fault = null;
        this.#heard(unit);
        job.resolve({ outcome: 'reply', reply: attempt.reply, atMonotonicMs: attempt.atMonotonicMs });
        return;
      case 'exception':
        unit.counters.exceptions++;
        // A gateway that says "no path" is heard, and the device behind it is not.
        if (exceptionKind(attempt.code) === 'path') {
          this.#missesInARow = 0;
          this.#found(unit, unreached(attempt.code));
          this.#missed(unit, unreached(attempt.code));
        } else this.#heard(unit);
        job.resolve({ outcome: 'exception', code: attempt.code });
        return;
      case 'expired':
        job.resolve(notSent('too_late', 'the bus was not free in time'));
        return;
      case 'lost':
        // Where the line is there all the same, a device has only ended a connection between two answers.
        if (this.#mayRetry(job)) this.#askAgain(job);
        else job.resolve({ outcome: 'no_reply', why: 'line_lost', message: attempt.message });
        return;
      default:
        if (attempt.result === 'timed_out') unit.counters.timeouts++;
        else this.#found(unit, attempt.message);
        this.#missed(unit, attempt.message);
        this.#doubtLine();
        if (this.#mayRetry(job)) this.#askAgain(job);
        else job.resolve({ outcome: 'no_reply', why: attempt.result, message: attempt.message });
    }
  }

  /** What is known of why it does not answer says more than that it does not. */
  #found(unit: Unit, fault: string): void {
    unit.found(fault);
    if (unit.online || unit.problem?.kind !== 'silent' || unit.problem.reason === fault) return;
    unit.problem = { kind: 'silent', reason: fault };
    unit.watch.offline(fault);
  }

  #askAgain(job: Job): void {
    this.#queues[job.lane].unshift(job);
    this.#queued++;
  }

  #mayRetry(job: Job): boolean {
    const { unit, request, attempts } = job;
    return this.#state === 'up' && unit.online && isReadOnly(request) && attempts <= unit.settings.readRetries;
  }

  #heard(unit: Unit): void {
    unit.heardAtMs = this.#clock.monotonicMs();
    unit.misses = 0;
    this.#missesInARow = 0;
    if (unit.online || this.#state !== 'up') return;
    this.#silence.forgive();
    unit.online = true;
    unit.problem = null;
    unit.probeTimer?.cancel();
    unit.watch.online();
  }

  #missed(unit: Unit, why: string): void {
    unit.misses++;
    if (unit.online && unit.misses >= MISSES_UNTIL_OFFLINE) this.#goOffline(unit, 'silent', unit.fault ?? why);
  }

  /** Only where nobody answers at all does the line itself come under suspicion. */
  #doubtLine(): void {
    const enough = Math.max(MISSES_UNTIL_RENEWAL, this.#units.size);
    if (++this.#missesInARow >= enough && !this.#someAnswer) {
      this.#missesInARow = 0;
      this.#line.renew(NOBODY_ANSWERS);
    }
  }

  /** Told once for each kind of problem, not at every vain probe. */
  #goOffline(unit: Unit, kind: 'line' | 'silent', reason: string): void {
    const isNews = unit.online || unit.problem?.kind !== kind || (kind === 'line' && unit.problem.reason !== reason);
    unit.online = false;
    unit.problem = { kind, reason };
    unit.probeTimer?.cancel();
    unit.probeDelayMs = PROBE_FIRST_MS;
    this.#refuseQueued((job) => job.unit === unit, 'offline', reason);
    if (isNews) unit.watch.offline(reason);
    if (this.#state === 'up') this.#probeLater(unit);
  }

  #probeLater(unit: Unit): void {
    const delayMs = unit.probeDelayMs * (0.75 + 0.5 * this.#random.fraction());
    unit.probeDelayMs = Math.min(PROBE_LAST_MS, unit.probeDelayMs * 2);
    unit.probeTimer?.cancel();
    unit.probeTimer = this.#clock.after(delayMs, () => this.#probe(unit));
  }

  #probe(unit: Unit): void {
    if (this.#state !== 'up' || unit.online || unit.probing) return;
    unit.probing = true;
    const resolve = (outcome: Outcome): void => {
      unit.probing = false;
      if (unit.online || this.#state !== 'up') return;
      if (outcome.outcome === 'no_reply' && unit.problem?.kind !== 'silent') {
        this.#goOffline(unit, 'silent', unit.fault ?? outcome.message);
      } else this.#probeLater(unit);
    };
    const options: RequestOptions = { priority: 'read' };
    this.#enqueue({ unit, lane: 'knock', request: unit.nextProbe(), options, resolve });
  }

  #refuseQueued(which: (job: Job) => boolean, why: 'offline' | 'closed', message: string): void {
    for (const lane of LANES) {
      const kept: Job[] = [];
      for (const job of this.#queues[lane].splice(0)) {
        if (!which(job)) kept.push(job);
        else {
          this.#queued--;
          job.resolve(notSent(why, message));
        }
      }
      this.#queues[lane].push(...kept);
    }
  }
}

/** A gateway that says "no path" is heard, and the device behind it is not. */
const isHeard = (attempt: Attempt): boolean =>
  attempt.result === 'reply' || (attempt.result === 'exception' && exceptionKind(attempt.code) !== 'path');

const unreached = (code: number): string => `the gateway does not reach the unit (${describeException(code)})`;

const notSent = (why: 'offline' | 'too_late' | 'queue_full' | 'closed', message: string): Outcome => ({
  outcome: 'not_sent',
  why,
  message,
});
