// Who may vouch for the clock: the kernel (somebody has synchronised it), or a battery clock. Node cannot read the
// kernel's clock state itself, so several others are asked who can, cheapest first, and each that is missing or
// forbidden here is simply no witness.

import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { uptime } from 'node:os';
import { dirname, join } from 'node:path';
import type { ClockTrust as ClockTrustSetting } from '../domain/facility.ts';
import type { Clock } from '../domain/ports.ts';
import { EARLIEST_MS } from './clock-rules.ts';
import type { BootRecord, VouchAnswer, Voucher } from './clock-trust.ts';

export type Machine = {
  /**
   * Touched by systemd-timesyncd each time it has set the clock, and gone with it (systemd-timesyncd.service, FILES).
   */
  timesyncFile: string;
  rtcFolder: string;
  /**
   * Runs a program by name with a PATH of its own and resolves to its output; null when it is missing, fails or takes
   * too long.
   */
  run: (program: string, args: readonly string[]) => Promise<string | null>;
};

const PROGRAM_TIMEOUT_MS = 5_000;
const RTC_AGREEMENT_MS = 60_000;

export const thisMachine: Machine = {
  timesyncFile: '/run/systemd/timesync/synchronized',
  rtcFolder: '/sys/class/rtc',
  run: runner('/usr/bin:/bin:/usr/sbin:/sbin'),
};

export function runner(path: string): Machine['run'] {
  return async (program, args) =>
    await new Promise((resolve) => {
      const options = {
        env: { PATH: path, LC_ALL: 'C' },
        timeout: PROGRAM_TIMEOUT_MS,
        killSignal: 'SIGKILL',
        maxBuffer: 65_536,
      } as const;
      execFile(program, args, options, (error, stdout) => resolve(error === null ? stdout : null));
    });
}

/** The vouchers for `clock: {trust: …}`. With `rtc`, a synchronised kernel counts as well: it is the better witness. */
export function vouchersFor(trust: ClockTrustSetting, clock: Clock, machine: Machine = thisMachine): Voucher[] {
  const kernel: Voucher = { vouch: 'kernel', ask: () => askKernel(machine) };
  switch (trust) {
    case 'kernel':
      return [kernel];
    case 'rtc':
      return [{ vouch: 'rtc', ask: () => Promise.resolve(askRtc(machine.rtcFolder, clock)) }, kernel];
    case 'always':
      return [
        { vouch: 'always', ask: () => Promise.resolve({ vouched: true, detail: 'the facility file says: always' }) },
      ];
  }
}

// ---- the kernel -----------------------------------------------------------------------------------------------------

type Witness = { name: string; ask: (machine: Machine) => Promise<boolean | null> };

/**
 * Each says yes, no, or null for: cannot tell. A no of chrony is final, for it knows better than the kernel whether it
 * follows anybody.
 */
const WITNESSES: readonly (Witness & { final?: true })[] = [
  { name: 'systemd-timesyncd', ask: (machine) => Promise.resolve(existsSync(machine.timesyncFile) ? true : null) },
  {
    name: 'chrony',
    ask: async (machine) => readTracking(await machine.run('chronyc', ['-n', '-c', 'tracking'])),
    final: true,
  },
  { name: 'timedatectl', ask: async (machine) => readNtpSynchronized(await machine.run('timedatectl', ['show'])) },
  { name: 'adjtimex', ask: async (machine) => readMaxError(await machine.run('perl', ['-e', READ_MAX_ERROR])) },
];

export async function askKernel(machine: Machine): Promise<VouchAnswer> {
  const said: string[] = [];
  for (const { name, ask, final } of WITNESSES) {
    const answer = await ask(machine);
    if (answer === null) continue;
    if (answer) return { vouched: true, detail: `synchronised, says ${name}` };
    said.push(name);
    if (final === true) break;
  }
  const detail =
    said.length === 0
      ? 'nobody here can tell whether the clock is synchronised'
      : `not synchronised, say ${said.join(', ')}`;
  return { vouched: false, detail };
}

/**
 * `chronyc -c tracking`: comma separated, the reference first, the leap status last. 7F7F0101 is chrony's own clock
 * (`local`), which vouches for nothing.
 */
function readTracking(output: string | null): boolean | null {
  const fields = output?.trim().split(',') ?? [];
  if (fields.length < 14) return null;
  return fields[0] !== '7F7F0101' && ['Normal', 'Insert second', 'Delete second'].includes(fields.at(-1) ?? '');
}

