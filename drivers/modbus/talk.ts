// How a device's parts speak to it: reads and writes of areas, cut into requests that the device takes and the bus can
// bear, with patience for a busy device. What comes of it is a value; nothing here throws for what a device or wire
// does.

import type { BusUnit, Outcome, Priority, RequestOptions } from './bus-terms.ts';
import { describeException, exceptionKind, type Reply, type Request } from './codec.ts';
import type { Profile } from './profile-schema.ts';
import { READ_FUNCTION, type Area } from './schema-parts.ts';
import { requestError, type Fate } from '../kit/fates.ts';
import { assert, type OperatingError } from '../../src/domain/errors.ts';
import type { Clock } from '../../src/domain/ports.ts';

export type Failure =
  /** It was not sent: nothing has changed. */
  | { kind: 'unsent'; why: 'offline' | 'too_late' | 'queue_full' | 'closed'; message: string }
  /** It was sent, and nobody knows whether it was done. */
  | { kind: 'unknown'; message: string }
  /** The device said no. */
  | { kind: 'refused'; code: number; message: string };

export type Result<T> = { ok: true; value: T; atMonotonicMs: number } | { ok: false; failure: Failure };

/** A busy device is asked again after this, and for so long. */
const BUSY_AGAIN_MS = 50;
const BUSY_MAX_MS = 2_000;

/** Told of every answer: the code of an exception, or null. */
export type AnswerTold = (request: Request, exception: number | null) => void;

export class Talk {
  readonly #unit: BusUnit;
  readonly #clock: Clock;
  readonly #limits: Profile['limits'];
  /** Most registers in one transfer, so that inputs on the same bus are read in time. */
  readonly #transferRegisters: number;
  readonly #answered: AnswerTold;

  constructor(
    unit: BusUnit,
    clock: Clock,
    limits: Profile['limits'],
    transferRegisters: number,
    answered: AnswerTold = () => undefined,
  ) {
    assert(transferRegisters >= 1, 'a transfer carries at least one register');
    this.#unit = unit;
    this.#clock = clock;
    this.#limits = limits;
    this.#transferRegisters = transferRegisters;
    this.#answered = answered;
  }

  get readRegistersLimit(): number {
    return Math.min(this.#limits.read_registers, this.#transferRegisters);
  }

  get writeRegistersLimit(): number {
    return this.#canWriteBlocks ? Math.min(this.#limits.write_registers, this.#transferRegisters) : 1;
  }

  get #canWriteBlocks(): boolean {
    return this.#limits.functions.includes(16);
  }

  /** Function codes that the device knows. */
  get functions(): readonly number[] {
    return this.#limits.functions;
  }

  knows(fc: Request['fc']): boolean {
    return this.#limits.functions.includes(fc);
  }

