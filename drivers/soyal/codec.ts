// The commands and replies of the SOYAL H series (AR-721H, AR-725H, AR-727H; "Communication Protocol", sections named
// below) as values and bytes, without IO. A reply carries no number of its request: what tells it apart is who sent it,
// its function and its length, so every request says which form its reply has.

import { assert } from '../../src/domain/errors.ts';
import { encodeLocalTime, decodeLocalTime, LOCAL_TIME_BYTES, type LocalTime } from './local-time.ts';
import { HOST_ADDRESS, type Frame } from './frame.ts';
import { encodeTimeZone, type TimeZone } from './time-zones.ts';
import { encodeUser, USER_BYTES, type User } from './users.ts';

/**
 * Section 1.4: what the first byte of a reply's payload says. 12H is answered with 02 by some firmware and with 03 by
 * the rest.
 */
export const FUNCTION = { message: 0x02, echo: 0x03, ack: 0x04, nack: 0x05, status: 0x09 } as const;

/** The code of each command that a host needs of a controller that decides for itself, by the manual's names. */
export const COMMAND = {
  readEeprom: 0x12,
  getStatus: 0x18,
  writeEeprom: 0x20,
  controlRelay: 0x21,
  writeClock: 0x23,
  readClock: 0x24,
  getOldestEvent: 0x25,
  setTimeZones: 0x2a,
  setHolidays: 0x2c,
  removeAllEvents: 0x2d,
  removeOldestEvent: 0x37,
  setUser: 0x83,
  release: 0x84,
  clearUsers: 0x85,
  readUsers: 0x87,
  insertUser: 0x89,
  deleteUser: 0x8a,
} as const;

/** Section 2.7.1. */
export const RELAY = { status: 0x00, doorOn: 0x82, doorOff: 0x83, doorPulse: 0x84 } as const;

/** Section 3.5: where the parameters that matter to a host stand; times in 10 ms. */
export const EEPROM = {
  /** 4, 6 or 8: how PINs are typed, and in 6 that all users share one. */
  operationMode: 0x0b,
  doorRelayTime: 0x12,
  /** Seven bytes that hold no secret. */
  openZones: 0x26,
} as const;

const EVENT_BYTES = 26;
/**
 * Section 2.11: a bare acknowledgement is function and node; firmware since 2009 may append up to six bytes of status.
 */
const ACK_BYTES = [2, 8] as const;

export type ReplyForm =
  | { kind: 'ack' }
  /** Echoed data of one of these lengths. */
  | { kind: 'echo'; lengths: readonly number[] }
  /** The oldest event, or an acknowledgement when there is none. */
  | { kind: 'event' }
  | { kind: 'status' }
  | { kind: 'none' };

export type Request = {
  name: string;
  payload: Buffer;
  form: ReplyForm;
  /** For the time to allow: the longest reply, in bytes on the wire. */
  replyBytes: number;
};

export type Reply =
  | { kind: 'ack' }
  | { kind: 'nack' }
  | { kind: 'echo'; data: Buffer }
  | { kind: 'event'; record: Buffer }
  | { kind: 'no_event' }
  | { kind: 'status'; data: Buffer };

/** Head, length, destination, function, node and both checksums. */
const REPLY_OVERHEAD_BYTES = 7;
const ack: ReplyForm = { kind: 'ack' };
const echo = (...lengths: number[]): ReplyForm => ({ kind: 'echo', lengths });

function request(name: keyof typeof COMMAND, data: readonly number[] | Buffer, form: ReplyForm): Request {
  const dataBytes = form.kind === 'echo' ? Math.max(...form.lengths) : form.kind === 'event' ? EVENT_BYTES - 2 : 6;
  return {
    name,
    payload: Buffer.from([COMMAND[name], ...data]),
    form,
    replyBytes: REPLY_OVERHEAD_BYTES + dataBytes,
  };
}

const u16 = (value: number): [number, number] => {
  assert(Number.isInteger(value) && value >= 0 && value <= 0xffff, 'a 16-bit number');
  return [value >> 8, value & 0xff];
};

