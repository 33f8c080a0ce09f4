// Strikes and relays on the reader's own terminals. A pulse is the reader's own (OUT with a timer): a cut line cannot leave the strike open. What an output should
// be is remembered here and restored when the reader comes back.

import type { Clock, OutputDevice, OutputOutcome } from '../driver.ts';
import { assert } from '../../src/domain/errors.ts';
import { command, OUT_CONTROL } from './commands.ts';
import type { WireCommand } from './commands.ts';
import { MAX_TIMER_MS, units } from './feedback.ts';
import { describeNak, REPLIES } from './replies.ts';
import type { JobResult, LateCommand } from './jobs.ts';
import type { Station } from './station.ts';

/** A state that was set, not pulsed, is still wanted this long after. */
const SET_DEADLINE_MS = 5_000;

export class Outputs implements OutputDevice {
  readonly #station: Station;
  readonly #clock: Clock;
  readonly #isOnline: () => boolean;
  /** Null until Lintel has said something about it: at the first contact it is driven to rest, with whatever pulse was running. */
  readonly #wanted: (boolean | null)[];
  /** For good: nothing is energised any more. */
  #isResting = false;

  /** `isOnline` stays true while a lost session is being mended: a strike waits for that, within its deadline. */
  constructor(station: Station, clock: Clock, count: number, isOnline: () => boolean) {
    this.#station = station;
    this.#clock = clock;
    this.#isOnline = isOnline;
    this.#wanted = Array.from({ length: count }, () => null);
  }

  async pulse(output: number, durationMs: number, notAfterMonotonicMs: number): Promise<OutputOutcome> {
    assert(output >= 0 && output < this.#wanted.length, 'the output is one of those configured');
    assert(durationMs > 0 && durationMs <= MAX_TIMER_MS, 'a pulse ends by the reader’s own timer');
    if (this.#isResting) return STOPPING;
    this.#wanted[output] ??= false;
    return await this.#send(out(output, OUT_CONTROL.temporaryOn, durationMs), output, true, notAfterMonotonicMs);
  }

  async set(output: number, energised: boolean): Promise<OutputOutcome> {
    assert(output >= 0 && output < this.#wanted.length, 'the output is one of those configured');
    if (energised && this.#isResting) return STOPPING;
    this.#wanted[output] = energised;
    const control = energised ? OUT_CONTROL.permanentOnAbortTimed : OUT_CONTROL.permanentOffAbortTimed;
    return await this.#send(out(output, control, 0), output, energised, this.#clock.monotonicMs() + SET_DEADLINE_MS);
  }

  /** Brings a reader that has just come back to the state that is wanted. A pulse that Lintel has commanded is left alone. */
  restoring(): LateCommand[] {
    return this.#wanted.map((_, output) => () => {
      const energised = this.#wanted[output] ?? null;
      this.#wanted[output] = energised ?? false;
      if (energised === null) return out(output, OUT_CONTROL.permanentOffAbortTimed, 0);
      return out(output, energised ? OUT_CONTROL.permanentOn : OUT_CONTROL.permanentOff, 0);
    });
  }

  /** De-energises everything, for good, as far as the reader can be reached; one that comes back meanwhile is met as at the first contact. */
  async rest(notAfterMonotonicMs: number): Promise<void> {
    this.#isResting = true;
    this.#wanted.fill(null);
    if (!this.#station.isOpen) return;
    const off = this.#wanted.map((_, output) => out(output, OUT_CONTROL.permanentOffAbortTimed, 0));
    await Promise.all(off.map((wire) => this.#station.submit('strike', wire, { notAfterMs: notAfterMonotonicMs })));
  }

  async #send(wire: WireCommand, output: number, on: boolean, notAfterMs: number): Promise<OutputOutcome> {
    if (!this.#isOnline()) return offline();
    const result = await this.#station.submit('strike', wire, { notAfterMs });
    if (result.kind !== 'reply') return failure(result);
    const told =
      stateIn(result, output) ?? stateIn(await this.#station.submit('request', OSTAT, { notAfterMs }), output);
    return { outcome: 'done', confirmed: told === on };
  }
}

const OSTAT = command('OSTAT', {});
const STOPPING: OutputOutcome = { outcome: 'failed', error: 'controller_offline', message: 'Lintel is stopping' };

const out = (output: number, control: number, durationMs: number): WireCommand =>
  command('OUT', { records: [{ output, control, timerUnits: units(durationMs) }] });

/** Readers answer OUT with ACK or with the state of their outputs. */
function stateIn(result: JobResult, output: number): boolean | null {
  if (result.kind !== 'reply' || result.code !== REPLIES.OSTATR.code) return null;
  const state = result.data[output];
  return state === undefined ? null : state !== 0;
}

const offline = (): OutputOutcome => ({
  outcome: 'failed',
  error: 'controller_offline',
  message: 'the reader is offline',
});

function failure(result: Exclude<JobResult, { kind: 'reply' }>): OutputOutcome {
  switch (result.kind) {
    case 'nak':
      return {
        outcome: 'failed',
        error: 'device_error',
        message: `the reader refused the output command: ${describeNak(result.error)}`,
      };
    case 'expired':
      return result.sent
        ? {
            outcome: 'failed',
            error: 'timed_out',
            message: 'the reader did not acknowledge the output command in time',
          }
        : { outcome: 'failed', error: 'too_late', message: 'the reader could not be reached in time' };
    case 'silence':
    case 'restart':
    case 'dropped':
      return offline();
  }
}
