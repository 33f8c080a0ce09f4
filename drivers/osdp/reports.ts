// What a reader tells unasked: cards, keys, inputs, tamper and power, out of the replies to polls (and to the status
// commands, which answer the same). Only what has changed goes on; after an outage everything counts as changed.

import type { Clock, DriverEvent, Log, Presentation } from '../driver.ts';
import type { CardReading } from '../../src/domain/card-formats.ts';
import { Justification, textReading } from './cards.ts';
import type { Justify, UnreadCard } from './cards.ts';
import { Inputs } from './inputs.ts';
import type { InputSettings } from './inputs.ts';
import { Keypad } from './keypad.ts';
import type { KeypadSettings } from './keypad.ts';
import { READER_STATE, REPLIES, replyLabel } from './replies.ts';
import type { DecodedReply } from './replies.ts';

export type ReportSettings = InputSettings & {
  readers: number;
  justify: Justify;
  /** Null: a reader without a keypad, whose key presses are passed over. */
  keypad: KeypadSettings | null;
};

export class Reports {
  readonly #device: string;
  readonly #settings: ReportSettings;
  readonly #log: Log;
  readonly #emit: (event: DriverEvent) => void;
  readonly #keypads: readonly Keypad[];
  readonly inputs: Inputs;
  readonly #justifications: readonly Justification[];
  #tamper = false;
  #tamperedReaders = new Set<number>();
  #power = false;
  #disconnected = false;
  /** Why the last card was none; null: it was one. */
  #unread: string | null = null;

  constructor(device: string, settings: ReportSettings, clock: Clock, log: Log, emit: (event: DriverEvent) => void) {
    this.#device = device;
    this.#settings = settings;
    this.#log = log;
    this.#emit = emit;
    this.inputs = new Inputs(device, settings, emit);
    this.#justifications = Array.from({ length: settings.readers }, () => new Justification(settings.justify));
    const { keypad } = settings;
    this.#keypads =
      keypad === null
        ? []
        : Array.from(
            { length: settings.readers },
            (_, reader) => new Keypad(clock, keypad, (digits) => this.#digits(reader, digits, clock.monotonicMs())),
          );
  }

  /** The reader is gone: half a PIN is worth nothing, and inputs may change unseen. */
  forget(): void {
    for (const keypad of this.#keypads) keypad.clear();
    this.inputs.gap(true);
  }

  /** Another unit is in the reader's place: what was learnt of how it sends cards holds no more. */
  forgetUnit(): void {
    for (const justification of this.#justifications) justification.forget();
  }

  /** True when the reply was one of those that end here. `asked`: it answers a question, and did not come by itself. */
  accept(reply: DecodedReply, atMonotonicMs: number, asked: boolean): boolean {
    switch (reply.name) {
      case 'RAW': {
        const { reader, widthBits, bits } = reply.fields;
        const justification = this.#justifications[reader] ?? new Justification(this.#settings.justify);
        this.#card(reader, justification.read(widthBits, bits), atMonotonicMs);
        return true;
      }
      case 'FMT':
        this.#card(reply.fields.reader, textReading(reply.fields.text), atMonotonicMs);
        return true;
      case 'KEYPAD':
        this.#keypads[reply.fields.reader]?.press(reply.fields.keys);
        return true;
      case 'BIOREADR':
      case 'BIOMATCHR': {
        // That nobody has asked for: it is told, and opens nothing.
        const factor = reply.name === 'BIOREADR' ? 'template' : 'match';
        if (reply.fields.status === 0)
          this.presented(reply.fields.reader, { kind: 'biometric', factor }, atMonotonicMs);
        return true;
      }
      case 'LSTATR':
        this.#setTamper(reply.fields.tamper, this.#tamperedReaders);
        this.#setPower(reply.fields.powerFailed);
        return true;
      case 'ISTATR':
        this.inputs.report(reply.fields.inputs, asked, atMonotonicMs);
        return true;
      case 'RSTATR':
        this.#readers(reply.fields.readers);
        return true;
      case 'OSTATR':
        return true;
      default:
        return false;
    }
  }

  /** A reply that is not what its code says. */
  misread(code: number, why: string): void {
    this.#log.warn('a report that cannot be understood', { reply: replyLabel(code), why });
    const isCard = code === REPLIES.RAW.code || code === REPLIES.FMT.code;
    if (isCard) this.#setUnread('it was sent with fewer bits or characters than it said');
  }

  presented(reader: number, presentation: Presentation, atMonotonicMs: number): void {
    if (reader < this.#settings.readers)
      this.#emit({ type: 'presented', device: this.#device, reader, presentation, atMonotonicMs });
    else
      this.#log.warn('a presentation at a reader number that is not configured', {
        reader,
        readers: this.#settings.readers,
      });
  }

  /** A card that cannot be one is told of, until the next that can. */
  #card(reader: number, reading: CardReading | UnreadCard, atMonotonicMs: number): void {
    if (reading.kind !== 'unread') this.presented(reader, { kind: 'card', reading }, atMonotonicMs);
    this.#setUnread(reading.kind === 'unread' ? reading.why : null);
  }

  #setUnread(why: string | null): void {
    if ((why === null) === (this.#unread === null)) return;
    this.#unread = why;
    const message = why === null ? 'a card was read again' : `a card that was shown could not be read: ${why}`;
    this.#emit({ type: 'fault', device: this.#device, code: 'card_unread', message, cleared: why === null });
  }

  #digits(reader: number, digits: string, atMonotonicMs: number): void {
    this.presented(reader, { kind: 'digits', digits }, atMonotonicMs);
  }

  #readers(states: readonly number[]): void {
    const tampered = new Set<number>();
    for (const [reader, state] of states.entries()) if (state === READER_STATE.tamper) tampered.add(reader);
    this.#setTamper(this.#tamper, tampered);
    const disconnected = states.includes(READER_STATE.notConnected);
    if (disconnected === this.#disconnected) return;
    this.#disconnected = disconnected;
    const message = disconnected
      ? 'the device answers, but a reader behind it does not: check the cable between them'
      : 'every reader behind the device answers again';
    this.#emit({ type: 'fault', device: this.#device, code: 'reader_not_connected', message, cleared: !disconnected });
  }

  #setTamper(device: boolean, readers: Set<number>): void {
    const before = this.#tamper || this.#tamperedReaders.size > 0;
    this.#tamper = device;
    this.#tamperedReaders = readers;
    const active = device || readers.size > 0;
    if (active !== before) this.#emit({ type: 'tamper', device: this.#device, active });
  }

  #setPower(failed: boolean): void {
    if (failed !== this.#power) this.#emit({ type: 'power', device: this.#device, failed });
    this.#power = failed;
  }
}
