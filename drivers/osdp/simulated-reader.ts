// A whole OSDP reader without a line: it takes frames and gives the answers a reader would give, with numbers,
// repetitions, Secure Channel and install mode. What it does with cards, LEDs and doors is simulated-device.ts, how it
// misbehaves simulated-quirks.ts; simulator.ts puts it on a line.

import type { Clock, Random } from '../driver.ts';
import { commandName, COMMANDS, decodeCommand } from './commands.ts';
import type { CommandName } from './commands.ts';
import { BROADCAST_ADDRESS, encodeFrame, SCS } from './frame.ts';
import type { Frame } from './frame.ts';
import { NAK, RAW_FORMAT, REPLIES, reply } from './replies.ts';
import type { WireReply } from './replies.ts';
import {
  clientCryptogram,
  deriveKeys,
  equalBytes,
  initialRmac,
  KEY_SELECTOR,
  RANDOM_BYTES,
  SCBK_DEFAULT,
  SecureSession,
  serverCryptogram,
} from './secure-channel.ts';
import type { PlainFields, SessionKeys } from './secure-channel.ts';
import { OFFLINE_MS, SimulatedDevice } from './simulated-device.ts';
import type { SimulatedReaderOptions } from './simulated-device.ts';

/** An answer, and what happens when it has left the wire. */
export type Answer = {
  bytes: Buffer;
  afterwards: (() => void) | null;
  /** What the same command gets when it comes again, where that is something else. */
  again?: Answer;
};

const NOTHING = Buffer.alloc(0);
const ANYBODYS: readonly CommandName[] = ['ID', 'CAP', 'COMSET'];
const CLEAR_COMMANDS: readonly CommandName[] = ['ID', 'CAP', 'CHLNG', 'SCRYPT'];
const STATUS_REPLIES: readonly number[] = [
  REPLIES.LSTATR.code,
  REPLIES.ISTATR.code,
  REPLIES.OSTATR.code,
  REPLIES.RSTATR.code,
];

export class SimulatedReader extends SimulatedDevice {
  address: number;
  baud: number | null = null;
  /** Its own cable is off: it hears nothing, and the others on the line go on. */
  unplugged = false;
  /** Answers BUSY this many times more. */
  busy = 0;
  /** Carried out and not answered, once each; the same bytes again are a new chance. */
  readonly mute: CommandName[] = [];
  /** Done to the next answers, one each: numbered 0 (in the clear, or secured), with a wrong MAC, in the clear. */
  readonly oneShots: ('numbered_0' | 'secured_0' | 'bad_mac' | 'clear_card')[] = [];
  /** Somebody else answers in its place, without its key. */
  forging = false;
  readonly #clock: Clock;
  readonly #random: Random;
  #session: SecureSession | null = null;
  #handshake: { keys: SessionKeys; randomA: Buffer; randomB: Buffer; selector: number } | null = null;
  #last: { command: Buffer; reply: Answer } | null = null;
  #sequence = 0;
  #awakeAtMs = 0;
  /** It was busy: what it was asked may be left undone, and the next number come. */
  #wasBusy = false;

  constructor(clock: Clock, random: Random, options: SimulatedReaderOptions = {}) {
    super(clock, options);
    this.#clock = clock;
    this.#random = random;
    this.address = options.address ?? 0;
  }

  get secured(): boolean {
    return this.#session !== null;
  }

  /** Restarts: everything volatile is gone, and nothing is said for `bootMs`. */
  powerCycle(bootMs = 0): void {
    this.#session = null;
    this.#handshake = null;
    this.#last = null;
    this.#sequence = 0;
    this.forget();
    this.#awakeAtMs = this.#clock.monotonicMs() + bootMs;
  }

  /** Something damaged went over the line. */
  noise(): void {
    if (this.quirks.dropsSessionOnNoise) this.#session = null;
  }

  /** A frame came damaged, as far as its head can be believed. Moves nothing; null: nothing is said to it. */
  receiveDamaged(address: number, sequence: number, crc: boolean): Answer | null {
    if (!this.quirks.nakBadCheck || address !== this.address || this.unplugged) return null;
    const head = {
      address,
      reply: false,
      sequence,
      crc,
      block: null,
      code: 0,
      data: NOTHING,
      mac: null,
      bytes: NOTHING,
    };
    return this.#clear(head, nak(NAK.badCheck));
  }

  // ---- what the controller says to it -------------------------------------------------------------------------------

