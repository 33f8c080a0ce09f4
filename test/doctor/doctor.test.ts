// The doctor on bad days: each thing that is wrong is named, with what to do, and nothing else is.

import { chmodSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { connectOnce } from '../../src/doctor/connect.ts';
import { examine, worstOf } from '../../src/doctor/doctor.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import type { DoctorsMachine } from '../../src/doctor/machine.ts';
import { checkService, type ServiceRoots } from '../../src/doctor/service-check.ts';
import { DRIVERS } from '../../src/drivers.ts';
import { loadFacility } from '../../src/facility/load.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { authority } from '../support/certificates.ts';
import { temporaryFolder } from '../support/store.ts';

const GIB = 1024 ** 3;

/** All is well on it, but for what a test says. */
function machine(folder: string, otherwise: Partial<DoctorsMachine> = {}): DoctorsMachine {
  const rtc = join(folder, 'sys/class/rtc');
  mkdirSync(rtc, { recursive: true });
  return {
    roots: { sys: join(folder, 'sys'), dev: join(folder, 'dev'), proc: join(folder, 'proc') },
    clock: systemClock,
    clockSources: { timesyncFile: folder, rtcFolder: rtc, run: () => Promise.resolve(null) },
    env: {},
    spaceOf: () => ({ free: 8 * GIB, total: 16 * GIB, freeFiles: 100_000, type: 0xef53 }),
    connect: (to, timeoutMs) => connectOnce(systemClock, to, timeoutMs),
    status: () =>
      Promise.resolve({ refusal: null, version: '1', broker: { connected: true, problem: null, warnings: [] } }),
    ...otherwise,
  };
}

type Site = { folder: string; file: string; key: (name: string) => string };

/** A facility file of one reader on one line. */
function site({ mqtt = 'embedded: 1883', bus = 'port: tcp://127.0.0.1:9', store = '' } = {}): Site {
  const folder = realpathSync(temporaryFolder());
  const file = join(folder, 'riverside.yaml');
  writeFileSync(
    file,
    `facility: riverside
acs_system_id: 88888888-8888-4888-8888-888888888888
display_name: Riverside
time_zone: Europe/Oslo
mqtt: {${mqtt}}
store: {path: ${join(folder, 'data/lintel.db')}, events: {keep: 90d}${store}}
buses:
  north: {driver: osdp, ${bus}}
controllers:
  front: {bus: north, address: 0, outputs: 1}
entrances:
  front-door:
    acs_entrance_id: 11111111-1111-4111-8111-111111111111
    display_name: Front door
    readers: [front]
    strike: {controller: front, output: 0, fail: secure, pulse: 5s}
policy: {default_card_format: {format: H10301, facility_code: 123}}
`,
  );
  return { folder, file, key: (name) => join(folder, name) };
}

const about = (findings: readonly Finding[], which: string): Finding[] => findings.filter((one) => one.about === which);
const wrong = (findings: readonly Finding[]): string[] =>
  findings.filter(({ state }) => state === 'fault').map((one) => `${one.about}: ${one.says} > ${one.remedy ?? ''}`);

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

const converter = (): Promise<number> => listening(createTcpServer((socket) => socket.on('error', () => undefined)));

it('finds no fault where all is well', async () => {
  const here = site({ bus: `port: tcp://127.0.0.1:${await converter()}` });
  const findings = await examine(machine(here.folder), here.file, DRIVERS);
  expect(wrong(findings)).toEqual([]);
  expect(about(findings, 'ports')).toEqual([expect.objectContaining({ which: 'north', state: 'good' })]);
});

it('passes on every mistake of the facility file with its line, and looks at the clock all the same', async () => {
  const here = site();
  writeFileSync(here.file, 'facility: riverside\nbusses: {}\n');
  const findings = await examine(machine(here.folder), here.file, DRIVERS);
  expect(wrong(findings).join('\n')).toMatch(/file: busses: .* > .*buses/);
  expect(about(findings, 'clock')).not.toEqual([]);
  expect(about(findings, 'file').every(({ which }) => which?.startsWith(`${here.file}:`))).toBe(true);
});

it('says so of a clock that was never set, and does not ask who vouches for it', async () => {
  const here = site({ bus: `port: tcp://127.0.0.1:${await converter()}` });
  const clock = { ...systemClock, nowMs: () => Date.UTC(1970, 0, 1, 0, 2) };
  const findings = await examine(machine(here.folder, { clock }), here.file, DRIVERS);
  expect(wrong(findings)).toEqual([
    expect.stringMatching(/clock: it says 1970-01-01T00:02:00.000Z: it was never set > .*date -s/),
  ]);
});

it('warns of a clock that nobody vouches for', async () => {
  const here = site();
  const { clockSources } = machine(here.folder);
  const alone = { ...clockSources, timesyncFile: join(here.folder, 'nowhere') };
  const findings = await examine(machine(here.folder, { clockSources: alone }), here.file, DRIVERS);
  expect(about(findings, 'clock').map(({ state }) => state)).toEqual(['warning', 'warning']);
});

it('names a disk with no room, and one that forgets', async () => {
  const here = site({ bus: `port: tcp://127.0.0.1:${await converter()}` });
  const full = machine(here.folder, { spaceOf: () => ({ free: 1024, total: GIB, freeFiles: 5, type: 0xef53 }) });
  expect(wrong(await examine(full, here.file, DRIVERS))).toEqual([expect.stringMatching(/disk: 0 MiB of 1.0 GiB are free.* > Free space/)]);
  const memory = machine(here.folder, { spaceOf: () => ({ free: GIB, total: GIB, freeFiles: null, type: 0x01021994 }) });
  const findings = about(await examine(memory, here.file, DRIVERS), 'disk');
  expect(findings).toContainEqual(expect.objectContaining({ state: 'warning', says: expect.stringContaining('tmpfs') }));
}); // prettier-ignore

it('names a database that others may look into, and a master key beside it', async () => {
  const here = site({ bus: `port: tcp://127.0.0.1:${await converter()}` });
  mkdirSync(here.key('data'), { mode: 0o755 });
  chmodSync(here.key('data'), 0o755);
  writeFileSync(here.key('data/master.key'), 'x');
  const findings = about(await examine(machine(here.folder), here.file, DRIVERS), 'database');
  expect(findings.map(({ state }) => state)).toEqual(['warning', 'warning']);
  expect(findings.map(({ says }) => says).join('\n')).toMatch(/mode 755[\s\S]*beside the database/);
});

it('names a port that is not there with those that are, and a converter that refuses', async () => {
  const absent = site({ bus: 'port: /dev/serial/by-id/usb-none-port0' });
  symlinkTty(absent.folder);
  const [port] = about(await examine(machine(absent.folder), absent.file, DRIVERS), 'ports');
  expect(port).toMatchObject({ state: 'fault', which: 'north', says: expect.stringContaining('there is no such device') });
  expect(port?.remedy).toContain(`There are: ${join(absent.folder, 'dev/ttyAMA0')}`);
  const closed = createTcpServer();
  const number = await listening(closed);
  await new Promise((resolve) => closed.close(resolve));
  const refused = site({ bus: `port: tcp://127.0.0.1:${number}` });
  const [line] = about(await examine(machine(refused.folder), refused.file, DRIVERS), 'ports');
  expect(line).toMatchObject({ state: 'fault', says: expect.stringContaining('refused') });
}); // prettier-ignore

/** A port as an installer names it by mistake, and one that is there. */
function symlinkTty(folder: string): void {
  mkdirSync(join(folder, 'sys/devices/uart'), { recursive: true });
  mkdirSync(join(folder, 'sys/class/tty/ttyAMA0'), { recursive: true });
  mkdirSync(join(folder, 'dev'), { recursive: true });
  symlinkSync(join(folder, 'sys/devices/uart'), join(folder, 'sys/class/tty/ttyAMA0/device'));
}

it('does not connect to a converter that serves the agent already', async () => {
  let connections = 0;
  const server = createTcpServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  const here = site({ bus: `port: tcp://127.0.0.1:${await listening(server)}` });
  const controllers = [{ controller: 'front', bus: 'north', online: true, problem: null, problems: [] }];
  const busy = machine(here.folder, { status: () => Promise.resolve({ controllers }) });
  const findings = await examine(busy, here.file, DRIVERS);
  expect(about(findings, 'ports')).toEqual([expect.objectContaining({ state: 'good', says: expect.stringContaining('is connected') })]);
  expect(connections).toBe(0);
}); // prettier-ignore

it('tells what the agent says of itself: refusal, lines, controllers', async () => {
  const here = site({ bus: `port: tcp://127.0.0.1:${await converter()}` });
  const status = {
    refusal: 'the database is damaged. Remedy: put a backup in its place',
    broker: { connected: false, problem: 'the broker refuses the password. Remedy: correct it', warnings: [] },
    buses: [{ bus: 'north', problem: 'frames of nobody' }],
    controllers: [{ controller: 'front', bus: 'north', online: false, problem: null, problems: [] }],
  };
  const findings = await examine(machine(here.folder, { status: () => Promise.resolve(status) }), here.file, DRIVERS);
  expect(wrong(findings)).toEqual([
    'agent: the database is damaged > put a backup in its place',
    'agent: the broker refuses the password > correct it',
    'agent: frames of nobody > journalctl -u lintel@riverside says more',
    'agent: does not answer > check its power, its cable and its address',
  ]);
  const silent = machine(here.folder, { status: () => Promise.resolve('no lintel answers at /run/x') });
  expect(wrong(await examine(silent, here.file, DRIVERS))).toEqual([
    'agent: no lintel answers at /run/x > systemctl start lintel@riverside',
  ]);
});

// ---- the broker -----------------------------------------------------------------------------------------------------

const stamp = (ms: number): string => `${new Date(ms).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;
const DAY = 24 * 3_600_000;

it('names every way in which a certificate is wrong', async () => {
  const folder = temporaryFolder();
  const now = Date.now();
  const [site0, stranger] = [authority(folder, 'authority'), authority(folder, 'stranger')];
  const days = (from: number, until: number): [string, string] => [stamp(now + from * DAY), stamp(now + until * DAY)];
  const cases = [
    { made: site0.sign('good', 'IP:127.0.0.1', ...days(-1, 300)), finds: null },
    { made: site0.sign('soon', 'IP:127.0.0.1', ...days(-1, 9)), finds: /^warning the broker’s certificate ends on .* in 9 days/ },
    { made: site0.sign('old', 'IP:127.0.0.1', ...days(-9, -1)), finds: /^fault .*: its certificate has expired/ },
    { made: site0.sign('other', 'DNS:else.example', ...days(-1, 300)), finds: /^fault .*: its certificate is that of another host/ },
    { made: stranger.sign('foreign', 'IP:127.0.0.1', ...days(-1, 300)), finds: /^fault .*: its certificate is from an authority that is not trusted/ },
  ]; // prettier-ignore
  for (const { made, finds } of cases) {
    const port = await listening(createTlsServer({ cert: made.cert, key: made.key }, (socket) => socket.on('error', () => undefined)).on('tlsClientError', () => undefined)); // prettier-ignore
    const here = site({ mqtt: `url: "mqtts://127.0.0.1:${port}", ca: {file: ${site0.certFile}}`, bus: `port: tcp://127.0.0.1:${await converter()}` }); // prettier-ignore
    const broker = about(await examine(machine(here.folder), here.file, DRIVERS), 'broker');
    const said = broker.filter(({ state }) => state === 'warning' || state === 'fault').map(({ state, says }) => `${state} ${says}`); // prettier-ignore
    if (finds === null) expect(said).toEqual([]);
    else expect(said).toEqual([expect.stringMatching(finds)]);
    expect(broker.some(({ says }) => says.includes('can be connected to'))).toBe(finds === null || /ends on/.test(finds.source)); // prettier-ignore
  }
});

