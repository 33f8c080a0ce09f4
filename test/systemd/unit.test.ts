import { execFile, execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const SYSTEMD = join(import.meta.dirname, '../../systemd');
const UNIT = join(SYSTEMD, 'lintel@.service');
const RULES = join(SYSTEMD, 'udev/70-lintel.rules');

const isRoot = process.getuid?.() === 0;

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lintel-unit-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs a program; resolves to its output, both streams, whatever its exit code. */
async function output(program: string, ...args: string[]): Promise<string> {
  return await new Promise((resolve, reject) => {
    execFile(
      program,
      args,
      { env: { ...process.env, SYSTEMD_COLORS: '0', LC_ALL: 'C.UTF-8' } },
      (error, stdout, stderr) => {
        if (error !== null && typeof error.code !== 'number')
          reject(new Error(`cannot run ${program}`, { cause: error }));
        else resolve(stdout + stderr);
      },
    );
  });
}

const systemdVersion = Number(
  /^systemd (\d+)/.exec(execFileSync('systemd-analyze', ['--version'], { encoding: 'utf8' }))?.[1],
);

describe('the unit', () => {
  /** A copy whose program exists, for systemd looks. */
  function installed(): string {
    const program = join(folder, 'program');
    writeFileSync(program, '#!/bin/sh\n');
    chmodSync(program, 0o755);
    const path = join(folder, 'lintel@.service');
    writeFileSync(path, readFileSync(UNIT, 'utf8').replaceAll(/\/usr\/lib\/lintel\/\S+/g, program));
    return path;
  }

  test('is understood by systemd to the last line, but for what only later versions know', async () => {
    const complaints = (await output('systemd-analyze', 'verify', '--man=no', '--recursive-errors=no', installed()))
      .split('\n')
      .filter((line) => line.includes('lintel'));
    const known = systemdVersion < 254 ? [/'RestartSteps'/, /'RestartMaxDelaySec'/] : [];
    expect(complaints.filter((line) => !known.some((pattern) => pattern.test(line)))).toEqual([]);
    expect(complaints).toHaveLength(known.length);
  });

  test('is found out by the same check when a line of it is wrong', async () => {
    const path = installed();
    writeFileSync(path, readFileSync(path, 'utf8').replace('ProtectHome=yes', 'ProtectHome=perhaps'));
    expect(await output('systemd-analyze', 'verify', '--man=no', path)).toMatch(/protect home/i);
  });

  test('leaves the daemon exposed by no more than 2.0 of 10', async () => {
    const report = await output('systemd-analyze', 'security', '--offline=true', UNIT);
    const score = Number(/Overall exposure level for \S+: (\d+\.\d+)/.exec(report)?.[1]);
    expect(score).toBeGreaterThan(0);
    expect(score).toBeLessThanOrEqual(2.0);
  });

  test('never gives up', () => {
    const unit = readFileSync(UNIT, 'utf8');
    for (const line of ['Type=notify', 'Restart=always', 'StartLimitIntervalSec=0', 'WatchdogSec=15s']) {
      expect(unit.split('\n')).toContain(line);
    }
    expect(unit).not.toMatch(/^RestartPreventExitStatus=/m);
  });

  test('starts the launcher that is there, and the launcher may be executed', () => {
    const launcher = /^ExecStart=\/usr\/lib\/lintel\/(\S+) \/usr\/lib\/lintel\/(\S+)/m.exec(readFileSync(UNIT, 'utf8'));
    for (const program of [launcher?.[1], launcher?.[2]]) {
      expect(statSync(join(SYSTEMD, '..', program ?? 'none')).mode & 0o111).toBe(0o111);
    }
  });
});

describe('a machine it is installed on', () => {
  /** An empty system to look at and to change. */
  function root(): string {
    mkdirSync(join(folder, 'etc'));
    writeFileSync(join(folder, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\n');
    writeFileSync(join(folder, 'etc/group'), 'root:x:0:\n');
    return folder;
  }

  test('gets the user, its group and the way to serial ports', async () => {
    const said = await output(
      'systemd-sysusers',
      `--root=${root()}`,
      '--dry-run',
      join(SYSTEMD, 'sysusers.d/lintel.conf'),
    );
    expect(said).toMatch(/(Would create|Creating) user '?"?lintel/i);
    expect(said).toMatch(/(Would create|Creating) group '?"?dialout/i);
    expect(said).not.toMatch(/fail|invalid|ignoring/i);
  });

  test('gets its directories, which only root may write to', async () => {
    const here = root();
    // Without root, in a namespace where we are root, and the group is our own.
    const [asRoot, group] = isRoot ? [['env'], 990] : [['unshare', '--map-root-user'], 0];
    writeFileSync(join(here, 'etc/passwd'), `root:x:0:0::/root:/bin/sh\nlintel:x:${group}:${group}::/:/bin/sh\n`);
    writeFileSync(join(here, 'etc/group'), `root:x:0:\nlintel:x:${group}:\n`);
    cpSync(join(SYSTEMD, 'tmpfiles.d/lintel.conf'), join(here, 'etc/tmpfiles.d/lintel.conf'));
    const [program, ...args] = [...asRoot, 'systemd-tmpfiles', `--root=${here}`, '--create', 'lintel.conf'];
    expect(await output(program, ...args)).toBe('');
    expect(statSync(join(here, 'etc/lintel')).mode & 0o777).toBe(0o750);
    expect(statSync(join(here, 'etc/lintel')).gid).toBe(isRoot ? group : process.getgid?.());
    expect(statSync(join(here, 'var/lib/lintel')).mode & 0o777).toBe(0o755);
    expect(existsSync(join(here, 'run/lintel'))).toBe(true);
  });
});

/** How to enter a mount namespace here; null in a container that may not. */
const namespace = ((): string[] | null => {
  const options = isRoot ? ['--mount'] : ['--map-root-user', '--mount'];
  try {
    execFileSync('unshare', [...options, 'mount', '-t', 'tmpfs', 'tmpfs', '/run'], { stdio: 'pipe' });
    return options;
  } catch {
    console.warn('the udev rules are not tried by udev here: no mount namespaces');
    return null;
  }
})();

describe.runIf(namespace !== null)('the rules for serial adapters, read by udev', () => {
  const DEVICE = '/sys/class/tty/tty0';
  /**
   * What udev makes of a device by these rules alone, read by udev itself in a namespace of its own, so that nothing of
   * this machine changes. The rules are changed as told before: there is no such adapter here, so a device that is here
   * stands in for it.
   */
  async function udev(stand: (rules: string) => string): Promise<string> {
    cpSync(RULES, join(folder, '70-lintel.rules'));
    writeFileSync(join(folder, '70-lintel.rules'), stand(readFileSync(RULES, 'utf8')));
    const script = `mount -t tmpfs tmpfs /run && mkdir -p /run/udev/rules.d && cp "$0" /run/udev/rules.d/ &&
      mount --bind /run/udev/rules.d /usr/lib/udev/rules.d && udevadm test --action=add ${DEVICE}`;
    return await output('unshare', ...(namespace ?? []), 'sh', '-c', script, join(folder, '70-lintel.rules'));
  }

  test('are understood by udev to the last line', async () => {
    const said = await udev((rules) => rules);
    expect(said).toContain('70-lintel.rules');
    expect(
      said.split('\n').filter((line) => /70-lintel\.rules:\d+.*(Invalid|Unknown|error|ignor|failed)/i.test(line)),
    ).toEqual([]);
    const broken = await udev((rules) => rules.replace('SYMLINK+=', 'SYMLNK+='));
    expect(broken).toMatch(/70-lintel\.rules:\d+.*(Invalid|Unknown|ignor)/i);
  });

  test('name an adapter by its USB socket, and each port of one with several', async () => {
    // The first terminal of this machine stands in for an adapter; its place in the tree and its port are given.
    const asAdapter = (port: string) => (rules: string) =>
      rules
        .replace('SUBSYSTEMS!="usb", GOTO="lintel_end"', 'ENV{ID_PATH_TAG}="platform-usb-0_1_3_1_0"')
        .replace('ttyUSB[0-9]*|', 'ttyUSB[0-9]*|tty0|')
        .replace('SUBSYSTEMS=="usb-serial", ENV{.LINTEL_PORT}="-port$attr{port_number}"', port);
    const single = await udev(asAdapter(''));
    expect(single).toMatch(/lintel\/platform-usb-0_1_3_1_0(?![\w-])/);
    const second = await udev(asAdapter('ENV{.LINTEL_PORT}="-port1"'));
    expect(second).toContain('lintel/platform-usb-0_1_3_1_0-port1');
  });

  test('leave every other terminal alone', async () => {
    const said = await udev((rules) => rules);
    expect(said).toContain('DEVNAME=/dev/tty0');
    expect(said).not.toContain('DEVLINKS');
  });
});

test('the rules keep ModemManager off the adapters of the usual makers, and off no modem', () => {
  const makers = /ATTR\{idVendor\}=="([^"]+)"/.exec(readFileSync(RULES, 'utf8'))?.[1]?.split('|');
  expect(makers).toEqual(expect.arrayContaining(['0403', '10c4', '1a86', '067b']));
  // Quectel, Huawei, Sierra, Telit, u-blox, ZTE
  for (const modem of ['2c7c', '12d1', '1199', '1bc7', '1546', '19d2']) expect(makers).not.toContain(modem);
});
