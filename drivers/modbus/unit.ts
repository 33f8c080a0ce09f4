// What the bus keeps of one unit: whether it answers, what it was found to be wrong with, and which of its probes is
// next.

import { assert } from '../../src/domain/errors.ts';
import type { DeviceCounters, Timer } from '../../src/domain/ports.ts';
import type { Attempt, BusUnit, LineUnit, Outcome, RequestOptions, UnitSettings, UnitWatch } from './bus-terms.ts';
import type { Request } from './codec.ts';
import { newCounters } from '../kit/counters.ts';

/** Who carries out what is asked of it. */
export type UnitHost = {
  readonly transferAtMs: number;
  request(unit: Unit, request: Request, options: RequestOptions): Promise<Outcome>;
  callBack(sinceMonotonicMs: number): void;
  answeredLate(unit: Unit, tookMs: number, attempt: Attempt): void;
};

export class Unit implements BusUnit, LineUnit {
  readonly settings: UnitSettings;
  readonly watch: UnitWatch;
  readonly counters: DeviceCounters = newCounters();
  readonly #host: UnitHost;
  #nextProbe = 0;
  online = false;
  problem: { kind: 'line' | 'silent'; reason: string } | null = null;
  /**
   * What it was found to do wrong since its last good answer; null: it was only silent, or is well. Says more than any
   * silence after it.
   */
  fault: string | null = null;
  #toldFault: string | null = null;
  inFlight = 0;
  heardAtMs = Number.NEGATIVE_INFINITY;
  /** Lost answers running. */
  misses = 0;
  probing = false;
  probeDelayMs = 0;
  probeTimer: Timer | null = null;

  constructor(host: UnitHost, settings: UnitSettings, watch: UnitWatch) {
    this.#host = host;
    this.settings = settings;
    this.watch = watch;
  }

  get transferAtMs(): number {
    return this.#host.transferAtMs;
  }

  nextProbe(): Request {
    const request = this.settings.probes[this.#nextProbe++ % this.settings.probes.length];
    assert(request !== undefined, 'a unit has probes');
    return request;
  }

  /** What it does wrong, as far as is known by now. */
  found(fault: string): void {
    this.fault = fault;
    if (this.#toldFault === fault) return;
    this.#toldFault = fault;
    this.watch.faulty?.(fault);
  }

  request(request: Request, options: RequestOptions): Promise<Outcome> {
    return this.#host.request(this, request, options);
  }

  callBack(sinceMonotonicMs: number): void {
    this.#host.callBack(sinceMonotonicMs);
  }
  answeredLate(tookMs: number, attempt: Attempt): void {
    this.#host.answeredLate(this, tookMs, attempt);
  }
}
