// A whole OSDP reader without a line: it takes frames and gives the answers a reader would give, with Secure Channel, install mode, cards, keys, inputs, outputs, LEDs,
// buzzer and display. Its quirks are those that real readers were seen with (fact sheet sections 7 and 9.6), each on a switch. simulator.ts puts it on a line.

import type { Clock, Random } from '../driver.ts';
import { COMMANDS, decodeCommand, LED_PERMANENT, LED_TEMPORARY } from './commands.ts';
import type { CommandFields, CommandName, DecodedCommand, LedRecord } from './commands.ts';
import { BROADCAST_ADDRESS, encodeFrame, SCS } from './frame.ts';
import type { Frame } from './frame.ts';
import { CAP } from './pdcap.ts';
import { FTSTAT_ACTION, FTSTAT_STATUS, INPUT_STATE, NAK, RAW_FORMAT, reply } from './replies.ts';
import type { CapRecord, PdId, WireReply } from './replies.ts';
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
import type { SessionKeys } from './secure-channel.ts';
import { SimulatedTerminals } from './simulated-terminals.ts';

/** How this reader differs from the well-behaved one. */
export type Quirks = {
  /** Marks before each answer. */
  marks: number;
  /** Answers a checksum command with a CRC. */
  alwaysCrc: boolean;
  /** Answers nothing that comes with a CRC, or nothing that comes with a checksum. */
  understands: 'both' | 'checksum' | 'crc';
  /** Says in its capabilities that it knows no CRC. */
  hidesCrc: boolean;
  /** NAK 04 for a challenge that is not numbered 0. */
  strictChallenge: boolean;
  /** Acknowledges a new key in the clear. */
  clearKeysetAck: boolean;
  /** Goes on with the session after a new key. */
  keepsSessionAfterKeyset: boolean;
  /** Status byte and block type of RMAC_I. */
  rmacStatus: number;
  rmacBlock: number;
  /** Encrypts answers that have no data: a block of nothing but padding. */
  encryptsNothing: boolean;
  /** Asked for the default key outside install mode: offers its own key, or says NAK. */
  defaultKeyRefusal: 'offers_own' | 'nak';
  /** Answers OUT with the state of its outputs. */
  outAnswersState: boolean;
  /** Answers a status command with ACK and reports with the next poll. */
  statusLater: boolean;
  /** NAK 01 to a smart card command it does not know. */
  badCheckForXwr: boolean;
  /** Counts two sentinels more in the length of formatted card text. */
  longFmt: boolean;
  /** Sends card bits right-justified. */
  rightJustified: boolean;
  /** Says nothing to ID until it was polled. */
  idNeedsPoll: boolean;
  /** The number in BUSY. */
  busySequence: number;
  /** Any damaged frame on the line ends its session. */
  dropsSessionOnNoise: boolean;
  /** Refuses clear commands but the few that a handshake needs, once it has a key. */
  enforcesSecurity: boolean;
  /** Drops the session on a wrong MAC: with NAK 06, or without a word. */
  badMacAnswer: 'nak' | 'silence';
  /** Refuses LED records whose times are both 0. */
  strictLed: boolean;
};

const WELL_BEHAVED: Quirks = {
  marks: 1,
  alwaysCrc: false,
  understands: 'both',
  hidesCrc: false,
  strictChallenge: true,
  clearKeysetAck: false,
  keepsSessionAfterKeyset: false,
  rmacStatus: 1,
  rmacBlock: SCS._14,
  encryptsNothing: false,
  defaultKeyRefusal: 'offers_own',
  outAnswersState: false,
  statusLater: false,
  badCheckForXwr: false,
  longFmt: false,
  rightJustified: false,
  idNeedsPoll: false,
  busySequence: 0,
  dropsSessionOnNoise: true,
  enforcesSecurity: true,
  badMacAnswer: 'nak',
  strictLed: true,
};

export type SimulatedReaderOptions = {
  address?: number;
  /** Its Secure Channel key; null: it has none. */
  key?: Buffer | null;
  installMode?: boolean;
  id?: PdId;
  inputs?: number;
  outputs?: number;
  quirks?: Partial<Quirks>;
};

