// What one reader wants from the bus: commands waiting in lanes, the frame in flight with its retries, and whether it
// is to be polled. The bus carries bytes; the station decides which, and what silence means. All waiting is bounded:
// lanes by count, strikes by their deadline, silence by tries.

import type { Clock, DeviceCounters } from '../driver.ts';
import { assert } from '../../src/domain/errors.ts';
import { newCounters } from '../kit/counters.ts';
import { command } from './commands.ts';
import type { WireCommand } from './commands.ts';
import { newFlight } from './flight.ts';
import type { Flight } from './flight.ts';
import type { Frame, SecurityBlock } from './frame.ts';
import { finish, isSettled, LANES, MAX_WAITING } from './jobs.ts';
import type { Job, JobResult, Lane, LateCommand } from './jobs.ts';
import { PdLink } from './link.ts';
import type { RestartReason } from './link.ts';
import { PollPace } from './poll-pace.ts';
import { NAK, REPLIES } from './replies.ts';
import type { StationEvents } from './station-terms.ts';

/**
 * A reader that was online stays so until it has missed several tries and this much time; one that is just connecting
 * is given up after the tries alone.
 */
export const OFFLINE_AFTER_MS = 8_000;
const QUICK_TRIES = 4;
/** A silent reader is tried this often once the quick tries are used up, so that it does not take the others' time. */
const SLOW_RETRY_MS = 1_000;
/** A reader is polled between two requests when the last poll is this long ago. */
const POLL_OVERDUE_MS = 500;
/** A look that found no quiet moment for so long takes one all the same. */
const LOOK_OVERDUE_MS = 10_000;
const BUSY_PAUSE_MS = 20;
/**
 * Old answers, out of a converter's buffer or a reader's, pass by before a link begins anew: none has come for this
 * long, or they never end.
 */
const OLD_ANSWER_GAP_MS = 100;
const OLD_ANSWERS_LIMIT_MS = 2_000;
/** More than waits in any reader after an outage. */
const REPORTS_IN_ROW = 32;
/** A reader that is busy for longer is stuck. */
const BUSY_LIMIT_MS = 5_000;
const MAX_DAMAGED = 3;
/** A reply with a wrong MAC is passed over once: after a time-out it may be an old one, come late. */
const MAX_FORGED = 1;
/** After a silence of this length, what the reader has kept is not news: whoever showed a card has gone. */
const OLD_MS = 2_000;
/** An old reply comes no later than this. */
const STALE_MS = 1_000;

const POLL = command('POLL', {});

