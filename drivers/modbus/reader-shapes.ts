// How one knows that a card was shown, in the two shapes that the field has: a flag that the reader sets and we clear,
// and a number that counts. A shape lives from one meeting with the device to the next outage.
//
// What waits in the device when it is first met is old: whoever showed that card has stood before a dead reader, and
// may have gone. Opening the door now would open it to nobody, or to somebody else. So it is acknowledged and never
// presented; a person who is still there shows the card again.

import { cardFromRegisters, type ReadCard } from './reader-card.ts';
import type { ReaderSpec } from './reader-schema.ts';
import type { Result, Talk } from './talk.ts';
import type { Clock } from '../../src/domain/ports.ts';

export type Sighting = { card: ReadCard; atMonotonicMs: number };

/** What a shape tells while it looks. */
export type ReaderWatch = {
  /** A card has been shown; `again`: the same one still lies there. */
  seen(sighting: Sighting, again: boolean): void;
  /** So many cards were shown in between that nobody can read any more. */
  missed(count: number): void;
  restarted(): void;
  /** Lasts until it is told with null. */
  fault(code: ReaderFault, message: string | null): void;
};
export type ReaderFault = 'reader_refused' | 'reader_stuck' | 'unreadable_card' | 'cards_missed';

export type ReaderShape = { look(): Promise<void> };

/** A flag that stays set for so many debounces, whatever is written, keeps every other card from being read. */
const STUCK_DEBOUNCES = 10;
/** A number that changes while the card is read is looked at again, so often in one go. */
const READ_ATTEMPTS = 3;

export function readerShape(spec: ReaderSpec, talk: Talk, clock: Clock, watch: ReaderWatch): ReaderShape {
  return spec.mode === 'flag-clear' ? new FlagShape(spec, talk, clock, watch) : new SequenceShape(spec, talk, watch);
}

type FlagSpec = Extract<ReaderSpec, { mode: 'flag-clear' }>;
type SequenceSpec = Extract<ReaderSpec, { mode: 'sequence' }>;

class FlagShape implements ReaderShape {
  readonly #spec: FlagSpec;
  readonly #talk: Talk;
  readonly #clock: Clock;
  readonly #watch: ReaderWatch;
  /** True until what stood there at the start is gone. */
  #stale = true;
  /**
   * The card whose flag has not been seen cleared yet: it is not shown again by standing there, for the acknowledgement
   * may have been lost.
   */
  #owed: { image: string; sinceMs: number; acknowledged: boolean } | null = null;

  constructor(spec: FlagSpec, talk: Talk, clock: Clock, watch: ReaderWatch) {
    this.#spec = spec;
    this.#talk = talk;
    this.#clock = clock;
    this.#watch = watch;
  }

  async look(): Promise<void> {
    const { flag, debounce } = this.#spec;
    const state = await readNew(this.#spec, this.#talk);
    if (!hasRead(state, this.#watch)) return;
    if (state.value === flag.clear) {
      this.#watch.fault('reader_refused', null);
      this.#stale = false;
      this.#owed = null;
      this.#watch.fault('reader_stuck', null);
      return;
    }
    const read = await readCard(this.#spec, this.#talk);
    if (!hasRead(read, this.#watch)) return;
    this.#watch.fault('reader_refused', null);
    const { image, card } = read.value;
    const owed = this.#owed;
    const again = owed?.image === image;
    if (!again) this.#owed = { image, sinceMs: this.#clock.monotonicMs(), acknowledged: false };
    // Told before it is acknowledged: the strike does not wait for the reader, and goes before this write on the bus.
    if (!this.#stale && (!again || owed.acknowledged))
      this.#watch.seen({ card, atMonotonicMs: read.atMonotonicMs }, again);
    if (again && this.#clock.monotonicMs() - owed.sinceMs > STUCK_DEBOUNCES * debounce)
      this.#watch.fault(
        'reader_stuck',
        'the flag of its last card stays set: a card lies at it, or the flag cannot be cleared',
      );
    const acknowledged = await acknowledge(this.#spec, this.#talk);
    if (!acknowledged.ok) return;
    this.#stale = false;
    if (this.#owed !== null) this.#owed.acknowledged = true;
  }
}

class SequenceShape implements ReaderShape {
  readonly #spec: SequenceSpec;
  readonly #talk: Talk;
  readonly #watch: ReaderWatch;
  /** The number of the last card that was taken; null until the device has been looked at once. */
  #last: number | null = null;

  constructor(spec: SequenceSpec, talk: Talk, watch: ReaderWatch) {
    this.#spec = spec;
    this.#talk = talk;
    this.#watch = watch;
  }

  async look(): Promise<void> {
    for (let attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
      const number = await readNew(this.#spec, this.#talk);
      if (!hasRead(number, this.#watch)) return;
      const before = this.#last;
      const step = before === null ? 0 : (number.value - before) & 0xffff;
      // A number that has fallen back to zero is a reader that has started anew, and has read nothing since.
      const restarted = step > 0x7fff;
      if (restarted && number.value === 0) this.#watch.restarted();
      if (step === 0 || (restarted && number.value === 0)) {
        this.#last = number.value;
        this.#watch.fault('reader_refused', null);
        return;
      }
      const read = await readCard(this.#spec, this.#talk);
      if (!hasRead(read, this.#watch)) return;
      this.#watch.fault('reader_refused', null);
      const after = await readNew(this.#spec, this.#talk);
      if (!after.ok) return;
      // Read as one card only when no other came in between.
      if (after.value !== number.value) continue;
      this.#last = number.value;
      if (restarted) this.#watch.restarted();
      else this.#watch.missed(step - 1);
      this.#watch.seen({ card: read.value.card, atMonotonicMs: read.atMonotonicMs }, false);
      return;
    }
  }
}

/**
 * Silence is the bus's to judge. A device that refuses to be looked at reads no card, and does not say so otherwise.
 */
function hasRead<T>(result: Result<T>, watch: ReaderWatch): result is Extract<Result<T>, { ok: true }> {
  if (!result.ok && result.failure.kind === 'refused')
    watch.fault('reader_refused', `the device refuses to be asked for cards: ${result.failure.message}`);
  return result.ok;
}

// ---- the wire -------------------------------------------------------------------------------------------------------

/** The flag, or the number. */
export async function readNew(spec: ReaderSpec, talk: Talk): Promise<Result<number>> {
  const { area, at } = spec.mode === 'flag-clear' ? spec.flag : spec.sequence;
  const result = await talk.read(area, at, 1, 'input');
  return result.ok ? { ...result, value: result.value[0] ?? 0 } : result;
}

/** The card that stands in the device; `image` tells it from another. */
export async function readCard(spec: ReaderSpec, talk: Talk): Promise<Result<{ image: string; card: ReadCard }>> {
  const { bits, area, at, registers } = spec.card;
  const count = typeof bits === 'object' ? await talk.readRegisters(bits.area, bits.at, 1, 'input') : null;
  if (count?.ok === false) return count;
  const result = await talk.readRegisters(area, at, registers, 'input');
  if (!result.ok) return result;
  const counted = count?.value[0] ?? null;
  const card = cardFromRegisters(spec.card, result.value, counted);
  return { ...result, value: { image: [counted, ...result.value].join(), card } };
}

export async function acknowledge(spec: FlagSpec, talk: Talk): Promise<Result<null>> {
  const { area, at, clear } = spec.flag;
  return area === 'coil'
    ? await talk.writeCoil(at, clear === 1, { priority: 'input' })
    : await talk.writeRegisters(at, [clear], { priority: 'input' });
}
