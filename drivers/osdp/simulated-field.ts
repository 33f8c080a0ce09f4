// The card field of a simulated reader in transparent mode: what lies on it, and what the reader says of it.

import type { CommandFields } from './commands.ts';
import { NAK, reply } from './replies.ts';
import type { WireReply } from './replies.ts';

const ACK = reply('ACK', {});
const nak = (error: number): WireReply => reply('NAK', { error, details: Buffer.alloc(0) });

const MOST_SHOWN = 8;

/** A card or phone; null: it is not there any more. */
export type LaidCard = { answer(command: Buffer): Buffer | null };

export class SimulatedField {
  /** 0: the reader reads by itself. 1: the panel does. */
  mode = 0;
  /** Whether it knows transparent mode at all. */
  isKnown = false;
  /** Some know no scan, and tell of a card by themselves. */
  scans = true;
  readonly #report: (report: WireReply) => void;
  #card: LaidCard | null = null;
  /** Cards that were shown while the field was the panel's: read when it is the reader's again. */
  readonly #shown: (() => void)[] = [];

  constructor(report: (report: WireReply) => void) {
    this.#report = report;
  }

  /** Lays a card on it, or takes it away. */
  lay(card: LaidCard | null): void {
    this.#card = card;
    if (card !== null) this.#tell();
  }

  /** An ordinary card is shown: `read` is what the reader does with it. */
  show(read: () => void): void {
    if (this.mode === 0) read();
    else if (this.#shown.length < MOST_SHOWN) this.#shown.push(read);
  }

  take({ mode, command, data }: CommandFields['XWR'], unknown: number): WireReply {
    if (!this.isKnown) return nak(unknown);
    if (mode === 0 && command === 1) return reply('XRD', { mode: 0, reply: 1, data: Buffer.from([this.mode, 0]) });
    if (mode === 0 && command === 2) {
      this.mode = data[0] ?? 0;
      if (this.mode === 0) for (const read of this.#shown.splice(0)) read();
      if (!this.scans) this.#tell();
      return ACK;
    }
    if (mode !== 1 || this.mode !== 1) return nak(NAK.record);
    if (command === 4 && !this.scans) return nak(NAK.badCheck);
    if (command === 1) this.#answer(data.subarray(1));
    if (command === 4) this.#tell();
    return ACK;
  }

  #tell(): void {
    if (this.mode === 1 && this.#card !== null)
      this.#report(reply('XRD', { mode: 1, reply: 1, data: Buffer.from([0, 2]) }));
  }

  #answer(command: Buffer): void {
    const answer = this.#card?.answer(command) ?? null;
    if (answer === null) this.#report(reply('XRD', { mode: 1, reply: 0, data: Buffer.from([1]) }));
    else this.#report(reply('XRD', { mode: 1, reply: 2, data: Buffer.concat([Buffer.from([0, 0]), answer]) }));
  }
}
