import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import type { RecordCodec } from '../../../drivers/modbus/record.ts';
import { decodeWiegand, encodeWiegand } from '../../../src/domain/card-formats.ts';
import type { SlotContent } from '../../../src/domain/ports.ts';
import { codecWith, content, registersOf } from './records.ts';

const refusalOf = (codec: RecordCodec, some: Partial<SlotContent>): string | null => {
  const encoded = codec.encode(0, content(some));
  return encoded.ok ? null : encoded.refusal;
};

const anyCard: Readonly<Record<string, fc.Arbitrary<string>>> = {
  H10301: fc
    .tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 1, max: 65_535 }))
    .map(([f, n]) => `H10301:${f}:${n}`),
  H10306: fc
    .tuple(fc.integer({ min: 0, max: 65_535 }), fc.integer({ min: 1, max: 65_535 }))
    .map(([f, n]) => `H10306:${f}:${n}`),
  H10302: fc.bigInt({ min: 1n, max: 2n ** 35n - 1n }).map((n) => `H10302:${n}`),
  H10304: fc
    .tuple(fc.integer({ min: 0, max: 65_535 }), fc.integer({ min: 1, max: 524_287 }))
    .map(([f, n]) => `H10304:${f}:${n}`),
  'C1000-35': fc
    .tuple(fc.integer({ min: 0, max: 4095 }), fc.integer({ min: 1, max: 1_048_575 }))
    .map(([f, n]) => `C1000-35:${f}:${n}`),
  'C1000-48': fc
    .tuple(fc.integer({ min: 0, max: 4_194_303 }), fc.integer({ min: 1, max: 8_388_607 }))
    .map(([f, n]) => `C1000-48:${f}:${n}`),
};

const uidOf = (bytes: number): fc.Arbitrary<string> =>
  fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .filter((uid) => uid.some((byte) => byte !== 0))
    .map((uid) => `uid:${Buffer.from(uid).toString('hex').toUpperCase()}`);

