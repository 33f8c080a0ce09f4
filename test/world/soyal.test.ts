// A SOYAL controller, end to end and on real ports: schedules and holidays commanded over MQTT, kept by the controller
// when the agent is gone, and what it could not hold refused when the command comes.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { SoyalSimulator } from '../../drivers/soyal/simulator.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { allOnline, serveFacility } from '../support/building.ts';
import { startMosquitto } from '../support/mosquitto.ts';
import { until } from '../support/ports.ts';
import { STORE_ROOM, SYSTEM, USER } from '../support/room.ts';
import { sender } from '../support/sender.ts';
import { temporaryFolder } from '../support/store.ts';

const OFFICE = '99999999-9999-9999-9999-999999999999';
const CARD = '00666666-0000-4000-8000-000000000001';
const CODE = '00666666-0000-4000-8000-000000000002';
const UID = 0x04a1b2c3;

it('a schedule commanded from above holds at the controller, by the wall clock of the building, with the agent gone', async () => {
  const folder = temporaryFolder();
  const broker = await startMosquitto();
  const simulator = new SoyalSimulator([{ address: 1 }], systemClock);
  onTestFinished(() => simulator.close());
  const port = await simulator.listen(0);
  const file = join(folder, 'riverside.yaml');
  writeFileSync(
    file,
    `
facility: riverside
acs_system_id: ${SYSTEM}
time_zone: Asia/Kathmandu
clock: {trust: always}
mqtt: {url: "${broker.url}"}
store: {path: ${join(folder, 'lintel.db')}, events: {keep: 90d}}
buses:
  annex: {driver: soyal, port: "tcp://127.0.0.1:${port}", baud: 115200}
controllers:
  gate: {bus: annex, address: 1, time_zone: Asia/Kathmandu, schedule_zones: {first: 2, last: 4}}
entrances:
  store-room:
    acs_entrance_id: ${STORE_ROOM}
    controller: gate
`,
  );
  const tower = await sender(broker.url);
  const agent = await serveFacility(file);
  await allOnline(agent);

  let count = 0;
  const command = async (name: string, params: Record<string, unknown>) => {
    const command_id = `s-${process.pid}-${++count}`;
    await tower.publish(name, { command_id, params });
    const answer = () => tower.replies().find((reply) => reply.command_id === command_id);
    await until(() => answer() !== undefined, `the reply to ${name}`);
    return answer();
  };
  const stateOf = (id: string): string | undefined => {
    const { store } = agent;
    return store?.targets.ofCredential(store.credentials.byId(id)?.credential_key ?? 0)[0]?.state;
  };
  await command('users/create', { acs_user_id: USER, full_name: 'Ada' });
  await command('schedules/create', { schedule_id: OFFICE, name: 'Office', week: 'mon-fri 08:00-12:00, 13:00-17:00' });
  await command('holidays/create', { name: 'Christmas', date: '2026-12-25', every_year: true });
  const own = { acs_user_id: USER, allowed_acs_entrance_ids: [STORE_ROOM] };
  expect(await command('credentials/create', { ...own, access_method: 'code', code: '0000' })).toMatchObject({
    ok: false,
    error: { type: 'code_constraints_violated', path: ['params', 'code'] },
  });
  const card = { ...own, acs_credential_id: CARD, access_method: 'card', card_number: 'uid:04A1B2C3' };
  expect(await command('credentials/create', { ...card, schedule_id: OFFICE })).toMatchObject({ ok: true });
  expect(
    await command('credentials/create', { ...own, acs_credential_id: CODE, access_method: 'code', code: '4711' }),
  ).toMatchObject({ ok: true });
  await until(() => stateOf(CARD) === 'set' && stateOf(CODE) === 'set', 'both to be set');
  expect((await command('schedules/get', { schedule_id: OFFICE }))?.result?.['schedule']).toMatchObject({
    controller_states: [{ controller: 'gate', time_zones: [2, 3], state: 'unconfirmed' }],
  });
  const door = simulator.at(1).door;
  // Five and three quarter hours ahead of UTC, all year.
  expect(Math.abs(door.clockMs - (Date.now() + 5.75 * 3_600_000))).toBeLessThan(60_000);
  await agent.stop();

  const at = (shown: string): [card: boolean, code: boolean] => {
    door.clockMs = Date.parse(`${shown}:00Z`);
    return [door.presentCard(UID), door.typePin('4711')];
  };
  expect(at('2026-12-24T08:00')).toEqual([true, true]);
  expect(at('2026-12-24T12:30')).toEqual([false, true]);
  expect(at('2026-12-25T09:00')).toEqual([false, true]);
  expect(at('2026-12-26T09:00')).toEqual([false, true]);
});
