// What really comes over a Modbus TCP connection. The library drops what it cannot match, without a word; so whatever
// comes is cut into frames here first, and whoever waits in vain asks here what came in place of his answer. Source:
// MODBUS Messaging on TCP/IP V1.0b, chapter 3.1.3.

/** One question, by its transaction number. */
export type Question = {
  readonly number: number;
  readonly askedAtMs: number;
  state: 'open' | 'answered' | 'given_up';
};

/**
 * What came in place of an answer. `torn`: the stream stops within a frame, and whatever follows would be taken for the
 * rest of it.
 */
export type Finding = { kind: 'torn' | 'misnumbered' | 'late'; message: string };

/** Transaction, protocol and length; the unit is the first byte that the length counts. */
const HEADER_BYTES = 6;
const BODY_LEAST = 2;
const BODY_MOST = 254;
/** As the library numbers its questions: from 1, and from 255 on to 0. */
const FIRST_NUMBER = 1;
const NUMBERS = 256;

export class AnswerWatch {
  readonly #asked = new Map<number, Question>();
  #next = FIRST_NUMBER;
  #rest: Buffer = Buffer.alloc(0);
  #restAtMs = 0;
  #stray: { number: number; atMs: number; question: Question | null } | null = null;

  /** The next question that the library sends. */
  ask(nowMs: number): Question {
    const question: Question = { number: this.#next, askedAtMs: nowMs, state: 'open' };
    this.#next = (this.#next + 1) % NUMBERS;
    this.#asked.set(question.number, question);
    return question;
  }

  /** True when nothing has come of an answer that is not whole. */
  get isWhole(): boolean {
    return this.#rest.length === 0;
  }

  /**
   * The whole frames in what has come by now; `fault`: what stands behind them is no frame, and nothing that follows
   * can be.
   */
  take(bytes: Buffer, nowMs: number): { frames: Buffer[]; fault: string | null } {
    const frames: Buffer[] = [];
    let rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let fault: string | null = null;
    while (rest.length >= HEADER_BYTES) {
      if (!this.#isHeader(rest)) {
        fault = `what comes is out of step: ${hex(rest.subarray(0, HEADER_BYTES))} where a header should stand, so an answer before it was longer or shorter than its header says`;
        rest = Buffer.alloc(0);
        break;
      }
      const length = HEADER_BYTES + rest.readUInt16BE(4);
      if (rest.length < length) break;
      frames.push(rest.subarray(0, length));
      this.#note(rest.readUInt16BE(0), nowMs);
      rest = rest.subarray(length);
    }
    this.#rest = rest;
    this.#restAtMs = nowMs;
    return { frames, fault };
  }

  /** What has come since this was asked and is no answer to it; null: nothing. */
  why(question: Question): Finding | null {
    const rest = this.#rest;
    if (rest.length > 0 && this.#restAtMs >= question.askedAtMs) {
      const whole = rest.length < HEADER_BYTES ? null : HEADER_BYTES + rest.readUInt16BE(4);
      const of = whole === null ? 'and not even its header is whole' : `of the ${whole} that its header says`;
      return { kind: 'torn', message: `the answer stops after ${rest.length} bytes ${of}` };
    }
    const stray = this.#stray;
    if (stray === null || stray.atMs < question.askedAtMs) return null;
    if (stray.question?.state === 'given_up') {
      const tookMs = Math.round(stray.atMs - stray.question.askedAtMs);
      return { kind: 'late', message: `a question before was answered after ${tookMs} ms: raise turnaround_max` };
    }
    return {
      kind: 'misnumbered',
      message: `the answer carries transaction number ${stray.number} where ${question.number} was asked`,
    };
  }

  /**
   * The protocol's number is 0; a device that writes another there is understood all the same where its answer is one
   * to us.
   */
  #isHeader(bytes: Buffer): boolean {
    const length = bytes.readUInt16BE(4);
    const isOurs = bytes.readUInt16BE(2) === 0 || this.#asked.get(bytes.readUInt16BE(0))?.state === 'open';
    return isOurs && length >= BODY_LEAST && length <= BODY_MOST;
  }

  #note(number: number, atMs: number): void {
    const question = this.#asked.get(number) ?? null;
    if (question?.state === 'open') question.state = 'answered';
    else {
      this.#stray = { number, atMs, question: question === null ? null : { ...question } };
      if (question !== null) question.state = 'answered';
    }
  }
}

const hex = (bytes: Buffer): string => (bytes.toString('hex').toUpperCase().match(/../g) ?? []).join(' ');
