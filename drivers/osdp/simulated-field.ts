// The card field of a simulated reader in transparent mode: what lies on it, and what the reader says of it.

import type { CommandFields } from './commands.ts';
import { NAK, reply } from './replies.ts';
import type { WireReply } from './replies.ts';
import { decodePinEntry, type PinEntry } from './smart-card.ts';

const ACK = reply('ACK', {});
const nak = (error: number): WireReply => reply('NAK', { error, details: Buffer.alloc(0) });

const MOST_SHOWN = 8;
/** Class, instruction, two parameters, length. */
const APDU_HEAD_BYTES = 5;

/** A card or phone; null: it is not there any more. */
export type LaidCard = { answer(command: Buffer): Buffer | null };

export class SimulatedField {
  /** 0: the reader reads by itself. 1: the panel does. */
  mode = 0;
  /** Whether it knows transparent mode at all. */
  isKnown = false;
  /** Whether the PIN of a card can be typed at it. */
  hasPinEntry = false;
  /** Some know no scan, and tell of a card by themselves. */
  scans = true;
  /** Some tell of a card by themselves as well. */
  tells = true;
  readonly #report: (report: WireReply) => void;
  #card: LaidCard | null = null;
  /** The PIN that is being typed into the card. */
  #typing: { entry: PinEntry; digits: string } | null = null;
  /** Cards that were shown while the field was the panel's: read when it is the reader's again. */
  readonly #shown: (() => void)[] = [];

  constructor(report: (report: WireReply) => void) {
    this.#report = report;
  }

  /** Lays a card on it, or takes it away. */
  lay(card: LaidCard | null): void {
    this.#card = card;
    if (card !== null && this.tells) this.#tell();
  }

  /** An ordinary card is shown: `read` is what the reader does with it. */
  show(read: () => void): void {
    if (this.mode === 0) read();
    else if (this.#shown.length < MOST_SHOWN) this.#shown.push(read);
  }

  /** A key is pressed; false: nobody waits for the PIN of a card. `#` ends it, `*` begins it anew. */
  press(key: string): boolean {
    const typing = this.#typing;
    if (typing === null) return false;
    if (key === '*') typing.digits = '';
    else if (key !== '#') typing.digits += key;
    const { minDigits, maxDigits } = typing.entry;
    const isWhole = typing.digits.length === maxDigits || (key === '#' && typing.digits.length >= minDigits);
    if (isWhole) this.#typed(typing.entry, typing.digits);
    return true;
  }

  take({ mode, command, data }: CommandFields['XWR'], unknown: number): WireReply {
    if (!this.isKnown) return nak(unknown);
    if (mode === 0 && command === 1) return reply('XRD', { mode: 0, reply: 1, data: Buffer.from([this.mode, 0]) });
    if (mode === 0 && command === 2) {
      this.mode = data[0] ?? 0;
      this.#typing = null;
      if (this.mode === 0) for (const read of this.#shown.splice(0)) read();
      if (!this.scans) this.#tell();
      return ACK;
    }
    if (mode !== 1 || this.mode !== 1) return nak(NAK.record);
    if (command === 4 && !this.scans) return nak(NAK.badCheck);
    if (command === 3) return this.#ask(decodePinEntry(data.subarray(1)));
    if (command === 1) this.#answer(data.subarray(1));
    if (command === 4) this.#tell();
    return ACK;
  }

  #ask(entry: PinEntry | null): WireReply {
    if (!this.hasPinEntry || entry === null || entry.form !== 'ascii') return nak(NAK.record);
    this.#typing = { entry: { ...entry, apdu: Buffer.from(entry.apdu) }, digits: '' };
    return ACK;
  }

  #typed({ apdu, offsetBytes }: PinEntry, digits: string): void {
    this.#typing = null;
    apdu.write(digits, APDU_HEAD_BYTES + offsetBytes, 'latin1');
    const answer = this.#card?.answer(apdu) ?? null;
    if (answer === null) this.#report(reply('XRD', { mode: 1, reply: 0, data: Buffer.from([1]) }));
    else {
      const status = answer.readUInt16BE(answer.length - 2) === 0x9000 ? 0 : 1;
      this.#report(reply('XRD', { mode: 1, reply: 3, data: Buffer.from([0, status, 1]) }));
    }
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
