// A reader that speaks to PKOC cards itself and hands over what they signed, by messages of the PSIA. It reads ordinary
// cards all the while; of ours is the transaction, the proof, and what follows from it.

import type { Clock, Log, Random } from '../driver.ts';
import { OperatingError } from '../../src/domain/errors.ts';
import { command, type WireCommand } from './commands.ts';
import type { JobResult } from './jobs.ts';
import {
  Assembly, noTransactionAhead, PSIA, readProof, readReaderMessage, requestMessage, type ReaderMessage,
} from './pkoc/messages.ts'; // prettier-ignore
import type { ProofKeys } from './pkoc/proof.ts';
import { Transactions } from './pkoc/transactions.ts';
import { REPLIES } from './replies.ts';
import type { ReplyFields } from './replies.ts';

export type MessageLine = {
  ask(wire: WireCommand): Promise<JobResult>;
  await<T>(timeoutMs: number, pick: (fields: ReplyFields['MFGREP']) => T | null, over: AbortSignal): Promise<T>;
  /** Aborted when the link ends, also where it is there again at once and nobody notices. */
  connection(): AbortSignal;
};

export type MessageReaderOptions = {
  line: MessageLine;
  clock: Clock;
  random: Random;
  log: Log;
  keys: ProofKeys;
  /** 32 bytes: of the site, and of the reader. */
  readerId: Buffer;
  version: '1.50' | '1.63';
  proved: (key: Buffer, atMonotonicMs: number) => void;
  failed: (failure: 'signature_invalid' | 'transaction_expired', atMonotonicMs: number) => void;
};

/** Nobody comes for so long: the wait is made anew. */
const IDLE_MS = 60_000;
/** A card has so long, from its presence to the last part of its answer. */
const CARD_MS = 3_000;
const VERSIONS = [0x0101, 0x0100];
/** A link that was lost on the way to the first word is waited for so long. */
const AGAIN_MS = 250;

type Present = ReaderMessage & { kind: 'present' };
type Heard = Present | { kind: 'whole'; whole: Buffer } | { kind: 'broken' } | { kind: 'failed' };

export class MessageReader {
  readonly #options: MessageReaderOptions;
  readonly #transactions: Transactions;
  #over: AbortController | null = null;

  constructor(options: MessageReaderOptions) {
    this.#options = options;
    this.#transactions = new Transactions(options.clock, options.random);
  }

  start(): void {
    if (this.#over !== null) return;
    const over = new AbortController();
    this.#over = over;
    void this.#run(over.signal);
  }

  stop(): void {
    this.#over?.abort();
    this.#over = null;
    this.#transactions.end();
  }

  async #run(over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      // What was said over a link is worth nothing over the next one, for another reader may be at its end.
      const ended = AbortSignal.any([over, this.#options.line.connection()]);
      const isOpen = this.#options.version === '1.50' || (await this.#open());
      if (isOpen === null) await this.#pause(AGAIN_MS);
      if (isOpen === false) {
        // Whoever proves no keys this way refuses it: it is an ordinary reader then.
        this.#options.log.warn('the reader takes no messages about keys: its cards are ordinary cards');
        return;
      }
      let next: Present | null = null;
      while (isOpen !== null && !ended.aborted) {
        const present: Present | null = next ?? (await this.#present(ended));
        next = present === null ? null : await this.#prove(present, ended);
      }
    }
  }

  /** Null: the link was lost. */
  async #open(): Promise<boolean | null> {
    const told = await this.#ask(noTransactionAhead());
    return told === null ? null : told.kind !== 'nak';
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => void this.#options.clock.after(ms, resolve));
  }

  async #present(over: AbortSignal): Promise<Present | null> {
    return await this.#hear(IDLE_MS, over, (message) => {
      // It asks what it is to do before a card comes: nothing.
      if (message.kind === 'refresh') void this.#ask(noTransactionAhead());
      return message.kind === 'present' ? message : null;
    });
  }

  /** The card that came in place of this one; null: none did. */
  async #prove(present: Present, over: AbortSignal): Promise<Present | null> {
    const { readerId, clock, failed, proved, keys } = this.#options;
    const version = VERSIONS.find((one) => present.versions.includes(one));
    if (version === undefined || present.isFailed) return null;
    const id = this.#transactions.begin();
    const assembly = new Assembly();
    // Waited for before it is asked, so that a quick reader is not missed.
    const answer = this.#hear(CARD_MS, over, (message) => heardOf(message, assembly));
    void this.#options.line.ask(command('KEEPACTIVE', { timeMs: CARD_MS })).catch(() => undefined);
    const asked = await this.#ask(requestMessage(version, id, present.hasOwnId ? null : readerId, present.sequence));
    const own =
      asked?.kind === 'reply' && asked.code === REPLIES.MFGREP.code ? this.#direct(asked.data, assembly) : null;
    const heard = own ?? (asked === null || asked.kind === 'nak' ? null : await answer);
    if (heard === null || over.aborted) {
      this.#transactions.end();
      return null;
    }
    if (heard.kind === 'present') return heard;
    const taken = this.#transactions.take();
    if (heard.kind !== 'whole') return null;
    const proof = readProof(heard.whole);
    if (proof === null || taken === 'none') return null;
    if (taken === 'late') failed('transaction_expired', clock.monotonicMs());
    else if (!keys.isProved(proof.key, taken.id, proof.signature)) failed('signature_invalid', clock.monotonicMs());
    else proved(proof.key, clock.monotonicMs());
    return null;
  }

  /** Some answer at once. */
  #direct(data: Buffer, assembly: Assembly): Heard | null {
    const fields = REPLIES.MFGREP.decode(data);
    const message = fields === null || !fields.oui.equals(PSIA) ? null : readReaderMessage(fields.data);
    return message === null ? null : heardOf(message, assembly);
  }

  /** Null: nothing of it came in time, or the reader is gone. */
  async #hear<T>(timeoutMs: number, over: AbortSignal, pick: (message: ReaderMessage) => T | null): Promise<T | null> {
    if (over.aborted) return null;
    return await this.#options.line
      .await(
        timeoutMs,
        ({ oui, data }) => {
          const message = oui.equals(PSIA) ? readReaderMessage(data) : null;
          return message === null ? null : pick(message);
        },
        over,
      )
      .catch(() => null);
  }

  /** Null: the link was lost, or the reader is gone. */
  async #ask(data: Buffer): Promise<JobResult | null> {
    const result = await this.#options.line.ask(command('MFG', { oui: PSIA, data })).catch((error: unknown) => {
      if (!(error instanceof OperatingError)) throw error;
      return null;
    });
    return result?.kind === 'reply' || result?.kind === 'nak' ? result : null;
  }
}

function heardOf(message: ReaderMessage, assembly: Assembly): Heard | null {
  if (message.kind === 'present') return message;
  if (message.kind === 'failed') return { kind: 'failed' };
  if (message.kind !== 'response') return null;
  const whole = assembly.take(message.fragment);
  if (whole === 'broken') return { kind: 'broken' };
  return whole === null ? null : { kind: 'whole', whole };
}
