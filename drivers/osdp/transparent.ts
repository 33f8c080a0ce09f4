// A reader that gives its cards through: by turns it reads cards itself and hands the field to the panel, which speaks
// to a PKOC card or phone there and has its key proved. However a turn in transparent mode ends, the reader is brought
// back to reading by itself, and is told so until it has acknowledged: one that stays would read no ordinary card.

import type { Clock, Log, Random } from '../driver.ts';
import { OperatingError } from '../../src/domain/errors.ts';
import type { WireCommand } from './commands.ts';
import type { JobResult } from './jobs.ts';
import { HandedOver } from './pkoc/handed-over.ts';
import { PkocCard, type CardFailure, type Proved } from './pkoc/card.ts';
import type { ProofKeys } from './pkoc/proof.ts';
import { Transactions } from './pkoc/transactions.ts';
import { NAK, REPLIES } from './replies.ts';
import type { ReplyFields } from './replies.ts';
import { readSmartCard, SMART_CARD, type CardAnswer } from './smart-card.ts';

/** The reader, as far as its cards go through. */
export type CardLine = {
  ask(wire: WireCommand): Promise<JobResult>;
  /** Waits for an XRD that comes with a later poll; rejects when none has come. */
  await<T>(timeoutMs: number, pick: (fields: ReplyFields['XRD']) => T | null): Promise<T>;
  isOnline(): boolean;
};

export type TransparentOptions = {
  line: CardLine;
  clock: Clock;
  random: Random;
  log: Log;
  keys: ProofKeys;
  /** 32 bytes: of the site, and of the reader. */
  readerId: Buffer;
  /** Whether a phone that has proved this key is asked for what an issuer has signed for it. */
  wantsToken: (key: Buffer) => boolean;
  /** `token`: what it handed over then; null: nothing. */
  proved: (proved: Proved, token: Buffer | null, atMonotonicMs: number) => void;
  /** What kept a card of this kind from proving its key. */
  failed: (failure: CardFailure | 'card_gone', atMonotonicMs: number) => void;
};

/** Turns: an ordinary card needs so long to be read, a phone so long to be seen. */
const OWN_TURN_MS = 200;
const GIVEN_TURN_MS = 200;
/** After somebody was spoken to the reader has the field for longer. */
const AFTER_CARD_MS = 1_000;
/** One card has so long, all its exchanges together, and each exchange so long. */
const CARD_MS = 3_000;
const ANSWER_MS = 1_500;
/** A reader that declines transparent mode is asked again after this, then twice as long, up to the longest. */
const DECLINED_FIRST_MS = 1_000;
const DECLINED_LAST_MS = 60_000;
/** A reader that does not acknowledge that it reads by itself is told again. */
const RESTORE_AGAIN_MS = 250;

/** Null: the turn was not given. */
type Seen = 'card' | 'nobody' | null;

export class Transparent {
  readonly #options: TransparentOptions;
  readonly #transactions: Transactions;
  #isRunning = false;
  #isStopped = true;
  #wake: (() => void) | null = null;
  /** It knows no scan: it tells of a card by itself. */
  #hasNoScan = false;
  #declined = 0;
  /** From the moment in which it is told so until it has taken it back. */
  #isGiven = false;
  /** Counts the waits for a report. */
  #turn = 0;
  /** The key that was proved last, until nobody was seen. */
  #lastProved: Buffer | null = null;

  constructor(options: TransparentOptions) {
    this.#options = options;
    this.#transactions = new Transactions(options.clock, options.random);
  }

