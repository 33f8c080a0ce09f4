// Decisions through the real drivers on real sockets: a UART reader and an RTU relay board behind TCP converters, the
// access room between them. Measures from the reader's last byte handed to us to the relay request written. Arguments:
// credentials, decisions in all, `quiet`, `apply` or `drain` with a broker. Says `{ready}` to its parent; then each number it is sent is a
// round of so many decisions, each beside one at a bare door, answered by arrays of milliseconds.

import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { portOpener } from '../../drivers/serial-port.ts';
import { Access } from '../../src/access/access.ts';
import { Recorder } from '../../src/access/recorder.ts';
import { Dispatcher } from '../../src/commands/dispatcher.ts';
import type { PreparedController } from '../../src/domain/driver-module.ts';
import type { Device, DriverEvent, OpenPort } from '../../src/domain/ports.ts';
import { DRIVERS } from '../../src/drivers.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { LOBBY, POLICY, silentLog, SYSTEM, USER } from '../support/room.ts';
import { openBareDoor } from './bare-door.ts';
import { benchFolder, benchRoom, fill, openBenchStore } from './building.ts';
import { drainWithoutEnd } from './drain.ts';

/** Milliseconds, one for each decision; `bare` are those of the bare door beside. */ import type {
  DevicePorts,
  Show,
} from './devices-worker.ts';

export type DecisionRound = { latencies: number[]; bare: number[]; lookups: number[]; commits: number[] };

const [countText = '1000', decisionsText = '200', load = 'quiet', url = ''] = process.argv.slice(2);
const WARM_UP = 10;
const count = Number(countText);
const decisions = Number(decisionsText) + WARM_UP;
const { folder, remove } = benchFolder();
const store = openBenchStore(folder);
const room = benchRoom(store);
fill(store, room.site, count);

// The moments that count, taken at the border of the process: the bytes handed over by the line, the bytes handed to
// it.
let handedMs = 0;
let writtenMs = 0;
const realPort = portOpener(systemClock);
const watchedPort: OpenPort = async (settings, handlers, timeoutMs) => {
  const port = await realPort(
    settings,
    {
      ...handlers,
      data: (bytes) => {
        handedMs = performance.now();
        handlers.data(bytes);
      },
    },
    timeoutMs,
  );
  return port;
};
const relayPort: OpenPort = async (settings, handlers, timeoutMs) => {
  const port = await realPort(settings, handlers, timeoutMs);
  return {
    ...port,
    write: (bytes) => {
      port.write(bytes);
      // FC05 to a flash coil is the strike; polls of inputs are FC02.
      if (bytes[1] === 5 && writtenMs === 0) writtenMs = performance.now();
    },
  };
};

const simulated = new Worker(new URL('./devices-worker.ts', import.meta.url));
const show = (message: Show): void => simulated.postMessage(message);
const ports = await new Promise<DevicePorts>((resolve) => void simulated.once('message', resolve));
const devices = new Map<string, Device>();
const emit = (event: DriverEvent): void => {
  if (event.type === 'presented') access.presented(event);
};
const buses = [
  { name: 'plant', driver: 'modbus', config: { transport: 'rtu', port: ports.relays, baud: 115200 }, controller: 'relay-board', controllerConfig: { unit: 1, profile: 'waveshare-relay-8ch' }, open: relayPort },
  { name: 'desk', driver: 'uart', config: { port: ports.reader, baud: 9600, frame: 'rdm6300' }, controller: 'lobby-reader', controllerConfig: { debounce: '100ms' }, open: watchedPort },
]; // prettier-ignore

const lookups: number[] = [];
const commits: number[] = [];
const byCard = store.reach.byCard.bind(store.reach);
store.reach.byCard = (hash, entranceKey) => {
  const startedMs = performance.now();
  const found = byCard(hash, entranceKey);
  lookups.push(performance.now() - startedMs);
  return found;
};
const now = store.now.bind(store);
store.now = (fn) => {
  const startedMs = performance.now();
  const result = now(fn);
  commits.push(performance.now() - startedMs);
  return result;
};

const access = new Access({
  site: room.site,
  store,
  recorder: new Recorder(store, systemClock, silentLog),
  policy: POLICY,
  modeInputs: [],
  clock: systemClock,
  log: silentLog,
  device: (name) => devices.get(name),
  cardFormatsOf: () => ['uid', 'H10301'],
  time: () => ({ trusted: true, nowMs: Date.now(), floorMs: null, isGraceLeft: true }),
  acsSystemId: SYSTEM,
  timeZone: 'Europe/Oslo',
  offlineForMs: () => null,
  onChange: () => undefined,
  problem: () => undefined,
  wake: () => undefined,
});

