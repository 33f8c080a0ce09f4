// The controller's event log (section 2.11): 26 bytes an event, code and reader first. The card number and a typed PIN
// stand in it in the clear, so only what names neither leaves this file: the kind, the slot, the time, and a cursor
// made of those.

import type { ControllerEvent } from '../driver.ts';
import { decodeLocalTime, instantOf, type LocalTime } from './local-time.ts';

type EventMeaning = {
  kind: ControllerEvent['kind'];
  detail: string | null;
  /**
   * Whether the address names the user's slot; in the other events it holds whatever was there before, a part of the
   * card number for one.
   */
  hasSlot: boolean;
};

/** Codes of the manual; any other is `other`. */
export const EVENT_MEANINGS: Readonly<Record<number, EventMeaning>> = {
  0x01: { kind: 'denied', detail: 'unknown', hasSlot: false },
  0x03: { kind: 'denied', detail: 'unknown', hasSlot: false },
  0x04: { kind: 'denied', detail: 'time', hasSlot: true },
  0x0b: { kind: 'granted', detail: 'card', hasSlot: true },
  0x10: { kind: 'rex', detail: null, hasSlot: false },
  0x11: { kind: 'other', detail: 'alarm', hasSlot: false },
  0x1c: { kind: 'granted', detail: 'code', hasSlot: true },
  0x1e: { kind: 'denied', detail: 'anti_passback', hasSlot: true },
};

const ALARM = 0x11;
const ACCESS_BY_CARD = 0x0b;
const FORCED_OPEN = 0x80;

/** The fields of a record, the two reserved words aside. `body` byte n of the manual is byte n + 2 here. */
export type EventRecord = {
  code: number;
  reader: number;
  time: LocalTime | null;
  address: number;
  flags: number;
  uid: number;
};

export function decodeEvent(record: Buffer): EventRecord {
  return {
    code: record.readUInt8(0),
    reader: record.readUInt8(1),
    time: decodeLocalTime(record.subarray(2)),
    address: record.readUInt16BE(10),
    flags: record.readUInt8(13),
    uid: record.readUInt16BE(16) * 0x10000 + record.readUInt16BE(20),
  };
}

/** True when the controller has let in a card whose number is 0: a slot without a card has opened for one. */
export const isCardZero = (event: EventRecord): boolean => event.code === ACCESS_BY_CARD && event.uid === 0;

/**
 * What goes to the event log, without its cursor. `timeZone` is the one the controller's clock shows; a clock without a
 * possible date stamps nothing.
 */
export function controllerEvent(event: EventRecord, timeZone: string): Omit<ControllerEvent, 'cursor'> {
  const meaning = EVENT_MEANINGS[event.code] ?? { kind: 'other' as const, detail: null, hasSlot: false };
  const forced = event.code === ALARM && (event.flags & FORCED_OPEN) !== 0;
  return {
    kind: forced ? 'forced' : meaning.kind,
    code: event.code,
    detail: forced ? null : meaning.detail,
    door: 1,
    slot: meaning.hasSlot ? event.address : null,
    atMs: event.time === null ? null : instantOf(event.time, timeZone),
  };
}

/**
 * The controller numbers nothing, so an event is known by its time, code and slot. Events alike in these within one
 * second are told apart by `repeat`, which counts in the order they were read.
 */
export function eventCursor(event: EventRecord, record: Buffer, repeat: number): string {
  const slot = EVENT_MEANINGS[event.code]?.hasSlot === true ? event.address : 0;
  const stamp = record.subarray(2, 9).toString('hex');
  return `${stamp}.${event.code.toString(16).padStart(2, '0')}.${slot}.${repeat}`;
}