  /** The reader is online. */
  start(): void {
    this.#isStopped = false;
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run().finally(() => (this.#isRunning = false));
  }

  /** The reader is gone; a transaction that is open is worth nothing any more. */
  stop(): void {
    this.#isStopped = true;
    this.#transactions.end();
    this.#wake?.();
  }

  /** The bus ends: as `stop`, and a reader that has handed its field over takes it back. */
  async end(): Promise<void> {
    this.stop();
    if (this.#isGiven) await this.#ask(SMART_CARD.normal);
  }

  async #run(): Promise<void> {
    // Whatever it was left in: by us, before a restart, or by somebody else.
    while (await this.#restore()) {
      await this.#pause(this.#ownTurnMs());
      const seen = await this.#give();
      if (seen === 'nobody') this.#lastProved = null;
      // The same card may be an ordinary one as well.
      if (seen === 'card' && (await this.#restore())) await this.#pause(AFTER_CARD_MS);
    }
  }

  get #isOver(): boolean {
    return this.#isStopped || !this.#options.line.isOnline();
  }

  #ownTurnMs(): number {
    if (this.#declined === 0) return OWN_TURN_MS;
    return Math.min(DECLINED_LAST_MS, DECLINED_FIRST_MS * 2 ** (this.#declined - 1));
  }

  /** One turn of the panel's. */
  async #give(): Promise<Seen> {
    if (this.#isOver) return null;
    this.#isGiven = true;
    const taken = await this.#ask(SMART_CARD.transparent);
    const isTransparent =
      taken === 'ack' || (typeof taken === 'object' && taken.kind === 'mode' && taken.isTransparent);
    if (!isTransparent) {
      // A link that was lost is no word of the reader's.
      if (taken === 'lost') return null;
      this.#declined = Math.min(this.#declined + 1, 10);
      if (this.#declined === 1) this.#options.log.warn('the reader declines transparent mode: it is asked again later');
      return null;
    }
    this.#declined = 0;
    if (!(await this.#isCardThere())) return 'nobody';
    await this.#speak();
    return 'card';
  }

  async #isCardThere(): Promise<boolean> {
    const later = this.#later(GIVEN_TURN_MS, (answer) => (answer.kind === 'present' ? true : null));
    if (!this.#hasNoScan) {
      const scanned = await this.#ask(SMART_CARD.scan);
      if (scanned === 'unknown') this.#hasNoScan = true;
      if (typeof scanned === 'object' && scanned.kind === 'present') return true;
    }
    return (await later) === true;
  }

  /** The conversation with one card, to its end. */
  async #speak(): Promise<void> {
    const { clock, keys, readerId, random, failed } = this.#options;
    const card = new PkocCard({
      keys,
      transactions: this.#transactions,
      readerId,
      random: (count) => random.bytes(count),
    });
    const untilMs = clock.monotonicMs() + CARD_MS;
    let send = card.begin();
    for (;;) {
      const answer = clock.monotonicMs() < untilMs ? await this.#exchange(send) : null;
      if (this.#isOver) return;
      if (answer === null) {
        this.#transactions.end();
        failed('card_gone', clock.monotonicMs());
        break;
      }
      const step = card.take(answer);
      if ('send' in step) {
        ({ send } = step);
        continue;
      }
      if ('proved' in step) await this.#present(step.proved, untilMs);
      else if (step.failed !== 'not_pkoc') failed(step.failed, clock.monotonicMs());
      break;
    }
    await this.#ask(SMART_CARD.done);
  }

  /** One that stays in the field is presented once. */
  async #present(proved: Proved, untilMs: number): Promise<void> {
    const isSame = this.#lastProved?.equals(proved.key) === true;
    this.#lastProved = proved.key;
    if (isSame) return;
    const token = this.#options.wantsToken(proved.key) ? await this.#askForToken(untilMs) : null;
    if (!this.#isOver) this.#options.proved(proved, token, this.#options.clock.monotonicMs());
  }

  /** Null: it carries none, or is gone. */
  async #askForToken(untilMs: number): Promise<Buffer | null> {
    const handedOver = new HandedOver();
    let send = handedOver.begin();
    while (this.#options.clock.monotonicMs() < untilMs) {
      const answer = await this.#exchange(send);
      if (answer === null) return null;
      const step = handedOver.take(answer);
      if ('token' in step) return step.token;
      ({ send } = step);
    }
    return null;
  }

  /** One command and its answer, at once or with a later poll; null: the card is gone. Nothing is sent twice. */
  async #exchange(apdu: Buffer): Promise<Buffer | null> {
    const later = this.#later(ANSWER_MS, (answer) =>
      answer.kind === 'answer' ? answer.apdu : answer.kind === 'error' || answer.kind === 'ended' ? GONE : null,
    );
    const asked = await this.#ask(SMART_CARD.apdu(apdu));
    if (asked === 'ack') {
      const apduOrGone = await later;
      return apduOrGone === null || apduOrGone === GONE ? null : apduOrGone;
    }
    return typeof asked === 'object' && asked.kind === 'answer' ? asked.apdu : null;
  }

  /** Until it has said that it reads by itself. False: it is gone. */
  async #restore(): Promise<boolean> {
    while (!this.#isOver) {
      const told = await this.#ask(SMART_CARD.normal);
      const isNormal = told === 'ack' || (typeof told === 'object' && told.kind === 'mode' && !told.isTransparent);
      // One that does not know the command never left it.
      if (isNormal || told === 'unknown') {
        this.#isGiven = false;
        return true;
      }
      await this.#pause(RESTORE_AGAIN_MS);
    }
    return false;
  }

  async #ask(wire: WireCommand): Promise<CardAnswer | 'ack' | 'unknown' | 'refused' | 'lost'> {
    const result = await this.#options.line.ask(wire).catch((error: unknown) => {
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
  async #later<T>(timeoutMs: number, pick: (answer: CardAnswer) => T | null): Promise<T | null> {
    const turn = (this.#turn += 1);
    return await this.#options.line
      .await(timeoutMs, (fields) => {
        const answer = turn === this.#turn ? readSmartCard(fields) : null;
        return answer === null ? null : pick(answer);
      })
      .catch(() => null);
  }

  async #pause(ms: number): Promise<void> {
    if (this.#isOver) return;
    await new Promise<void>((resolve) => {
      const end = (): void => {
        timer.cancel();
        this.#wake = null;
        resolve();
      };
      const timer = this.#options.clock.after(ms, end);
      this.#wake = end;
    });
  }
}

/** In place of an answer: there will be none. */
const GONE = Buffer.alloc(0);
