import { SimulatedCard } from '../../drivers/osdp/simulated-card.ts';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Serving } from '../../src/cli/serve.ts';
import { main } from '../../src/cli/main.ts';
import { HOME } from '../../src/cli/version.ts';
import { online, raiseOsdpSite, type OsdpSite } from '../support/osdp-site.ts';
import { until } from '../support/ports.ts';
import { launch, say, type Ended } from './lintel.ts';

const READERS = ['front-reader', 'vault-reader', 'stock-reader', 'office-reader'] as const;

type Asked = { site: OsdpSite; serving: Serving; ask: (...args: string[]) => Promise<Ended> };

async function asked(...given: Parameters<typeof raiseOsdpSite>): Promise<Asked> {
  const site = await raiseOsdpSite(...given);
  const serving = await site.serve();
  const missing = Object.keys(given[0] ?? {});
  await online(
    site,
    serving,
    READERS.filter((name) => !missing.includes(name)),
  );
  return { site, serving, ask: (...args) => say('osdp', ...args, '--socket', site.socket) };
}

describe('lintel osdp status', () => {
  it('tells how each reader is, with exit code 1 while one is away', async () => {
    const { ask } = await asked({ 'front-reader': { key: null } });
    const all = await ask('status');
    expect(all.code).toBe(1);
    expect(all.stdout).toMatch(/front-reader {2}offline[\s\S]*lintel osdp install front-reader/);
    expect(all.stdout).toContain('vault-reader  online, under its own key');
    expect(all.stdout).toContain('stock-reader  online, in the clear');
    const one = await ask('status', 'vault-reader', '--json');
    expect(one.code).toBe(0);
    expect(JSON.parse(one.stdout)).toMatchObject({
      readers: [{ reader: 'vault-reader', bus: 'north', address: 2, online: true, secured: true, problem: null }],
    });
  });

  it('says which readers there are to whoever names another', async () => {
    const { ask } = await asked();
    expect(await ask('status', 'valt-reader')).toMatchObject({
      code: 1,
      stderr: 'lintel: there is no OSDP reader valt-reader: did you mean vault-reader?\n',
    });
    expect(await ask('rotate', 'relay-board')).toMatchObject({
      code: 1,
      stderr: 'lintel: relay-board is no OSDP reader\n',
    });
    expect((await ask('rotate', 'stock-reader')).stderr).toContain('secure_channel: none');
  });
});

describe('lintel osdp install', () => {
  it('says what it sees, and closes the window on Ctrl-C', async () => {
    const site = await raiseOsdpSite({ 'front-reader': { key: null } });
    const serving = await site.serve();
    await online(site, serving, ['vault-reader']);
    const running = launch(['osdp', 'install', 'front-reader', '--socket', site.socket]);
    await running.says(/window of front-reader is open for 5 min\.[\s\S]*is it in install mode\?/);
    expect(await running.signal('SIGINT')).toBe(1);
    const events = launch(['events', '--type', 'device.install_window_opened', '--socket', site.socket], {
      env: { TZ: 'Asia/Tokyo' },
    });
    expect(await events.ended).toBe(0);
    // Both instants of its line in the building's time zone.
    expect(events.stdout()).toMatch(/ (\+0[12]:00) {2}device\.install_window_opened .*until=\S+ \S+ \1\n/);
    const reader = site.reader('front-reader');
    reader.installMode = true;
    await until(() => reader.count('CHLNG') > 0, 'the last attempt has been made');
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect([reader.count('KEYSET'), reader.key]).toEqual([0, null]);
  });

  it('changes nothing at a reader that has its key, says of no window that it is open, and refuses one of hours', async () => {
    const { site, ask } = await asked();
    const before = site.reader('front-reader').key;
    expect(await ask('install', 'front-reader')).toMatchObject({ code: 0, stderr: '' });
    expect(await ask('install', 'relay-board')).toMatchObject({
      code: 1,
      stderr: 'lintel: relay-board is no OSDP reader\n',
    });
    expect(await ask('install', 'front-reader', '--json')).toMatchObject({
      code: 0,
      stdout: '{"reader":"front-reader","outcome":"already_installed"}\n',
    });
    expect(site.reader('front-reader').key).toEqual(before);
    expect((await ask('install', 'front-reader', '--minutes', '120')).code).toBe(2);
  });
});