it('names a key that is not that of the certificate, and a certificate of ours that ended', async () => {
  const folder = temporaryFolder();
  const now = Date.now();
  const own = authority(folder, 'authority');
  const broker = own.sign('broker', 'IP:127.0.0.1', stamp(now - DAY), stamp(now + 300 * DAY));
  const old = own.sign('gateway', 'DNS:gateway', stamp(now - 9 * DAY), stamp(now - DAY));
  const port = await listening(createTlsServer({ cert: broker.cert, key: broker.key }, (socket) => socket.on('error', () => undefined)).on('tlsClientError', () => undefined)); // prettier-ignore
  const mqtt = `url: "mqtts://127.0.0.1:${port}", ca: {file: ${own.certFile}}, cert: {file: ${old.certFile}}, key: {file: ${broker.keyFile}}`;
  const here = site({ mqtt, bus: `port: tcp://127.0.0.1:${await converter()}` });
  const found = wrong(about(await examine(machine(here.folder), here.file, DRIVERS), 'broker')).join('\n');
  expect(found).toMatch(/our certificate ended on/);
  expect(found).toMatch(/mqtt.key is not the key of the certificate in mqtt.cert/);
  expect(found).not.toContain('PRIVATE');
});

it('waits no longer than it may for a broker that takes the connection and says nothing', async () => {
  const port = await listening(createTcpServer((socket) => socket.on('error', () => undefined)));
  const tls = { ca: null, cert: null, key: null };
  expect(await connectOnce(systemClock, { host: '127.0.0.1', port, tls }, 50)).toMatchObject({ isReached: false, code: 'ETIMEDOUT' }); // prettier-ignore
});

