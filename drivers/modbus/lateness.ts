// Answers that were given up and may still come. RTU carries no transaction number, so after a time-out an answer of
// the same shape proves nothing: it may be the former question's. What proves something is an answer that no owed one
// can look like: a device answers in the order it was asked, so with that one everything before it was answered or
// never will be.

import type { LineUnit } from './bus-terms.ts';
import { encodeRequest, replyLength, type Request } from './codec.ts';
import { findReply } from './rtu.ts';
import type { Clock, Log } from '../../src/domain/ports.ts';

type Debt = { request: Request; sentAtMs: number };
type UnitDebts = { debts: Debt[]; slowestMs: number; told: boolean };

const DEBTS_BOUND = 16;
/** An answer that has not come after so long does not come; more where a device was seen to be slower. */
const EXPIRY_LEAST_MS = 1_000;
const EXPIRY_TURNAROUNDS = 4;
/** No device is waited for longer than this, however late it was seen to answer. */
const LATE_MAX_MS = 10_000;
const SLOWER_BY = 1.5;

export class Lateness {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #units = new Map<number, UnitDebts>();

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /** An answer was given up. */
  owe(unit: LineUnit, request: Request, sentAtMs: number): void {
    const state = this.#units.get(unit.settings.unit) ?? { debts: [], slowestMs: 0, told: false };
    this.#units.set(unit.settings.unit, state);
    state.debts.push({ request, sentAtMs });
    if (state.debts.length > DEBTS_BOUND) state.debts.shift();
  }

  /** Whether the answer to `request` could be one that is owed. */
  isAmbiguous(unit: LineUnit, request: Request): boolean {
    return this.#owed(unit).some((debt) => looksAlike(debt.request, request));
  }

  /** Whether an exception to this function could be one that is owed. */
  isExceptionAmbiguous(unit: LineUnit, request: Request): boolean {
    return this.#owed(unit).some((debt) => debt.request.fc === request.fc);
  }

  /** An answer has come that none of the owed ones could be. */
  settle(unit: LineUnit): void {
    const state = this.#units.get(unit.settings.unit);
    if (state !== undefined) state.debts = [];
  }

  /** A question whose answer looks like none of the owed ones; null when there is none, and then only time helps. */
  probeFor(unit: LineUnit): Request | null {
    const owed = this.#owed(unit);
    const isUnlike = (probe: Request): boolean => !owed.some((debt) => looksAlike(debt.request, probe));
    return unit.settings.settlers.find(isUnlike) ?? null;
  }

  /** Until when nothing can be asked of this unit; in the past when something can. */
  blockedUntilMs(unit: LineUnit): number {
    const last = this.#owed(unit).at(-1);
    return last === undefined || this.probeFor(unit) !== null ? 0 : last.sentAtMs + this.#expiryMs(unit);
  }

  /** How long an answer may still come once it was given up. */
  lateMs(unit: LineUnit): number {
    const slowestMs = this.#units.get(unit.settings.unit)?.slowestMs ?? 0;
    return Math.min(LATE_MAX_MS, Math.max(unit.settings.lateReplyMs, slowestMs * SLOWER_BY));
  }

  /**
   * Looks for an owed answer in bytes that answer nothing else; how late it was is remembered. Returns whether there
   * was one.
   */
  notice(bytes: Buffer): boolean {
    for (const [unit, state] of this.#units) {
      const index = state.debts.findIndex((debt) => findReply(unit, debt.request, bytes).found);
      const debt = state.debts[index];
      if (debt === undefined) continue;
      // Answered in order: what was asked before it is not answered any more.
      state.debts.splice(0, index + 1);
      this.#remember(unit, state, Math.round(this.#clock.monotonicMs() - debt.sentAtMs));
      return true;
    }
    return false;
  }

  #remember(unit: number, state: UnitDebts, lateMs: number): void {
    state.slowestMs = Math.max(state.slowestMs, lateMs);
    if (state.told) return;
    state.told = true;
    this.#log.warn('a device answers later than its profile says: raise turnaround_max', { unit, lateMs });
  }

  #owed(unit: LineUnit): readonly Debt[] {
    const state = this.#units.get(unit.settings.unit);
    if (state === undefined || state.debts.length === 0) return [];
    const oldestMs = this.#clock.monotonicMs() - this.#expiryMs(unit);
    state.debts = state.debts.filter(({ sentAtMs }) => sentAtMs > oldestMs);
    return state.debts;
  }

  #expiryMs(unit: LineUnit): number {
    const { turnaroundMs } = unit.settings;
    return Math.min(LATE_MAX_MS, Math.max(EXPIRY_LEAST_MS, turnaroundMs * EXPIRY_TURNAROUNDS, this.lateMs(unit)));
  }
}

/** Whether the answers cannot be told apart: the same function and length, and for a write the same echo. */
function looksAlike(one: Request, other: Request): boolean {
  if (one.fc !== other.fc || replyLength(one) !== replyLength(other)) return false;
  const echoes = one.fc > 4 && one.fc !== 23;
  if (!echoes) return true;
  const length = replyLength(one);
  return encodeRequest(one).subarray(0, length).equals(encodeRequest(other).subarray(0, length));
}