describe('cards in a record', () => {
  it.each([
    ['w26', 'u32', 'H10301'],
    ['w26', 'u64', 'H10301'],
    ['site-card', 'u32', 'H10301'],
    ['w34', 'u32', 'H10306'],
    ['w35', 'u48', 'C1000-35'],
    ['w37', 'u48', 'H10302'],
    ['w37-fc', 'u64', 'H10304'],
    ['w48', 'u48', 'C1000-48'],
    ['raw26', 'u32', 'H10301'],
    ['raw34', 'u48', 'H10306'],
    ['raw35', 'u48', 'C1000-35'],
    ['raw37', 'u48', 'H10302'],
    ['raw48', 'u64', 'C1000-48'],
  ] as const)('come back as they went in: %s as %s', (format, type, name) => {
    for (const words of ['hi-lo', 'lo-hi']) {
      for (const bytes of ['hi-lo', 'lo-hi']) {
        const codec = codecWith({ card: { at: 1, type, words, bytes, format } });
        fc.assert(
          fc.property(anyCard[name] ?? fc.constant(''), (card) => {
            const registers = registersOf(codec, { card });
            expect(codec.decode(registers).card).toBe(card);
            expect(codec.numberOfCard(card)).toBe(codec.decode(registers).cardNumber);
          }),
          { numRuns: 25 },
        );
      }
    }
  });

  it.each([
    ['uid4', 'u32', 4],
    ['uid5', 'u48', 5],
    ['uid7', 'u64', 7],
    ['uid8', 'u64', 8],
    ['uid4-reversed', 'u32', 4],
    ['uid7-reversed', 'u64', 7],
  ] as const)('come back as they went in: %s as %s', (format, type, length) => {
    const codec = codecWith({ card: { at: 0, type, words: 'hi-lo', format } });
    const ones = `uid:${'FF'.repeat(length)}`; // is the erased record
    fc.assert(
      fc.property(
        uidOf(length).filter((card) => card !== ones),
        (card) => {
          expect(codec.decode(registersOf(codec, { card })).card).toBe(card);
        },
      ),
    );
  });

  it('are digits where the device keeps text or decimal digits', () => {
    const hexText = codecWith({ card: { at: 0, type: 'ascii', registers: 5, format: '10h' } });
    expect(
      Buffer.from(
        registersOf(hexText, { card: 'uid:0415AB00F3' }).flatMap((word) => [word >> 8, word & 255]),
      ).toString(),
    ).toBe('0415AB00F3');
    expect(hexText.decode(registersOf(hexText, { card: 'uid:0415AB00F3' })).card).toBe('uid:0415AB00F3');
    const printed = codecWith({ card: { at: 0, type: 'ascii', registers: 5, format: '10d' } });
    expect(
      Buffer.from(
        registersOf(printed, { card: 'uid:0415AB00F3' }).flatMap((word) => [word >> 8, word & 255]),
      ).toString(),
    ).toBe('0363528435');
    const decimal = codecWith({ card: { at: 0, type: 'bcd', registers: 3, words: 'hi-lo', format: 'w34' } });
    expect(registersOf(decimal, { card: 'H10306:1:2' })).toEqual([0x0000, 0x0006, 0x5538]);
    expect(decimal.decode([0x0000, 0x0006, 0x5538]).card).toBe('H10306:1:2');
  });

  it('keep their number of bits where the record has a place for it', () => {
    const codec = codecWith({
      card: { at: 1, type: 'u48', words: 'hi-lo', format: 'raw' },
      card_width: { at: 0, bits: { lo: 10, width: 6 } },
    });
    fc.assert(
      fc.property(fc.oneof(...Object.values(anyCard)), (card) => {
        const decoded = codec.decode(registersOf(codec, { card })).card ?? '';
        const [, width, hex] = decoded.split(':');
        expect(decodeWiegand(card.split(':')[0] ?? '', Number(width), Buffer.from(hex ?? '', 'hex'))).toBe(card);
        expect(encodeWiegand(card)?.widthBits).toBe(Number(width));
      }),
    );
  });

  it('are masked as the device masks them', () => {
    const codec = codecWith({
      card: { at: 0, type: 'u32', words: 'hi-lo', format: 'raw', mask: { drop_low: 1, keep: 24 } },
    });
    expect(codec.numberOfCard('H10301:123:45678')).toBe(BigInt((123 << 16) | 45_678));
    expect(codec.decode(registersOf(codec, { card: 'H10301:123:45678' })).card).toBe(null);
  });

  it('are refused when they do not fit, or mean "no card"', () => {
    const codec = codecWith({ card: { at: 0, type: 'u32', words: 'hi-lo', format: ['w26', 'uid4'], empty: 'ones' } });
    expect(refusalOf(codec, { card: 'H10301:1:2' })).toBe(null);
    expect(refusalOf(codec, { card: 'H10302:99' })).toBe('bad_card');
    expect(refusalOf(codec, { card: 'uid:01020304050607' })).toBe('bad_card');
    expect(refusalOf(codec, { card: 'uid:FFFFFFFF' })).toBe('bad_card');
    const filled = codecWith({ card: { at: 0, type: 'u32', words: 'hi-lo', format: 'uid4' } });
    expect(refusalOf(filled, { card: 'uid:FFFFFFFF' })).toBe('bad_card');
  });
});

