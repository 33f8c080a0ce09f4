// A card reader as its device has it: looked at again and again, each card told once, and shown what came of it. Its
// polls stand in the queue of the bus where those of inputs stand; what it shows stands with the strikes.

import { readerShape, type ReaderFault, type ReaderWatch, type Sighting } from './reader-shapes.ts';
import type { FeedbackSignal, FeedbackWrite, ReaderSpec } from './reader-schema.ts';
import type { Talk } from './talk.ts';
import type { BitReading } from '../../src/domain/card-formats.ts';
import { Presence } from '../kit/presence.ts';
import type { Clock, Feedback, Log, ReaderCapabilities, ReaderDevice, Timer } from '../../src/domain/ports.ts';

export type ReaderContext = {
  talk: Talk;
  clock: Clock;
  log: Log;
  present(reading: BitReading, atMonotonicMs: number): void;
  fault(code: ReaderFault, message: string, cleared: boolean): void;
};

/** What is shown for each signal of the contract; there is no keypad to ask for a PIN. */
const SHOWN: Readonly<Record<Feedback, FeedbackSignal | null>> = {
  ready: 'ready',
  granted: 'granted',
  denied: 'denied',
  locked_out: 'denied',
  prompt_pin: null,
  prompt_biometric: null,
};
/** Later than this an outcome would be taken for that of the next card. */
const SHOW_WITHIN_MS = 2_000;

export class CardReader implements ReaderDevice {
  readonly #spec: ReaderSpec;
  readonly #context: ReaderContext;
  readonly #presence: Presence;
  readonly #faults = new Set<ReaderFault>();
  /** Counts meetings with the device: what was begun before an outage tells nothing after it. */
  #life = 0;
  #timer: Timer | null = null;
  #nextLookMs = 0;
  #readyTimer: Timer | null = null;
  /** Counts what was shown: a later outcome goes before the rest of an earlier one. */
  #show = 0;
  #isShowing = false;
  #missed = 0;

  constructor(spec: ReaderSpec, context: ReaderContext) {
    this.#spec = spec;
    this.#context = context;
    this.#presence = new Presence(spec.debounce, true);
  }

  /** The device is in service: it is looked at from now on. */
  begin(): void {
    this.end();
    const life = this.#life;
    const { talk, clock } = this.#context;
    const shape = readerShape(
      this.#spec,
      talk,
      clock,
      this.#watch(() => life === this.#life),
    );
    this.#nextLookMs = clock.monotonicMs();
    const cycle = async (): Promise<void> => {
      const nowMs = clock.monotonicMs();
      // By the period from the last due time; a bus that is behind does not catch up in a burst.
      this.#nextLookMs = Math.max(nowMs, this.#nextLookMs + this.#spec.poll);
      await shape.look();
      if (life !== this.#life) return;
      this.#timer = clock.after(Math.max(0, this.#nextLookMs - clock.monotonicMs()), () => void cycle());
    };
    void this.#write(this.#spec.feedback.ready);
    void cycle();
  }

  /** The device is out of service. */
  end(): void {
    this.#life++;
    this.#show++;
    this.#timer?.cancel();
    this.#readyTimer?.cancel();
  }

  /** The same, with an outcome that is still shown taken back: nobody would do it later. */
  async stop(): Promise<void> {
    const isShowing = this.#isShowing;
    this.end();
    if (isShowing) await this.#write(this.#spec.feedback.ready);
  }

  feedback(_reader: number, signal: Feedback): void {
    const { feedback } = this.#spec;
    const shown = SHOWN[signal];
    if (shown === null || feedback[shown].length === 0) return;
    this.#readyTimer?.cancel();
    this.#isShowing = shown !== 'ready';
    void this.#write(feedback[shown]);
    if (shown === 'ready' || feedback.ready.length === 0) return;
    this.#readyTimer = this.#context.clock.after(feedback.show, () => {
      this.#isShowing = false;
      void this.#write(feedback.ready);
    });
  }

  #watch(isCurrent: () => boolean): ReaderWatch {
    const { log } = this.#context;
    return {
      seen: (sighting, again) => {
        if (isCurrent()) this.#seen(sighting, again);
      },
      missed: (count) => {
        this.#missed += count;
        if (count > 0) log.warn('cards were shown faster than they were read', { missed: count, in_all: this.#missed });
        const message = `${this.#missed} cards were shown between two looks and could not be read: make poll shorter`;
        this.#fault('cards_missed', count > 0 ? message : null);
      },
      restarted: () => log.info('the reader counts anew: it has started again'),
      fault: (code, message) => this.#fault(code, message),
    };
  }

  #seen({ card, atMonotonicMs }: Sighting, again: boolean): void {
    if ('unreadable' in card) {
      this.#fault(
        'unreadable_card',
        `what the reader holds is no card: ${card.unreadable}; compare reader.card of the profile with the manual`,
      );
      return;
    }
    this.#fault('unreadable_card', null);
    const { reading } = card;
    const width = reading.kind === 'uid' ? 0 : reading.widthBits;
    const isNew = this.#presence.isNew(
      Buffer.concat([Buffer.of(width >> 8, width & 0xff), reading.bytes]),
      atMonotonicMs,
    );
    if (isNew && !again) this.#context.present(reading, atMonotonicMs);
  }

  /** Told when it begins and when it ends. */
  #fault(code: ReaderFault, message: string | null): void {
    if (this.#faults.has(code) === (message !== null)) return;
    if (message === null) this.#faults.delete(code);
    else this.#faults.add(code);
    this.#context.fault(code, message ?? '', message === null);
  }

  async #write(writes: readonly FeedbackWrite[]): Promise<void> {
    const show = ++this.#show;
    const { talk, clock } = this.#context;
    const notAfterMonotonicMs = clock.monotonicMs() + SHOW_WITHIN_MS;
    for (const write of writes) {
      if (show !== this.#show) return;
      await writeFeedback(write, talk, notAfterMonotonicMs);
    }
  }
}

/** Best effort: lost feedback is no error. */
export async function writeFeedback(write: FeedbackWrite, talk: Talk, notAfterMonotonicMs: number): Promise<void> {
  const options = { priority: 'strike', notAfterMonotonicMs } as const;
  if (write.area === 'coil') await talk.writeCoil(write.at, write.value === 1, options);
  else await talk.writeRegisters(write.at, [write.value], options);
}

export function readerCapabilities({ feedback }: ReaderSpec): ReaderCapabilities {
  const signals = Object.entries(SHOWN).flatMap(([signal, shown]) =>
    shown !== null && feedback[shown].length > 0 ? [signal] : [],
  );
  return { keypad: false, card: true, feedback: signals.filter(isFeedback), showsLook: false };
}

const isFeedback = (signal: string): signal is Feedback => Object.hasOwn(SHOWN, signal);
