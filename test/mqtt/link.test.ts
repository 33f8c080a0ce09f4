import { connectAsync } from 'mqtt';
import { describe, expect, it, onTestFinished } from 'vitest';
import { EmbeddedBroker } from '../../src/mqtt/broker.ts';
import { Outbox } from '../../src/mqtt/outbox.ts';
import { matchesFilter } from '../../src/mqtt/topics.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { systemRandom } from '../../src/ops/random.ts';
import type { Store } from '../../src/store/store.ts';
import { linkAgent } from '../support/link-agent.ts';
import { startMosquitto } from '../support/mosquitto.ts';
import { until } from '../support/ports.ts';
import { LOBBY, silentLog, USER } from '../support/room.ts';
import { sender, type Heard } from '../support/sender.ts';
import { openStore, temporaryFolder } from '../support/store.ts';

const user = (id = USER, commandId = 'u1'): unknown => ({
  command_id: commandId,
  params: { acs_user_id: id, full_name: 'Jane' },
});
const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const create = (n: number): unknown => ({
  command_id: `c${n}`,
  params: {
    acs_credential_id: uuid(n),
    acs_user_id: USER,
    access_method: 'code',
    code: String(10_000_000 + n * 7919),
    allowed_acs_entrance_ids: [LOBBY],
  },
});

describe('topics', () => {
  it('match as MQTT matches, and never with wildcards in them', () => {
    expect(matchesFilter('a/b/c', 'a/+/c')).toBe(true);
    expect(matchesFilter('a/b/c', 'a/#')).toBe(true);
    expect(matchesFilter('a', 'a/#')).toBe(true);
    expect(matchesFilter('a/b', 'a')).toBe(false);
    expect(matchesFilter('a', 'a/b')).toBe(false);
    expect(matchesFilter('a/+', 'a/+')).toBe(false);
    expect(matchesFilter('', '#')).toBe(false);
  });
});

