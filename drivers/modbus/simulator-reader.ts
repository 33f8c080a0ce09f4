// The reader of a simulated device: people show cards at it, and it hands them over in the shape that its profile
// names.

import { registersFromCard } from './reader-card.ts';
import { FEEDBACK_SIGNALS, type FeedbackSignal, type ReaderSpec } from './reader-schema.ts';
import type { SimulatedMemory, Written } from './simulator-memory.ts';
import { encodeWiegand, parseCanonical, type BitReading } from '../../src/domain/card-formats.ts';

/**
 * `busy`: the card before it has not been taken yet, so it reads no other; `unfit`: not a kind of card that it reads.
 */
export type Shown = 'read' | 'busy' | 'unfit';

const SHOWN_BOUND = 100;

export class SimulatedReader {
  /** What it was told to show, oldest first; the last 100. */
  readonly shown: FeedbackSignal[] = [];
  readonly #spec: ReaderSpec;
  readonly #memory: SimulatedMemory;

  constructor(spec: ReaderSpec, memory: SimulatedMemory) {
    this.#spec = spec;
    this.#memory = memory;
  }

  /** Somebody shows a card, in its canonical form. Throws `invalid_input` when it is none. */
  present(canonical: string): Shown {
    const made = registersFromCard(this.#spec.card, readingOf(canonical));
    return made === null ? 'unfit' : this.presentRegisters(made.registers, made.count);
  }

  /** The same with whatever a broken reader puts there. */
  presentRegisters(registers: readonly number[], count: number | null): Shown {
    const { card } = this.#spec;
    if (this.#spec.mode === 'flag-clear' && this.flagged) return 'busy';
    this.#memory.write(card.area, card.at, registers);
    if (typeof card.bits === 'object') this.#memory.set(card.bits.area, card.bits.at, count ?? 0);
    if (this.#spec.mode === 'sequence') this.sequence = (this.sequence + 1) & 0xffff;
    else this.#setFlag(true);
    return 'read';
  }

  /** flag-clear: whether a card waits to be taken. */
  get flagged(): boolean {
    if (this.#spec.mode !== 'flag-clear') return false;
    const { area, at, clear } = this.#spec.flag;
    return this.#memory.get(area, at) !== clear;
  }

  get sequence(): number {
    return this.#spec.mode === 'sequence' ? this.#memory.get(this.#spec.sequence.area, this.#spec.sequence.at) : 0;
  }

  set sequence(value: number) {
    if (this.#spec.mode === 'sequence') this.#memory.set(this.#spec.sequence.area, this.#spec.sequence.at, value);
  }

  define(): void {
    const { card, feedback } = this.#spec;
    this.#memory.define(card.area, card.at, card.registers);
    if (typeof card.bits === 'object') this.#memory.define(card.bits.area, card.bits.at);
    const place = this.#spec.mode === 'flag-clear' ? this.#spec.flag : this.#spec.sequence;
    this.#memory.define(place.area, place.at);
    for (const signal of FEEDBACK_SIGNALS) for (const { area, at } of feedback[signal]) this.#memory.define(area, at);
  }

  /** What holds after every start: no card, and counting from the beginning. */
  reset(): void {
    const { card } = this.#spec;
    this.#memory.write(
      card.area,
      card.at,
      Array.from({ length: card.registers }, () => 0),
    );
    if (typeof card.bits === 'object') this.#memory.set(card.bits.area, card.bits.at, 0);
    this.#setFlag(false);
    this.sequence = 0;
  }

  /** Notes an outcome once its last coil or register has been written. */
  wrote({ area, at, value }: Written): void {
    for (const signal of FEEDBACK_SIGNALS) {
      const last = this.#spec.feedback[signal].at(-1);
      if (last?.area !== area || last.at !== at || last.value !== value) continue;
      this.shown.push(signal);
      if (this.shown.length > SHOWN_BOUND) this.shown.shift();
      return;
    }
  }

  #setFlag(waits: boolean): void {
    if (this.#spec.mode !== 'flag-clear') return;
    const { area, at, clear } = this.#spec.flag;
    this.#memory.set(area, at, waits ? (clear === 0 ? 1 : 0) : clear);
  }
}

/** What a reader sees of a card that is written like this. */
export function readingOf(canonical: string): BitReading {
  const card = parseCanonical(canonical);
  const wiegand = encodeWiegand(card);
  return wiegand === null
    ? { kind: 'uid', bytes: Buffer.from(card.slice('uid:'.length), 'hex') }
    : { kind: 'wiegand', ...wiegand };
}
