// The codec against the examples printed in the vendor's protocol manual.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
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
import { encodeFrame, FrameParser, type Frame } from '../../../drivers/soyal/frame.ts';
import { encodeLocalTime, instantOf, instantShown, localTimeAt } from '../../../drivers/soyal/local-time.ts';
import { NO_USER } from '../../../drivers/soyal/users.ts';

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