  /** The answer to a frame, or null for none: not for this reader, or the reader is not up. */
  receive(frame: Frame): Answer | null {
    const nowMs = this.#clock.monotonicMs();
    const broadcast = frame.address === BROADCAST_ADDRESS;
    if (this.unplugged || frame.reply || nowMs < this.#awakeAtMs || (frame.address !== this.address && !broadcast))
      return null;
    if (broadcast && this.quirks.strictBroadcast && !ANYBODYS.includes(commandName(frame.code) ?? 'POLL')) return null;
    if (this.quirks.understands !== 'both' && (this.quirks.understands === 'crc') !== frame.crc) return null;
    this.#wakeUp(nowMs);
    if (this.busy > 0) {
      this.busy--;
      this.#wasBusy = true;
      return this.#clear(frame, reply('BUSY', {}), this.quirks.busySequence);
    }
    if (frame.sequence === 0) this.#begin();
    else if (this.#last?.command.equals(frame.bytes)) return this.#unlessMute(frame, this.#last.reply);
    else if (!this.#mayCome(frame.sequence)) return this.#outOfSequence(frame);
    this.#wasBusy = false;
    this.#sequence = frame.sequence;
    const tooLong = this.quirks.refusesTooLong && frame.bytes.length > this.bufferBytes;
    const answer = tooLong ? this.#clear(frame, nak(NAK.badLength)) : this.#answer(frame);
    if (answer === null) return null;
    this.#last = { command: Buffer.from(frame.bytes), reply: answer.again ?? answer };
    return this.#unlessMute(frame, answer);
  }

  #unlessMute(frame: Frame, answer: Answer): Answer | null {
    const at = this.mute.findIndex((name) => COMMANDS[name].code === frame.code);
    if (at < 0) return answer;
    this.mute.splice(at, 1);
    return null;
  }

  #wakeUp(nowMs: number): void {
    if (nowMs - this.heardAtMs >= OFFLINE_MS) {
      this.#session = null;
      this.goOffline();
    }
    this.heardAtMs = nowMs;
  }

  #begin(): void {
    this.#session = null;
    this.#last = null;
  }