/** Replies of more users than this would not fit into a frame if each had the ten bytes of Sony tags. */
export const MAX_USERS_PER_READ = 24;
export const MAX_EEPROM_BYTES = 8;
export const MAX_ZONES_PER_WRITE = 8;
export const MAX_HOLIDAYS_PER_WRITE = 100;

/**
 * Every request the host can make. All but `getStatus` are answered while the reader goes on deciding by its own table.
 */
export const REQUESTS = {
  /** 2.7. The echo is firmware, two bytes of input and output status, and the parameter 20*xxx#. */
  doorStatus: () => request('controlRelay', [RELAY.status], echo(4)),
  doorOn: () => request('controlRelay', [RELAY.doorOn], echo(4)),
  doorOff: () => request('controlRelay', [RELAY.doorOff], echo(4)),
  /** The door relay is on for the time in EEPROM 12-13H; zero there means: until it is switched off. */
  doorPulse: () => request('controlRelay', [RELAY.doorPulse], echo(4)),
  /** 2.6. Older firmware gives no more than eight bytes at a time. */
  readEeprom: (at: number, count: number) => {
    assert(count >= 1 && count <= MAX_EEPROM_BYTES, 'one to eight bytes of EEPROM at a time');
    return request('readEeprom', [...u16(at), count], echo(count));
  },
  /** 2.5. */
  writeEeprom: (at: number, bytes: readonly number[]) => {
    assert(bytes.length >= 1 && bytes.length <= MAX_EEPROM_BYTES, 'one to eight bytes of EEPROM at a time');
    return request('writeEeprom', [...u16(at), bytes.length, ...bytes], ack);
  },
  /** 2.8. */
  writeClock: (time: LocalTime) => request('writeClock', encodeLocalTime(time), ack),
  /** 2.9. The echo is the time, firmware, door number (2), identity code and reader type. */
  readClock: () => request('readClock', [], echo(LOCAL_TIME_BYTES + 5)),
  /** 2.11 and 2.12. */
  oldestEvent: () => request('getOldestEvent', [], { kind: 'event' }),
  removeOldestEvent: () => request('removeOldestEvent', [], ack),
  /** 2.13. */
  removeAllEvents: () => request('removeAllEvents', [], ack),
  /**
   * 2.1.1, only ever without its optional data: bit 0 of their last byte switches the door relay on, and older editions of the manual put another field there, so
   * that a poll with the time opens the door. A reader polled with this hands its cards to the host and waits for a
   * verdict, so the driver does not use it.
   */
  getStatus: () => request('getStatus', [], { kind: 'status' }),
  /** 2.21: ends the waiting for a verdict. */
  release: () => request('release', [], ack),
  /** 2.24. Two reserved bytes that the text gives a zone are not on the wire. */
  setTimeZones: (first: number, zones: readonly TimeZone[]) => {
    assert(zones.length >= 1 && zones.length <= MAX_ZONES_PER_WRITE, 'one to eight time zones at a time');
    return request('setTimeZones', [first, zones.length, ...zones.flatMap((zone) => [...encodeTimeZone(zone)])], ack);
  },
  /** 2.25. */
  setHolidays: (first: number, days: readonly { month: number; day: number }[]) => {
    assert(days.length >= 1 && days.length <= MAX_HOLIDAYS_PER_WRITE, 'one to a hundred holidays at a time');
    return request('setHolidays', [first, days.length, ...days.flatMap(({ month, day }) => [month, day])], ack);
  },
  /** 2.19. There is no command that deletes a slot: it is overwritten with an empty user. */
  setUser: (slot: number, user: User, group: number | null) =>
    request('setUser', [...u16(slot), ...encodeUser(user), ...(group === null ? [] : [group])], ack),
  /** 2.20. The echo has eight bytes a user, ten where the reader also keeps the upper bits of Sony tags. */
  readUsers: (slot: number, count: number) => {
    assert(count >= 1 && count <= MAX_USERS_PER_READ, 'one to 24 users at a time');
    return request('readUsers', [...u16(slot), count], echo(count * USER_BYTES, count * (USER_BYTES + 2)));
  },
  /** 2.22: every user of the table, foreign ones too. */
  clearUsers: () => request('clearUsers', [], ack),
  /** 2.28 and 2.29: by card number and not by slot; only newer firmware (721Q 6.6) knows them. */
  insertUser: (user: User) => request('insertUser', encodeUser(user), ack),
  deleteUser: (uid: number) => request('deleteUser', [...u16(uid >>> 16), ...u16(uid & 0xffff)], ack),
} as const;