export class Station {
  readonly name: string;
  readonly link: PdLink;
  readonly counters: DeviceCounters = newCounters();
  /** Called whenever something new wants to be sent. */
  kick: () => void = () => undefined;
  /** Called when a strike that went at this instant was given up unanswered: it may still be on its way. */
  stranded: (sentAtMs: number) => void = () => undefined;
  /** The last reply held an event, so there may be more behind it. */
  draining = false;
  readonly #clock: Clock;
  readonly #events: StationEvents;
  readonly #lanes: Readonly<Record<Lane, Job[]>> = {
    strike: [],
    feedback: [],
    request: [],
    connect: [],
    probe: [],
    look: [],
  };
  #polling = false;
  #held = false;
  #reportsInRow = 0;
  /** Until a poll has found nothing waiting in the reader. */
  #clearing = true;
  #flight: Flight | null = null;
  #readyAtMs = 0;
  #lastValidMs = 0;
  readonly #pace = new PollPace();
  #justPolled = false;
  /** Turns in a row that the line let pass. */
  #unsent = 0;
  #lookSinceMs = 0;
  /** Something was left unanswered, so its answer may still come, and after every copy another one. */
  #owed = false;
  /** No longer than until then is waited for old answers to end. */
  #oldAnswersEndMs = 0;
  /**
   * The event that answered a question asked twice: the reader's other answer may still come, when the number has come
   * round again.
   */
  #stale: { bytes: Buffer; untilMs: number } | null = null;

  constructor(name: string, address: number, clock: Clock, events: StationEvents) {
    this.name = name;
    this.link = new PdLink(address);
    this.#clock = clock;
    this.#events = events;
  }

  // ---- what the reader asks for -------------------------------------------------------------------------------------

  /** From now on the station is polled, and strikes and feedback go out. */
  open(): void {
    this.#polling = true;
    this.#lastValidMs = this.#clock.monotonicMs();
    this.#pace.stir(this.#lastValidMs);
    this.kick();
  }

  get isOpen(): boolean {
    return this.#polling;
  }

  /** Is it online, or on the way there? */
  get isActive(): boolean {
    return (
      this.#polling || this.#lanes.connect.length > 0 || (this.#flight !== null && this.#flight.job?.lane !== 'probe')
    );
  }

  /** Is it polled, and has it answered lately? */
  get isAnswering(): boolean {
    return this.#polling && !this.isMissing;
  }

  /** Has it left several tries unanswered? */
  get isMissing(): boolean {
    return this.#flight !== null && this.#flight.tries >= QUICK_TRIES - 1;
  }

  /** Ends a pause between two tries: there is news of the line. */
  retryNow(): void {
    if (this.isMissing) this.#readyAtMs = 0;
  }

  /**
   * True: no polls and no feedback, while a reader stores a file and wants to hear of nothing else. A strike still
   * goes: somebody stands at the door.
   */
  hold(held: boolean): void {
    this.#held = held;
    this.kick();
  }

  /**
   * Sends a command when its turn comes; resolves with what became of it, never rejects. `notAfterMs` is a monotonic
   * instant: later it is neither sent nor repeated. `block` is for the handshake's own frames.
   */
  submit(
    lane: Lane,
    wire: WireCommand | LateCommand,
    options: { block?: SecurityBlock; notAfterMs?: number } = {},
  ): Promise<JobResult> {
    return new Promise((settle) => {
      const job: Job = {
        command: wire,
        block: options.block ?? null,
        lane,
        deadline: null,
        sent: false,
        result: null,
        settle,
      };
      if (this.#lanes[lane].length >= MAX_WAITING[lane]) {
        settle({ kind: 'dropped' });
        return;
      }
      if (options.notAfterMs !== undefined) {
        const delayMs = options.notAfterMs - this.#clock.monotonicMs();
        job.deadline = this.#clock.after(delayMs, () => this.#expire(job));
      }
      this.#lanes[lane].push(job);
      if (lane === 'look') this.#lookSinceMs = this.#clock.monotonicMs();
      // Somebody stands at the door: no pause between tries now.
      if (lane === 'strike') this.#readyAtMs = 0;
      this.kick();
    });
  }

  /** Throws away feedback for this head that was not sent yet: what comes next is newer. */
  dropFeedback(reader: number): void {
    const kept: Job[] = [];
    for (const job of this.#lanes.feedback.splice(0)) {
      // The head is the first byte of every LED, BUZ and TEXT command.
      if (typeof job.command !== 'function' && job.command.data[0] === reader) finish(job, { kind: 'dropped' });
      else kept.push(job);
    }
    this.#lanes.feedback.push(...kept);
  }

  /** Forgets the link: everything waiting is dropped and the next command begins anew. Tells nobody. */
  reset(): void {
    this.#polling = false;
    this.#held = false;
    this.#endFlight({ kind: 'dropped' });
    for (const lane of LANES) for (const job of this.#lanes[lane].splice(0)) finish(job, { kind: 'dropped' });
    this.#readyAtMs = 0;
    this.draining = false;
    this.link.restart();
  }

  /** The line itself is gone: whoever waits for an answer learns it now. Probes wait for the line to come back. */
  lineLost(reason: string): void {
    const probes = this.#lanes.probe.splice(0);
    const wasProbe = this.#flight?.job?.lane === 'probe' ? this.#flight.job : null;
    if (wasProbe !== null) this.#flight = null;
    this.reset();
    this.#clearing = true;
    this.#lanes.probe.push(...(wasProbe === null ? probes : [wasProbe]));
    this.#events.lost({ why: 'line', reason });
  }

  // ---- what the bus asks --------------------------------------------------------------------------------------------

  /**
   * What is the most urgent thing that this station could send now? A frame that goes out again has no lane but
   * `request`.
   */
  wants(nowMs: number): Lane | 'poll' | null {
    if (this.#readyAtMs > nowMs) return null;
    if (this.#flight !== null) return this.#flight.job?.lane === 'probe' ? 'probe' : 'request';
    return this.#nextLane(nowMs) ?? (this.#isPolled && nowMs >= this.#pace.dueMs(nowMs) ? 'poll' : null);
  }

  /** When `wants` may change by itself; null: only by a kick. */
  wakesAtMs(nowMs: number): number | null {
    if (this.#readyAtMs > nowMs) return this.#readyAtMs;
    return this.#isPolled && this.#flight === null ? this.#pace.dueMs(nowMs) : null;
  }

  /**
   * Does somebody wait for what it has to send, so that no moment of the line is to be lost? Not where it is only
   * polled as ever, or called in vain.
   */
  isPressed(nowMs: number): boolean {
    const wants = this.wants(nowMs);
    return wants === 'poll' ? this.#pace.isLively(nowMs) : wants !== null && wants !== 'probe';
  }

  /** Could it be looked at now? `overdue`: it has waited for a quiet line in vain for too long. */
  looks(nowMs: number): 'waiting' | 'overdue' | null {
    if (this.#lanes.look.length === 0 || !this.#isPolled || this.#flight !== null || this.#readyAtMs > nowMs)
      return null;
    // What people do comes first: after a poll that has found nothing, and with nothing else to say.
    if (this.#clearing || !this.#justPolled || this.draining || this.#nextLane(nowMs) !== null) return null;
    return nowMs - this.#lookSinceMs >= LOOK_OVERDUE_MS ? 'overdue' : 'waiting';
  }

  /** The bytes to send now. Call only when `wants`, or for a look `looks`, is not null. */
  take(nowMs: number, look = false): Buffer {
    if (this.#flight === null) {
      const lane = look ? 'look' : this.#nextLane(nowMs);
      const job = lane === null ? null : (this.#lanes[lane].shift() ?? null);
      assert(job !== null || this.#polling, 'a station that has nothing to send is not asked');
      // A probe is the first word on a new link.
      if (job?.lane === 'probe') this.link.restart();
      this.#justPolled = job === null;
      if (job === null) this.#pace.polled(nowMs);
      const wire = job?.command ?? POLL;
      const bytes = this.link.seal(typeof wire === 'function' ? wire() : wire, job?.block ?? null);
      this.#flight = newFlight(bytes, job, nowMs);
      if (job !== null) job.sent = true;
    } else this.counters.retries++;
    this.#unsent = 0;
    this.#flight.tries++;
    this.#flight.outstanding = true;
    this.counters.requests++;
    this.counters.bytesSent += this.#flight.bytes.length;
    return this.#flight.bytes;
  }

  /** A frame from this reader's address. True when it ended the exchange that the bus waits for. */
  heard(frame: Frame, atMonotonicMs: number): boolean {
    const flight = this.#flight;
    if (flight === null) return false;
    if (this.#isStale(frame, atMonotonicMs)) {
      flight.passedOver = true;
      return false;
    }
    const verdict = this.link.judge(frame);
    if (verdict.verdict === 'ignored') return false;
    if (verdict.verdict === 'restart' && verdict.reason === 'bad_mac' && flight.forged++ < MAX_FORGED) return false;
    flight.outstanding = false;
    this.counters.bytesReceived += frame.bytes.length;
    this.counters.replies++;
    if (flight.tries > 1 && atMonotonicMs - this.#lastValidMs > OLD_MS) this.#clearing = true;
    this.#lastValidMs = atMonotonicMs;
    if (verdict.verdict === 'reply') {
      if (flight.tries > 1 && frame.code !== REPLIES.ACK.code && !flight.passedOver)
        this.#stale = { bytes: Buffer.from(frame.bytes), untilMs: atMonotonicMs + STALE_MS };
      if (flight.tries >= QUICK_TRIES - 1 && !verdict.secured && this.#polling) this.#events.returned();
      this.#answered(flight.job, verdict, atMonotonicMs);
    } else if (verdict.verdict === 'restart') {
      if (verdict.clear !== null) this.#events.clearText(verdict.clear.code, verdict.clear.data);
      this.#restart(verdict.reason);
    } else if (verdict.verdict === 'busy') this.#busy(flight, atMonotonicMs);
    else if (isSettled(flight.job)) this.#restart('abandoned');
    else if (++flight.damaged > MAX_DAMAGED) {
      this.link.giveIn();
      this.#endFlight({ kind: 'nak', error: NAK.badCheck });
    }
    return true;
  }

  /** A frame from this reader that nobody waits for. */
  passedBy(nowMs: number): void {
    if (this.#readyAtMs > nowMs && nowMs < this.#oldAnswersEndMs)
      this.#readyAtMs = Math.max(this.#readyAtMs, nowMs + OLD_ANSWER_GAP_MS);
  }

  /**
   * No answer came to what was sent last. `alone`: nobody else answers on this bus, so there is no reason to wait
   * before the next try.
   */
  unanswered(nowMs: number, alone: boolean): void {
    this.counters.timeouts++;
    this.draining = false;
    const flight = this.#flight;
    if (flight === null) return;
    flight.outstanding = false;
    this.#owed = true;
    if (flight.job?.lane === 'probe') {
      this.link.restart();
      this.#endFlight({ kind: 'silence' });
    } else if (isSettled(flight.job)) {
      this.#restart('abandoned');
    } else if (flight.tries >= QUICK_TRIES && this.#patienceEnds(nowMs)) {
      this.#endFlight({ kind: 'silence' });
      const wasOpen = this.#polling;
      this.reset();
      this.#clearing = true;
      if (wasOpen) this.#events.lost({ why: 'silent' });
    } else if (flight.tries >= QUICK_TRIES - 1 && !alone) this.#readyAtMs = nowMs + SLOW_RETRY_MS;
  }

  /**
   * It was its turn to speak for as long as an answer may take, and the line never fell silent: an exchange that did
   * not happen is missed like one without an answer.
   */
  unsent(nowMs: number): void {
    this.counters.timeouts++;
    if (++this.#unsent < QUICK_TRIES || !this.#patienceEnds(nowMs)) return;
    this.#endFlight({ kind: 'silence' });
    for (const waiting of this.#lanes.connect.splice(0)) finish(waiting, { kind: 'silence' });
    const wasOpen = this.#polling;
    if (wasOpen) this.reset();
    else this.link.restart();
    this.#clearing = true;
    if (wasOpen) this.#events.lost({ why: 'jammed' });
  }

  // ---- inside -------------------------------------------------------------------------------------------------------

  /** The first lane with something that may be sent now; null: none, so poll. */
  #nextLane(nowMs: number): Lane | null {
    for (const lane of LANES) {
      if (lane === 'look') continue;
      const beforeOpening = lane === 'connect' || lane === 'probe';
      if (this.#lanes[lane].length === 0 || beforeOpening === this.#polling) continue;
      // What has waited in the reader is got out of the way first.
      if (this.#clearing && this.#polling && !this.#held && lane !== 'strike') return null;
      // A card must not wait for all that a reader is told and asked.
      const overdue = this.#pace.sinceMs(nowMs) > POLL_OVERDUE_MS;
      if (lane === 'request' && !this.#held && overdue && !this.#justPolled) return null;
      if (lane !== 'feedback' || !this.#held) return lane;
    }
    return null;
  }

  get #isPolled(): boolean {
    return this.#polling && !this.#held;
  }

  #patienceEnds(nowMs: number): boolean {
    return !this.#polling || nowMs - this.#lastValidMs >= OFFLINE_AFTER_MS;
  }

  #busy(flight: Flight, nowMs: number): void {
    flight.busySinceMs ??= nowMs;
    const isOver = nowMs - flight.busySinceMs > BUSY_LIMIT_MS;
    if (flight.job === null && isOver) this.#restart('abandoned');
    else if (isOver || isSettled(flight.job)) this.#giveUpBusy();
    else this.#readyAtMs = nowMs + BUSY_PAUSE_MS;
  }

  /** What a busy reader has not done can be left undone, without beginning anew: the next number is for something else. */
  #giveUpBusy(): void {
    this.#readyAtMs = 0;
    this.link.giveIn();
    this.#endFlight({ kind: 'busy' });
  }

  #answered(
    job: Job | null,
    answer: { code: number; data: Buffer; secured: boolean; block: SecurityBlock | null },
    atMonotonicMs: number,
  ): void {
    this.#readyAtMs = 0;
    if (this.#owed && job?.lane === 'probe') this.#letOldAnswersPass();
    this.#owed = false;
    if (job === null) this.#noteReport(answer.code !== REPLIES.ACK.code && answer.code !== REPLIES.NAK.code);
    else this.draining = false;
    // That an output stands as it does brings nobody to the door.
    const isLook = job?.lane === 'look' || (job === null && answer.code === REPLIES.OSTATR.code);
    if (!isLook && (job !== null || this.draining)) this.#pace.stir(atMonotonicMs);
    if (answer.code === REPLIES.NAK.code) {
      this.counters.exceptions++;
      const error = answer.data[0] ?? 0xff;
      this.#endFlight({ kind: 'nak', error });
      if (job === null) this.#events.refused(error);
    } else {
      this.#endFlight({ kind: 'reply', ...answer });
      if (job !== null) return;
      if (answer.code === REPLIES.ACK.code) {
        this.#clearing = false;
        this.#events.nothingNew(atMonotonicMs);
      } else this.#events.report({ ...answer, old: this.#clearing, atMonotonicMs });
    }
  }

  /**
   * A reader with something to say is asked again at once; one that always has something waits for its turn like the
   * others.
   */
  #noteReport(isReport: boolean): void {
    this.#reportsInRow = isReport ? this.#reportsInRow + 1 : 0;
    this.draining = isReport && this.#reportsInRow <= REPORTS_IN_ROW;
  }

  /**
   * The link begins anew. A strike or feedback that was under way goes back to the head of its lane: the deadline still
   * guards it.
   */
  #restart(reason: RestartReason): void {
    const job = this.#flight?.job ?? null;
    if (this.#flight !== null && job?.lane === 'strike' && isSettled(job)) this.stranded(this.#flight.sentAtMs);
    if (job !== null && job.result === null && (job.lane === 'strike' || job.lane === 'feedback')) {
      this.#flight = null;
      this.#lanes[job.lane].unshift(job);
    } else this.#endFlight({ kind: 'restart', reason });
    for (const lane of ['request', 'connect', 'look'] as const)
      for (const waiting of this.#lanes[lane].splice(0)) finish(waiting, { kind: 'restart', reason });
    const wasOpen = this.#polling;
    this.#polling = false;
    this.#held = false;
    this.#readyAtMs = 0;
    // A reply numbered 0 may be old itself.
    if (this.#owed || reason === 'reader_restarted') this.#letOldAnswersPass();
    this.draining = false;
    this.link.restart();
    if (wasOpen) this.#events.lost({ why: 'restart', reason });
  }

  #letOldAnswersPass(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#readyAtMs = nowMs + OLD_ANSWER_GAP_MS;
    this.#oldAnswersEndMs = nowMs + OLD_ANSWERS_LIMIT_MS;
    this.#owed = false;
  }

  #endFlight(result: JobResult): void {
    const job = this.#flight?.job ?? null;
    this.#flight = null;
    if (job !== null) finish(job, result);
  }

  #expire(job: Job): void {
    const waiting = this.#lanes[job.lane].indexOf(job);
    if (waiting >= 0) this.#lanes[job.lane].splice(waiting, 1);
    finish(job, { kind: 'expired', sent: job.sent });
    // Between two tries: the next must not happen.
    if (this.#flight?.job !== job || this.#flight.outstanding) return;
    if (this.#flight.busySinceMs !== null) this.#giveUpBusy();
    else this.#restart('abandoned');
  }

  #isStale(frame: Frame, nowMs: number): boolean {
    const stale = this.#stale;
    if (stale === null) return false;
    const old = nowMs < stale.untilMs && stale.bytes.equals(frame.bytes);
    if (old || nowMs >= stale.untilMs) this.#stale = null;
    return old;
  }
}
