import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { portOpener } from '../../drivers/serial-port.ts';
import { Agent } from '../../src/agent/agent.ts';
import { DRIVERS } from '../../src/drivers.ts';
import { loadFacility } from '../../src/facility/load.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { systemCron } from '../../src/ops/cron.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { until } from '../support/ports.ts';
import { silentLog, SYSTEM } from '../support/room.ts';
import { temporaryFolder } from '../support/store.ts';

it('a restart gives nothing back of the grace of a clock that nobody vouches for', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'riverside.yaml');
  writeFileSync(
    file,
    `
facility: riverside
acs_system_id: ${SYSTEM}
time_zone: Europe/Oslo
mqtt: {embedded: 0}
store: {path: ${join(folder, 'lintel.db')}, events: {keep: 90d}}
policy: {clock_grace: 2s}
`,
  );
  const serve = async (): Promise<Agent> => {
    const { facility } = loadFacility(file, DRIVERS);
    if (facility === null) throw new Error('the file is good');
    const agent = new Agent({
      facility,
      drivers: DRIVERS,
      version: '0.0.0-test',
      clock: systemClock,
      random: systemRandom,
      cron: systemCron,
      log: silentLog,
      openPort: portOpener(systemClock),
      env: {},
      vouchers: [],
      bootRecord: null,
      brokerFolder: folder,
    });
    onTestFinished(() => agent.stop());
    await agent.start();
    return agent;
  };
  const first = await serve();
  expect(first.time().trusted).toBe(false);
  // On a busy machine there is also none for as long as what is being spent could not be stored.
  const isSpent = (): boolean => first.store?.meta.number('clock_grace_spent') === 2_000;
  await until(() => !first.time().isGraceLeft && isSpent(), 'the end of the grace', 20_000);
  await first.stop();
  const second = await serve();
  expect(second.time()).toMatchObject({ trusted: false, isGraceLeft: false });
}, 60_000);
