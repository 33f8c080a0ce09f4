// Everything a reader must be told and asked once it is back: its outputs, its inputs, its look, who it is and what it
// can do. Given up silently when the link goes: the next one begins it anew.

import type { Clock } from '../driver.ts';
import { command } from './commands.ts';
import type { WireCommand } from './commands.ts';
import { MAX_FRAME_BYTES } from './frame.ts';
import type { JobResult, LateCommand } from './jobs.ts';
import type { Outputs } from './outputs.ts';
import { readCapabilities } from './pdcap.ts';
import type { PdCapabilities } from './pdcap.ts';
import { decodeReply, REPLIES } from './replies.ts';
import type { Fragment } from './multipart.ts';
import type { PdId } from './replies.ts';
import type { Reports } from './reports.ts';
import { SMART_CARD } from './smart-card.ts';
import type { ShownFeedback } from './shown-feedback.ts';
import type { Station } from './station.ts';

export type SetUpPorts = {
  outputs: Outputs | null;
  feedback: ShownFeedback;
  reports: Reports;
  hasInputs: boolean;
  /** `proven`: it came through the secured channel. */
  identify: (id: PdId, proven: boolean) => void;
  learn: (pd: PdCapabilities) => void;
  /** A part of its extended identification; more may come with polls. */
  extended: (part: Fragment) => void;
};

export class SetUp {
  readonly #station: Station;
  readonly #clock: Clock;
  readonly #ports: SetUpPorts;
  #hasExtendedId = false;
  #hasTransparentMode = false;

  constructor(station: Station, clock: Clock, ports: SetUpPorts) {
    this.#station = station;
    this.#clock = clock;
    this.#ports = ports;
  }

  async run(): Promise<void> {
    const { outputs, feedback, hasInputs } = this.#ports;
    for (const wire of outputs?.restoring() ?? []) if (!(await this.#tell(wire))) return;
    // Soon: until then what is pressed cannot be told from what was pressed while nobody looked.
    if (hasInputs && !(await this.#askInputs())) return;
    if (!(await this.#tell(command('CAP', {})))) return;
    // Whoever had its field before, and lost power over it, or was told of it no more: it reads by itself now.
    if (this.#hasTransparentMode && !(await this.#tell(SMART_CARD.normal))) return;
    for (const wire of [
      ...feedback.resting(),
      command('ID', { extended: false }),
      command('ACURXSIZE', { sizeBytes: MAX_FRAME_BYTES }),
      command('LSTAT', {}),
      command('RSTAT', {}),
    ]) {
      if (!(await this.#tell(wire))) return;
    }
    if (this.#hasExtendedId) await this.#tell(command('ID', { extended: true }));
  }

  async #askInputs(): Promise<boolean> {
    const result = await this.#station.submit('request', command('ISTAT', {}));
    if (result.kind !== 'reply' && result.kind !== 'nak') return false;
    if (result.kind === 'reply' && result.code === REPLIES.ISTATR.code) this.#answered(result);
    else this.#ports.reports.inputs.untold();
    return true;
  }

  /** False when there was no answer of any kind. */
  async #tell(wire: WireCommand | LateCommand): Promise<boolean> {
    const result = await this.#station.submit('request', wire);
    if (result.kind === 'reply') this.#answered(result);
    if (result.kind === 'nak' && typeof wire !== 'function') this.#ports.feedback.refused(wire, result.error);
    return result.kind === 'reply' || result.kind === 'nak';
  }

  #learn(pd: PdCapabilities): void {
    this.#hasExtendedId = pd.extendedId;
    this.#hasTransparentMode = pd.transparentMode;
    this.#ports.learn(pd);
  }

  #answered(result: JobResult & { kind: 'reply' }): void {
    const reply = decodeReply(result.code, result.data);
    if (typeof reply === 'string') return;
    if (reply.name === 'PDID') this.#ports.identify(reply.fields, result.secured);
    else if (reply.name === 'PDCAP') this.#learn(readCapabilities(reply.fields.records));
    else if (reply.name === 'EXT_PDID') this.#ports.extended(reply.fields);
    else this.#ports.reports.accept(reply, this.#clock.monotonicMs(), true);
  }
}
