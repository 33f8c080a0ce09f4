import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SHIPPED_PROFILES, shippedNames } from '../../drivers/modbus/profile.ts';
import { startModbusDevices, type ModbusSimulator } from '../../drivers/modbus/simulator.ts';
import type { SimulatedUnit } from '../../drivers/modbus/simulator-unit.ts';
import { portOpener } from '../../drivers/serial-port.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { freePort, openPtyPair } from '../support/ports.ts';
import { temporaryFolder } from '../support/store.ts';
import { say } from './lintel.ts';

const plc = readFileSync(join(SHIPPED_PROFILES, 'plc-door-2.yaml'), 'utf8');

/** The PLC's profile with one thing changed, as a file of the installer's own. */
function changed(...changes: readonly (readonly [string, string])[]): string {
  const file = join(temporaryFolder(), 'acme.yaml');
  const text = changes.reduce((before, [from, to]) => {
    if (!before.includes(from)) throw new Error(`the profile does not contain ${from}`);
    return before.replace(from, to);
  }, plc);
  writeFileSync(file, text);
  return file;
}

describe('lintel profile test', () => {
  it.each(shippedNames())('%s passes, on a device made from it', async (name) => {
    const { code, stdout, stderr } = await say('profile', 'test', name);
    expect([stdout, stderr, code]).toEqual([expect.stringMatching(/\ngood\n$/), '', 0]);
    expect(stdout).toMatch(/✓ (outputs +\d+ switch on and off|reader +cards are read)/);
  });

  it('tells machines the same', async () => {
    const { code, stdout } = await say('profile', 'test', 'plc-door-1', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: true,
      profile: 'plc-door-1',
      findings: [
        { what: 'form and sense', state: 'good' },
        { what: 'provenance', state: 'info' },
        { what: 'frames of the manual', state: 'good' },
        { what: 'there and back', state: 'good' },
        { what: 'outputs', state: 'good' },
        { what: 'inputs', state: 'good' },
        { what: 'slots', state: 'good', said: '200 written, read back, erased' },
      ],
    });
  });

  it.each([
    ['a misspelt key', ['stride: 10', 'strid: 10'], /acme\.yaml:\d+: credentials\.table\.strid: strid is not known/],
    ['fields that overlap', ['from: {at: 6', 'from: {at: 5'], /it overlaps pin at register 5/],
    [
      'another address than in the manual',
      ['{kind: coil, at: 0, pulse: {area: holding, at: 16', '{kind: coil, at: 0, pulse: {area: holding, at: 18'],
      /examples\.0\.request: .*the driver sends 01 06 00 12/,
    ],
    [
      'a wrong word order',
      ['type: nibbles, registers: 2, words: hi-lo', 'type: nibbles, registers: 2, words: lo-hi'],
      /examples\.2\.request/,
    ],
  ] as const)('%s: exit code 1, and the place', async (_, change, message) => {
    const { code, stdout } = await say('profile', 'test', changed(change));
    expect(code).toBe(1);
    expect(stdout).toMatch(message);
    expect(stdout).toMatch(/not good/);
  });

  it('finds PINs that would become each other', async () => {
    const file = changed(['pad: 0xF, align: left', 'pad: 0, align: right']);
    const { code, stdout } = await say('profile', 'test', file);
    expect(code).toBe(1);
    expect(stdout).toMatch(/credentials\.record\.pin: digits of different number become the same registers/);
  });

  it('finds a field that is too small for what goes into it', async () => {
    const file = changed([
      'card_width: {at: 0, bits: {lo: 10, width: 6}}',
      'card_width: {at: 0, bits: {lo: 10, width: 4}}',
    ]);
    const { code, stdout } = await say('profile', 'test', file);
    expect(code).toBe(1);
    expect(stdout).toMatch(/✗ there and back +1000 tried/);
    expect(stdout).toMatch(/the number of bits of a card does not fit into card_width/);
  });

  it('shows cards at the reader that a profile describes', async () => {
    const { code, stdout } = await say('profile', 'test', 'inveo-rfid-ind-u4', '--json');
    expect(code).toBe(0);
    const { findings } = JSON.parse(stdout) as { findings: unknown[] };
    expect(findings).toContainEqual(expect.objectContaining({ what: 'cards there and back', state: 'good' }));
    expect(findings).toContainEqual(
      expect.objectContaining({ what: 'reader', state: 'good', said: 'cards are read, outcomes shown' }),
    );
  });

  it('says which profiles there are where there is none of that name', async () => {
    const { code, stderr } = await say('profile', 'test', 'plc-door-3');
    expect(code).toBe(2);
    expect(stderr).toMatch(/^lintel: there is no profile plc-door-3\. Remedy: give one of .*plc-door-1, plc-door-2/);
  });

  it('ends with 2 for a file that is not there, and repeats nothing of one that is no profile', async () => {
    const folder = temporaryFolder();
    for (const verb of [['test'], ['probe', '--host', '127.0.0.1:1']]) {
      const missing = await say('profile', ...verb, join(folder, 'acme.yaml'));
      expect(missing.code).toBe(2);
      expect(missing.stderr).toMatch(/acme\.yaml\. Remedy: correct the path; it counts from \//);
      const isFolder = await say('profile', ...verb, `${folder}/`);
      expect(isFolder).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('is a folder. Remedy: name') as unknown,
      });
    }
    const key = join(folder, 'master.key');
    writeFileSync(key, '5f3a9cd1\n');
    const none = await say('profile', 'test', key);
    expect(none.code).toBe(1);
    expect(none.stdout).toContain('master.key: this is no profile. Remedy: begin with `schema: lintel.controller/1`');
    expect(`${none.stdout}${none.stderr}`).not.toContain('5f3a9cd1');
  });
});

