// What the controller keeps and tells: card numbers, users in their slots, weekly schedules and events.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cardUid, type CardTraits } from '../../../drivers/soyal/cards.ts';
import { controllerEvent, decodeEvent, eventCursor } from '../../../drivers/soyal/events.ts';
import { CLOSED_DAY, decodeTimeZone, encodeTimeZone, zonesForWeek } from '../../../drivers/soyal/time-zones.ts';
import { encodeUser, NO_USER, slotImage, userOf } from '../../../drivers/soyal/users.ts';
import type { SlotContent } from '../../../drivers/driver.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytesOf = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('card numbers', () => {
  const traits: CardTraits = { uidOrder: 'as_read', tagBytes: 'refuse' };
  const uid = (canonical: string, extra: Partial<CardTraits> = {}): string => {
    const found = cardUid(canonical, { ...traits, ...extra });
    return 'uid' in found ? found.uid.toString(16).padStart(8, '0') : found.message;
  };

  test('a UID of four bytes fills site and card in the order it was read, or reversed', () => {
    expect(uid('uid:04A1B2C3')).toBe('04a1b2c3');
    expect(uid('uid:04A1B2C3', { uidOrder: 'reversed' })).toBe('c3b2a104');
    expect(uid('uid:A1B2C3')).toBe('00a1b2c3');
  });

  test('a number that the vendor prints as 00558,17412 is the one of a 34-bit card, and its low part of a 26-bit card', () => {
    expect(uid('H10306:558:17412')).toBe('022e4404');
    expect(uid('H10301:46:17412')).toBe('002e4404');
    expect(uid('uid:022E4404')).toBe('022e4404');
  });

  test('five bytes are refused, or told apart by the last four where the installer says so', () => {
    expect(uid('uid:0F04A1B2C3')).toMatch(/has more/);
    expect(uid('uid:0F04A1B2C3', { tagBytes: 'last_four' })).toBe('04a1b2c3');
    expect(uid('uid:04A1B2C3D4E5F6', { tagBytes: 'last_four' })).toMatch(/has more/);
  });

  test('card number 0, other formats and nonsense are refused, and no message holds the number', () => {
    expect(uid('uid:00000000')).toMatch(/no card/);
    expect(uid('H10301:0:0')).toMatch(/no card/);
    for (const canonical of ['H10302:1234567', 'raw:26:BDD93740', 'H10301:999:1', 'nothing']) {
      expect(uid(canonical)).not.toMatch(/1234567|BDD93740|999/);
      expect(uid(canonical)).toMatch(/format|canonical/);
    }
  });

  test('different numbers of a format never share a place in the table', () => {
    const card = fc.tuple(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 1, max: 0xffff }));
    fc.assert(
      fc.property(card, card, ([siteA, cardA], [siteB, cardB]) => {
        const same = siteA === siteB && cardA === cardB;
        expect(uid(`H10306:${siteA}:${cardA}`) === uid(`H10306:${siteB}:${cardB}`)).toBe(same);
      }),
    );
  });
});

describe('slots', () => {
  const traits = { uidOrder: 'as_read', tagBytes: 'refuse', zone: 0, pinWithoutCard: true } as const;
  const content = (change: Partial<SlotContent>): SlotContent => ({
    card: null,
    pin: null,
    cardAndPin: false,
    doors: [1],
    startsAtMs: null,
    endsAtMs: null,
    oneTimeUse: false,
    ...change,
  });
  const record = (change: Partial<SlotContent>): string => {
    const encoded = userOf(content(change), traits);
    return 'user' in encoded ? hex(encodeUser(encoded.user)) : encoded.error;
  };

  test('a card, a PIN, one of both and both together have the modes of the manual', () => {
    expect(record({ card: 'uid:0441EA4B' })).toBe('0441ea4b00000100');
    expect(record({ pin: '1234' })).toBe('0000000004d20200');
    expect(record({ card: 'uid:0441EA4B', pin: '1234' })).toBe('0441ea4b04d20200');
    expect(record({ card: 'uid:0441EA4B', pin: '1234', cardAndPin: true })).toBe('0441ea4b04d20300');
    expect(record({ pin: '0042' })).toBe('00000000002a0200');
  });

  test('0000 is the controller’s “no PIN” and is refused, as are other lengths', () => {
    for (const pin of ['0000', '123', '12345', '12a4', '']) expect(record({ pin })).toBe('bad_pin');
  });

  test('what the controller does not know is refused', () => {
    expect(record({})).toBe('not_supported');
    expect(record({ pin: '1234', oneTimeUse: true })).toBe('not_supported');
    expect(record({ pin: '1234', doors: [] })).toBe('not_supported');
    expect(record({ pin: '1234', doors: [1, 2] })).toBe('not_supported');
    expect(record({ pin: '1234', cardAndPin: true })).toBe('not_supported');
    expect(userOf(content({ pin: '1234' }), { ...traits, pinWithoutCard: false })).toMatchObject({
      error: 'not_supported',
    });
  });

  test('no credential whatever becomes a slot in which card number 0 is a key of its own', () => {
    const card = fc.option(
      fc.constantFrom('uid:00000000', 'uid:000000', 'H10301:0:0', 'H10306:0:0', 'uid:04A1B2C3', 'H10301:1:1'),
    );
    const pin = fc.option(fc.constantFrom('0000', '1234', '9999'));
    fc.assert(
      fc.property(card, pin, fc.boolean(), (aCard, aPin, cardAndPin) => {
        const encoded = userOf(content({ card: aCard, pin: aPin, cardAndPin }), traits);
        if ('error' in encoded || encoded.user.uid !== 0) return;
        expect(aCard).toBeNull();
        expect(encoded.user.mode).toBe(2);
        expect(encoded.user.pin).toBeGreaterThan(0);
      }),
    );
  });

  test('erased and never written slots are empty and read alike, whatever their filling', () => {
    for (const text of ['0000000000000000', 'ffffffffffffffff', '0000000000000001', 'ffffffffffff0000']) {
      expect(slotImage(bytesOf(text))).toEqual({ state: 'empty', image: encodeUser(NO_USER) });
    }
    expect(slotImage(bytesOf('00000000000000000000')).state).toBe('empty');
  });

  test('a suspended user and a slot that card 0 would open are occupied', () => {
    expect(slotImage(bytesOf('0441ea4b04d20000')).state).toBe('occupied');
    expect(slotImage(bytesOf('0000000000000100')).state).toBe('occupied');
    expect(slotImage(bytesOf('00000000000001000000')).state).toBe('occupied');
  });

  test('upper tag bits belong to the image, so that such a card is not taken for ours', () => {
    expect(hex(slotImage(bytesOf('0441ea4b04d202000000')).image)).toBe('0441ea4b04d20200');
    expect(hex(slotImage(bytesOf('0441ea4b04d202000001')).image)).toBe('0441ea4b04d202000001');
  });
});

