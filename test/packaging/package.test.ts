// The package as a site gets it: the same bytes from the same sources, nothing in it that another machine's kind needs,
// and under a real dpkg and systemd installed, upgraded while doors are served, refused, removed and purged.

import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeDeb } from '../../packaging/deb.ts';
import { bootMachine, whyNoMachine, type Machine, type Ran } from '../systemd/machine.ts';

const EPOCH = 1_790_000_000;
const folders: string[] = [];
function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lintel-package-'));
  folders.push(folder);
  return folder;
}
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
});
const made = newFolder();
const make = (version: string, folder = made): Promise<string> =>
  makeDeb({ arch: 'amd64', version, folder, isQuick: true, epoch: EPOCH });
const contents = (deb: string): string => execFileSync('dpkg-deb', ['-c', deb], { encoding: 'utf8', maxBuffer: 1e8 });
const hashOf = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

let [first, second] = ['', ''];
beforeAll(async () => {
  first = await make('0.9.0');
  second = await make('0.9.1');
}, 600_000);

describe('a package', { timeout: 300_000 }, () => {
  it('is the same to the bit when it is made again, whatever the umask and the hour', async () => {
    const before = process.umask(0o077);
    try {
      expect(hashOf(await make('0.9.0', newFolder()))).toBe(hashOf(first));
    } finally {
      process.umask(before);
    }
  });

  it('belongs to root, lets nobody else write, and carries native code for its machine alone', () => {
    const lines = contents(first).trim().split('\n');
    expect(lines.length).toBeGreaterThan(200);
    expect(lines.filter((line) => !line.includes(' root/root '))).toEqual([]);
    expect(lines.filter((line) => /^-.{4}w|^-.{7}w/.test(line))).toEqual([]);
    expect(lines.flatMap((line) => /[^ ]+\.node$/.exec(line) ?? []).sort()).toEqual([
      './usr/lib/lintel/node_modules/@serialport/bindings-cpp/prebuilds/linux-x64/@serialport+bindings-cpp.glibc.node',
      './usr/lib/lintel/node_modules/better-sqlite3/prebuilds/linux-x64.node',
    ]);
    for (const path of ['man/man1/lintel.1.gz', 'doc/lintel/copyright', 'doc/lintel/lintel.cdx.json'])
      expect(lines.some((line) => line.endsWith(`./usr/share/${path}`))).toBe(true);
  });

  it('runs from wherever it lies, on the Node that it brings, and knows its version', () => {
    const folder = newFolder();
    execFileSync('dpkg-deb', ['-x', first, folder]);
    // No other Node is to be found.
    const run = (...words: string[]): { status: number | null; stdout: string; stderr: string } =>
      spawnSync(join(folder, 'usr/bin/lintel'), words, { encoding: 'utf8', env: { PATH: '/bin', NODE_PATH: '' } });
    expect(run('--version')).toMatchObject({ status: 0, stdout: 'lintel 0.9.0\n', stderr: '' });
    for (const name of readdirSync(join(folder, 'usr/lib/lintel/config')).filter((one) => one.endsWith('.yaml')))
      expect(run('check', join(folder, 'usr/lib/lintel/config', name))).toMatchObject({ status: 0 });
    expect(run('profile', 'test', 'plc-door-1')).toMatchObject({ status: 0 });
  });
});

const FILE = `facility: riverside
acs_system_id: 88888888-8888-8888-8888-888888888888
time_zone: Europe/Oslo
mqtt: {url: "mqtt://127.0.0.1:1883", username: riverside}
store: {events: {keep: 90d}}
buses:
  desk: {driver: uart, port: "tcp://127.0.0.1:4001", frame: rdm6300}
  plant: {driver: modbus, transport: rtu-over-tcp, host: 127.0.0.1, port: 5020}
controllers:
  reader: {bus: desk}
  board: {bus: plant, unit: 1, profile: waveshare-relay-d-8ch}
entrances:
  front-door:
    acs_entrance_id: 55555555-5555-5555-5555-555555555521
    readers: [reader]
    factors: card
    strike: {controller: board, output: 0, pulse: 5s, fail: secure}
`;

const reason = whyNoMachine();
if (reason !== null) console.warn(`the package is not installed under a running systemd here: ${reason}`);

