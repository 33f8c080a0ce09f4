// One lock of a door and the output that drives it, whichever way round it is wired: opened for a moment, held free for
// as long as a mode wants it, and locked again for certain. What is held is told again and again, so that a relay board
// that restarted returns to it; and where a device ends a pulse by itself it is held by pulses, so that a gateway that
// died leaves no door open.

import type { LockSetup } from '../domain/facility.ts';
import type { Clock, Device, Log, OutputDevice, OutputOutcome, Timer } from '../domain/ports.ts';

export type LockPorts = {
  clock: Clock;
  log: Log;
  device: (name: string) => Device | undefined;
  onChange: () => void;
};

/**
 * How it is kept. `free`: for the time being, and not by a gateway that died; `open`: whatever becomes of the gateway,
 * for people must get out.
 */
export type Kept = 'locked' | 'free' | 'open';

/** A hold by pulses lasts so long without another. */
export const HOLD_PULSE_MS = 60_000;
const TELL_EVERY_MS = 20_000;
const AGAIN_MS = 2_000;

export class Lock {
  readonly setup: LockSetup;
  readonly #ports: LockPorts;
  #kept: Kept = 'locked';
  /** Counts what it was told: the answer to an earlier word is not that to the last. */
  #words = 0;
  #timer: Timer | null = null;
  /** Told, and not yet seen to follow. */
  #isUnsettled = false;
  #problem: string | null = null;
  #isResting = false;
  /** Nothing was said of it since the start: it is as the run before left it. */
  #isAsFound: boolean;

  /** `isKept`: whoever is let out by it is not locked in by a start: it stays as it is until its mode is known. */
  constructor(setup: LockSetup, ports: LockPorts, isKept = false) {
    this.setup = setup;
    this.#ports = ports;
    this.#isAsFound = isKept;
  }

  /** One that is locked by power is given it; any other is at rest already. */
  start(): void {
    if (this.#isReversed && !this.#isAsFound) this.#tell();
  }

  /** Its mode is known: it is told what it is to be, where nothing was said of it yet. */
  settle(): void {
    if (this.#isAsFound) this.#tell();
  }

  /** A stop leaves it as it is: free, or perhaps. */
  get mayStay(): boolean {
    return this.isKeptFree || this.#isAsFound;
  }

  /** Why it is not as it should be kept, for people; null: it is, as far as is known. */
  get problem(): string | null {
    return this.#problem;
  }

  get isKeptFree(): boolean {
    return this.#kept !== 'locked';
  }

  /** Free, or not yet seen to have locked again. */
  get mayBeFree(): boolean {
    return this.isKeptFree || (this.#isUnsettled && !this.#isReversed);
  }

  /** Frees it for a moment. One that is kept free needs nothing. */
  async pulse(durationMs: number, notAfterMonotonicMs: number, onSent?: () => void): Promise<OutputOutcome> {
    const outputs = this.#outputs;
    if (this.#isResting) return failed('controller_offline', 'Lintel is stopping');
    if (outputs === null) return failed('device_error', `${this.setup.controller} has no output`);
    if (this.isKeptFree) {
      onSent?.();
      return { outcome: 'done', confirmed: this.#problem === null };
    }
    this.#cancel();
    if (!this.#isReversed) {
      this.#isUnsettled = false;
      return await outputs.pulse(this.setup.output, durationMs, notAfterMonotonicMs, onSent);
    }
    this.#timer = this.#ports.clock.after(durationMs, () => this.#tell());
    const outcome = outputs.set(this.setup.output, false);
    onSent?.();
    return await outcome;
  }

  /** Ends a moment before its time. */
  relock(): void {
    if (!this.isKeptFree) this.#tell();
  }

  /** From now on, until told otherwise. */
  keep(kept: Kept): void {
    if (this.#kept === kept || this.#isResting) return;
    this.#kept = kept;
    this.#tell();
  }

  /** The device is there again: it may have forgotten. */
  deviceOnline(): void {
    if (this.#isAsFound) return;
    if (this.isKeptFree || this.#isReversed || this.#isUnsettled) this.#tell();
  }

  /** From now on it is told nothing: the drivers bring every output to rest. */
  rest(): void {
    this.#isResting = true;
    this.#cancel();
  }

  // ---- telling ------------------------------------------------------------------------------------------------------

  #tell(): void {
    if (this.#isResting) return;
    this.#isAsFound = false;
    this.#cancel();
    const word = ++this.#words;
    this.#isUnsettled = true;
    void this.#command().then((outcome) => {
      if (word !== this.#words || this.#isResting) return;
      this.#settled(outcome);
    });
  }

  #settled(outcome: OutputOutcome): void {
    // What is acknowledged and does not follow is told by the driver, which looks at its outputs (`strike_stuck`).
    const problem = outcome.outcome === 'failed' ? outcome.message : null;
    this.#isUnsettled = problem !== null;
    if (problem !== null && this.#problem === null)
      this.#ports.log.warn('a lock does not do what it is told; it is told again', { ...this.setup, problem });
    this.#problem = problem;
    const { clock, onChange } = this.#ports;
    if (problem !== null) this.#timer = clock.after(AGAIN_MS, () => this.#tell());
    else if (this.isKeptFree || this.#isReversed) this.#timer = clock.after(TELL_EVERY_MS, () => this.#tell());
    onChange();
  }

  #command(): Promise<OutputOutcome> {
    const { clock } = this.#ports;
    const outputs = this.#outputs;
    const { output } = this.setup;
    if (outputs === null) return Promise.resolve(failed('device_error', `${this.setup.controller} has no output`));
    const energised = this.isKeptFree !== this.#isReversed;
    if (energised && this.#kept === 'free' && this.#endsPulses)
      return outputs.pulse(output, HOLD_PULSE_MS, clock.monotonicMs() + AGAIN_MS);
    return outputs.set(output, energised);
  }

  #cancel(): void {
    this.#words++;
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** Power locks it. */
  get #isReversed(): boolean {
    return this.setup.energised === 'locks';
  }

  get #outputs(): OutputDevice | null {
    return this.#ports.device(this.setup.controller)?.outputs ?? null;
  }

  get #endsPulses(): boolean {
    const can = this.#ports.device(this.setup.controller)?.capabilities.outputs[this.setup.output];
    return can?.devicePulse === true && can.pulseMaxMs >= HOLD_PULSE_MS;
  }
}

const failed = (error: 'controller_offline' | 'device_error', message: string): OutputOutcome => ({
  outcome: 'failed',
  error,
  message,
});