  #mayCome(sequence: number): boolean {
    const next = this.#expected();
    return sequence === next || sequence === this.#sequence || (this.#wasBusy && sequence === (next % 3) + 1);
  }

  #expected(): number {
    return (this.#sequence % 3) + 1;
  }

  /** NAK 04 carries the number that was expected, and the count moves on. */
  #outOfSequence(frame: Frame): Answer {
    this.#sequence = this.#expected();
    return this.#clear(frame, nak(NAK.badSequence), this.#sequence);
  }

  #answer(frame: Frame): Answer | null {
    const type = frame.block?.type ?? null;
    if (type === SCS._11 || type === SCS._13) return this.#shakeHands(frame);
    if (type !== null) return this.#answerSecured(frame);
    const command = decodeCommand(frame.code, frame.data);
    const isTold = this.quirks.tellsInClear && typeof command !== 'string' && ANYBODYS.includes(command.name);
    if (this.#session !== null && !isTold) {
      this.#session = null;
      const error = this.quirks.clearInSession === 'nak_5' ? NAK.securityBlock : NAK.encryptionRequired;
      return this.#clear(frame, nak(error));
    }
    const allowed = isTold || (typeof command !== 'string' && CLEAR_COMMANDS.includes(command.name));
    if (this.#enforcing && !allowed) return this.#clear(frame, nak(NAK.encryptionRequired));
    if (this.quirks.idNeedsPoll && !this.polled && frame.code === COMMANDS.ID.code) return null;
    return this.#clear(frame, this.execute(command, false));
  }

  get #enforcing(): boolean {
    return this.quirks.enforcesSecurity && this.key !== null && !this.installMode;
  }

  #answerSecured(frame: Frame): Answer | null {
    const session = this.#session;
    const opened = session?.openCommand(frame);
    if (session === null || opened === undefined || !opened.ok) {
      this.#session = null;
      const silent = opened !== undefined && this.quirks.badMacAnswer === 'silence';
      return silent ? null : this.#clear(frame, nak(NAK.encryptionRequired));
    }
    const command = decodeCommand(frame.code, opened.data);
    const answer = this.execute(command, true);
    const keySet = frame.code === COMMANDS.KEYSET.code && answer.name === 'ACK';
    if (keySet && !this.quirks.keepsSessionAfterKeyset) this.#session = null;
    if (keySet && this.quirks.clearKeysetAck) return this.#clear(frame, answer);
    return this.#secured(frame, answer, session, opened.mac);
  }

  #secured(frame: Frame, answer: WireReply, session: SecureSession, cmac: Buffer): Answer {
    const oneShot = this.oneShots.shift();
    if (oneShot === 'clear_card') return this.#clear(frame, aCard());
    const fields = {
      address: this.#replyAddress(frame),
      sequence: frame.sequence,
      crc: frame.crc || this.quirks.alwaysCrc,
      code: answer.code,
      data: answer.data,
    };
    if (oneShot === 'numbered_0') return this.#clear(frame, answer, 0);
    if (oneShot === 'secured_0') fields.sequence = 0;
    const bytes = session.sealReply(fields, cmac, this.quirks.marks, this.#blockType(answer));
    const sealed = { bytes, afterwards: this.#afterwards(frame, answer) };
    if (this.forging) return { bytes: forged(fields, this.quirks.marks), afterwards: null };
    return oneShot === 'bad_mac'
      ? { bytes: forged(fields, this.quirks.marks), afterwards: null, again: sealed }
      : sealed;
  }

  #blockType(answer: WireReply): number | undefined {
    if (this.quirks.statusUnderScs15 && STATUS_REPLIES.includes(answer.code)) return SCS._15;
    return this.quirks.encryptsNothing ? SCS._18 : undefined;
  }

  #clear(frame: Frame, answer: WireReply, sequence = frame.sequence, block: Frame['block'] = null): Answer {
    const bytes = encodeFrame(
      {
        address: this.#replyAddress(frame),
        reply: true,
        sequence,
        crc: frame.crc || this.quirks.alwaysCrc,
        block,
        code: answer.code,
        data: answer.data,
      },
      undefined,
      this.quirks.marks,
    );
    return { bytes, afterwards: this.#afterwards(frame, answer) };
  }

  #replyAddress(frame: Frame): number {
    return frame.address === BROADCAST_ADDRESS ? BROADCAST_ADDRESS : this.address;
  }

  /** A new address and baud hold from the moment the answer has left, and the session goes on there. */
  #afterwards(frame: Frame, answer: WireReply): (() => void) | null {
    if (answer.name !== 'COM' || frame.code !== COMMANDS.COMSET.code) return null;
    return () => {
      this.address = answer.data.readUInt8(0);
      this.baud = answer.data.readUInt32LE(1);
    };
  }

  // ---- Secure Channel -----------------------------------------------------------------------------------------------

  #shakeHands(frame: Frame): Answer | null {
    const selector = frame.block?.data[0] ?? KEY_SELECTOR.scbk;
    const command = decodeCommand(frame.code, frame.data);
    if (typeof command === 'string') return this.#clear(frame, nak(NAK.badLength));
    this.note(command.name, false);
    if (this.quirks.challengeNeedsId && this.count('ID') === 0) return null;
    if (this.quirks.challengeAnswer === 'nak') return this.#clear(frame, nak(NAK.unknownCommand));
    if (this.quirks.challengeAnswer === 'ack') return this.#clear(frame, reply('ACK', {}));
    if (command.name === 'CHLNG') return this.#challenge(frame, command.fields.randomA, selector);
    if (command.name === 'SCRYPT') return this.#prove(frame, command.fields.serverCryptogram);
    return this.#clear(frame, nak(NAK.securityBlock));
  }

  #challenge(frame: Frame, randomA: Buffer, asked: number): Answer {
    if (this.quirks.strictChallenge && frame.sequence !== 0) return this.#outOfSequence(frame);
    this.#session = null;
    const chosen = this.#chooseKey(asked);
    if (chosen === null) return this.#clear(frame, nak(NAK.encryptionRequired));
    const keys = deriveKeys(chosen.key, randomA);
    const randomB = this.#random.bytes(RANDOM_BYTES);
    this.#handshake = { keys, randomA: Buffer.from(randomA), randomB, selector: chosen.selector };
    const answer = reply('CCRYPT', {
      cuid: this.cuid,
      randomB,
      clientCryptogram: clientCryptogram(keys, randomA, randomB),
    });
    return this.#clear(frame, answer, frame.sequence, { type: SCS._12, data: Buffer.from([chosen.selector]) });
  }

  #chooseKey(asked: number): { key: Buffer; selector: number } | null {
    if (asked === KEY_SELECTOR.scbkDefault && this.installMode)
      return { key: SCBK_DEFAULT, selector: KEY_SELECTOR.scbkDefault };
    if (this.key === null || (asked === KEY_SELECTOR.scbkDefault && this.quirks.defaultKeyRefusal === 'nak'))
      return null;
    return { key: this.key, selector: KEY_SELECTOR.scbk };
  }

  #prove(frame: Frame, given: Buffer): Answer {
    const handshake = this.#handshake;
    this.#handshake = null;
    if (handshake === null) return this.#clear(frame, nak(NAK.securityBlock));
    const expected = serverCryptogram(handshake.keys, handshake.randomA, handshake.randomB);
    if (!equalBytes(given, expected)) return this.#clear(frame, nak(NAK.securityBlock));
    const rmac = initialRmac(handshake.keys, expected);
    this.#session = new SecureSession(handshake.keys, rmac);
    const block = { type: this.quirks.rmacBlock, data: Buffer.from([this.quirks.rmacStatus]) };
    return this.#clear(frame, reply('RMAC_I', { rmac }), frame.sequence, block);
  }

  /** OUI, model, version, and the low bytes of the serial number. */
  get cuid(): Buffer {
    const serial = Buffer.alloc(4);
    serial.writeUInt32LE(this.id.serial);
    return Buffer.concat([this.id.oui, Buffer.from([this.id.model, this.id.version]), serial.subarray(0, 3)]);
  }
}

/** The same answer from somebody who has not the key. */
function forged(fields: PlainFields, marks: number): Buffer {
  const zero = Buffer.alloc(16);
  return new SecureSession({ enc: zero, mac1: zero, mac2: zero }, zero).sealReply(fields, zero, marks);
}

const nak = (error: number): WireReply => reply('NAK', { error, details: NOTHING });
const aCard = (): WireReply =>
  reply('RAW', { reader: 0, format: RAW_FORMAT.wiegand, widthBits: 26, bits: Buffer.from('BDD93740', 'hex') });
