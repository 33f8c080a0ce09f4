// The PIN of a smart card, typed at the reader (Secure PIN Entry): it goes from the reader's keypad into the card, and
// neither over the line nor to the panel. Whether the card took it is asked of the card itself.

import { OperatingError } from '../../src/domain/errors.ts';
import type { CardField } from './card-field.ts';
import type { OsdpReader } from './reader.ts';
import { SMART_CARD, type PinEntry } from './smart-card.ts';

export type CardPinRequest = {
  /** The application of the card that has the PIN. */
  application: Buffer;
  /** Which PIN of it. */
  pin: number;
  minDigits: number;
  maxDigits: number;
  /** How long a person has: to lay the card there, and again to type. */
  seconds: number;
};

/** `reader`: what the reader says of it, by its own numbers; null: nothing. `triesLeft` null: the card did not say. */
export type CardPinOutcome = {
  verified: boolean;
  triesLeft: number | null;
  reader: { status: number; tries: number } | null;
};

const NEXT_KEY_SECONDS = 10;
/** Behind the reader's own time: its answer waits for a poll. */
const SLACK_MS = 5_000;
/** A card is looked for so often. */
const LOOK_MS = 500;
/** Of a PIN of PIV: characters, filled up with FF. */
const BLOCK_BYTES = 8;
const FILLED = Buffer.alloc(BLOCK_BYTES, 0xff);
const VERIFY = 0x20;

export async function enterCardPin(
  reader: OsdpReader,
  field: CardField,
  request: CardPinRequest,
  signal: AbortSignal,
): Promise<CardPinOutcome> {
  refuseWhereUnknown(reader);
  return await field.borrow(async () => {
    // Over another link another reader may be at its end: what was said over this one counts alone.
    const over = AbortSignal.any([signal, field.connection]);
    const { promise, end } = untilOver(over, signal, reader.name);
    try {
      return await Promise.race([inField(reader.name, field, request, over), promise]);
    } finally {
      end();
      await field.ask(SMART_CARD.done);
      await field.restoreSoon();
    }
  });
}

/** Rejects with why it is over, when it is. */
function untilOver(
  over: AbortSignal,
  unwanted: AbortSignal,
  name: string,
): { promise: Promise<never>; end: () => void } {
  let end = (): void => undefined;
  const promise = new Promise<never>((_resolve, reject) => {
    const tell = (): void =>
      reject(
        new OperatingError(
          'interrupted',
          unwanted.aborted ? 'nobody waits for the PIN any more' : `${name}: the link began anew`,
        ),
      );
    end = () => over.removeEventListener('abort', tell);
    if (over.aborted) tell();
    else over.addEventListener('abort', tell, { once: true });
  });
  promise.catch(() => undefined);
  return { promise, end };
}

async function inField(
  name: string,
  field: CardField,
  request: CardPinRequest,
  over: AbortSignal,
): Promise<CardPinOutcome> {
  if ((await field.give()) !== 'given')
    throw new OperatingError('not_supported', `${name} does not hand its cards over: it declines transparent mode`);
  await laid(name, field, request.seconds, over);
  const length = Buffer.from([request.application.length]);
  const select = Buffer.concat([Buffer.from([0x00, 0xa4, 0x04, 0x00]), length, request.application, Buffer.from([0])]);
  const selected = await asked(name, field, select, over);
  if (!isDone(selected) && selected.word >> 8 !== 0x61)
    throw new OperatingError('device_error', `the card at ${name} has no such application (${hexOf(selected.word)})`);
  const said = await typed(name, field, request, over);
  // Without data it is a question, and no try.
  const after = await asked(name, field, Buffer.from([0x00, VERIFY, 0x00, request.pin]), over);
  return { verified: isDone(after), triesLeft: triesOf(after.word), reader: said };
}

/** Some readers tell of a card by themselves, others when they are asked. */
async function laid(name: string, field: CardField, seconds: number, over: AbortSignal): Promise<void> {
  for (let looks = 0; looks < (seconds * 1_000) / LOOK_MS && !over.aborted; looks++)
    if (await field.hasCard(LOOK_MS)) return;
  throw new OperatingError('timed_out', `no card was laid on ${name} within ${seconds} s`);
}

/** Until the reader says that the PIN was typed, or was not. */
async function typed(
  name: string,
  field: CardField,
  request: CardPinRequest,
  over: AbortSignal,
): Promise<CardPinOutcome['reader']> {
  over.throwIfAborted();
  const entry: PinEntry = {
    firstKeySeconds: request.seconds,
    nextKeySeconds: NEXT_KEY_SECONDS,
    form: 'ascii',
    blockBytes: BLOCK_BYTES,
    offsetBytes: 0,
    minDigits: request.minDigits,
    maxDigits: request.maxDigits,
    apdu: Buffer.concat([Buffer.from([0x00, VERIFY, 0x00, request.pin, BLOCK_BYTES]), FILLED]),
  };
  const longestMs = (request.seconds + request.maxDigits * NEXT_KEY_SECONDS) * 1_000 + SLACK_MS;
  const later = field.later(longestMs, (answer) => (answer.kind === 'present' ? null : answer));
  const first = await field.ask(SMART_CARD.enterPin(entry));
  if (first === 'unknown' || first === 'refused')
    throw new OperatingError('not_supported', `${name} refused to have the PIN of a card typed`);
  if (first === 'lost') throw new OperatingError('controller_offline', `${name} was not heard`);
  const answer = typeof first === 'object' ? first : await later;
  if (answer === null) throw new OperatingError('timed_out', `${name} did not say that a PIN was typed`);
  if (answer.kind === 'error' || answer.kind === 'ended' || answer.kind === 'absent')
    throw new OperatingError('interrupted', `the card at ${name} was taken away, or the reader gave up`);
  return answer.kind === 'pin' ? { status: answer.status, tries: answer.tries } : null;
}

type Said = { word: number };

/** Nothing is said to the card any more once it is over: the field may be somebody else's. */
async function asked(name: string, field: CardField, apdu: Buffer, over: AbortSignal): Promise<Said> {
  over.throwIfAborted();
  const answer = await field.exchange(apdu);
  if (answer === null || answer.length < 2)
    throw new OperatingError('interrupted', `the card at ${name} was taken away`);
  return { word: answer.readUInt16BE(answer.length - 2) };
}

const isDone = ({ word }: Said): boolean => word === 0x9000;
/** 63CX: not verified, X tries are left; 6983: none. */
const triesOf = (word: number): number | null => (word >> 4 === 0x63c ? word & 0x0f : word === 0x6983 ? 0 : null);
const hexOf = (word: number): string => word.toString(16).toUpperCase().padStart(4, '0');

/** A reader that says what it does with cards is believed. */
function refuseWhereUnknown({ name, pdCapabilities: pd }: OsdpReader): void {
  if (pd === null) throw new OperatingError('controller_offline', `${name} has not said yet what it can do`);
  if (pd.securePin === false)
    throw new OperatingError('not_supported', `${name} says that no PIN of a card can be typed at it`);
  if (pd.extendedPackets !== null && !pd.transparentMode)
    throw new OperatingError('not_supported', `${name} says that it does not hand its cards over`);
}
