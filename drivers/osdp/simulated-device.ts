// What a reader is apart from its protocol: cards, keys, inputs, outputs, LEDs, buzzer, display, files, and what each
// command does to them.

import type { Clock } from '../driver.ts';
import { LED_PERMANENT, LED_TEMPORARY } from './commands.ts';
import type { CommandFields, CommandName, DecodedCommand, LedRecord } from './commands.ts';
import { fragmentsOf } from './multipart.ts';
import { CAP } from './pdcap.ts';
import { FTSTAT_ACTION, FTSTAT_STATUS, INPUT_STATE, NAK, RAW_FORMAT, reply } from './replies.ts';
import type { CapRecord, PdId, WireReply } from './replies.ts';
import type { SimulatedCard } from './simulated-card.ts';
import { WELL_BEHAVED } from './simulated-quirks.ts';
import type { Quirks } from './simulated-quirks.ts';
import { PSIA } from './pkoc/messages.ts';
import { SimulatedMessages } from './simulated-messages.ts';
import { SimulatedField } from './simulated-field.ts';
import { SimulatedSensor } from './simulated-sensor.ts';
import { SimulatedTerminals } from './simulated-terminals.ts';

export type SimulatedReaderOptions = {
  address?: number;
  /** Its Secure Channel key; null: it has none. */
  key?: Buffer | null;
  installMode?: boolean;
  id?: PdId;
  inputs?: number;
  outputs?: number;
  /** Keeps cards and keys over an outage, which the specification forbids. */
  remembersCards?: boolean;
  quirks?: Partial<Quirks>;
};

/** What a reader believes of a silent controller. */
export const OFFLINE_MS = 8_000;
const MAX_QUEUED = 64;
const NOTHING = Buffer.alloc(0);

export const SIMULATED_ID: PdId = {
  oui: Buffer.from('112233', 'hex'),
  model: 0x44,
  version: 0x55,
  serial: 0x99887766,
  firmware: [1, 2, 10],
};

