// The agent's half of the link without doors: store, dispatcher, outbox, states and link, wired as src/uplink.ts wires
// them.

import { onTestFinished } from 'vitest';
import type { Clock, Log } from '../../src/domain/ports.ts';
import { MqttLink, type LinkOptions } from '../../src/mqtt/link.ts';
import { Outbox } from '../../src/mqtt/outbox.ts';
import { Topics } from '../../src/mqtt/topics.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { systemRandom } from '../../src/ops/random.ts';
import type { Store } from '../../src/store/store.ts';
import { Dispatcher } from '../../src/commands/dispatcher.ts';
import { buildRoom, type TestRoom } from './room.ts';
import { openStore } from './store.ts';

export const NO_SECRETS = { password: null, ca: null, cert: null, key: null };

export type LinkAgent = {
  link: MqttLink;
  outbox: Outbox;
  room: TestRoom;
  store: Store;
  dispatcher: Dispatcher;
  topics: Topics;
  stop: () => Promise<void>;
  connections: number;
  isListening: boolean;
  /** What was logged from `info` on, as `level message problem`. */
  said: string[];
};

/** `clock`: that of the link alone, so that its pauses can be shortened. */
export function linkAgent(
  url: string,
  folder: string,
  more: Partial<LinkOptions> = {},
  linkClock: Clock = systemClock,
): LinkAgent {
  const store = openStore(folder, systemClock);
  const room = buildRoom(store, systemClock);
  const topics = more.topics ?? new Topics('lintel/v1', 'riverside');
  const said: string[] = [];
  const log = listeningLog(said);
  const identity = more.identity ?? { started_at: '2026-01-01T00:00:00.000Z', host: 'gateway-a' };
  const dispatcher = new Dispatcher(room, {
    replyTopicFor: (commandId) => topics.reply(commandId),
    mostReplyBytes: () => link.mostReplyBytes(),
  });
  dispatcher.recover();
  const outbox = new Outbox(store, linkClock, systemRandom, log);
  const link: MqttLink = new MqttLink(
    {
      url,
      clientId: 'lintel-riverside',
      username: null,
      secrets: () => NO_SECRETS,
      replyTopics: ['lintel/v1/riverside/reply/#'],
      topics,
      protocol: 'auto',
      identity,
      ...more,
    },
    {
      clock: linkClock,
      random: systemRandom,
      log,
      dispatch: (message, answer, failed) => dispatcher.dispatch(message, answer, failed),
      flush: () => store.flush(),
      delivered: (commandId) => store.group(() => store.journal.markDelivered(commandId)),
      onConnected: () => {
        agent.connections += 1;
        link.publishState(
          topics.state('agent'),
          JSON.stringify({ online: true, version: '1.2.3', ...identity, note: 'x'.repeat(500) }),
        );
        for (const reply of dispatcher.undelivered(0, 1000)) link.reply(reply);
        outbox.connected(link.publishEvent);
      },
      onDisconnected: () => outbox.disconnected(),
      onListening: (isListening) => (agent.isListening = isListening),
      onChange: () => undefined,
    },
  );
  const agent: LinkAgent = {
    link,
    outbox,
    room,
    store,
    dispatcher,
    topics,
    said,
    connections: 0,
    isListening: false,
    stop: async () => {
      outbox.stop();
      await link.stop(1000);
      if (store.isAlive()) store.close();
    },
  };
  onTestFinished(agent.stop);
  link.start();
  return agent;
}

function listeningLog(said: string[]): Log {
  const note = (level: string, message: string, problem: unknown): void => {
    said.push([level, message, ...(typeof problem === 'string' ? [problem] : [])].join(' '));
  };
  const log: Log = {
    debug: () => undefined,
    info: (message, fields) => note('info', message, fields?.['problem']),
    warn: (message, fields) => note('warn', message, fields?.['problem']),
    error: (message, fields) => note('error', message, fields?.['problem']),
    child: () => log,
  };
  return log;
}

/** A clock on which every pause is so many times shorter. */
export const hastyClock = (times: number): Clock => ({
  nowMs: () => systemClock.nowMs(),
  monotonicMs: () => systemClock.monotonicMs() * times,
  after: (delayMs, run) => systemClock.after(delayMs / times, run),
  immediate: (run) => systemClock.immediate(run),
});

/**
 * A clock on which every wait is so many times shorter and time itself goes as it does, so that no connection lives
 * long enough to have proved itself.
 */
export const shortWaits = (times: number): Clock => ({
  ...hastyClock(times),
  monotonicMs: () => systemClock.monotonicMs(),
});
