// The inputs on a reader's terminals, as it reports them (ISTATR): what has changed goes on, with the instant after
// which it did, and a supervised circuit that is cut or shorted is a fault. While a reader is polled without a gap,
// each poll that finds nothing waiting says that all inputs are as they were.

import type { DriverEvent } from '../driver.ts';
import { InputHistory } from '../kit/input-history.ts';
import { INPUT_STATE } from './replies.ts';

const INPUT_FAULTS: Readonly<Record<number, string>> = {
  [INPUT_STATE.short]: 'its wires are short-circuited',
  [INPUT_STATE.open]: 'its wires are cut',
  [INPUT_STATE.fault]: 'its circuit has a fault',
  [INPUT_STATE.unknown]: 'the reader does not know its state',
};

export type InputSettings = { inputs: number; invertedInputs: readonly number[] };

export class Inputs {
  readonly #device: string;
  readonly #settings: InputSettings;
  readonly #emit: (event: DriverEvent) => void;
  /** As last told; forgotten over a gap, so that all of them are told again. */
  #states: (number | undefined)[] = [];
  readonly #history = new InputHistory();
  readonly #faults = new Map<number, string>();
  /** Nothing can have changed unseen since the reader was last asked for all of them. */
  #isCurrent = false;
  /** All inputs were told since the gap, by a reader that may have kept more. */
  #isTold = false;
  /** Until when the states above held for certain; null: they were never told. */
  #sureAtMs: number | null = null;

  constructor(device: string, settings: InputSettings, emit: (event: DriverEvent) => void) {
    this.#device = device;
    this.#settings = settings;
    this.#emit = emit;
  }

  /** A poll has found nothing waiting in the reader. */
  nothingNew(atMs: number): void {
    // It has told all and keeps nothing back: what it says from now on is news.
    this.#isCurrent ||= this.#isTold;
    if (this.#isCurrent) this.#sureAtMs = atMs;
  }

  /** From here on inputs may change unseen. `forget`: until the reader is back, and then all are told again. */
  gap(forget: boolean): void {
    this.#settle();
    this.#isCurrent = false;
    this.#isTold = false;
    if (forget) this.#states = [];
  }

  /**
   * The reader has no answer to the question for all inputs, or only with a later poll: it tells changes from now on.
   */
  untold(): void {
    this.#isCurrent = true;
  }

  /** `asked`: it answers the question for all inputs, so it ends a gap. */
  report(states: readonly number[], asked: boolean, atMs: number): void {
    this.#settle();
    for (const [input, state] of states.entries()) this.#one(input, state, atMs);
    this.#isTold = true;
    this.#isCurrent ||= asked;
    if (this.#isCurrent) this.#sureAtMs = atMs;
  }

  /** Writes down until when each input was as it was last told. */
  #settle(): void {
    const atMs = this.#sureAtMs;
    if (atMs === null) return;
    for (const [input, state] of this.#states.entries())
      if (state !== undefined && isKnown(state)) this.#history.note(input, this.#isActive(input, state), atMs);
  }

  #one(input: number, state: number, atMonotonicMs: number): void {
    const before = this.#states[input];
    if (input >= this.#settings.inputs || before === state) return;
    this.#states[input] = state;
    this.#setFault(input, isKnown(state) ? null : (INPUT_FAULTS[state] ?? `the reader calls its state ${state}`));
    // A faulty circuit is neither open nor closed: it must not look like somebody pressing the exit button.
    if (!isKnown(state)) return;
    const active = this.#isActive(input, state);
    const seenMs = this.#history.changedAfter(input, active);
    // Of a reader that tells changes only, the first report of an input is a change as well.
    const isNews = before === undefined && this.#isCurrent && this.#sureAtMs !== null;
    const changedAfterMonotonicMs = isNews ? Math.max(this.#sureAtMs ?? 0, seenMs ?? 0) : seenMs;
    this.#emit({ type: 'input', device: this.#device, input, active, atMonotonicMs, changedAfterMonotonicMs });
  }

  #isActive(input: number, state: number): boolean {
    return (state === INPUT_STATE.active) !== this.#settings.invertedInputs.includes(input);
  }

  #setFault(input: number, fault: string | null): void {
    if ((this.#faults.get(input) ?? null) === fault) return;
    if (fault === null) this.#faults.delete(input);
    else this.#faults.set(input, fault);
    const message = `input ${input}: ${fault ?? 'its circuit is whole again'}`;
    this.#emit({ type: 'fault', device: this.#device, code: `input_${input}`, message, cleared: fault === null });
  }
}

const isKnown = (state: number): boolean => state === INPUT_STATE.inactive || state === INPUT_STATE.active;
