// The codec against the examples printed in the vendor's protocol manual.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cardUid, type CardTraits } from '../../../drivers/soyal/cards.ts';
import {
  COMMAND,
  decodeClock,
  decodeDoorStatus,
  EEPROM,
  firmwareName,
  readReply,
  REQUESTS,
} from '../../../drivers/soyal/codec.ts';
import type { DoorStatus, ReplyForm, Request } from '../../../drivers/soyal/codec.ts';
import { controllerEvent, decodeEvent, eventCursor } from '../../../drivers/soyal/events.ts';
import { encodeFrame, FrameParser, type Frame } from '../../../drivers/soyal/frame.ts';
import { encodeLocalTime, instantOf, instantShown, localTimeAt } from '../../../drivers/soyal/local-time.ts';
import { CLOSED_DAY, decodeTimeZone, encodeTimeZone, zonesForWeek } from '../../../drivers/soyal/time-zones.ts';
import { encodeUser, NO_USER, slotImage, userOf } from '../../../drivers/soyal/users.ts';
import type { SlotContent } from '../../../drivers/driver.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytesOf = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const parse = (text: string): Frame[] => new FrameParser().push(bytesOf(text));
const onlyFrame = (text: string): Frame => {
  const [frame] = parse(text);
  if (frame === undefined) throw new Error(`no frame in ${text}`);
  return frame;
};

const WORKDAY = { beginMinute: 480, endMinute: 900 };

/** Section, node, request, and the bytes that the manual prints. */
const REQUEST_EXAMPLES: readonly [string, number, Request, string][] = [
  ['2.1.1 18H', 1, REQUESTS.getStatus(), '7e 04 01 18 e6 ff'],
  ['2.6 12H', 1, REQUESTS.readEeprom(0x80, 8), '7e 07 01 12 0080 08 64 ff'],
  [
    '2.5 20H',
    1,
    REQUESTS.writeEeprom(0x80, [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]),
    '7e 0f 01 20 0080 08 1122334455667788 de eb',
  ],
  ['2.7 21H', 1, REQUESTS.doorOn(), '7e 05 01 21 82 5d 01'],
  ['2.9 24H', 1, REQUESTS.readClock(), '7e 04 01 24 da ff'],
  ['2.11 25H', 1, REQUESTS.oldestEvent(), '7e 04 01 25 db 01'],
  ['2.12 37H', 1, REQUESTS.removeOldestEvent(), '7e 04 01 37 c9 01'],
  ['2.13 2DH', 1, REQUESTS.removeAllEvents(), '7e 04 01 2d d3 01'],
  [
    '2.19 83H',
    1,
    REQUESTS.setUser(1, { uid: 0x0441ea4b, pin: 1234, mode: 2, zone: 1 }, null),
    '7e 0e 01 83 0001 0441 ea4b 04d2 02 01 4d 25',
  ],
  ['2.20 87H', 1, REQUESTS.readUsers(2, 1), '7e 07 01 87 0002 01 7a 05'],
  ['2.21 84H', 1, REQUESTS.release(), '7e 04 01 84 7a ff'],
  ['2.22 85H', 1, REQUESTS.clearUsers(), '7e 04 01 85 7b 01'],
  [
    '2.24 2AH',
    1,
    REQUESTS.setTimeZones(1, [{ link: 0x0c, onHolidays: false, level: 0, days: Array(7).fill(WORKDAY) }]),
    `7e 24 01 2a 01 01 0c 00 ${'01e00384'.repeat(7)} be cf`,
  ],
  [
    '2.25 2CH',
    1,
    REQUESTS.setHolidays(
      0,
      [1, 2, 3, 4, 5, 6].map((day) => ({ month: 12, day })),
    ),
    '7e 12 01 2c 00 06 0c01 0c02 0c03 0c04 0c05 0c06 d3 63',
  ],
];

