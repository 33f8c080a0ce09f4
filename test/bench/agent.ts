// The whole agent of a bench, as the product composes it, from a facility file on disk.

import { portOpener } from '../../drivers/serial-port.ts';
import { Agent } from '../../src/agent/agent.ts';
import type { Facility } from '../../src/domain/facility.ts';
import { DRIVERS } from '../../src/drivers.ts';
import { formatProblems } from '../../src/facility/format.ts';
import { loadFacility } from '../../src/facility/load.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { vouchersFor } from '../../src/ops/clock-vouchers.ts';
import { systemCron } from '../../src/ops/cron.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { silentLog } from '../support/room.ts';

/** Started; its database is open. */
export async function startAgent(file: string): Promise<{ agent: Agent; facility: Facility }> {
  const { facility, problems } = loadFacility(file, DRIVERS);
  if (facility === null) throw new Error(formatProblems(problems));
  const agent = new Agent({
    facility,
    drivers: DRIVERS,
    version: 'bench',
    clock: systemClock,
    random: systemRandom,
    cron: systemCron,
    log: silentLog,
    openPort: portOpener(systemClock),
    env: {},
    vouchers: vouchersFor('always', systemClock),
    bootRecord: null,
    brokerFolder: null,
  });
  await agent.start();
  if (agent.refusal !== null) throw new Error(agent.refusal);
  return { agent, facility };
}