/**
 * What this frame answers to a request of this form to this node; null when it is no answer to it: a late one, another
 * node's, or our own request heard back. Event codes and functions share their numbers ("time zone error" and ACK are
 * both 04), so it is the length that tells an event from "no event".
 */
export function readReply(form: ReplyForm, node: number, frame: Frame): Reply | null {
  const { destination, payload } = frame;
  if (destination !== HOST_ADDRESS || payload[1] !== node) return null;
  if (form.kind === 'event' && payload.length === EVENT_BYTES) return { kind: 'event', record: payload };
  const said = payload[0];
  const acknowledges = payload.length >= ACK_BYTES[0] && payload.length <= ACK_BYTES[1];
  if (said === FUNCTION.nack && acknowledges) return { kind: 'nack' };
  if (said === FUNCTION.ack && acknowledges) {
    if (form.kind === 'ack') return { kind: 'ack' };
    if (form.kind === 'event') return { kind: 'no_event' };
  }
  const data = payload.subarray(2);
  if (form.kind === 'echo' && (said === FUNCTION.echo || said === FUNCTION.message)) {
    return form.lengths.includes(data.length) ? { kind: 'echo', data } : null;
  }
  if (form.kind === 'status' && said === FUNCTION.status) return { kind: 'status', data };
  return null;
}

/** Sections 2.1.2 and 2.7: the two bytes of status, bit by bit. */
export type DoorStatus = {
  firmware: number;
  keypadLocked: boolean;
  relayOn: boolean;
  alarmRelayOn: boolean;
  armed: boolean;
  alarming: boolean;
  /** The relay was latched by hand and stays so. */
  latched: boolean;
  exitPressed: boolean;
  doorOpen: boolean;
  forcedOpen: boolean;
  /** Somebody is programming at the keypad. */
  editing: boolean;
  /** Parameter 20*xxx#: the controller opens the door by a time zone of its own. */
  autoOpenZone: boolean;
};

/** From the four bytes that every 21H is answered with. */
export function decodeDoorStatus(data: Buffer): DoorStatus {
  assert(data.length === 4, 'door status has four bytes');
  const [firmware, io0, io1, options] = [data.readUInt8(0), data.readUInt8(1), data.readUInt8(2), data.readUInt8(3)];
  const bit = (byte: number, index: number): boolean => (byte & (1 << index)) !== 0;
  return {
    firmware,
    keypadLocked: bit(io0, 7),
    relayOn: bit(io0, 6),
    alarmRelayOn: bit(io0, 5),
    armed: bit(io0, 4),
    alarming: bit(io0, 3),
    latched: bit(io0, 2),
    exitPressed: bit(io0, 1),
    doorOpen: bit(io0, 0),
    forcedOpen: bit(io1, 7),
    editing: bit(io1, 5),
    autoOpenZone: bit(options, 2),
  };
}

export type ClockReading = {
  /** Null when the clock holds no possible date, as one that was never set. */
  time: LocalTime | null;
  firmware: number;
  doorNumber: number;
  identityCode: number;
  readerType: number;
};

/** From the twelve bytes of 24H. */
export function decodeClock(data: Buffer): ClockReading {
  return {
    time: decodeLocalTime(data),
    firmware: data.readUInt8(7),
    doorNumber: data.readUInt16BE(8),
    identityCode: data.readUInt8(10),
    readerType: data.readUInt8(11),
  };
}

/** As the manual writes versions: 63H is 6V3. */
export const firmwareName = (firmware: number): string => `${firmware >> 4}V${firmware & 0xf}`;
