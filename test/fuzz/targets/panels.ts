// The other lines: SOYAL, Modbus over serial lines and networks, and readers that push over a UART.

import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { AnswerWatch } from '../../../drivers/modbus/answer-watch.ts';
import { decodeReply as decodePdu, encodeRequest, replyLength, type Request } from '../../../drivers/modbus/codec.ts';
import { crc16, findReply, frame, framesIn, replyFrameLength, whoAnswered } from '../../../drivers/modbus/rtu.ts';
import { fromClockRegisters } from '../../../drivers/modbus/clock-registers.ts';
import { toRegisters } from '../../../drivers/modbus/codec.ts';
import { loadProfile, shippedNames } from '../../../drivers/modbus/profile.ts';
import type { Profile } from '../../../drivers/modbus/profile-schema.ts';
import { cardFromRegisters } from '../../../drivers/modbus/reader-card.ts';
import { RecordCodec } from '../../../drivers/modbus/record.ts';
import { TIME_FORMS, TIME_TYPES, windowFromRaw } from '../../../drivers/modbus/times.ts';
import { decodeClock, decodeDoorStatus, readReply, REQUESTS } from '../../../drivers/soyal/codec.ts';
import { controllerEvent, decodeEvent, eventCursor, isCardZero } from '../../../drivers/soyal/events.ts';
import { encodeFrame, FrameParser, FREEING_ZEROS, type Frame } from '../../../drivers/soyal/frame.ts';
import { decodeUser, encodeUser, slotImage, USER_BYTES } from '../../../drivers/soyal/users.ts';
import { encodeTag, frameLength, FRAMES, TagParser, UID_BYTES, type Reading } from '../../../drivers/uart/codec.ts';
import { candidates, CARD_FORMATS } from '../../../src/domain/card-formats.ts';
import { must, pieces, type Target } from '../target.ts';

const ZONE = 'Europe/Oslo';

// ---- SOYAL ----------------------------------------------------------------------------------------------------------

function playSoyalFrames(bytes: Buffer): string {
  const whole = new FrameParser();
  const found = whole.push(bytes);
  const inPieces = new FrameParser();
  const again: Frame[] = [];
  for (const piece of pieces(bytes)) again.push(...inPieces.push(piece));
  must(isDeepStrictEqual(found, again) && whole.checksumErrors === inPieces.checksumErrors, 'it depends on how the bytes are cut'); // prettier-ignore
  for (const { destination, payload } of found) {
    const [one, ...more] = new FrameParser().push(encodeFrame(destination, payload));
    must(more.length === 0 && isDeepStrictEqual(one, { destination, payload }), 'a frame is not read as it was written'); // prettier-ignore
  }
  const waits = whole.unfinished;
  whole.push(FREEING_ZEROS);
  must(!whole.unfinished, 'more waits than a frame has bytes');
  inPieces.expire();
  must(!inPieces.unfinished, 'something waits behind the silence');
  must(inPieces.push(encodeFrame(0, Buffer.from([4, 1]))).length === 1, 'a good frame behind a silence is not heard');
  return `${found.length === 0 ? 'no frame' : 'frames'}${waits ? ', some wait' : ''}`;
}

function mendedSoyal(bytes: Buffer): Buffer {
  for (let at = bytes.indexOf(0x7e); at >= 0 && at + 6 <= bytes.length;) {
    if ((bytes[at + 1] ?? 0) < 4 || at + 2 + (bytes[at + 1] ?? 0) > bytes.length) bytes[at + 1] = Math.min(0xff, bytes.length - at - 2); // prettier-ignore
    const end = at + 2 + (bytes[at + 1] ?? 0);
    encodeFrame(bytes[at + 2] ?? 0, bytes.subarray(at + 3, end - 2)).copy(bytes, at);
    at = bytes.indexOf(0x7e, end);
  }
  return bytes;
}

const FORMS = [REQUESTS.doorStatus(), REQUESTS.readClock(), REQUESTS.oldestEvent(), REQUESTS.getStatus(), REQUESTS.readUsers(0, 3), REQUESTS.readEeprom(0, 8), REQUESTS.release()]; // prettier-ignore

