// Looks at everything on which doors depend, in the order in which somebody would: the file, the clock, the disk, the
// lines, the broker, the service, and what the agent says itself. Changes nothing, and opens no device.

import type { DriverModule } from '../domain/driver-module.ts';
import { loadFacility } from '../facility/load.ts';
import { checkAgent, onlineBuses } from './agent-check.ts';
import { checkBroker } from './broker-check.ts';
import { checkClock } from './clock-check.ts';
import { checkDisk } from './disk-check.ts';
import { Findings, type Finding, type FindingState } from './finding.ts';
import type { DoctorsMachine } from './machine.ts';
import { checkPorts } from './ports-check.ts';
import { checkService } from './service-check.ts';

export async function examine(
  machine: DoctorsMachine,
  file: string,
  drivers: readonly DriverModule[],
): Promise<Finding[]> {
  const found = new Findings('file');
  const { facility, problems } = loadFacility(file, drivers);
  for (const { severity, file: where, line, key, message, remedy } of problems) {
    const says = `${key === '' ? '' : `${key}: `}${message}`;
    found[severity === 'error' ? 'fault' : 'warning'](says, remedy, `${where}:${line}`);
  }
  if (facility === null) return [...found.all, ...(await checkClock(machine, null))];
  if (problems.length === 0) found.good('says nothing wrong', file);
  const status = await machine.status(facility.name);
  const controllers = new Findings('controllers');
  for (const { name, driver } of facility.controllers) {
    const unseen = drivers.find((one) => one.name === driver)?.unseen;
    if (unseen !== undefined) controllers.look(unseen.says, unseen.remedy, name);
  }
  return [
    ...found.all,
    ...(await checkClock(machine, facility)),
    ...checkDisk(machine, facility),
    ...(await checkPorts(machine, facility, onlineBuses(status))),
    ...(await checkBroker(machine, facility)),
    ...checkService(machine, facility),
    ...controllers.all,
    ...checkAgent(status, facility),
  ];
}

const RANKS: readonly FindingState[] = ['good', 'look', 'warning', 'fault'];

/** The worst of all. */
export const worstOf = (findings: readonly Finding[]): FindingState =>
  RANKS[Math.max(0, ...findings.map(({ state }) => RANKS.indexOf(state)))] ?? 'good';
