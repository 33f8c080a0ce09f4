// The RTU line: Modbus frames over a serial port, or over a serial converter on the network. RTU carries no transaction number, so an answer that comes too late
// looks exactly like the answer to the next question. Everything here serves one promise: such an answer is never taken for another's.

import type { Attempt, Line, LineEvents, LineUnit } from './bus.ts';
import type { Reply, Request } from './codec.ts';
import { BROADCAST_UNIT, findReply, lineTimes, replyFrameLength, requestFrame, type LineTimes } from './rtu.ts';
import { assert } from '../../src/domain/errors.ts';
import type { Clock, LineSettings, Log, OpenPort, Port, Random, Timer } from '../../src/domain/ports.ts';
import { SteadyLine } from '../../src/domain/steady-line.ts';

/** What the way between us and the wire adds: a USB adapter's buffer in each direction, or a network with a converter that collects bytes. */
const SERIAL_SLACK_MS = 40;
const CONVERTER_SLACK_MS = 250;
/** A damaged frame is given up once nothing has followed for this long. */
const SERIAL_SILENCE_MS = 30;
const CONVERTER_SILENCE_MS = 150;
/** No device is waited for longer than this, however late it was seen to answer. */
const LATE_REPLY_MAX_MS = 10_000;
/** More than two of the longest frames is noise: only the end of it can still become an answer. */
const BUFFER_BOUND = 1024;
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
  deadline: Timer;
  latestEndMs: number;
  silence: Timer | null;
  /** An answer that may be a former question's: believed once nothing more has come for a while. */
  held: { reply: Attempt } | null;
  resolve(attempt: Attempt): void;
};

/** A question whose answer was given up and may still come. */
type Debt = { request: Request; sentAtMs: number };
type UnitLateness = { debts: Debt[]; quietUntilMs: number; slowestMs: number; told: boolean };

const DEBTS_BOUND = 8;

export class RtuLine implements Line {
  readonly maxInFlight = 1;
  readonly #settings: LineSettings;
  readonly #context: RtuContext;
  readonly #clock: Clock;
  readonly #times: LineTimes;
  readonly #slackMs: number;
  readonly #silenceMs: number;
  readonly #steady: SteadyLine;
  readonly #lateness = new Map<number, UnitLateness>();
  #events: LineEvents | null = null;
  #port: Port | null = null;
  #exchange: Exchange | null = null;
  #broadcasting = false;
  /** When the wire last carried something, ours or not. */
  #activeUntilMs = 0;
  #quietUntilMs = 0;
  #stray = Buffer.alloc(0);
  /** Whether the adapter hands our own bytes back; null until a read has shown it. */
  #echo: boolean | null = null;

  constructor(settings: LineSettings, context: RtuContext) {
    this.#settings = settings;
    this.#context = context;
    this.#clock = context.clock;
    this.#times = lineTimes(settings);
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
    this.#finish({ result: 'lost', message: 'the line is being closed' });
    await this.#steady.stop();
  }

  renew(reason: string): void {
    // Reopening a serial device gains nothing; a converter may have forgotten its connection.
    if (this.#settings.path.startsWith('tcp://')) this.#steady.reopen(reason);
  }

  waitMs(unit: LineUnit): number {
    const gapMs = Math.max(this.#times.t35Ms, unit.settings.minGapMs);
    const freeAtMs = Math.max(
      this.#activeUntilMs + gapMs,
      this.#quietUntilMs,
      this.#lateness.get(unit.settings.unit)?.quietUntilMs ?? 0,
    );
    return this.#broadcasting ? BROADCAST_MS : Math.max(0, freeAtMs - this.#clock.monotonicMs());
  }

  exchange(unit: LineUnit, request: Request): Promise<Attempt> {
    assert(this.#exchange === null, 'one request at a time on an RTU line');
    assert(unit.settings.unit !== BROADCAST_UNIT, 'a broadcast is not answered');
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
        deadline: this.#clock.after(timeoutMs, () => this.#expire()),
        latestEndMs: sentAtMs + 2 * timeoutMs,
        silence: null,
        held: null,
        resolve,
      };
    });
  }

