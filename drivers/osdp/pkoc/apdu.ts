// Commands and answers of a card (ISO 7816-4), as far as PKOC needs them: short commands, the status words, and answers
// that come in pieces.

/** `ne`: an answer is expected (Le 00). */
export function commandApdu(cla: number, ins: number, p1: number, p2: number, data: Uint8Array | null): Buffer {
  const head = Buffer.from([cla, ins, p1, p2]);
  if (data === null) return Buffer.concat([head, Buffer.from([0])]);
  return Buffer.concat([head, Buffer.from([data.length]), data, Buffer.from([0])]);
}

export type CardAnswer = { data: Buffer; sw: number };

/** Null where it is shorter than its status word. */
export function readAnswer(bytes: Buffer): CardAnswer | null {
  if (bytes.length < 2) return null;
  return { data: bytes.subarray(0, -2), sw: bytes.readUInt16BE(bytes.length - 2) };
}

export const SW_DONE = 0x9000;
/** No such application, or no such object, on this card. */
const SW_NOT_FOUND = [0x6a82, 0x6a88, 0x6a86];
export const isNotFound = (sw: number): boolean => SW_NOT_FOUND.includes(sw);

/** Pieces that one answer may have: a certificate comes in two. */
const MOST_PIECES = 8;

/**
 * One command with whatever the card asks for besides: the rest of a long answer (61xx), or the same again with the
 * length that it wants (6Cxx).
 */
export class Exchange {
  readonly #command: Buffer;
  #parts: Buffer[] = [];
  #pieces = 0;

  constructor(command: Buffer) {
    this.#command = command;
  }

  /** What is to be sent next, or the whole answer; null: it goes on for ever. */
  take(answer: CardAnswer): { send: Buffer } | { whole: CardAnswer } | null {
    const [sw1, sw2] = [answer.sw >> 8, answer.sw & 0xff];
    if (sw1 !== 0x61 && sw1 !== 0x6c) return { whole: { data: this.#with(answer.data), sw: answer.sw } };
    this.#pieces += 1;
    if (this.#pieces > MOST_PIECES) return null;
    if (sw1 === 0x6c) return { send: Buffer.concat([this.#command.subarray(0, -1), Buffer.from([sw2])]) };
    this.#parts.push(Buffer.from(answer.data));
    return { send: Buffer.from([0x00, 0xc0, 0x00, 0x00, sw2]) };
  }

  #with(last: Buffer): Buffer {
    return this.#parts.length === 0 ? last : Buffer.concat([...this.#parts, last]);
  }
}