describe.runIf(reason === null)('a package, under dpkg and systemd', { timeout: 300_000 }, () => {
  let machine: (Machine & { scratch: string }) | undefined;
  const booted = (): Machine & { scratch: string } => {
    if (machine === undefined) throw new Error('the machine did not boot');
    return machine;
  };
  const run: Machine['run'] = (program, ...args) => booted().run(program, ...args);
  const sh = (line: string): Promise<Ran> => run('sh', '-c', line);
  const install = (name: string): Promise<Ran> => sh(`dpkg --force-depends --install /run/test/${name}.deb`);
  const shown = async (name: string): Promise<string> =>
    (await run('systemctl', 'show', '--value', '--property', name, 'lintel@riverside')).stdout.trim();
  const serves = async (): Promise<void> => {
    let state = '';
    const look = async (): Promise<boolean> => {
      state = (await sh('lintel status --facility riverside --json')).stdout;
      return state.includes('"facility"');
    };
    for (let tries = 0; tries < 100; tries += 1) if (await look()) return;
    throw new Error(`nobody serves: ${state}${(await run('systemctl', 'status', 'lintel@riverside')).stdout}`);
  };

  beforeAll(async () => {
    machine = await bootMachine(null);
    copyFileSync(first, join(machine.scratch, 'first.deb'));
    copyFileSync(second, join(machine.scratch, 'second.deb'));
    writeFileSync(join(machine.scratch, 'riverside.yaml'), FILE);
    chmodSync(join(machine.scratch, 'riverside.yaml'), 0o640);
    await sh('mkdir -p /var/lib/dpkg/info /var/lib/dpkg/updates && touch /var/lib/dpkg/status');
  });
  afterAll(async () => {
    await machine?.shutDown();
  });

  it('makes the user and the directories, and starts nothing of itself', async () => {
    const installed = await install('first');
    expect(installed).toMatchObject({ code: 0 });
    expect((await run('stat', '-c', '%A %U:%G', '/etc/lintel')).stdout.trim()).toBe('drwxr-x--- root:lintel');
    expect((await run('id', '-nG', 'lintel')).stdout.trim().split(' ').sort()).toEqual(['dialout', 'lintel']);
    expect((await sh("systemctl list-units --plain --no-legend 'lintel@*'")).stdout).toBe('');
  });

  it('serves a building from its unit', async () => {
    await sh('install -o root -g lintel -m 640 /run/test/riverside.yaml /etc/lintel/riverside.yaml');
    expect(await run('systemctl', 'enable', '--now', 'lintel@riverside')).toMatchObject({ code: 0 });
    await serves();
    expect((await sh('lintel users create --facility riverside --full-name Ada')).code).toBe(0);
  });

  it('goes over to a newer version by itself, with everything that was stored', async () => {
    const before = await shown('MainPID');
    expect(await install('second')).toMatchObject({ code: 0 });
    await serves();
    expect(await shown('MainPID')).not.toBe(before);
    expect((await sh('lintel --version')).stdout).toBe('lintel 0.9.1\n');
    expect((await sh('lintel users list --facility riverside --json')).stdout).toContain('Ada');
    const [left, came] = [await shown('InactiveEnterTimestampMonotonic'), await shown('ActiveEnterTimestampMonotonic')];
    expect(Number(came)).toBeGreaterThan(Number(left));
    const exit = Number(await shown('ActiveExitTimestampMonotonic'));
    console.log(`doors unserved during the upgrade: ${((Number(came) - exit) / 1e6).toFixed(1)} s`);
  });

  it('is not replaced by an older one, and goes on serving', async () => {
    const before = await shown('MainPID');
    const refused = await install('first');
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('Remedy: install 0.9.1 or a later version');
    expect(await shown('MainPID')).toBe(before);
    await serves();
    expect((await sh('lintel --version')).stdout).toBe('lintel 0.9.1\n');
  });

  it('leaves what runs running where the facility file is not good for the version that comes', async () => {
    await sh("sed -i 's/^time_zone.*/time_zone: Europe\\/Osloo/' /etc/lintel/riverside.yaml");
    const before = await shown('MainPID');
    const installed = await install('second');
    expect(installed).toMatchObject({ code: 0 });
    expect(installed.stderr).toContain('riverside.yaml:3');
    expect(installed.stderr).toContain('Remedy: mend the file, then: systemctl restart lintel@riverside');
    expect(await shown('MainPID')).toBe(before);
    await serves();
    await sh('install -o root -g lintel -m 640 /run/test/riverside.yaml /etc/lintel/riverside.yaml');
  });

  it('stops when it is removed and keeps what a site owns; purged, it leaves nothing', async () => {
    expect(await run('dpkg', '--remove', 'lintel')).toMatchObject({ code: 0 });
    expect((await run('systemctl', 'is-active', 'lintel@riverside')).stdout.trim()).not.toBe('active');
    expect((await sh('ls /etc/lintel/riverside.yaml /var/lib/lintel/riverside/*.db')).code).toBe(0);
    expect((await sh('ls /usr/lib/lintel')).code).not.toBe(0);
    expect(await run('dpkg', '--purge', 'lintel')).toMatchObject({ code: 0 });
    expect((await sh('find /etc /usr /var/lib -name "*lintel*"')).stdout).toBe('');
  });
});
