// A simulated SOYAL controller on the wire: a receiver that waits for ever for the rest of a frame, every command
// answered from the manual's bytes, and the misbehaviour of a faulty day at the test's hand. It shares no code with the
// driver, so that a mistake in one is not repeated in the other.

import type { Clock } from '../driver.ts';
import { EEPROM_DOOR_TIME, EEPROM_MODE, EEPROM_OPTIONS, SimulatedDoor, type SimulatedUser } from './simulator-door.ts';

export type ControllerOptions = {
  address: number;
  slotCount: 1024 | 3072;
  /** 63H is 6V3. */
  firmware: number;
  readerType: number;
  identityCode: number;
  doorNumber: number;
  /** Bits per second that frames take on the wire; null: no time at all. */
  baud: number | null;
  /** Time from the end of a request to the begin of its answer. */
  turnaroundMs: number;
  /** What storing to EEPROM adds to it. */
  storeMs: number;
  /** H series readers answer with the bare form. */
  ackForm: 'short' | 'extended';
  /** Whether 12H is answered with function 02 or 03. */
  eepromFunction: 0x02 | 0x03;
  knowsUid: boolean;
  eventCapacity: number;
  /** Firmware that lets a card of number 0 open a slot without a card. */
  opensForCardZero: boolean;
  /** How PINs are typed: 4, 6 (one for all) or 8. */
  operationMode: 4 | 6 | 8;
  /** Stored door relay time. */
  doorRelayMs: number;
};

export const DEFAULT_OPTIONS: ControllerOptions = {
  address: 1,
  slotCount: 1024,
  firmware: 0x63,
  readerType: 0x26,
  identityCode: 0x01,
  doorNumber: 1,
  baud: null,
  turnaroundMs: 2,
  storeMs: 5,
  ackForm: 'short',
  eepromFunction: 0x03,
  knowsUid: true,
  eventCapacity: 1200,
  opensForCardZero: false,
  operationMode: 8,
  doorRelayMs: 5_000,
};

export type ReceivedCommand = { code: number; data: Buffer };

/** What can go wrong; at rest nothing does. */
export type ControllerFaults = {
  /** Hears, does, and never answers. */
  silent: boolean;
  /** Its cable is off, or its power: it neither hears nor says anything. */
  deaf: boolean;
  /** What is added to the time until the answer to this command, in milliseconds. */
  delayMs: (command: ReceivedCommand) => number;
  /** Whether the answer to this command is lost on the way; what it asks for is done. */
  loses: (command: ReceivedCommand) => boolean;
  wrongChecksums: number;
  /** Acknowledges users and stores none. */
  storesNothing: boolean;
  /** Says no to every change. */
  refusesWrites: boolean;
  /**
   * Only so many of the next bytes arrive; then the cable is whole again, and what was cut off is lost. Null: whole.
   */
  cutAfterBytes: number | null;
  /** Answers come in pieces of this many bytes, 1 ms apart; 0: whole. */
  fragmentBytes: number;
  /** Comes before every answer. */
  noise: Buffer;
};

const NO_FAULTS: ControllerFaults = {
  silent: false,
  deaf: false,
  delayMs: () => 0,
  loses: () => false,
  wrongChecksums: 0,
  storesNothing: false,
  refusesWrites: false,
  cutAfterBytes: null,
  fragmentBytes: 0,
  noise: Buffer.alloc(0),
};

const CUT_ENDS_AFTER_MS = 20;
/** What stores something. */
const CHANGING_COMMANDS = new Set([0x20, 0x23, 0x2a, 0x2c, 0x83, 0x85, 0x89, 0x8a]);