describe('lintel osdp rotate', () => {
  it('gives a reader another key, which both sides have after it', async () => {
    const { site, serving, ask } = await asked();
    const before = site.reader('front-reader').key;
    expect(await ask('rotate', 'front-reader')).toMatchObject({ code: 0, stdout: 'front-reader has a new key\n' });
    expect(site.reader('front-reader').key).not.toEqual(before);
    await online(site, serving, ['front-reader']);
    expect(serving.agent.store?.readerKeys.load('front-reader')).toMatchObject({
      active: site.reader('front-reader').key,
      pending: null,
    });
    expect(await site.event('device.key_installed')).toMatchObject({ device: 'front-reader', how: 'rotated' });
  });
});

describe('lintel osdp forget', () => {
  it('throws a key away with a trace, and the reader is out of service until it is installed anew', async () => {
    const { site, serving, ask } = await asked();
    expect(await ask('forget', 'front-reader')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('forgotten'),
    });
    expect(await site.event('device.key_forgotten')).toMatchObject({ device: 'front-reader' });
    expect(await site.event('device.disconnected')).toMatchObject({
      device: 'front-reader',
      message: expect.stringContaining('lintel osdp install front-reader'),
    });
    expect(serving.agent.store?.readerKeys.load('front-reader')).toMatchObject({ active: null, pending: null });
    site.reader('front-reader').installMode = true;
    expect(await ask('install', 'front-reader')).toMatchObject({ code: 0 });
    expect(serving.agent.store?.readerKeys.load('front-reader').active).toEqual(site.reader('front-reader').key);
  });
});

describe('a card that lies at a reader', () => {
  it('is held, read and has it sign', async () => {
    const { site, ask } = await asked();
    const reader = site.reader('front-reader');
    const there = new SimulatedCard();
    there.objects.set('5FC102', Buffer.from('3019D4E7', 'hex'));
    there.sign = (algorithm, key, data) => Buffer.concat([Buffer.from([algorithm, key]), data]);
    reader.card = there;
    const told = reader.count('RSTAT');
    reader.powerCycle();
    await until(() => reader.count('RSTAT') > told, 'it to be met anew');
    expect(await ask('keep-active', 'front-reader', '--ms', '4000')).toMatchObject({ code: 0 });
    expect(there.keptMs).toBe(4_000);
    expect(await ask('piv-data', 'front-reader', '--object', '5FC102')).toMatchObject({
      code: 0,
      stdout: '3019d4e7\n',
    });
    const signed = ['--algorithm', '7', '--key', '158', '--data', 'AABB'];
    expect(await ask('authenticate', 'front-reader', ...signed)).toMatchObject({
      code: 0,
      stdout: '079eaabb\n',
      stderr: '',
    });
    const longer = ['--algorithm', '7', '--extended-key', '019E', '--data', 'AABB'];
    expect((await ask('authenticate', 'front-reader', ...longer)).stderr).toContain('keys of one byte only');
    expect((await ask('authenticate', 'front-reader', ...longer, '--key', '1')).stderr).toContain('one of the two');
    expect((await ask('card-pin', 'front-reader')).stderr).toContain('no PIN of a card can be typed at it');
    expect(await ask('abort', 'front-reader')).toMatchObject({ code: 0 });
    expect((await ask('piv-data', 'front-reader', '--object', 'xyz')).stderr).toContain('--object: hexadecimal digits');
  });
});

describe('lintel osdp verified', () => {
  it('prints the card without an agent: counts, and a profile case by case', async () => {
    const counts = await say('osdp', 'verified');
    expect(counts).toMatchObject({ code: 0, stdout: expect.stringContaining('secure channel') });
    const card = await say('osdp', 'verified', 'secure-channel');
    expect(card.stdout).toContain('070-17-02  required  yes');
    for (const profile of [
      'basic',
      'secure-channel',
      'bio-match',
      'bio-read',
      'extended-packet',
      'extended-read-write',
    ])
      expect((await say('osdp', 'verified', profile)).stdout).not.toMatch(/required {2}not offered/);
    expect((await say('osdp', 'verified', 'secure-chanel')).stderr).toContain('did you mean secure-channel?');
  });
});