describe('requests', () => {
  test.each(REQUEST_EXAMPLES)('%s is sent byte by byte as the manual prints it', (_section, node, request, printed) => {
    expect(hex(encodeFrame(node, request.payload))).toBe(printed.replaceAll(' ', ''));
    expect(parse(printed)).toEqual([{ destination: node, payload: request.payload }]);
  });

  test('users by card number carry site and card, and no slot', () => {
    const user = { uid: 0x0441ea4b, pin: 1234, mode: 2, zone: 1 };
    expect(hex(REQUESTS.insertUser(user).payload)).toBe('890441ea4b04d20201');
    expect(hex(REQUESTS.deleteUser(0xfb51c652).payload)).toBe('8afb51c652');
  });

  test('the door relay is asked for, held, released and pulsed by one command each', () => {
    const { doorStatus, doorOn, doorOff, doorPulse } = REQUESTS;
    expect([doorStatus(), doorOn(), doorOff(), doorPulse()].map(({ payload }) => hex(payload))).toEqual([
      '2100',
      '2182',
      '2183',
      '2184',
    ]);
    for (const request of [doorStatus(), doorOn(), doorOff(), doorPulse()])
      expect(request.form).toEqual({ kind: 'echo', lengths: [4] });
  });

  test('the clock is set by the seven bytes that it is read as', () => {
    const time = { year: 2005, month: 12, day: 9, hour: 13, minute: 22, second: 10 };
    expect(hex(REQUESTS.writeClock(time).payload)).toBe('230a160d06090c05');
    expect(REQUESTS.readClock().form).toEqual({ kind: 'echo', lengths: [12] });
  });

  test('each names its answer, and of how many bytes on the wire that is at most', () => {
    const { readEeprom, writeEeprom, oldestEvent, getStatus, readUsers, release } = REQUESTS;
    const told = [readEeprom(0, 8), writeEeprom(0, [1]), oldestEvent(), getStatus(), readUsers(0, 3), release()];
    expect(told.map(({ form, replyBytes }) => [form.kind, replyBytes])).toEqual([
      ['echo', 15],
      ['ack', 13],
      ['event', 31],
      ['status', 13],
      ['echo', 37],
      ['ack', 13],
    ]);
    expect(readUsers(0, 3).form).toEqual({ kind: 'echo', lengths: [24, 30] });
  });

  test('parameters stand in the EEPROM where the manual has them', () => {
    expect(EEPROM).toEqual({ operationMode: 0x0b, doorRelayTime: 0x12, openZones: 0x26 });
    const codes: Partial<Record<keyof typeof COMMAND, number>> = {
      controlRelay: 0x21,
      writeClock: 0x23,
      insertUser: 0x89,
      deleteUser: 0x8a,
    };
    expect(COMMAND).toMatchObject(codes);
  });

  test('as much goes into one as fits, and no more', () => {
    const zone = { link: 0, onHolidays: false, level: 0, days: Array(7).fill(WORKDAY) };
    const day = { month: 1, day: 1 };
    expect(REQUESTS.readEeprom(0xffff, 1).payload).toHaveLength(4);
    expect(REQUESTS.writeEeprom(0, Array<number>(8).fill(0)).payload).toHaveLength(12);
    expect(REQUESTS.setTimeZones(1, Array(8).fill(zone)).payload).toHaveLength(3 + 8 * 30);
    expect(REQUESTS.setHolidays(0, [day]).payload).toHaveLength(3 + 2);
    expect(REQUESTS.setHolidays(0, Array(100).fill(day)).payload).toHaveLength(3 + 200);
    expect(REQUESTS.readUsers(0, 24).payload).toHaveLength(4);
    const tooMuch: (() => Request)[] = [
      () => REQUESTS.readEeprom(0, 0),
      () => REQUESTS.readEeprom(0, 9),
      () => REQUESTS.readEeprom(-1, 1),
      () => REQUESTS.readEeprom(0x10000, 1),
      () => REQUESTS.readEeprom(0.5, 1),
      () => REQUESTS.writeEeprom(0, []),
      () => REQUESTS.writeEeprom(0, Array<number>(9).fill(0)),
      () => REQUESTS.setTimeZones(1, []),
      () => REQUESTS.setTimeZones(1, Array(9).fill(zone)),
      () => REQUESTS.setHolidays(0, []),
      () => REQUESTS.setHolidays(0, Array(101).fill(day)),
      () => REQUESTS.readUsers(0, 0),
      () => REQUESTS.readUsers(0, 25),
    ];
    for (const request of tooMuch) expect(request).toThrow('assertion failed');
  });

  test('a status poll can not carry the data whose last byte opens the door', () => {
    expect(REQUESTS.getStatus.length).toBe(0);
    expect(REQUESTS.getStatus().payload).toHaveLength(1);
  });

  test('a door group follows the user where one is set', () => {
    expect(hex(REQUESTS.setUser(7, NO_USER, 3).payload)).toBe(`830007${'00'.repeat(8)}03`);
  });
});