describe('PINs in a record', () => {
  const pins = (least: number, most: number): fc.Arbitrary<string> =>
    fc.stringMatching(new RegExp(`^[0-9]{${least},${most}}$`));

  it.each([
    [
      'nibbles with a filling',
      { type: 'nibbles', registers: 2, words: 'hi-lo', digits: [4, 8], pad: 0xf, align: 'left' },
      4,
      8,
    ],
    [
      'nibbles at the right',
      { type: 'nibbles', registers: 3, words: 'lo-hi', digits: [4, 12], pad: 0xe, align: 'right' },
      4,
      12,
    ],
    ['BCD of one length', { type: 'bcd', registers: 2, words: 'hi-lo', digits: [6, 6] }, 6, 6],
    ['characters', { type: 'ascii', registers: 4, digits: [4, 8], pad: 0x20 }, 4, 8],
    ['characters with the low byte first', { type: 'ascii', registers: 4, bytes: 'lo-hi', digits: [4, 8] }, 4, 8],
    ['a number of one length', { type: 'u32', words: 'lo-hi', digits: [6, 6], empty: 'ones' }, 6, 6],
    ['a short number', { type: 'u16', digits: [4, 4], empty: 'ones' }, 4, 4],
  ])('keep every digit: %s', (_, pin, least, most) => {
    const codec = codecWith({ pin: { at: 1, ...pin }, flags: { at: 0, bits: { enabled: 0, pin: 1 } } });
    fc.assert(
      fc.property(pins(least, most), (digits) => {
        expect(codec.decode(registersOf(codec, { pin: digits })).pin).toBe(digits);
      }),
    );
  });

  it.each([
    ['BCD', { type: 'bcd', registers: 2, words: 'hi-lo', digits: [4, 8] }],
    ['a number', { type: 'u32', words: 'hi-lo', digits: [4, 8] }],
  ])('keep leading zeros by a length of their own: %s', (_, pin) => {
    const codec = codecWith({
      pin: { at: 1, ...pin },
      pin_length: { at: 0, bits: { lo: 4, width: 4 } },
      flags: { at: 0, bits: { enabled: 0 } },
    });
    fc.assert(
      fc.property(
        pins(4, 8).filter((digits) => Number(digits) !== 0),
        (digits) => {
          expect(codec.decode(registersOf(codec, { pin: digits })).pin).toBe(digits);
        },
      ),
    );
    expect(registersOf(codec, { pin: '0123' })).not.toEqual(registersOf(codec, { pin: '00123' }));
  });

  it('are refused when they are too short, too long, or mean "no PIN"', () => {
    const codec = codecWith({ pin: { at: 1, type: 'u16', digits: [4, 4] }, flags: { at: 0, bits: { enabled: 0 } } });
    expect(refusalOf(codec, { pin: '123' })).toBe('bad_pin');
    expect(refusalOf(codec, { pin: '12345' })).toBe('bad_pin');
    expect(refusalOf(codec, { pin: '0000' })).toBe('bad_pin');
    expect(refusalOf(codec, { pin: '0001' })).toBe(null);
  });

  it('never appear in a refusal', () => {
    const codec = codecWith({ pin: { at: 0, type: 'u16', digits: [4, 4] } });
    const encoded = codec.encode(0, content({ pin: '98765' }));
    expect(encoded.ok ? '' : encoded.message).not.toContain('98765');
  });
});

