// A gateway dies and another one takes its place: the sealed backup and the recovery key are all that is left of it.

import { execFileSync } from 'node:child_process';
import {
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { newEvent } from '../../src/domain/events.ts';
import { Store } from '../../src/store/store.ts';
import { allOnline, raiseBuilding, serveFacility, type Building } from '../support/building.ts';
import { until } from '../support/ports.ts';
import { LOBBY, STORE_ROOM, SYSTEM, USER } from '../support/room.ts';
import { openStore, storeOptions, temporaryFolder } from '../support/store.ts';
import { say } from './lintel.ts';

const CARD = '00666666-0000-4000-8000-000000000001';
const CODE = '00666666-0000-4000-8000-000000000002';
/** A 125 kHz tag that prints as 123,45678. */
const TAG = '00007BB26E';

type Site = { folder: string; config: string; identity: string; sealed: () => string[] };

const fileOf = (folder: string, recipient: string, system = SYSTEM): string => `facility: riverside
acs_system_id: ${system}
time_zone: Europe/Oslo
mqtt: {url: "mqtt://127.0.0.1:1"}
store: {path: ${join(folder, 'lintel.db')}, backup: {recovery_key: ${recipient}, keep: 2}}
entrances: {}
`;

/** What `new-key` says, written to a facility file. */
async function recoveryKey(folder: string): Promise<{ identity: string; recipient: string }> {
  const identity = join(folder, 'recovery.txt');
  const { code, stdout } = await say('backup', 'new-key', '--out', identity);
  expect(code).toBe(0);
  const [recipient] = /age1[a-z0-9]{58}/.exec(stdout) ?? [''];
  expect(readFileSync(identity, 'utf8')).toContain(`# public key: ${recipient}\nAGE-SECRET-KEY-1`);
  expect(stdout).not.toContain('AGE-SECRET-KEY');
  return { identity, recipient };
}

async function site(events = 3): Promise<Site> {
  const folder = temporaryFolder();
  const { identity, recipient } = await recoveryKey(folder);
  const config = join(folder, 'riverside.yaml');
  writeFileSync(config, fileOf(folder, recipient));
  const store = openStore(folder);
  for (let i = 0; i < events; i += 1)
    store.now(() => store.events.add(newEvent('agent.storage_low', { free_bytes: i }), i));
  store.close();
  const place = join(folder, 'sealed');
  const sealed = (): string[] => (existsSync(place) ? readdirSync(place).map((name) => join(place, name)) : []);
  return { folder, config, identity, sealed };
}

async function backedUp(): Promise<Site & { file: string }> {
  const made = await site();
  expect(await say('backup', '--config', made.config)).toMatchObject({ code: 0 });
  const [file = ''] = made.sealed();
  return { ...made, file };
}

const restore = (file: string, { identity, config }: Site, ...more: string[]): ReturnType<typeof say> =>
  say('restore', file, '--identity', identity, '--config', config, ...more);

describe('a sealed backup', () => {
  it('is opened by any age program, and holds the database, its key and the facility file', async () => {
    const { folder, file, identity, config } = await backedUp();
    const out = join(folder, 'by-hand');
    mkdirSync(out);
    execFileSync('sh', ['-c', 'age -d -i "$0" "$1" | tar xz -C "$2"', identity, file, out]);
    expect(readdirSync(out).sort()).toEqual([
      'lintel.db',
      'manifest.json',
      'master.key',
      'riverside.yaml',
      'signature.json',
    ]);
    expect(readFileSync(join(out, 'riverside.yaml'))).toEqual(readFileSync(config));
    expect(readFileSync(join(out, 'master.key'), 'utf8')).toBe(readFileSync(join(folder, 'master.key'), 'utf8'));
    const store = new Store({ ...storeOptions(out), acceptance: 'copy' });
    expect(store.events.lastSequence()).toBe(3);
    store.close();
  });

  it('keeps as many as is said, and leaves nothing else behind', async () => {
    const { config, sealed, file } = await backedUp();
    for (const day of ['01', '02']) copyFileSync(file, file.replace(/\d{8}T/, `202501${day}T`));
    expect(sealed()).toHaveLength(3);
    rmSync(file);
    await say('backup', '--config', config);
    expect(sealed()).toHaveLength(2);
    expect(sealed().some((one) => one.includes('20250101'))).toBe(false);
    expect(sealed().every((one) => one.endsWith('.tar.gz.age'))).toBe(true);
  });

  it('is not made where the folder that was named is not there, and says what to do', async () => {
    const { config, folder } = await site();
    const away = join(folder, 'usb', 'lintel');
    writeFileSync(config, readFileSync(config, 'utf8').replace('keep: 2', `keep: 2, folder: ${away}`));
    const { code, stderr } = await say('backup', '--config', config);
    expect(code).not.toBe(0);
    expect(stderr).toContain(`${away} for backups is not there. Remedy:`);
    expect(existsSync(join(folder, 'usb'))).toBe(false);
  });

  it('names a recovery key that was copied wrongly, at the line', async () => {
    const { config } = await site();
    const text = readFileSync(config, 'utf8');
    const wrong = text.replace(/age1(.)/, (_, first: string) => `age1${first === 'q' ? 'p' : 'q'}`);
    writeFileSync(config, wrong);
    const { code, stderr } = await say('backup', '--config', config);
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /riverside\.yaml:5:\d+ +store\.backup\.recovery_key +expected the public key of an age identity/,
    );
  });
});

