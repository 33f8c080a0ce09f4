// What a broker will not carry never blocks the rest.

import { Aedes } from 'aedes';
import { createServer } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Topics } from '../../src/mqtt/topics.ts';
import type { Store } from '../../src/store/store.ts';
import { behave, brokerDouble, PUBLISH, SUBSCRIBE, suback } from '../support/broker-double.ts';
import { hastyClock, linkAgent, type LinkAgent } from '../support/link-agent.ts';
import { startMosquitto } from '../support/mosquitto.ts';
import { until } from '../support/ports.ts';
import { USER, type ParsedReply } from '../support/room.ts';
import { sender, type Sender } from '../support/sender.ts';
import { temporaryFolder } from '../support/store.ts';

const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

const addEvent = (store: Store, event_type: string, body: Record<string, unknown> = {}): number =>
  store.now(() => store.events.add({ event_type, body }, 1));

const addUsers = (agent: LinkAgent, count: number): void => {
  agent.store.now(() => {
    for (let n = 0; n < count; n++)
      agent.store.users.insert({
        acs_user_id: uuid(n),
        full_name: `User ${n} ${'x'.repeat(180)}`,
        email_address: null,
        phone_number: null,
        user_identity_id: null,
        is_suspended: 0,
        is_extended_access: 0,
        created_at: 1,
        starts_at: null,
        ends_at: null,
        metadata: null,
      });
  });
};

type Event = { sequence: number; event_type: string; is_stub?: boolean; [key: string]: unknown };
const eventsOf = (tower: Sender): Event[] =>
  tower.heard.filter(({ topic }) => topic.includes('/event/')).map(({ payload }) => JSON.parse(payload) as Event);
const replyTo = (tower: Sender, commandId: string): ParsedReply | undefined =>
  tower.replies().find((reply) => reply.command_id === commandId);

async function up(url: string, more: Parameters<typeof linkAgent>[2] = {}): Promise<LinkAgent> {
  const agent = linkAgent(url, temporaryFolder(), more);
  await until(() => agent.link.isConnected, 'the link is up', 20_000);
  return agent;
}

describe('a broker that lets less through than it says', () => {
  it('sets the reply aside that ends the connection, says so truly, and lists in pages that fit from then on', async () => {
    const broker = await startMosquitto({ settings: 'message_size_limit 4096' });
    const agent = await up(broker.url);
    addUsers(agent, 15);
    const tower = await sender(broker.url);
    await tower.publish('users/list', { command_id: 'all', params: {} });
    await until(() => replyTo(tower, 'all') !== undefined, 'a reply to the list', 25_000);
    expect(replyTo(tower, 'all')).toMatchObject({ ok: true, result: { type: 'reply_too_large' } });
    expect(JSON.stringify(replyTo(tower, 'all'))).toContain('Remedy: a smaller params.limit');
    await tower.publish('users/get', { command_id: 'one', params: { acs_user_id: uuid(3) } });
    await until(() => replyTo(tower, 'one')?.ok === true, 'the rest goes on', 20_000);
    await tower.publish('users/list', { command_id: 'page', params: {} });
    await until(() => replyTo(tower, 'page') !== undefined, 'the list again', 20_000);
    expect(replyTo(tower, 'page')?.result).toMatchObject({ pagination: { has_next_page: true } });
    expect(agent.link.report().counts).toMatchObject({ set_aside: { reply: 1 } });
    expect(agent.said.filter((line) => line.includes('does not carry a message of this size'))).toHaveLength(1);
  });

  it('sends a stub in the place of an event, with its number, and the next ones whole; the list has it all', async () => {
    const broker = await startMosquitto({ settings: 'message_size_limit 2048' });
    const tower = await sender(broker.url);
    const agent = await up(broker.url);
    addEvent(agent.store, 'acs_entrance.opened');
    addEvent(agent.store, 'acs_entrance.forced', { note: 'x'.repeat(3500) });
    addEvent(agent.store, 'acs_entrance.closed');
    await until(() => agent.outbox.state().depth === 0, 'all three are acknowledged', 25_000);
    const distinct = new Map(eventsOf(tower).map((event) => [event.sequence, event]));
    expect([...distinct.keys()]).toEqual([1, 2, 3]);
    expect(distinct.get(2)).toMatchObject({ event_type: 'acs_entrance.forced', is_stub: true });
    expect(typeof distinct.get(2)?.['event_id']).toBe('string');
    expect(distinct.get(3)?.is_stub).toBeUndefined();
    expect(agent.link.report().counts).toMatchObject({ set_aside: { event: 1 } });
    // As many in a reply as its size allows.
    for (const [from, events] of [
      [2, [{ sequence: 2, is_stub: true }]],
      [3, [{ sequence: 3 }]],
    ] as const) {
      await tower.publish('events/list', { command_id: `from-${from}`, params: { from_sequence: from, limit: 1 } });
      await until(() => replyTo(tower, `from-${from}`) !== undefined, 'the list', 20_000);
      expect(replyTo(tower, `from-${from}`)?.result).toMatchObject({ events });
    }
  });

  it('publishes a state that is too large without its members, rather than leave the old one there', async () => {
    const broker = await startMosquitto({ settings: 'message_size_limit 4096' });
    const tower = await sender(broker.url);
    const agent = await up(broker.url);
    const topic = agent.topics.state('controllers/panel');
    const big = JSON.stringify({ online: true, problems: ['x'.repeat(6000)] });
    const offer = (): void => {
      agent.link.publishState(topic, big, ({ type }) => {
        if (type === 'lost') void until(() => agent.link.isConnected, 'again', 20_000).then(offer);
      });
    };
    offer();
    await until(() => tower.heard.some((message) => message.topic === topic), 'a state', 25_000);
    const heard = tower.heard.find((message) => message.topic === topic);
    expect(JSON.parse(heard?.payload ?? '')).toMatchObject({ online: true, is_stub: true });
  });
});

