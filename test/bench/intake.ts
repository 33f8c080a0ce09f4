// How fast commands become durable, through a real Mosquitto, replies included: a persistent session is filled while
// the agent is away, then drained.

import { connectAsync } from 'mqtt';
import { startBroker } from './broker.ts';
import { createCommand } from './building.ts';
import { runChild } from './child.ts';
import { against, beside, median, type Report } from './report.ts';

type Taken = { ms: number; commits: number; commands: number };

const COMMANDS = 12_000;
const SLOW_COMMANDS = 1_500;
const SLOW_FLUSH_MS = 5;

export async function run(report: Report): Promise<void> {
  const broker = await startBroker();
  try {
    const rate = async (mode: string, count: number, flushMs?: number): Promise<Taken & { perSecond: number }> => {
      if (mode !== 'process' && mode !== 'inserts') await queue(broker.url, count);
      const taken = await runChild<Taken>(
        'intake-child.ts',
        [mode, String(count), broker.url],
        flushMs === undefined ? {} : { flushMs },
      );
      if (mode !== 'callback' && taken.commands !== count) throw new Error(`${taken.commands} of ${count} were stored`);
      return { ...taken, perSecond: (taken.commands / taken.ms) * 1000 };
    };
    // Alternating, so that a slow moment of the machine meets all of them; the middle of three rounds counts.
    const rounds = { link: [] as number[], process: [] as number[], callback: [] as number[], inserts: [] as number[] };
    for (let round = 0; round < 3; round++) {
      rounds.process.push((await rate('process', COMMANDS)).perSecond);
      rounds.link.push((await rate('link', COMMANDS)).perSecond);
      rounds.callback.push((await rate('callback', COMMANDS)).perSecond);
      rounds.inserts.push((await rate('inserts', COMMANDS)).perSecond);
    }
    const [link, inProcess] = [median(rounds.link), median(rounds.process)];
    const [callback, inserts] = [median(rounds.callback), median(rounds.inserts)];
    // One after the other, a message and a row: what any agent would have to do for a command.
    const bare = 1 / (1 / callback + 1 / inserts);
    report(beside('intake', 'credentials/create through Mosquitto, QoS 1, replies included', link, '1/s'));
    report(beside('intake', 'bare rows of better-sqlite3, same batches, as durable', inserts, '1/s'));
    report(beside('intake', 'an mqtt.js subscriber that only calls back', callback, '1/s'));
    report(against('intake', 'ratio: through Mosquitto / a bare message and a bare row', link / bare, '', '>=', 0.15));
    report(beside('intake', 'the same handler in process, same batches', inProcess, '1/s'));
    report(against('intake', 'ratio: through Mosquitto / in process', link / inProcess, '', '>=', 0.7));
    const slow = await rate('link', SLOW_COMMANDS, SLOW_FLUSH_MS);
    const single = await rate('single', SLOW_COMMANDS / 5, SLOW_FLUSH_MS);
    report(beside('intake', `every flush stretched by ${SLOW_FLUSH_MS} ms, group commit`, slow.perSecond, '1/s'));
    report(
      beside('intake', `every flush stretched by ${SLOW_FLUSH_MS} ms, one commit per message`, single.perSecond, '1/s'),
    );
    report(
      against(
        'intake',
        'ratio: group commit / one commit per message, slow flush',
        slow.perSecond / single.perSecond,
        '',
        '>=',
        5,
      ),
    );
  } finally {
    broker.stop();
  }
}

/** Fills the session of the client `lintel-bench`, which is away. */
async function queue(url: string, count: number): Promise<void> {
  const options = {
    protocolVersion: 5 as const,
    clientId: 'lintel-bench',
    properties: { sessionExpiryInterval: 3600 },
  };
  const fresh = await connectAsync(url, { ...options, clean: true });
  await fresh.subscribeAsync('lintel/v1/bench/command/#', { qos: 1, rap: true, rh: 2 });
  await fresh.endAsync();
  const sender = await connectAsync(url, { protocolVersion: 5 });
  let sent = Promise.resolve();
  for (let n = 0; n < count; n++) {
    const published = sender.publishAsync('lintel/v1/bench/command/credentials/create', createCommand(n), { qos: 1 });
    sent = sent.then(() => published).then(() => undefined);
    if (n % 500 === 499) await sent;
  }
  await sent;
  await sender.endAsync();
}