// ---- on site --------------------------------------------------------------------------------------------------------

type Site = { simulator: ModbusSimulator; device: SimulatedUnit; where: string[] };

async function site(profile: string, kind: 'tcp' | 'serial' = 'tcp'): Promise<Site> {
  const pty = kind === 'serial' ? await openPtyPair() : null;
  const openPort = portOpener(systemClock);
  const simulator = await startModbusDevices({
    listen:
      pty === null ? { kind: 'tcp', port: 0 } : { kind: 'serial', path: pty.b, openPort, baud: 19_200, parity: 'even' },
    units: [{ unit: 3, profile }],
    clock: systemClock,
  });
  onTestFinished(async () => {
    await simulator.close();
    await pty?.close();
  });
  const place = pty !== null ? ['--port', pty.a] : ['--host', `127.0.0.1:${simulator.port}`];
  return { simulator, device: simulator.unit(3), where: [...place, '--unit', '3'] };
}

/** Nothing but reads has come. */
function wasOnlyRead(device: SimulatedUnit): void {
  expect(device.requests.length).toBeGreaterThan(0);
  expect(device.requests.filter((pdu) => (pdu[0] ?? 0) > 4)).toEqual([]);
  expect(device.outputChanges).toEqual([]);
}

/** A card and a PIN as another tool may have left them there: slot 0 and slot 1. */
function fill(device: SimulatedUnit): void {
  device.memory.write('holding', 1000, [0x6903, 0, 0x02f7, 0x64dd, 0xffff, 0xffff, 0x69a4, 0x5470, 0x69a6, 0xbf30]);
  device.memory.write('holding', 1010, [0x0205, 0, 0, 0, 0x0824, 0x75ff, 0, 0, 0xffff, 0xffff]);
}

