import { describe, expect, it } from 'vitest';
import { readdirSync, readFileSync } from 'node:fs';
import { checkExamples } from '../../../drivers/modbus/examples.ts';
import { capabilitiesOf } from '../../../drivers/modbus/capabilities.ts';
import { loadProfile, parseProfile, SHIPPED_PROFILES, wireAddress } from '../../../drivers/modbus/profile.ts';
import { systemClock } from '../../../src/ops/clock.ts';

const shipped = readdirSync(SHIPPED_PROFILES).map((file) => file.replace(/\.yaml$/, ''));
const plc = readFileSync(`${SHIPPED_PROFILES}plc-door-2.yaml`, 'utf8');

/** All problems of a text, as an installer reads them. */
const told = (text: string): string =>
  parseProfile(text, 'acme.yaml')
    .problems.map(({ message, remedy }) => `${message} -> ${remedy}`)
    .join('\n');

/** Changes the shipped PLC profile at one place. */
const changed = (from: string, to: string): string => {
  if (!plc.includes(from)) throw new Error(`the profile does not contain ${from}`);
  return plc.replace(from, to);
};

describe('shipped profiles', () => {
  it.each(shipped)('%s has nothing to complain of', (name) => {
    const { problems, profile } = loadProfile(name, '/');
    expect(problems).toEqual([]);
    expect(profile?.id).toBe(name);
    expect(profile?.examples.length).toBeGreaterThan(0);
  });

  it.each(shipped)('%s sends the frames of its manual', async (name) => {
    const { profile } = loadProfile(name, '/');
    if (profile === null) throw new Error('it loads');
    expect(await checkExamples(profile, systemClock)).toEqual([]);
  });

  it('say what the device can do', () => {
    const { profile } = loadProfile('plc-door-2', '/');
    if (profile === null) throw new Error('it loads');
    expect(capabilitiesOf(profile)).toMatchObject({
      slots: {
        firstSlot: 0,
        count: 500,
        pin: { lengths: [4, 5, 6, 7, 8] },
        cardFormats: ['H10301', 'H10306', 'C1000-35', 'H10302', 'H10304', 'C1000-48', 'raw', 'uid'],
        windows: 'from-until',
        windowResolutionMs: 1_000,
        oneTimeUse: true,
        slotsPerWrite: 12,
      },
      doors: [
        { door: 1, strike: 0, contact: 0, rex: 1 },
        { door: 2, strike: 1, contact: 2, rex: 3 },
      ],
      clock: true,
      events: true,
    });
  });
});

