// The card field of a reader that gives it through (transparent mode): the reader hands it over, the panel speaks with the
// card that lies there, and the reader takes it back. However that ends, the reader is told to read by itself until it has
// acknowledged: one that stays in transparent mode reads no ordinary card.

import { OperatingError } from '../../src/domain/errors.ts';
import type { Clock } from '../driver.ts';
import type { WireCommand } from './commands.ts';
import type { JobResult } from './jobs.ts';
import { NAK, REPLIES } from './replies.ts';
import type { ReplyFields } from './replies.ts';
import { readSmartCard, SMART_CARD, type CardAnswer } from './smart-card.ts';

/** The reader, as far as its cards go through. */
export type CardLine = {
  ask(wire: WireCommand): Promise<JobResult>;
  /** Waits for an XRD that comes with a later poll; rejects when none has come, or when `over` is aborted. */
  await<T>(timeoutMs: number, pick: (fields: ReplyFields['XRD']) => T | null, over: AbortSignal): Promise<T>;
  isOnline(): boolean;
  /** Aborted when the link ends, also where it is there again at once and nobody notices. */
  connection(): AbortSignal;
};

/** `unknown`: the reader does not know the command. `refused`: it does, and did not do it. `lost`: it was not heard. */
export type FieldAnswer = CardAnswer | 'ack' | 'unknown' | 'refused' | 'lost';

/** A reader that does not acknowledge that it reads by itself is told again. */
const RESTORE_AGAIN_MS = 250;
const RESTORE_FOR_MS = 10_000;
/** How long an exchange with a card takes at most. */
const ANSWER_MS = 1_500;

export class CardField {
  readonly #line: CardLine;
  readonly #clock: Clock;
  /** It knows no scan: it tells of a card by itself. */
  #hasNoScan = false;
  /** From the moment in which the reader is told so until it has taken it back. */
  #isGiven = false;
  /** Counts the waits for a report. */
  #wait = 0;
  #isBorrowed = false;
  #before: Promise<void> = Promise.resolve();

  constructor(line: CardLine, clock: Clock) {
    this.#line = line;
    this.#clock = clock;
  }

  /** That of the link that is: over another one another reader may be at its end. */
  get connection(): AbortSignal {
    return this.#line.connection();
  }

  /** The reader is there again, and may be another one than before. */
  meet(): void {
    this.#hasNoScan = false;
  }

  /** One user at a time has the field; the others wait. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    let leave = (): void => undefined;
    const before = this.#before;
    this.#before = new Promise<void>((resolve) => (leave = resolve));
    await before;
    try {
      return await work();
    } finally {
      leave();
    }
  }

  /** As `alone`, for an operator; of them one has it, and nobody waits for it. */
  async borrow<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isBorrowed) throw new OperatingError('not_permitted', 'somebody speaks with its cards already');
    this.#isBorrowed = true;
    try {
      return await this.alone(work);
    } finally {
      this.#isBorrowed = false;
    }
  }

  /** Has the reader hand it over. */
  async give(): Promise<'given' | 'declined' | 'lost'> {
    this.#isGiven = true;
    const taken = await this.ask(SMART_CARD.transparent);
    if (taken === 'ack' || (typeof taken === 'object' && taken.kind === 'mode' && taken.isTransparent)) return 'given';
    // A link that was lost is no word of the reader's.
    return taken === 'lost' ? 'lost' : 'declined';
  }

  /** Until the reader has said that it reads by itself. False: it is gone, or that is for another to do. */
  async restore(isOver: () => boolean): Promise<boolean> {
    while (this.#line.isOnline() && !isOver()) {
      const told = await this.ask(SMART_CARD.normal);
      const isNormal = told === 'ack' || (typeof told === 'object' && told.kind === 'mode' && !told.isTransparent);
      // One that does not know the command never left it.
      if (isNormal || told === 'unknown') {
        this.#isGiven = false;
        return true;
      }
      await new Promise<void>((resolve) => void this.#clock.after(RESTORE_AGAIN_MS, resolve));
    }
    return false;
  }

  /** As `restore`, for somebody who waits for an answer and not for ever. */
  async restoreSoon(): Promise<void> {
    const untilMs = this.#clock.monotonicMs() + RESTORE_FOR_MS;
    await this.restore(() => this.#clock.monotonicMs() >= untilMs);
  }

  /** The bus ends: a reader that has handed its field over takes it back. */
  async end(): Promise<void> {
    if (this.#isGiven) await this.ask(SMART_CARD.normal);
  }

  /** Whether a card lies there, or comes within this. */
  async hasCard(withinMs: number): Promise<boolean> {
    const later = this.later(withinMs, (answer) => (answer.kind === 'present' ? true : null));
    if (!this.#hasNoScan) {
      const scanned = await this.ask(SMART_CARD.scan);
      if (scanned === 'unknown') this.#hasNoScan = true;
      if (typeof scanned === 'object' && scanned.kind === 'present') return true;
    }
    return (await later) === true;
  }

  /** One command and its answer, at once or with a later poll; null: the card is gone. Nothing is sent twice. */
  async exchange(apdu: Buffer): Promise<Buffer | null> {
    const later = this.later(ANSWER_MS, (answer) =>
      answer.kind === 'answer' ? answer.apdu : answer.kind === 'error' || answer.kind === 'ended' ? GONE : null,
    );
    const asked = await this.ask(SMART_CARD.apdu(apdu));
    if (asked === 'ack') {
      const apduOrGone = await later;
      return apduOrGone === null || apduOrGone === GONE ? null : apduOrGone;
    }
    return typeof asked === 'object' && asked.kind === 'answer' ? asked.apdu : null;
  }

  async ask(wire: WireCommand): Promise<FieldAnswer> {
    const result = await this.#line.ask(wire).catch((error: unknown) => {
      if (!(error instanceof OperatingError)) throw error;
      return null;
    });
    if (result === null || (result.kind !== 'reply' && result.kind !== 'nak')) return 'lost';
    if (result.kind === 'nak')
      return result.error === NAK.unknownCommand || result.error === NAK.badCheck ? 'unknown' : 'refused';
    if (result.code === REPLIES.ACK.code) return 'ack';
    const fields = result.code === REPLIES.XRD.code ? REPLIES.XRD.decode(result.data) : null;
    return (fields === null ? null : readSmartCard(fields)) ?? 'refused';
  }

  /**
   * Waits while something else is asked already, so that a quick reader is not missed. Null: nothing came, or the next
   * wait has begun: what comes then is not for this one.
   */
  async later<T>(timeoutMs: number, pick: (answer: CardAnswer) => T | null): Promise<T | null> {
    const wait = (this.#wait += 1);
    return await this.#line
      .await(
        timeoutMs,
        (fields) => {
          const answer = wait === this.#wait ? readSmartCard(fields) : null;
          return answer === null ? null : pick(answer);
        },
        this.connection,
      )
      .catch(() => null);
  }
}

/** In place of an answer: there will be none. */
const GONE = Buffer.alloc(0);
