// What a profile may say about a reader: how registers become a card, and which descriptions are refused.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { capabilitiesOf } from '../../../drivers/modbus/capabilities.ts';
import { modbusDriver } from '../../../drivers/modbus/driver.ts';
import { parseProfile, SHIPPED_PROFILES } from '../../../drivers/modbus/profile.ts';
import { cardFromRegisters, registersFromCard } from '../../../drivers/modbus/reader-card.ts';
import { reader as readerSchema, type CardSpec } from '../../../drivers/modbus/reader-schema.ts';
import { candidates, encodeWiegand } from '../../../src/domain/card-formats.ts';
import { shipped } from './site.ts';

const card = (some: Record<string, unknown>): CardSpec =>
  readerSchema.parse({ mode: 'sequence', sequence: { area: 'input', at: 0 }, card: { at: 10, ...some } }).card;

/** What the registers of a card stand for, in every format. */
function read(spec: CardSpec, registers: readonly number[], count: number | null = null): string[] | string {
  const found = cardFromRegisters(spec, registers, count);
  return 'reading' in found ? candidates(found.reading, ['H10301', 'H10302', 'uid', 'raw']) : found.unreadable;
}

describe('registers become a card', () => {
  const five = { registers: 5, words: 'hi-lo', bytes_per_register: 1, kind: 'uid' };
  const two = { registers: 2, words: 'hi-lo', kind: 'uid' };

  it.each([
    ['one byte in each', five, [0x0a, 0, 0x7b, 0xb2, 0x6e], null, ['H10301:123:45678', 'uid:0A007BB26E']],
    [
      'the last byte first',
      { ...five, words: 'lo-hi' },
      [0x6e, 0xb2, 0x7b, 0, 0x0a],
      null,
      ['H10301:123:45678', 'uid:0A007BB26E'],
    ],
    ['two bytes in each', two, [0x04a1, 0xb2c3], null, ['uid:04A1B2C3']],
    ['two bytes in each, low half first', { ...two, bytes: 'lo-hi' }, [0xa104, 0xc3b2], null, ['uid:04A1B2C3']],
    ['low register first', { ...two, words: 'lo-hi' }, [0xb2c3, 0x04a1], null, ['uid:04A1B2C3']],
    [
      'fewer bytes than registers, at their end',
      { ...two, registers: 4, bits: 56, align: 'right' },
      [4, 0xa1b2, 0xc3d4, 0xe5f6],
      null,
      ['uid:04A1B2C3D4E5F6'],
    ],
    [
      'fewer bytes than registers, at their beginning',
      { ...two, registers: 4, bits: 56, align: 'left' },
      [0x04a1, 0xb2c3, 0xd4e5, 0xf600],
      null,
      ['uid:04A1B2C3D4E5F6'],
    ],
    [
      'as many bytes as a register says',
      { ...two, registers: 4, bits: { at: 9, counts: 'bytes' }, align: 'left' },
      [0x04a1, 0xb2c3, 0, 0],
      4,
      ['uid:04A1B2C3'],
    ],
  ] as const)('%s', (_, spec, registers, count, expected) => {
    expect(read(card(spec), registers, count)).toEqual(expected);
  });

  it('with their parity bits, or with those that the reader dropped put back', () => {
    const { reader } = shipped('rf-ideas-tcp-reader');
    if (reader === undefined) throw new Error('it is a reader');
    const zeros = Array.from({ length: 11 }, () => 0);
    // The vendor's example shows the number printed on the card, 5607, in the last register.
    expect(read(reader.card, [...zeros, 123, 5607], 24)).toContain('H10301:123:5607');
    // An odd number of bits: the one in the middle counts in both halves.
    const number = 1_234_567_890n;
    const words = [3, 2, 1, 0].map((i) => Number((number >> BigInt(16 * i)) & 0xffffn));
    expect(read(reader.card, [...zeros.slice(2), ...words], 35)).toContain('H10302:1234567890');
    // No such format: left as it came.
    expect(read(reader.card, [...zeros, 1, 2], 31)).toEqual(['raw:31:00020004']);
  });

  it.each([
    ['no bits', 0, /a card of 0 bits, where there is room for 1 to 64/],
    ['more bits than there are', 65, /a card of 65 bits/],
    ['half a byte of a serial number', 36, /3 to 10 whole bytes/],
    ['two bytes of a serial number', 16, /3 to 10 whole bytes/],
  ])('unless they say %s', (_, count, message) => {
    const spec = card({ registers: 4, words: 'hi-lo', kind: 'uid', bits: { at: 9 }, align: 'right' });
    expect(read(spec, [1, 2, 3, 4], count)).toMatch(message);
  });

  it('unless all of them are zero, as after a start', () => {
    expect(read(card(two), [0, 0])).toBe('all bits of the card are zero');
  });

  it('and back, whatever their order', () => {
    const spec = fc.record({
      registers: fc.integer({ min: 2, max: 5 }),
      words: fc.constantFrom('hi-lo', 'lo-hi'),
      bytes: fc.constantFrom('hi-lo', 'lo-hi'),
      align: fc.constantFrom('left', 'right'),
      bits: fc.constant({ at: 9 }),
      kind: fc.constant('wiegand'),
      parity: fc.constantFrom('sent', 'stripped'),
    });
    fc.assert(
      fc.property(spec, fc.integer({ min: 0, max: 255 }), fc.integer({ min: 1, max: 65_535 }), (some, site, number) => {
        const bits = encodeWiegand(`H10301:${site}:${number}`);
        if (bits === null) throw new Error('it has bits');
        const made = registersFromCard(card(some), { kind: 'wiegand', ...bits });
        if (made === null) throw new Error('it fits');
        expect(read(card(some), made.registers, made.count)).toContain(`H10301:${site}:${number}`);
      }),
    );
  });
});