  async broadcast(request: Request): Promise<boolean> {
    const port = this.#port;
    if (port === null || this.#exchange !== null || this.#broadcasting) return false;
    this.#broadcasting = true;
    const sent = requestFrame(BROADCAST_UNIT, request);
    const sentAtMs = this.#send(port, sent);
    const quietMs = this.#activeUntilMs - sentAtMs + BROADCAST_MS;
    await new Promise<void>((resolve) => this.#clock.after(quietMs, resolve));
    this.#broadcasting = false;
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
    this.#lateness.clear();
    this.#quietUntilMs = 0;
    this.#activeUntilMs = this.#clock.monotonicMs();
    this.#events?.up();
  }

  #down(reason: string): void {
    this.#port = null;
    this.#finish({ result: 'lost', message: reason });
    this.#events?.down(reason);
  }

  // ---- what arrives ------------------------------------------------------------------------------------------------------------------------------

  #data(bytes: Buffer): void {
    const nowMs = this.#clock.monotonicMs();
    this.#activeUntilMs = Math.max(this.#activeUntilMs, nowMs);
    const exchange = this.#exchange;
    if (exchange === null) {
      this.#strayBytes(bytes);
      return;
    }
    exchange.unit.counters.bytesReceived += bytes.length;
    exchange.received = Buffer.concat([exchange.received, bytes]).subarray(-BUFFER_BOUND);
    exchange.silence?.cancel();
    exchange.silence = null;
    if (exchange.held !== null) this.#doubtConfirmed(exchange);
    else this.#look(exchange);
  }

