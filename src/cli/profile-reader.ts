// The reader of a profile, tried at the desk and looked at on site: random cards there and back, cards shown at a
// device made from the profile, and what the real one holds just now.

import { capacityBits, cardFromRegisters, registersFromCard, type ReadCard } from '../../drivers/modbus/reader-card.ts';
import type { ReaderSpec } from '../../drivers/modbus/reader-schema.ts';
import { readCard, readNew } from '../../drivers/modbus/reader-shapes.ts';
import type { SimulatedReader } from '../../drivers/modbus/simulator-reader.ts';
import type { Talk } from '../../drivers/modbus/talk.ts';
import { CARD_FORMATS, candidates, type BitReading, type CardReading } from '../domain/card-formats.ts';
import type { DriverEvent, ReaderDevice } from '../domain/ports.ts';
import { systemRandom } from '../ops/random.ts';

const ROUND_TRIPS = 1_000;
const MOST_DETAILS = 10;

/** What is wrong with the way of random cards into registers and back; [] when each came back as it was. */
export function cardsThereAndBack(spec: ReaderSpec): string[] {
  const details: string[] = [];
  for (let i = 0; i < ROUND_TRIPS && details.length < MOST_DETAILS; i++) {
    const card = randomCard(spec);
    const made = registersFromCard(spec.card, card);
    const back = made === null ? null : cardFromRegisters(spec.card, made.registers, made.count);
    if (back === null || !('reading' in back) || !isSame(back.reading, card))
      details.push(`${inWords({ reading: card })} comes back as ${back === null ? 'nothing' : inWords(back)}`);
  }
  return details;
}

export type ReaderBench = {
  spec: ReaderSpec;
  reader: ReaderDevice;
  simulated: SimulatedReader;
  events: readonly DriverEvent[];
  /** How often it has been asked for a card. */
  looks: () => number;
  shortly: (holds: () => boolean) => Promise<boolean>;
};

/** A look that has begun and ended, whatever else asks the same. */
const LOOKS_UNTIL_MET = 3;

/** Two cards, one after the other, and what is shown for them. */
export async function tryReader({ spec, reader, simulated, events, looks, shortly }: ReaderBench): Promise<string[]> {
  const details: string[] = [];
  // A card that is there before the first look is old, and would rightly be passed over.
  const before = looks();
  if (!(await shortly(() => looks() >= before + LOOKS_UNTIL_MET))) details.push('it is not asked for cards');
  const presented = (): CardReading[] =>
    events.flatMap((event) =>
      event.type === 'presented' && event.presentation.kind === 'card' ? [event.presentation.reading] : [],
    );
  for (const count of [1, 2]) {
    const card = randomCard(spec);
    const made = registersFromCard(spec.card, card);
    if (made === null) return ['no card fits into its registers'];
    // The one before it is taken first, as at a real reader.
    if (!(await shortly(() => !simulated.flagged))) details.push('the flag of its card is not cleared');
    simulated.presentRegisters(made.registers, made.count);
    if (!(await shortly(() => presented().length >= count))) details.push(`card ${count} is not read`);
    const read = presented()[count - 1];
    if (read !== undefined && !isSame(read, card)) details.push(`card ${count} is read as another`);
  }
  for (const signal of ['granted', 'denied'] as const) {
    if (spec.feedback[signal].length === 0) continue;
    reader.feedback(0, signal);
    if (!(await shortly(() => simulated.shown.includes(signal)))) details.push(`${signal} is not shown`);
  }
  return details;
}

/**
 * What the real reader holds, for the eyes of an installer who has just shown it a card; null when it answers nothing.
 * Nothing is acknowledged.
 */
export async function lookAtReader(
  spec: ReaderSpec,
  talk: Talk,
): Promise<{ said: string; details: string[]; isReadable: boolean } | { refused: string }> {
  const state = await readNew(spec, talk);
  if (!state.ok) return { refused: state.failure.message };
  const waits = spec.mode === 'flag-clear' && state.value !== spec.flag.clear;
  const said =
    spec.mode === 'sequence'
      ? `${state.value} cards counted`
      : waits
        ? 'a card waits; it is left there'
        : 'no card waits: show one and probe again';
  const isThere = spec.mode === 'sequence' ? state.value !== 0 : waits;
  const read = await readCard(spec, talk);
  if (!read.ok) return { refused: read.failure.message };
  if (!isThere) return { said, details: [], isReadable: true };
  return { said, details: formsOf(read.value.card), isReadable: 'reading' in read.value.card };
}

/**
 * Everything that a card may stand for, so that `card_formats` can be chosen: the one whose number is printed on the
 * card.
 */
function formsOf(card: ReadCard): string[] {
  if (!('reading' in card)) return [`what stands there is no card: ${card.unreadable}`];
  return [`card: ${candidates(card.reading, CARD_FORMATS).join(' or ')}`];
}

function randomCard(spec: ReaderSpec): BitReading {
  const { card } = spec;
  const widthBits = randomWidth(spec);
  const length = Math.ceil(widthBits / 8);
  const bytes = systemRandom.bytes(length);
  // Never zero, with or without parity.
  bytes.writeUInt8(bytes.readUInt8(0) | 0x10, 0);
  if (card.kind === 'uid') return { kind: 'uid', bytes };
  const padding = length * 8 - widthBits;
  bytes.writeUInt8(bytes.readUInt8(length - 1) & (0xff << padding), length - 1);
  const reading: BitReading = { kind: 'wiegand', widthBits, bytes };
  if (card.parity === 'sent') return reading;
  // Only a card whose parity is right comes back as it was.
  const stripped = registersFromCard(card, reading);
  const back = stripped === null ? null : cardFromRegisters(card, stripped.registers, stripped.count);
  return back !== null && 'reading' in back ? back.reading : reading;
}

function randomWidth({ card }: ReaderSpec): number {
  const room = capacityBits(card);
  if (typeof card.bits === 'object') {
    const widths = card.kind === 'uid' || card.bits.counts === 'bytes' ? [32, 40, 56, 64] : [26, 34, 37, 48];
    const fitting = widths.filter((width) => width <= room);
    return fitting[Math.floor(systemRandom.fraction() * fitting.length)] ?? room;
  }
  const width = card.bits ?? room;
  return card.parity === 'stripped' && [24, 32, 35].includes(width) ? width + 2 : width;
}

function isSame(one: CardReading, other: BitReading): boolean {
  if (!one.bytes.equals(other.bytes)) return false;
  if (one.kind !== 'wiegand') return one.kind === other.kind;
  return other.kind === 'wiegand' && one.widthBits === other.widthBits;
}

const inWords = (card: ReadCard): string =>
  'reading' in card
    ? card.reading.kind === 'uid'
      ? `a serial number of ${card.reading.bytes.length} bytes`
      : `a card of ${card.reading.widthBits} bits`
    : card.unreadable;