/** The payload of a frame to the host, as the answer to each kind of request. */
function playSoyalReply(bytes: Buffer): string {
  let way = 'no answer';
  for (const { form, name } of FORMS) {
    const read = readReply(form, 1, { destination: 0, payload: bytes });
    if (read === null) continue;
    way = read.kind;
    if (read.kind === 'event') {
      const event = decodeEvent(read.record);
      const told = controllerEvent(event, ZONE);
      must(told.atMs === null || Number.isSafeInteger(told.atMs), 'an event at no instant');
      must(/^[0-9a-f]{14}\.[0-9a-f]{2}\.\d+\.0$/.test(eventCursor(event, read.record, 0)), 'an event without a name');
      must(isCardZero(event) === (event.code === 0x0b && event.uid === 0), 'card 0');
    }
    if (read.kind !== 'echo') continue;
    if (name === 'controlRelay') decodeDoorStatus(read.data);
    if (name === 'readClock') decodeClock(read.data);
    if (name !== 'readUsers') continue;
    for (let at = 0; at + USER_BYTES <= read.data.length; at += read.data.length / 3) playUser(read.data.subarray(at, at + read.data.length / 3)); // prettier-ignore
  }
  return way;
}

function playUser(record: Buffer): void {
  const user = decodeUser(record);
  if (user.pin <= 9999) must(encodeUser(user).equals(record.subarray(0, USER_BYTES)), 'a user is written otherwise');
  const { state, image } = slotImage(record);
  must(state === 'empty' || (user.mode & 3) !== 0 || image.some((byte) => byte !== 0), 'a slot that opens is empty');
}

const SOYAL_SEEDS = [
  [4, 1], [5, 1], [4, 1, 0x63, 0, 0, 0, 0, 0], [3, 1, 0x63, 0x41, 0x80, 4], [2, 1, 30, 15, 9, 2, 2, 3, 26, 0x63, 0, 1, 1, 0x26],
  [0x0b, 1, 30, 15, 9, 2, 2, 3, 26, 0, 0, 5, 0, 0, 0, 0, 0x12, 0x34, 0, 0, 0x56, 0x78, 0, 0, 0, 0],
  [9, 1, 1, 2, 3, 4], [3, 1, ...Array.from({ length: 24 }, (_, i) => i)], [3, 1, ...Array.from({ length: 30 }, (_, i) => i)], [3, 1, 1, 2, 3, 4, 5, 6, 7, 8],
].map((bytes) => Buffer.from(bytes)); // prettier-ignore

// ---- Modbus ---------------------------------------------------------------------------------------------------------

const REQUESTED: readonly Request[] = [
  { fc: 1, address: 0, count: 9 },
  { fc: 3, address: 16, count: 4 },
  { fc: 5, address: 3, value: 0xff00 },
  { fc: 6, address: 7, value: 258 },
  { fc: 15, address: 2, bits: [true, false, true] },
  { fc: 16, address: 9, registers: [1, 2, 3] },
  { fc: 22, address: 4, andMask: 0xf0, orMask: 3 },
  { fc: 23, address: 1, count: 2, writeAddress: 5, registers: [7] },
];
const UNIT = 17;

/** A reply that is one. */
function answerTo(request: Request): Buffer {
  if (request.fc <= 4 || request.fc === 23) {
    const length = replyLength(request);
    return Buffer.from([request.fc, length - 2, ...Array.from({ length: length - 2 }, (_, i) => i)]);
  }
  return encodeRequest(request).subarray(0, replyLength(request));
}

function playRtu(bytes: Buffer): string {
  let way = 'no answer';
  for (const request of REQUESTED) {
    if (!bytes.includes(request.fc) && !bytes.includes(request.fc | 0x80)) continue;
    const found = findReply(UNIT, request, bytes);
    // As the line does it: looked through whenever more has come, from where the look before left off.
    let [received, from] = [Buffer.alloc(0), 0];
    let bit = findReply(UNIT, request, received);
    for (const piece of pieces(bytes)) {
      received = Buffer.concat([received, piece]);
      bit = findReply(UNIT, request, received, from);
      if (bit.found) break;
      must(bit.next >= from, 'the search goes back');
      from = bit.next;
    }
    must(bit.found === found.found, 'whether there is an answer depends on how the bytes are cut');
    // With less of it there, another may be the first that is whole.
    if (bit.found && found.found && bit.start === found.start) must(isDeepStrictEqual(bit, found), 'the answer depends on how the bytes are cut'); // prettier-ignore
    if (found.found) {
      must(found.end - found.start <= replyFrameLength(request), 'an answer is longer than was asked');
      way = found.decoded.outcome;
    } else if (found.damaged && way === 'no answer') way = 'damaged';
    whoAnswered(UNIT, request, bytes);
  }
  must(framesIn(bytes).length <= bytes.length / 4, 'more frames than bytes');
  return way;
}

function mendedRtu(bytes: Buffer): Buffer {
  if (bytes.length < 5) return bytes;
  bytes[0] = UNIT;
  bytes.writeUInt16LE(crc16(bytes.subarray(0, -2)), bytes.length - 2);
  return bytes;
}

