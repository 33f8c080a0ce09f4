// The machine around the service: does it start by itself, does its log outlive a restart, does anybody pull the plug
// when the whole machine hangs, and does no other program take the adapters.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Facility } from '../domain/facility.ts';
import { Findings, type Finding } from './finding.ts';
import { namesIn, textIn } from './look.ts';
import type { DoctorsMachine } from './machine.ts';

/** Programs that take hold of serial adapters by themselves, as Debian names them. */
const TAKERS: ReadonlyMap<string, string> = new Map([
  [
    'ModemManager',
    'It sends AT commands to adapters that it does not know. systemctl disable --now ModemManager, or the udev rule of the package',
  ],
  ['brltty', 'It takes CH340 and CP2102 adapters for braille displays. apt purge brltty'],
]);

/** Where systemd and the kernel show what there is; a test has others. */
export type ServiceRoots = { etc: string; run: string; log: string; dev: string; proc: string };
export const THIS_SERVICE: ServiceRoots = { etc: '/etc', run: '/run', log: '/var/log', dev: '/dev', proc: '/proc' };

export function checkService(
  { roots }: Pick<DoctorsMachine, 'roots'>,
  facility: Facility,
  at: ServiceRoots = { ...THIS_SERVICE, ...roots },
): Finding[] {
  const found = new Findings('service');
  for (const name of programsOf(at.proc)) {
    const remedy = TAKERS.get(name);
    if (remedy !== undefined) found.warning(`${name} runs on this machine`, remedy, name);
  }
  if (!existsSync(join(at.run, 'systemd/system'))) {
    found.look('systemd does not run here', 'Have something else start Lintel, restart it, and feed no watchdog');
    return found.all;
  }
  const unit = `lintel@${facility.name}.service`;
  if (existsSync(join(at.etc, 'systemd/system/multi-user.target.wants', unit)))
    found.good(`${unit} starts with the machine`);
  else found.warning(`${unit} does not start with the machine`, `systemctl enable lintel@${facility.name}`, unit);
  if (existsSync(join(at.log, 'journal'))) found.good('the journal outlives a restart', 'journal');
  else
    found.warning(
      'the journal is kept in memory: after a restart nobody can read why',
      'mkdir -p /var/log/journal && systemd-tmpfiles --create --prefix /var/log/journal',
      'journal',
    );
  if (existsSync(join(at.dev, 'watchdog')) && !hasHardwareWatchdog(at.etc))
    found.warning(
      'this machine has a hardware watchdog, and nobody feeds it: when the kernel hangs the doors wait for a person',
      'RuntimeWatchdogSec=30s in /etc/systemd/system.conf.d/watchdog.conf, under [Manager]',
      'watchdog',
    );
  return found.all;
}

function hasHardwareWatchdog(etc: string): boolean {
  const folder = join(etc, 'systemd/system.conf.d');
  const files = [join(etc, 'systemd/system.conf'), ...namesIn(folder).map((name) => join(folder, name))];
  return files.some((file) => /^\s*RuntimeWatchdogSec=(?!0?\s*$|off\s*$)/m.test(textIn(file) ?? ''));
}

function programsOf(proc: string): Set<string> {
  const processes = namesIn(proc).filter((name) => /^\d+$/.test(name));
  return new Set(processes.map((name) => textIn(join(proc, name, 'comm')) ?? ''));
}
