// A whole systemd as process 1 of namespaces of its own, so that the unit is tried by the one that will run it: its
// directories, its hardening, its watchdog. Needs root and a cgroup tree that may be written to.

import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../support/ports.ts';

export type Ran = { code: number; stdout: string; stderr: string };

export type Machine = {
  /** Runs a program inside, as root. */
  run: (program: string, ...args: string[]) => Promise<Ran>;
  /** Adds or replaces a unit file (or drop-in) and makes systemd read it. */
  unit: (name: string, text: string) => Promise<void>;
  shutDown: () => Promise<void>;
};

const NAMESPACES = ['--mount', '--pid', '--fork', '--uts', '--ipc', '--net', '--cgroup', '--kill-child'];
const PROJECT = join(import.meta.dirname, '../..');

/** Whether a systemd can be started here: null, or why not. */
export function whyNoMachine(): string | null {
  if (process.getuid?.() !== 0) return 'it takes root';
  const cgroups = cgroupMount();
  if (cgroups === null) return 'there is no cgroup2 tree';
  const probe = join(cgroups, `lintel-probe-${process.pid}`);
  try {
    mkdirSync(probe);
    rmdirSync(probe);
    // What boot.sh will need: namespaces, mounts, an overlay.
    execFileSync('unshare', [...NAMESPACES, 'sh', '-c', PROBE], { stdio: 'pipe' });
    return null;
  } catch (error) {
    return `namespaces or cgroups are not to be had here: ${String(error)}`;
  }
}

const PROBE = `set -e
mount --make-rprivate /; mount -t tmpfs tmpfs /run; mkdir /run/up /run/work
mount -t overlay -o lowerdir=/etc,upperdir=/run/up,workdir=/run/work overlay /etc
mount -t cgroup2 none /sys/fs/cgroup`;

function cgroupMount(): string | null {
  const line = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .find((mount) => mount.split(' ')[2] === 'cgroup2');
  return line?.split(' ')[1] ?? null;
}

/**
 * Boots with nothing but the targets that units lean on. Lintel is there as the project has it, with its unit; without
 * `project` there is none of it, and what stands in `scratch` is seen inside as /run/test.
 */
export async function bootMachine(project: string | null = PROJECT): Promise<Machine & { scratch: string }> {
  const scratch = mkdtempSync(join(tmpdir(), 'lintel-machine-'));
  chmodSync(scratch, 0o755);
  mkdirSync(join(scratch, 'units'));
  for (const target of [
    'nothing',
    'sysinit',
    'basic',
    'shutdown',
    'network',
    'nss-lookup',
    'multi-user',
    'local-fs',
    'umount',
    'exit',
    'reboot',
  ]) {
    writeFileSync(join(scratch, 'units', `${target}.target`), '[Unit]\nDefaultDependencies=no\n');
  }
  writeFileSync(
    join(scratch, 'units', 'modprobe@.service'),
    '[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nExecStart=/bin/true\n',
  );
  if (project !== null)
    writeFileSync(join(scratch, 'units', 'lintel@.service'), readFileSync(join(project, 'systemd/lintel@.service')));

  const cgroup = join(cgroupMount() ?? '', `lintel-machine-${process.pid}`);
  mkdirSync(cgroup);
  const enter = `echo $$ > '${cgroup}/cgroup.procs' && exec unshare ${NAMESPACES.join(' ')} sh '${join(import.meta.dirname, 'boot.sh')}' '${scratch}' '${project ?? ''}'`;
  const outside = spawn('sh', ['-c', enter], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [outside.stdout, outside.stderr]) stream.on('data', (text) => (said += String(text)));
  process.once('exit', () => outside.kill('SIGKILL'));

  const run: Machine['run'] = async (program, ...args) => {
    const first = firstProcess(outside.pid ?? 0);
    return await new Promise((resolve) => {
      execFile(
        'nsenter',
        ['--target', String(first), '--all', program, ...args],
        { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } },
        (error, stdout, stderr) => {
          resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, stdout, stderr });
        },
      );
    });
  };
  const machine = {
    scratch,
    run,
    async unit(name: string, text: string) {
      mkdirSync(join(scratch, 'units', name, '..'), { recursive: true });
      writeFileSync(join(scratch, 'units', name), text);
      await run('systemctl', 'daemon-reload');
    },
    async shutDown() {
      outside.kill('SIGKILL'); // and with it the whole of the inside
      if (outside.exitCode === null && outside.signalCode === null) await once(outside, 'exit');
      await removeCgroup(cgroup);
      rmSync(scratch, { recursive: true, force: true, maxRetries: 20 });
    },
  };
  try {
    let up = false;
    await until(() => {
      if (outside.exitCode !== null) throw new Error(`the machine did not start: ${said}`);
      up ||= existsSync(`/proc/${firstProcess(outside.pid ?? 0) ?? 0}/root/run/systemd/private`);
      return up;
    }, 'systemd to start');
  } catch (error) {
    await machine.shutDown();
    throw error;
  }
  return machine;
}

/** The one child of unshare: process 1 of the inside. */
function firstProcess(outside: number): number | null {
  try {
    const text = readFileSync(`/proc/${outside}/task/${outside}/children`, 'latin1').trim();
    return text === '' ? null : Number(text.split(' ')[0]);
  } catch {
    return null;
  }
}

async function removeCgroup(folder: string): Promise<void> {
  await until(() => {
    try {
      for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })
        .filter((found) => found.isDirectory())
        .map((found) => join(found.parentPath, found.name))
        .sort((a, b) => b.length - a.length)) {
        rmdirSync(entry);
      }
      rmdirSync(folder);
      return true;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return !existsSync(folder);
      return false; // somebody in it is still ending
    }
  }, 'the cgroup to be empty');
}
