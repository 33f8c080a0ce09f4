// What a phone may carry besides its key: what an issuer has signed for it, in an application of Lintel's own on the card. It is
// asked for once a key was proved that opens nothing there, and handed on as it is: whether it is worth anything is
// judged where the door is.

import { commandApdu, Exchange, readAnswer, SW_DONE } from './apdu.ts';

/** Proprietary (F0), and the letters LINTEL, version 1. */
export const TOKEN_AID = Buffer.from('F04C494E54454C01', 'hex');
const SELECT = commandApdu(0x00, 0xa4, 0x04, 0x00, TOKEN_AID);
export const TOKEN_OBJECT = 0x7f21;
const TELL = commandApdu(0x00, 0xca, TOKEN_OBJECT >> 8, TOKEN_OBJECT & 0xff, null);
const MOST_BYTES = 1_024;

type Step = { send: Buffer } | { token: Buffer | null };

/** One asking of one card; without any line, as the proof before it. */
export class HandedOver {
  #exchange = new Exchange(SELECT);
  #isSelected = false;

  begin(): Buffer {
    return SELECT;
  }

  /** What follows from an answer; null: it carries none. */
  take(bytes: Buffer): Step {
    const answer = readAnswer(bytes);
    const next = answer === null ? null : this.#exchange.take(answer);
    if (next === null) return { token: null };
    if ('send' in next) return next;
    const { data, sw } = next.whole;
    if (sw !== SW_DONE) return { token: null };
    if (this.#isSelected) return { token: data.length === 0 || data.length > MOST_BYTES ? null : Buffer.from(data) };
    this.#isSelected = true;
    this.#exchange = new Exchange(TELL);
    return { send: TELL };
  }
}
