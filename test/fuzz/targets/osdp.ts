// OSDP: what a reader, or somebody in its place on the wire, sends to the panel; and what the simulated reader is sent.

import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { Justification, textReading } from '../../../drivers/osdp/cards.ts';
import { command, COMMANDS, decodeCommand, type WireCommand } from '../../../drivers/osdp/commands.ts';
import { checksum8, crc16 } from '../../../drivers/osdp/crc.ts';
import { decodeFrame, encodeFrame, MAX_FRAME_BYTES, SOM, type Frame } from '../../../drivers/osdp/frame.ts';
import { Keypad } from '../../../drivers/osdp/keypad.ts';
import { decodeFragment, encodeFragment, fragmentsOf, MultipartAssembler } from '../../../drivers/osdp/multipart.ts';
import { FrameParser } from '../../../drivers/osdp/parser.ts';
import { fewerTerminals, readCapabilities } from '../../../drivers/osdp/pdcap.ts';
import {
  decodeExtendedId, decodeReply, describeNak, describePdId, REPLIES, reply, replyLabel, type ReplyName, type WireReply,
} from '../../../drivers/osdp/replies.ts'; // prettier-ignore
import { deriveKeys, initialRmac, SecureSession } from '../../../drivers/osdp/secure-channel.ts';
import { decodePinEntry, encodePinEntry, readSmartCard } from '../../../drivers/osdp/smart-card.ts';
import { candidates, CARD_FORMATS } from '../../../src/domain/card-formats.ts';
import { hex, vectors } from '../../drivers/osdp/vectors.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import type { Chance } from '../../world/seeded/chance.ts';
import { joined, must, partsOf, pieces, type Target } from '../target.ts';

const FRAMES = [...vectors.plain, ...vectors.checksum, ...vectors.sc].map((vector) => hex(vector.hex));
const EMPTY = Buffer.alloc(0);

/** Makes the length and the check characters of each frame in it good again, as far as there are frames. */
function mended(bytes: Buffer, chance: Chance): Buffer {
  const isOne = chance.is(0.5);
  for (let at = bytes.indexOf(SOM); at >= 0 && at + 7 < bytes.length;) {
    bytes[at + 4] = (bytes[at + 4] ?? 0) & 0x0f;
    const rest = bytes.length - at;
    if (isOne || bytes.readUInt16LE(at + 2) > rest || bytes.readUInt16LE(at + 2) < 8) bytes.writeUInt16LE(rest, at + 2);
    const frame = bytes.subarray(at, at + bytes.readUInt16LE(at + 2));
    if (((frame[4] ?? 0) & 4) !== 0) frame.writeUInt16LE(crc16(frame, frame.length - 2), frame.length - 2);
    else frame[frame.length - 1] = checksum8(frame, frame.length - 1);
    at = bytes.indexOf(SOM, at + frame.length);
  }
  return bytes;
}

// ---- frames ---------------------------------------------------------------------------------------------------------

function playFrames(bytes: Buffer): string {
  const whole = new FrameParser();
  const found = whole.push(bytes);
  const inPieces = new FrameParser();
  const again: Frame[] = [];
  for (const piece of pieces(bytes)) again.push(...inPieces.push(Buffer.from(piece)));
  must(isSame(found, again) && whole.badFrames === inPieces.badFrames, 'it depends on how the bytes are cut');
  must(whole.pending === inPieces.pending, 'what waits depends on how the bytes are cut');
  for (const frame of found) {
    const { mac } = frame;
    must(encodeFrame(frame, () => mac ?? EMPTY).equals(frame.bytes), 'a frame is not written as it was read');
    must(frame.bytes.length <= MAX_FRAME_BYTES, 'a frame is longer than there are any');
  }
  // Nothing that waits is longer than a frame: as much silence as one has bytes ends it.
  const waits = whole.pending;
  whole.push(Buffer.alloc(MAX_FRAME_BYTES));
  must(!whole.pending, 'more waits than a frame has bytes');
  const late = inPieces.stalled();
  must(!inPieces.pending, 'something waits behind the silence');
  const [known] = FRAMES;
  must(known !== undefined && inPieces.push(known).length === 1, 'a good frame behind a silence is not heard');
  return `${found.length === 0 ? 'no frame' : 'frames'}${late.length > 0 ? ', more behind silence' : waits ? ', some wait' : ''}`;
}

const isSame = (some: readonly Frame[], others: readonly Frame[]): boolean =>
  some.length === others.length && some.every((frame, i) => others[i]?.bytes.equals(frame.bytes));