/** The first byte says which question was asked. */
function playPdu(bytes: Buffer): string {
  const request = REQUESTED[(bytes[0] ?? 0) % REQUESTED.length];
  must(request !== undefined, 'nothing was asked');
  const decoded = decodePdu(request, bytes.subarray(1));
  if (decoded.outcome === 'reply' && decoded.reply.kind === 'registers') must(decoded.reply.registers.every((one) => one >= 0 && one <= 0xffff), 'a register of more than 16 bits'); // prettier-ignore
  return decoded.outcome;
}

function playTcp(bytes: Buffer): string {
  const [whole, inPieces] = [new AnswerWatch(), new AnswerWatch()];
  const questions = [1, 2, 3].map(() => [whole.ask(0), inPieces.ask(0)] as const);
  const all = whole.take(bytes, 1);
  const frames: Buffer[] = [];
  let fault: string | null = null;
  for (const piece of pieces(bytes)) {
    const taken = inPieces.take(piece, 1);
    frames.push(...taken.frames);
    fault = taken.fault;
    if (fault !== null) break;
  }
  must(isDeepStrictEqual(frames, all.frames) && (fault === null) === (all.fault === null), 'it depends on how the bytes are cut'); // prettier-ignore
  if (fault === null) must(whole.isWhole === inPieces.isWhole, 'what waits depends on how the bytes are cut');
  for (const [question] of questions) must((whole.why(question)?.message ?? 'nothing') !== '', 'a finding without words'); // prettier-ignore
  return all.fault !== null ? 'out of step' : frames.length > 0 ? 'frames' : 'some wait';
}

const tcpFrame = (number: number, pdu: Buffer): Buffer => Buffer.concat([Buffer.from([0, number, 0, 0, 0, pdu.length + 1, UNIT]), pdu]); // prettier-ignore

// ---- what registers say ---------------------------------------------------------------------------------------------

const PROFILES = shippedNames().flatMap((name) => loadProfile(name, '.').profile ?? []);
const CODECS = PROFILES.flatMap(({ credentials, doors }) =>
  credentials === undefined ? [] : [new RecordCodec(credentials, doors.length, ZONE)],
);
const CLOCKS = PROFILES.flatMap(({ clock }) => clock ?? []);
const CARDS = PROFILES.flatMap(({ reader }: Profile) => reader?.card ?? []);

/** Registers, as each of the shipped profiles reads them. */
function playRegisters(bytes: Buffer): string {
  const all = toRegisters(bytes);
  const [first = 0] = all;
  let way = 'registers';
  for (const codec of CODECS) {
    const registers = Array.from({ length: codec.registers }, (_, i) => all[i] ?? 0);
    codec.decode(registers);
    must(!(codec.isEmpty(registers) && codec.hasEnable && codec.isInForce(registers)), 'an empty slot opens');
  }
  for (const spec of CLOCKS) {
    const atMs = fromClockRegisters(spec, [...all, 0, 0, 0, 0, 0, 0, 0], ZONE);
    must(atMs === null || Number.isFinite(atMs), 'a clock shows no instant');
  }
  for (const spec of CARDS) {
    const registers = Array.from({ length: spec.registers }, (_, i) => all[i + 1] ?? 0);
    const card = cardFromRegisters(spec, registers, typeof spec.bits === 'object' ? first : null);
    if ('reading' in card)
      way = `${way} card ${candidates(card.reading, CARD_FORMATS).length > 0 ? 'read' : 'unknown'}`;
  }
  const raw = BigInt(`0x00${bytes.subarray(0, 6).toString('hex')}`);
  for (const type of TIME_TYPES)
    for (const edge of ['from', 'until'] as const) {
      const bits = BigInt(16 * TIME_FORMS[type].registers);
      const atMs = windowFromRaw(type, edge, BigInt.asUintN(Number(bits), raw), ZONE, true);
      must(atMs === null || Number.isFinite(atMs), `${type} means no instant`);
    }
  return way;
}

// ---- UART -----------------------------------------------------------------------------------------------------------

