// The screw terminals of a simulated reader: inputs, outputs with the reader's own timers, tamper and power.

import type { Clock } from '../driver.ts';
import { OUT_CONTROL } from './commands.ts';
import type { OutRecord } from './commands.ts';

type Output = { permanent: boolean; timed: { on: boolean; endsAtMs: number } | null };

export class SimulatedTerminals {
  /** As in ISTATR. */
  readonly inputs: number[];
  readonly outputs: Output[];
  /** Outputs whose relay sticks: on, whatever they are told. */
  readonly welded = new Set<number>();
  tamper = false;
  powerFailed = false;
  /** Every energising, in order: which output, when (monotonic), for how long (0: until told otherwise). */
  readonly pulses: { output: number; atMs: number; durationMs: number }[] = [];
  readonly #clock: Clock;

  constructor(clock: Clock, inputs: number, outputs: number) {
    this.#clock = clock;
    this.inputs = Array.from({ length: inputs }, () => 0);
    this.outputs = Array.from({ length: outputs }, () => ({ permanent: false, timed: null }));
  }

  /** False when a record names an output that is not there; those before it have been carried out. */
  drive(records: readonly OutRecord[]): boolean {
    const nowMs = this.#clock.monotonicMs();
    for (const { output: index, control, timerUnits } of records) {
      const output = this.outputs[index];
      if (output === undefined) return false;
      const timed = { endsAtMs: nowMs + timerUnits * 100 };
      switch (control) {
        case OUT_CONTROL.nop:
          break;
        case OUT_CONTROL.permanentOffAbortTimed:
        case OUT_CONTROL.permanentOnAbortTimed:
          output.timed = null;
          output.permanent = control === OUT_CONTROL.permanentOnAbortTimed;
          break;
        case OUT_CONTROL.permanentOff:
        case OUT_CONTROL.permanentOn:
          output.permanent = control === OUT_CONTROL.permanentOn;
          break;
        case OUT_CONTROL.temporaryOn:
        case OUT_CONTROL.temporaryOff:
          output.timed = { ...timed, on: control === OUT_CONTROL.temporaryOn };
          break;
        default:
          return false;
      }
      const energised = control === OUT_CONTROL.temporaryOn || control === OUT_CONTROL.permanentOnAbortTimed;
      if (energised) this.pulses.push({ output: index, atMs: nowMs, durationMs: timerUnits * 100 });
    }
    return true;
  }

  outputStates(): boolean[] {
    const nowMs = this.#clock.monotonicMs();
    return this.outputs.map(
      ({ permanent, timed }, index) =>
        this.welded.has(index) || (timed !== null && nowMs < timed.endsAtMs ? timed.on : permanent),
    );
  }

  /** Somebody else has it switched: a button behind the reader, its own program. It follows what it is told next. */
  switchFromOutside(index: number, on: boolean): void {
    const output = this.outputs[index];
    if (output === undefined) return;
    output.timed = null;
    output.permanent = on;
  }

  powerCycle(): void {
    for (const output of this.outputs) {
      output.permanent = false;
      output.timed = null;
    }
  }
}
