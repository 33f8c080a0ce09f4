// A user's slot in the controller's table (section 3.1): eight bytes `siteH siteL cardH cardL pinH pinL mode zone`, and
// how a credential becomes such a record. Card and PIN stand in it in the clear, so nothing here is ever logged.

import { assert } from '../../src/domain/errors.ts';
import type { SlotContent, SlotRefusal } from '../driver.ts';
import { cardUid, type CardTraits } from './cards.ts';

export const USER_BYTES = 8;

/** What opens the door, in the two low bits of the mode; bit 7 is the anti-passback of this user. */
export const MODE = { invalid: 0, cardOnly: 1, cardOrPin: 2, cardAndPin: 3 } as const;

/**
 * `uid` is site (upper 16 bits) and card (lower 16 bits); `pin` 0 is no PIN; `zone` is a time zone's number, 0 for
 * always.
 */
export type User = { uid: number; pin: number; mode: number; zone: number };

/** What a slot holds after erasing: mode, card and PIN overwritten. */
export const NO_USER: User = { uid: 0, pin: 0, mode: MODE.invalid, zone: 0 };

export function encodeUser(user: User): Buffer {
  assert(user.pin >= 0 && user.pin <= 9999, 'a PIN has four digits');
  const bytes = Buffer.alloc(USER_BYTES);
  bytes.writeUInt32BE(user.uid, 0);
  bytes.writeUInt16BE(user.pin, 4);
  bytes.set([user.mode, user.zone], 6);
  return bytes;
}

export function decodeUser(bytes: Buffer): User {
  return {
    uid: bytes.readUInt32BE(0),
    pin: bytes.readUInt16BE(4),
    mode: bytes.readUInt8(6),
    zone: bytes.readUInt8(7),
  };
}

const EMPTY_IMAGE = encodeUser(NO_USER);

/**
 * A record as read, in its one form. A slot without card and PIN that opens for nobody is empty, whatever else stands
 * in it (erased bytes may be FF). A slot in a mode that opens is occupied even with card number 0: that card would open
 * it. The upper tag bits of a ten-byte record stay in the image when there are any, since a card that differs only
 * there is another card.
 */
export function slotImage(record: Buffer): { state: 'empty' | 'occupied'; image: Buffer } {
  const blank = [0x00, 0xff].some((filler) => record.subarray(0, 6).every((byte) => byte === filler));
  const mode = record.readUInt8(6);
  if (blank && (mode === 0xff || (mode & 0x03) === MODE.invalid)) {
    return { state: 'empty', image: Buffer.from(EMPTY_IMAGE) };
  }
  const hasUpperBits = record.subarray(USER_BYTES).some((byte) => byte !== 0);
  return { state: 'occupied', image: Buffer.from(hasUpperBits ? record : record.subarray(0, USER_BYTES)) };
}

/** What an installer said about this controller's firmware and table. */
export type UserTraits = CardTraits & {
  /** Time zone that slots are written with whose content names none. */
  zone: number;
  /** Whether a PIN may stand in a slot without a card. */
  pinWithoutCard: boolean;
};

export type EncodedUser = { user: User } | { error: SlotRefusal; message: string };

const refuse = (error: SlotRefusal, message: string): EncodedUser => ({ error, message });

/**
 * The record for a credential. Card number 0 is what a slot without a card holds, so it is never enrolled as a card; a
 * slot without a card is only ever written as "card or PIN" with a PIN (the public PIN of section 12*UUUUU*PPPP# of the
 * operating manual), never in a mode whose only key would be card 0.
 */
export function userOf(content: SlotContent, traits: UserTraits): EncodedUser {
  if (content.oneTimeUse) return refuse('not_supported', 'this controller knows no one-time credentials');
  if (content.doors.length !== 1 || content.doors[0] !== 1) {
    return refuse('not_supported', 'this controller has one door, number 1');
  }
  const card = content.card === null ? null : cardUid(content.card, traits);
  if (card !== null && 'message' in card) return refuse('bad_card', card.message);
  const pin = content.pin === null ? null : pinOf(content.pin);
  if (pin === undefined) {
    return refuse('bad_pin', 'this controller takes PINs of four digits, but not 0000, which is its “no PIN”');
  }
  return record(card?.uid ?? null, pin, content.cardAndPin, { ...traits, zone: content.zone ?? traits.zone });
}

function record(uid: number | null, pin: number | null, both: boolean, traits: UserTraits): EncodedUser {
  const user = (mode: number): EncodedUser => ({ user: { uid: uid ?? 0, pin: pin ?? 0, mode, zone: traits.zone } });
  if (both) {
    return uid !== null && pin !== null
      ? user(MODE.cardAndPin)
      : refuse('not_supported', 'card and PIN together need both');
  }
  if (uid !== null) return user(pin === null ? MODE.cardOnly : MODE.cardOrPin);
  if (pin === null) return refuse('not_supported', 'a slot needs a card or a PIN');
  return traits.pinWithoutCard
    ? user(MODE.cardOrPin)
    : refuse('not_supported', 'this controller takes no PIN without a card (pin_without_card: false)');
}

/** Undefined when the controller cannot hold it. */
function pinOf(digits: string): number | undefined {
  const pin = /^[0-9]{4}$/.test(digits) ? Number(digits) : 0;
  return pin === 0 ? undefined : pin;
}