describe('weekly schedules', () => {
  const office = { beginMinute: 8 * 60, endMinute: 17 * 60 };
  const evening = { beginMinute: 19 * 60, endMinute: 22 * 60 };

  test('one range a day fits into one zone, and days without one stay closed', () => {
    const zones = zonesForWeek([[], [office], [office], [office], [office], [office], []], 3, 12);
    expect(zones).toHaveLength(1);
    expect(zones?.[0]).toMatchObject({
      link: 0,
      days: [CLOSED_DAY, office, office, office, office, office, CLOSED_DAY],
    });
  });

  test('a second range of a day goes on in a linked zone', () => {
    const zones = zonesForWeek([[], [office, evening], [office], [], [], [], []], 3, 12);
    expect(zones?.map(({ link }) => link)).toEqual([4, 0]);
    expect(zones?.[1]?.days[1]).toEqual(evening);
    expect(zones?.[1]?.days[2]).toEqual(CLOSED_DAY);
  });

  test('what does not fit into the controller’s zones is said to', () => {
    const week = [[], [office, evening], [], [], [], [], []];
    expect(zonesForWeek(week, 11, 12)).toBeNull();
    expect(zonesForWeek(week, 0, 12)).toBeNull();
  });

  test('a zone goes through its thirty bytes unchanged', () => {
    const range = fc.record({
      beginMinute: fc.integer({ min: 0, max: 1439 }),
      endMinute: fc.integer({ min: 0, max: 1439 }),
    });
    fc.assert(
      fc.property(
        fc.record({
          link: fc.integer({ min: 0, max: 0x7f }),
          onHolidays: fc.boolean(),
          level: fc.integer({ min: 0, max: 255 }),
          days: fc.array(range, { minLength: 7, maxLength: 7 }),
        }),
        (zone) => {
          expect(decodeTimeZone(encodeTimeZone(zone))).toEqual(zone);
        },
      ),
    );
  });
});

describe('events', () => {
  /** As a reader sent it: an unknown card on 17 July 2014, a Thursday. */
  const unknownCard = bytesOf('03 01 02000805110 70e 01 c652 00 00 18 00 fb51 01 80 c652 d4db df4e');

  test('an unknown card names no slot, for its address holds a part of the card number', () => {
    const event = decodeEvent(unknownCard);
    expect(event).toMatchObject({ code: 0x03, uid: 0xfb51c652 });
    expect(controllerEvent(event, 'UTC')).toEqual({
      kind: 'denied',
      code: 0x03,
      detail: 'unknown',
      door: 1,
      slot: null,
      atMs: Date.UTC(2014, 6, 17, 8, 0, 2),
    });
  });

  test('no cursor tells a card number or a PIN', () => {
    const other = Buffer.from(unknownCard);
    other.fill(0, 10, 12);
    other.fill(0, 16, 18);
    other.fill(0, 20);
    expect(eventCursor(decodeEvent(other), other, 0)).toBe(eventCursor(decodeEvent(unknownCard), unknownCard, 0));
  });

  test.each([
    [0x01, 'denied', 'unknown', null],
    [0x04, 'denied', 'time', 513],
    [0x0b, 'granted', 'card', 513],
    [0x10, 'rex', null, null],
    [0x11, 'other', 'alarm', null],
    [0x1c, 'granted', 'code', 513],
    [0x1e, 'denied', 'anti_passback', 513],
    [0x77, 'other', null, null],
  ] as const)('code %i is %s (%s)', (code, kind, detail, slot) => {
    const record = Buffer.from(unknownCard);
    record.writeUInt8(code, 0);
    record.writeUInt16BE(513, 10);
    expect(controllerEvent(decodeEvent(record), 'UTC')).toMatchObject({ kind, detail, slot, code });
  });

  test('an alarm whose flag says so is a forced door', () => {
    const record = Buffer.from(unknownCard);
    record.writeUInt8(0x11, 0);
    record.writeUInt8(0x80, 13);
    expect(controllerEvent(decodeEvent(record), 'UTC')).toMatchObject({ kind: 'forced', detail: null });
  });
});
