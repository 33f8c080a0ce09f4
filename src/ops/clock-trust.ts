// Watches the clock for the house: samples it, asks the sources that may vouch for it until one does, keeps the floor
// in the store, and tells who must know when trust comes or goes. What counts as trust is in clock-rules.ts.

import type { Clock, Log, Timer } from '../domain/ports.ts';
import {
  EARLIEST_MS,
  acceptClock,
  firstTrust,
  observe,
  resume,
  trustedNowMs,
  vouchFor,
  type Doubt,
  type Sample,
  type Trust,
  type Vouch,
} from './clock-rules.ts';

export type ClockState = {
  trusted: boolean;
  /** Who vouched, or why the clock is not trusted. */
  reason: Vouch | Doubt;
  /** For people: what is wrong and the remedy; null while trusted. */
  problem: string | null;
  /** The instant to judge by. While trusted it never goes back. */
  nowMs: number;
  /** The latest instant at which the clock was trusted: it is certainly later than this. Null: never yet. */
  floorMs: number | null;
  /**
   * How long the clock has been untrusted, at least: it cannot be known how long the machine was off. 0 while trusted.
   */
  untrustedForMs: number;
};

/**
 * Where the floor outlives everything. `save` is called from a turn of the loop of its own, never from within
 * `state()`; it may throw and is tried again.
 */
export type FloorStore = { load: () => number | null; save: (floorMs: number) => void };

/**
 * Where trust outlives a restart of the process, but not of the machine; wall minus boot time, see `bootRecordFile`.
 */
export type BootRecord = {
  load: () => number | null;
  save: (wallMinusBootMs: number) => void;
  bootTimeMs: () => number;
};

/** A source's answer: it vouches, or what it says instead, for people. */
export type VouchAnswer = { vouched: true; detail: string } | { vouched: false; detail: string };
export type Voucher = { vouch: Vouch; ask: () => Promise<VouchAnswer> };

export type ClockTrustOptions = {
  clock: Clock;
  log: Log;
  floor: FloorStore;
  bootRecord: BootRecord | null;
  /** Asked in this order; the first that vouches counts until the machine restarts. */
  vouchers: readonly Voucher[];
};

const SAMPLE_MS = 5_000;
const SAVE_FLOOR_MS = 60_000;
/** Pauses between rounds of asking; the last one goes on for as long as nobody vouches. */
const ASK_PAUSES_MS = [2_000, 5_000, 10_000, 20_000, 60_000] as const;

export class ClockTrust {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #floor: FloorStore;
  readonly #bootRecord: BootRecord | null;
  readonly #vouchers: readonly Voucher[];
  readonly #listeners = new Set<(state: ClockState) => void>();
  #trust: Trust;
  #told: string;
  #savedFloorMs: number | null;
  #answers = 'no source has answered yet';
  #running = false;
  #asked = 0;
  #timers: { sample?: Timer; ask?: Timer } = {};