/** An answer, and what happens when it has left the wire. */
export type Answer = { bytes: Buffer; afterwards: (() => void) | null };

/** What a reader believes of a silent controller. */
const OFFLINE_MS = 8_000;
const MAX_QUEUED = 64;
const NOTHING = Buffer.alloc(0);
const CLEAR_COMMANDS: readonly CommandName[] = ['ID', 'CAP', 'CHLNG', 'SCRYPT'];

export const SIMULATED_ID: PdId = {
  oui: Buffer.from('112233', 'hex'),
  model: 0x44,
  version: 0x55,
  serial: 0x99887766,
  firmware: [1, 2, 10],
};

export class SimulatedReader {
  address: number;
  baud: number | null = null;
  key: Buffer | null;
  installMode: boolean;
  id: PdId;
  readonly quirks: Quirks;
  readonly terminals: SimulatedTerminals;
  /** What was done to it, newest last, for tests and for people to watch; bounded. */
  readonly heard: { name: CommandName; secured: boolean }[] = [];
  readonly #counts = new Map<CommandName, number>();
  readonly beeps: CommandFields['BUZ']['records'][number][] = [];
  text = '';
  /** The file that the last transfer brought; null: none yet. */
  file: Buffer | null = null;
  /** What a finger on the sensor gives. */
  template: Buffer = Buffer.from('simulated finger');
  /** How FILETRANSFER is answered besides "ok". */
  fileManners = {
    action: FTSTAT_ACTION.interleave as number,
    delayMs: 0,
    finishing: 0,
    maxMessageBytes: 0,
    failAt: -1,
  };
  /** Answers a vendor's message; null: NAK 09. */
  manufacturer: (oui: Buffer, data: Buffer) => Buffer | 'ack' | null = () => null;
  /** Answers an APDU to the card on it; null: no card. */
  apdu: ((request: Buffer) => Buffer) | null = null;
  /** Answers BUSY this many times more. */
  busy = 0;
  /** Carried out and not answered, once each; the same bytes again are a new chance. */
  readonly mute: CommandName[] = [];
  /** Commands that it answers with NAK 09. */
  readonly refuses = new Set<CommandName>();
  /** Done to the next answers, one each: numbered 0, with a wrong MAC, in the clear. */
  readonly oneShots: ('numbered_0' | 'bad_mac' | 'clear_card')[] = [];
  bufferBytes = 1024;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #queue: WireReply[] = [];
  readonly #leds = new Map<string, { record: LedRecord; temporaryEndsMs: number; temporary: LedRecord }>();
  #session: SecureSession | null = null;
  #handshake: { keys: SessionKeys; randomA: Buffer; randomB: Buffer; selector: number } | null = null;
  #last: { command: Buffer; reply: Answer } | null = null;
  #sequence = 0;
  #heardAtMs = -Infinity;
  #polled = false;
  #awakeAtMs = 0;
  #finishing = 0;
  #smartCardMode = 0;
  #fileParts: Buffer[] = [];

  constructor(clock: Clock, random: Random, options: SimulatedReaderOptions = {}) {
    this.#clock = clock;
    this.#random = random;
    this.address = options.address ?? 0;
    this.key = options.key ?? null;
    this.installMode = options.installMode ?? false;
    this.id = options.id ?? SIMULATED_ID;
    this.quirks = { ...WELL_BEHAVED, ...options.quirks };
    this.terminals = new SimulatedTerminals(clock, options.inputs ?? 2, options.outputs ?? 2);
  }

  // ---- what people and doors do to it -----------------------------------------------------------------------------------------------------------

  get secured(): boolean {
    return this.#session !== null;
  }

  /** Has a controller spoken to it lately? */
  get online(): boolean {
    return this.#clock.monotonicMs() - this.#heardAtMs < OFFLINE_MS;
  }

  /** How often it has carried out this command. */
  count(name: CommandName): number {
    return this.#counts.get(name) ?? 0;
  }

