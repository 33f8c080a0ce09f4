// What is said of the outputs of a device: how each stands, and what of it an installer must look at.

import type { OutputStand } from '../../src/domain/output-watch.ts';
import type { DriverEvent } from '../../src/domain/ports.ts';

export class OutputFaults {
  readonly #device: string;
  readonly #emit: (event: DriverEvent) => void;
  /** Outputs that do not follow, and what to say of it. */
  readonly #stuck = new Map<number, string>();

  constructor(device: string, emit: (event: DriverEvent) => void) {
    this.#device = device;
    this.#emit = emit;
  }

  /** What is wrong with an output, for people; null: nothing that is known. */
  get problem(): string | null {
    const [problem] = this.#stuck.values();
    return problem ?? null;
  }

  stands(output: number, stand: OutputStand, energised: boolean, atMonotonicMs: number): void {
    const before = this.#stuck.get(output);
    if (stand === 'stuck') this.#stuck.set(output, stuckMessage(output, energised));
    else this.#stuck.delete(output);
    const message = this.#stuck.get(output) ?? before;
    if (message !== undefined && (before === undefined || stand !== 'stuck'))
      this.#fault(`output_${output}_stuck`, message, stand !== 'stuck');
    this.#emit({ type: 'output', device: this.#device, output, stand, energised, atMonotonicMs });
  }

  unseen(output: number, cleared: boolean): void {
    this.#fault(`output_${output}_unseen`, unseenMessage(output), cleared);
  }

  #fault(code: string, message: string, cleared: boolean): void {
    this.#emit({ type: 'fault', device: this.#device, code, message, cleared });
  }
}

const stuckMessage = (output: number, energised: boolean): string =>
  energised
    ? `output ${output} does not release: its relay sticks, or something else drives it. Look at it now, for the door may be open`
    : `output ${output} does not energise though it is told to`;

const unseenMessage = (output: number): string =>
  `output ${output} acknowledged a pulse and was not seen to energise: does its strike work? If it does, raise settles in the profile`;