const fields = fc.record({
  address: fc.nat(0x7f),
  reply: fc.boolean(),
  sequence: fc.nat(3),
  crc: fc.boolean(),
  block: fc.option(fc.record({ type: fc.integer({ min: 0x10, max: 0x19 }), data: fc.uint8Array({ maxLength: 6 }).map((some) => Buffer.from(some)) })), // prettier-ignore
  code: fc.nat(255),
  data: fc.uint8Array({ maxLength: 120 }).map((some) => Buffer.from(some)),
});
const streams = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: fields.map((one) => encodeFrame(one, () => Buffer.alloc(16, 0x5a))) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }).map((noise) => Buffer.from(noise)) },
    ),
    { maxLength: 5 },
  ) // prettier-ignore
  .map((parts) => Buffer.concat(parts));

// ---- bodies ---------------------------------------------------------------------------------------------------------

/** The first byte is the code of the reply. */
function playReply(bytes: Buffer): string {
  const code = bytes[0] ?? 0;
  const decoded = decodeReply(code, bytes.subarray(1));
  must(replyLabel(code) !== '', 'a reply without a name');
  if (typeof decoded === 'string') return decoded;
  const { name } = decoded;
  const again = decodeReply(code, writtenReply(decoded));
  must(isDeepStrictEqual(again, decoded), `${name} is not read as it was written`);
  switch (name) {
    case 'XRD':
      return `XRD ${readSmartCard(decoded.fields)?.kind ?? 'of no use'}`;
    case 'PDCAP': {
      const { records } = decoded.fields;
      must(fewerTerminals({ inputs: 0, outputs: 0 }, readCapabilities(records)) === null, 'nothing is too much');
      break;
    }
    case 'PDID':
      must(describePdId(decoded.fields) !== '', 'an identity without words');
      break;
    case 'NAK':
      must(describeNak(decoded.fields.error) !== '', 'a refusal without words');
      break;
    case 'EXT_PDID':
      decodeExtendedId(decoded.fields.data);
      break;
  }
  return name;
}

// A row and its fields belong together by the table's type; the compiler cannot follow that through a run-time name.
type AnyRow = { encode: (fields: unknown) => Buffer };
const writtenReply = ({ name, fields: said }: { name: ReplyName; fields: unknown }): Buffer =>
  (REPLIES[name] as AnyRow).encode(said);

const REPLY_SEEDS: readonly WireReply[] = [
  ...vectors.plain
    .filter(({ dir }) => dir === 'PD->ACU')
    .flatMap((vector) => {
      const frame = decodeFrame(hex(vector.hex));
      return typeof frame === 'string' ? [] : [{ name: 'ACK' as const, code: frame.code, data: frame.data }];
    }),
  reply('PDID', { oui: hex('112233'), model: 4, version: 1, serial: 99, firmware: [1, 2, 3] }),
  reply('NAK', { error: 9, details: hex('01') }),
  reply('LSTATR', { tamper: true, powerFailed: false }),
  reply('RAW', { reader: 0, format: 1, widthBits: 26, bits: hex('025C5AC0') }),
  reply('FMT', { reader: 0, direction: 0, text: Buffer.from('%12345?') }),
  reply('KEYPAD', { reader: 0, keys: Buffer.from('1234\r') }),
  reply('COM', { address: 3, baud: 38_400 }),
  reply('BIOREADR', { reader: 0, status: 0, type: 1, quality: 90, template: Buffer.alloc(80, 7) }),
  reply('BIOMATCHR', { reader: 0, status: 0, score: 200 }),
  reply('EXT_PDID', { totalBytes: 11, offset: 0, data: hex('000400414243440101005A') }),
  reply('CCRYPT', { cuid: Buffer.alloc(8, 1), randomB: Buffer.alloc(8, 2), clientCryptogram: Buffer.alloc(16, 3) }),
  reply('RMAC_I', { rmac: Buffer.alloc(16, 4) }),
  reply('FTSTAT', { action: 1, delayMs: 20, status: -3, maxMessageBytes: 128 }),
  reply('GENAUTHR', { totalBytes: 8, offset: 0, data: Buffer.alloc(8, 5) }),
  reply('MFGREP', { oui: hex('1A9021'), data: hex('E0') }),
  ...[0, 1, 2, 3].map((code) => reply('XRD', { mode: 1, reply: code, data: hex('00019000') })),
  reply('XRD', { mode: 0, reply: 1, data: hex('01') }),
];

function playCommand(bytes: Buffer): string {
  const decoded = decodeCommand(bytes[0] ?? 0, bytes.subarray(1));
  if (typeof decoded === 'string') return decoded;
  const { name } = decoded;
  const written = (COMMANDS[name] as AnyRow).encode(decoded.fields);
  must(isDeepStrictEqual(decodeCommand(bytes[0] ?? 0, written), decoded), `${name} is not read as it was written`);
  if (decoded.name === 'XWR') {
    const entry = decodePinEntry(decoded.fields.data);
    must(entry === null || isDeepStrictEqual(decodePinEntry(encodePinEntry(entry)), entry), 'a PIN is asked otherwise');
  }
  return name;
}

