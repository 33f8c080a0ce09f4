// Strikes and relays on the reader's own terminals. A pulse is the reader's own (OUT with a timer): a cut line cannot
// leave the strike open. What an output should be is remembered here and restored when the reader comes back; how it
// stands is looked at when the bus has time, and one that is not as it was told is told again.

import type { Clock, OutputDevice, OutputOutcome } from '../driver.ts';
import { assert } from '../../src/domain/errors.ts';
import { OutputWatch } from '../../src/domain/output-watch.ts';
import type { OutputStand } from '../../src/domain/output-watch.ts';
import { outputFailure, STOPPING } from '../kit/fates.ts';
import { SET_WITHIN_MS } from '../kit/strike.ts';
import { command, OUT_CONTROL } from './commands.ts';
import type { WireCommand } from './commands.ts';
import { MAX_TIMER_MS, UNIT_MS, units } from './feedback.ts';
import { describeNak, NAK, REPLIES } from './replies.ts';
import type { JobResult, LateCommand } from './jobs.ts';
import type { Station } from './station.ts';

const LOOK_EVERY_MS = 1_000;
/** A relay moves this long after the answer; and a reader's timer is so much off. */
const SETTLE_MS = 500;
const TIMER_ERROR = 0.02;
/** A reader that was never heard to answer the question and falls silent on it so often is not asked any more. */
const SILENCES_TO_STOP = 2;
/** Refusals that are of the frame, not of the question. */
const OF_THE_FRAME: readonly number[] = [NAK.badCheck, NAK.badSequence, NAK.securityBlock, NAK.encryptionRequired];

export type OutputPorts = {
  /** Stays true while a lost session is being mended: a strike waits for that, within its deadline. */
  isOnline: () => boolean;
  /** Outputs that stay as they are found until they are told something; left out: none. */
  isLeftAsFound?: (output: number) => boolean;
  stands: (output: number, stand: OutputStand, energised: boolean, atMonotonicMs: number) => void;
};

/**
 * Until `settledAtMs` an output may stand otherwise than is wanted: a pulse, or what was before. `commanding` counts
 * commands that are on their way.
 */
type Watched = { watch: OutputWatch; settledAtMs: number; commanding: number };

export class Outputs implements OutputDevice {
  readonly #station: Station;
  readonly #clock: Clock;
  readonly #ports: OutputPorts;
  readonly #watched: readonly Watched[];
  /**
   * Null until Lintel has said something about it: at the first contact it is driven to rest, with whatever pulse was
   * running.
   */
  readonly #wanted: (boolean | null)[];
  /** Told nothing yet, and left as they are. */
  readonly #asFound: Set<number>;
  /** For good: nothing is energised any more. */
  #isResting = false;
  /** The reader says that it has outputs. */
  #isAsked = false;
  /** It has refused to say how they stand. */
  #isRefused = false;
  #hasTold = false;
  #silences = 0;
  #isLooking = false;
  #lookedAtMs = 0;

