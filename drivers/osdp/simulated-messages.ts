// A simulated reader's own conversation with PKOC cards, told by messages of the PSIA: it says that a card is there, has
// it sign, and hands the answer over in parts.

import { writeTlv, onlyValue, readTlvs } from './pkoc/tlv.ts';
import { PSIA } from './pkoc/messages.ts';
import { NAK, reply } from './replies.ts';
import type { WireReply } from './replies.ts';
import type { LaidCard } from './simulated-field.ts';

const ACK = reply('ACK', {});
const nak = (error: number): WireReply => reply('NAK', { error, details: Buffer.alloc(0) });
const HEADER_BYTES = 6;

export class SimulatedMessages {
  /** Whether it knows them at all. */
  isKnown = false;
  /** It speaks to no card before a transaction, or word that none comes ahead, was sent to it. */
  wantsOpening = false;
  /** How many bytes of an answer go into one part, and in which order the parts' own numbers stand. */
  partBytes = 60;
  header: 'total_first' | 'total_last' = 'total_first';
  /** What becomes of the parts on their way. */
  spoil: (parts: readonly Buffer[]) => readonly Buffer[] = (parts) => parts;
  readonly #report: (report: WireReply) => void;
  #card: LaidCard | null = null;
  #isOpen = false;

  constructor(report: (report: WireReply) => void) {
    this.#report = report;
  }

  lay(card: LaidCard | null): void {
    this.#card = card;
    if (card !== null && this.isKnown && (this.#isOpen || !this.wantsOpening))
      this.tell(Buffer.from('E0FC085C020100FB02FD03', 'hex'));
  }

  take(data: Buffer): WireReply {
    if (!this.isKnown) return nak(NAK.unknownCommand);
    const [code] = data;
    const content = data.subarray(1 + HEADER_BYTES);
    if (code === 0xe3) this.#isOpen = true;
    else if (code === 0xe1) this.#authenticate(content.subarray(2));
    else return nak(NAK.record);
    return ACK;
  }

  #authenticate(asked: Buffer): void {
    // The number of the message goes without a length.
    const tlvs = readTlvs(asked.subarray(0, asked.lastIndexOf(0xfd)));
    const id = tlvs === null ? null : onlyValue(tlvs, 0x4c);
    const card = this.#card;
    if (card === null || id === null) {
      this.tell(Buffer.from('FE02', 'hex'));
      return;
    }
    card.answer(Buffer.from('00A4040008A00000089800000100', 'hex'));
    const body = Buffer.concat([
      writeTlv(0x5c, Buffer.from('0100', 'hex')),
      writeTlv(0x4c, id),
      writeTlv(0x4d, Buffer.alloc(32)),
    ]);
    const answer = card.answer(Buffer.concat([Buffer.from('8080000138', 'hex'), body, Buffer.alloc(1)]));
    if (answer === null) {
      this.tell(Buffer.from('FE02', 'hex'));
      return;
    }
    for (const part of this.spoil(this.#partsOf(answer.subarray(0, -2)))) this.tell(part);
  }

  #partsOf(whole: Buffer): Buffer[] {
    const parts: Buffer[] = [];
    for (let offset = 0; offset < whole.length; offset += this.partBytes) {
      const data = whole.subarray(offset, offset + this.partBytes);
      const numbers =
        this.header === 'total_first' ? [whole.length, offset, data.length] : [offset, data.length, whole.length];
      const header = Buffer.alloc(HEADER_BYTES);
      numbers.forEach((number, i) => header.writeUInt16LE(number, 2 * i));
      parts.push(Buffer.concat([Buffer.from([0xe2]), header, data]));
    }
    return parts;
  }

  tell(data: Buffer): void {
    this.#report(reply('MFGREP', { oui: PSIA, data }));
  }
}