const COMMAND_SEEDS: readonly WireCommand[] = [
  ...vectors.plain
    .filter(({ dir }) => dir === 'ACU->PD')
    .flatMap((vector) => {
      const frame = decodeFrame(hex(vector.hex));
      return typeof frame === 'string' ? [] : [{ name: 'POLL' as const, code: frame.code, data: frame.data }];
    }),
  command('TEXT', { reader: 0, mode: 1, seconds: 0, row: 1, column: 1, text: 'come in' }),
  command('FILETRANSFER', { type: 1, totalBytes: 400, offset: 0, data: Buffer.alloc(40, 1) }),
  command('BIOMATCH', { reader: 0, type: 1, format: 2, threshold: 90, template: Buffer.alloc(30, 2) }),
  command('KEYSET', { keyType: 1, key: Buffer.alloc(16, 3) }),
  command('XWR', { mode: 1, command: 3, data: hex('0A0A828804040C0300000000000000000D0020008008FFFFFFFFFFFFFFFF') }),
  command('GENAUTH', { totalBytes: 8, offset: 0, data: Buffer.alloc(8, 5) }),
];

const withCode = ({ code, data }: { code: number; data: Buffer }): Buffer => Buffer.concat([Buffer.from([code]), data]);

// ---- Secure Channel -------------------------------------------------------------------------------------------------

const KEYS = deriveKeys(hex('000102030405060708090A0B0C0D0E0F'), hex('B0B1B2B3B4B5B6B7'));
const RMAC = initialRmac(KEYS, Buffer.alloc(16, 0x77));
const ASKED = { address: 1, sequence: 1, crc: true, code: 0x60, data: EMPTY };
const TOLD = { ...ASKED, code: 0x50, data: hex('000004000A') };

/** One exchange of a session: what is sent, and what the reader itself answers. */
function exchange(): { panel: SecureSession; reader: SecureSession; sent: Buffer; cmac: Buffer; answer: Buffer } {
  const [panel, reader] = [new SecureSession(KEYS, RMAC), new SecureSession(KEYS, RMAC)];
  const { bytes: sent, cmac } = panel.sealCommand(ASKED);
  const heard = decodeFrame(sent);
  must(typeof heard !== 'string', 'what is sealed is no frame');
  const opened = reader.openCommand(heard);
  must(opened.ok, 'what is sealed cannot be opened');
  return { panel, reader, sent, cmac, answer: reader.sealReply(TOLD, opened.mac) };
}

/** Made anew once it has gone on: most inputs move nothing, and keys are dear. */
let standing = exchange();

/** The bytes stand in for both: for the answer that the panel waits for, and for a command that the reader hears. */
function playSession(bytes: Buffer): string {
  const { panel, reader, cmac, answer } = standing;
  const frame = decodeFrame(bytes);
  if (typeof frame === 'string') return frame;
  const told = panel.openReply(frame, cmac);
  const isGenuine = frame.bytes.equals(answer);
  if (told.ok) standing = exchange();
  must(told.ok === isGenuine, isGenuine ? 'the answer itself is refused' : 'a forged answer is taken');
  must(!reader.openCommand(frame).ok, 'a command is taken that nobody has sealed');
  if (told.ok) return 'the answer itself';
  if (told.reason === 'not_secured') return told.reason;
  standing = exchange();
  const genuine = decodeFrame(answer);
  must(typeof genuine !== 'string' && panel.openReply(genuine, cmac).ok, 'a refused answer moves the chain');
  return told.reason;
}

// ---- long messages --------------------------------------------------------------------------------------------------

const MOST_LONG = 1_024;

function playFragments(bytes: Buffer): string {
  const assembler = new MultipartAssembler(MOST_LONG);
  let way = 'more';
  for (const part of partsOf(bytes)) {
    const fragment = decodeFragment(part);
    if (fragment === null) continue;
    const again = decodeFragment(encodeFragment(fragment));
    must(isDeepStrictEqual(again, fragment), 'a fragment is not read as it was written');
    const step = assembler.accept(fragment);
    if (step.step === 'complete') must(step.content.length === fragment.totalBytes && step.content.length <= MOST_LONG, 'a message of another length than was said'); // prettier-ignore
    way = step.step === 'broken' ? step.reason : step.step;
  }
  // Whatever came before, a message from its beginning is heard.
  const steps = fragmentsOf(Buffer.from('whole'), 3).map((fragment) => assembler.accept(fragment));
  must(steps.at(-1)?.step === 'complete', 'nothing can be heard any more');
  return way;
}