describe('replies', () => {
  const echo = (...lengths: number[]): ReplyForm => ({ kind: 'echo', lengths });

  test('a bare acknowledgement and the long one of older firmware are both accepted', () => {
    const bare = onlyFrame('7e 05 00 04 01 fa ff');
    expect(readReply({ kind: 'ack' }, 1, bare)).toEqual({ kind: 'ack' });
    const long = { destination: 0, payload: Buffer.from([0x04, 1, 0x26, 0x41, 0, 0x18, 0x63]) };
    expect(readReply({ kind: 'ack' }, 1, long)).toEqual({ kind: 'ack' });
  });

  test('“no event” is an acknowledgement, and the time zone error of the same code 04 an event: the length decides', () => {
    const form: ReplyForm = { kind: 'event' };
    expect(readReply(form, 1, { destination: 0, payload: Buffer.from([0x04, 0x01]) })).toEqual({ kind: 'no_event' });
    const record = Buffer.concat([Buffer.from([0x04, 0x01]), Buffer.alloc(24)]);
    expect(readReply(form, 1, { destination: 0, payload: record })).toEqual({ kind: 'event', record });
  });

  test('an event is no acknowledgement of a write, though its code says 04', () => {
    const record = Buffer.concat([Buffer.from([0x04, 0x01]), Buffer.alloc(24)]);
    expect(readReply({ kind: 'ack' }, 1, { destination: 0, payload: record })).toBeNull();
  });

  test('another node’s answer, one of another length, and our own request heard back are no answers', () => {
    const ack = { destination: 0, payload: Buffer.from([0x04, 0x02]) };
    expect(readReply({ kind: 'ack' }, 1, ack)).toBeNull();
    const clock = { destination: 0, payload: Buffer.concat([Buffer.from([0x03, 0x01]), Buffer.alloc(12)]) };
    expect(readReply(echo(4), 1, clock)).toBeNull();
    expect(readReply({ kind: 'ack' }, 1, { destination: 1, payload: Buffer.from([0x04, 0x01]) })).toBeNull();
  });

  test('EEPROM comes with function 02 in the manual and with 03 from other firmware', () => {
    const printed = onlyFrame('7e 0d 00 02 01 1122334455667788 74 db');
    expect(readReply(echo(8), 1, printed)).toEqual({ kind: 'echo', data: bytesOf('1122334455667788') });
    const other = { destination: 0, payload: bytesOf('03 01 1122334455667788') };
    expect(readReply(echo(8), 1, other)).toEqual({ kind: 'echo', data: bytesOf('1122334455667788') });
  });

  test('an acknowledgement or a refusal has two to eight bytes', () => {
    const said = (code: number, length: number): ReturnType<typeof readReply> => {
      const payload = Buffer.from([code, 1, ...Array<number>(length - 2).fill(0)]);
      return readReply({ kind: 'ack' }, 1, { destination: 0, payload });
    };
    expect([2, 3, 8, 9].map((length) => said(0x04, length)?.kind ?? null)).toEqual(['ack', 'ack', 'ack', null]);
    expect([2, 3, 8, 9].map((length) => said(0x05, length)?.kind ?? null)).toEqual(['nack', 'nack', 'nack', null]);
    expect(said(0x06, 2)).toBeNull();
    // One that ends before its node is of nobody.
    const short = { destination: 0, payload: Buffer.of(0x04) };
    expect(readReply({ kind: 'ack' }, 1, short)).toBeNull();
  });

  test('what answers one question is no answer to another', () => {
    const answers = { ack: '04 01', echo: '03 01 11223344', other: '02 01 11223344', status: '09 01 11223344' };
    const taken = (form: ReplyForm): string[] =>
      Object.entries(answers)
        .filter(([, text]) => readReply(form, 1, { destination: 0, payload: bytesOf(text) }) !== null)
        .map(([name]) => name);
    expect(taken({ kind: 'ack' })).toEqual(['ack']);
    expect(taken(echo(4))).toEqual(['echo', 'other']);
    expect(taken(echo(3, 5))).toEqual([]);
    expect(taken({ kind: 'status' })).toEqual(['status']);
    expect(taken({ kind: 'event' })).toEqual(['ack']);
    expect(taken({ kind: 'none' })).toEqual([]);
  });

  test.each<[string, keyof DoorStatus]>([
    ['00 80 00 00', 'keypadLocked'],
    ['00 40 00 00', 'relayOn'],
    ['00 20 00 00', 'alarmRelayOn'],
    ['00 10 00 00', 'armed'],
    ['00 08 00 00', 'alarming'],
    ['00 04 00 00', 'latched'],
    ['00 02 00 00', 'exitPressed'],
    ['00 01 00 00', 'doorOpen'],
    ['00 00 80 00', 'forcedOpen'],
    ['00 00 20 00', 'editing'],
    ['00 00 00 04', 'autoOpenZone'],
  ])('of the status %s the one thing said is %s', (text, what) => {
    const { firmware, ...flags } = decodeDoorStatus(bytesOf(text));
    expect(firmware).toBe(0);
    expect(Object.entries(flags).flatMap(([name, isSo]) => (isSo ? [name] : []))).toEqual([what]);
  });

  test('a status of another length is none', () => {
    expect(() => decodeDoorStatus(bytesOf('62 40 00'))).toThrow('assertion failed');
  });

  test('the status that a reader was seen to send is read bit by bit', () => {
    const frame = onlyFrame('7e 0a 00 09 01 00 41 00 18 00 ae 11');
    expect(readReply({ kind: 'status' }, 1, frame)).toEqual({ kind: 'status', data: bytesOf('0041001800') });
    const status = decodeDoorStatus(bytesOf('62 40 00 10'));
    expect(status).toMatchObject({ firmware: 0x62, relayOn: true, doorOpen: false, exitPressed: false });
    expect(decodeDoorStatus(bytesOf('63 03 a0 04'))).toMatchObject({
      relayOn: false,
      doorOpen: true,
      exitPressed: true,
      forcedOpen: true,
      editing: true,
      autoOpenZone: true,
    });
  });

  test('the clock example of section 2.9 is 9 December 2005, 13:22:10, and a firmware 6V3', () => {
    const reading = decodeClock(bytesOf('0a160d06090c05 63 2701 01 26'));
    expect(reading).toEqual({
      time: { year: 2005, month: 12, day: 9, hour: 13, minute: 22, second: 10 },
      firmware: 0x63,
      doorNumber: 0x2701,
      identityCode: 0x01,
      readerType: 0x26,
    });
    expect(firmwareName(reading.firmware)).toBe('6V3');
    if (reading.time === null) throw new Error('no time');
    expect(hex(encodeLocalTime(reading.time))).toBe('0a160d06090c05');
  });

  test('a clock that was never set holds no time', () => {
    expect(decodeClock(bytesOf('ffffffffffffff 63 0001 01 26')).time).toBeNull();
    expect(decodeClock(bytesOf('00000000000000 63 0001 01 26')).time).toBeNull();
    expect(decodeClock(bytesOf('0000000120023c 63 0001 01 26')).time).toBeNull();
  });

  test('any bytes are an answer to any question or none, and never an error', () => {
    const forms: ReplyForm[] = [{ kind: 'ack' }, echo(4), echo(8, 10), { kind: 'event' }, { kind: 'status' }];
    fc.assert(
      fc.property(
        fc.constantFrom(...forms),
        fc.integer({ min: 0, max: 255 }),
        fc.uint8Array({ minLength: 1, maxLength: 252 }),
        (form, destination, payload) => {
          const reply = readReply(form, 1, { destination, payload: Buffer.from(payload) });
          if (reply !== null) expect(destination).toBe(0);
        },
      ),
    );
  });
});

