// One RS-485 line and the readers on it: one command outstanding, who speaks next, and how long to wait for an answer
// (fact sheet section 1). While there is work the wire sets the pace: the next command leaves as soon as the line has
// been idle for two characters after an answer. Strikes and feedback go before polls, a reader that has more to say is
// asked again at once (a few times), and dead readers are probed only as often as leaves the others nine tenths of
// their polls. Where nobody has anything to say, readers are polled at their own idle pace (station.ts), and all
// waiting is done by timers.

import type { BusHealth, Clock, LineSettings, Log, OpenPort, Port, Random, Timer } from '../driver.ts';
import { SteadyLine, wireTimeMs } from '../serial-port.ts';
import { SilenceShare } from '../../src/domain/silence.ts';
import { BROADCAST_ADDRESS } from './frame.ts';
import type { Frame } from './frame.ts';
import { LineHealth } from './line-health.ts';
import { FrameParser } from './parser.ts';
import { REPLIES } from './replies.ts';
import type { Station } from './station.ts';

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
 * A handshake, or events that wait in one reader, may take this many exchanges of a visit before the others have their
 * turn.
 */
const VISIT_EXCHANGES = 4;
/**
 * Readers are looked for ahead of the ordinary turns, but those that are online must not be forgotten over a whole bus
 * that wakes up.
 */
const PROBES_IN_A_ROW = 3;
/** From a round of this length on every reader has one exchange in its turn. */
const LONG_ROUND_MS = 1_000;
/** This many strikes and feedbacks in a row, then one ordinary turn. */
const PRIORITY_EXCHANGES = 8;
/** What unanswered probes may take of the bus while others are online. */
const PROBES = { share: 1 / 13, leastPauseMs: 2_500 } as const;
/** What looks may take of the bus, one after the other. */
const LOOK_SHARE = 1 / 20;
/**
 * Answers that nobody waits for come in bursts, out of a converter's or a reader's buffer: the line is left alone until
 * they have passed.
 */
const STRAY_PAUSE_MS = 20;
/**
 * Timers have a grain of a millisecond, at fast baud rates many times the pause that the line needs. While work waits,
 * at most this last bit of a pause is counted out in turns of the loop, which costs the processor all of it.
 */
