// Relays: a pulse by the device where it has one, else by us, and then the off is certain: repeated until it has been read back. A strike is sent in the turn of the
// call and never later than the instant it was decided for.

import type { Priority, RequestOptions } from './bus-terms.ts';
import { HOST_PULSE_MAX_MS, HOST_PULSE_MIN_MS } from './capabilities.ts';
import type { Request } from './codec.ts';
import type { Profile } from './profile-schema.ts';
import type { Failure, Result, Talk } from './talk.ts';
import type { Clock, Log, OutputDevice, OutputOutcome, Timer } from '../../src/domain/ports.ts';

type OutputSpec = Profile['outputs'][number];

/** A command whose answer was lost is repeated so often within its time; repeating a pulse restarts it, it does not add to it. */
const STRIKE_ATTEMPTS = 3;
/** A command without a time of its own is tried for this long. */
const SET_WITHIN_MS = 2_000;
const OFF_AGAIN_FIRST_MS = 50;
const OFF_AGAIN_LAST_MS = 2_000;
/** Just before its end a pulse is not looked for any more. */
const PULSE_END_MARGIN_MS = 50;

const STOPPING = { error: 'controller_offline', message: 'Lintel is stopping' } as const;

export type OutputContext = {
  talk: Talk;
  clock: Clock;
  log: Log;
  /** Why outputs may not be driven just now, or null. */
  refusal(): { error: 'controller_offline' | 'device_error'; message: string } | null;
};

export class Outputs implements OutputDevice {
  readonly #outputs: readonly Output[];

  constructor(specs: readonly OutputSpec[], context: OutputContext) {
    const words = new Map<number, SharedWord>();
    this.#outputs = specs.map((spec, index) => new Output(index, spec, context, words));
  }

  pulse(output: number, durationMs: number, notAfterMonotonicMs: number, onSent?: () => void): Promise<OutputOutcome> {
    return this.#at(output).pulse(durationMs, notAfterMonotonicMs, onSent);
  }

  set(output: number, energised: boolean): Promise<OutputOutcome> {
    return this.#at(output).set(energised);
  }

