import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { watchdogIntervalMs } from '../../src/ops/systemd.ts';
import { until } from '../support/ports.ts';

type Notification = { pid: number; text: string };
type FakeSystemd = {
  got: Notification[];
  texts: () => string[];
  pause: () => void;
  resume: () => void;
  end: () => Promise<void>;
};
type Daemon = {
  pid: number;
  said: string[];
  logged: () => string;
  tell: (word: string) => void;
  ended: Promise<number | null>;
};

let folder = '';
const children: ChildProcessWithoutNullStreams[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lintel-notify-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  rmSync(folder, { recursive: true });
});

/** As the unit starts it. */
const THE_UNITS = [join(import.meta.dirname, '../../systemd/with-notify-socket')];

async function fakeSystemd(path: string): Promise<FakeSystemd> {
  const child = spawn('/usr/bin/python3', [join(import.meta.dirname, 'notify-socket.py'), path]);
  children.push(child);
  let bound = false;
  const got: Notification[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    const said = JSON.parse(line) as Notification | { bound: string };
    if ('bound' in said) bound = true;
    else got.push(said);
  });
  await until(() => bound, 'the notification socket');
  return {
    got,
    texts: () => got.map(({ text }) => text),
    pause: () => void child.stdin.write('pause\n'),
    resume: () => void child.stdin.write('resume\n'),
    async end() {
      child.stdin.end();
      await once(child, 'exit');
    },
  };
}

async function daemon(env: Record<string, string>, launcher: readonly string[]): Promise<Daemon> {
  const [command, ...args] = [...launcher, 'node', join(import.meta.dirname, 'notify-program.ts')];
  const child = spawn(command, args, { env: { PATH: process.env['PATH'], ...env } });
  children.push(child);
  const said: string[] = [];
  let logged = '';
  createInterface({ input: child.stdout }).on('line', (line) => said.push(line));
  child.stderr.on('data', (text) => (logged += String(text)));
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  await until(() => said.length > 0, 'the daemon');
  return {
    pid: Number(said[0]?.split(' ')[1]),
    said,
    logged: () => logged,
    tell: (word) => void child.stdin.write(`${word}\n`),
    ended,
  };
}

const kicks = (systemd: FakeSystemd): number => systemd.texts().filter((text) => text === 'WATCHDOG=1').length;
/** Another status has been heard. */
async function heardAgain(systemd: FakeSystemd, tell: () => void): Promise<void> {
  const count = (): number => systemd.texts().filter((text) => text.startsWith('STATUS=two lines')).length;
  const before = count();
  tell();
  await until(() => count() > before, 'the status');
}

describe('a daemon with the socket that the unit hands it', () => {
  test.each(['socket', '@abstract'])('notifies in its own name over a %s, in order', async (kind) => {
    const path = kind === 'socket' ? join(folder, 'notify') : `@lintel-test-${process.pid}`;
    const systemd = await fakeSystemd(path);
    const { pid, tell, said, ended } = await daemon({ NOTIFY_SOCKET: path }, THE_UNITS);
    for (const word of ['via', 'ready', 'status', 'extend', 'stop']) tell(word);
    expect(await ended).toBe(0);
    expect(said[1]).toBe('socket');
    await until(() => systemd.got.length === 4, 'four notifications');
    expect(systemd.texts()).toEqual([
      'READY=1\nSTATUS=serving 3 doors',
      'STATUS=two lines READY=1',
      'EXTEND_TIMEOUT_USEC=1500000',
      'STOPPING=1\nSTATUS=closing',
    ]);
    expect(systemd.got.every((notification) => notification.pid === pid)).toBe(true);
  });

  test('kicks the watchdog while it is healthy, stops when it is not, and goes on when it is again', async () => {
    const path = join(folder, 'notify');
    const systemd = await fakeSystemd(path);
    const { tell, logged, said } = await daemon({ NOTIFY_SOCKET: path, WATCHDOG_USEC: '90000' }, THE_UNITS);
    let rounds = 0;
    tell('watchdog');
    await until(() => kicks(systemd) >= 3, 'three kicks');
    for (const [sick, log] of [
      ['sick', 'not healthy'],
      ['throwing', 'the store does not answer'],
    ] as const) {
      tell(sick);
      await until(() => logged().includes(log), 'the sickness to be logged');
      // Notifications keep their order: what was on its way has come before this.
      await heardAgain(systemd, () => tell('status'));
      const before = kicks(systemd);
      rounds += 1;
      tell('ten looks');
      await until(() => said.filter((line) => line === 'looked ten times').length === rounds, 'ten looks');
      await heardAgain(systemd, () => tell('status'));
      expect(kicks(systemd)).toBe(before);
      tell('well');
      await until(() => kicks(systemd) > before + 2, 'kicks again');
    }
    expect(logged().split('not healthy').length - 1).toBe(2); // once per sickness, not once per kick
  });

  test('neither waits for a systemd that does not read nor loses what matters', async () => {
    const path = join(folder, 'notify');
    const systemd = await fakeSystemd(path);
    const { tell, said, ended } = await daemon({ NOTIFY_SOCKET: path }, THE_UNITS);
    systemd.pause();
    tell('status');
    await until(() => systemd.got.length === 1, 'the reading to pause'); // the one it was already waiting for
    tell('flood');
    tell('ready');
    tell('flood');
    await until(() => said.filter((line) => line === 'went on').length === 2, 'the daemon to go on');
    tell('stop');
    systemd.resume();
    expect(await ended).toBe(0);
    await until(() => systemd.texts().some((text) => text.startsWith('STOPPING=1')), 'the stop');
    expect(systemd.texts()).toContain('READY=1\nSTATUS=serving 3 doors');
  });

  test('goes over to systemd-notify when the socket is lost', async () => {
    const path = join(folder, 'notify');
    const first = await fakeSystemd(path);
    const { tell, said, logged } = await daemon({ NOTIFY_SOCKET: path }, THE_UNITS);
    tell('ready');
    await until(() => first.got.length === 1, 'the first notification');
    await first.end();
    rmSync(path);
    const second = await fakeSystemd(path);
    tell('status');
    await until(() => second.texts().includes('STATUS=two lines READY=1'), 'the status');
    tell('via');
    await until(() => said.includes('command'), 'the other way');
    expect(logged()).toContain('the notification socket is lost');
  });
});

