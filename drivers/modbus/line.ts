// The RTU line: Modbus frames over a serial port, or over a serial converter on the network. RTU carries no transaction
// number, so an answer that comes too late looks exactly like the answer to the next question. Everything here serves
// one promise: such an answer is never taken for another's.

import type { Attempt, Line, LineEvents, LineUnit, SendOptions } from './bus-terms.ts';
import type { Reply, Request } from './codec.ts';
import { Lateness } from './lateness.ts';
import {
  BROADCAST_UNIT,
  findReply,
  framesIn,
  lineTimes,
  replyFrameLength,
  requestFrame,
  transactionMs,
  whoAnswered,
  USUAL_TURNAROUND_MS,
  type LineTimes,
} from './rtu.ts';
import { assert } from '../../src/domain/errors.ts';
import type { Clock, LineSettings, Log, OpenPort, Port, Random, Timer } from '../../src/domain/ports.ts';
import { SteadyLine } from '../kit/steady-line.ts';

/**
 * What the way between us and the wire adds: a USB adapter's buffer in each direction, or a network with a converter
 * that collects bytes.
 */
const SERIAL_SLACK_MS = 40;
const CONVERTER_SLACK_MS = 250;
/** A damaged frame is given up once nothing has followed for this long. */
const SERIAL_SILENCE_MS = 30;
const CONVERTER_SILENCE_MS = 150;
/** More than two of the longest frames is noise: only the end of it can still become an answer. */
const BUFFER_BOUND = 1024;
/**
 * Bytes that nobody asked for are looked through so often at most: noise comes in pieces of a byte or two, and each
 * look costs the whole of it.
 */
const STRAY_LOOK_MS = 50;
/** Time for every unit to carry out a broadcast (serial line guide 2.4.1: 100 to 200 ms). */
const BROADCAST_MS = 150;

export type RtuContext = { clock: Clock; random: Random; openPort: OpenPort; log: Log };

/** A request on its way. */
type Exchange = {
  unit: LineUnit;
  request: Request;
  sent: Buffer;
  sentAtMs: number;
  received: Buffer;
  /** How many bytes came before those of `received`, and before the first that may still begin an answer. */
  forgotten: number;
  judged: number;
  damaged: boolean;
  deadline: Timer;
  latestEndMs: number;
  silence: Timer | null;
  resolve(attempt: Attempt): void;
};

export class RtuLine implements Line {
  readonly maxInFlight = 1;
  readonly #settings: LineSettings;
  readonly #clock: Clock;
  readonly #times: LineTimes;
  readonly #slackMs: number;
  readonly #silenceMs: number;
  readonly #steady: SteadyLine;
  readonly #lateness: Lateness;
  readonly #quietOfUnitMs = new Map<number, number>();
  #events: LineEvents | null = null;
  #port: Port | null = null;
  #exchange: Exchange | null = null;
  /** A unit is being spoken to, or all at once. */
  #busy = false;
  /** When the wire last carried something, ours or not. */
  #activeUntilMs = 0;
  #quietUntilMs = 0;
  /** Bytes that nobody asked for have come since then, and until then at least the line is not quiet. */
  #held: { sinceMs: number; untilMs: number } | null = null;
  #stray = Buffer.alloc(0);
  #strayTimer: Timer | null = null;
  /** Whether the adapter hands our own bytes back; null until a read has shown it. */
  #echo: boolean | null = null;

