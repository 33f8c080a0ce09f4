// A reader that gives its cards through: by turns it reads cards itself and hands the field to the panel, which speaks
// to a PKOC card or phone there and has its key proved. However a turn in transparent mode ends, the reader is brought
// back to reading by itself, and is told so until it has acknowledged: one that stays would read no ordinary card.

import type { Clock, Log, Random } from '../driver.ts';
import type { CardField } from './card-field.ts';
import { HandedOver } from './pkoc/handed-over.ts';
import { PkocCard, type CardFailure, type Proved } from './pkoc/card.ts';
import type { ProofKeys } from './pkoc/proof.ts';
import { Transactions } from './pkoc/transactions.ts';
import { SMART_CARD } from './smart-card.ts';

export type TransparentOptions = {
  field: CardField;
  isOnline: () => boolean;
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
  /** What kept a card of this kind from proving its key; once while it stays. */
  failed: (failure: CardFailure, atMonotonicMs: number) => void;
};

/** Turns: an ordinary card needs so long to be read, a phone so long to be seen. */
const OWN_TURN_MS = 200;
const GIVEN_TURN_MS = 200;
/** After somebody was spoken to the reader has the field for longer. */
const AFTER_CARD_MS = 1_000;
/** One card has so long, all its exchanges together. */
const CARD_MS = 3_000;
/** A reader that declines transparent mode is asked again after this, then twice as long, up to the longest. */
const DECLINED_FIRST_MS = 1_000;
const DECLINED_LAST_MS = 60_000;

/** Null: the turn was not given. */
type Seen = 'card' | 'nobody' | null;

export class Transparent {
  readonly #options: TransparentOptions;
  readonly #transactions: Transactions;
  #isRunning = false;
  #isStopped = true;
  /** It came back before the turn of before had ended. */
  #isAgain = false;
  #wake: (() => void) | null = null;
  #declined = 0;
  /** The reader has the field for so long before the next turn of ours. */
  #pauseMs = 0;
  /** What was told of a card last, until nobody was seen: the key that it proved, or why it proved none. */
  #lastTold: string | null = null;

  constructor(options: TransparentOptions) {
    this.#options = options;
    this.#transactions = new Transactions(options.clock, options.random);
  }

  /** The reader is online. */
  start(): void {
    if (this.#isRunning) {
      this.#isAgain = true;
      return;
    }
    this.#isStopped = false;
    this.#isRunning = true;
    this.#options.field.meet();
    this.#declined = 0;
    this.#lastTold = null;
    void this.#run().finally(() => {
      this.#isRunning = false;
      if (!this.#isAgain) return;
      this.#isAgain = false;
      this.start();
    });
  }

  /** The reader is gone; a transaction that is open is worth nothing any more. */
  stop(): void {
    this.#isStopped = true;
    this.#isAgain = false;
    this.#transactions.end();
    this.#wake?.();
  }

  async #run(): Promise<void> {
    const { field } = this.#options;
    // Whatever it was left in: by us, before a restart, or by somebody else.
    let isBack = await field.alone(() => this.#restore());
    this.#pauseMs = this.#ownTurnMs();
    while (isBack) {
      await this.#pause(this.#pauseMs);
      isBack = await field.alone(() => this.#turn());
    }
  }

  /** False: the reader is gone. */
  async #turn(): Promise<boolean> {
    const seen = await this.#give();
    if (seen === 'nobody') this.#lastTold = null;
    const isBack = await this.#restore();
    // The same card may be an ordinary one as well.
    this.#pauseMs = this.#ownTurnMs() + (seen === 'card' ? AFTER_CARD_MS : 0);
    return isBack;
  }

  async #restore(): Promise<boolean> {
    return await this.#options.field.restore(() => this.#isStopped);
  }

  get #isOver(): boolean {
    return this.#isStopped || !this.#options.isOnline();
  }

  #ownTurnMs(): number {
    if (this.#declined === 0) return OWN_TURN_MS;
    return Math.min(DECLINED_LAST_MS, DECLINED_FIRST_MS * 2 ** (this.#declined - 1));
  }

  /** One turn of the panel's. */
  async #give(): Promise<Seen> {
    if (this.#isOver) return null;
    const taken = await this.#options.field.give();
    if (taken === 'declined') {
      this.#declined = Math.min(this.#declined + 1, 10);
      if (this.#declined === 1) this.#options.log.warn('the reader declines transparent mode: it is asked again later');
    }
    if (taken !== 'given') return null;
    this.#declined = 0;
    if (!(await this.#options.field.hasCard(GIVEN_TURN_MS))) return 'nobody';
    await this.#speak();
    return 'card';
  }

  /** The conversation with one card, to its end. */
  async #speak(): Promise<void> {
    const { field, clock, keys, readerId, random } = this.#options;
    const { connection } = field;
    const card = new PkocCard({
      keys,
      transactions: this.#transactions,
      readerId,
      random: (count) => random.bytes(count),
    });
    const untilMs = clock.monotonicMs() + CARD_MS;
    let send = card.begin();
    for (;;) {
      const answer = clock.monotonicMs() < untilMs ? await field.exchange(send) : null;
      if (this.#isOver) return;
      // Over another link another reader may answer: what was asked before is nobody's any more.
      if (answer === null || connection.aborted) {
        this.#transactions.end();
        if (connection.aborted) this.#lastTold = null;
        break;
      }
      const step = card.take(answer);
      if ('send' in step) {
        ({ send } = step);
        continue;
      }
      if ('proved' in step) await this.#present(step.proved, untilMs, connection);
      else if (step.failed !== 'not_pkoc') this.#fail(step.failed);
      break;
    }
    await field.ask(SMART_CARD.done);
  }

  /** One that stays in the field is presented once. */
  async #present(proved: Proved, untilMs: number, connection: AbortSignal): Promise<void> {
    if (this.#isTold(proved.key.toString('latin1'))) return;
    const token = this.#options.wantsToken(proved.key) ? await this.#askForToken(untilMs) : null;
    if (!this.#isOver && !connection.aborted) this.#options.proved(proved, token, this.#options.clock.monotonicMs());
  }

  #fail(failure: CardFailure): void {
    if (!this.#isTold(failure)) this.#options.failed(failure, this.#options.clock.monotonicMs());
  }

  #isTold(what: string): boolean {
    const isSame = this.#lastTold === what;
    this.#lastTold = what;
    return isSame;
  }

  /** Null: it carries none, or is gone. */
  async #askForToken(untilMs: number): Promise<Buffer | null> {
    const handedOver = new HandedOver();
    let send = handedOver.begin();
    while (this.#options.clock.monotonicMs() < untilMs) {
      const answer = await this.#options.field.exchange(send);
      if (answer === null) return null;
      const step = handedOver.take(answer);
      if ('token' in step) return step.token;
      ({ send } = step);
    }
    return null;
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