// ---- cards and keys -------------------------------------------------------------------------------------------------

/** Each part is a report; of RAW, FMT and KEYPAD in turn by its first byte. */
function playCards(bytes: Buffer): string {
  const head = new Justification('auto');
  const entered: string[] = [];
  const keypad = new Keypad(new ManualClock(), { timeoutMs: 5_000, onTimeout: 'submit', length: 6 }, (digits) => entered.push(digits)); // prettier-ignore
  let way = 'nothing';
  for (const part of partsOf(bytes)) {
    const decoded = decodeReply(part[0] ?? 0, part.subarray(1));
    if (typeof decoded === 'string') continue;
    if (decoded.name === 'KEYPAD') keypad.press(decoded.fields.keys);
    if (decoded.name !== 'RAW' && decoded.name !== 'FMT') continue;
    const reading =
      decoded.name === 'RAW' ? head.read(decoded.fields.widthBits, decoded.fields.bits) : textReading(decoded.fields.text); // prettier-ignore
    way = reading.kind;
    if (reading.kind === 'unread') continue;
    const found = candidates(reading, CARD_FORMATS);
    must(found.length <= 2 * CARD_FORMATS.length && found.every((one) => one.length < 1_100), 'more numbers than formats'); // prettier-ignore
  }
  must(entered.every((digits) => /^[0-9]{1,17}$/.test(digits)), 'something typed is no digits'); // prettier-ignore
  return way;
}

export const OSDP: readonly Target[] = [
  {
    name: 'osdp-frames',
    about: 'OSDP: the bytes of the line',
    seeds: [...FRAMES, Buffer.concat(FRAMES.slice(0, 6)), Buffer.concat([Buffer.from([0xff, 0xff]), ...FRAMES.slice(6, 9)])], // prettier-ignore
    structured: streams,
    mend: mended,
    play: playFrames,
  },
  {
    name: 'osdp-replies',
    about: 'OSDP: what a reply says',
    seeds: REPLY_SEEDS.map(withCode),
    structured: fc
      .tuple(fc.constantFrom(...Object.values(REPLIES).map(({ code }) => code)), fc.uint8Array({ maxLength: 60 }))
      .map(([code, data]) => Buffer.from([code, ...data])),
    mostBytes: MAX_FRAME_BYTES,
    play: playReply,
  },
  {
    name: 'osdp-commands',
    about: 'OSDP: what the simulated reader is told',
    seeds: COMMAND_SEEDS.map(withCode),
    structured: fc
      .tuple(fc.constantFrom(...Object.values(COMMANDS).map(({ code }) => code)), fc.uint8Array({ maxLength: 60 }))
      .map(([code, data]) => Buffer.from([code, ...data])),
    mostBytes: MAX_FRAME_BYTES,
    play: playCommand,
  },
  {
    name: 'osdp-secure-channel',
    about: 'OSDP: what comes in place of a sealed answer',
    seeds: [exchange().answer, exchange().sent, ...vectors.sc.map((vector) => hex(vector.hex))],
    mend: mended,
    play: playSession,
  },
  {
    name: 'osdp-multipart',
    about: 'OSDP: messages in several parts',
    seeds: [300, 700, 1].map((size) => joined(...fragmentsOf(Buffer.alloc(size, 0x61), 100).map(encodeFragment))),
    play: playFragments,
  },
  {
    name: 'osdp-cards',
    about: 'OSDP: cards and keys as readers send them',
    seeds: [
      joined(withCode(reply('RAW', { reader: 0, format: 0, widthBits: 26, bits: hex('025C5AC0') })), withCode(reply('RAW', { reader: 0, format: 0, widthBits: 26, bits: hex('00971694') }))), // prettier-ignore
      joined(withCode(reply('RAW', { reader: 0, format: 0, widthBits: 200, bits: hex('D0439458210C2C19A0846D83685A1082108CE73984108CA3F5') }))), // prettier-ignore
      joined(withCode(reply('FMT', { reader: 0, direction: 0, text: Buffer.from(';1234567890?0\r\n') })), withCode(reply('FMT', { reader: 0, direction: 1, text: Buffer.from('04:A1:B2:C3') }))), // prettier-ignore
      joined(withCode(reply('KEYPAD', { reader: 0, keys: Buffer.from('12*34#') })), withCode(reply('KEYPAD', { reader: 0, keys: Buffer.from('567890') }))), // prettier-ignore
    ],
    structured: fc
      .record({ widthBits: fc.nat(300), bits: fc.uint8Array({ minLength: 1, maxLength: 40 }) })
      .map(({ widthBits, bits }) => joined(withCode(reply('RAW', { reader: 0, format: 0, widthBits, bits: Buffer.from(bits) })))), // prettier-ignore
    play: playCards,
  },
];
