// The Modbus TCP line: a connection that is made again after each loss, every call ended by a deadline or with the
// connection, and what a gateway does while it looks for a unit that is not there. A device that closes the connection
// between two answers is no outage: the next question makes another. A unit that was asked in vain is asked on a
// connection of its own, so that nobody waits behind it, as long as the gateway takes two.

import type { Attempt, Line, LineEvents, LineUnit, SendOptions } from './bus-terms.ts';
import type { Question } from './answer-watch.ts';
import type { Request } from './codec.ts';
import { TcpConnection, type TcpAddress } from './tcp-connection.ts';
import { assert } from '../../src/domain/errors.ts';
import type { Clock, Log, Random, Timer } from '../../src/domain/ports.ts';

const RETRY_FIRST_MS = 500;
const RETRY_LAST_MS = 5_000;
/** What a network and a gateway's own queue may add to a device's turnaround. */
const NETWORK_SLACK_MS = 250;
/**
 * A gateway that looks for a unit in vain keeps everybody behind it waiting meanwhile. So long, at most, others that
 * ask through it are waited for on that account.
 */
const GATEWAY_BUSY_MS = 5_000;
/** How often it is looked at whether it is done. */
const GATEWAY_LOOK_MS = 100;
/** A device that ends each connection after one answer may be a moment before it takes the next. */
const AGAIN_FIRST_MS = 20;
const AGAIN_TRIES = 6;
/** Whoever ends one of two connections so soon takes no two, and is not tried for so long. */
const TWO_WITHIN_MS = 1_000;
const TWO_AGAIN_MS = 60 * 60_000;

export type { TcpAddress } from './tcp-connection.ts';
export type TcpContext = { clock: Clock; random: Random; log: Log };

type Pending = { connection: TcpConnection; settle: (attempt: Attempt) => void };
/** An answer that may still come, as long as the connection on which it was asked is there. */
type Debt = { sinceMs: number; connection: TcpConnection };

export class TcpLine implements Line {
  readonly #address: TcpAddress;
  readonly #context: TcpContext;
  readonly #clock: Clock;
  readonly #mostInFlight: number;
  #events: LineEvents | null = null;
  #state: 'stopped' | 'down' | 'up' = 'stopped';
  /** Open, or being opened. */
  #main: TcpConnection | null = null;
  /** For units that were asked in vain. */
  #aside: { connection: TcpConnection; openedAtMs: number; tell(connection: TcpConnection | null): void } | null = null;
  #takesTwoFromMs = Number.NEGATIVE_INFINITY;
  /** The device was seen to end a connection after its one answer. */
  #isOneAnswerEach = false;
  #tries = 0;
  #timer: Timer | null = null;
  #failures = 0;
  readonly #waiting = new Set<(connection: TcpConnection | null) => void>();
  readonly #pending = new Map<Pending, LineUnit>();
  /** Answers that units which are offline owe, and that are no longer waited for. */
  readonly #owed = new Map<LineUnit, Debt>();
  /** Units for which it was waited like that in vain: the gateway drops what it cannot deliver. */
  readonly #dropped = new Set<LineUnit>();
  /** When the last answer that was owed came. */
  #owedCameAtMs = Number.NEGATIVE_INFINITY;
  readonly #units = new Set<LineUnit>();
  /** The gateway was seen to look for them for longer than they are waited for. */
  readonly #slow = new Set<LineUnit>();
  /** Asked in vain, and not heard since. */
  readonly #vain = new Set<LineUnit>();
  /** When each unit was last asked, for its least pause. */
  readonly #askedAtMs = new Map<number, number>();

  constructor(address: TcpAddress, maxInFlight: number, context: TcpContext) {
    assert(maxInFlight >= 1, 'at least one request is in flight');
    this.#address = address;
    this.#mostInFlight = maxInFlight;
    this.#context = context;
    this.#clock = context.clock;
  }

  get maxInFlight(): number {
    return this.#isOneAnswerEach ? 1 : this.#mostInFlight;
  }

  start(events: LineEvents): void {
    this.#events = events;
    this.#state = 'down';
    this.#connect();
  }

  stop(): Promise<void> {
    this.#state = 'stopped';
    this.#timer?.cancel();
    const connection = this.#main;
    this.#let('the connection is being closed');
    connection?.close();
    return Promise.resolve();
  }

