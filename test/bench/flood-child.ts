// The agent of a building with a calm reader and two that are flooded. Arguments: a folder, the lines of the relay
// board and of the three readers, how many tags open the lobby. Asked `events`, it says how many grants of the lobby
// and of the other door were recorded, and the longest turn of its loop since it was asked last, ms.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { systemClock } from '../../src/ops/clock.ts';
import { buildSite, buildRoom, Caller, ENTRANCES, LOBBY, USER } from '../support/room.ts';
import { startAgent } from './agent.ts';
import { openBenchStore } from './building.ts';

const OTHER = '55555555-5555-5555-5555-000000000009';
const [folder = '', board = '', calm = '', tcp = '', pty = '', tags = '0'] = process.argv.slice(2);
const file = join(folder, 'bench.yaml');
writeFileSync(
  file,
  `
facility: bench
acs_system_id: 88888888-8888-8888-8888-888888888888
time_zone: UTC
clock: {trust: always}
mqtt: {url: "mqtt://127.0.0.1:9"}
store: {path: ${join(folder, 'lintel.db')}, events: {keep: 90d, max: 1_000_000}}
buses:
  plant: {driver: modbus, transport: rtu, port: "${board}", baud: 115200}
  desk: {driver: uart, port: "${calm}", frame: rdm6300}
  mad-tcp: {driver: uart, port: "${tcp}", frame: rdm6300, baud: 115200}
  mad-pty: {driver: uart, port: "${pty}", frame: rdm6300, baud: 115200}
controllers:
  relay-board: {bus: plant, unit: 1, profile: waveshare-relay-8ch}
  lobby-reader: {bus: desk, card_formats: [uid]}
  tcp-reader: {bus: mad-tcp, card_formats: [uid]}
  pty-reader: {bus: mad-pty, card_formats: [uid]}
entrances:
  lobby: {acs_entrance_id: ${LOBBY}, readers: [lobby-reader], factors: card, strike: {controller: relay-board, output: 0, pulse: 500ms}}
  other: {acs_entrance_id: ${OTHER}, readers: [tcp-reader, pty-reader], factors: card, strike: {controller: relay-board, output: 1, pulse: 500ms}}
`,
);
const store = openBenchStore(folder);
const other = { ...ENTRANCES.lobby, name: 'other', acsEntranceId: OTHER };
const keys = buildSite(store, [ENTRANCES.lobby, other]).entrances.map(({ entranceKey }) => entranceKey);
const caller = new Caller(buildRoom(store, systemClock));
await caller.call('users/create', { acs_user_id: USER, full_name: 'Bench' });
for (let n = 1; n <= Number(tags); n++) {
  const id = `00000000-0000-4000-9000-${String(n).padStart(12, '0')}`;
  const card_number = `uid:00${n.toString(16).toUpperCase().padStart(8, '0')}`;
  const given = { acs_credential_id: id, acs_user_id: USER, access_method: 'card', card_number };
  const reply = await caller.call('credentials/create', { ...given, allowed_acs_entrance_ids: [LOBBY] });
  const key = store.credentials.byId(id)?.credential_key;
  if (reply.error !== undefined || key === undefined) throw new Error(JSON.stringify(reply.error));
  store.now(() => store.credentials.setEntrances(key, keys, null));
}
store.close();

const { agent } = await startAgent(file);
while (!agent.controllers().every(({ status }) => status.online))
  await new Promise((resolve) => setTimeout(resolve, 20));
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();

process.on('message', () => {
  const counts: Record<string, number> = {};
  for (const { event_type, body } of agent.store?.events.after(0, 1_000_000) ?? []) {
    const at = (JSON.parse(body) as { acs_entrance_id?: string }).acs_entrance_id === LOBBY ? 'lobby' : 'other';
    counts[`${at} ${event_type}`] = (counts[`${at} ${event_type}`] ?? 0) + 1;
  }
  const longestTurnMs = delay.max / 1e6;
  delay.reset();
  process.send?.({ counts, longestTurnMs });
});
process.on('disconnect', () => process.exit(0));
process.send?.({ counts: {}, longestTurnMs: 0 });