export class SimulatedController {
  readonly options: ControllerOptions;
  readonly faults: ControllerFaults = { ...NO_FAULTS };
  /** What it keeps and decides. */
  readonly door: SimulatedDoor;
  /** Every command that reached it, in order. */
  readonly received: ReceivedCommand[] = [];
  /** How often each slot was written: EEPROM wears. */
  readonly writes = new Map<number, number>();
  checksumErrors = 0;
  /** Times that the last byte of 18H's optional data has switched the relay on. */
  forcedByPoll = 0;
  readonly #clock: Clock;
  readonly #send: (bytes: Buffer) => void;
  #receiver: { state: 'head' } | { state: 'length' } | { state: 'body'; missing: number; body: number[] } = {
    state: 'head',
  };
  #lastByteAtMs = 0;
  /** Work is done one after the other; this is when the last of it is done (monotonic). */
  #busyUntilMs = 0;
  #stores = 0;

  constructor(options: Partial<ControllerOptions>, clock: Clock, send: (bytes: Buffer) => void) {
    this.options = { ...DEFAULT_OPTIONS, ...options };
    this.#clock = clock;
    this.#send = send;
    this.door = new SimulatedDoor(clock, this.options);
    this.door.eeprom[EEPROM_OPTIONS] = 0x18;
    this.door.eeprom[EEPROM_MODE] = this.options.operationMode;
    this.door.eeprom.writeUInt16BE(this.options.doorRelayMs / 10, EEPROM_DOOR_TIME);
  }

  /** Off and on again. Without a battery the clock starts in 2000. */
  powerCycle(keeps: { memory: boolean; clock: boolean }): void {
    this.#receiver = { state: 'head' };
    this.door.powerCycle(keeps);
  }

  // ---- at the wire --------------------------------------------------------------------------------------------------

  receive(bytes: Uint8Array): void {
    if (this.faults.deaf) return;
    const nowMs = this.#clock.monotonicMs();
    // What was cut off is lost up to the next pause: then the cable is whole again.
    if (this.faults.cutAfterBytes === 0 && nowMs - this.#lastByteAtMs > CUT_ENDS_AFTER_MS)
      this.faults.cutAfterBytes = null;
    this.#lastByteAtMs = nowMs;
    for (const byte of bytes) {
      if (this.faults.cutAfterBytes === 0) continue;
      if (this.faults.cutAfterBytes !== null) this.faults.cutAfterBytes--;
      this.#receiveByte(byte);
    }
  }

  /** Waits in the middle of a frame. */
  get stuck(): boolean {
    return this.#receiver.state !== 'head';
  }

  #receiveByte(byte: number): void {
    const receiver = this.#receiver;
    if (receiver.state === 'head') {
      if (byte === 0x7e) this.#receiver = { state: 'length' };
    } else if (receiver.state === 'length') {
      this.#receiver = byte === 0 ? { state: 'head' } : { state: 'body', missing: byte, body: [] };
    } else {
      receiver.body.push(byte);
      receiver.missing--;
      if (receiver.missing > 0) return;
      this.#receiver = { state: 'head' };
      this.#frame(Buffer.from(receiver.body));
    }
  }

  #frame(body: Buffer): void {
    if (body.length < 4 || !endsWithChecksums(body)) {
      this.checksumErrors++;
      return;
    }
    const destination = body.readUInt8(0);
    if (destination !== this.options.address && destination !== 0xff) return;
    const code = body.readUInt8(1);
    const data = Buffer.from(body.subarray(2, -2));
    const command = { code, data };
    this.received.push(command);
    const storesBefore = this.#stores;
    const answer = this.#command(code, data);
    if (answer === null || destination === 0xff) return;
    const storeMs = this.#stores > storesBefore ? this.options.storeMs : 0;
    this.#answer(command, answer, body.length + 2, storeMs);
  }

  /** `payload` is function, node and data. */
  #answer(command: ReceivedCommand, payload: Buffer, requestBytes: number, storeMs: number): void {
    const { faults } = this;
    const frame = Buffer.from([0x7e, payload.length + 3, 0x00, ...payload, 0, 0]);
    frame.set(checksums(frame.subarray(2, -2)), frame.length - 2);
    const { baud, turnaroundMs } = this.options;
    const wireMs = baud === null ? 0 : ((requestBytes + frame.length) * 10_000) / baud;
    const delayMs = wireMs + turnaroundMs + storeMs + faults.delayMs(command);
    const nowMs = this.#clock.monotonicMs();
    this.#busyUntilMs = Math.max(nowMs, this.#busyUntilMs) + delayMs;
    if (faults.silent || faults.loses(command)) return;
    if (faults.wrongChecksums > 0) {
      faults.wrongChecksums--;
      frame.writeUInt8(frame.readUInt8(frame.length - 1) ^ 0x55, frame.length - 1);
    }
    this.#sendLater(Buffer.concat([faults.noise, frame]), this.#busyUntilMs - nowMs);
  }

  #sendLater(bytes: Buffer, delayMs: number): void {
    const { fragmentBytes } = this.faults;
    if (fragmentBytes === 0) {
      this.#clock.after(delayMs, () => this.#send(bytes));
      return;
    }
    const send = (from: number): void => {
      this.#send(bytes.subarray(from, from + fragmentBytes));
      if (from + fragmentBytes < bytes.length) this.#clock.after(1, () => send(from + fragmentBytes));
    };
    this.#clock.after(delayMs, () => send(0));
  }

  // ---- its commands -------------------------------------------------------------------------------------------------

  /** Function, node and data of the answer; null: none. */
  #command(code: number, data: Buffer): Buffer | null {
    if (this.faults.refusesWrites && CHANGING_COMMANDS.has(code)) return this.#nack();
    const command = this.#commands[code];
    return command === undefined ? this.#nack() : command(data);
  }

  readonly #commands: Readonly<Record<number, (data: Buffer) => Buffer | null>> = {
    0x04: () => this.#verdict(true),
    0x05: () => this.#verdict(false),
    0x12: (data) => this.#readEeprom(data),
    0x18: (data) => this.#getStatus(data),
    0x20: (data) => this.#writeEeprom(data),
    0x21: (data) => this.#controlRelay(data),
    0x23: (data) => this.#writeClock(data),
    0x24: () => this.#readClock(),
    0x25: () => (this.door.log[0] === undefined ? this.#ack() : Buffer.from(this.door.log[0])),
    0x2a: (data) => this.#setZones(data),
    0x2c: (data) => this.#setHolidays(data),
    0x2d: () => this.#removeEvents(this.door.log.length),
    0x37: () => this.#removeEvents(1),
    0x83: (data) => this.#setUser(data),
    0x84: () => this.#release(),
    0x85: () => this.#clearUsers(),
    0x87: (data) => this.#readUsers(data),
    0x89: (data) => this.#insertUser(data),
    0x8a: (data) => this.#deleteUser(data),
  };

  #ack(): Buffer {
    return this.#acknowledgement(0x04);
  }

  #nack(): Buffer {
    return this.#acknowledgement(0x05);
  }

  #acknowledgement(said: number): Buffer {
    const { address, readerType, firmware, ackForm } = this.options;
    const bare = [said, address];
    return Buffer.from(
      ackForm === 'short' ? bare : [...bare, readerType, ...this.door.io(), this.door.parameters(), firmware],
    );
  }

  #stored(): Buffer {
    this.#stores++;
    return this.#ack();
  }

  #echo(data: Iterable<number>, said = 0x03): Buffer {
    return Buffer.from([said, this.options.address, ...data]);
  }

  #readEeprom(data: Buffer): Buffer {
    if (data.length !== 3 || data.readUInt8(2) > 32) return this.#nack();
    const at = data.readUInt16BE(0);
    return this.#echo(this.door.eeprom.subarray(at, at + data.readUInt8(2)), this.options.eepromFunction);
  }

  #writeEeprom(data: Buffer): Buffer {
    if (data.length < 4 || data.length !== 3 + data.readUInt8(2)) return this.#nack();
    this.door.eeprom.set(data.subarray(3), data.readUInt16BE(0));
    return this.#stored();
  }

  /** Polled like this the reader is “online”: cards go to the host. The oldest event is appended. */
  #getStatus(data: Buffer): Buffer {
    if (data.length >= 9 && (data.readUInt8(8) & 0x01) !== 0) {
      this.forcedByPoll++;
      this.door.setRelay(true, 'host');
    }
    const { address } = this.options;
    const card = this.door.online();
    if (card !== null) {
      const uid = Buffer.alloc(4);
      uid.writeUInt32BE(card);
      const [siteH = 0, siteL = 0, cardH = 0, cardL = 0] = uid;
      return Buffer.from([0x09, address, 0x02, 0, siteH, siteL, 0, 0, cardH, cardL, 0, this.door.parameters(), 0]);
    }
    const status = [0x09, address, 0x00, ...this.door.io(), this.door.parameters(), 0x00];
    return Buffer.from([...status, ...(this.door.log[0] ?? [])]);
  }

  #verdict(accepted: boolean): null {
    this.door.verdict(accepted);
    return null;
  }

  #release(): Buffer {
    this.door.verdict(false);
    return this.#ack();
  }

  #removeEvents(count: number): Buffer {
    this.door.log.splice(0, count);
    return this.#ack();
  }

  #clearUsers(): Buffer {
    if (!this.faults.storesNothing) this.door.users.clear();
    return this.#stored();
  }

  #controlRelay(data: Buffer): Buffer {
    const parameter = data.length === 0 ? -1 : data.readUInt8(0);
    if (parameter === 0x82) this.door.setRelay(true, 'host');
    else if (parameter === 0x83) this.door.setRelay(false, 'host');
    else if (parameter === 0x84) this.door.pulse('host');
    else if (parameter !== 0x00) return this.#nack();
    return this.#echo([this.options.firmware, ...this.door.io(), this.door.parameters()]);
  }

  #setUser(data: Buffer): Buffer {
    if (data.length < 10 || data.length > 11) return this.#nack();
    const address = data.readUInt16BE(0);
    if (address >= this.options.slotCount) return this.#nack();
    this.writes.set(address, (this.writes.get(address) ?? 0) + 1);
    if (!this.faults.storesNothing) this.door.users.set(address, userFrom(data.subarray(2)));
    return this.#stored();
  }

  #readUsers(data: Buffer): Buffer {
    if (data.length !== 3) return this.#nack();
    const [first, count] = [data.readUInt16BE(0), data.readUInt8(2)];
    if (count === 0 || count > 30 || first + count > this.options.slotCount) return this.#nack();
    const addresses = Array.from({ length: count }, (_, i) => first + i);
    return this.#echo(addresses.flatMap((address) => userBytes(this.door.users.get(address))));
  }

  #insertUser(data: Buffer): Buffer {
    if (!this.options.knowsUid || data.length !== 8) return this.#nack();
    const user = userFrom(data);
    const known = [...this.door.users].find(([, other]) => other.uid === user.uid && other.mode !== 0);
    const free = Array.from({ length: this.options.slotCount }, (_, address) => address).find(
      (address) => (this.door.users.get(address)?.mode ?? 0) === 0,
    );
    const address = known?.[0] ?? free;
    if (address === undefined) return this.#nack();
    if (!this.faults.storesNothing) this.door.users.set(address, user);
    return this.#stored();
  }

  #deleteUser(data: Buffer): Buffer {
    if (!this.options.knowsUid || data.length !== 4) return this.#nack();
    const found = [...this.door.users].find(([, user]) => user.uid === data.readUInt32BE(0));
    if (found === undefined) return this.#nack();
    if (!this.faults.storesNothing) this.door.users.delete(found[0]);
    return this.#stored();
  }

  #setZones(data: Buffer): Buffer {
    const count = data.length < 2 ? 0 : data.readUInt8(1);
    if (count === 0 || data.length !== 2 + count * 30) return this.#nack();
    for (let i = 0; i < count; i++) {
      this.door.zones.set(data.readUInt8(0) + i, Buffer.from(data.subarray(2 + i * 30, 32 + i * 30)));
    }
    return this.#stored();
  }

  #setHolidays(data: Buffer): Buffer {
    const count = data.length < 2 ? 0 : data.readUInt8(1);
    if (data.length !== 2 + count * 2) return this.#nack();
    for (let i = 0; i < count; i++) {
      this.door.holidays[data.readUInt8(0) + i] = { month: data.readUInt8(2 + i * 2), day: data.readUInt8(3 + i * 2) };
    }
    return this.#stored();
  }

  #writeClock(data: Buffer): Buffer {
    if (data.length !== 7) return this.#nack();
    const [second = 0, minute = 0, hour = 0, , day = 0, month = 0, year = 0] = data;
    this.door.clockMs = Date.UTC(2000 + year, month - 1, day, hour, minute, second);
    return this.#ack();
  }

  #readClock(): Buffer {
    const { firmware, doorNumber, identityCode, readerType } = this.options;
    return this.#echo([...this.door.stamp(), firmware, doorNumber >> 8, doorNumber & 0xff, identityCode, readerType]);
  }
}

function checksums(body: Uint8Array): [number, number] {
  const xor = body.reduce((value, byte) => value ^ byte, 0xff);
  return [xor, (body.reduce((value, byte) => value + byte, 0) + xor) & 0xff];
}

function endsWithChecksums(body: Buffer): boolean {
  const [xor, sum] = checksums(body.subarray(0, -2));
  return body[body.length - 2] === xor && body[body.length - 1] === sum;
}

/** `siteH siteL cardH cardL pinH pinL mode zone`. */
const userFrom = (bytes: Buffer): SimulatedUser => ({
  uid: bytes.readUInt32BE(0),
  pin: bytes.readUInt16BE(4),
  mode: bytes.readUInt8(6),
  zone: bytes.readUInt8(7),
});

function userBytes(user: SimulatedUser | undefined): number[] {
  const bytes = Buffer.alloc(8);
  if (user === undefined) return [...bytes];
  bytes.writeUInt32BE(user.uid, 0);
  bytes.writeUInt16BE(user.pin, 4);
  bytes.set([user.mode, user.zone], 6);
  return [...bytes];
}
