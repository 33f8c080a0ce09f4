// One start of the agent on a database of a size. Arguments: a folder (kept between runs), credentials, `fill`, `start`
// or `memory`. Prints what was measured.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LOBBY } from '../support/room.ts';
import { startAgent } from './agent.ts';
import { benchRoom, fill, openBenchStore } from './building.ts';

const [folder = '', countText = '0', task = 'start'] = process.argv.slice(2);
const count = Number(countText);
const say = (result: Record<string, unknown>): never => {
  process.stdout.write(`${JSON.stringify(result)}\n`);
  process.exit(0);
};

if (task === 'fill') {
  const store = openBenchStore(folder);
  fill(store, benchRoom(store).site, count);
  store.close();
  say({ filled: count });
}

const file = join(folder, 'bench.yaml');
writeFileSync(
  file,
  `
facility: bench
acs_system_id: 88888888-8888-8888-8888-888888888888
time_zone: UTC
clock: {trust: always}
mqtt: {url: "mqtt://127.0.0.1:9"}
store: {path: ${join(folder, 'lintel.db')}, events: {keep: 90d, max: 100_000}}
buses:
  plant: {driver: modbus, transport: rtu, port: "tcp://127.0.0.1:11"}
  desk: {driver: uart, port: "tcp://127.0.0.1:9", frame: rdm6300}
controllers:
  relay-board: {bus: plant, unit: 1, profile: waveshare-relay-8ch}
  lobby-reader: {bus: desk}
entrances:
  lobby: {acs_entrance_id: ${LOBBY}, readers: [lobby-reader], factors: card, strike: {controller: relay-board, output: 0, pulse: 1s}}
`,
);

const startedMs = performance.now();
const { agent } = await startAgent(file);
const readyMs = performance.now() - startedMs;
const processMs = performance.now();
if (task === 'start') say({ readyMs, processMs });

// Memory after a stretch of ordinary life: decisions' look-ups all over the database, and the events of them.
const { store } = agent;
if (store === null) throw new Error('the database is open');
for (let i = 0; i < 20_000; i++) {
  store.reach.byCard(store.secrets.cardHash(`H10302:${((i * 7919) % Math.max(count, 1)) + 1}`), 1);
  if (i % 10 === 0) store.now(() => store.events.add({ event_type: 'lock.unlocked', body: {} }, Date.now()));
}
await new Promise((resolve) => setTimeout(resolve, 500));
(globalThis as { gc?: () => void }).gc?.();
say({ rssMiB: process.memoryUsage().rss / 1024 / 1024 });