  /** Looks for the answer in what has come so far. */
  #look(exchange: Exchange): void {
    const received = this.#withoutEcho(exchange);
    if (received === null) return;
    const { unit, request } = exchange;
    const search = findReply(unit.settings.unit, request, received);
    if (!search.found) {
      if (search.damaged) exchange.silence = this.#clock.after(this.#silenceMs, () => this.#giveUpDamaged(exchange));
      return;
    }
    const { decoded } = search;
    const rest = received.subarray(search.end);
    if (decoded.outcome === 'mismatch') {
      // From this unit, whole, and no answer to this: a former question's. The right one may follow.
      this.#repay(unit, exchange.sentAtMs);
      exchange.received = Buffer.from(rest);
      exchange.sent = Buffer.alloc(0);
      if (rest.length > 0) this.#look(exchange);
      return;
    }
    if (isEchoKnown(request)) this.#echo = received !== exchange.received;
    const attempt = toAttempt(decoded, this.#clock.monotonicMs());
    this.#noticeLate(received.subarray(0, search.end));
    if (!this.#mayBeLate(unit, request)) this.#finish(attempt);
    else if (rest.length > 0) this.#doubtConfirmed(exchange);
    else this.#hold(exchange, attempt);
  }

  /** What stands behind our own bytes where the adapter hands them back; null while they are still coming. */
  #withoutEcho(exchange: Exchange): Buffer | null {
    const { received, sent, request } = exchange;
    // The answer to FC05, 06 and 22 is our own bytes: one copy is then no proof of an echo, so a read must have shown it before.
    if (sent.length === 0 || (this.#echo !== true && !isEchoKnown(request))) return received;
    if (received.length >= sent.length) {
      return received.subarray(0, sent.length).equals(sent) ? received.subarray(sent.length) : received;
    }
    return received.equals(sent.subarray(0, received.length)) ? null : received;
  }

  /** The answer has the shape of one that is owed: it is believed once the line has stayed quiet behind it. */
  #hold(exchange: Exchange, reply: Attempt): void {
    exchange.held = { reply };
    exchange.deadline.cancel();
    exchange.silence = this.#clock.after(this.#lateMs(exchange.unit), () => {
      this.#clock.immediate(() => {
        if (this.#exchange !== exchange || exchange.silence === null) return;
        this.#stateOf(exchange.unit).debts = [];
        this.#finish(reply);
      });
    });
  }

  /** Two answers to one question: the first was a former one's, and which the second is nobody can say. */
  #doubtConfirmed(exchange: Exchange): void {
    this.#repay(exchange.unit, exchange.sentAtMs);
    this.#fail(exchange, 'garbled', 'a late answer came in between');
  }

  #giveUpDamaged(exchange: Exchange): void {
    this.#clock.immediate(() => {
      if (this.#exchange !== exchange || exchange.silence === null) return;
      exchange.unit.counters.crcErrors++;
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
      if (exchange === null || this.#exchange !== exchange || exchange.held !== null) return;
      const nowMs = this.#clock.monotonicMs();
      const flowing = exchange.received.length > 0 && nowMs - this.#activeUntilMs < this.#silenceMs;
      if (flowing && nowMs < exchange.latestEndMs) {
        exchange.deadline = this.#clock.after(this.#silenceMs, () => this.#expire());
        return;
      }
      const came = exchange.received.length;
      if (came > 0) exchange.unit.counters.crcErrors++;
      const waitedMs = Math.round(nowMs - exchange.sentAtMs);
      this.#fail(
        exchange,
        'timed_out',
        came === 0 ? `no answer within ${waitedMs} ms` : `no whole answer within ${waitedMs} ms, only ${came} bytes`,
      );
    });
  }

  /** The answer may still come: nothing is asked of this unit until it would have, and of nobody while a unit that just lived may speak any moment. */
  #fail(exchange: Exchange, result: 'timed_out' | 'garbled', message: string): void {
    const { unit, request, sentAtMs } = exchange;
    const state = this.#stateOf(unit);
    state.debts.push({ request, sentAtMs });
    if (state.debts.length > DEBTS_BOUND) state.debts.shift();
    const quietUntilMs = this.#clock.monotonicMs() + this.#lateMs(unit);
    state.quietUntilMs = quietUntilMs;
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

  // ---- late answers ------------------------------------------------------------------------------------------------------------------------------

  #stateOf(unit: LineUnit): UnitLateness {
    const found = this.#lateness.get(unit.settings.unit);
    if (found !== undefined) return found;
    const fresh: UnitLateness = { debts: [], quietUntilMs: 0, slowestMs: 0, told: false };
    this.#lateness.set(unit.settings.unit, fresh);
    return fresh;
  }

  #lateMs(unit: LineUnit): number {
    const slowestMs = 1.5 * (this.#lateness.get(unit.settings.unit)?.slowestMs ?? 0);
    return Math.min(LATE_REPLY_MAX_MS, Math.max(unit.settings.lateReplyMs, slowestMs) + this.#slackMs);
  }

  #mayBeLate(unit: LineUnit, request: Request): boolean {
    const debts = this.#lateness.get(unit.settings.unit)?.debts ?? [];
    return debts.some(
      (debt) => debt.request.fc === request.fc && replyFrameLength(debt.request) === replyFrameLength(request),
    );
  }

  /** Bytes while nothing is asked: an answer that was given up, or noise. Either way the wire is not quiet yet. */
  #strayBytes(bytes: Buffer): void {
    this.#stray = Buffer.concat([this.#stray, bytes]).subarray(-BUFFER_BOUND);
    const nowMs = this.#clock.monotonicMs();
    this.#quietUntilMs = Math.max(this.#quietUntilMs, nowMs + this.#silenceMs);
    if (this.#noticeLate(this.#stray)) this.#stray = Buffer.alloc(0);
  }

  /** Whether an owed answer stands in these bytes; it is written off then, and how late it was is remembered. */
  #noticeLate(bytes: Buffer): boolean {
    const asked = this.#exchange?.unit.settings.unit;
    for (const [unit, state] of this.#lateness) {
      const debt = unit === asked ? undefined : state.debts[0];
      if (debt === undefined || !findReply(unit, debt.request, bytes).found) continue;
      this.#writeOff(unit, state);
      return true;
    }
    return false;
  }

  #repay(unit: LineUnit, beforeMs: number): void {
    const state = this.#stateOf(unit);
    if ((state.debts[0]?.sentAtMs ?? beforeMs) < beforeMs) this.#writeOff(unit.settings.unit, state);
  }

  #writeOff(unit: number, state: UnitLateness): void {
    const debt = state.debts.shift();
    if (debt === undefined) return;
    const lateMs = Math.round(this.#clock.monotonicMs() - debt.sentAtMs);
    state.slowestMs = Math.max(state.slowestMs, lateMs);
    if (state.told) return;
    state.told = true;
    this.#context.log.warn('a device answers later than its profile says: raise turnaround_max there', {
      unit,
      lateMs,
    });
  }
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