describe('a broker that says how much it lets through', () => {
  it('gets the short form at once, which never calls failed what was done, on the same connection', async () => {
    const broker = await startMosquitto({ settings: 'max_packet_size 4096' });
    const agent = await up(broker.url);
    const tower = await sender(broker.url);
    const params = { acs_user_id: USER, full_name: 'Jane', metadata: { note: 'x'.repeat(3900) } };
    const command = { command_id: 'u1', params };
    await tower.publish('users/create', command);
    await until(() => replyTo(tower, 'u1') !== undefined, 'the reply');
    expect(replyTo(tower, 'u1')).toMatchObject({ ok: true, result: { type: 'reply_too_large' } });
    expect(agent.store.users.byId(USER)).toBeDefined();
    expect(agent.connections).toBe(1);
    const row = agent.store.journal.get('u1');
    expect(row === undefined ? '' : agent.store.journal.replyOf(row)).toContain('x'.repeat(3900));
  });

  it('lists events in pages that fit, an event larger than any page as its stub, and everything in the end', async () => {
    const broker = await startMosquitto({ settings: 'max_packet_size 2500' });
    const agent = await up(broker.url);
    const tower = await sender(broker.url);
    for (let i = 0; i < 30; i++)
      addEvent(agent.store, 'acs_entrance.opened', { note: 'x'.repeat(i === 7 ? 3500 : 400) });
    const seen: number[] = [];
    for (let next = 1; next <= 30;) {
      const id = `from-${next}`;
      await tower.publish('events/list', { command_id: id, params: { from_sequence: next } });
      await until(() => replyTo(tower, id) !== undefined, `the page from ${next}`);
      const result = replyTo(tower, id)?.result as { events: Event[]; next_sequence: number };
      seen.push(...result.events.map(({ sequence }) => sequence));
      expect(result.next_sequence).toBeGreaterThan(next);
      next = result.next_sequence;
    }
    expect(seen).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
    expect(agent.connections).toBe(1);
  });
});