describe('windows in a record', () => {
  const at = (text: string): number => Date.parse(text);
  const window = (type: string, more: object = {}): object => ({
    card: { at: 0, type: 'u32', words: 'hi-lo', format: 'w26' },
    from: { at: 2, type, words: 'hi-lo', zone: 'utc' },
    until: { at: 5, type, words: 'hi-lo', zone: 'utc', ...more },
  });
  const card = 'H10301:1:2';

  it('are refused at the end that the device cannot hold, and say which', () => {
    const codec = codecWith(window('unix32'));
    const late = at('2110-01-01T00:00:00Z');
    expect(() => registersOf(codec, { card, startsAtMs: late })).toThrow('cannot store such a start');
    expect(() => registersOf(codec, { card, endsAtMs: late })).toThrow('cannot store such an end');
  });

  it.each([
    ['unix32', 1_000],
    ['minutes2000', 60_000],
    ['bcd-yymmddhhmm', 60_000],
    ['bcd-yymmddhhmmss', 1_000],
  ])('never open a moment more than asked: %s', (type, resolutionMs) => {
    for (const inclusive of [false, true]) {
      const codec = codecWith(window(type, { inclusive }));
      fc.assert(
        fc.property(
          fc.integer({ min: at('2001-01-01T00:00:00Z'), max: at('2098-01-01T00:00:00Z') }),
          fc.integer({ min: 3 * resolutionMs, max: 10 ** 9 }),
          (startsAtMs, lengthMs) => {
            const endsAtMs = startsAtMs + lengthMs;
            const decoded = codec.decode(registersOf(codec, { card, startsAtMs, endsAtMs }));
            const [from, until] = [decoded.startsAtMs ?? 0, decoded.endsAtMs ?? 0];
            expect(from - startsAtMs).toBeGreaterThanOrEqual(0);
            expect(from - startsAtMs).toBeLessThan(resolutionMs);
            expect(endsAtMs - until).toBeGreaterThanOrEqual(0);
            expect(endsAtMs - until).toBeLessThan(resolutionMs);
          },
        ),
      );
    }
  });

  it.each(['days1970', 'ymd-packed', 'bcd-yyyymmdd'])('cover the whole days of %s', (type) => {
    for (const inclusive of [false, true]) {
      const codec = codecWith(window(type, { inclusive }));
      const decoded = codec.decode(
        registersOf(codec, { card, startsAtMs: at('2026-03-01T15:00:00Z'), endsAtMs: at('2026-03-03T11:00:00Z') }),
      );
      expect(decoded.startsAtMs).toBe(at('2026-03-01T00:00:00Z'));
      expect(decoded.endsAtMs).toBe(at('2026-03-04T00:00:00Z'));
    }
  });

  it('go by the wall clock of the door where the device does', () => {
    const local = {
      ...window('bcd-yymmddhhmm'),
      from: { at: 2, type: 'bcd-yymmddhhmm', words: 'hi-lo', zone: 'local' },
    };
    const codec = codecWith(local, {}, 'Europe/Oslo');
    const registers = registersOf(codec, { card, startsAtMs: at('2026-07-01T13:00:00Z') });
    expect(registers.slice(2, 5)).toEqual([0x2607, 0x0115, 0x0000]);
    expect(codec.decode(registers).startsAtMs).toBe(at('2026-07-01T13:00:00Z'));
  });

  it('without limits are what the device calls none', () => {
    const codec = codecWith(window('unix32'));
    const registers = registersOf(codec, { card });
    expect(registers.slice(2, 4)).toEqual([0, 0]);
    expect(registers.slice(5, 7)).toEqual([0xffff, 0xffff]);
    expect(codec.decode(registers)).toMatchObject({ startsAtMs: null, endsAtMs: null });
  });

  it('are refused when nothing is left of them or the device has no such date', () => {
    const codec = codecWith(window('minutes2000'));
    expect(
      refusalOf(codec, { card, startsAtMs: at('2026-03-01T10:00:10Z'), endsAtMs: at('2026-03-01T10:00:50Z') }),
    ).toBe('not_supported');
    expect(refusalOf(codecWith(window('ymd-packed')), { card, startsAtMs: at('1999-03-01T10:00:10Z') })).toBe(
      'not_supported',
    );
    expect(refusalOf(codecWith(window('unix32')), { card, endsAtMs: at('2150-01-01T00:00:00Z') })).toBe(
      'not_supported',
    );
  });

  it('that are no date at the device read as no limit of ours', () => {
    const codec = codecWith(window('bcd-yymmddhhmm'));
    expect(codec.decode([0, 7, 0x2613, 0x4525, 0x6100, 0xffff, 0xffff, 0xffff]).startsAtMs).toBe(null);
  });
});