  abandonProbe(): void {
    for (const [{ connection, settle }, unit] of [...this.#pending]) {
      // What is asked aside keeps nobody waiting.
      if (unit.online || connection !== this.#main) continue;
      this.#owed.set(unit, { sinceMs: this.#clock.monotonicMs(), connection });
      settle({ result: 'timed_out', message: 'not waited for: a strike came' });
    }
  }

  renew(reason: string): void {
    if (this.#state === 'up') this.#lost(reason);
  }

  lengthMs(): number {
    return 0;
  }

  waitMs(unit: LineUnit, nowMs: number): number {
    const askedAtMs = this.#askedAtMs.get(unit.settings.unit) ?? Number.NEGATIVE_INFINITY;
    const waitMs = Math.max(0, askedAtMs + unit.settings.minGapMs - nowMs);
    const owedSinceMs = this.#slow.has(unit) && !this.#dropped.has(unit) ? this.#owed.get(unit)?.sinceMs : undefined;
    // The gateway still looks for it: to ask once more would have it look once more.
    return owedSinceMs === undefined || unit.online ? waitMs : Math.max(waitMs, owedSinceMs + GATEWAY_BUSY_MS - nowMs);
  }

  /** Whether this unit is asked on a connection of its own, which keeps nobody else waiting. */
  isAside(unit: LineUnit): boolean {
    this.#units.add(unit);
    if (unit.online) this.#vain.delete(unit);
    const mayBe = this.#vain.has(unit) && !this.#isOneAnswerEach && this.#clock.monotonicMs() >= this.#takesTwoFromMs;
    return mayBe && [...this.#units].some(({ online }) => online);
  }

  async exchange(unit: LineUnit, request: Request, options: SendOptions): Promise<Attempt> {
    if (this.#state !== 'up') return { result: 'lost', message: 'there is no connection' };
    const isAside = this.isAside(unit);
    const connection = this.#usable(isAside) ?? (await this.#next(isAside));
    if (connection === null) {
      // Asked again later, among the others.
      return isAside ? { result: 'expired' } : { result: 'lost', message: 'there is no connection' };
    }
    const { notAfterMonotonicMs } = options;
    if (notAfterMonotonicMs !== undefined && this.#clock.monotonicMs() > notAfterMonotonicMs)
      return { result: 'expired' };
    const attempt = await this.#askOn(connection, unit, request, options);
    const isAnswered = attempt.result === 'reply' || attempt.result === 'exception';
    this.#noteVain(unit, attempt, isAside);
    this.#askedAtMs.set(unit.settings.unit, this.#clock.monotonicMs());
    if (isAnswered && connection === this.#main && this.#isOneAnswerEach) this.#another(connection);
    if (isAnswered && connection === this.#aside?.connection) this.#endAside();
    return attempt;
  }

  /**
   * One that a second connection brought nothing of is asked on the first the next time: it may be that nobody reads
   * the second.
   */
  #noteVain(unit: LineUnit, { result }: Attempt, isAside: boolean): void {
    if (result === 'reply') this.#slow.delete(unit);
    if (result === 'reply' || (isAside && result === 'timed_out')) this.#vain.delete(unit);
    else if (!unit.online) this.#vain.add(unit);
  }

  #askOn(connection: TcpConnection, unit: LineUnit, request: Request, options: SendOptions): Promise<Attempt> {
    const sentAtMs = this.#clock.monotonicMs();
    const isKnock = !unit.online;
    const isAside = connection !== this.#main;
    return new Promise<Attempt>((resolve) => {
      let question: Question | null = null;
      // A device that takes several requests at once may still see to them one after the other.
      const before = [...this.#pending.values()].filter((other) => other === unit).length;
      const timeoutMs = unit.settings.turnaroundMs * (before + 1) + NETWORK_SLACK_MS;
      const pending: Pending = {
        connection,
        settle: (result) => {
          if (!this.#pending.delete(pending)) return;
          deadline.cancel();
          if (question?.state === 'open') question.state = 'given_up';
          resolve(result);
        },
      };
      const giveUp = (): void => {
        // A strike whose time is over is called back, whoever keeps the gateway.
        const busyMs = options.notAfterMonotonicMs === undefined ? this.#busyMs(unit, timeoutMs) : 0;
        if (busyMs > 0) {
          deadline = this.#clock.after(Math.min(busyMs, GATEWAY_LOOK_MS), () => this.#clock.immediate(giveUp));
          return;
        }
        if (isKnock && !this.#isStillOwed(unit)) this.#owed.set(unit, { sinceMs: sentAtMs, connection });
        this.#giveUp(pending, question, sentAtMs);
      };
      let deadline = this.#clock.after(timeoutMs, () => this.#clock.immediate(giveUp));
      this.#pending.set(pending, unit);
      if (isAside) this.#owed.set(unit, { sinceMs: sentAtMs, connection });
      question = connection.ask(unit, request, (answer) => {
        const isLate = !this.#pending.has(pending) && isKnock;
        if (answer.result !== 'lost' && this.#owed.delete(unit)) this.#owedCameAtMs = this.#clock.monotonicMs();
        pending.settle(answer);
        if (!isLate || answer.result === 'lost') return;
        this.#dropped.delete(unit);
        this.#vain.add(unit);
        this.#slow.add(unit);
        if (connection === this.#aside?.connection) this.#endAside();
        unit.answeredLate(this.#clock.monotonicMs() - sentAtMs, answer);
      });
      options.onSent?.();
    });
  }

  /** Whether there is a way left for the answer to come. */
  #isStillOwed(unit: LineUnit): boolean {
    return this.#owed.get(unit)?.connection.isOpen === true;
  }

  #giveUp(pending: Pending, question: Question | null, sentAtMs: number): void {
    const { connection } = pending;
    const waitedMs = Math.round(this.#clock.monotonicMs() - sentAtMs);
    const found = question === null ? null : connection.why(question);
    const nothing = `no answer within ${waitedMs} ms`;
    if (found === null) pending.settle({ result: 'timed_out', message: nothing });
    else if (found.kind === 'late') pending.settle({ result: 'timed_out', message: `${nothing}; ${found.message}` });
    else pending.settle({ result: 'garbled', message: found.message });
    if (found?.kind !== 'torn') return;
    if (connection === this.#main) this.#lost(found.message);
    else this.#endAside();
  }

  /**
   * For how long the gateway may still be kept by a unit that is not there, ms, and need its usual time for this one
   * after that. 0: no reason to wait.
   */
  #busyMs(unit: LineUnit, usualMs: number): number {
    if (!unit.online) return 0;
    const nowMs = this.#clock.monotonicMs();
    let untilMs = this.#owedCameAtMs + usualMs;
    for (const [other, { sinceMs, connection }] of [...this.#owed]) {
      if (other === unit || this.#dropped.has(other)) continue;
      if (nowMs >= sinceMs + GATEWAY_BUSY_MS) {
        this.#owed.delete(other);
        // What was asked on a connection that ended could not be answered: that says nothing of the gateway.
        if (connection.isOpen) this.#dropped.add(other);
      } else untilMs = Math.max(untilMs, sinceMs + GATEWAY_BUSY_MS);
    }
    return untilMs - nowMs;
  }

  /** TCP knows no broadcast of its own; a gateway hands unit 0 on to its serial side and answers nothing. */
  async broadcast(request: Request): Promise<boolean> {
    const connection = this.#state === 'up' ? (this.#usable(false) ?? (await this.#next(false))) : null;
    if (connection === null) return false;
    connection.tellAll(request);
    await new Promise<void>((resolve) => this.#clock.after(NETWORK_SLACK_MS, resolve));
    return this.#main === connection;
  }

  // ---- the connections ----------------------------------------------------------------------------------------------

  #usable(isAside: boolean): TcpConnection | null {
    const connection = isAside ? (this.#aside?.connection ?? null) : this.#main;
    return connection?.isOpen === true ? connection : null;
  }

  /** The next connection; null when there will be none. */
  #next(isAside: boolean): Promise<TcpConnection | null> {
    if (isAside) return this.#openAside();
    if (this.#main === null && this.#timer === null) this.#connect();
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #connect(): void {
    this.#timer = null;
    const connection = new TcpConnection(this.#address, this.#clock, {
      connected: () => {
        if (this.#main !== connection) return;
        this.#failures = 0;
        this.#tries = 0;
        this.#tellWaiting(connection);
        if (this.#state !== 'down') return;
        this.#state = 'up';
        this.#events?.up();
      },
      ended: (reason) => {
        if (this.#main === connection) this.#ended(connection, reason);
      },
      broken: (fault) => {
        if (this.#main !== connection) return;
        this.#settleAll(connection, { result: 'garbled', message: fault });
        this.#lost(fault);
      },
    });
    this.#main = connection;
  }

  #ended(connection: TcpConnection, reason: string): void {
    const isAsked = [...this.#pending.keys()].some((pending) => pending.connection === connection);
    const isBetween = connection.isWhole && (connection.answers > 0 || (connection.wasOpen && !isAsked));
    if (this.#state === 'up' && !connection.wasOpen && this.#isOneAnswerEach && this.#tries < AGAIN_TRIES) {
      this.#soon();
      return;
    }
    if (this.#state !== 'up' || !isBetween) {
      this.#lost(reason);
      return;
    }
    if (this.#aside !== null && this.#clock.monotonicMs() - this.#aside.openedAtMs < TWO_WITHIN_MS) {
      this.#takesNoTwo();
      this.#endAside();
    }
    if (connection.answers === 1 && !this.#isOneAnswerEach) {
      this.#isOneAnswerEach = true;
      this.#context.log.info('the device ends the connection after one answer: each question gets one of its own');
    }
    this.#main = null;
    this.#settleAll(connection, { result: 'lost', message: reason });
    if (this.#waiting.size > 0 || (this.#isOneAnswerEach && connection.answers > 0)) this.#connect();
  }

  /** This one has had its answer. */
  #another(connection: TcpConnection): void {
    connection.close();
    this.#settleAll(connection, { result: 'lost', message: 'the device takes one question for each connection' });
    this.#connect();
  }

  #soon(): void {
    this.#main = null;
    this.#timer = this.#clock.after(AGAIN_FIRST_MS * 2 ** this.#tries++, () => this.#connect());
  }

  #openAside(): Promise<TcpConnection | null> {
    return new Promise((resolve) => {
      const over = (): void => {
        if (this.#aside?.connection !== connection) return;
        const isAtOnce = this.#clock.monotonicMs() - this.#aside.openedAtMs < TWO_WITHIN_MS;
        if (connection.answers === 0 && (isAtOnce || !connection.wasOpen)) this.#takesNoTwo();
        this.#endAside();
      };
      const connection = new TcpConnection(this.#address, this.#clock, {
        connected: () => resolve(connection),
        ended: over,
        broken: over,
      });
      this.#aside = { connection, openedAtMs: this.#clock.monotonicMs(), tell: resolve };
    });
  }

  #takesNoTwo(): void {
    this.#takesTwoFromMs = this.#clock.monotonicMs() + TWO_AGAIN_MS;
    this.#context.log.info('the gateway takes one connection: units that do not answer are asked on it as well');
  }

  #endAside(): void {
    const aside = this.#aside;
    if (aside === null) return;
    this.#aside = null;
    aside.tell(null);
    aside.connection.close();
    this.#settleAll(aside.connection, { result: 'lost', message: 'the connection broke' });
  }

  #lost(reason: string): void {
    const connection = this.#main;
    this.#let(reason);
    connection?.reset();
    if (this.#state === 'stopped') return;
    this.#state = 'down';
    this.#events?.down(reason);
    const longestMs = Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** Math.min(this.#failures++, 10));
    this.#timer = this.#clock.after(longestMs * (0.5 + 0.5 * this.#context.random.fraction()), () => this.#connect());
  }

  /** Lets go of both connections: who waits for an answer hears at once that there will be none. */
  #let(reason: string): void {
    const connection = this.#main;
    this.#main = null;
    this.#isOneAnswerEach = false;
    this.#timer?.cancel();
    this.#timer = null;
    this.#endAside();
    this.#owed.clear();
    this.#dropped.clear();
    this.#tellWaiting(null);
    if (connection !== null) this.#settleAll(connection, { result: 'lost', message: reason });
  }

  #settleAll(connection: TcpConnection, attempt: Attempt): void {
    for (const pending of [...this.#pending.keys()]) if (pending.connection === connection) pending.settle(attempt);
  }

  #tellWaiting(connection: TcpConnection | null): void {
    for (const tell of [...this.#waiting]) {
      this.#waiting.delete(tell);
      tell(connection);
    }
  }
}
