// The log of events, measured in a process of its own. Arguments: `append`, and how many; or `drain`, how many, and the
// broker. Each is measured in turns with its bare equivalent, and every turn's two rates go out as one line of JSON.

import Database from 'better-sqlite3';
import { connectAsync } from 'mqtt';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { eventJson } from '../../src/store/events.ts';
import type { Store } from '../../src/store/store.ts';
import { benchFolder, openBenchStore } from './building.ts';
import { addEvents, halfAgent, unlocked } from './drain.ts';

/** Events a second, one turn each. */
export type EventRates = {
  ours: number[];
  bare: number[];
  /** Of this process, in MiB: before the first drain, and the most while it went on. */
  restMib: number;
  mostMib: number;
};

const APPEND_TURNS = 9;
const WINDOW = 64;
/** As many payloads wait in memory; a longer run takes them again. */
const MOST_IN_MEMORY = 50_000;

const [mode = 'append', countText = '2000', url = '', turnsText = '3'] = process.argv.slice(2);
const count = Number(countText);
const { folder, remove } = benchFolder();
const store = openBenchStore(folder);
const rates = mode === 'append' ? append() : await drain(Number(turnsText));
store.close();
remove();
process.stdout.write(`${JSON.stringify(rates)}\n`);
process.exit(0);

// ---- one event, durable -----------------------------------------------------------------------------------------------

function append(): EventRates {
  const db = new Database(join(folder, 'bare.db'));
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.exec('CREATE TABLE events (sequence INTEGER PRIMARY KEY, event_type TEXT NOT NULL, created_at INTEGER NOT NULL, body TEXT NOT NULL) STRICT'); // prettier-ignore
  const insert = db.prepare('INSERT INTO events (event_type, created_at, body) VALUES (?, ?, ?)');
  const one = (n: number): void => void store.now(() => store.events.add(unlocked(n), Date.now()));
  one(0);
  const body = store.events.after(0, 1)[0]?.body ?? '';
  const measured: EventRates = { ours: [], bare: [], restMib: 0, mostMib: 0 };
  for (let turn = 0; turn <= APPEND_TURNS; turn++) {
    const ours = perSecond(() => {
      for (let n = 0; n < count; n++) one(n);
    });
    const bare = perSecond(() => {
      for (let n = 0; n < count; n++) insert.run('lock.unlocked', Date.now(), body);
    });
    // The first one compiles the code that it runs through.
    if (turn === 0) continue;
    measured.ours.push(ours);
    measured.bare.push(bare);
  }
  db.close();
  return measured;
}

function perSecond(work: () => void): number {
  const fromMs = performance.now();
  work();
  return (count / (performance.now() - fromMs)) * 1000;
}

// ---- many events, to the broker ---------------------------------------------------------------------------------------

async function drain(turns: number): Promise<EventRates> {
  addEvents(store, count);
  const kept = store.events.after(0, MOST_IN_MEMORY);
  const payloads = kept.map(eventJson);
  const measured: EventRates = { ours: [], bare: [], restMib: mib(), mostMib: 0 };
  // The whole log is drained, one stretch of it after the other, each beside as many from memory.
  const perTurn = Math.floor(count / turns);
  for (let turn = 0; turn < turns; turn++) {
    measured.bare.push(await publishAll(payloads, perTurn));
    const watch = setInterval(() => (measured.mostMib = Math.max(measured.mostMib, mib())), 250);
    measured.ours.push(await drainOnce(store, turn * perTurn, perTurn));
    clearInterval(watch);
  }
  return measured;
}

function mib(): number {
  return process.memoryUsage().rss / 1024 / 1024;
}

/** From the moment at which the link is up until the broker has acknowledged so many behind `from`. */
async function drainOnce({ events }: Store, from: number, wanted: number): Promise<number> {
  store.now(() => events.acknowledge(from));
  let fromMs = 0;
  const { outbox, link } = halfAgent(store, url, () => (fromMs = performance.now()));
  link.start();
  while (outbox.acknowledged < from + wanted) await new Promise((resolve) => setTimeout(resolve, 5));
  const tookMs = performance.now() - fromMs;
  const taken = outbox.acknowledged - from;
  outbox.stop();
  await link.stop(1_000);
  return (taken / tookMs) * 1000;
}

/** The same payloads from memory, by the same library, with the same window. */
async function publishAll(payloads: readonly string[], wanted: number): Promise<number> {
  const client = await connectAsync(url, { protocolVersion: 5, clientId: 'bare-bench' });
  const fromMs = performance.now();
  await new Promise<void>((resolve, reject) => {
    let next = 0;
    let answered = 0;
    const publish = (): void => {
      const payload = payloads[next++ % payloads.length] ?? '';
      client.publish('lintel/v1/bench/event/lock.unlocked', payload, { qos: 1 }, (error) => {
        if (error) reject(error);
        answered += 1;
        if (answered === wanted) resolve();
        else if (next < wanted) publish();
      });
    };
    for (let i = 0; i < Math.min(WINDOW, wanted); i++) publish();
  });
  const tookMs = performance.now() - fromMs;
  await client.endAsync();
  return (wanted / tookMs) * 1000;
}