describe('a key that is changed', () => {
  it('is told of also when whoever asked for it is gone', async () => {
    const { site, serving } = await asked();
    const gone = { stream: () => Promise.reject(new Error('gone')), signal: AbortSignal.abort() };
    await serving.agent.operations['osdp']?.handle({ action: 'rotate', reader: 'front-reader' }, gone);
    expect(await site.event('device.key_installed')).toMatchObject({ device: 'front-reader', how: 'rotated' });
  });
});

describe('lintel osdp import-key', () => {
  const KEY = 'C3A1F05E77120B9D4408EE6AB1D2937F';

  it('takes over the key that a reader proves to have, from a file or standard input', async () => {
    const { site, serving, ask } = await asked({ 'front-reader': { key: null } });
    site.reader('front-reader').key = Buffer.from(KEY, 'hex');
    const file = join(site.folder, 'front.key');
    writeFileSync(file, `${KEY.match(/../g)?.join(':') ?? ''}\n`, { mode: 0o600 });
    const taken = await ask('import-key', 'front-reader', '--file', file);
    expect(taken).toMatchObject({ code: 0, stderr: '' });
    expect(taken.stdout).toContain(`Delete ${file}`);
    await online(site, serving, ['front-reader']);
    const again = launch(['osdp', 'import-key', 'front-reader', '--file', '-', '--socket', site.socket], {
      input: KEY,
    });
    expect(await again.ended).toBe(0);
    expect(`${again.stdout()}${again.stderr()}${taken.stdout}`).not.toMatch(new RegExp(KEY, 'i'));
  });

  it('refuses a key that the reader has not, that is weak, or that is none, and never repeats it', async () => {
    const { site, serving, ask } = await asked();
    const before = serving.agent.store?.readerKeys.load('front-reader');
    const file = join(site.folder, 'front.key');
    for (const [text, exitCode, problem] of [
      [KEY, 1, 'has the key that Lintel holds for it already: the imported one is another, and was not kept'],
      ['00112233445566778899AABBCCDDEEFF', 1, 'this key is refused'],
      ['C3A1F05E', 2, '32 hexadecimal digits'],
    ] as const) {
      writeFileSync(file, text, { mode: 0o600 });
      const refused = await ask('import-key', 'front-reader', '--file', file);
      expect(refused).toMatchObject({ code: exitCode, stdout: '' });
      expect(refused.stderr).toContain(problem);
      expect(refused.stderr).not.toContain(text);
    }
    await online(site, serving, ['front-reader']);
    expect(serving.agent.store?.readerKeys.load('front-reader')).toEqual(before);
    expect((await ask('import-key', 'front-reader')).code).toBe(2);
    const missing = await ask('import-key', 'front-reader', '--file', join(site.folder, 'none'));
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain('Remedy: create it with mode 0400, or correct the path');
  });
});

describe('a key that is not that of the reader', () => {
  it('is told as such, not as a reader that lost the key that Lintel has: Lintel has none', async () => {
    const { site, serving, ask } = await asked({ 'front-reader': { key: null } });
    site.reader('front-reader').key = Buffer.from('5D0E7A4493C1286FB2EF90137746AD58', 'hex');
    const file = join(site.folder, 'front.key');
    writeFileSync(file, 'C3A1F05E77120B9D4408EE6AB1D2937F', { mode: 0o600 });
    const refused = await ask('import-key', 'front-reader', '--file', file);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain('the imported key is not that of front-reader, and was not kept. Import the key');
    expect(refused.stderr).not.toContain('that Lintel has');
    expect(serving.agent.store?.readerKeys.load('front-reader')).toMatchObject({ active: null, pending: null });
  });
});