describe('a mistake in a profile', () => {
  it.each([
    [
      'an unknown key',
      'stride: 10',
      'strid: 10',
      /acme\.yaml:\d+: credentials\.table\.strid: strid is not known here -> /,
    ],
    [
      'a missing key',
      'stride: 10, ',
      '',
      /credentials\.table\.stride: it is missing -> add it: a whole number from 1 to 123$/m,
    ],
    [
      'a value that is none',
      'words: hi-lo, digits',
      'words: big, digits',
      /pin\.words: expected one of hi-lo, lo-hi, found "big" -> write one of hi-lo, lo-hi/,
    ],
    [
      'a number too small',
      'stride: 10',
      'stride: 0',
      /stride: expected a whole number from 1 to 123, found 0 -> write/,
    ],
    ['a word nearly right', 'words: hi-lo, digits', 'words: hi_lo, digits', /found "hi_lo" -> did you mean hi-lo\?/],
    [
      'a shape that there is none of',
      'mode: ring',
      'mode: heap',
      /events\.mode: expected one of flag-clear, sequence, fifo, ring, found "heap"/,
    ],
    ['a duration without its unit', 'turnaround_max: 150ms', 'turnaround_max: 150', /transport\.turnaround_max/],
    ['overlapping fields', 'from: {at: 6', 'from: {at: 5', /it overlaps pin at register 5, bit 0 -> move one of them/],
    [
      'a record longer than its slot',
      'stride: 10',
      'stride: 9',
      /stride: a record is 10 registers long, a slot only 9 -> set stride to 10/,
    ],
    ['a table past the last address', 'base: 1000', 'base: 62000', /its 5000 registers end past address 65535 -> /],
    [
      'digits that do not fit',
      'digits: [4, 8]',
      'digits: [4, 9]',
      /pin\.digits: 9 digits do not fit, there is room for 8 -> /,
    ],
    ['a filling that is a digit', 'pad: 0xF', 'pad: 0', /0123 and 123, say -> use a filling that is no digit/],
    [
      'a number that does not say its order',
      'type: u48, words: hi-lo',
      'type: u48',
      /it spans 3 registers and does not say which comes first -> add words/,
    ],
    [
      'a card that does not fit',
      'type: u48, words: hi-lo, format: [raw, uid4]',
      'type: u32, words: hi-lo, format: w37',
      /w37 needs 35 bits, there is room for 32/,
    ],
    [
      'raw bits without their number',
      'card_width: {at: 0, bits: {lo: 10, width: 6}}',
      '',
      /raw bits without their number of bits are not one card/,
    ],
    ['flags that share a bit', 'pin: 2, card_and_pin: 3', 'pin: 2, card_and_pin: 2', /two flags share a bit/],
    ['enabling before writing', '[payload, enable]', '[enable, payload]', /it enables before the payload is written/],
    ['a door that does not exist', 'rex: 3', 'rex: 9', /doors\.1\.rex: there is no such input -> give 0 to 4/],
    ['a ring that its counter skips', 'count: 64', 'count: 60', /a counter of 16 bits jumps/],
    [
      'a clock without minutes',
      '[yyyy, mm, dd, hh, mi, ss]',
      '[yyyy, mm, dd, hh, ss, wd]',
      /clock\.order: it must name each part once/,
    ],
    [
      'a function that the device lacks',
      'functions: [1, 2, 3, 4, 5, 6, 15, 16]',
      'functions: [1, 3, 4, 5, 6, 15, 16]',
      /area discrete needs function 2/,
    ],
    [
      'a pulse that does not fit',
      'unit: 100ms, min: 100ms, max: 10m',
      'unit: 1ms, min: 100ms, max: 10m',
      /so long a pulse does not fit into 16 bits/,
    ],
    [
      'two outputs at one coil',
      '{kind: coil, at: 1, pulse',
      '{kind: coil, at: 0, pulse',
      /outputs\.1: it would drive output 0 as well/,
    ],
    ['two outputs with one pulse', 'at: 17, unit', 'at: 16, unit', /outputs\.1: it would drive output 0 as well/],
    [
      'an example of an output that is not there',
      'verb: pulse, output: 0',
      'verb: pulse, output: 7',
      /examples\.0\.do: there is no such output/,
    ],
    [
      'an example of a slot that is not there',
      'verb: erase_slot, slot: 0',
      'verb: erase_slot, slot: 500',
      /examples\.3\.do: there is no such slot/,
    ],
    ['an example that is no frame', '01 06 00 10 00 32 09 DA', 'pulse', /examples\.0\.request/],
  ])('is told with its place and a remedy: %s', (_, from, to, expected) => {
    expect(told(changed(from, to))).toMatch(expected);
    expect(parseProfile(changed(from, to), 'acme.yaml').profile).toBe(null);
  });

  it('is told when none of its PINs can keep a rule', () => {
    const text = changed('digits: [4, 8]', 'digits: [1, 2]').replace(
      'pin_without_card: true',
      'pin_without_card: true, code_constraints: [at_least_three_unique_digits]',
    );
    expect(told(text)).toMatch(
      /code_constraints: no PIN of 2 digits has three different ones -> leave at_least_three_unique_digits out/,
    );
    const known = changed('pin_without_card: true', 'pin_without_card: true, code_constraints: [no_zeros]');
    expect(told(known)).toBe('');
    const { profile } = parseProfile(known, 'acme.yaml');
    expect(profile === null ? null : capabilitiesOf(profile).slots?.pin?.constraints).toEqual(['no_zeros']);
  });

  it('is told when a window has no clock to go by', () => {
    const text = plc.replace(/^clock:\n(?: {2}.*\n)+/m, '');
    expect(told(text)).toMatch(
      /record\.from: a window means nothing to a device whose clock cannot be set -> describe clock/,
    );
  });

  it.each([
    ['fifo', 'registers: 3, count: {area: holding, at: 50}, pop: {at: 42, value: 1}', /events\.pop: it stands inside/],
    [
      'fifo',
      'registers: 3, count: {area: holding, at: 40}, pop: {at: 50, value: 1}',
      /events\.count: it stands inside/,
    ],
    [
      'fifo',
      'registers: 3, count: {area: holding, at: 50}, pop: {at: 50, value: 1}',
      /events\.pop: .* register of count/,
    ],
    ['sequence', 'registers: 3, sequence: {area: holding, at: 42}', /events\.sequence: it stands inside/],
    [
      'ring',
      'stride: 3, count: 4, head: {area: holding, at: 51}, tail: {at: 60}, indices: slot',
      /events\.head: it stands inside/,
    ],
    [
      'ring',
      'stride: 3, count: 4, head: {area: holding, at: 39}, tail: {at: 51}, indices: slot',
      /events\.tail: it stands inside/,
    ],
    [
      'ring',
      'stride: 3, count: 4, head: {area: holding, at: 39}, tail: {at: 39}, indices: slot',
      /events\.tail: it is the register of head/,
    ],
  ])('is told when the registers of an event log overlap: %s with %s', (mode, places, expected) => {
    const withEvents = (places: string): string =>
      plc.replace(
        /^events:\n(?: {2}.*\n)+/m,
        `events: {mode: ${mode}, area: holding, base: 40, ${places}, record: {code: {at: 0, map: {1: granted}}}}\n`,
      );
    expect(told(withEvents(places))).toMatch(expected);
    expect(parseProfile(withEvents(places), 'acme.yaml').profile).toBe(null);
    // What stands beside the events, each for itself, is no overlap.
    let next = 38;
    expect(told(withEvents(places.replaceAll(/\bat: [0-9]+/g, () => `at: ${next++}`)))).toBe('');
  });

  it('names the line it stands in', () => {
    const line = plc.split('\n').findIndex((text) => text.includes('stride: 10')) + 1;
    expect(told(changed('stride: 10', 'stride: 9'))).toContain(`acme.yaml:${line}: `);
  });

  it('does not hide the others', () => {
    const text = changed('stride: 10', 'stride: 9')
      .replace('digits: [4, 8]', 'digits: [4, 9]')
      .replace('rex: 3', 'rex: 9');
    expect(parseProfile(text, 'acme.yaml').problems.length).toBe(3);
  });

  it('may be broken YAML or no file at all', () => {
    expect(told('schema: [')).toMatch(/acme\.yaml:1: .*correct the YAML/);
    expect(loadProfile('no-such-board', '/').problems[0]).toMatchObject({ severity: 'error', path: ['profile'] });
    expect(loadProfile('./nowhere.yaml', '/tmp').problems[0]?.message).toContain('/tmp/nowhere.yaml');
  });

  it('may be a doubt only', () => {
    const { problems, profile } = parseProfile(changed('[payload, enable]', '[payload]'), 'acme.yaml');
    expect(problems).toMatchObject([{ severity: 'warning' }]);
    expect(profile).not.toBe(null);
  });
});

