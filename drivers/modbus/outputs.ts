// Relays: a pulse by the device where it has one, else by us, and then the off is certain: repeated until it has been
// read back. A strike is sent in the turn of the call and never later than the instant it was decided for. Every output
// that can be read is looked at again and again, and brought back where it is not as it was told.

import type { RequestOptions } from './bus-terms.ts';
import { HOST_PULSE_MAX_MS, HOST_PULSE_MIN_MS } from './capabilities.ts';
import { blocksAt, type Block } from './inputs.ts';
import { isEnergised, OutputWire, pulseRequest, statePlace, type OutputSpec, type SharedWord } from './output-wire.ts';
import type { OutputFaults } from './output-faults.ts';
import type { Area } from './schema-parts.ts';
import { fateOf, type Failure, type Result, type Talk } from './talk.ts';
import { outputFailure, STOPPING } from '../kit/fates.ts';
import { SET_WITHIN_MS } from '../kit/strike.ts';
import { OutputWatch } from '../../src/domain/output-watch.ts';
import type { Clock, Log, OutputDevice, OutputOutcome, Timer } from '../../src/domain/ports.ts';

/**
 * A command whose answer was lost is repeated so often within its time; repeating a pulse restarts it, it does not add
 * to it.
 */
const STRIKE_ATTEMPTS = 3;
const OFF_AGAIN_FIRST_MS = 50;
const OFF_AGAIN_LAST_MS = 2_000;
/** Just before its end a pulse is not looked for any more. */
const PULSE_END_MARGIN_MS = 50;
/** While an output settles it is looked at this often. */
const SETTLE_LOOK_MS = 20;
/** A device shows what it was told after two rounds of its program at most, and no adapter is quicker than this. */
const SETTLE_SCANS = 2;
const SETTLE_LEAST_MS = 100;

/** A PLC may hold a door open for minutes by its own decision, and nobody there says so. */
const OWN_WILL = { afterOursMs: 10_000, mostMs: 5 * 60_000 } as const;

export type OutputContext = {
  talk: Talk;
  clock: Clock;
  log: Log;
  /** Why outputs may not be driven just now, or null. */
  refusal(): { error: 'controller_offline' | 'device_error'; message: string } | null;
  faults: OutputFaults;
  /** How long the device's program takes to come round. */
  scanMs: number;
  /** Outputs that the device drives by its own decisions as well. */
  own: ReadonlySet<number>;
  /** Outputs that stay as they are found until they are told something; left out: none. */
  isLeftAsFound?: (output: number) => boolean;
};

export class Outputs implements OutputDevice {
  readonly #outputs: readonly Output[];
  readonly #talk: Talk;
  readonly #blocks: readonly Block[];

  constructor(specs: readonly OutputSpec[], context: OutputContext) {
    const words = new Map<number, SharedWord>();
    this.#talk = context.talk;
    this.#outputs = specs.map((spec, index) => new Output(index, spec, context, words));
    this.#blocks = blocksOfOutputs(specs, context.talk.functions);
  }

  pulse(output: number, durationMs: number, notAfterMonotonicMs: number, onSent?: () => void): Promise<OutputOutcome> {
    return this.#at(output).pulse(durationMs, notAfterMonotonicMs, onSent);
  }

  set(output: number, energised: boolean): Promise<OutputOutcome> {
    return this.#at(output).set(energised);
  }

  /** Whether any of them can be read. */
  get isWatched(): boolean {
    return this.#blocks.length > 0;
  }

  /** True while one of them is not as it was told, as far as is known. */
  get isAstray(): boolean {
    return this.#outputs.some((output) => output.isAstray);
  }

