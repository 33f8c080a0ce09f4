// One way of taking a stream of credentials/create: `link` as the agent does it; `single` with one commit per message;
// `callback` a bare mqtt.js subscriber that only calls back; `inserts` bare rows in the same batches; `process` the
// same handler in the same batches without a broker. Prints {ms, commits, commands}.

import { join } from 'node:path';
import Database from 'better-sqlite3';
import { connect } from 'mqtt';
import { Dispatcher } from '../../src/commands/dispatcher.ts';
import { MqttLink } from '../../src/mqtt/link.ts';
import { Outbox } from '../../src/mqtt/outbox.ts';
import { Topics } from '../../src/mqtt/topics.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { silentLog } from '../support/room.ts';
import { benchFolder, benchRoom, createCommand, openBenchStore, userCommand } from './building.ts';

const [mode = 'link', countText = '1000', url = ''] = process.argv.slice(2);
const count = Number(countText);
/** So many commands share a commit at most. */
const BATCH = 64;
const { folder, remove } = benchFolder();

const message = (payload: Buffer) => ({
  resource: 'credentials', verb: 'create', payload, source: 'mqtt' as const, isRetained: false, responseTopic: null, isResponseTopicAllowed: true, correlation: null, expiresAtMs: null,
}); // prettier-ignore

const finish = (result: Record<string, unknown>): void => {
  process.stdout.write(`${JSON.stringify(result)}\n`);
  remove();
  process.exit(0);
};

if (mode === 'callback') bareSubscriber();
else if (mode === 'inserts') bareInserts();
else if (mode === 'process') await inProcess();
else throughLink(mode === 'single');

function bareSubscriber(): void {
  const client = connect(url, {
    protocolVersion: 5,
    clean: false,
    clientId: 'lintel-bench',
    manualConnect: true,
    properties: { sessionExpiryInterval: 3600, receiveMaximum: 256 },
  });
  let seen = 0;
  let startedMs = 0;
  client.handleMessage = (_packet, done) => {
    if (seen === 0) startedMs = performance.now();
    seen += 1;
    done();
    if (seen === count) finish({ ms: performance.now() - startedMs, commits: 0, commands: seen });
  };
  client.on('connect', () => client.subscribe('lintel/v1/bench/command/#', { qos: 1 }));
  client.connect();
}

/**
 * The same commands as rows of one table, as many to a commit as the agent takes at most, as durably as the agent keeps
 * them.
 */
function bareInserts(): void {
  const db = new Database(join(folder, 'bare.db'));
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.exec(
    'CREATE TABLE commands (command_key INTEGER PRIMARY KEY, command_id TEXT NOT NULL UNIQUE, body BLOB NOT NULL)',
  );
  const insert = db.prepare<[string, Buffer]>('INSERT INTO commands (command_id, body) VALUES (?, ?)');
  const payloads = Array.from({ length: count }, (_, n) => createCommand(n));
  const startedMs = performance.now();
  for (let n = 0; n < count; n += BATCH) {
    db.transaction(() => {
      for (const [i, payload] of payloads.slice(n, n + BATCH).entries()) insert.run(`bench-${n + i}`, payload);
    })();
  }
  finish({ ms: performance.now() - startedMs, commits: Math.ceil(count / BATCH), commands: count });
}

function prepare(): { store: ReturnType<typeof openBenchStore>; dispatcher: Dispatcher; topics: Topics } {
  const store = openBenchStore(folder);
  const topics = new Topics('lintel/v1', 'bench');
  const dispatcher = new Dispatcher(benchRoom(store), { replyTopicFor: (commandId) => topics.reply(commandId) });
  void dispatcher.dispatch({ ...message(userCommand()), resource: 'users' }, () => undefined, fail);
  store.flush();
  return { store, dispatcher, topics };
}

function fail(error: Error): never {
  throw error;
}

async function inProcess(): Promise<void> {
  const { store, dispatcher } = prepare();
  const payloads = Array.from({ length: count }, (_, n) => createCommand(n));
  const before = store.commits;
  let answered = 0;
  const startedMs = performance.now();
  for (let n = 0; n < count;) {
    const batchMs = performance.now();
    for (let inBatch = 0; inBatch < BATCH && n < count && performance.now() - batchMs < 3; inBatch++, n++) {
      void dispatcher.dispatch(message(payloads[n] ?? Buffer.alloc(0)), () => (answered += 1), fail);
    }
    store.flush();
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  const ms = performance.now() - startedMs;
  if (answered !== count) throw new Error(`${answered} of ${count} answered`);
  finish({ ms, commits: store.commits - before, commands: count });
}

function throughLink(isSingle: boolean): void {
  const { store, dispatcher, topics } = prepare();
  const outbox = new Outbox(store, systemClock, systemRandom, silentLog);
  const before = store.commits;
  let startedMs = 0;
  let delivered = 0;
  let acknowledged: string[] = [];
  const saveDelivered = (): void => {
    const some = acknowledged;
    acknowledged = [];
    if (some.length > 0) store.group(() => some.forEach((commandId) => store.journal.markDelivered(commandId)));
  };
  const link: MqttLink = new MqttLink(
    {
      url, clientId: 'lintel-bench', username: null, secrets: () => ({ password: null, ca: null, cert: null, key: null }), replyTopics: [], topics, protocol: 5, identity: { started_at: '', host: '' },
    },
    {
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      dispatch: (incoming, answer, failed) => {
        if (startedMs === 0) startedMs = performance.now();
        const waiting = dispatcher.dispatch(incoming, answer, failed);
        if (isSingle) store.flush();
        return waiting;
      },
      flush: () => store.flush(),
      delivered: (commandId) => {
        acknowledged.push(commandId);
        if (acknowledged.length === 200) saveDelivered();
        delivered += 1;
        if (delivered === count) finish({ ms: performance.now() - startedMs, commits: store.commits - before, commands: store.credentials.count() });
      },
      onConnected: () => outbox.connected(link.publishEvent),
      onDisconnected: () => fail(new Error('the broker went away')),
      onListening: () => undefined,
      onChange: () => undefined,
    },
  ); // prettier-ignore
  link.start();
}