/**
 * `timedatectl show`: what the kernel says (its maximum error), read by systemd-timedated, which may where our own
 * service must not.
 */
function readNtpSynchronized(output: string | null): boolean | null {
  const value = /^NTPSynchronized=(yes|no)$/m.exec(output ?? '')?.[1];
  return value === undefined ? null : value === 'yes';
}

/**
 * The kernel itself, where no service can be asked (containers, other init systems): adjtimex(2) without a change, for
 * which Perl's `syscall` needs no module. Prints the maximum error in microseconds. Struct timex of 64 bit machines:
 * `maxerror` at byte 24.
 */
const READ_MAX_ERROR = `
  use Config;
  my %number = (x86_64 => 159, aarch64 => 171);
  my ($machine) = $Config{archname} =~ /^([^-]+)/;
  exit 1 unless exists $number{$machine};
  my $timex = "\\0" x 512;
  exit 1 if syscall($number{$machine}, $timex) < 0;
  print unpack("x24q", $timex);
`;
/**
 * The kernel's own bound (NTP_PHASE_LIMIT): the error is set to it at boot and grows back to it hours after the last
 * correction.
 */
const MAX_ERROR_US = 16_000_000;

function readMaxError(output: string | null): boolean | null {
  if (output === null || !/^\d+$/.test(output)) return null;
  return Number(output) < MAX_ERROR_US;
}

// ---- a battery clock ------------------------------------------------------------------------------------------------

/**
 * Vouches when one of the machine's battery clocks can be read (the kernel refuses to read one that says its battery
 * failed), is later than this program, and agrees with the wall clock. That the wall clock is not behind the floor is
 * judged for every voucher alike.
 */
export function askRtc(folder: string, clock: Clock): VouchAnswer {
  const problems: string[] = [];
  for (const name of rtcNames(folder)) {
    const atMs = readRtc(join(folder, name));
    if (atMs === null) problems.push(`${name} cannot be read, its battery may be empty`);
    else if (atMs < EARLIEST_MS) problems.push(`${name} says ${day(atMs)}, its battery was empty`);
    else if (Math.abs(atMs - clock.nowMs()) > RTC_AGREEMENT_MS) {
      problems.push(
        `${name} and the clock disagree (${day(atMs)} against ${day(clock.nowMs())}): run hwclock --hctosys, the battery clock must keep UTC`,
      );
    } else return { vouched: true, detail: `${name} agrees` };
  }
  return { vouched: false, detail: problems.join(', ') || `there is no battery clock in ${folder}` };
}

function rtcNames(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function readRtc(folder: string): number | null {
  try {
    const text = readFileSync(join(folder, 'since_epoch'), 'latin1').trim();
    return /^\d+$/.test(text) ? Number(text) * 1000 : null;
  } catch {
    return null;
  }
}

function day(atMs: number): string {
  return Number.isFinite(atMs) && Math.abs(atMs) < 8e15
    ? new Date(atMs).toISOString().slice(0, 16) + 'Z'
    : 'no time at all';
}

// ---- one boot -------------------------------------------------------------------------------------------------------

/**
 * Keeps in a file of the runtime directory that the clock was trusted in this boot, so that a restart of the process
 * alone, long after the network has gone, does not make a good clock untrusted. The boot's own id is kept with it: a
 * file that survives a reboot counts for nothing.
 */
export function bootRecordFile(path: string, bootIdFile = '/proc/sys/kernel/random/boot_id'): BootRecord {
  const bootId = (): string => readFileSync(bootIdFile, 'latin1').trim();
  return {
    bootTimeMs: () => uptime() * 1000,
    load() {
      try {
        const record: unknown = JSON.parse(readFileSync(path, 'utf8'));
        if (typeof record !== 'object' || record === null || !('boot_id' in record) || record.boot_id !== bootId())
          return null;
        return 'wall_minus_boot_ms' in record && typeof record.wall_minus_boot_ms === 'number'
          ? record.wall_minus_boot_ms
          : null;
      } catch {
        return null;
      }
    },
    save(wallMinusBootMs) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(
        `${path}.new`,
        JSON.stringify({ boot_id: bootId(), wall_minus_boot_ms: Math.round(wallMinusBootMs) }),
      );
      renameSync(`${path}.new`, path);
    },
  };
}