  /** Brings every output to what it should be: at rest after a start, as last set after an outage. */
  async restore(): Promise<boolean> {
    const results = await Promise.all(this.#outputs.map((output) => output.restore()));
    return results.every((good) => good);
  }

  /** Every output de-energised, whatever it was set to before, and none energised from now on. `isReached`: the device is there, and it is the one that is meant. */
  async rest(isReached: boolean): Promise<void> {
    await Promise.all(this.#outputs.map((output) => output.rest(isReached)));
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

/** The last value of a word that several bit outputs share; null until it has been read. */
type SharedWord = { value: number | null };

class Output {
  readonly #index: number;
  readonly #spec: OutputSpec;
  readonly #context: OutputContext;
  readonly #words: Map<number, SharedWord>;
  /** What it was last set to, pulses apart. */
  #wanted = false;
  #pulseEndsAtMs = 0;
  #offTimer: Timer | null = null;
  /** Counts commands: what an earlier one began (turning off, again and again) ends with the next. */
  #command = 0;
  /** For good: nothing energises it any more. */
  #isResting = false;
  #closed = false;

  constructor(index: number, spec: OutputSpec, context: OutputContext, words: Map<number, SharedWord>) {
    this.#index = index;
    this.#spec = spec;
    this.#context = context;
    this.#words = words;
  }

  async pulse(durationMs: number, notAfterMs: number, onSent?: () => void): Promise<OutputOutcome> {
    const refusal = this.#isResting ? STOPPING : this.#context.refusal();
    if (refusal !== null) return { outcome: 'failed', ...refusal };
    // Held open already: a pulse would end that.
    if (this.#wanted) return { outcome: 'done', confirmed: (await this.#isOn()) === true };
    const { pulse } = this.#spec;
    const [leastMs, mostMs] = pulse === undefined ? [HOST_PULSE_MIN_MS, HOST_PULSE_MAX_MS] : [pulse.min, pulse.max];
    const lengthMs = Math.min(mostMs, Math.max(leastMs, durationMs));
    const energise = (options: RequestOptions): Promise<Result<null>> =>
      pulse === undefined
        ? this.#switch(true, options)
        : this.#context.talk.write(pulseRequest(pulse, lengthMs), options);
    this.#cancelOff();
    this.#pulseEndsAtMs = this.#context.clock.monotonicMs() + lengthMs;
    const outcome = await this.#carryOut(energise, true, notAfterMs, lengthMs, onSent);
    // Even a lost answer may have energised it.
    if (pulse === undefined) this.#offAfter(lengthMs);
    return outcome;
  }

  async set(energised: boolean): Promise<OutputOutcome> {
    const refusal = this.#isResting && energised ? STOPPING : this.#context.refusal();
    // Rest is remembered even when it cannot be commanded now: it is what the device gets when it is back.
    if (!energised) this.#wanted = false;
    if (refusal !== null && (energised || refusal.error === 'controller_offline')) {
      return { outcome: 'failed', ...refusal };
    }
    this.#wanted = energised;
    this.#pulseEndsAtMs = 0;
    this.#cancelOff();
    const notAfterMs = this.#context.clock.monotonicMs() + SET_WITHIN_MS;
    const outcome = await this.#carryOut((options) => this.#switch(energised, options), energised, notAfterMs, null);
    if (outcome.outcome === 'failed' && !energised) this.#offAfter(OFF_AGAIN_FIRST_MS);
    return outcome;
  }

  async restore(): Promise<boolean> {
    this.#forgetWord();
    // A pulse that the device is still timing is left to it.
    if (this.#spec.pulse !== undefined && this.#context.clock.monotonicMs() < this.#pulseEndsAtMs) return true;
    return (await this.#switch(this.#wanted, { priority: 'strike' })).ok;
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

  // ---- commanding --------------------------------------------------------------------------------------------------------------------------------

  /** Sends a command and looks whether it took effect; one whose answer was lost is repeated while there is time. */
  async #carryOut(
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
      if ((await this.#isOn()) === energised) return { outcome: 'done', confirmed: true };
    }
    if (energised && failure?.kind === 'unknown') talk.callBack(startedAtMs);
    return failedOutcome(failure);
  }

  async #confirm(energised: boolean, pulseMs: number | null, doneAtMs: number): Promise<OutputOutcome> {
    const state = await this.#isOn();
    if (state === null) return { outcome: 'done', confirmed: false };
    if (state === energised) return { outcome: 'done', confirmed: true };
    // A short pulse may be over by the time the bus was free to look.
    const over = pulseMs !== null && this.#context.clock.monotonicMs() > doneAtMs + pulseMs - PULSE_END_MARGIN_MS;
    if (over) return { outcome: 'done', confirmed: false };
    return {
      outcome: 'failed',
      error: 'device_error',
      message: `the device acknowledged, but output ${this.#index} did not ${energised ? 'energise' : 'release'}`,
    };
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
    while (!this.#closed && !this.#wanted && command === this.#command) {
      const result = await this.#switch(false, { priority: 'strike' });
      if (result.ok && (await this.#isOn()) !== true) return;
      if (!result.ok && result.failure.kind === 'unsent' && result.failure.why !== 'queue_full') return;
      log.warn('an output does not release, trying again', { output: this.#index });
      await talk.pause(againMs);
      againMs = Math.min(OFF_AGAIN_LAST_MS, againMs * 2);
    }
  }

  // ---- the wire ----------------------------------------------------------------------------------------------------------------------------------

  async #switch(energised: boolean, options: RequestOptions): Promise<Result<null>> {
    const spec = this.#spec;
    const { talk } = this.#context;
    if (spec.kind === 'coil') return await talk.writeCoil(spec.at, energised, options);
    if (spec.kind === 'register') return await talk.writeRegisters(spec.at, [energised ? spec.on : spec.off], options);
    return await this.#switchBit(spec, energised, options);
  }

  async #switchBit(spec: BitOutput, energised: boolean, options: RequestOptions): Promise<Result<null>> {
    const { talk } = this.#context;
    const mask = 2 ** spec.bit;
    if (spec.registers === 1 && talk.knows(22)) {
      const request: Request = { fc: 22, address: spec.at, andMask: 0xffff & ~mask, orMask: energised ? mask : 0 };
      return await talk.write(request, options);
    }
    const shared = this.#word();
    if (shared.value === null) {
      const read = await talk.readRegisters('holding', spec.at, spec.registers, options.priority);
      if (!read.ok) return read;
      shared.value = toWord(read.value, spec.words);
    }
    const before = shared.value;
    const bitIsSet = Math.floor(before / mask) % 2 === 1;
    shared.value = before + (energised === bitIsSet ? 0 : energised ? mask : -mask);
    return await talk.writeRegisters(spec.at, fromWord(shared.value, spec), options);
  }

  #word(): SharedWord {
    const found = this.#words.get(this.#spec.at);
    if (found !== undefined) return found;
    const fresh: SharedWord = { value: null };
    this.#words.set(this.#spec.at, fresh);
    return fresh;
  }

  #forgetWord(): void {
    if (this.#spec.kind === 'bit') this.#word().value = null;
  }

  /** Whether it is energised; null when the device does not tell, or not now. */
  async #isOn(): Promise<boolean | null> {
    const spec = this.#spec;
    const { talk } = this.#context;
    const priority: Priority = 'input';
    if (spec.kind === 'coil') {
      if (!spec.state || !talk.knows(1)) return null;
      const result = await talk.readBits('coil', spec.at, 1, priority);
      return result.ok ? (result.value[0] ?? null) : null;
    }
    if (spec.kind === 'register') {
      if (spec.state === undefined) return null;
      const { area, at, on, mask } = spec.state;
      const result = await talk.readRegisters(area, at, 1, priority);
      return result.ok ? ((result.value[0] ?? 0) & mask) === on : null;
    }
    const result = await talk.readRegisters('holding', spec.at, spec.registers, priority);
    return result.ok ? Math.floor(toWord(result.value, spec.words) / 2 ** spec.bit) % 2 === 1 : null;
  }
}

type BitOutput = Extract<OutputSpec, { kind: 'bit' }>;

const toWord = (registers: readonly number[], words: 'hi-lo' | 'lo-hi' | undefined): number => {
  const [high = 0, low] = words === 'lo-hi' ? [...registers].reverse() : registers;
  return low === undefined ? high : high * 0x10000 + low;
};

function fromWord(value: number, spec: BitOutput): number[] {
  if (spec.registers === 1) return [value];
  const registers = [Math.floor(value / 0x10000), value % 0x10000];
  return spec.words === 'lo-hi' ? registers.reverse() : registers;
}

export function pulseRequest(pulse: NonNullable<OutputSpec['pulse']>, durationMs: number): Request {
  const value = pulse.base + Math.ceil(durationMs / pulse.unit);
  return pulse.area === 'coil' ? { fc: 5, address: pulse.at, value } : { fc: 6, address: pulse.at, value };
}

function failedOutcome(failure: Failure | null): OutputOutcome {
  if (failure === null)
    return { outcome: 'failed', error: 'too_late', message: 'there was no time left to command it' };
  if (failure.kind === 'refused') return { outcome: 'failed', error: 'device_error', message: failure.message };
  if (failure.kind === 'unknown') return { outcome: 'failed', error: 'timed_out', message: failure.message };
  const error = failure.why === 'too_late' ? 'too_late' : 'controller_offline';
  return { outcome: 'failed', error, message: failure.message };
}
