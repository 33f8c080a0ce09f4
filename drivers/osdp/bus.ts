// One RS-485 line and the readers on it: one command outstanding, who speaks next, and how long to wait for an answer
// (fact sheet section 1). While there is work the wire sets the pace: the next command leaves as soon as the line has
// been idle for two characters after an answer. Whose turn it is then is turns.ts. Where nobody has anything to say,
// readers are polled at their own idle pace (station.ts), and all waiting is done by timers.

import { wireTimeMs } from '../../src/domain/line.ts';
import type { BusHealth, Clock, LineSettings, Log, OpenPort, Port, Random, Timer } from '../driver.ts';
import { FineWait } from '../kit/fine-wait.ts';
import { LineHealth } from '../kit/line-health.ts';
import { SteadyLine } from '../kit/steady-line.ts';
import { CALLED_BACK, mayStillArrive } from '../kit/strike.ts';
import { BROADCAST_ADDRESS } from './frame.ts';
import type { Frame } from './frame.ts';
import { FrameParser } from './parser.ts';
import { REPLIES } from './replies.ts';
import type { Station } from './station.ts';
import { Turns } from './turns.ts';

export type BusTimings = {
  /** A reader has this long to begin its answer after the command's end. */
  replyTimeoutMs: number;
  /**
   * A silence of this length inside a frame ends it. USB adapters and network converters deliver frames in pieces, tens
   * of milliseconds apart.
   */
  characterGapMs: number;
};

export type BusContext = {
  clock: Clock;
  random: Random;
  log: Log;
  openPort: OpenPort;
  /** The line disturbs the bus, by what; null: no more. */
  disturbed: (problem: string | null) => void;
};

/**
 * Added to every reply time-out: adapters hold bytes back for up to 16 ms in each direction, converters for a little
 * longer.
 */
const TRANSIT_MS = 20;
const IDLE_CHARACTERS = 2;
/**
 * Answers that nobody waits for come in bursts, out of a converter's or a reader's buffer: the line is left alone until
 * they have passed.
 */
const STRAY_PAUSE_MS = 20;
/**
 * A line that has not fallen silent for so long is waited for by timer only: noise without end must not keep the loop
 * turning.
 */
const NOISY_AFTER_MS = 50;

type Exchange = {
  station: Station;
  bytes: Buffer;
  probe: boolean;
  isPoll: boolean;
  isLook: boolean;
  sentAtMs: number;
  deadlineMs: number;
  hardEndMs: number;
  /** When silence is judged next: at the deadline, or sooner inside a frame. */
  judgedAtMs: number;
};

export class OsdpBus {
  settings: LineSettings;
  /**
   * Frames that nobody had asked for: late answers, other addresses, our own bytes come back from an adapter that
   * echoes.
   */
  strays = 0;
  readonly #timings: BusTimings;
  readonly #context: BusContext;
  readonly #clock: Clock;
  readonly #stations: Station[] = [];
  readonly #turns = new Turns(this.#stations);
  readonly #wait: FineWait;
  readonly #parser = new FrameParser();
  #line: SteadyLine | null = null;
  /** Between `start` and `stop`. */
  #isServed = false;
  #port: Port | null = null;
  #exchange: Exchange | null = null;
  /**
   * Fires when silence is to be judged, or earlier: it outlives exchanges that were answered, since most of them are.
   */
  #judge: { timer: Timer; atMs: number } | null = null;
  #lastByteMs = 0;
  /** No byte of ours before this instant. */
  #quietAtMs = 0;
  /** Since when the line has been waited for to fall silent. */
  #noisySinceMs: number | null = null;
  /** Since when those whose turn it is have been kept waiting by noise. */
  #keptSinceMs = 0;
  readonly #health: LineHealth;
  #problem: string | null = null;

  constructor(settings: LineSettings, timings: BusTimings, context: BusContext) {
    this.settings = settings;
    this.#timings = timings;
    this.#context = context;
    this.#clock = context.clock;
    this.#wait = new FineWait(context.clock, () => this.#step());
    this.#health = new LineHealth({ devices: 'readers', patience: 'reply_timeout' }, context.disturbed);
  }

  health(): BusHealth {
    return this.#health.report(this.#problem);
  }

  /** Why the line is down, for people; null while it is up. */
  get problem(): string | null {
    return this.#problem;
  }

  add(station: Station): void {
    this.#stations.push(station);
    station.kick = () => this.#kick();
    station.stranded = (sentAtMs) => this.#clock.immediate(() => this.#callBack(sentAtMs));
  }

  start(): void {
    this.#isServed = true;
    this.#open();
  }

