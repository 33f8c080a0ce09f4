// The sensor of a simulated biometric reader: what finger is on it, what it is asked, and what it tells of it. A template
// is some bytes here, and the same bytes are the same finger.

import type { Clock } from '../driver.ts';
import type { CommandFields, DecodedCommand } from './commands.ts';
import { NAK, reply } from './replies.ts';
import type { WireReply } from './replies.ts';

export type SimulatedFinger = {
  template: Buffer;
  quality?: number;
  /** With which score it is taken for a template; left out: 255 for its own, 0 for any other. */
  scoreOf?: (template: Buffer) => number;
};

type Asked = DecodedCommand<'BIOREAD' | 'BIOMATCH'>;

export class SimulatedSensor {
  /** False: it says that it has none, and knows no such command. */
  isThere = true;
  /** What lies on it; null: nothing, until somebody puts it there. */
  finger: SimulatedFinger | null = { template: Buffer.from('simulated finger'), quality: 90 };
  /** Types and formats that it knows; null: all. */
  knows: { types: readonly number[]; formats: readonly number[] } | null = null;
  /** After so long with nothing on it, it says so by itself. */
  patienceMs = Infinity;
  /** It says that it gave up, and did not. */
  ignoresAbort = false;
  readonly #clock: Clock;
  readonly #report: (wire: WireReply) => void;
  #asked: { command: Asked; template: Buffer; untilMs: number } | null = null;

  constructor(clock: Clock, report: (wire: WireReply) => void) {
    this.#clock = clock;
    this.#report = report;
  }

  /** Is somebody asked for a finger now? */
  get isWaiting(): boolean {
    return this.#asked !== null;
  }

  /** Somebody touches it, and takes the finger away again. */
  touch(finger: SimulatedFinger): void {
    if (this.#asked !== null) this.#answer(this.#asked, finger);
  }

  /** `file`: what the last file transfer has brought. */
  take(command: Asked, file: Buffer | null): number | null {
    if (!this.isThere) return NAK.unknownCommand;
    if (this.knows?.types.includes(command.fields.type) === false) return NAK.bioType;
    if (this.knows?.formats.includes(command.fields.format) === false) return NAK.bioFormat;
    const given = command.name === 'BIOMATCH' ? command.fields.template : NOTHING;
    const template = Buffer.from(given.length > 0 ? given : (file ?? NOTHING));
    const asked = { command, template, untilMs: this.#clock.monotonicMs() + this.patienceMs };
    if (this.finger === null) this.#asked = asked;
    else this.#answer(asked, this.finger);
    return null;
  }

  /** Before each poll. */
  tick(): void {
    const asked = this.#asked;
    if (asked === null || this.#clock.monotonicMs() < asked.untilMs) return;
    this.#asked = null;
    this.#report(nobody(asked.command));
  }

  abort(): void {
    if (!this.ignoresAbort) this.#asked = null;
  }

  powerCycle(): void {
    this.#asked = null;
  }

  #answer({ command, template }: { command: Asked; template: Buffer }, finger: SimulatedFinger): void {
    this.#asked = null;
    const { reader, type } = command.fields;
    if (command.name === 'BIOREAD') {
      const { quality = 90 } = finger;
      this.#report(reply('BIOREADR', { reader, status: 0, type, quality, template: finger.template }));
      return;
    }
    const score = finger.scoreOf?.(template) ?? (template.equals(finger.template) ? 0xff : 0);
    this.#report(reply('BIOMATCHR', { reader, status: 0, score }));
  }
}

const NOTHING = Buffer.alloc(0);

function nobody({ name, fields }: { name: Asked['name']; fields: CommandFields['BIOREAD' | 'BIOMATCH'] }): WireReply {
  const { reader, type } = fields;
  return name === 'BIOREAD'
    ? reply('BIOREADR', { reader, status: 1, type, quality: 0, template: NOTHING })
    : reply('BIOMATCHR', { reader, status: 1, score: 0 });
}