  /** Reads all of them, and brings back whatever is not as it was told. Its questions are asked in this turn. */
  async look(): Promise<void> {
    const values = new Map<string, number>();
    const results = await Promise.all(
      this.#blocks.map(async (block) => ({
        block,
        result: await this.#talk.read(block.area, block.at, block.count, 'input'),
      })),
    );
    let atMs = 0;
    for (const { block, result } of results) {
      if (!result.ok) return;
      result.value.forEach((value, i) => values.set(`${block.area} ${block.at + i}`, value));
      atMs = Math.max(atMs, result.atMonotonicMs);
    }
    for (const output of this.#outputs) output.seen((area, at) => values.get(`${area} ${at}`) ?? 0, atMs);
  }

  /** Brings every output to what it should be: at rest after a start, as last set after an outage. */
  async restore(): Promise<boolean> {
    const results = await Promise.all(this.#outputs.map((output) => output.restore()));
    return results.every((good) => good);
  }

  /**
   * Every output de-energised, whatever it was set to before, and none energised from now on. `isReached`: the device
   * is there, and it is the one that is meant. `keeps`: left as it is.
   */
  async rest(isReached: boolean, keeps: (output: number) => boolean): Promise<void> {
    const kept = this.#outputs.filter((_, index) => keeps(index));
    for (const output of kept) output.stay();
    const others = this.#outputs.filter((output) => !kept.includes(output));
    await Promise.all(others.map((output) => output.rest(isReached)));
  }

  close(): void {
    for (const output of this.#outputs) output.close();
  }

  #at(index: number): Output {
    const output = this.#outputs[index];
    if (output === undefined) throw new Error(`assertion failed: output ${index} is in the profile`);
    return output;
  }
}

/** What is read to see how they all stand. */
export const blocksOfOutputs = (specs: readonly OutputSpec[], functions: readonly number[]): Block[] =>
  blocksAt(
    specs.flatMap((spec) => {
      const place = statePlace(spec, functions);
      return place === null
        ? []
        : Array.from({ length: place.count }, (_, i) => ({ area: place.area, at: place.at + i }));
    }),
  );

class Output {
  readonly #index: number;
  readonly #spec: OutputSpec;
  readonly #context: OutputContext;
  readonly #wire: OutputWire;
  readonly #watch: OutputWatch;
  readonly #settleMs: number;
  /** What it was last set to, pulses apart. */
  #wanted = false;
  #pulseEndsAtMs = 0;
  /** Until then it may still show what was before. */
  #settledAtMs = 0;
  /** Commands that are on their way. */
  #commanding = 0;
  #offTimer: Timer | null = null;
  /** Counts commands: what an earlier one began (turning off, again and again) ends with the next. */
  #command = 0;
  #isUnseen = false;
  /** For good: nothing energises it any more. */
  #isResting = false;
  #closed = false;
  /** It was told nothing yet, and is left as it is. */
  #isAsFound: boolean;