  async readBits(area: 'coil' | 'discrete', at: number, count: number, priority: Priority): Promise<Result<boolean[]>> {
    return await this.#inChunks(at, count, this.#limits.read_bits, async (from, length) => {
      const result = await this.request({ fc: READ_FUNCTION[area], address: from, count: length }, { priority });
      return mapResult(result, (reply) => (reply.kind === 'bits' ? reply.bits : unexpected()));
    });
  }

  async readRegisters(
    area: 'holding' | 'input',
    at: number,
    count: number,
    priority: Priority,
  ): Promise<Result<number[]>> {
    return await this.#inChunks(at, count, this.readRegistersLimit, async (from, length) => {
      const result = await this.request({ fc: READ_FUNCTION[area], address: from, count: length }, { priority });
      return mapResult(result, (reply) => (reply.kind === 'registers' ? reply.registers : unexpected()));
    });
  }

  /** Any area as numbers; bits are 0 and 1. */
  async read(area: Area, at: number, count: number, priority: Priority): Promise<Result<number[]>> {
    if (area === 'holding' || area === 'input') return await this.readRegisters(area, at, count, priority);
    return mapResult(await this.readBits(area, at, count, priority), (bits) => bits.map(Number));
  }

  async writeCoil(at: number, on: boolean, options: RequestOptions): Promise<Result<null>> {
    const request: Request = this.knows(5)
      ? { fc: 5, address: at, value: on ? 0xff00 : 0 }
      : { fc: 15, address: at, bits: [on] };
    return await this.write(request, options);
  }

  /** Writes contiguous registers, in several requests where one does not do; stops at the first failure. */
  async writeRegisters(at: number, registers: readonly number[], options: RequestOptions): Promise<Result<null>> {
    const limit = this.writeRegistersLimit;
    let atMonotonicMs = this.#clock.monotonicMs();
    for (let from = 0; from < registers.length; from += limit) {
      const chunk = registers.slice(from, from + limit);
      const [single] = chunk;
      const request: Request =
        chunk.length === 1 && single !== undefined && this.knows(6)
          ? { fc: 6, address: at + from, value: single }
          : { fc: 16, address: at + from, registers: chunk };
      const result = await this.write(request, options);
      if (!result.ok) return result;
      ({ atMonotonicMs } = result);
    }
    return { ok: true, value: null, atMonotonicMs };
  }

  async write(request: Request, options: RequestOptions): Promise<Result<null>> {
    return mapResult(await this.request(request, options), () => null);
  }

  /** One request, again and again while the device says that it is busy. */
  async request(request: Request, options: RequestOptions): Promise<Result<Reply>> {
    const startedAtMs = this.#clock.monotonicMs();
    const untilMs = Math.min(startedAtMs + BUSY_MAX_MS, options.notAfterMonotonicMs ?? Number.POSITIVE_INFINITY);
    for (;;) {
      // Awaited at once: the first request must leave in the turn of the call.
      const outcome = await this.#unit.request(request, options);
      if (outcome.outcome === 'reply') this.#answered(request, null);
      if (outcome.outcome === 'exception') this.#answered(request, outcome.code);
      if (outcome.outcome !== 'exception') return toResult(outcome);
      const kind = exceptionKind(outcome.code);
      // A write that the device has taken on is done later or not: only reading tells.
      const waits = kind === 'busy' || (kind === 'pending' && request.fc <= 4);
      if (!waits || this.#clock.monotonicMs() + BUSY_AGAIN_MS > untilMs) return failed(outcome.code);
      await this.pause(BUSY_AGAIN_MS);
    }
  }

  callBack(sinceMonotonicMs: number): void {
    this.#unit.callBack(sinceMonotonicMs);
  }

  pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#clock.after(delayMs, resolve));
  }

  async #inChunks<T>(
    at: number,
    count: number,
    limit: number,
    one: (at: number, count: number) => Promise<Result<T[]>>,
  ): Promise<Result<T[]>> {
    const all: T[] = [];
    let atMonotonicMs = this.#clock.monotonicMs();
    for (let from = 0; from < count; from += limit) {
      const result = await one(at + from, Math.min(limit, count - from));
      if (!result.ok) return result;
      all.push(...result.value);
      ({ atMonotonicMs } = result);
    }
    return { ok: true, value: all, atMonotonicMs };
  }
}

function toResult(outcome: Exclude<Outcome, { outcome: 'exception' }>): Result<Reply> {
  switch (outcome.outcome) {
    case 'reply':
      return { ok: true, value: outcome.reply, atMonotonicMs: outcome.atMonotonicMs };
    case 'no_reply':
      return { ok: false, failure: { kind: 'unknown', message: outcome.message } };
    case 'not_sent':
      return { ok: false, failure: { kind: 'unsent', why: outcome.why, message: outcome.message } };
  }
}

/**
 * A gateway that did not reach its device knows no more than a time-out does; so does a device that takes a write on
 * for later.
 */
function failed(code: number): Result<never> {
  const message = describeException(code);
  const kind = exceptionKind(code);
  return {
    ok: false,
    failure: kind === 'path' || kind === 'pending' ? { kind: 'unknown', message } : { kind: 'refused', code, message },
  };
}

const mapResult = <T, U>(result: Result<T>, map: (value: T) => U): Result<U> =>
  result.ok ? { ...result, value: map(result.value) } : result;

function unexpected(): never {
  throw new Error('assertion failed: the codec gives bits for bits and registers for registers');
}

export function fateOf(failure: Failure): Fate {
  if (failure.kind !== 'unsent') return failure.kind === 'unknown' ? 'unanswered' : 'refused';
  return failure.why === 'too_late' ? 'too_late' : 'offline';
}

/** For callers whose contract is to reject. */
export const toError = (failure: Failure): OperatingError => requestError(fateOf(failure), failure.message);

/** The value, or the failure as a rejection. */
export function valueOf<T>(result: Result<T>): T {
  if (!result.ok) throw toError(result.failure);
  return result.value;
}