describe('an example that the driver does not send', () => {
  it('is told with what it sends instead', async () => {
    const { profile } = parseProfile(changed('01 06 00 10 00 32 09 DA', '01 06 00 10 00 33 C8 1A'), 'acme.yaml');
    if (profile === null) throw new Error('it loads');
    expect(await checkExamples(profile, systemClock)).toMatchObject([
      { path: ['examples', 0, 'request'], message: expect.stringContaining('01 06 00 10 00 32 09 DA') as unknown },
    ]);
  });
});

describe('addresses', () => {
  it('are written as the manual counts', () => {
    expect(wireAddress(0, 'holding', 0)).toBe(0);
    expect(wireAddress(1, 'holding', 1)).toBe(0);
    expect(wireAddress('modicon', 'holding', 40_001)).toBe(0);
    expect(wireAddress('modicon', 'holding', 400_001)).toBe(0);
    expect(wireAddress('modicon', 'holding', 465_536)).toBe(65_535);
    expect(wireAddress('modicon', 'input', 30_101)).toBe(100);
    expect(wireAddress('modicon', 'discrete', 10_001)).toBe(0);
    expect(wireAddress('modicon', 'coil', 17)).toBe(16);
    expect(wireAddress(1, 'coil', 0)).toBe(null);
    expect(wireAddress('modicon', 'holding', 30_001)).toBe(null);
  });

  it('of every kind are brought to the wire', () => {
    const modicon = parseProfile(
      `schema: lintel.controller/1
id: adam
title: ADAM
provenance: {status: vendor-doc, source: manual}
addressing: {base: modicon}
transport: {kinds: [tcp]}
limits: {functions: [1, 3, 5]}
identity: {at: 40211, expect: [0x6060]}
outputs: [{kind: coil, at: 17}]
inputs: [{area: coil, at: 1}]
`,
      'adam.yaml',
    ).profile;
    expect(modicon).toMatchObject({ identity: { at: 210 }, outputs: [{ at: 16 }], inputs: [{ at: 0 }] });
  });
});
