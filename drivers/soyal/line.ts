// One RS-485 bus of SOYAL controllers: one request in flight, strikes before polls before erasures before writes before
// reads. A reply does not say which request it answers, so after silence nothing from that node is believed until it
// has answered a question whose answer could belong to no other one: whatever it still had to say has then come before.
// Nodes that do not answer are asked last, and get a bounded share of the wire.

import type { BusHealth, Clock, DeviceCounters, LineSettings, Port, Random, OpenPort, Timer } from '../driver.ts';
import { wireTimeMs } from '../../src/domain/line.ts';
import { newCounters } from '../kit/counters.ts';
import { LineHealth } from '../kit/line-health.ts';
import { SilenceShare } from '../kit/silence.ts';
import { SteadyLine } from '../kit/steady-line.ts';
import { CALLED_BACK, mayStillArrive } from '../kit/strike.ts';
import { EEPROM, readReply, REQUESTS, type Request } from './codec.ts';
import { encodeFrame, FRAME_OVERHEAD_BYTES, FrameParser, FREEING_ZEROS, HOST_ADDRESS, type Frame } from './frame.ts';
import { PRIORITIES, type Exchange, type ExchangeResult, type LineReports, type Priority } from './line-terms.ts';

/**
 * More than this waiting at one priority means that the bus does not keep up; callers wait for one exchange before the
 * next.
 */
const MAX_WAITING = 256;
/** What waits longer than this is given up, for nobody counts on it any more. */
const MAX_WAIT_MS = 30_000;
/** Adapters and the operating system hold bytes back for up to 16 ms each way. */
const ADAPTER_MS = 32;
/** No byte for this long ends a frame: whatever of it is missing will not come. */
const SILENCE_MS = 50;
const LONGEST_FRAME_BYTES = 257;
/**
 * A line on which nobody was heard for this long is opened anew: a converter that restarted has forgotten the
 * connection, and the kernel tells it late.
 */
const UNHEARD_MS = 30_000;
/**
 * So many answers missing in a row, or none yet since the line opened, and a node counts as silent: it waits for those
 * that answer.
 */
const MISSES_TO_SILENT = 3;
/** What silent nodes may take of the wire while others answer. */
const SILENT_NODES = { share: 1 / 6, leastPauseMs: 0 } as const;
/**
 * The first question to each node of a line that opens waits no longer than this: nearly all controllers begin to
 * answer within a tenth of it.
 */
const FIRST_ANSWER_MS = 120;
/**
 * Lengths that no other request asks of EEPROM, one after the other: a late answer to one question is none to the next.
 */
const PROBE_LENGTHS = [3, 5, 6, 7] as const;

type Job = {
  exchange: Exchange;
  waitsSinceMs: number;
  sends: number;
  /** Answers that did not come, those of probes included. */
  silences: number;
  settle: (result: ExchangeResult) => void;
};

type InFlight = {
  job: Job;
  request: Request;
  node: number;
  isProbe: boolean;
  sentAtMs: number;
  timer: Timer;
  /** However busy the line is, it is not waited for longer than this (monotonic). */
  lastChanceMs: number;
};

type Node = {
  /** False from a silence until a probe was answered. */
  inStep: boolean;
  probes: number;
  /** It was asked since the line opened. */
  wasAsked: boolean;
  /** Answers missing since it was heard last; it begins as a silent one. */
  misses: number;
  counters: DeviceCounters;
};

export class SoyalLine {
  readonly #clock: Clock;
  readonly #settings: LineSettings;
  readonly #gapMs: number;
  readonly #answerMs: number;
  readonly #reports: LineReports;
  readonly #steady: SteadyLine;
  readonly #parser = new FrameParser();
  readonly #nodes: ReadonlyMap<number, Node>;
  readonly #waiting: Record<Priority, Job[]> = { strike: [], poll: [], erase: [], write: [], read: [] };
  #port: Port | null = null;
  #down = 'the line is not open yet';
  #inFlight: InFlight | null = null;
  /** Zeros are on the wire, or the gap after an exchange is not over. */
  #pause: Timer | null = null;
  #silence: Timer | null = null;
  readonly #share = new SilenceShare(SILENT_NODES);
  readonly #health: LineHealth;
  /** Something waits for its share. */
  #knock: Timer | null = null;
  #freeAtMs = 0;
  #lastByteAtMs = 0;
  /** A reader on the bus may wait for the rest of a frame that was cut. */
  #mayBeStuck = true;
  #pollsInRow = 0;