  constructor(index: number, spec: OutputSpec, context: OutputContext, words: Map<number, SharedWord>) {
    this.#index = index;
    this.#isAsFound = context.isLeftAsFound?.(index) === true;
    this.#spec = spec;
    this.#context = context;
    this.#wire = new OutputWire(spec, context.talk, words);
    this.#settleMs = spec.settles ?? Math.max(SETTLE_LEAST_MS, SETTLE_SCANS * context.scanMs);
    this.#watch = new OutputWatch(context.own.has(index) ? OWN_WILL : null, (stand, energised, atMs) => {
      if (stand === 'astray') context.log.warn('an output is not as it was told: told again', { output: index });
      context.faults.stands(index, stand, energised, atMs);
    });
  }

  async pulse(durationMs: number, notAfterMs: number, onSent?: () => void): Promise<OutputOutcome> {
    if (this.#isResting) return STOPPING;
    const refusal = this.#context.refusal();
    if (refusal !== null) return { outcome: 'failed', ...refusal };
    this.#isAsFound = false;
    // Held open already: a pulse would end that.
    if (this.#wanted) return { outcome: 'done', confirmed: (await this.#wire.read()) === true };
    const { pulse } = this.#spec;
    const [leastMs, mostMs] = pulse === undefined ? [HOST_PULSE_MIN_MS, HOST_PULSE_MAX_MS] : [pulse.min, pulse.max];
    const lengthMs = Math.min(mostMs, Math.max(leastMs, durationMs));
    const energise = (options: RequestOptions): Promise<Result<null>> =>
      pulse === undefined
        ? this.#wire.switch(true, options)
        : this.#context.talk.write(pulseRequest(pulse, lengthMs), options);
    this.#cancelOff();
    this.#pulseEndsAtMs = this.#context.clock.monotonicMs() + lengthMs;
    this.#watch.pulsed();
    const outcome = await this.#carryOut(energise, true, notAfterMs, lengthMs, onSent);
    // Even a lost answer may have energised it.
    if (pulse === undefined) this.#offAfter(lengthMs);
    return outcome;
  }

  async set(energised: boolean): Promise<OutputOutcome> {
    if (this.#isResting && energised) return STOPPING;
    const refusal = this.#context.refusal();
    // Rest is remembered even when it cannot be commanded now: it is what the device gets when it is back.
    if (!energised) this.#wanted = this.#isAsFound = false;
    if (refusal !== null && (energised || refusal.error === 'controller_offline')) {
      return { outcome: 'failed', ...refusal };
    }
    this.#wanted = energised;
    this.#isAsFound = false;
    this.#pulseEndsAtMs = 0;
    this.#cancelOff();
    const notAfterMs = this.#context.clock.monotonicMs() + SET_WITHIN_MS;
    const switchIt = (options: RequestOptions): Promise<Result<null>> => this.#wire.switch(energised, options);
    const outcome = await this.#carryOut(switchIt, energised, notAfterMs, null);
    if (outcome.outcome === 'failed' && !energised) this.#offAfter(OFF_AGAIN_FIRST_MS);
    return outcome;
  }

  /**
   * Also one that was pulsed when the device was lost: it may have come back with that relay on and nothing that ends
   * it.
   */
  async restore(): Promise<boolean> {
    this.#wire.forgetWord();
    this.#pulseEndsAtMs = 0;
    this.#cancelOff();
    if (this.#isAsFound) return true;
    return (await this.#tell(this.#wanted)).ok;
  }

  /** As it is, and nothing is energised from now on. */
  stay(): void {
    this.#isResting = true;
    this.#cancelOff();
  }

  /** Off until the device shows it; who called ends that with `close` when there is no more time. */
  async rest(isReached: boolean): Promise<void> {
    this.#isResting = true;
    this.#wanted = false;
    this.#cancelOff();
    if (isReached) await this.#turnOff();
  }

  close(): void {
    this.#closed = true;
    this.#cancelOff();
  }

  // ---- watching -----------------------------------------------------------------------------------------------------

  get isAstray(): boolean {
    return this.#watch.isAstray;
  }

  seen(value: (area: Area, at: number) => number, atMs: number): void {
    const place = statePlace(this.#spec, this.#context.talk.functions);
    if (place === null || this.#closed || this.#isAsFound) return;
    const isOn = isEnergised(
      this.#spec,
      Array.from({ length: place.count }, (_, i) => value(place.area, place.at + i)),
    );
    const isMoving = this.#commanding > 0 || atMs <= Math.max(this.#settledAtMs, this.#pulseEndsAtMs + this.#settleMs);
    if (isMoving) return;
    const isToBeTold = this.#watch.look(isOn, this.#wanted, atMs);
    // Settings by which something else drives it are no matter of telling it again.
    if (isToBeTold && this.#context.refusal() === null) void this.#tellAgain();
  }

  async #tellAgain(): Promise<void> {
    this.#wire.forgetWord();
    await this.#tell(this.#wanted);
  }

  async #tell(energised: boolean): Promise<Result<null>> {
    this.#commanding++;
    const result = await this.#wire.switch(energised, { priority: 'strike' });
    this.#commanding--;
    if (result.ok) this.#settledAtMs = result.atMonotonicMs + this.#settleMs;
    return result;
  }

  // ---- commanding ---------------------------------------------------------------------------------------------------

  /** Sends a command and looks whether it took effect; one whose answer was lost is repeated while there is time. */
  async #carryOut(
    send: (options: RequestOptions) => Promise<Result<null>>,
    energised: boolean,
    notAfterMs: number,
    pulseMs: number | null,
    onSent?: () => void,
  ): Promise<OutputOutcome> {
    this.#commanding++;
    try {
      return await this.#try(send, energised, notAfterMs, pulseMs, onSent);
    } finally {
      this.#commanding--;
      this.#settledAtMs = this.#context.clock.monotonicMs() + this.#settleMs;
    }
  }

  async #try(
    send: (options: RequestOptions) => Promise<Result<null>>,
    energised: boolean,
    notAfterMs: number,
    pulseMs: number | null,
    onSent?: () => void,
  ): Promise<OutputOutcome> {
    const { clock, talk } = this.#context;
    const startedAtMs = clock.monotonicMs();
    let failure: Failure | null = null;
    const isOver = (): boolean => clock.monotonicMs() > notAfterMs || (energised && this.#isResting);
    for (let attempt = 0; attempt < STRIKE_ATTEMPTS && !isOver(); attempt++) {
      const result = await send({
        priority: 'strike',
        notAfterMonotonicMs: notAfterMs,
        ...(onSent === undefined ? {} : { onSent }),
      });
      if (result.ok) return await this.#confirm(energised, pulseMs, result.atMonotonicMs);
      ({ failure } = result);
      if (failure.kind !== 'unknown') break;
      if ((await this.#wire.read()) === energised) return { outcome: 'done', confirmed: !this.#watch.isStuck };
    }
    if (energised && failure?.kind === 'unknown') talk.callBack(startedAtMs);
    return failedOutcome(failure);
  }

  /**
   * Acknowledged is done: it is looked at until it has had its time to follow, and what was not seen then is not
   * confirmed.
   */
  async #confirm(energised: boolean, pulseMs: number | null, doneAtMs: number): Promise<OutputOutcome> {
    const { clock, talk, log } = this.#context;
    for (;;) {
      const state = await this.#wire.read();
      if (state === null) return { outcome: 'done', confirmed: false };
      if (state === energised) {
        this.#noteUnseen(false);
        // One that does not release shows nothing by being on.
        return { outcome: 'done', confirmed: !this.#watch.isStuck };
      }
      const nowMs = clock.monotonicMs();
      // A short pulse may be over by the time the bus was free to look.
      if (pulseMs !== null && nowMs > doneAtMs + pulseMs - PULSE_END_MARGIN_MS)
        return { outcome: 'done', confirmed: false };
      if (nowMs >= doneAtMs + this.#settleMs) break;
      await talk.pause(SETTLE_LOOK_MS);
    }
    if (pulseMs === null)
      return {
        outcome: 'failed',
        error: 'device_error',
        message: `the device acknowledged, but output ${this.#index} did not ${energised ? 'energise' : 'release'}`,
      };
    log.warn('a pulse was acknowledged, and the output was not seen to energise', { output: this.#index });
    this.#noteUnseen(true);
    return { outcome: 'done', confirmed: false };
  }

  #noteUnseen(isUnseen: boolean): void {
    if (this.#isUnseen === isUnseen) return;
    this.#isUnseen = isUnseen;
    this.#context.faults.unseen(this.#index, !isUnseen);
  }

  #cancelOff(): void {
    this.#command++;
    this.#offTimer?.cancel();
    this.#offTimer = null;
  }

  #offAfter(delayMs: number): void {
    if (this.#closed || this.#wanted) return;
    this.#cancelOff();
    this.#offTimer = this.#context.clock.after(delayMs, () => void this.#turnOff());
  }

  /** Off until the device shows it, for as long as it takes; an offline device is brought to rest when it is back. */
  async #turnOff(): Promise<void> {
    const { log, talk } = this.#context;
    const command = this.#command;
    let againMs = OFF_AGAIN_FIRST_MS;
    this.#pulseEndsAtMs = 0;
    // What it shows meanwhile is judged here.
    this.#commanding++;
    for (let tries = 1; !this.#closed && !this.#wanted && command === this.#command; tries++) {
      const result = await this.#tell(false);
      if (result.ok && !(await this.#isStillOn(tries))) break;
      if (!result.ok && result.failure.kind === 'unsent' && result.failure.why !== 'queue_full') break;
      if (tries === 2) log.warn('an output does not release, trying again', { output: this.#index });
      await talk.pause(againMs);
      againMs = Math.min(OFF_AGAIN_LAST_MS, againMs * 2);
    }
    this.#commanding--;
  }

  async #isStillOn(tries: number): Promise<boolean> {
    const isOn = await this.#wire.read();
    const { clock } = this.#context;
    // It may need its time to follow, the first time.
    if (isOn !== null && !(isOn && tries === 1)) this.#watch.look(isOn, false, clock.monotonicMs());
    return isOn === true;
  }
}

const failedOutcome = (failure: Failure | null): OutputOutcome =>
  failure === null
    ? outputFailure('too_late', 'there was no time left to command it')
    : outputFailure(fateOf(failure), failure.message);