  constructor(settings: LineSettings, context: RtuContext) {
    this.#settings = settings;
    this.#clock = context.clock;
    this.#times = lineTimes(settings);
    this.#lateness = new Lateness(context.clock, context.log);
    const converter = settings.path.startsWith('tcp://');
    this.#slackMs = converter ? CONVERTER_SLACK_MS : SERIAL_SLACK_MS;
    this.#silenceMs = converter ? CONVERTER_SILENCE_MS : SERIAL_SILENCE_MS;
    this.#steady = new SteadyLine(settings, context, {
      up: (port) => this.#up(port),
      data: (bytes) => this.#data(bytes),
      down: (reason) => this.#down(reason),
    });
  }

  start(events: LineEvents): void {
    this.#events = events;
    this.#steady.start();
  }

  async stop(): Promise<void> {
    this.#port = null;
    this.#strayTimer?.cancel();
    this.#finish({ result: 'lost', message: 'the line is being closed' });
    await this.#steady.stop();
  }

  abandonProbe(): void {
    const exchange = this.#exchange;
    if (exchange !== null && !exchange.unit.online) this.#fail(exchange, 'timed_out', 'not waited for: a strike came');
  }

  renew(reason: string): void {
    // Reopening a serial device gains nothing; a converter may have forgotten its connection.
    if (this.#settings.path.startsWith('tcp://')) this.#steady.reopen(reason);
  }

  lengthMs(request: Request): number {
    return transactionMs(this.#times, request, USUAL_TURNAROUND_MS);
  }

  waitMs(unit: LineUnit, nowMs: number): number {
    if (this.#busy) return BROADCAST_MS;
    const gapMs = Math.max(this.#times.t35Ms, unit.settings.minGapMs);
    const freeAtMs = Math.max(
      this.#activeUntilMs + gapMs,
      this.#quietUntilMs,
      this.#quietOfUnitMs.get(unit.settings.unit) ?? 0,
      this.#lateness.blockedUntilMs(unit),
    );
    return Math.max(0, freeAtMs - nowMs);
  }

  heldUpSinceMs(nowMs: number): number | null {
    return this.#held !== null && nowMs < this.#held.untilMs ? this.#held.sinceMs : null;
  }

  async exchange(unit: LineUnit, request: Request, options: SendOptions): Promise<Attempt> {
    assert(!this.#busy, 'one request at a time on an RTU line');
    assert(unit.settings.unit !== BROADCAST_UNIT, 'a broadcast is not answered');
    this.#busy = true;
    const attempt = await this.#exchangeSafely(unit, request, options);
    this.#busy = false;
    return attempt;
  }

  /** With an answer owed that would look the same, another question goes first whose answer cannot be mistaken. */
  async #exchangeSafely(unit: LineUnit, request: Request, options: SendOptions): Promise<Attempt> {
    this.#lookAtStray();
    if (this.#lateness.isAmbiguous(unit, request)) {
      const probe = this.#lateness.probeFor(unit);
      if (probe !== null) {
        const attempt = await this.#transact(unit, probe);
        if (attempt.result !== 'reply' && attempt.result !== 'exception') return attempt;
        await new Promise<void>((resolve) => this.#clock.after(Math.ceil(this.#times.t35Ms), resolve));
        const { notAfterMonotonicMs } = options;
        if (notAfterMonotonicMs !== undefined && this.#clock.monotonicMs() > notAfterMonotonicMs) {
          return { result: 'expired' };
        }
      }
    }
    const answer = this.#transact(unit, request);
    options.onSent?.();
    return await answer;
  }

  #transact(unit: LineUnit, request: Request): Promise<Attempt> {
    const sent = requestFrame(unit.settings.unit, request);
    const port = this.#port;
    if (port === null) return Promise.resolve({ result: 'lost', message: 'the line is not open' });
    return new Promise((resolve) => {
      const sentAtMs = this.#send(port, sent);
      unit.counters.bytesSent += sent.length;
      const answerMs = unit.settings.turnaroundMs + replyFrameLength(request) * this.#times.characterMs;
      const timeoutMs = this.#activeUntilMs - sentAtMs + this.#times.t35Ms + answerMs + this.#slackMs;
      this.#exchange = {
        unit,
        request,
        sent,
        sentAtMs,
        received: Buffer.alloc(0),
        forgotten: 0,
        judged: 0,
        damaged: false,
        deadline: this.#clock.after(timeoutMs, () => this.#expire()),
        latestEndMs: sentAtMs + 2 * timeoutMs,
        silence: null,
        resolve,
      };
    });
  }

  async broadcast(request: Request): Promise<boolean> {
    const port = this.#port;
    if (port === null || this.#busy) return false;
    this.#busy = true;
    const sent = requestFrame(BROADCAST_UNIT, request);
    const sentAtMs = this.#send(port, sent);
    const quietMs = this.#activeUntilMs - sentAtMs + BROADCAST_MS;
    await new Promise<void>((resolve) => this.#clock.after(quietMs, resolve));
    this.#busy = false;
    return this.#port === port;
  }

  #send(port: Port, bytes: Buffer): number {
    this.#stray = Buffer.alloc(0);
    const nowMs = this.#clock.monotonicMs();
    port.write(bytes);
    this.#activeUntilMs = nowMs + bytes.length * this.#times.characterMs;
    return nowMs;
  }

  #up(port: Port): void {
    this.#port = port;
    this.#echo = null;
    this.#quietUntilMs = 0;
    this.#activeUntilMs = this.#clock.monotonicMs();
    this.#events?.up();
  }

  #down(reason: string): void {
    this.#port = null;
    const exchange = this.#exchange;
    // A converter may still deliver that answer to the next connection.
    if (exchange !== null) this.#lateness.owe(exchange.unit, exchange.request, exchange.sentAtMs);
    this.#finish({ result: 'lost', message: reason });
    this.#events?.down(reason);
  }

  // ---- what arrives -------------------------------------------------------------------------------------------------

  #data(bytes: Buffer): void {
    const nowMs = this.#clock.monotonicMs();
    this.#activeUntilMs = Math.max(this.#activeUntilMs, nowMs);
    const exchange = this.#exchange;
    if (exchange === null) {
      this.#strayBytes(bytes);
      return;
    }
    exchange.unit.counters.bytesReceived += bytes.length;
    const received = Buffer.concat([exchange.received, bytes]);
    exchange.forgotten += Math.max(0, received.length - BUFFER_BOUND);
    exchange.received = received.subarray(-BUFFER_BOUND);
    exchange.silence?.cancel();
    exchange.silence = null;
    this.#look(exchange);
  }

  /** Looks for the answer in what has come so far. */
  #look(exchange: Exchange): void {
    const received = this.#withoutEcho(exchange);
    if (received === null) return;
    const { unit, request } = exchange;
    const begins = exchange.forgotten + exchange.received.length - received.length;
    const search = findReply(unit.settings.unit, request, received, Math.max(0, exchange.judged - begins));
    if (!search.found) {
      exchange.judged = begins + search.next;
      exchange.damaged ||= search.damaged;
      if (exchange.damaged) exchange.silence = this.#clock.after(this.#silenceMs, () => this.#giveUpDamaged(exchange));
      return;
    }
    const { decoded } = search;
    // What stood before it may be an answer that somebody owed.
    this.#lateness.notice(received.subarray(0, search.start));
    if (decoded.outcome === 'mismatch') {
      // From this unit, whole, and no answer to this: a former question's. The right one may follow.
      this.#lateness.notice(received.subarray(search.start, search.end));
      exchange.received = Buffer.from(received.subarray(search.end));
      exchange.forgotten = begins + search.end;
      exchange.sent = Buffer.alloc(0);
      if (exchange.received.length > 0) this.#look(exchange);
      return;
    }
    if (isEchoKnown(request)) this.#echo = received !== exchange.received;
    if (decoded.outcome === 'exception' && this.#lateness.isExceptionAmbiguous(unit, request)) {
      this.#fail(exchange, 'garbled', 'an exception came that may be a former answer');
      return;
    }
    if (!this.#lateness.isAmbiguous(unit, request)) this.#lateness.settle(unit);
    this.#finish(toAttempt(decoded, this.#clock.monotonicMs()));
  }

  /** What stands behind our own bytes where the adapter hands them back; null while they are still coming. */
  #withoutEcho(exchange: Exchange): Buffer | null {
    const { received, sent, request } = exchange;
    // The answer to FC05, 06 and 22 is our own bytes: one copy is then no proof of an echo, so a read must have shown
    // it before.
    if (sent.length === 0 || (this.#echo !== true && !isEchoKnown(request))) return received;
    if (received.length >= sent.length) {
      return received.subarray(0, sent.length).equals(sent) ? received.subarray(sent.length) : received;
    }
    return received.equals(sent.subarray(0, received.length)) ? null : received;
  }

  #giveUpDamaged(exchange: Exchange): void {
    this.#clock.immediate(() => {
      if (this.#exchange !== exchange || exchange.silence === null) return;
      exchange.unit.counters.crcErrors++;
      this.#lateness.owe(exchange.unit, exchange.request, exchange.sentAtMs);
      this.#finish({
        result: 'garbled',
        message: 'the answer came damaged (wrong CRC): noise, termination or baud rate',
      });
    });
  }

  #expire(): void {
    const exchange = this.#exchange;
    // A busy loop fires late, over bytes that are there already: they are delivered first.
    this.#clock.immediate(() => {
      if (exchange === null || this.#exchange !== exchange) return;
      const nowMs = this.#clock.monotonicMs();
      const flowing = exchange.received.length > 0 && nowMs - this.#activeUntilMs < this.#silenceMs;
      if (flowing && nowMs < exchange.latestEndMs) {
        exchange.deadline = this.#clock.after(this.#silenceMs, () => this.#expire());
        return;
      }
      const waitedMs = Math.round(nowMs - exchange.sentAtMs);
      const came = this.#withoutEcho(exchange) ?? Buffer.alloc(0);
      if (came.length === 0) this.#fail(exchange, 'timed_out', `no answer within ${waitedMs} ms`);
      else if (this.#lateness.notice(exchange.received))
        this.#fail(exchange, 'timed_out', `no answer within ${waitedMs} ms, but the one to a question before`);
      else {
        exchange.unit.counters.crcErrors++;
        this.#fail(exchange, 'garbled', whatCame(exchange, came));
      }
    });
  }

  /**
   * The answer may still come: nothing is asked of this unit until it would have, and of nobody while a unit that just
   * lived may speak any moment.
   */
  #fail(exchange: Exchange, result: 'timed_out' | 'garbled', message: string): void {
    const { unit, request, sentAtMs } = exchange;
    this.#lateness.owe(unit, request, sentAtMs);
    const quietUntilMs = this.#clock.monotonicMs() + this.#lateness.lateMs(unit) + this.#slackMs;
    this.#quietOfUnitMs.set(unit.settings.unit, quietUntilMs);
    if (unit.online) this.#quietUntilMs = quietUntilMs;
    this.#finish({ result, message });
  }

  #finish(attempt: Attempt): void {
    const exchange = this.#exchange;
    if (exchange === null) return;
    this.#exchange = null;
    exchange.deadline.cancel();
    exchange.silence?.cancel();
    exchange.resolve(attempt);
  }

  /** Bytes while nothing is asked: an answer that was given up, or noise. Either way the wire is not quiet yet. */
  #strayBytes(bytes: Buffer): void {
    this.#stray = Buffer.concat([this.#stray, bytes]).subarray(-BUFFER_BOUND);
    const nowMs = this.#clock.monotonicMs();
    this.#quietUntilMs = Math.max(this.#quietUntilMs, nowMs + this.#silenceMs);
    this.#held = { sinceMs: this.heldUpSinceMs(nowMs) ?? nowMs, untilMs: nowMs + this.#silenceMs };
    this.#strayTimer ??= this.#clock.after(STRAY_LOOK_MS, () => this.#lookAtStray());
  }

  #lookAtStray(): void {
    this.#strayTimer?.cancel();
    this.#strayTimer = null;
    if (this.#stray.length === 0) return;
    if (this.#lateness.notice(this.#stray)) this.#events?.late?.();
    else {
      // A frame that is not whole yet may be by the next look; what was told of is not told again.
      const units = framesIn(this.#stray);
      if (units.length === 0) return;
      for (const unit of units) this.#events?.strange?.(unit);
    }
    this.#stray = Buffer.alloc(0);
  }
}

/** What is wrong with what came in place of an answer. */
function whatCame({ unit, request }: Exchange, came: Buffer): string {
  const other = whoAnswered(unit.settings.unit, request, came);
  if (other !== null) return `unit ${other} answered where ${unit.settings.unit} was asked`;
  const whole = replyFrameLength(request);
  if (came[0] === unit.settings.unit && came[1] === request.fc && came.length < whole)
    return `the answer stops after ${came.length} of ${whole} bytes`;
  return `no whole answer, only ${came.length} bytes that are none: baud rate, parity, or two devices at one address`;
}

/** Whether one copy of our own bytes proves an echo: the answers to these functions look different. */
const isEchoKnown = (request: Request): boolean => request.fc !== 5 && request.fc !== 6 && request.fc !== 22;

const toAttempt = (
  decoded: { outcome: 'reply'; reply: Reply } | { outcome: 'exception'; code: number },
  atMonotonicMs: number,
): Attempt =>
  decoded.outcome === 'reply'
    ? { result: 'reply', reply: decoded.reply, atMonotonicMs }
    : { result: 'exception', code: decoded.code };