it('tries nothing without what is sealed for the service, and warns of a link in the clear', async () => {
  const bus = `port: tcp://127.0.0.1:${await converter()}`;
  let tried = 0;
  const counting: Partial<DoctorsMachine> = {
    connect: ({ port }) => {
      tried += port === 8883 ? 1 : 0;
      return Promise.resolve({ isReached: true, certificate: null });
    },
  };
  const sealed = site({ mqtt: 'url: "mqtts://192.0.2.1:8883", ca: {credential: mqtt-ca}', bus });
  const findings = await examine(machine(sealed.folder, counting), sealed.file, DRIVERS);
  expect(about(findings, 'broker')).toEqual([expect.objectContaining({ state: 'look', says: expect.stringContaining('mqtt.ca') })]); // prettier-ignore
  expect(tried).toBe(0);
  const clear = site({ mqtt: 'url: "mqtt://192.0.2.1"', bus });
  const [first] = about(await examine(machine(clear.folder, counting), clear.file, DRIVERS), 'broker');
  expect(first).toMatchObject({ state: 'warning', says: expect.stringContaining('not encrypted') });
});

it('speaks of the worst', () => {
  const of = (...states: Finding['state'][]): string =>
    worstOf(states.map((state) => ({ about: 'x', which: null, state, says: '', remedy: null })));
  expect([of(), of('good', 'look'), of('warning', 'look'), of('good', 'fault', 'warning')]).toEqual(['good', 'look', 'warning', 'fault']); // prettier-ignore
});