describe('what a slot is for', () => {
  const both = {
    flags: { at: 0, bits: { enabled: 0, card: 1, pin: 2, card_and_pin: 3, one_time: 4, door: { lo: 8, width: 2 } } },
    card: { at: 1, type: 'u32', words: 'hi-lo', format: 'w26' },
    pin: { at: 3, type: 'nibbles', registers: 2, words: 'hi-lo', digits: [4, 8] },
  };
  const can = { capabilities: { pin_without_card: true, card_and_pin: true, card_or_pin: true } };
  const doors = {
    outputs: [
      { kind: 'coil', at: 0 },
      { kind: 'coil', at: 1 },
    ],
    doors: [{ strike: 0 }, { strike: 1 }],
  };

  it('stands in its flags', () => {
    const codec = codecWith(both, can, 'UTC', doors);
    const flags = (some: Partial<SlotContent>): number => registersOf(codec, some)[0] ?? 0;
    expect(flags({ card: 'H10301:1:2' })).toBe(0b01_0000_0011);
    expect(flags({ pin: '1234', doors: [2] })).toBe(0b10_0000_0101);
    expect(flags({ card: 'H10301:1:2', pin: '1234', cardAndPin: true, doors: [1, 2] })).toBe(0b11_0000_1111);
    expect(flags({ card: 'H10301:1:2', pin: '1234', oneTimeUse: true })).toBe(0b01_0001_0111);
    const decoded = codec.decode(
      registersOf(codec, { card: 'H10301:1:2', pin: '0034', cardAndPin: true, doors: [2], oneTimeUse: true }),
    );
    expect(decoded).toMatchObject({
      enabled: true,
      card: 'H10301:1:2',
      pin: '0034',
      cardAndPin: true,
      doors: [2],
      oneTimeUse: true,
    });
  });

  it('stands in its mode', () => {
    const fields = { card: both.card, pin: both.pin };
    const mode = {
      at: 0,
      bits: { lo: 4, width: 4 },
      values: { empty: 0, card: 1, card_or_pin: 2, card_and_pin: 3, pin: 4 },
    };
    const codec = codecWith({ ...fields, mode }, can);
    expect(registersOf(codec, { card: 'H10301:1:2' })[0]).toBe(0x10);
    expect(registersOf(codec, { card: 'H10301:1:2', pin: '1234' })[0]).toBe(0x20);
    expect(registersOf(codec, { card: 'H10301:1:2', pin: '1234', cardAndPin: true })[0]).toBe(0x30);
    expect(registersOf(codec, { pin: '1234' })[0]).toBe(0x40);
    const disabled = codec.disabled(registersOf(codec, { pin: '1234' }));
    expect([codec.isInForce(disabled), codec.isEmpty(disabled)]).toEqual([false, false]);
  });

  it('is refused when the device does not know it', () => {
    const codec = codecWith(both, { capabilities: {} }, 'UTC', doors);
    expect(refusalOf(codec, { pin: '1234' })).toBe('not_supported');
    expect(refusalOf(codec, { card: 'H10301:1:2', pin: '1234', cardAndPin: true })).toBe('not_supported');
    expect(refusalOf(codec, { card: 'H10301:1:2', doors: [3] })).toBe('not_supported');
    expect(refusalOf(codec, { card: 'H10301:1:2', doors: [] })).toBe('not_supported');
    expect(refusalOf(codec, {})).toBe('not_supported');
    const alone = codecWith({ card: both.card }, {}, 'UTC', doors);
    expect(refusalOf(alone, { card: 'H10301:1:2', doors: [1] })).toBe('not_supported');
    expect(refusalOf(alone, { card: 'H10301:1:2', doors: [1, 2] })).toBe(null);
    expect(refusalOf(alone, { card: 'H10301:1:2', doors: [1, 2], oneTimeUse: true })).toBe('not_supported');
  });

  it('is refused when its PIN breaks a rule of the device', () => {
    const codec = codecWith(
      both,
      { capabilities: { pin_without_card: true, code_constraints: ['no_all_same_digits', 'cannot_start_with_12'] } },
      'UTC',
      doors,
    );
    expect(['4444', '1247', '4711'].map((pin) => refusalOf(codec, { pin, doors: [1] }))).toEqual([
      'bad_pin',
      'bad_pin',
      null,
    ]);
  });

  it('puts the slot number and constants where the device wants them', () => {
    const codec = codecWith(
      {
        ...both,
        slot: { at: 5 },
        constants: [
          { at: 6, value: 7 },
          { at: 7, bits: { lo: 8, width: 4 }, value: 3 },
        ],
      },
      can,
    );
    expect(registersOf(codec, { card: 'H10301:1:2' }, 42).slice(5)).toEqual([42, 7, 0x300]);
  });
});