  /** `bits` left-justified. A card shown while nobody listens is lost, as in a real reader. */
  presentCard(widthBits: number, bits: Buffer, format: number = RAW_FORMAT.wiegand): void {
    const sent = this.quirks.rightJustified ? shiftedRight(bits, (8 - (widthBits % 8)) % 8) : bits;
    this.#report(reply('RAW', { reader: 0, format, widthBits, bits: sent }));
  }

  presentText(text: string): void {
    const fmt = reply('FMT', { reader: 0, direction: 1, text: Buffer.from(text) });
    if (this.quirks.longFmt) fmt.data[2] = text.length + 2;
    this.#report(fmt);
  }

  /** Presses keys: digits, `*` and `#`; all in one report, or one report each. */
  typeKeys(keys: string, oneByOne = false): void {
    const codes = Buffer.from(Array.from(keys, (key) => (key === '#' ? 0x0d : key === '*' ? 0x7f : key.charCodeAt(0))));
    const groups = oneByOne ? [...codes].map((code) => Buffer.from([code])) : [codes];
    for (const group of groups) this.#report(reply('KEYPAD', { reader: 0, keys: group }));
  }

  setInput(input: number, state: number = INPUT_STATE.active): void {
    this.terminals.inputs[input] = state;
    this.#report(reply('ISTATR', { inputs: this.terminals.inputs }));
  }

  setTamper(tamper: boolean): void {
    this.terminals.tamper = tamper;
    this.#report(this.#localStatus());
  }

  setPowerFailed(failed: boolean): void {
    this.terminals.powerFailed = failed;
    this.#report(this.#localStatus());
  }

  /** Any report, for whatever has no method of its own here. */
  report(wire: WireReply): void {
    this.#report(wire);
  }

  /** Restarts: everything volatile is gone, and nothing is said for `bootMs`. */
  powerCycle(bootMs = 0): void {
    this.#session = null;
    this.#handshake = null;
    this.#last = null;
    this.#sequence = 0;
    this.#queue.length = 0;
    this.#leds.clear();
    this.terminals.powerCycle();
    this.#polled = false;
    this.#awakeAtMs = this.#clock.monotonicMs() + bootMs;
  }

  /** What an LED shows now. */
  led(reader = 0, led = 0): { color: number; flashing: boolean; temporary: boolean } {
    const state = this.#leds.get(`${reader}.${led}`);
    if (state === undefined) return { color: 0, flashing: false, temporary: false };
    const temporary = this.#clock.monotonicMs() < state.temporaryEndsMs;
    const shown = temporary ? state.temporary.temporary : state.record.permanent;
    return { color: shown.onColor, flashing: shown.offUnits > 0 && shown.onUnits > 0, temporary };
  }

  /** Something damaged went over the line. */
  noise(): void {
    if (this.quirks.dropsSessionOnNoise) this.#session = null;
  }

  // ---- what the controller says to it -------------------------------------------------------------------------------------------------------------