const COUNTED_MS = 1.2;
/** A timer may fire this much early, for the loop keeps its time in whole milliseconds. */
const TIMER_EARLY_MS = 1;
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
  readonly settings: LineSettings;
  /**
   * Frames that nobody had asked for: late answers, other addresses, our own bytes come back from an adapter that
   * echoes.
   */
  strays = 0;
  readonly #timings: BusTimings;
  readonly #context: BusContext;
  readonly #clock: Clock;
  readonly #stations: Station[] = [];
  readonly #parser = new FrameParser();
  #line: SteadyLine | null = null;
  #port: Port | null = null;
  #exchange: Exchange | null = null;
  /**
   * Fires when silence is to be judged, or earlier: it outlives exchanges that were answered, since most of them are.
   */
  #judge: { timer: Timer; atMs: number } | null = null;
  #lastByteMs = 0;
  /** No byte of ours before this instant. */
  #quietAtMs = 0;
  /** The next turn of the loop looks again. */
  #turning = false;
  /** Since when the line has been waited for to fall silent. */
  #noisySinceMs: number | null = null;
  /** Since when those whose turn it is have been kept waiting by noise. */
  #keptSinceMs = 0;
  readonly #health: LineHealth;
  #wake: Timer | null = null;
  #visited: Station | null = null;
  #visitExchanges = 0;
  #priorityExchanges = 0;
  #cursor = 0;
  #roundBeganMs = 0;
  #roundMs = 0;
  #probeCursor = 0;
  readonly #silence = new SilenceShare(PROBES);
  #probesInARow = 0;
  /** No look before this instant. */
  #lookAtMs = 0;
  #lookCursor = 0;
  #problem: string | null = null;

  constructor(settings: LineSettings, timings: BusTimings, context: BusContext) {
    this.settings = settings;
    this.#timings = timings;
    this.#context = context;
    this.#clock = context.clock;
    this.#health = new LineHealth(context.disturbed);
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
    this.#line = new SteadyLine(this.settings, this.#context, {
      up: (port) => this.#up(port),
      data: (bytes) => this.#data(bytes),
      down: (reason) => this.#down(reason),
    });
    this.#line.start();
  }

  /** Closes the line; every station learns that it is gone. `start` opens it again. */
  async stop(reason: string): Promise<void> {
    const line = this.#line;
    this.#line = null;
    if (line === null) return;
    this.#down(reason);
    await line.stop();
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
    this.#silence.open(this.#stations.length);
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
    this.#wake?.cancel();
    this.#visited = null;
    if (first) this.#context.log.warn('line down', { port: this.settings.path, reason });
    for (const station of this.#stations) station.lineLost(reason);
  }

  /**
   * A strike went at this instant, and its time is over. Where a converter has sent anything since, it has also
   * received the strike. Where the network has stood still since, it would deliver the strike when it moves again, and
   * open the door behind the back of whoever waited there.
   */
  #callBack(sentAtMs: number): void {
    if (this.#lastByteMs >= sentAtMs || !this.settings.path.startsWith('tcp://')) return;
    this.#line?.reopen('nothing comes through: a strike that could arrive late was called back');
  }

  #charactersMs(count: number): number {
    return wireTimeMs(this.settings, count);
  }

  // ---- whose turn it is ---------------------------------------------------------------------------------------------

  #kick(): void {
    if (this.#exchange === null && !this.#turning) this.#step();
  }

  /** Sends what is due now, or waits until the line is quiet and something is due. */
  #step(): void {
    this.#wake?.cancel();
    this.#wake = null;
    if (this.#port === null || this.#exchange !== null) return;
    const nowMs = this.#clock.monotonicMs();
    const isQuiet = nowMs >= this.#quietAtMs;
    if (isQuiet) this.#noisySinceMs = null;
    else if (this.#noisySinceMs === null) this.#noisySinceMs = this.#keptSinceMs = nowMs;
    else if (nowMs - this.#keptSinceMs >= this.#timings.replyTimeoutMs + TRANSIT_MS) this.#keptWaiting(nowMs);
    this.#health.judge(nowMs);
    const look = isQuiet ? this.#nextLook(nowMs) : null;
    const station = look ?? (isQuiet ? this.#choose(nowMs) : null);
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

  #choose(nowMs: number): Station | null {
    if (this.#priorityExchanges < PRIORITY_EXCHANGES) {
      const urgent = this.#next('strike', nowMs) ?? this.#next('feedback', nowMs);
      if (urgent !== null) {
        this.#priorityExchanges++;
        return urgent;
      }
    }
    this.#priorityExchanges = 0;
    const probe = nowMs >= this.#silence.readyAtMs ? this.#nextProbe(nowMs) : null;
    if (this.#visited !== null && this.#visitExchanges < VISIT_EXCHANGES && this.#goesOn(this.#visited, nowMs, probe)) {
      this.#visitExchanges++;
      return this.#visited;
    }
    this.#visitExchanges = 1;
    const ordinary = probe === null || this.#probesInARow >= PROBES_IN_A_ROW ? this.#nextOrdinary(nowMs) : null;
    this.#probesInARow = ordinary === null ? this.#probesInARow + 1 : 0;
    return ordinary ?? probe;
  }

  /**
   * May the station that was heard last speak again at once: for the rest of its handshake, events that wait in it, or
   * its requests?
   */
  #goesOn(station: Station, nowMs: number, probe: Station | null): boolean {
    const wants = station.wants(nowMs);
    if (wants === 'connect') return true;
    if (wants === 'poll') return station.draining;
    // Setting a reader up can wait while another one is not even online, and must not make a long round longer:
    // sessions end after eight seconds of silence.
    const roundMs = Math.max(this.#roundMs, nowMs - this.#roundBeganMs);
    return wants === 'request' && probe === null && roundMs < LONG_ROUND_MS;
  }

  #next(lane: 'strike' | 'feedback', nowMs: number): Station | null {
    return this.#stations.find((station) => station.wants(nowMs) === lane) ?? null;
  }

  #nextOrdinary(nowMs: number): Station | null {
    const count = this.#stations.length;
    for (let i = 0; i < count; i++) {
      const index = (this.#cursor + i) % count;
      const station = this.#stations[index];
      if (station === undefined) continue;
      const wants = station.wants(nowMs);
      if (wants === null || wants === 'probe') continue;
      if (index < this.#cursor) {
        this.#roundMs = nowMs - this.#roundBeganMs;
        this.#roundBeganMs = nowMs;
      }
      this.#cursor = index + 1;
      return station;
    }
    return null;
  }

  #nextProbe(nowMs: number): Station | null {
    const count = this.#stations.length;
    for (let i = 0; i < count; i++) {
      const index = (this.#probeCursor + i) % count;
      const station = this.#stations[index];
      if (station?.wants(nowMs) !== 'probe') continue;
      this.#probeCursor = index + 1;
      return station;
    }
    return null;
  }

  /**
   * Whoever is to be looked at: while nobody waits for anything on this bus, or when it has waited for that for too
   * long and no strike or feedback is due.
   */
  #nextLook(nowMs: number): Station | null {
    if (nowMs < this.#lookAtMs) return null;
    const count = this.#stations.length;
    for (let i = 0; i < count; i++) {
      const index = (this.#lookCursor + i) % count;
      const station = this.#stations[index];
      const looks = station?.looks(nowMs) ?? null;
      if (station === undefined || looks === null) continue;
      const isKept =
        looks === 'overdue'
          ? this.#next('strike', nowMs) !== null || this.#next('feedback', nowMs) !== null
          : this.#stations.some((one) => one.isPressed(nowMs));
      if (isKept) continue;
      this.#lookCursor = index + 1;
      return station;
    }
    return null;
  }

  #waitForNext(nowMs: number): void {
    const dueMs = this.#dueAtMs(nowMs);
    if (dueMs === Infinity) return;
    const leftMs = Math.max(dueMs, this.#quietAtMs) - nowMs;
    const isPressed = this.#stations.some((station) => station.isPressed(nowMs));
    const isNoisy = this.#noisySinceMs !== null && nowMs - this.#noisySinceMs > NOISY_AFTER_MS;
    if (!isPressed || isNoisy) this.#sleep(leftMs);
    else if (leftMs > COUNTED_MS) this.#wake = this.#clock.after(leftMs - COUNTED_MS, () => this.#step());
    else this.#stepNextTurn();
  }

  /** Until nothing but time has passed; no other timer is to wake the processor meanwhile. */
  #sleep(leftMs: number): void {
    if (this.#exchange === null) {
      this.#judge?.timer.cancel();
      this.#judge = null;
    }
    this.#wake = this.#clock.after(leftMs + TIMER_EARLY_MS, () => this.#step());
  }

  /** When somebody will have something to send; Infinity: not before a kick. */
  #dueAtMs(nowMs: number): number {
    let dueMs = Infinity;
    for (const station of this.#stations) {
      const wants = station.wants(nowMs);
      if (wants !== null && wants !== 'probe') return nowMs;
      const at = wants === 'probe' ? Math.max(nowMs, this.#silence.readyAtMs) : station.wakesAtMs(nowMs);
      const lookMs = station.looks(nowMs) === null ? Infinity : Math.max(nowMs, this.#lookAtMs);
      dueMs = Math.min(dueMs, at ?? Infinity, lookMs);
    }
    return dueMs;
  }

  #stepNextTurn(): void {
    this.#turning = true;
    this.#clock.immediate(() => {
      this.#turning = false;
      this.#step();
    });
  }

  // ---- one exchange -------------------------------------------------------------------------------------------------

  #transmit(station: Station, port: Port, nowMs: number, isLook: boolean): void {
    const wants = isLook ? 'look' : station.wants(nowMs);
    const bytes = station.take(nowMs, isLook);
    // Whatever is left of an earlier answer belongs to nobody now.
    this.#parser.clear();
    this.#visited = station;
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
    if (exchange.probe || wasMissing) this.#silence.forgive();
    if (wasMissing) for (const station of this.#stations) station.retryNow();
    if (exchange.isLook) this.#looked(exchange, atMs);
    const isNothingNew = exchange.isLook || (exchange.isPoll && frame.code === REPLIES.ACK.code);
    if (isNothingNew && !this.#turning) this.#waitForNext(atMs);
    else this.#proceed();
  }

  #looked({ sentAtMs }: Exchange, nowMs: number): void {
    this.#lookAtMs = nowMs + (nowMs - sentAtMs) * (1 / LOOK_SHARE - 1);
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
    this.#visited = null;
    if (exchange.isLook) this.#looked(exchange, nowMs);
    const rest = this.#stations.filter((station) => station !== exchange.station);
    if (exchange.station.isAnswering) this.#health.exchanged(false);
    if (exchange.probe) {
      // Those that answer are not made to wait for another silence.
      this.#probesInARow = PROBES_IN_A_ROW;
      const others = rest.some((station) => station.isActive);
      this.#silence.spend(nowMs, nowMs - exchange.sentAtMs, others);
    }
    exchange.station.unanswered(nowMs, !rest.some((station) => station.isAnswering));
    this.#proceed();
  }

  /** On to the next, in a turn of its own: who waited for this answer may want to go on with it. */
  #proceed(): void {
    if (!this.#turning && this.#exchange === null) this.#stepNextTurn();
  }
}