describe('a daemon without that socket', () => {
  test('notifies through systemd-notify, in order', async () => {
    const path = join(folder, 'notify');
    const systemd = await fakeSystemd(path);
    const { tell, said, ended } = await daemon({ NOTIFY_SOCKET: path, WATCHDOG_USEC: '300000' }, []);
    for (const word of ['via', 'ready', 'status', 'watchdog']) tell(word);
    await until(() => kicks(systemd) >= 2, 'two kicks');
    tell('stop');
    expect(await ended).toBe(0);
    expect(said[1]).toBe('command');
    const texts = systemd.texts().filter((text) => text !== 'WATCHDOG=1' && text !== 'BARRIER=1');
    expect(texts.map((text) => text.trim())).toEqual([
      'READY=1\nSTATUS=serving 3 doors',
      'STATUS=two lines READY=1',
      'STOPPING=1\nSTATUS=closing',
    ]);
  });

  test('goes on and says so when systemd cannot be reached at all', async () => {
    const { tell, said, logged, ended } = await daemon({ NOTIFY_SOCKET: join(folder, 'nobody') }, THE_UNITS);
    expect(logged()).toContain('cannot connect');
    for (const word of ['ready', 'status', 'via', 'stop']) tell(word);
    expect(await ended).toBe(0);
    expect(said[1]).toBe('command');
    expect(logged().split('systemd-notify failed').length - 1).toBe(1);
  });

  test.each([{}, { NOTIFY_SOCKET: '' }])(
    'says nothing to nobody when systemd did not start it (%j)',
    async (env: Record<string, string>) => {
      const { tell, said, logged, ended } = await daemon({ ...env, WATCHDOG_USEC: '1000' }, THE_UNITS);
      for (const word of ['ready', 'watchdog', 'via', 'stop']) tell(word);
      expect(await ended).toBe(0);
      expect(said[1]).toBe('none');
      expect(logged()).toBe('');
    },
  );

  test('leaves alone a descriptor that would wait for systemd', async () => {
    const systemd = await fakeSystemd(join(folder, 'notify'));
    const blocking = [
      'import os, socket, sys',
      's = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)',
      's.connect(os.environ["NOTIFY_SOCKET"])',
      'os.set_inheritable(s.fileno(), True)',
      'os.environ["LINTEL_NOTIFY_FD"] = str(s.fileno())',
      'os.execvp(sys.argv[1], sys.argv[1:])',
    ].join('\n');
    const { tell, said } = await daemon({ NOTIFY_SOCKET: join(folder, 'notify') }, [
      '/usr/bin/python3',
      '-c',
      blocking,
    ]);
    tell('via');
    tell('ready');
    await until(() => systemd.got.length > 0, 'a notification');
    expect(said[1]).toBe('command');
  });

  test.each(['0', '2', '77', 'x', '-1'])('is not fooled by a descriptor %s that is no socket', async (fd) => {
    const { tell, said, ended } = await daemon({ NOTIFY_SOCKET: join(folder, 'nobody'), LINTEL_NOTIFY_FD: fd }, []);
    tell('via');
    tell('stop');
    expect(await ended).toBe(0);
    expect(said[1]).toBe('command');
  });
});

test('the launcher passes arguments, output and exit code through, and says when the program is missing', async () => {
  for (const env of [{}, { NOTIFY_SOCKET: join(folder, 'nobody') }]) {
    const run = (...args: string[]) => spawn(THE_UNITS[0] ?? '', args, { env: { PATH: '/usr/bin:/bin', ...env } });
    const child = run('sh', '-c', 'printf "%s|" "$@"; exit 7', 'x', 'a b', '', '-e');
    let said = '';
    child.stdout.on('data', (text) => (said += String(text)));
    expect((await once(child, 'close'))[0]).toBe(7);
    expect(said).toBe('a b||-e|');
    const missing = run('/no/such/program');
    missing.stderr.on('data', (text) => (said += String(text)));
    expect((await once(missing, 'close'))[0]).not.toBe(0);
    expect(said).toContain('/no/such/program');
  }
});

test('a third of the watchdog time is kept, and only by the process systemd asks', () => {
  expect(watchdogIntervalMs({ WATCHDOG_USEC: '30000000' }, 5)).toBe(10_000);
  expect(watchdogIntervalMs({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '5' }, 5)).toBe(10_000);
  expect(watchdogIntervalMs({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '6' }, 5)).toBeNull();
  for (const wrong of ['', '0', '-1', 'x', undefined]) {
    expect(watchdogIntervalMs({ WATCHDOG_USEC: wrong }, 5)).toBeNull();
  }
});