  /** The answer to a frame, or null for none: not for this reader, or the reader is not up. */
  receive(frame: Frame): Answer | null {
    const nowMs = this.#clock.monotonicMs();
    const broadcast = frame.address === BROADCAST_ADDRESS;
    if (frame.reply || nowMs < this.#awakeAtMs || (frame.address !== this.address && !broadcast)) return null;
    if (this.quirks.understands !== 'both' && (this.quirks.understands === 'crc') !== frame.crc) return null;
    this.#wakeUp(nowMs);
    if (this.busy > 0) {
      this.busy--;
      return this.#clear(frame, reply('BUSY', {}), this.quirks.busySequence);
    }
    if (frame.sequence === 0) this.#begin();
    else if (this.#last?.command.equals(frame.bytes)) return this.#unlessMute(frame, this.#last.reply);
    else if (frame.sequence !== this.#expected() && frame.sequence !== this.#sequence)
      return this.#outOfSequence(frame);
    this.#sequence = frame.sequence;
    const answer = this.#answer(frame);
    if (answer === null) return null;
    this.#last = { command: Buffer.from(frame.bytes), reply: answer };
    return this.#unlessMute(frame, answer);
  }

  #unlessMute(frame: Frame, answer: Answer): Answer | null {
    const at = this.mute.findIndex((name) => COMMANDS[name].code === frame.code);
    if (at < 0) return answer;
    this.mute.splice(at, 1);
    return null;
  }

  #wakeUp(nowMs: number): void {
    if (nowMs - this.#heardAtMs >= OFFLINE_MS) {
      this.#session = null;
      this.#queue.length = 0;
    }
    this.#heardAtMs = nowMs;
  }

  #begin(): void {
    this.#session = null;
    this.#last = null;
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
    if (this.#session !== null) {
      this.#session = null;
      return this.#clear(frame, nak(NAK.encryptionRequired));
    }
    const command = decodeCommand(frame.code, frame.data);
    const allowed = typeof command !== 'string' && CLEAR_COMMANDS.includes(command.name);
    if (this.#enforcing && !allowed) return this.#clear(frame, nak(NAK.encryptionRequired));
    if (this.quirks.idNeedsPoll && !this.#polled && frame.code === COMMANDS.ID.code) return null;
    return this.#clear(frame, this.#execute(command, false));
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
    const answer = this.#execute(command, true);
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
    if (oneShot === 'bad_mac') {
      const zero = Buffer.alloc(16);
      const forger = new SecureSession({ enc: zero, mac1: zero, mac2: zero }, zero);
      return { bytes: forger.sealReply(fields, zero, false, this.quirks.marks), afterwards: null };
    }
    if (oneShot === 'numbered_0') return this.#clear(frame, answer, 0);
    const bytes = session.sealReply(fields, cmac, this.quirks.encryptsNothing, this.quirks.marks);
    return { bytes, afterwards: this.#afterwards(frame, answer) };
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

  /** A new address and baud hold from the moment the answer has left. */
  #afterwards(frame: Frame, answer: WireReply): (() => void) | null {
    if (answer.name !== 'COM' || frame.code !== COMMANDS.COMSET.code) return null;
    return () => {
      this.address = answer.data.readUInt8(0);
      this.baud = answer.data.readUInt32LE(1);
      this.#begin();
    };
  }

  // ---- Secure Channel -----------------------------------------------------------------------------------------------------------------------------

  #shakeHands(frame: Frame): Answer {
    const selector = frame.block?.data[0] ?? KEY_SELECTOR.scbk;
    const command = decodeCommand(frame.code, frame.data);
    if (typeof command === 'string') return this.#clear(frame, nak(NAK.badLength));
    this.#note(command.name, false);
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

  // ---- commands -----------------------------------------------------------------------------------------------------------------------------------

  #note(name: CommandName, secured: boolean): void {
    this.#counts.set(name, this.count(name) + 1);
    this.heard.push({ name, secured });
    if (this.heard.length > 1000) this.heard.shift();
  }

  #execute(command: DecodedCommand | 'unknown' | 'malformed', secured: boolean): WireReply {
    if (command === 'unknown') return nak(NAK.unknownCommand);
    if (command === 'malformed') return nak(NAK.badLength);
    this.#note(command.name, secured);
    if (this.refuses.has(command.name)) return nak(NAK.record);
    switch (command.name) {
      case 'POLL':
        this.#polled = true;
        return this.#queue.shift() ?? ACK;
      case 'ID':
        return command.fields.extended ? nak(NAK.record) : reply('PDID', this.id);
      case 'CAP':
        return reply('PDCAP', { records: this.#capabilities() });
      case 'LSTAT':
        return this.#status(this.#localStatus());
      case 'ISTAT':
        return this.#status(reply('ISTATR', { inputs: this.terminals.inputs }));
      case 'OSTAT':
        return this.#status(this.#outputStatus());
      case 'RSTAT':
        return this.#status(reply('RSTATR', { readers: [0] }));
      case 'OUT':
        if (!this.terminals.drive(command.fields.records)) return nak(NAK.record);
        return this.quirks.outAnswersState ? this.#outputStatus() : ACK;
      case 'LED':
        return this.#setLeds(command.fields.records);
      case 'BUZ':
        if (command.fields.records.some((record) => record.onUnits === 0 && record.tone !== 1)) return nak(NAK.record);
        this.beeps.push(...command.fields.records);
        this.beeps.splice(0, this.beeps.length - 100);
        return ACK;
      case 'TEXT':
        this.text = command.fields.text;
        return ACK;
      case 'COMSET':
        return reply('COM', command.fields);
      case 'KEYSET':
        return this.#setKey(command.fields, secured);
      case 'ACURXSIZE':
      case 'ABORT':
      case 'KEEPACTIVE':
        return ACK;
      case 'FILETRANSFER':
        return this.#takeFile(command.fields);
      case 'MFG':
        return this.#manufacturer(command.fields);
      case 'XWR':
        return this.#smartCard(command.fields);
      case 'BIOREAD':
      case 'BIOMATCH':
        return this.#biometric(command);
      default:
        return nak(NAK.unknownCommand);
    }
  }

  #status(wire: WireReply): WireReply {
    if (!this.quirks.statusLater) return wire;
    this.#report(wire);
    return ACK;
  }

  #localStatus(): WireReply {
    return reply('LSTATR', { tamper: this.terminals.tamper, powerFailed: this.terminals.powerFailed });
  }

  #outputStatus(): WireReply {
    return reply('OSTATR', { outputs: this.terminals.outputStates().map((on) => (on ? 1 : 0)) });
  }