// ---- the profile ----------------------------------------------------------------------------------------------------

const flag = readFileSync(join(import.meta.dirname, 'profiles', 'flag-reader.yaml'), 'utf8');
const counting = readFileSync(join(import.meta.dirname, 'profiles', 'counting-reader.yaml'), 'utf8');

function problemsOf(text: string, from: string, to: string): string {
  if (!text.includes(from)) throw new Error(`the profile does not contain ${from}`);
  return parseProfile(text.replace(from, to), 'acme.yaml')
    .problems.map(({ severity, message, remedy }) => `${severity} ${message} -> ${remedy}`)
    .join('\n');
}

describe('a reader in a profile', () => {
  it('is a reader of cards that entrances can name', () => {
    expect(capabilitiesOf(shipped('inveo-rfid-ind-u4')).readers).toEqual([
      { keypad: false, card: true, feedback: ['granted', 'denied', 'locked_out'], showsLook: false },
    ]);
    expect(capabilitiesOf(shipped('rf-ideas-tcp-reader'))).toMatchObject({
      readers: [
        { keypad: false, card: true, feedback: ['ready', 'granted', 'denied', 'locked_out'], showsLook: false },
      ],
      outputs: [],
      inputs: [],
    });
    expect(capabilitiesOf(shipped('adam-6060')).readers).toEqual([]);
  });

  it('has its addresses brought to the wire', () => {
    expect(shipped('rf-ideas-tcp-reader').reader).toMatchObject({
      sequence: { at: 0 },
      card: { at: 6, bits: { at: 2 } },
      feedback: { granted: [{ at: 0 }, { at: 1 }] },
    });
    const text = flag.replace('reader:', 'addressing: {base: modicon}\nreader:').replaceAll('at: 10', 'at: 4010');
    expect(
      parseProfile(text, 'acme.yaml')
        .problems.map(({ message }) => message)
        .join('\n'),
    ).toMatch(/reader\.flag\.at: 401004 is no address of area coil/);
  });

  it.each([
    [
      'no order of its registers',
      flag,
      'words: hi-lo, ',
      '',
      /reader\.card: it spans 5 registers and does not say which comes first -> add words/,
    ],
    [
      'an order of bytes where there is one',
      flag,
      'bytes_per_register: 1',
      'bytes_per_register: 1, bytes: lo-hi',
      /reader\.card\.bytes: .* -> remove bytes/,
    ],
    [
      'a serial number that is none',
      flag,
      'registers: 5',
      'registers: 12',
      /a serial number of 96 bits -> a serial number has 3 to 10 whole bytes/,
    ],
    [
      'raw bits with a number',
      flag,
      'kind: uid',
      'kind: raw, bits: 26',
      /reader\.card\.bits: raw takes all of the registers/,
    ],
    ['parity of a serial number', flag, 'kind: uid', 'kind: uid, parity: stripped', /reader\.card\.parity: /],
    [
      'more bits than registers',
      counting,
      'bits: {area: input, at: 2}',
      'bits: 65',
      /a card of 65 bits, where there is room for 64/,
    ],
    [
      'a short card without its place',
      counting,
      'align: right',
      'parity: sent',
      /nothing says where it stands -> add align/,
    ],
    [
      'a sequence inside the card',
      counting,
      'sequence: {area: input, at: 0}',
      'sequence: {area: input, at: 8}',
      /reader\.sequence: it stands inside the card/,
    ],
    ['a card past the last address', counting, 'at: 6', 'at: 65534', /its 4 registers end past address 65535/],
    ['a flag that is no coil value', flag, 'at: 1004}', 'at: 1004, clear: 2}', /reader\.flag\.clear: a coil is 0 or 1/],
    ['a look at every moment', flag, 'poll: 25ms', 'poll: 5ms', /reader\.poll: .* -> give at least 20ms/],
    [
      'a held card told again and again',
      flag,
      'debounce: 200ms',
      'debounce: 25ms',
      /reader\.debounce: a card that is held would be shown again/,
    ],
    [
      'a light that opens the door',
      flag,
      'at: 1011',
      'at: 1010',
      /reader\.feedback\.granted\.0: it would drive output 0/,
    ],
    [
      'a light that clears the flag',
      flag,
      'at: 1011',
      'at: 1004',
      /reader\.feedback\.granted\.0: it would touch the flag/,
    ],
    ['a coil with a number', flag, 'at: 1011, value: 1', 'at: 1011, value: 3', /reader\.feedback\.granted\.0/],
    [
      'a function that the device lacks',
      flag,
      'reader:',
      'limits: {functions: [1, 3]}\nreader:',
      /reader\.flag: clearing it needs function 5 or 15/,
    ],
    ['an unknown key', flag, 'poll: 25ms', 'pol: 25ms', /reader\.pol: pol is not known here/],
    ['a shape that there is none of', flag, 'mode: flag-clear', 'mode: fifo', /reader/],
  ])('is refused with %s', (_, text, from, to, message) => {
    const told = problemsOf(text, from, to);
    expect(told).toMatch(message);
    expect(told).toMatch(/^error/m);
  });

  it('is doubted when a person waits long', () => {
    expect(problemsOf(counting, 'poll: 25ms\n  debounce: 200ms', 'poll: 900ms\n  debounce: 2s')).toMatch(
      /^warning .*reader\.poll: so long a person waits/,
    );
  });

  it.each([
    ['look_for_card', 'adam-6060', /the profile has no reader/],
    ['acknowledge_card', 'rf-ideas-tcp-reader', /a reader that counts its cards is not acknowledged/],
    ['feedback, signal: ready', 'inveo-rfid-ind-u4', /nothing is written for ready/],
  ])('needs what its example shows: %s', (verb, name, message) => {
    const text = readFileSync(`${SHIPPED_PROFILES}${name}.yaml`, 'utf8');
    const example = `examples:\n  - {what: x, do: {verb: ${verb}}, request: 01 01 03 EC 00 01 DC 7B}\n`;
    expect(problemsOf(text, 'examples:\n', example)).toMatch(message);
  });
});

describe('a slow bus', () => {
  it('is told when looking at its readers takes most of it', () => {
    const bus = modbusDriver.busSchema.parse({ transport: 'rtu', port: '/dev/ttyS9', baud: 1_200 });
    const config = modbusDriver.controllerSchema.parse({ unit: 1, profile: 'inveo-rfid-ind-u4', input_period: '60s' });
    const { controller } = modbusDriver.prepare('front', bus, config, '/');
    if (controller === null) throw new Error('it is prepared');
    expect(modbusDriver.checkBus('plant', bus, [controller])).toMatchObject([
      { severity: 'warning', message: expect.stringContaining('reading the inputs and readers takes') as unknown },
    ]);
  });
});