  /** Loads the floor and looks at the clock once: `state()` is right from the start. */
  constructor(options: ClockTrustOptions) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#floor = options.floor;
    this.#bootRecord = options.bootRecord;
    this.#vouchers = options.vouchers;
    this.#savedFloorMs = options.floor.load();
    this.#trust = firstTrust(this.#savedFloorMs, this.#sample());
    this.#resumeBoot();
    this.#told = this.#key();
  }

  /** Begins to sample and to ask. The first round of asking is over when this resolves; it never rejects. */
  async start(): Promise<void> {
    this.#running = true;
    this.#tick();
    await this.#ask();
    const { trusted, reason, problem } = this.state();
    if (!trusted) this.#log.warn('the clock is not trusted', { reason, problem });
  }

  /** Ends sampling and keeps the floor as it is now. */
  stop(): void {
    this.#running = false;
    this.#timers.sample?.cancel();
    this.#timers.ask?.cancel();
    this.state();
    this.#keep();
  }

  /**
   * Looks at the clock at this moment, so that a leap is seen before the decision it would spoil. Costs two reads of
   * the clock.
   */
  state(): ClockState {
    const sample = this.#sample();
    this.#become(observe(this.#trust, sample));
    return this.#describe(sample);
  }

  /**
   * An operator's word that the clock is right as it stands (`lintel clock accept`). Says why not when it cannot be.
   */
  accept(): { accepted: true } | { accepted: false; message: string } {
    const trust = acceptClock(this.#sample());
    if (trust === null) {
      const earliest = new Date(EARLIEST_MS).toISOString().slice(0, 10);
      return {
        accepted: false,
        message: `the clock says a time before ${earliest}, which cannot be: set it first (timedatectl set-time), then accept it`,
      };
    }
    this.#become(trust);
    this.#clock.immediate(() => this.#keep());
    return { accepted: true };
  }

  /** Calls `listener` after trust came, went or changed its reason. Returns how to end that. */
  onChange(listener: (state: ClockState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  // ---- sampling and asking ------------------------------------------------------------------------------------------

  #sample(): Sample {
    return { wallMs: this.#clock.nowMs(), monotonicMs: this.#clock.monotonicMs() };
  }

  #tick(): void {
    if (!this.#running) return;
    this.state();
    const { floorMs } = this.#trust;
    if (floorMs !== null && Math.abs(floorMs - (this.#savedFloorMs ?? 0)) >= SAVE_FLOOR_MS) this.#keep();
    this.#timers.sample = this.#clock.after(SAMPLE_MS, () => this.#tick());
  }

  async #ask(): Promise<void> {
    if (!this.#running || this.#trust.vouch !== null) return;
    const answers: string[] = [];
    for (const { vouch, ask } of this.#vouchers) {
      const answer = await ask().catch((error: unknown) => ({ vouched: false, detail: String(error) }));
      answers.push(answer.detail);
      if (!answer.vouched) continue;
      this.#log.info('the clock is vouched for', { by: vouch, detail: answer.detail });
      this.#become(vouchFor(this.#trust, vouch, this.#sample()));
      return;
    }
    this.#answers = answers.join('; ');
    const pauseMs = ASK_PAUSES_MS[Math.min(this.#asked, ASK_PAUSES_MS.length - 1)] ?? 60_000;
    this.#asked += 1;
    this.#timers.ask = this.#clock.after(pauseMs, () => void this.#ask());
  }

  // ---- what outlives the process ------------------------------------------------------------------------------------

  /** Keeps the floor, and while trusted the anchor. What cannot be kept now is tried again within a minute. */
  #keep(): void {
    const { floorMs, anchorMs, doubt } = this.#trust;
    try {
      if (floorMs !== null && floorMs !== this.#savedFloorMs) this.#floor.save(floorMs);
      this.#savedFloorMs = floorMs;
    } catch (error) {
      this.#log.error('the floor of the clock could not be stored', { error });
    }
    if (doubt !== null || anchorMs === null || this.#bootRecord === null) return;
    try {
      this.#bootRecord.save(anchorMs + this.#clock.monotonicMs() - this.#bootRecord.bootTimeMs());
    } catch (error) {
      this.#log.warn('a restart of the daemon alone will have to ask for the time again', { error });
    }
  }

  #resumeBoot(): void {
    const record = this.#bootRecord?.load() ?? null;
    if (record === null || this.#bootRecord === null) return;
    const sample = this.#sample();
    this.#trust = resume(this.#trust, record + this.#bootRecord.bootTimeMs() - sample.monotonicMs, sample);
  }

  // ---- telling ------------------------------------------------------------------------------------------------------

  #key(): string {
    return this.#trust.doubt ?? `trusted by ${this.#trust.vouch ?? ''}`;
  }

  /** Listeners are told on a turn of their own: whoever asks for the state may be in the middle of a transaction. */
  #become(trust: Trust): void {
    const wasTrusted = this.#trust.doubt === null;
    this.#trust = trust;
    const key = this.#key();
    if (key === this.#told) return;
    this.#told = key;
    const state = this.#describe(this.#sample());
    this.#clock.immediate(() => {
      if (state.trusted) this.#log.info('the clock is trusted', { reason: state.reason });
      else this.#log.warn('the clock is not trusted', { reason: state.reason, problem: state.problem });
      if (state.trusted && !wasTrusted) this.#keep();
      for (const listener of this.#listeners) listener(state);
    });
  }

  #describe(sample: Sample): ClockState {
    const { doubt, vouch, floorMs, doubtedSinceMs } = this.#trust;
    return {
      trusted: doubt === null,
      reason: doubt ?? vouch ?? 'not_vouched',
      problem: doubt === null ? null : PROBLEMS[doubt](sample.wallMs, floorMs, this.#answers),
      nowMs: trustedNowMs(this.#trust, sample),
      floorMs,
      untrustedForMs: doubtedSinceMs === null ? 0 : Math.max(0, sample.monotonicMs - doubtedSinceMs),
    };
  }
}

const ACCEPT = 'check the time, then run `lintel clock accept`';

const PROBLEMS: Readonly<Record<Doubt, (wallMs: number, floorMs: number | null, answers: string) => string>> = {
  not_vouched: (_wallMs, _floorMs, answers) =>
    `nobody has vouched for the clock since the machine started (${answers}): connect it to a time server, or ${ACCEPT}`,
  behind_floor: (wallMs, floorMs) =>
    `the clock says ${instant(wallMs)}, but it was later before: ${instant(Math.max(floorMs ?? 0, EARLIEST_MS))}; it is trusted again once it is set, or ${ACCEPT}`,
  leapt_back: (wallMs) => `the clock leapt back, to ${instant(wallMs)}: set it right, or ${ACCEPT}`,
  leapt_forward: (wallMs) =>
    `the clock leapt forward by more than a day, to ${instant(wallMs)}: set it right, or ${ACCEPT}`,
  far_ahead: (wallMs, floorMs) =>
    `the clock says ${instant(wallMs)}, more than a year after it was last trusted (${instant(floorMs ?? 0)}): ${ACCEPT}`,
};

function instant(atMs: number): string {
  const at = new Date(atMs);
  return Number.isNaN(at.getTime()) ? 'no time at all' : at.toISOString().replace(/\.\d+Z$/, 'Z');
}