describe('lintel profile probe', () => {
  it('shows identity, settings, clock, inputs and slots, with PINs masked, and only reads', async () => {
    const { device, where } = await site('plc-door-2');
    fill(device);
    device.setInput(0, true);
    const { code, stdout, stderr } = await say('profile', 'probe', 'plc-door-2', ...where, '--slots', '3');
    expect([stderr, code]).toEqual(['', 0]);
    expect(stdout).toMatch(/✓ identity +4C4E:0201/);
    expect(stdout).toMatch(/✓ clock +20\d\d-.*, \d+ s (behind|ahead of) this machine/);
    expect(stdout).toMatch(/✓ inputs +active: 0$/m);
    expect(stdout).toMatch(/slot 0: card .*, doors? 1, 2026-03-01T15:00:00.000Z to 2026-03-03T11:00:00.000Z/);
    expect(stdout).toMatch(/slot 1: PIN \*{6}, door 2$/m);
    expect(stdout).toMatch(/slot 2: empty/);
    expect(stdout).not.toContain('082475');
    wasOnlyRead(device);
  });

  it('does so on a serial line, and tells machines the same', async () => {
    const { device, where } = await site('plc-door-2', 'serial');
    fill(device);
    const { code, stdout } = await say('profile', 'probe', 'plc-door-2', ...where, '--json');
    expect(code).toBe(0);
    const answer: unknown = JSON.parse(stdout);
    expect(answer).toMatchObject({ ok: true, profile: 'plc-door-2' });
    expect(stdout).not.toContain('082475');
    wasOnlyRead(device);
  });

  it('knows another device by its identity, and exits with 1', async () => {
    const { device, where } = await site('plc-door-2');
    device.memory.write('holding', 0, [0x4143, 0x0100]);
    const { code, stdout } = await say('profile', 'probe', 'plc-door-2', ...where);
    expect(code).toBe(1);
    expect(stdout).toMatch(/✗ identity +another device: expected 4C4E:0201, found 4143:0100/);
    wasOnlyRead(device);
  });

  it('shows the card that waits at a reader, by all that it may stand for, and leaves it there', async () => {
    const { device, where } = await site('rf-ideas-tcp-reader');
    const before = await say('profile', 'probe', 'rf-ideas-tcp-reader', ...where);
    expect(before.stdout).toMatch(/✓ reader +0 cards counted/);
    device.reader?.present('H10301:123:45678');
    const { code, stdout } = await say('profile', 'probe', 'rf-ideas-tcp-reader', ...where);
    expect(code).toBe(0);
    expect(stdout).toMatch(/✓ reader +1 cards counted\n +card: H10301:123:45678 or raw:26:BDD93740/);
    wasOnlyRead(device);
  });

  it('tells a card that is none from one that is', async () => {
    const file = join(temporaryFolder(), 'tcp-reader.yaml');
    const text = readFileSync(join(SHIPPED_PROFILES, 'inveo-rfid-ind-u4.yaml'), 'utf8');
    writeFileSync(file, text.replace('kinds: [rtu, rtu-over-tcp]', 'kinds: [rtu, tcp]'));
    const { device, where } = await site(file);
    expect((await say('profile', 'probe', file, ...where)).stdout).toMatch(/✓ reader +no card waits: show one/);
    device.reader?.presentRegisters([0x0a00, 0xb1c2, 0, 0, 1], null);
    const { code, stdout } = await say('profile', 'probe', file, ...where);
    expect(code).toBe(1);
    expect(stdout).toMatch(/✗ reader +a card waits; it is left there\n.*bytes_per_register may be 2/);
    expect(device.reader?.flagged).toBe(true);
    wasOnlyRead(device);
  });

  it('names a setting that would let an input drive a strike', async () => {
    const { device, where } = await site('waveshare-io-8ch');
    device.memory.set('holding', 0x1002, 1);
    const { code, stdout } = await say('profile', 'probe', 'waveshare-io-8ch', ...where);
    expect(code).toBe(1);
    expect(stdout).toMatch(/✗ setting +an output is not in mode 0/);
    wasOnlyRead(device);
  });

  it('warns of a clock that is wrong by an hour', async () => {
    const { device, where } = await site('plc-door-2');
    device.setTime(systemClock.nowMs() + 3_600_000);
    const { code, stdout } = await say('profile', 'probe', 'plc-door-2', ...where);
    expect(code).toBe(0);
    expect(stdout).toMatch(/! clock +.*, (3599|3600|3601) s ahead of this machine/);
  });

  it('says in time that nobody answers, and what to check', async () => {
    const port = await freePort();
    const { code, stdout } = await say(
      'profile',
      'probe',
      'adam-6060',
      '--host',
      `127.0.0.1:${port}`,
      '--timeout',
      '500ms',
    );
    expect(code).toBe(1);
    expect(stdout).toMatch(/✗ device +not reached: /);
    expect(stdout).toMatch(/check the address/);
  });

  it.each([
    [['profile'], 'test or probe?'],
    [['profile', 'prob', 'x'], 'did you mean probe?'],
    [['profile', 'test'], 'which profile? Usage: lintel profile test'],
    [['profile', 'probe', 'plc-door-2'], 'give either --port or --host'],
    [['profile', 'probe', 'plc-door-2', '--host', 'a', '--port', 'b'], 'give either --port or --host'],
    [['profile', 'probe', 'plc-door-2', '--host', 'a', '--baud', '9600'], '--baud and --parity belong to --port'],
    [['profile', 'probe', 'plc-door-2', '--host', 'a:99999'], '--host: a name or an address'],
    [['profile', 'probe', 'plc-door-2', '--port', 'b', '--parity', 'mark'], '--parity: one of none, even, odd'],
    [['profile', 'probe', 'plc-door-2', '--host', 'a', '--timeout', '5'], '--timeout: a duration'],
    [['profile', 'probe', 'plc-door-2', '--host', 'a', '--unit', '248'], '--unit: a whole number from 1 to 247'],
  ])('lintel %j: %s', async (args, message) => {
    const { code, stderr } = await say(...args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});