describe('the clock and its zone', () => {
  test('a winter and a summer instant are shown and read back by the wall clock of the zone', () => {
    for (const atMs of [Date.UTC(2026, 0, 15, 12), Date.UTC(2026, 6, 15, 12)]) {
      expect(instantOf(localTimeAt(atMs, 'Europe/Oslo'), 'Europe/Oslo')).toBe(atMs);
    }
    expect(localTimeAt(Date.UTC(2026, 6, 15, 12), 'Europe/Oslo').hour).toBe(14);
  });

  test('the hour that comes twice in autumn is taken for the earlier one', () => {
    const time = { year: 2026, month: 10, day: 25, hour: 2, minute: 30, second: 0 };
    expect(instantOf(time, 'Europe/Oslo')).toBe(Date.UTC(2026, 9, 25, 0, 30));
  });

  test('a clock that shows an hour of autumn may be right in either, one that shows the hour left out in spring is an hour behind', () => {
    const autumn = { year: 2026, month: 10, day: 25, hour: 2, minute: 30, second: 0 };
    for (const hour of [0, 1]) {
      const nowMs = Date.UTC(2026, 9, 25, hour, 30, 2);
      expect(instantShown(autumn, 'Europe/Oslo', nowMs)).toBe(Date.UTC(2026, 9, 25, hour, 30));
    }
    // Not put back yet: it shows three while it is two for the second time.
    const ahead = { ...autumn, hour: 3 };
    expect(instantShown(ahead, 'Europe/Oslo', Date.UTC(2026, 9, 25, 1, 30))).toBe(Date.UTC(2026, 9, 25, 2, 30));
    // Not put forward: it shows half past two while it is half past three.
    const spring = { year: 2026, month: 3, day: 29, hour: 2, minute: 30, second: 0 };
    const nowMs = Date.UTC(2026, 2, 29, 1, 30);
    expect(instantShown(spring, 'Europe/Oslo', nowMs)).toBe(nowMs - 3_600_000);
    expect(instantShown({ ...spring, hour: 1 }, 'Europe/Oslo', Date.UTC(2026, 2, 29, 0, 30))).toBe(
      Date.UTC(2026, 2, 29, 0, 30),
    );
    expect(instantShown({ ...spring, hour: 3 }, 'Europe/Oslo', nowMs)).toBe(nowMs);
  });
});

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