describe('the link', () => {
  it('answers on the Response Topic with its Correlation Data, and on the default topic without', async () => {
    const broker = await startMosquitto();
    const agent = linkAgent(broker.url, temporaryFolder());
    await until(() => agent.link.isConnected, 'the link is up');
    const tower = await sender(broker.url);
    await tower.publish('users/create', user(), {
      properties: { responseTopic: 'lintel/v1/riverside/reply/tower', correlationData: Buffer.from('k-1') },
    });
    await tower.publish('users/get', { command_id: 'g1', params: { acs_user_id: USER } });
    await until(() => tower.replies().length === 2, 'two replies');
    const [first, second] = tower.heard.filter((message) => message.topic.includes('/reply/'));
    expect(first).toMatchObject({ topic: 'lintel/v1/riverside/reply/tower', correlation: 'k-1' });
    expect(second).toMatchObject({ topic: 'lintel/v1/riverside/reply/g1', correlation: undefined });
    expect(tower.replies().every((reply) => reply.ok)).toBe(true);
  });

  it('refuses a Response Topic outside the allowed ones, on the default topic, with no effect', async () => {
    const broker = await startMosquitto();
    const agent = linkAgent(broker.url, temporaryFolder());
    await until(() => agent.link.isConnected, 'the link is up');
    const tower = await sender(broker.url, {}, ['#']);
    await tower.publish('users/create', user(), { properties: { responseTopic: 'someone/elses/topic' } });
    await until(() => tower.replies().length === 1, 'a reply');
    expect(tower.replies()[0]?.error?.type).toBe('not_permitted');
    expect(tower.heard.some((message) => message.topic === 'someone/elses/topic')).toBe(false);
    expect(agent.store.users.byId(USER)).toBeUndefined();
  });

  it('refuses a command published with retain, live and replayed', async () => {
    const broker = await startMosquitto();
    const tower = await sender(broker.url);
    await tower.publish('users/create', user(uuid(1), 'before'), { retain: true });
    const agent = linkAgent(broker.url, temporaryFolder());
    await until(() => agent.link.isConnected, 'the link is up');
    await tower.publish('users/create', user(uuid(2), 'live'), { retain: true });
    await until(() => tower.replies().some((reply) => reply.command_id === 'live'), 'a reply');
    expect(tower.replies().every((reply) => reply.error?.type === 'retained_command')).toBe(true);
    expect(agent.store.users.byId(uuid(1))).toBeUndefined();
    expect(agent.store.users.byId(uuid(2))).toBeUndefined();
  });

  it('lets a broker drop what has expired by its Message Expiry Interval', async () => {
    const broker = await startMosquitto();
    const folder = temporaryFolder();
    const first = linkAgent(broker.url, folder);
    await until(() => first.link.isConnected, 'the link is up');
    await first.stop();
    const tower = await sender(broker.url);
    await tower.publish('users/create', user(uuid(1), 'short'), { properties: { messageExpiryInterval: 1 } });
    await tower.publish('users/create', user(uuid(2), 'long'));
    await new Promise((resolve) => setTimeout(resolve, 2100));
    const second = linkAgent(broker.url, folder);
    await until(() => second.store.users.byId(uuid(2)) !== undefined, 'the queued command');
    expect(second.store.users.byId(uuid(1))).toBeUndefined();
  });

  it('takes a batch in few commits and acknowledges only what is committed', async () => {
    const broker = await startMosquitto();
    const agent = linkAgent(broker.url, temporaryFolder());
    await until(() => agent.link.isConnected, 'the link is up');
    const tower = await sender(broker.url);
    await tower.publish('users/create', user());
    await until(() => tower.replies().length === 1, 'the user');
    const before = agent.store.commits;
    await Promise.all(Array.from({ length: 500 }, (_, i) => tower.publish('credentials/create', create(i))));
    await until(() => tower.replies().length === 501, 'every reply');
    expect(tower.replies().every((reply) => reply.ok)).toBe(true);
    expect(agent.store.credentials.count()).toBe(500);
    expect(agent.store.commits - before).toBeLessThan(400);
  });

  it('acknowledges nothing when COMMIT fails, and takes the same commands again on a new connection', async () => {
    const broker = await startMosquitto();
    const agent = linkAgent(broker.url, temporaryFolder());
    await until(() => agent.link.isConnected, 'the link is up');
    const tower = await sender(broker.url);
    await tower.publish('users/create', user());
    await until(() => tower.replies().length === 1, 'the user');
    // Its acknowledgement is noted as well: the failure is meant for a command.
    await until(() => agent.store.journal.undelivered(0, 10).length === 0, 'the note of its delivery');
    const group = agent.store.group.bind(agent.store);
    let failures = 0;
    agent.store.group = ((fn: () => unknown, hooks: { rolledBack?: (error: Error) => void } = {}) => {
      if (failures < 1) {
        failures += 1;
        throw Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR_WRITE' });
      }
      return group(fn, hooks);
    }) as typeof agent.store.group;
    await Promise.all(Array.from({ length: 50 }, (_, i) => tower.publish('credentials/create', create(i))));
    // A reply whose acknowledgement was lost with the connection comes again: each command is answered at least once.
    const answered = (): number => new Set(tower.replies().map((reply) => reply.command_id)).size;
    await until(() => answered() === 51, 'every reply, after the reconnect', 20_000);
    expect(failures).toBe(1);
    expect(agent.connections).toBe(2);
    expect(agent.store.credentials.count()).toBe(50);
    expect(tower.replies().every((reply) => reply.ok)).toBe(true);
  });

  it('answers everything that waited for it while it was away', async () => {
    const broker = await startMosquitto();
    const folder = temporaryFolder();
    const first = linkAgent(broker.url, folder);
    await until(() => first.link.isConnected, 'the link is up');
    const tower = await sender(broker.url);
    await tower.publish('users/create', user());
    await until(() => tower.replies().length === 1, 'the user');
    await first.stop();
    // More than are kept for a next connection: a resumed session delivers before the subscription is confirmed, and
    // those replies must leave as well.
    const total = 1500;
    await Promise.all(
      Array.from({ length: total }, (_, i) =>
        tower.publish('users/get', { command_id: `g${i}`, params: { acs_user_id: USER } }),
      ),
    );
    linkAgent(broker.url, folder);
    await until(
      () => new Set(tower.replies().map((reply) => reply.command_id)).size === total + 1,
      'every reply',
      25_000,
    );
  });

  it('survives the broker being killed in the middle of a batch: every command once, every reply there', async () => {
    const broker = await startMosquitto();
    const agent = linkAgent(broker.url, temporaryFolder());
    await until(() => agent.link.isConnected, 'the link is up');
    const tower = await sender(broker.url, {
      clean: false,
      clientId: 'tower',
      properties: { sessionExpiryInterval: 3600 },
      reconnectPeriod: 200,
    });
    await tower.publish('users/create', user());
    const sent = Promise.all(Array.from({ length: 400 }, (_, i) => tower.publish('credentials/create', create(i))));
    await until(() => agent.store.credentials.count() > 50, 'the batch is under way');
    await broker.kill();
    await broker.start();
    await sent;
    await until(
      () => new Set(tower.replies().map((reply) => reply.command_id)).size === 401,
      'a reply to each',
      25_000,
    );
    expect(agent.store.credentials.count()).toBe(400);
    expect(tower.replies().every((reply) => reply.ok)).toBe(true);
  });

  it('starts with no broker at all, and connects when there is one', async () => {
    const broker = await startMosquitto();
    // Its session outlives the broker: whoever of the two is back first, it hears the event.
    const session = { clean: false, clientId: 'tower', properties: { sessionExpiryInterval: 3_600 } };
    const tower = await sender(broker.url, { ...session, reconnectPeriod: 300 });
    tower.client.on('error', () => undefined);
    await broker.kill();
    const agent = linkAgent(broker.url, temporaryFolder());
    await until(() => agent.link.problem !== null, 'a first try has failed');
    agent.store.now(() => agent.store.events.add({ event_type: 'lock.unlocked', body: {} }, 1));
    await broker.start();
    await until(
      () => tower.heard.some((message) => message.topic.endsWith('/event/lock.unlocked')),
      'the event of the time before',
      20_000,
    );
    expect(agent.connections).toBe(1);
  });

  it('leaves a last will, and publishes its birth at every connect', async () => {
    const broker = await startMosquitto();
    const agent = linkAgent(broker.url, temporaryFolder());
    await until(() => agent.link.isConnected, 'the link is up');
    const tower = await sender(broker.url);
    const states = (): string[] =>
      tower.heard.filter((message) => message.topic.endsWith('/state/agent')).map((message) => message.payload);
    await until(() => states().some((state) => state.startsWith('{"online":true')), 'the birth');
    // Another client with the same id takes the session over: to the broker that is a lost connection of the first.
    const thief = await connectAsync(broker.url, { clientId: 'lintel-riverside', protocolVersion: 5 });
    await until(() => states().includes('{"online":false}'), 'the will');
    await thief.endAsync();
    await until(
      () => states().filter((state) => state.startsWith('{"online":true')).length >= 2,
      'the birth anew',
      20_000,
    );
  });

  it('speaks 3.1.1 with a broker that knows no better', async () => {
    const embedded = new EmbeddedBroker({ username: 'lintel', password: 'built in', owner: 'lintel-riverside' });
    const port = await embedded.start(0);
    onTestFinished(() => embedded.stop());
    const account = { username: 'lintel', password: 'built in' };
    const secrets = () => ({ password: account.password, ca: null, cert: null, key: null });
    const agent = linkAgent(`mqtt://127.0.0.1:${port}`, temporaryFolder(), { username: account.username, secrets });
    await until(() => agent.link.isConnected, 'the link is up', 20_000);
    expect(agent.link.protocol).toBe(4);
    const tower = await sender(`mqtt://127.0.0.1:${port}`, { protocolVersion: 4, ...account });
    await tower.publish('users/create', user());
    await until(() => tower.replies().length === 1, 'the reply on the default topic');
    expect(tower.replies()[0]?.ok).toBe(true);
  });
});