  #open(): void {
    if (this.#line !== null) return;
    this.#line = new SteadyLine(this.settings, this.#context, {
      up: (port) => this.#up(port),
      data: (bytes) => this.#data(bytes),
      down: (reason) => this.#down(reason),
    });
    this.#line.start();
  }

  /** Closes the line; every station learns that it is gone. `start` opens it again. */
  async stop(reason: string): Promise<void> {
    this.#isServed = false;
    const line = this.#line;
    this.#line = null;
    if (line === null) return;
    this.#down(reason);
    await line.stop();
  }

  /** Goes on at another baud. */
  async tune(baud: number): Promise<void> {
    const line = this.#line;
    if (this.settings.baud === baud || line === null) return;
    this.settings = { ...this.settings, baud };
    this.#line = null;
    this.#down(`the line changes to ${baud} baud`);
    await line.stop();
    // Whoever stopped and started it meanwhile has opened it already.
    if (this.#isServed) this.#open();
  }

  /** Readers on this bus that are being polled. */
  get openStations(): number {
    return this.#stations.reduce((count, station) => count + (station.isOpen ? 1 : 0), 0);
  }

  // ---- the line -----------------------------------------------------------------------------------------------------

  #up(port: Port): void {
    this.#port = port;
    this.#problem = null;
    this.#parser.clear();
    this.#turns.open();
    this.#quietAtMs = this.#clock.monotonicMs() + this.#charactersMs(IDLE_CHARACTERS);
    this.#context.log.info('line open', { port: this.settings.path });
    this.#kick();
  }

  #down(reason: string): void {
    const first = this.#problem === null;
    this.#port = null;
    this.#problem = reason;
    this.#exchange = null;
    this.#judge?.timer.cancel();
    this.#judge = null;
    this.#wait.cancel();
    this.#turns.visit(null);
    if (first) this.#context.log.warn('line down', { port: this.settings.path, reason });
    for (const station of this.#stations) station.lineLost(reason);
  }

  /** A strike went at this instant, and its time is over. */
  #callBack(sentAtMs: number): void {
    if (mayStillArrive(this.settings.path, sentAtMs, this.#lastByteMs)) this.#line?.reopen(CALLED_BACK);
  }

  #charactersMs(count: number): number {
    return wireTimeMs(this.settings, count);
  }

  // ---- the next exchange --------------------------------------------------------------------------------------------

  #kick(): void {
    if (this.#exchange === null && !this.#wait.isTurning) this.#step();
  }

  /** Sends what is due now, or waits until the line is quiet and something is due. */
  #step(): void {
    this.#wait.cancel();
    if (this.#port === null || this.#exchange !== null) return;
    const nowMs = this.#clock.monotonicMs();
    const isQuiet = nowMs >= this.#quietAtMs;
    if (isQuiet) this.#noisySinceMs = null;
    else if (this.#noisySinceMs === null) this.#noisySinceMs = this.#keptSinceMs = nowMs;
    else if (nowMs - this.#keptSinceMs >= this.#timings.replyTimeoutMs + TRANSIT_MS) this.#keptWaiting(nowMs);
    this.#health.judge(nowMs);
    const look = isQuiet ? this.#turns.nextLook(nowMs) : null;
    const station = look ?? (isQuiet ? this.#turns.next(nowMs) : null);
    if (station !== null) this.#transmit(station, this.#port, nowMs, look !== null);
    else this.#waitForNext(nowMs);
  }

  /**
   * The line has not fallen silent for as long as an answer may take: whoever wanted to speak has missed an exchange.
   */
  #keptWaiting(nowMs: number): void {
    this.#keptSinceMs = nowMs;
    for (const station of this.#stations) {
      const wants = station.wants(nowMs);
      if (wants === null || wants === 'probe') continue;
      this.#health.unsent();
      station.unsent(nowMs);
    }
  }

  #waitForNext(nowMs: number): void {
    const dueMs = this.#turns.dueAtMs(nowMs);
    if (dueMs === Infinity) return;
    const isNoisy = this.#noisySinceMs !== null && nowMs - this.#noisySinceMs > NOISY_AFTER_MS;
    const isPressed = !isNoisy && this.#turns.isPressed(nowMs);
    // Where nobody waits no other timer is to wake the processor meanwhile.
    if (!isPressed && this.#exchange === null) {
      this.#judge?.timer.cancel();
      this.#judge = null;
    }
    this.#wait.for(Math.max(dueMs, this.#quietAtMs) - nowMs, isPressed);
  }

  // ---- one exchange -------------------------------------------------------------------------------------------------

  #transmit(station: Station, port: Port, nowMs: number, isLook: boolean): void {
    const wants = isLook ? 'look' : station.wants(nowMs);
    const bytes = station.take(nowMs, isLook);
    // Whatever is left of an earlier answer belongs to nobody now.
    this.#parser.clear();
    this.#turns.visit(station);
    const deadlineMs = nowMs + wireTimeMs(this.settings, bytes.length) + this.#timings.replyTimeoutMs + TRANSIT_MS;
    this.#exchange = {
      station,
      bytes,
      probe: wants === 'probe',
      isPoll: wants === 'poll',
      isLook,
      sentAtMs: nowMs,
      deadlineMs,
      hardEndMs: deadlineMs + this.#charactersMs(1440) + this.#timings.characterGapMs,
      judgedAtMs: deadlineMs,
    };
    this.#judgeAt(deadlineMs, nowMs);
    port.write(bytes);
  }

  #data(bytes: Buffer): void {
    const atMs = this.#clock.monotonicMs();
    this.#lastByteMs = atMs;
    // The line is not idle: two characters from here on.
    this.#quietAtMs = atMs + this.#charactersMs(IDLE_CHARACTERS);
    const badBefore = this.#parser.badFrames;
    const frames = this.#parser.push(bytes);
    if (this.#exchange !== null) this.#exchange.station.counters.crcErrors += this.#parser.badFrames - badBefore;
    for (const frame of frames) this.#frame(frame, atMs);
    this.#hurry();
  }

  #frame(frame: Frame, atMs: number): void {
    const exchange = this.#exchange;
    const ours =
      exchange !== null &&
      frame.reply &&
      (frame.address === exchange.station.link.address || exchange.station.link.address === BROADCAST_ADDRESS);
    const wasMissing = exchange?.station.isMissing === true;
    if (!ours || !exchange.station.heard(frame, atMs)) {
      this.#stray(frame, atMs);
      return;
    }
    this.#exchange = null;
    if (!exchange.probe) this.#health.exchanged(true);
    // Where one reader has come back, the cable may be whole again for all of them.
    if (exchange.probe || wasMissing) this.#turns.forgive();
    if (wasMissing) for (const station of this.#stations) station.retryNow();
    if (exchange.isLook) this.#turns.looked(exchange.sentAtMs, atMs);
    const isNothingNew = exchange.isLook || (exchange.isPoll && frame.code === REPLIES.ACK.code);
    if (isNothingNew && !this.#wait.isTurning) this.#waitForNext(atMs);
    else this.#proceed();
  }

  #stray(frame: Frame, atMs: number): void {
    this.strays++;
    const station = this.#stations.find((one) => one.link.address === frame.address);
    // An adapter that echoes gives our own bytes back.
    const isEcho = !frame.reply && this.#exchange !== null && this.#exchange.bytes.includes(frame.bytes);
    if (station === undefined || (!frame.reply && !isEcho)) this.#health.strange(frame.address);
    else if (frame.reply) this.#health.late();
    if (!frame.reply) return;
    this.#quietAtMs = atMs + STRAY_PAUSE_MS;
    station?.passedBy(atMs);
  }

  /**
   * A frame that stopped in the middle may hide another behind it: do not wait for the reply's whole time-out to look.
   */
  #hurry(): void {
    const exchange = this.#exchange;
    if (exchange === null || !this.#parser.pending) return;
    exchange.judgedAtMs = this.#lastByteMs + this.#timings.characterGapMs;
    this.#judgeAt(exchange.judgedAtMs, this.#clock.monotonicMs());
  }

  #judgeAt(atMs: number, nowMs: number): void {
    if (this.#judge !== null && this.#judge.atMs <= atMs) return;
    this.#judge?.timer.cancel();
    this.#judge = { atMs, timer: this.#clock.after(Math.max(0, atMs - nowMs), () => this.#late()) };
  }

  /** A timer fired; a busy loop fires late, over bytes that have arrived: they are delivered first. */
  #late(): void {
    this.#judge = null;
    const exchange = this.#exchange;
    if (exchange === null) return;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < exchange.judgedAtMs) {
      this.#judgeAt(exchange.judgedAtMs, nowMs);
      return;
    }
    this.#clock.immediate(() => {
      if (exchange === this.#exchange) this.#judgeSilence(exchange);
    });
  }

  #judgeSilence(exchange: Exchange): void {
    const nowMs = this.#clock.monotonicMs();
    const gapEndsMs = this.#lastByteMs + this.#timings.characterGapMs;
    if (this.#parser.pending && nowMs < exchange.hardEndMs) {
      if (nowMs < gapEndsMs) {
        exchange.judgedAtMs = gapEndsMs;
        this.#judgeAt(gapEndsMs, nowMs);
        return;
      }
      exchange.station.counters.crcErrors++;
      for (const frame of this.#parser.stalled()) this.#frame(frame, nowMs);
      if (this.#exchange !== exchange) return;
    }
    if (nowMs < exchange.deadlineMs) {
      exchange.judgedAtMs = exchange.deadlineMs;
      this.#judgeAt(exchange.deadlineMs, nowMs);
      return;
    }
    this.#unanswered(exchange, nowMs);
  }

  #unanswered(exchange: Exchange, nowMs: number): void {
    this.#exchange = null;
    this.#turns.visit(null);
    if (exchange.isLook) this.#turns.looked(exchange.sentAtMs, nowMs);
    if (exchange.station.isAnswering) this.#health.exchanged(false);
    if (exchange.probe) this.#turns.probed(exchange.station, exchange.sentAtMs, nowMs);
    const alone = !this.#stations.some((station) => station !== exchange.station && station.isAnswering);
    exchange.station.unanswered(nowMs, alone);
    this.#proceed();
  }

  /** On to the next, in a turn of its own: who waited for this answer may want to go on with it. */
  #proceed(): void {
    if (this.#exchange === null) this.#wait.nextTurn();
  }
}