for (const bus of buses) {
  const module = DRIVERS.find((driver) => driver.name === bus.driver);
  if (module === undefined) throw new Error(`no driver ${bus.driver}`);
  const busConfig = module.busSchema.parse(bus.config);
  const { controller, problems } = module.prepare(
    bus.controller,
    busConfig,
    module.controllerSchema.parse(bus.controllerConfig),
    '/',
  );
  if (controller === null) throw new Error(JSON.stringify(problems));
  const prepared: PreparedController[] = [controller];
  const driver = module.create(bus.name, busConfig, prepared, {
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    openPort: bus.open,
    emit,
  });
  for (const [name, device] of driver.devices) devices.set(name, device);
  driver.start();
}
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
while (![...devices.values()].every((device) => device.status().online)) await pause(20);

// Tags whose cards are in the database, all over it: UIDs as the cards of the lobby.
const tags = Array.from({ length: decisions }, (_, i) =>
  `00${((i * 2_654_435) % 0xffffff).toString(16).padStart(8, '0')}`.toUpperCase(),
);
store.now(() => {
  const user = store.users.byId(USER);
  const entranceKey = room.site.byId(LOBBY)?.entranceKey ?? 1;
  for (const [i, tag] of tags.entries()) {
    const id = `00000000-0000-4000-9000-${String(i).padStart(12, '0')}`;
    const card = `uid:${tag}`;
    const key = store.credentials.insert({
      acs_credential_id: id, user_key: user?.user_key ?? 1, access_method: 'card', starts_at: null, ends_at: null, has_own_entrances: 1, uses_left: 0, max_uses: null, is_duress: 0, used_at: null, invalidated_at: null,
      card_hash: store.secrets.cardHash(card), card_sealed: store.secrets.seal(card, `card ${id}`), code_hash: null, code_sealed: null, code_length: null, secret_revision: null,
      display_name: null, metadata: null, opaque: null, schedule_modified: 0, issued_at: 1, synced_at: 1, created_at: 1, schedule_key: null,
    }); // prettier-ignore
    store.credentials.setEntrances(key, [entranceKey], null);
  }
});

const bareDoor = await openBareDoor(join(folder, 'lintel.db'), ports.bare);
const hashOf = (tag: string): Buffer => store.secrets.cardHash(`uid:${tag}`);
let next = 0;

async function round(size: number): Promise<DecisionRound> {
  const latencies: number[] = [];
  const bare: number[] = [];
  lookups.length = 0;
  commits.length = 0;
  for (const tag of tags.slice(next, (next += size))) {
    writtenMs = 0;
    show({ tag, at: 'served' });
    const startedMs = performance.now();
    while (writtenMs === 0 && performance.now() - startedMs < 10_000)
      await new Promise<void>((resolve) => setImmediate(resolve));
    if (writtenMs === 0) throw new Error('a door did not open');
    latencies.push(writtenMs - handedMs);
    // People come one by one, no faster than a reader's budget lets them; until the next one the board has answered and
    // shown its relay.
    await pause(80 + Math.random() * 20);
    const opened = bareDoor.next(hashOf(tag));
    show({ tag, at: 'bare' });
    bare.push(await opened);
    await pause(25 + Math.random() * 10);
  }
  return { latencies, bare, lookups: [...lookups], commits: [...commits] };
}

// The first few compile the code they run through; an agent that has served one person is past that.
await round(WARM_UP);
if (load === 'apply') void applyStream();
if (load === 'drain') drainWithoutEnd(store, url);
process.on('message', (size: number) => void round(size).then((measured) => process.send?.(measured)));
process.on('disconnect', () => {
  remove();
  process.exit(0);
});
process.send?.({ ready: true });

/** Commands without end, 100 operations each, as a sender that fills a building would send them. */
async function applyStream(): Promise<void> {
  const dispatcher = new Dispatcher(room, { replyTopicFor: (commandId) => commandId });
  for (let n = 0; ; n++) {
    const operations = Array.from({ length: 100 }, (_, i) => ({
      op: 'create',
      params: {
        acs_user_id: USER,
        access_method: 'card',
        card_number: `H10304:${n % 65536}:${i}`,
        allowed_acs_entrance_ids: [LOBBY],
      },
    }));
    const payload = Buffer.from(JSON.stringify({ command_id: `apply-${n}`, params: { operations } }));
    await new Promise<void>((resolve, reject) => {
      void dispatcher.dispatch(
        {
          resource: 'credentials',
          verb: 'apply',
          payload,
          source: 'mqtt',
          isRetained: false,
          responseTopic: null,
          isResponseTopicAllowed: true,
          correlation: null,
          expiresAtMs: null,
        },
        () => resolve(),
        reject,
      );
    });
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