function playTags(bytes: Buffer): string {
  let way = 'no tag';
  for (const name of FRAMES) {
    const whole = new TagParser(name).push(bytes, 0);
    const inPieces = new TagParser(name);
    const sum: Reading = { uids: [], wrongChecksums: 0, noiseBytes: 0 };
    for (const piece of pieces(bytes)) {
      const { uids, wrongChecksums, noiseBytes } = inPieces.push(piece, 0);
      sum.uids.push(...uids);
      sum.wrongChecksums += wrongChecksums;
      sum.noiseBytes += noiseBytes;
    }
    must(isDeepStrictEqual(sum, whole), 'it depends on how the bytes are cut');
    const accounted = (whole.uids.length + whole.wrongChecksums) * frameLength(name) + whole.noiseBytes;
    const waiting = bytes.length - accounted;
    must(waiting >= 0 && waiting < frameLength(name), 'a byte is not accounted for');
    must(whole.uids.every((uid) => uid.length === UID_BYTES), 'a tag of another length'); // prettier-ignore
    must(inPieces.push(encodeTag(name, Buffer.from('0102030405', 'hex')), 0).uids.length === 1, 'the next tag is not heard'); // prettier-ignore
    if (whole.uids.length > 0) way = name;
    else if (whole.wrongChecksums > 0) way = 'wrong checksum';
  }
  return way;
}

const uid = fc.uint8Array({ minLength: UID_BYTES, maxLength: UID_BYTES });

export const PANELS: readonly Target[] = [
  {
    name: 'soyal-frames',
    about: 'SOYAL: the bytes of the line',
    seeds: [...SOYAL_SEEDS.map((payload) => encodeFrame(0, payload)), Buffer.concat(SOYAL_SEEDS.map((payload) => encodeFrame(0, payload)))], // prettier-ignore
    structured: fc
      .array(fc.tuple(fc.nat(255), fc.uint8Array({ minLength: 1, maxLength: 60 })), { maxLength: 4 })
      .map((frames) => Buffer.concat(frames.map(([to, payload]) => encodeFrame(to, payload)))),
    mend: mendedSoyal,
    play: playSoyalFrames,
  },
  {
    name: 'soyal-replies',
    about: 'SOYAL: what an answer says',
    seeds: SOYAL_SEEDS,
    structured: fc.tuple(fc.constantFrom(2, 3, 4, 5, 9, 0x0b, 0x11), fc.uint8Array({ maxLength: 32 })).map(([said, data]) => Buffer.from([said, 1, ...data])), // prettier-ignore
    mostBytes: 252,
    play: playSoyalReply,
  },
  {
    name: 'modbus-rtu',
    about: 'Modbus: the bytes of a serial line, or of one behind a converter',
    seeds: REQUESTED.flatMap((request) => [
      frame(UNIT, answerTo(request)),
      Buffer.concat([frame(3, answerTo(request)), frame(UNIT, Buffer.from([request.fc | 0x80, 2]))]),
    ]),
    structured: fc
      .array(fc.tuple(fc.constantFrom(UNIT, 3), fc.constantFrom(...REQUESTED), fc.uint8Array({ maxLength: 8 })), { maxLength: 3 }) // prettier-ignore
      .map((all) => Buffer.concat(all.flatMap(([unit, request, noise]) => [Buffer.from(noise), frame(unit, answerTo(request))]))), // prettier-ignore
    mend: mendedRtu,
    mostBytes: 512,
    play: playRtu,
  },
  {
    name: 'modbus-answers',
    about: 'Modbus: what an answer says',
    seeds: REQUESTED.map((request, i) => Buffer.concat([Buffer.from([i]), answerTo(request)])),
    play: playPdu,
  },
  {
    name: 'modbus-tcp',
    about: 'Modbus: the bytes of a connection',
    seeds: REQUESTED.map((request, i) => tcpFrame(i, answerTo(request))),
    structured: fc
      .array(fc.tuple(fc.nat(4), fc.uint8Array({ minLength: 1, maxLength: 30 })), { maxLength: 4 })
      .map((all) => Buffer.concat(all.map(([number, pdu]) => tcpFrame(number, Buffer.from(pdu))))),
    play: playTcp,
  },
  {
    name: 'modbus-registers',
    about: 'Modbus: records, clocks, times and cards as the shipped profiles read them',
    seeds: [
      Buffer.alloc(32),
      Buffer.alloc(32, 0xff),
      Buffer.from('001A00E8D4A51000000026030209150000'.padEnd(64, '0'), 'hex'),
      Buffer.from('20260302091500000001000200030004'.padEnd(64, '0'), 'hex'),
    ],
    mostBytes: 64,
    play: playRegisters,
  },
  {
    name: 'uart-frames',
    about: 'UART: readers that push tags',
    seeds: FRAMES.flatMap((name) => [encodeTag(name, Buffer.from('0600000001', 'hex')), encodeTag(name, Buffer.from('1234567890', 'hex'))]), // prettier-ignore
    structured: fc
      .array(fc.tuple(fc.constantFrom(...FRAMES), uid, fc.uint8Array({ maxLength: 4 })), { maxLength: 5 })
      .map((all) => Buffer.concat(all.flatMap(([name, one, noise]) => [encodeTag(name, one), Buffer.from(noise)]))),
    play: playTags,
  },
];