describe('the outbox', () => {
  const add = (store: Store, count: number): void => {
    store.now(() => {
      for (let i = 0; i < count; i++) store.events.add({ event_type: 'acs_entrance.opened', body: { n: i } }, 1);
    });
  };
  const sequences = (heard: Heard[]): number[] =>
    heard
      .filter((message) => message.topic.includes('/event/'))
      .map((message) => (JSON.parse(message.payload) as { sequence: number }).sequence);

  it('publishes in sequence, advances on acknowledgement, and goes on after a restart without a gap', async () => {
    const broker = await startMosquitto();
    const folder = temporaryFolder();
    const tower = await sender(broker.url);
    const agent = linkAgent(broker.url, folder);
    add(agent.store, 300);
    await until(() => agent.outbox.state().depth === 0, 'all are acknowledged');
    await agent.stop();
    const again = linkAgent(broker.url, folder);
    expect(again.outbox.state().acknowledged).toBe(300);
    add(again.store, 10);
    await until(() => sequences(tower.heard).includes(310), 'the last event');
    const seen = sequences(tower.heard);
    expect([...new Set(seen)]).toEqual(Array.from({ length: 310 }, (_, i) => i + 1));
  });

  it('publishes nothing of a transaction that may still be undone', () => {
    const store = openStore(temporaryFolder());
    const outbox = new Outbox(store, systemClock, systemRandom, silentLog);
    const published: string[] = [];
    add(store, 2);
    store.group(() => store.events.add({ event_type: 'acs_entrance.closed', body: {} }, 1));
    outbox.connected((event) => void published.push(event.event_type));
    expect(published).toEqual(['acs_entrance.opened', 'acs_entrance.opened']);
    store.flush();
    expect(published).toHaveLength(3);
    outbox.stop();
  });

  it('keeps what happens while the broker is away and delivers it in order', async () => {
    const broker = await startMosquitto();
    const agent = linkAgent(broker.url, temporaryFolder());
    await until(() => agent.link.isConnected, 'the link is up');
    await broker.kill();
    await until(() => !agent.link.isConnected, 'the link is down');
    add(agent.store, 150);
    expect(agent.outbox.state().depth).toBe(150);
    await broker.start();
    const tower = await sender(broker.url);
    await until(() => sequences(tower.heard).length >= 150, 'all of them', 20_000);
    expect([...new Set(sequences(tower.heard))]).toEqual(Array.from({ length: 150 }, (_, i) => i + 1));
  });

  it('stops at an event that the broker refuses, says so, and skips nothing', async () => {
    const broker = await startMosquitto({
      acl: ['command/#', 'reply/#', 'state/#', 'event/acs_entrance.opened']
        .map((name) => `topic readwrite lintel/v1/riverside/${name}\n`)
        .join(''),
    });
    const tower = await sender(broker.url, {}, ['lintel/v1/riverside/event/acs_entrance.opened']);
    const agent = linkAgent(broker.url, temporaryFolder());
    await until(() => agent.link.isConnected, 'the link is up');
    add(agent.store, 3);
    await until(() => agent.outbox.state().depth === 0, 'what is allowed goes out');
    agent.store.now(() => agent.store.events.add({ event_type: 'lock.unlocked', body: {} }, 1));
    add(agent.store, 2);
    await until(() => agent.outbox.state().blocked !== null, 'the refusal is noticed');
    expect(agent.outbox.state()).toMatchObject({ depth: 3, acknowledged: 3 });
    expect(Math.max(...sequences(tower.heard))).toBeLessThanOrEqual(6);
    expect(agent.store.events.acknowledged()).toBeLessThanOrEqual(3);
  });
});