  #capabilities(): CapRecord[] {
    const { inputs, outputs } = this.terminals;
    const record = (fn: number, compliance: number, number: number): CapRecord => ({
      function: fn,
      compliance,
      number,
    });
    return [
      record(CAP.contactStatus, 1, inputs.length),
      record(CAP.output, 4, outputs.length),
      record(CAP.cardFormat, 1, 0),
      record(CAP.led, 4, 1),
      record(CAP.audible, 2, 1),
      record(CAP.text, 1, 1),
      record(CAP.checkCharacters, this.quirks.hidesCrc ? 0 : 1, 0),
      record(CAP.security, 1, 1),
      record(CAP.receiveBuffer, this.bufferBytes & 0xff, this.bufferBytes >> 8),
      record(CAP.smartCard, this.apdu === null ? 0 : 1, 0),
      record(CAP.biometrics, 1, 0),
      record(CAP.version, 2, 0),
    ];
  }

  #setLeds(records: readonly LedRecord[]): WireReply {
    const nowMs = this.#clock.monotonicMs();
    for (const record of records) {
      const { temporary, permanent } = record;
      const dark = (times: { onUnits: number; offUnits: number }): boolean =>
        times.onUnits === 0 && times.offUnits === 0;
      const invalid =
        (temporary.control === LED_TEMPORARY.set && dark(temporary)) ||
        (permanent.control === LED_PERMANENT.set && dark(permanent));
      if (this.quirks.strictLed && invalid) return nak(NAK.record);
      const key = `${record.reader}.${record.led}`;
      const before = this.#leds.get(key);
      this.#leds.set(key, {
        record: permanent.control === LED_PERMANENT.set ? record : (before?.record ?? DARK),
        temporary: temporary.control === LED_TEMPORARY.set ? record : (before?.temporary ?? DARK),
        temporaryEndsMs:
          temporary.control === LED_TEMPORARY.set
            ? nowMs + temporary.timerUnits * 100
            : temporary.control === LED_TEMPORARY.cancel
              ? 0
              : (before?.temporaryEndsMs ?? 0),
      });
    }
    return ACK;
  }

  #setKey({ keyType, key }: CommandFields['KEYSET'], secured: boolean): WireReply {
    if (!secured) return nak(NAK.encryptionRequired);
    if (keyType !== 1 || key.length !== 16) return nak(NAK.record);
    this.key = Buffer.from(key);
    this.installMode = false;
    return ACK;
  }

  #takeFile({ totalBytes, offset, data }: CommandFields['FILETRANSFER']): WireReply {
    const { action, delayMs, maxMessageBytes, failAt } = this.fileManners;
    const status = (code: number): WireReply => reply('FTSTAT', { action, delayMs, status: code, maxMessageBytes });
    if (offset === 0) {
      this.#fileParts = [];
      this.#finishing = this.fileManners.finishing;
    }
    if (failAt >= 0 && offset >= failAt) return status(FTSTAT_STATUS.aborted);
    const collected = this.#fileParts.reduce((sum, part) => sum + part.length, 0);
    if (data.length > 0 && offset !== collected) return status(FTSTAT_STATUS.malformed);
    this.#fileParts.push(Buffer.from(data));
    if (collected + data.length < totalBytes) return status(FTSTAT_STATUS.ok);
    if (this.#finishing-- > 0) return status(FTSTAT_STATUS.finishing);
    this.file = Buffer.concat(this.#fileParts);
    return status(FTSTAT_STATUS.processed);
  }

  #manufacturer({ oui, data }: CommandFields['MFG']): WireReply {
    const answer = this.manufacturer(oui, data);
    if (answer === null) return nak(NAK.record);
    return answer === 'ack' ? ACK : reply('MFGREP', { oui, data: answer });
  }

  #smartCard({ mode, command, data }: CommandFields['XWR']): WireReply {
    if (this.apdu === null) return nak(this.quirks.badCheckForXwr ? NAK.badCheck : NAK.unknownCommand);
    if (mode === 0 && command === 1)
      return reply('XRD', { mode: 0, reply: 1, data: Buffer.from([this.#smartCardMode, 0]) });
    if (mode === 0 && command === 2) {
      this.#smartCardMode = data[0] ?? 0;
      return ACK;
    }
    if (mode !== 1 || this.#smartCardMode !== 1) return nak(NAK.record);
    if (command === 1)
      this.#report(
        reply('XRD', {
          mode: 1,
          reply: 1,
          data: Buffer.concat([Buffer.from([data[0] ?? 0]), this.apdu(data.subarray(1))]),
        }),
      );
    if (command === 4) this.#report(reply('XRD', { mode: 1, reply: 1, data: Buffer.from([data[0] ?? 0]) }));
    return ACK;
  }

  #biometric(command: DecodedCommand<'BIOREAD' | 'BIOMATCH'>): WireReply {
    if (command.name === 'BIOREAD') {
      const { reader, type } = command.fields;
      this.#report(reply('BIOREADR', { reader, status: 0, type, quality: 90, template: this.template }));
    } else {
      const same = command.fields.template.equals(this.template);
      this.#report(reply('BIOMATCHR', { reader: command.fields.reader, status: 0, score: same ? 0xff : 0 }));
    }
    return ACK;
  }

  /** To be told with the next poll. Cards and keys for nobody are dropped, as the specification wants. */
  #report(wire: WireReply): void {
    if (!this.online && (wire.name === 'RAW' || wire.name === 'KEYPAD' || wire.name === 'FMT')) return;
    if (this.#queue.length < MAX_QUEUED) this.#queue.push(wire);
  }
}

const ACK = reply('ACK', {});
const nak = (error: number): WireReply => reply('NAK', { error, details: NOTHING });
const aCard = (): WireReply =>
  reply('RAW', { reader: 0, format: RAW_FORMAT.wiegand, widthBits: 26, bits: Buffer.from('BDD93740', 'hex') });

const DARK: LedRecord = {
  reader: 0,
  led: 0,
  temporary: { control: 0, onUnits: 0, offUnits: 0, onColor: 0, offColor: 0, timerUnits: 0 },
  permanent: { control: 0, onUnits: 0, offUnits: 0, onColor: 0, offColor: 0 },
};

function shiftedRight(bits: Buffer, by: number): Buffer {
  return Buffer.from(bits.map((byte, i) => (byte >> by) | (((bits[i - 1] ?? 0) << (8 - by)) & 0xff)));
}