describe('a wrong command line', () => {
  it.each([
    ['manufacturer', 'front-reader', '--oui', 'zz'],
    ['manufacturer', 'front-reader', '--oui', '11223'],
    ['manufacturer', 'front-reader', '--oui', '112233', '--data', 'F'],
    ['address', 'front-reader', '--to', '127'],
    ['address', 'front-reader', '--to', '5', '--baud', '9601'],
    ['scan', 'north', '--baud', '9600'],
    ['scan', 'north', '--to', '5', '--baud', '14400'],
    ['install', 'front-reader', '--minutes', '0'],
    ['rotate', 'front-reader', '--timeout', '5'],
    ['template', 'front-reader', '--out', '/tmp/lintel-never-made', '--type', 'thumb'],
    ['match', 'front-reader', import.meta.filename, '--threshold', '256'],
    ['template', 'front-reader', '--out', '/tmp/lintel-never-made', '--timeout', 'soon'],
    ['transfer', 'front-reader', import.meta.filename, '--type', '256'],
    ['transfer', 'front-reader', import.meta.filename, '--type', '1', '--timeout', '2h'],
  ])('is told with exit code 2, also where no agent is there to be asked: %s %s %s %s', async (...args) => {
    const { code, stdout, stderr } = await say('osdp', ...args, '--socket', '/tmp/lintel-nobody-listens.sock');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^lintel: --\w+/);
    expect(existsSync('/tmp/lintel-never-made')).toBe(false);
  });
});

describe('lintel osdp address and scan', () => {
  it('give a reader another address and say what to write into the facility file', async () => {
    const { site, ask } = await asked();
    expect((await ask('address', 'front-reader', '--to', '2')).stderr).toContain('address 2 is that of vault-reader');
    const moved = await ask('address', 'front-reader', '--to', '9');
    expect(moved).toMatchObject({ code: 0 });
    expect(moved.stdout).toContain('write `address: 9` into the facility file');
    await until(() => site.reader('front-reader').address === 9, 'the reader moved');
    expect(await site.event('device.address_changed')).toMatchObject({ from: 1, to: 9, baud: 115200 });
  });

  it('find the only reader on a line, with a bar for people, and leave a line in service alone', async () => {
    const { site, ask } = await asked();
    expect((await ask('scan', 'north')).stderr).toContain('say so with --alone');
    expect((await ask('scan', 'plant')).stderr).toContain('there is no OSDP bus plant');
    for (const name of READERS) if (name !== 'stock-reader') site.reader(name).address = 126;
    for (const name of READERS) if (name !== 'stock-reader') site.reader(name).baud = 1;
    let [bar, found] = ['', ''];
    const code = await main(['osdp', 'scan', 'north', '--alone', '--to', '0', '--socket', site.socket], {
      out: (text) => void (found += text),
      err: (text) => void (bar += text),
      taken: () => Promise.resolve(),
      whenUnread: () => undefined,
      isTty: true,
      colour: false,
      width: 80,
      env: {},
    });
    expect({ code, found }).toMatchObject({ code: 0 });
    expect(found).toContain('write `address: 0` into the facility file');
    expect(bar).toMatch(/\[[#.]{30}\] +\d+ % {2}9600 baud, address \d+/);
    await until(() => site.reader('stock-reader').address === 0, 'the reader has its address');
  }, 60_000);
});

describe('lintel osdp transfer', () => {
  it('brings a file over whole, in pieces that the socket and the reader can take', async () => {
    const { site, ask } = await asked();
    const reader = site.reader('front-reader');
    reader.bufferBytes = 1400;
    const content = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7 + (i >> 8)) & 0xff));
    const file = join(site.folder, 'firmware.bin');
    writeFileSync(file, content);
    const sent = await ask('transfer', 'front-reader', file, '--type', '128', '--json');
    expect(sent).toMatchObject({ code: 0, stdout: '{"reader":"front-reader","bytes":300000}\n' });
    expect(reader.file?.equals(content)).toBe(true);
    expect(await site.event('device.file_sent')).toMatchObject({
      device: 'front-reader',
      bytes: 300_000,
      file_type: 128,
    });
  }, 60_000);

  it('says why a reader gives it up, and refuses what is no file', async () => {
    const { site, ask } = await asked();
    const file = join(site.folder, 'firmware.bin');
    writeFileSync(file, Buffer.alloc(5_000, 7));
    site.reader('front-reader').fileManners.failAt = 1_000;
    expect(await ask('transfer', 'front-reader', file, '--type', '1')).toMatchObject({
      code: 1,
      stderr: 'lintel: front-reader refused the file: it gave the transfer up\n',
    });
    writeFileSync(file, '');
    expect((await ask('transfer', 'front-reader', file, '--type', '1')).code).toBe(2);
    const missing = await ask('transfer', 'front-reader', join(site.folder, 'none'), '--type', '1');
    expect(missing.code).toBe(2);
    expect(missing.stderr).toMatch(/FILE: \S+none cannot be read: there is no such file\. Remedy: correct the path\n$/);
    expect((await ask('transfer', 'front-reader', file)).stderr).toContain('--type N');
  });
});