/** MQTT 3.1.1 that ends the connection at a topic with a dot, as NATS 2.9 does. */
async function dotlessBroker(): Promise<string> {
  const aedes = await Aedes.createBroker({
    authorizePublish: (_client, { topic }, done) => done(topic.includes('.') ? new Error('a dot') : null),
  });
  const server = createServer((socket) => {
    aedes.handle(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    await new Promise<void>((resolve) => {
      aedes.close(resolve);
    });
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return `mqtt://127.0.0.1:${address.port}`;
}

describe('a broker that takes no dot in a topic', () => {
  it('holds up events alone, names the cause and the setting, and is left in peace', async () => {
    const url = await dotlessBroker();
    const agent = await up(url);
    const tower = await sender(url, { protocolVersion: 4 });
    addEvent(agent.store, 'lock.unlocked');
    await until(() => agent.outbox.state().blocked !== null, 'the outbox says why', 25_000);
    expect(agent.outbox.state()).toMatchObject({ depth: 1, acknowledged: 0 });
    expect(agent.outbox.state().blocked).toContain('mqtt.event_topics: slashes');
    expect(agent.said.some((line) => line.startsWith('error') && line.includes('mqtt.event_topics'))).toBe(true);
    const { connections } = agent;
    expect(connections).toBeLessThan(6);
    await until(() => agent.link.isConnected, 'the link is up again', 20_000);
    await tower.publish('users/create', { command_id: 'u1', params: { acs_user_id: USER, full_name: 'Jane' } });
    await until(() => replyTo(tower, 'u1')?.ok === true, 'commands go on', 20_000);
    // A reply whose topic has a dot is not even tried.
    await tower.publish('users/get', { command_id: 'a.b', params: { acs_user_id: USER } });
    await tower.publish('users/get', { command_id: 'after', params: { acs_user_id: USER } });
    await until(() => replyTo(tower, 'after') !== undefined, 'the next command');
    expect(agent.link.report().counts).toMatchObject({ set_aside: { reply: 1, event: 0 } });
    expect(agent.said.some((line) => line.includes('3.1.1'))).toBe(true);
  });

  it('gets every event where the facility file says slashes', async () => {
    const url = await dotlessBroker();
    const tower = await sender(url, { protocolVersion: 4 });
    const agent = await up(url, { topics: new Topics('lintel/v1', 'riverside', 'slashes') });
    addEvent(agent.store, 'lock.unlocked');
    const told = 'lintel/v1/riverside/event/lock/unlocked';
    await until(() => tower.heard.some(({ topic }) => topic === told), 'it is told', 20_000);
    await until(() => agent.outbox.state().depth === 0, 'it is acknowledged', 20_000);
    expect(agent.connections).toBe(1);
  });
});

const ALLOWED = (...branches: string[]): string =>
  branches.map((branch) => `topic readwrite lintel/v1/riverside/${branch}\n`).join('');

describe('a broker that answers no', () => {
  it('to replies and states: each is said once, counted and shown, and events go on', async () => {
    const broker = await startMosquitto({ acl: ALLOWED('command/#', 'event/#') });
    const agent = await up(broker.url);
    const tower = await sender(broker.url);
    for (const n of [1, 2, 3])
      await tower.publish('users/create', { command_id: `u${n}`, params: { acs_user_id: uuid(n), full_name: 'Jane' } });
    addEvent(agent.store, 'lock.unlocked');
    await until(() => agent.outbox.state().depth === 0, 'events go out');
    const { counts } = agent.link.report();
    await until(() => agent.link.report().warnings.length === 2, 'both are shown');
    expect(agent.link.report().warnings.join('\n')).toMatch(
      /refuses replies \(.*Not authorized\)\. Remedy: allow[^]*refuses states/,
    );
    await until(
      () => (agent.link.report().counts as { refused: { reply: number } }).refused.reply === 3,
      'each is counted',
    );
    expect(counts).toBeDefined();
    expect(agent.said.filter((line) => line.includes('refuses replies'))).toHaveLength(1);
    expect(agent.store.users.byId(uuid(3))).toBeDefined();
    expect(agent.connections).toBe(1);
  });

  it('to an event: nothing is skipped, the reason and the remedy are shown, and it is tried again by itself', async () => {
    let isAllowed = false;
    const url = await refusingBroker(() => isAllowed);
    const agent = linkAgent(url, temporaryFolder(), { protocol: 5 }, hastyClock(20));
    await until(() => agent.link.isConnected, 'the link is up');
    for (const type of ['lock.unlocked', 'acs_entrance.opened']) addEvent(agent.store, type);
    await until(() => agent.outbox.state().blocked !== null, 'the refusal is noticed');
    expect(agent.outbox.state().blocked).toMatch(/refuses events \(.*Not authorized\)\. Remedy: allow this client/);
    expect(agent.outbox.state()).toMatchObject({ depth: 2, acknowledged: 0 });
    isAllowed = true;
    await until(() => agent.outbox.state().depth === 0, 'they go out once they may', 20_000);
    expect(agent.outbox.state().blocked).toBeNull();
    expect(agent.connections).toBe(1);
    expect(agent.said.filter((line) => line.startsWith('error events wait'))).toHaveLength(1);
  });

  it('to the subscription: events and states go on, it is said once, and asked for again', async () => {
    let isAllowed = false;
    const topics: string[] = [];
    const double = await brokerDouble((packet, client) => {
      if (packet.type === SUBSCRIBE) client.send(suback(packet, false, isAllowed ? 1 : 0x80));
      else behave(packet, client);
      if (packet.type === PUBLISH) topics.push(packet.body.toString());
    });
    const agent = linkAgent(double.url, temporaryFolder(), { protocol: 4 }, hastyClock(50));
    addEvent(agent.store, 'lock.unlocked');
    await until(() => agent.outbox.state().depth === 0, 'events go out');
    expect(agent.isListening).toBe(false);
    expect(agent.link.problem).toContain('no command arrives. Remedy');
    isAllowed = true;
    await until(() => agent.isListening, 'the subscription is granted', 20_000);
    expect(agent.link.problem).toBeNull();
    expect(double.arrivals).toHaveLength(1);
    expect(agent.said.filter((line) => line.includes('no command arrives'))).toHaveLength(1);
  });
});

/** MQTT 5 that answers events with Not authorized until they are allowed. */
async function refusingBroker(isAllowed: () => boolean): Promise<string> {
  const double = await brokerDouble((packet, client) => {
    if (packet.type !== PUBLISH || isAllowed() || !packet.body.toString().includes('/event/')) {
      behave(packet, client, true);
      return;
    }
    const at = 2 + packet.body.readUInt16BE(0);
    client.send(Buffer.from([0x40, 3, packet.body[at] ?? 0, packet.body[at + 1] ?? 0, 0x87]));
  });
  return double.url;
}