// ---- the machine around it ------------------------------------------------------------------------------------------

it('names what is missing around the service: its start, a journal that stays, a watchdog, and who takes adapters', () => {
  const here = site();
  const { facility } = loadFacility(here.file, DRIVERS);
  if (facility === null) throw new Error('the file is good');
  const at = Object.fromEntries(['etc', 'run', 'log', 'dev', 'proc'].map((name) => [name, here.key(name)])) as ServiceRoots;
  const put = (path: string, text = ''): void => {
    mkdirSync(dirname(here.key(path)), { recursive: true });
    writeFileSync(here.key(path), text);
  };
  const said = (): string[] =>
    checkService(machine(here.folder), facility, at).map(({ state, which }) => `${state} ${which ?? ''}`.trim());
  expect(said()).toEqual(['look']);
  put('run/systemd/system/x');
  put('dev/watchdog');
  put('proc/77/comm', 'ModemManager\n');
  expect(said()).toEqual(['warning ModemManager', 'warning lintel@riverside.service', 'warning journal', 'warning watchdog']);
  put('proc/77/comm', 'node\n');
  put('etc/systemd/system/multi-user.target.wants/lintel@riverside.service');
  put('log/journal/x');
  put('etc/systemd/system.conf', '#RuntimeWatchdogSec=off\n');
  put('etc/systemd/system.conf.d/watchdog.conf', '[Manager]\nRuntimeWatchdogSec=30s\n');
  expect(said()).toEqual(['good', 'good journal']);
}); // prettier-ignore