  constructor(
    settings: { line: LineSettings; gapMs: number; answerMs: number },
    nodes: readonly number[],
    context: { clock: Clock; random: Random; openPort: OpenPort },
    reports: LineReports,
  ) {
    this.#clock = context.clock;
    this.#settings = settings.line;
    this.#gapMs = settings.gapMs;
    this.#answerMs = settings.answerMs;
    this.#reports = reports;
    this.#health = new LineHealth({ devices: 'controllers', patience: 'answer_within' }, (problem) =>
      reports.disturbed(problem),
    );
    this.#nodes = new Map(nodes.map((node) => [node, newNode()]));
    this.#steady = new SteadyLine(settings.line, context, {
      up: (port) => this.#up(port),
      data: (bytes) => this.#receive(bytes),
      down: (reason) => this.#lost(reason),
    });
  }

  start(): void {
    this.#steady.start();
  }

  /** Gives up what waits and closes the line. */
  async stop(): Promise<void> {
    this.#lost('the driver was stopped');
    await this.#steady.stop();
  }

  health(): BusHealth {
    return this.#health.report(this.#port === null ? this.#down : null);
  }

  counters(node: number): Readonly<DeviceCounters> {
    return this.#node(node).counters;
  }

  /**
   * Does one exchange when its turn comes; hands it to the line in this very turn when the bus is idle. Never rejects.
   */
  async exchange(exchange: Exchange): Promise<ExchangeResult> {
    return await new Promise((settle) => {
      const waiting = this.#waiting[exchange.priority];
      if (this.#port === null) settle({ outcome: 'not_sent', why: 'offline', message: this.#down });
      else if (waiting.length >= MAX_WAITING) settle(overdue('too much waits for this bus'));
      else {
        waiting.push({ exchange, waitsSinceMs: this.#clock.monotonicMs(), sends: 0, silences: 0, settle });
        this.#pump();
      }
    });
  }

  // ---- the next one -------------------------------------------------------------------------------------------------

  #pump(): void {
    this.#health.judge(this.#clock.monotonicMs());
    if (this.#port === null || this.#inFlight !== null || this.#pause !== null) return;
    const waitMs = this.#freeAtMs - this.#clock.monotonicMs();
    if (waitMs > 0) {
      this.#pauseFor(waitMs, () => this.#pump());
      return;
    }
    for (let job = this.#choose(); job !== null; job = this.#choose()) {
      const late = this.#tooLate(job);
      if (late?.outcome === 'unknown') this.#callBack(job);
      if (late === null) {
        if (this.#node(job.exchange.node).inStep) this.#sendJob(job);
        else this.#getInStep(job);
        return;
      }
      job.settle(late);
    }
    this.#waitForShare();
  }

  /**
   * Strikes, then the rest by priority; but where the polls alone fill the bus, one of the others gets its turn after
   * each round of them. What asks silent nodes comes after all that, when they have their share; only a strike at one
   * is tried once without it, for somebody stands there.
   */
  #choose(): Job | null {
    const nowMs = this.#clock.monotonicMs();
    const answering = (job: Job): boolean => !this.#isSilent(job);
    const mayKnock = this.#share.readyAtMs <= nowMs || !this.#someAnswer;
    const strike = this.#pick('strike', answering) ?? this.#pick('strike', (job) => mayKnock || job.silences === 0);
    if (strike !== null) return strike;
    const isOverdue = (job: Job): boolean => this.#isSilent(job) && this.#share.isOverdue(job.waitsSinceMs, nowMs);
    const overdue = this.#pick('poll', isOverdue);
    if (overdue !== null) return overdue;
    const order: readonly Priority[] =
      this.#pollsInRow >= this.#nodes.size ? ['erase', 'write', 'read', 'poll'] : PRIORITIES;
    for (const priority of order) {
      const job = this.#pick(priority, answering);
      if (job === null) continue;
      this.#pollsInRow = priority === 'poll' ? this.#pollsInRow + 1 : 0;
      return job;
    }
    for (const priority of PRIORITIES) {
      const job = mayKnock ? this.#pick(priority, () => true) : null;
      if (job !== null) return job;
    }
    return null;
  }

  #pick(priority: Priority, fits: (job: Job) => boolean): Job | null {
    const at = this.#waiting[priority].findIndex(fits);
    return at < 0 ? null : (this.#waiting[priority].splice(at, 1)[0] ?? null);
  }

  #isSilent({ exchange }: Job): boolean {
    return this.#node(exchange.node).misses >= MISSES_TO_SILENT;
  }

  get #someAnswer(): boolean {
    return [...this.#nodes.values()].some(({ misses }) => misses < MISSES_TO_SILENT);
  }

  /** Comes back when the share of the silent nodes is there, where something waits for it. */
  #waitForShare(): void {
    this.#knock?.cancel();
    this.#knock = null;
    if (this.#inFlight !== null || !PRIORITIES.some((priority) => this.#waiting[priority].length > 0)) return;
    const waitMs = Math.max(1, this.#share.readyAtMs - this.#clock.monotonicMs());
    this.#knock = this.#clock.after(waitMs, () => this.#pump());
  }

  #tooLate(job: Job): ExchangeResult | null {
    const { exchange, waitsSinceMs, sends } = job;
    const nowMs = this.#clock.monotonicMs();
    if (exchange.notAfterMs !== null && nowMs > exchange.notAfterMs) {
      return sends === 0
        ? { outcome: 'not_sent', why: 'too_late', message: 'its time was over before the bus was free' }
        : { outcome: 'unknown', message: 'no answer in time' };
    }
    // Looking for a silent node takes as long as it takes: they have their turn one after the other.
    if (nowMs - waitsSinceMs <= MAX_WAIT_MS || (exchange.priority === 'poll' && this.#isSilent(job))) return null;
    return sends === 0
      ? overdue(`the bus was not free within ${MAX_WAIT_MS} ms`)
      : { outcome: 'unknown', message: 'no answer' };
  }

  #sendJob(job: Job): void {
    job.sends++;
    this.#send(job, job.exchange.request, job.exchange.answerMs, false);
    job.exchange.onSent?.();
  }

  #send(job: Job, request: Request, answerMs: number, isProbe: boolean): void {
    const { node } = job.exchange;
    const { counters } = this.#node(node);
    const frame = encodeFrame(node, request.payload);
    counters.requests++;
    counters.bytesSent += frame.length;
    const timeoutMs =
      wireTimeMs(this.#settings, request.payload.length + FRAME_OVERHEAD_BYTES + request.replyBytes) +
      answerMs +
      ADAPTER_MS;
    const timer = this.#clock.after(timeoutMs, () => this.#clock.immediate(() => this.#timeIsOver()));
    const sentAtMs = this.#clock.monotonicMs();
    const lastChanceMs = sentAtMs + timeoutMs + wireTimeMs(this.#settings, LONGEST_FRAME_BYTES);
    this.#inFlight = { job, request, node, isProbe, sentAtMs, timer, lastChanceMs };
    this.#port?.write(frame);
  }

  // ---- getting in step again ----------------------------------------------------------------------------------------

  /**
   * Frees a reader that may wait for the rest of a frame, then asks for an answer that can belong to no earlier
   * question; then the job is next.
   */
  #getInStep(job: Job): void {
    // Where others are spoken to, their frames free a reader as well as zeros do.
    if (!this.#mayBeStuck || (this.#isSilent(job) && this.#someAnswer)) {
      this.#probe(job);
      return;
    }
    this.#mayBeStuck = false;
    this.#port?.write(FREEING_ZEROS);
    this.#node(job.exchange.node).counters.bytesSent += FREEING_ZEROS.length;
    // The job keeps its place at the head of its queue meanwhile.
    this.#waiting[job.exchange.priority].unshift(job);
    this.#pauseFor(wireTimeMs(this.#settings, FREEING_ZEROS.length) + this.#gapMs, () => this.#pump());
  }

  #probe(job: Job): void {
    const node = this.#node(job.exchange.node);
    const length = PROBE_LENGTHS[node.probes++ % PROBE_LENGTHS.length] ?? PROBE_LENGTHS[0];
    const answerMs =
      node.wasAsked || this.#nodes.size === 1 ? this.#answerMs : Math.min(this.#answerMs, FIRST_ANSWER_MS);
    node.wasAsked = true;
    this.#send(job, REQUESTS.readEeprom(EEPROM.openZones, length), answerMs, true);
  }

  #pauseFor(delayMs: number, then: () => void): void {
    this.#pause?.cancel();
    this.#pause = this.#clock.after(delayMs, () => {
      this.#pause = null;
      then();
    });
  }

  // ---- answers and silence ------------------------------------------------------------------------------------------

  #receive(bytes: Buffer): void {
    this.#lastByteAtMs = this.#clock.monotonicMs();
    const counters = this.#inFlight === null ? null : this.#node(this.#inFlight.node).counters;
    const errorsBefore = this.#parser.checksumErrors;
    const frames = this.#parser.push(bytes);
    if (counters !== null) {
      counters.bytesReceived += bytes.length;
      counters.crcErrors += this.#parser.checksumErrors - errorsBefore;
    }
    for (const frame of frames) this.#take(frame);
    this.#health.judge(this.#lastByteAtMs);
    this.#silence?.cancel();
    this.#silence = this.#parser.unfinished ? this.#clock.after(SILENCE_MS, () => this.#silent()) : null;
  }

  #silent(): void {
    this.#silence = null;
    for (const frame of this.#parser.expire()) this.#take(frame);
  }

  #take(frame: Frame): void {
    const current = this.#inFlight;
    const reply = current === null ? null : readReply(current.request.form, current.node, frame);
    if (current === null || reply === null) {
      this.#stray(frame);
      return;
    }
    this.#health.exchanged(true);
    const node = this.#node(current.node);
    node.counters.replies++;
    if (reply.kind === 'nack') node.counters.exceptions++;
    this.#finish(current);
    if (node.misses >= MISSES_TO_SILENT) this.#share.forgive();
    node.misses = 0;
    this.#reports.heard(current.node);
    if (current.isProbe) {
      // A refusal answers the probe as well: firmware that does not give its EEPROM away.
      node.inStep = true;
      this.#waiting[current.job.exchange.priority].unshift(current.job);
    } else if (reply.kind === 'nack') {
      current.job.settle({ outcome: 'refused', message: 'the controller refused it' });
    } else {
      current.job.settle({ outcome: 'answered', reply, atMonotonicMs: this.#lastByteAtMs });
    }
    this.#pump();
  }

  /** It answers nothing that was asked just now. */
  #stray({ destination, payload }: Frame): void {
    const speaker = destination === HOST_ADDRESS ? payload[1] : destination;
    if (destination === HOST_ADDRESS && this.#nodes.has(speaker ?? -1)) this.#health.late();
    else this.#health.strange(speaker ?? destination);
  }

  #finish(current: InFlight): void {
    current.timer.cancel();
    this.#inFlight = null;
    this.#freeAtMs = this.#clock.monotonicMs() + this.#gapMs;
  }

  /** What has arrived was delivered before this. An answer that is just coming in is waited for to its end. */
  #timeIsOver(): void {
    const current = this.#inFlight;
    if (current === null) return;
    const nowMs = this.#clock.monotonicMs();
    const comingIn = this.#parser.unfinished && nowMs - this.#lastByteAtMs < SILENCE_MS;
    if (comingIn && nowMs < current.lastChanceMs) {
      current.timer = this.#clock.after(SILENCE_MS, () => this.#clock.immediate(() => this.#timeIsOver()));
      return;
    }
    const node = this.#node(current.node);
    node.counters.timeouts++;
    node.inStep = false;
    const wasSilent = node.misses >= MISSES_TO_SILENT;
    if (!wasSilent) this.#health.exchanged(false);
    const isFirst = node.misses === Infinity;
    node.misses = isFirst ? MISSES_TO_SILENT : node.misses + 1;
    // The first round asks everybody in a row; the zeros before it were enough.
    if (!isFirst || this.#nodes.size === 1) this.#mayBeStuck = true;
    if (wasSilent) this.#share.spend(nowMs, nowMs - current.sentAtMs, this.#someAnswer);
    this.#finish(current);
    this.#reports.missed(current.node);
    if (!wasSilent && node.misses >= MISSES_TO_SILENT) this.#giveUpNode(current.node);
    this.#unanswered(current.job);
    if (nowMs - this.#lastByteAtMs > UNHEARD_MS) this.#steady.reopen(`nothing was heard for ${UNHEARD_MS / 1000} s`);
    this.#pump();
  }

  #unanswered(job: Job): void {
    const { exchange, sends } = job;
    job.silences++;
    // Nothing was sent as long as only probes were lost, so one of those may be repeated whatever the request is.
    // Where a silent node keeps others waiting, its next turn comes with the next question.
    const isKnock = this.#isSilent(job) && this.#nodes.size > 1;
    const retries = isKnock ? 0 : sends === 0 ? Math.max(1, exchange.retries) : exchange.retries;
    const goesOn =
      exchange.notAfterMs === null ? job.silences <= retries : this.#clock.monotonicMs() < exchange.notAfterMs;
    if (!goesOn) {
      if (sends > 0) this.#callBack(job);
      job.settle(
        sends > 0
          ? { outcome: 'unknown', message: `no answer to ${exchange.request.name}` }
          : { outcome: 'not_sent', why: 'offline', message: 'the controller does not answer' },
      );
      return;
    }
    this.#node(exchange.node).counters.retries++;
    // Behind the others of its kind: a strike at a dead controller must not hold up one at a living one.
    if (exchange.priority === 'strike') this.#waiting.strike.push(job);
    else this.#waiting[exchange.priority].unshift(job);
  }

  /**
   * It has fallen silent: whoever waits for it learns that now, and none of it takes the wire from the others. A strike
   * still looks for it.
   */
  #giveUpNode(address: number): void {
    for (const priority of PRIORITIES) {
      if (priority === 'strike') continue;
      const queue = this.#waiting[priority];
      const gone = queue.filter(({ exchange }) => exchange.node === address);
      this.#waiting[priority] = queue.filter(({ exchange }) => exchange.node !== address);
      for (const job of gone) this.#giveUp(job, 'the controller does not answer');
    }
  }

  /** A strike's time is over, and nobody has answered. */
  #callBack({ exchange, waitsSinceMs }: Job): void {
    if (exchange.notAfterMs !== null && mayStillArrive(this.#settings.path, waitsSinceMs, this.#lastByteAtMs))
      this.#steady.reopen(CALLED_BACK);
  }

  // ---- the line comes and goes --------------------------------------------------------------------------------------

  #up(port: Port): void {
    this.#port = port;
    this.#lastByteAtMs = this.#clock.monotonicMs();
    this.#parser.reset();
    this.#mayBeStuck = true;
    for (const node of this.#nodes.values()) Object.assign(node, { inStep: false, wasAsked: false, misses: Infinity });
    this.#share.open(this.#nodes.size);
    this.#reports.up();
  }

  #lost(reason: string): void {
    this.#port = null;
    this.#down = reason;
    for (const timer of [this.#pause, this.#silence, this.#knock, this.#inFlight?.timer]) timer?.cancel();
    this.#knock = null;
    this.#pause = null;
    this.#silence = null;
    const current = this.#inFlight;
    this.#inFlight = null;
    if (current !== null) this.#giveUp(current.job, reason);
    for (const priority of PRIORITIES) for (const job of this.#waiting[priority].splice(0)) this.#giveUp(job, reason);
    this.#reports.down(reason);
  }

  #giveUp(job: Job, message: string): void {
    job.settle(job.sends > 0 ? { outcome: 'unknown', message } : { outcome: 'not_sent', why: 'offline', message });
  }

  #node(address: number): Node {
    const node = this.#nodes.get(address);
    if (node === undefined) throw new Error(`no controller with address ${address} on this bus`);
    return node;
  }
}

const overdue = (message: string): ExchangeResult => ({ outcome: 'not_sent', why: 'crowded', message });

const newNode = (): Node => ({ inStep: false, probes: 0, wasAsked: false, misses: Infinity, counters: newCounters() });