export class SimulatedDevice {
  id: PdId;
  /** Its Secure Channel key; null: it has none. */
  key: Buffer | null;
  installMode: boolean;
  /** The last key that it was given, taken or not: what somebody who listened has. */
  offeredKey: Buffer | null = null;
  readonly quirks: Quirks;
  readonly terminals: SimulatedTerminals;
  /** What was done to it, newest last, for tests and for people to watch; bounded. */
  readonly heard: { name: CommandName; secured: boolean }[] = [];
  readonly beeps: CommandFields['BUZ']['records'][number][] = [];
  text = '';
  /** The file that the last transfer brought; null: none yet. */
  file: Buffer | null = null;
  /** Who puts a finger on it, and what it makes of that. */
  readonly sensor: SimulatedSensor;
  /** How FILETRANSFER is answered besides "ok". */
  fileManners = {
    action: FTSTAT_ACTION.interleave as number,
    delayMs: 0,
    finishing: 0,
    maxMessageBytes: 0,
    failAt: -1,
  };
  /** Answers a vendor's message; null: NAK 09. */
  manufacturer: (oui: Buffer, data: Buffer) => Buffer | WireReply | 'ack' | null = () => null;
  /** What lies on it in transparent mode. */
  readonly field = new SimulatedField((report) => this.#report(report));
  /** What it tells of cards that it speaks to itself. */
  readonly messages = new SimulatedMessages((report) => this.#report(report));
  /** Commands that it answers with NAK 09, or as it says here. */
  readonly refuses = new Set<CommandName>();
  readonly naks = new Map<CommandName, number>();
  /** The card that lies at it; null: it knows no extended packets. */
  card: SimulatedCard | null = null;
  /** Its extended identification, whole; null: it has none. */
  extendedId: Buffer | null = null;
  /** As it says in PDCAP. */
  version = 2;
  /** Said in PDCAP besides what it really has, or in place of it. */
  capabilities: readonly CapRecord[] = [];
  bufferBytes = 1024;
  protected heardAtMs = -Infinity;
  protected polled = false;
  readonly #clock: Clock;
  readonly #remembersCards: boolean;
  readonly #counts = new Map<CommandName, number>();
  readonly #queue: WireReply[] = [];
  readonly #leds = new Map<string, { record: LedRecord; temporaryEndsMs: number; temporary: LedRecord }>();
  #finishing = 0;
  #fileParts: Buffer[] = [];

  constructor(clock: Clock, options: SimulatedReaderOptions) {
    this.#clock = clock;
    this.key = options.key ?? null;
    this.installMode = options.installMode ?? false;
    this.id = options.id ?? SIMULATED_ID;
    this.quirks = { ...WELL_BEHAVED, ...options.quirks };
    this.#remembersCards = options.remembersCards ?? false;
    this.sensor = new SimulatedSensor(clock, (report) => this.#report(report));
    this.terminals = new SimulatedTerminals(clock, options.inputs ?? 2, options.outputs ?? 2);
  }

  // ---- what people and doors do to it -------------------------------------------------------------------------------

  /** Has a controller spoken to it lately? */
  get online(): boolean {
    return this.#clock.monotonicMs() - this.heardAtMs < OFFLINE_MS;
  }

  /** Reports that wait for a poll. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** How often it has carried out this command. */
  count(name: CommandName): number {
    return this.#counts.get(name) ?? 0;
  }

  /** `bits` left-justified. A card shown while nobody listens is lost, as in a real reader. */
  presentCard(widthBits: number, bits: Buffer, format: number = RAW_FORMAT.wiegand): void {
    const sent = this.quirks.rightJustified ? shiftedRight(bits, (8 - (widthBits % 8)) % 8) : bits;
    this.field.show(() => this.#report(reply('RAW', { reader: 0, format, widthBits, bits: sent })));
  }

  presentText(text: string): void {
    const fmt = reply('FMT', { reader: 0, direction: 1, text: Buffer.from(text) });
    if (this.quirks.longFmt) fmt.data[2] = text.length + 2;
    this.#report(fmt);
  }

  /** Presses keys: digits, `*` and `#`; all in one report, or one report each. */
  typeKeys(typed: string, oneByOne = false): void {
    const keys = Array.from(typed, (key) => (this.field.press(key) ? '' : key)).join('');
    if (keys === '') return;
    const codes = Buffer.from(Array.from(keys, (key) => (key === '#' ? 0x0d : key === '*' ? 0x7f : key.charCodeAt(0))));
    const groups = oneByOne ? [...codes].map((code) => Buffer.from([code])) : [codes];
    for (const group of groups) this.#report(reply('KEYPAD', { reader: 0, keys: group }));
  }

  setInput(input: number, state: number = INPUT_STATE.active): void {
    this.terminals.inputs[input] = state;
    this.#report(reply('ISTATR', { inputs: this.terminals.inputs }));
  }

  /** `tells`: it reports how its outputs stand, unasked. */
  switchOutput(output: number, on: boolean, tells = false): void {
    this.terminals.switchFromOutside(output, on);
    if (tells) this.#report(this.#outputStatus());
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

  /** What an LED shows now. */
  led(reader = 0, led = 0): { color: number; flashing: boolean; temporary: boolean } {
    const state = this.#leds.get(`${reader}.${led}`);
    if (state === undefined) return { color: 0, flashing: false, temporary: false };
    const temporary = this.#clock.monotonicMs() < state.temporaryEndsMs;
    const shown = temporary ? state.temporary.temporary : state.record.permanent;
    return { color: shown.onColor, flashing: shown.offUnits > 0 && shown.onUnits > 0, temporary };
  }

  /** Everything volatile is gone. */
  protected forget(): void {
    this.#queue.length = 0;
    this.#leds.clear();
    this.terminals.powerCycle();
    this.messages.forget();
    this.field.mode = 0;
    this.sensor.powerCycle();
    this.polled = false;
  }

  /** Nobody has asked for a while. */
  protected goOffline(): void {
    if (!this.#remembersCards) this.#queue.length = 0;
  }

  // ---- commands -----------------------------------------------------------------------------------------------------

  protected note(name: CommandName, secured: boolean): void {
    this.#counts.set(name, this.count(name) + 1);
    this.heard.push({ name, secured });
    if (this.heard.length > 1000) this.heard.shift();
  }

  /** Carries out a command and gives its answer. */
  protected execute(command: DecodedCommand | 'unknown' | 'malformed', secured: boolean): WireReply {
    if (command === 'unknown') return nak(NAK.unknownCommand);
    if (command === 'malformed') return nak(NAK.badLength);
    this.note(command.name, secured);
    if (this.refuses.has(command.name)) return nak(NAK.record);
    const refusal = this.naks.get(command.name);
    if (refusal !== undefined) return nak(refusal);
    switch (command.name) {
      case 'POLL':
        this.polled = true;
        this.sensor.tick();
        return this.#queue.shift() ?? ACK;
      case 'ID':
        return command.fields.extended ? this.#tellExtendedId() : reply('PDID', this.id);
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
        return ACK;
      case 'ABORT':
        this.sensor.abort();
        this.#giveUp(this.sensor.ignoresAbort ? LONG : [...LONG, 'BIOREADR', 'BIOMATCHR']);
        return ACK;
      case 'KEEPACTIVE':
        if (this.card !== null) this.card.keptMs = command.fields.timeMs;
        return ACK;
      case 'PIVDATA':
      case 'GENAUTH':
      case 'CRAUTH':
        return this.#askCard(command);
      case 'FILETRANSFER':
        return this.#takeFile(command.fields);
      case 'MFG':
        return this.#manufacturer(command.fields);
      case 'XWR':
        return this.field.take(command.fields, this.quirks.badCheckForXwr ? NAK.badCheck : NAK.unknownCommand);
      case 'BIOREAD':
      case 'BIOMATCH':
        return asAnswer(this.sensor.take(command, this.file));
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
    const own = [
      record(CAP.contactStatus, 1, inputs.length),
      record(CAP.output, 4, outputs.length),
      record(CAP.cardFormat, 1, 0),
      record(CAP.led, 4, 1),
      record(CAP.audible, 2, 1),
      record(CAP.text, 1, 1),
      record(CAP.checkCharacters, this.quirks.hidesCrc || this.quirks.understands === 'checksum' ? 0 : 1, 0),
      record(CAP.security, 1, 1),
      record(CAP.receiveBuffer, this.bufferBytes & 0xff, this.bufferBytes >> 8),
      record(CAP.smartCard, (this.field.isKnown ? 1 : 0) | (this.card === null ? 0 : 2), 0),
      record(CAP.biometrics, this.sensor.isThere ? 1 : 0, 0),
      record(CAP.securePin, this.field.hasPinEntry ? 1 : 0, 0),
      record(CAP.version, this.version, 0),
      record(CAP.extendedId, this.extendedId === null ? 0 : 1, 0),
    ];
    const said = this.capabilities.map((one) => one.function);
    return [...own.filter((one) => !said.includes(one.function)), ...this.capabilities];
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
    this.offeredKey = Buffer.from(key);
    if (this.quirks.forgetsNewKey) return ACK;
    this.key = this.offeredKey;
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
    if (this.messages.isKnown && oui.equals(PSIA)) return this.messages.take(data);
    const answer = this.manufacturer(oui, data);
    if (answer === null) return nak(NAK.record);
    if (answer === 'ack') return ACK;
    return Buffer.isBuffer(answer) ? reply('MFGREP', { oui, data: answer }) : answer;
  }

  #askCard(command: DecodedCommand<'PIVDATA' | 'GENAUTH' | 'CRAUTH'>): WireReply {
    if (this.card === null) return nak(NAK.unknownCommand);
    const parts = this.card.answer(command);
    if (parts === null) return nak(NAK.record);
    for (const part of parts) this.#report(part);
    return ACK;
  }

  /** The first part at once, the rest with its polls. */
  #tellExtendedId(): WireReply {
    if (this.extendedId === null) return nak(NAK.record);
    const [first = ACK, ...rest] = fragmentsOf(this.extendedId, EXTENDED_ID_PART_BYTES).map((part) =>
      reply('EXT_PDID', part),
    );
    for (const part of rest) this.#report(part);
    return first;
  }

  #giveUp(names: readonly string[]): void {
    this.#queue.splice(0, this.#queue.length, ...this.#queue.filter(({ name }) => !names.includes(name)));
  }

  /** To be told with the next poll. Cards and keys for nobody are dropped, as the specification wants. */
  #report(wire: WireReply): void {
    if (!this.online && !this.#remembersCards && (wire.name === 'RAW' || wire.name === 'KEYPAD' || wire.name === 'FMT'))
      return;
    if (this.#queue.length < MAX_QUEUED) this.#queue.push(wire);
  }
}

const EXTENDED_ID_PART_BYTES = 40;
const LONG: readonly string[] = ['PIVDATAR', 'GENAUTHR', 'CRAUTHR', 'EXT_PDID'];
const ACK = reply('ACK', {});
const nak = (error: number): WireReply => reply('NAK', { error, details: NOTHING });
const asAnswer = (error: number | null): WireReply => (error === null ? ACK : nak(error));

const DARK: LedRecord = {
  reader: 0,
  led: 0,
  temporary: { control: 0, onUnits: 0, offUnits: 0, onColor: 0, offColor: 0, timerUnits: 0 },
  permanent: { control: 0, onUnits: 0, offUnits: 0, onColor: 0, offColor: 0 },
};

function shiftedRight(bits: Buffer, by: number): Buffer {
  return Buffer.from(bits.map((byte, i) => (byte >> by) | (((bits[i - 1] ?? 0) << (8 - by)) & 0xff)));
}