describe('lintel osdp template and manufacturer', () => {
  it('write a finger’s template to a file of one’s own, and no file where there is none', async () => {
    const { site, ask } = await asked();
    const reader = site.reader('front-reader');
    const out = join(site.folder, 'finger.bin');
    expect((await ask('template', 'front-reader', '--out', out)).code).toBe(0);
    expect(readFileSync(out).toString()).toBe('simulated finger');
    expect(statSync(out).mode & 0o777).toBe(0o600);
    const again = await ask('template', 'front-reader', '--out', out);
    expect(again.code).toBe(2);
    expect(again.stderr).toContain(
      `${out} cannot be made: it exists already, and nothing is overwritten. Remedy: name`,
    );
    const nowhere = await ask('template', 'front-reader', '--out', join(site.folder, 'none', 'finger.bin'));
    expect(nowhere.code).toBe(2);
    expect(nowhere.stderr).toContain('its folder does not exist. Remedy: make the folder');
    reader.refuses.add('BIOREAD');
    const other = join(site.folder, 'other.bin');
    expect((await ask('template', 'front-reader', '--out', other)).code).toBe(1);
    expect(existsSync(other)).toBe(false);
  });

  it('compare a finger with such a file, by exit code', async () => {
    const { site, ask } = await asked();
    const reader = site.reader('front-reader');
    const out = join(site.folder, 'finger.bin');
    expect((await ask('template', 'front-reader', '--out', out)).code).toBe(0);
    const same = await ask('match', 'front-reader', out);
    expect(same).toMatchObject({ code: 0, stdout: 'it is the same, by 255 of 255\n' });
    reader.sensor.finger = { template: Buffer.from('somebody else') };
    expect(await ask('match', 'front-reader', out)).toMatchObject({ code: 1, stdout: 'it is another, by 0 of 255\n' });
    const { stdout } = await ask('match', 'front-reader', out, '--json');
    expect(JSON.parse(stdout)).toEqual({ reader: 'front-reader', status: 0, score: 0, is_match: false });
    writeFileSync(join(site.folder, 'large.bin'), Buffer.alloc(1_381));
    const large = await ask('match', 'front-reader', join(site.folder, 'large.bin'));
    expect(large.code).toBe(2);
    expect(large.stderr).toContain('a template has 1 to 1380');
  });

  it('pass a vendor’s command through and show its answer', async () => {
    const { site, ask } = await asked();
    site.reader('front-reader').manufacturer = (oui, data) => Buffer.concat([oui, Buffer.from([data.length])]);
    expect(await ask('manufacturer', 'front-reader', '--oui', '112233', '--data', 'AABB')).toMatchObject({
      code: 0,
      stdout: '11223302\n',
    });
  });
});

describe('docs/osdp.md', () => {
  const page = readFileSync(join(HOME, 'docs/osdp.md'), 'utf8');

  it('shows only commands and options that there are', async () => {
    const lines = [...page.matchAll(/^lintel osdp (\S+)(.*?)(?: +#.*)?$/gm)];
    expect(lines.length).toBeGreaterThan(7);
    for (const [line, verb = '', rest = ''] of lines) {
      const help = await say('osdp', verb, '--help');
      expect([line, help.stdout]).toEqual([line, expect.stringContaining(`lintel osdp ${verb} `)]);
      for (const option of rest.match(/--[a-z]+/g) ?? [])
        expect([line, help.stdout.includes(option)]).toEqual([line, true]);
    }
  });

  it('explains every event that a reader has', () => {
    const api = readFileSync(join(HOME, 'docs/mqtt-api.md'), 'utf8');
    const explained = new Set(
      [...page.matchAll(/`((?:device|acs_entrance)\.[a-z_]+)`/g)].map((match) => match[1] ?? ''),
    );
    expect(explained.size).toBeGreaterThan(10);
    for (const type of explained) {
      const [, name = ''] = type.split('.');
      expect([type, api.includes(`\`${type}\``) || api.includes(`\`${name}\``)]).toEqual([type, true]);
    }
  });
});
