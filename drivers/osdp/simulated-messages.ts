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
/** Tag and number, without a length: by the earlier text. */
const SEQUENCE_BYTES = 2;

export class SimulatedMessages {
  /** How many bytes of an answer go into one part, and in which order the parts' own numbers stand. */
  partBytes = 60;
  header: 'total_first' | 'total_last' = 'total_first';
  /** What becomes of the parts on their way. */
  spoil: (parts: readonly Buffer[]) => readonly Buffer[] = (parts) => parts;
  readonly #report: (report: WireReply) => void;
  /** Null: it knows none of them. */
  #text: '1.50' | '1.63' | null = null;
  #card: LaidCard | null = null;
  #isOpen = false;

  constructor(report: (report: WireReply) => void) {
    this.#report = report;
  }

  /** As a reader that follows this text; null: it knows none of these messages. */
  follow(text: '1.50' | '1.63' | null): void {
    this.#text = text;
  }

  /** It has lost its power. */
  forget(): void {
    this.#isOpen = false;
  }

  /** Whether it knows them at all. */
  get isKnown(): boolean {
    return this.#text !== null;
  }

  lay(card: LaidCard | null): void {
    this.#card = card;
    this.#tellOfCard();
  }

  take(data: Buffer): WireReply {
    if (!this.isKnown) return nak(NAK.unknownCommand);
    const [code] = data;
    const content = data.subarray(1 + HEADER_BYTES);
    if (code === 0xe3) {
      const wasOpen = this.#isOpen;
      this.#isOpen = true;
      // A card that lies there already has waited for it.
      if (!wasOpen && this.#text === '1.63') this.#tellOfCard();
    } else if (code === 0xe1) this.#authenticate(content.subarray(2));
    else return nak(NAK.record);
    return ACK;
  }

  #tellOfCard(): void {
    if (this.#card === null) return;
    // By the later text no card is spoken to before a transaction, or word that none comes ahead, was sent.
    if (this.#text === '1.50') this.tell(Buffer.from('E0FC085C020100FB02FD03', 'hex'));
    else if (this.#text === '1.63' && this.#isOpen) this.tell(Buffer.from('E0FC065C0201004C00', 'hex'));
  }

  #authenticate(asked: Buffer): void {
    const tlvs = readTlvs(asked.subarray(0, asked.length - (this.#text === '1.50' ? SEQUENCE_BYTES : 0)));
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