  constructor(station: Station, clock: Clock, count: number, ports: OutputPorts) {
    this.#station = station;
    this.#clock = clock;
    this.#ports = ports;
    this.#wanted = Array.from({ length: count }, () => null);
    this.#asFound = new Set(this.#wanted.flatMap((_, output) => (ports.isLeftAsFound?.(output) === true ? [output] : []))); // prettier-ignore
    this.#watched = this.#wanted.map((_, output) => ({
      watch: new OutputWatch(null, (stand, energised, atMs) => ports.stands(output, stand, energised, atMs)),
      settledAtMs: 0,
      commanding: 0,
    }));
  }

  async pulse(output: number, durationMs: number, notAfterMonotonicMs: number): Promise<OutputOutcome> {
    assert(output >= 0 && output < this.#wanted.length, 'the output is one of those configured');
    assert(durationMs > 0 && durationMs <= MAX_TIMER_MS, 'a pulse ends by the reader’s own timer');
    if (this.#isResting) return STOPPING;
    this.#asFound.delete(output);
    this.#wanted[output] ??= false;
    const wire = out(output, OUT_CONTROL.temporaryOn, durationMs);
    return await this.#send(wire, output, true, notAfterMonotonicMs, units(durationMs) * UNIT_MS);
  }

  async set(output: number, energised: boolean): Promise<OutputOutcome> {
    assert(output >= 0 && output < this.#wanted.length, 'the output is one of those configured');
    if (energised && this.#isResting) return STOPPING;
    this.#asFound.delete(output);
    this.#wanted[output] = energised;
    const control = energised ? OUT_CONTROL.permanentOnAbortTimed : OUT_CONTROL.permanentOffAbortTimed;
    return await this.#send(out(output, control, 0), output, energised, this.#clock.monotonicMs() + SET_WITHIN_MS, 0);
  }

  /**
   * Brings a reader that has just come back to the state that is wanted. A pulse that Lintel has commanded is left
   * alone.
   */
  restoring(): LateCommand[] {
    return this.#wanted.flatMap((_, output) => (this.#asFound.has(output) ? [] : [this.#restoringOf(output)]));
  }

  #restoringOf(output: number): LateCommand {
    return () => {
      const energised = this.#wanted[output] ?? null;
      this.#wanted[output] = energised ?? false;
      const watched = this.#watched[output];
      if (watched !== undefined)
        watched.settledAtMs = Math.max(watched.settledAtMs, this.#clock.monotonicMs() + SETTLE_MS);
      if (energised === null) return out(output, OUT_CONTROL.permanentOffAbortTimed, 0);
      return out(output, energised ? OUT_CONTROL.permanentOn : OUT_CONTROL.permanentOff, 0);
    };
  }

  /**
   * De-energises everything but what is kept, for good, as far as the reader can be reached; one that comes back meanwhile is met as at
   * the first contact.
   */
  async rest(notAfterMonotonicMs: number, keeps: (output: number) => boolean = () => false): Promise<void> {
    this.#isResting = true;
    const ended = this.#wanted.flatMap((_, output) => (keeps(output) ? [] : [output]));
    for (const output of ended) {
      this.#wanted[output] = null;
      this.#asFound.delete(output);
    }
    if (!this.#station.isOpen) return;
    const off = ended.map((output) => out(output, OUT_CONTROL.permanentOffAbortTimed, 0));
    await Promise.all(off.map((wire) => this.#station.submit('strike', wire, { notAfterMs: notAfterMonotonicMs })));
  }

  // ---- how they stand -----------------------------------------------------------------------------------------------

  /** It has said how many outputs it has. One that has none has nothing to tell of them. */
  learn(count: number): void {
    this.#isAsked = count > 0;
    this.#lookedAtMs = this.#clock.monotonicMs();
  }

  /** Another unit is in the reader's place: it may answer what the one before did not. */
  forgetUnit(): void {
    this.#isRefused = this.#hasTold = false;
    this.#silences = 0;
  }

  /** Nothing waits in the reader at this moment: time to look, now and then. */
  idle(atMs: number): void {
    if (!this.#isAsked || this.#isRefused || this.#isResting) return;
    if (this.#isLooking || atMs - this.#lookedAtMs < LOOK_EVERY_MS) return;
    this.#lookedAtMs = atMs;
    void this.#look();
  }

  /** As the reader tells it, asked or not. */
  seen(states: readonly number[], atMs: number): void {
    this.#hasTold = true;
    for (const [output, { watch, settledAtMs, commanding }] of this.#watched.entries()) {
      const state = states[output];
      const wanted = this.#wanted[output] ?? null;
      if (state === undefined || wanted === null || commanding > 0 || atMs <= settledAtMs) continue;
      if (watch.look(state !== 0, wanted, atMs)) void this.#tellAgain(output);
    }
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    const result = await this.#station.submit('look', OSTAT);
    this.#isLooking = false;
    this.#lookedAtMs = this.#clock.monotonicMs();
    if (result.kind === 'reply') this.#noteStates(result);
    if (result.kind === 'nak' && !OF_THE_FRAME.includes(result.error)) this.#isRefused = true;
    if (result.kind === 'silence' && !this.#hasTold && ++this.#silences >= SILENCES_TO_STOP) this.#isRefused = true;
  }

  #noteStates(result: JobResult): void {
    if (result.kind === 'reply' && result.code === REPLIES.OSTATR.code)
      this.seen([...result.data], this.#clock.monotonicMs());
  }

  /** A pulse that was commanded meanwhile goes on. */
  async #tellAgain(output: number): Promise<void> {
    await this.#during(output, 0, () =>
      this.#station.submit('request', () => {
        const isOn = this.#wanted[output] === true;
        const [permanent, aborting] = isOn
          ? [OUT_CONTROL.permanentOn, OUT_CONTROL.permanentOnAbortTimed]
          : [OUT_CONTROL.permanentOff, OUT_CONTROL.permanentOffAbortTimed];
        const isOurs = this.#clock.monotonicMs() <= (this.#watched[output]?.settledAtMs ?? 0);
        return out(output, isOurs ? permanent : aborting, 0);
      }),
    );
  }

  /** Nothing is made of how it stands while it is commanded, and until it has had its time to follow. */
  async #during<T>(output: number, pulseMs: number, work: () => Promise<T>): Promise<T> {
    const watched = this.#watched[output];
    assert(watched !== undefined, 'the output is one of those configured');
    const unsettle = (): void => {
      const settledAtMs = this.#clock.monotonicMs() + pulseMs * (1 + TIMER_ERROR) + SETTLE_MS;
      watched.settledAtMs = Math.max(watched.settledAtMs, settledAtMs);
    };
    watched.commanding++;
    if (pulseMs > 0) {
      watched.watch.pulsed();
      unsettle();
    }
    try {
      return await work();
    } finally {
      watched.commanding--;
      unsettle();
    }
  }

  async #send(
    wire: WireCommand,
    output: number,
    on: boolean,
    notAfterMs: number,
    pulseMs: number,
  ): Promise<OutputOutcome> {
    if (!this.#ports.isOnline()) return offline();
    const result = await this.#during(output, pulseMs, () => this.#station.submit('strike', wire, { notAfterMs }));
    if (result.kind !== 'reply') return failure(result);
    // A pulse that was running has ended with it.
    const watched = this.#watched[output];
    if (pulseMs === 0 && watched !== undefined) watched.settledAtMs = this.#clock.monotonicMs() + SETTLE_MS;
    let told = stateIn(result, output);
    this.#noteStates(result);
    if (told === null) {
      const answer = await this.#station.submit('request', OSTAT, { notAfterMs });
      told = stateIn(answer, output);
      this.#noteStates(answer);
    }
    // One that does not release shows nothing by being on.
    return { outcome: 'done', confirmed: told === on && watched?.watch.isStuck !== true };
  }
}

export const stuckMessage = (output: number, energised: boolean): string =>
  energised
    ? `output ${output} does not release: its relay sticks, or something else drives it. Look at it now, for the door may be open`
    : `output ${output} does not energise though it is told to`;

const OSTAT = command('OSTAT', {});

const out = (output: number, control: number, durationMs: number): WireCommand =>
  command('OUT', { records: [{ output, control, timerUnits: units(durationMs) }] });

/** Readers answer OUT with ACK or with the state of their outputs. */
function stateIn(result: JobResult, output: number): boolean | null {
  if (result.kind !== 'reply' || result.code !== REPLIES.OSTATR.code) return null;
  const state = result.data[output];
  return state === undefined ? null : state !== 0;
}

const offline = (): OutputOutcome => outputFailure('offline', 'the reader is offline');

function failure(result: Exclude<JobResult, { kind: 'reply' }>): OutputOutcome {
  switch (result.kind) {
    case 'nak':
      return outputFailure('refused', `the reader refused the output command: ${describeNak(result.error)}`);
    case 'expired':
      return result.sent
        ? outputFailure('unanswered', 'the reader did not acknowledge the output command in time')
        : outputFailure('too_late', 'the reader could not be reached in time');
    case 'busy':
      return outputFailure('crowded', 'the reader was busy all the time');
    case 'silence':
    case 'restart':
    case 'dropped':
      return offline();
  }
}