describe('a backup that is put back', () => {
  it('is refused where it is not whole, under another key, for another building, or over a database', async () => {
    const made = await backedUp();
    const { file, folder, config, identity } = made;
    const before = readFileSync(join(folder, 'lintel.db'));
    const refused = async (what: string, wanted: RegExp, more: Partial<Site>, ...words: string[]): Promise<void> => {
      const { code, stderr } = await restore(what, { ...made, ...more }, ...words);
      expect(code).not.toBe(0);
      expect(stderr).toMatch(wanted);
      expect(stderr).not.toMatch(/AGE-SECRET-KEY-1[A-Z0-9]|[0-9a-f]{64}/);
    };
    const bytes = readFileSync(file);
    const cut = join(folder, 'cut.age');
    writeFileSync(cut, bytes.subarray(0, bytes.length - 100));
    await refused(cut, /cannot be opened/, {}, '--replace');
    const flipped = Buffer.from(bytes);
    flipped[bytes.length >> 1] = (flipped[bytes.length >> 1] ?? 0) ^ 1;
    const rotten = join(folder, 'rotten.age');
    writeFileSync(rotten, flipped);
    await refused(rotten, /cannot be opened/, {}, '--replace');
    const other = join(temporaryFolder(), 'recovery.txt');
    await say('backup', 'new-key', '--out', other);
    await refused(file, /cannot be opened/, { identity: other }, '--replace');
    await refused(join(folder, 'recovery.txt'), /cannot be opened/, {}, '--replace');
    await refused(file, /given as identity is none/, { identity: config }, '--replace');
    await refused(file, /a database is there already/, {});
    const elsewhere = join(folder, 'other.yaml');
    const text = readFileSync(config, 'utf8');
    writeFileSync(elsewhere, text.replace(SYSTEM, '77777777-7777-4777-8777-777777777777'));
    await refused(file, /another building's/, { config: elsewhere }, '--replace');
    expect(readFileSync(join(folder, 'lintel.db'))).toEqual(before);
    expect(readdirSync(folder).filter((name) => name.includes('restoring'))).toEqual([]);
    expect(await say('backup', 'check', file, '--identity', identity)).toMatchObject({ code: 0 });
    expect((await say('backup', 'check', rotten, '--identity', identity)).code).not.toBe(0);
  });

  it('puts aside what is there, and its event numbers go on behind all that may have been given since', async () => {
    const made = await backedUp();
    const newer = openStore(made.folder);
    for (let i = 0; i < 5; i += 1)
      newer.now(() => newer.events.add(newEvent('agent.storage_low', { free_bytes: i }), i));
    newer.close();
    expect(await restore(made.file, made, '--replace')).toMatchObject({ code: 0 });
    expect(readdirSync(made.folder).some((name) => /^lintel\.db\.\d{8}T\d{6}Z$/.test(name))).toBe(true);
    const store = openStore(made.folder);
    const events = store.events.after(0, 10).map(({ sequence, event_type }) => [sequence, event_type]);
    expect(events.slice(0, 4)).toEqual([
      ...[1, 2, 3].map((sequence) => [sequence, 'agent.storage_low']),
      [1_000_004, 'agent.storage_accepted'],
    ]);
    expect(store.events.count()).toBe(events.length);
  });

  it('gives away nothing but what it made: a link in the folder of the database is not followed', async () => {
    const made = await backedUp();
    const foreign = join(temporaryFolder(), 'foreign');
    writeFileSync(foreign, '');
    symlinkSync(foreign, join(made.folder, 'link'));
    const isRoot = process.getuid?.() === 0;
    if (isRoot) chownSync(made.folder, 12_345, 12_345);
    const before = statSync(foreign).uid;
    expect(await restore(made.file, made, '--replace')).toMatchObject({ code: 0 });
    expect(statSync(foreign).uid).toBe(before);
    expect(statSync(join(made.folder, 'lintel.db')).uid).toBe(statSync(made.folder).uid);
  });

  it('brings a building to new hardware: doors open, controllers are compared, the broker has every event', async () => {
    const building = await raiseBuilding();
    const { identity, recipient } = await recoveryKey(building.folder);
    const text = readFileSync(building.file, 'utf8');
    writeFileSync(building.file, text.replace('events: {keep', `backup: {recovery_key: ${recipient}}, events: {keep`));
    const old = await building.serve();
    await allOnline(old);
    await enrol(building);
    await until(() => typesOf(building).includes('access_code.set_on_device'), 'the panel has the code', 15_000);
    expect(await say('backup', '--config', building.file)).toMatchObject({ code: 0 });
    await old.stop();
    const [name = ''] = readdirSync(join(building.folder, 'sealed'));

    const fresh = temporaryFolder();
    const config = join(fresh, 'riverside.yaml');
    copyFileSync(join(building.folder, 'sealed', name), join(fresh, name));
    copyFileSync(identity, join(fresh, 'recovery.txt'));
    // Its own file says where the database was; there is nothing any more.
    for (const file of readdirSync(building.folder).filter((one) => one.startsWith('lintel') || one === 'master.key'))
      rmSync(join(building.folder, file));
    const told = await say('restore', join(fresh, name), '--identity', join(fresh, 'recovery.txt'), '--config', config);
    expect(told).toMatchObject({ code: 0, stderr: '' });
    expect(told.stdout).toContain('1 users, 2 credentials');
    // The panel lost its code meanwhile, which the backup cannot know.
    building.panel.powerOff();
    building.panel.powerOn({ keepMemory: false });
    const agent = await serveFacility(config);
    await allOnline(agent);
    await building.reader.present(TAG);
    await until(() => building.relays.output(0), 'the lobby’s relay');
    await until(() => building.panel.doors.present(1, { pin: '82475' }).granted, 'the panel is right again', 25_000);
    await until(() => typesOf(building).includes('agent.storage_accepted'), 'the broker is told');
    const numbers = eventsOf(building).map(({ sequence }) => sequence);
    const firstAnew = numbers.find((sequence) => sequence > 1_000_000) ?? 0;
    expect(new Set(numbers.filter((sequence) => sequence >= firstAnew)).size).toBeGreaterThan(2);
  });
});

const eventsOf = ({ tower }: Building): { sequence: number; event_type: string }[] =>
  tower.heard
    .filter(({ topic }) => topic.includes('/event/'))
    .map(({ payload }) => JSON.parse(payload) as { sequence: number; event_type: string });
const typesOf = (building: Building): string[] => eventsOf(building).map(({ event_type: type }) => type);

async function enrol({ tower }: Building): Promise<void> {
  const commands: [string, Record<string, unknown>][] = [
    ['users/create', { acs_user_id: USER, full_name: 'Jane Doe' }],
    [
      'credentials/create',
      {
        ...{ acs_credential_id: CARD, acs_user_id: USER, access_method: 'card', card_number: '45678' },
        allowed_acs_entrance_ids: [LOBBY],
      },
    ],
    [
      'credentials/create',
      {
        ...{ acs_credential_id: CODE, acs_user_id: USER, access_method: 'code', code: '82475' },
        allowed_acs_entrance_ids: [STORE_ROOM],
      },
    ],
  ];
  for (const [i, [name, params]] of commands.entries()) {
    const command_id = `b-${i}`;
    await tower.publish(name, { command_id, params });
    await until(() => tower.replies().some((reply) => reply.command_id === command_id && reply.ok), `${name} is done`);
  }
}
