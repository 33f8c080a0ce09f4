// Brokers that throw us out, that are another's, that go away for long, and that do as badly as they can: the link
// comes back, says why, and leaks nothing.

import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { OperatingError } from '../../src/domain/errors.ts';
import type { Store } from '../../src/store/store.ts';
import {
  behave,
  brokerDouble,
  CONNECT,
  connack,
  packet,
  PUBLISH,
  publish,
  SUBSCRIBE,
  topicOf,
} from '../support/broker-double.ts';
import { hastyClock, linkAgent, NO_SECRETS, shortWaits } from '../support/link-agent.ts';
import { startMosquitto } from '../support/mosquitto.ts';
import { until } from '../support/ports.ts';
import { USER } from '../support/room.ts';
import { sender } from '../support/sender.ts';
import { temporaryFolder } from '../support/store.ts';

const addEvent = (store: Store, event_type = 'lock.unlocked'): number =>
  store.now(() => store.events.add({ event_type, body: {} }, 1));

describe('connections that do not last', () => {
  it('come at growing pauses, although each of them is opened', async () => {
    const double = await brokerDouble((received, client) => {
      behave(received, client);
      if (received.type === SUBSCRIBE) client.hangUp();
    });
    linkAgent(double.url, temporaryFolder(), { protocol: 4 });
    await until(() => double.arrivals.length >= 5, 'five connections', 25_000);
    const pauses = double.arrivals.slice(1).map((at, i) => at - (double.arrivals[i] ?? 0));
    // Half of each is chance; a busy machine makes them longer, and none of them shorter. A timer may fire a
    // millisecond early.
    for (const [n, pause] of pauses.slice(0, 4).entries()) expect(pause).toBeGreaterThan(250 * 2 ** n - 2);
    expect(pauses[3]).toBeGreaterThan(pauses[0] ?? Infinity);
  });

  it('leave nothing behind, fifty of them', { timeout: 150_000 }, async () => {
    const double = await brokerDouble((received, client) => {
      behave(received, client);
      if (received.type === PUBLISH) client.hangUp();
    });
    const agent = linkAgent(double.url, temporaryFolder(), { protocol: 4 }, shortWaits(200));
    await until(() => double.arrivals.length >= 10, 'ten connections', 60_000);
    const before = process.getActiveResourcesInfo().length;
    await until(() => double.arrivals.length >= 60, 'fifty more', 60_000);
    expect(process.getActiveResourcesInfo().length).toBeLessThan(before + 15);
    expect(agent.said.length).toBeLessThan(30);
  });
});

describe('another client under our id', () => {
  it('is named where it is a Lintel, is left the session for longer and longer, and is said once', async () => {
    const broker = await startMosquitto();
    const first = linkAgent(broker.url, temporaryFolder());
    await until(() => first.link.isConnected, 'the first is up');
    const other = { started_at: '2026-02-02T00:00:00.000Z', host: 'gateway-b' };
    const second = linkAgent(broker.url, temporaryFolder(), { identity: other });
    await until(() => first.link.problem?.includes('gateway-b') === true, 'the first knows the second', 20_000);
    expect(first.link.problem).toMatch(/another client uses our client id lintel-riverside.*Lintel "1\.2\.3" on host/);
    expect(first.link.problem).toContain('Remedy: give each its own mqtt.client_id');
    await until(() => second.link.problem?.includes('gateway-a') === true, 'the second knows the first', 25_000);
    // Each left the session to the other for a second at least, and for longer each time: neither was back more than a
    // few times.
    expect(first.connections + second.connections).toBeLessThan(12);
    expect(first.said.filter((line) => line.includes('uses our client id')).length).toBeLessThanOrEqual(2);
  });

  it('is taken for certain where the broker says so', async () => {
    const double = await brokerDouble((received, client) => {
      behave(received, client, true);
      if (received.type !== SUBSCRIBE) return;
      client.send(packet(0xe0, Buffer.from([0x8e, 0])));
      client.hangUp();
    });
    const agent = linkAgent(double.url, temporaryFolder(), { protocol: 5 }, hastyClock(10));
    await until(() => agent.link.problem?.includes('uses our client id') === true, 'the broker is believed', 20_000);
    expect(agent.link.report().counts).toMatchObject({ set_aside: { state: 0 } });
  });

  it('is suspected where it is no Lintel and the broker does not say so', async () => {
    const double = await brokerDouble((received, client) => {
      behave(received, client);
      // Behind everything that we had to say, and with nothing on its way.
      if (received.type === PUBLISH) setTimeout(client.hangUp, 200);
    });
    const agent = linkAgent(double.url, temporaryFolder(), { protocol: 4 }, hastyClock(4));
    await until(() => agent.link.problem?.includes('seems to use our client id') === true, 'the guess', 25_000);
    expect(agent.link.problem).toContain('another program, or one that we may not see');
  });
});

describe('a password that is wrong', () => {
  it('is said whenever it changes, and a mended one is used without a restart', async () => {
    const broker = await startMosquitto({ users: { riverside: 'right' } });
    const file = join(temporaryFolder(), 'password');
    let password: string | null = 'wrong';
    const agent = linkAgent(
      broker.url,
      temporaryFolder(),
      {
        username: 'riverside',
        secrets: () => {
          if (password === null) throw new OperatingError('invalid_input', `${file} cannot be read`);
          return { ...NO_SECRETS, password };
        },
      },
      hastyClock(20),
    );
    await until(() => agent.link.problem !== null, 'a first try has failed');
    expect(agent.link.problem).toMatch(/the broker (refuses the user name or password|does not let this client in)/);
    expect(agent.link.problem).toContain('read again at every try');
    password = null;
    await until(() => agent.link.problem === `${file} cannot be read`, 'the other reason');
    const warnings = agent.said.filter((line) => line.startsWith('warn no broker'));
    expect(warnings.length).toBeGreaterThanOrEqual(2);
    password = 'right';
    await until(() => agent.link.isConnected, 'it is let in', 20_000);
    expect(agent.link.problem).toBeNull();
  });
});

describe('a broker that is killed again and again', () => {
  it('gets every event, in order, none of them a stub', async () => {
    const broker = await startMosquitto();
    const agent = linkAgent(broker.url, temporaryFolder(), {}, hastyClock(10));
    const tower = await sender(broker.url, {
      clean: false,
      clientId: 'tower',
      reconnectPeriod: 50,
      properties: { sessionExpiryInterval: 3600 },
    });
    let added = 0;
    for (let round = 0; round < 6; round++) {
      for (let i = 0; i < 100; i++) {
        addEvent(agent.store);
        added += 1;
      }
      await until(() => agent.outbox.state().acknowledged > added - 60, 'some of it is through', 25_000);
      await broker.kill();
      await broker.start();
    }
    await until(() => agent.outbox.state().depth === 0, 'all are acknowledged', 25_000);
    const events = (): { sequence: number; is_stub?: boolean }[] =>
      tower.heard
        .filter(({ topic }) => topic.includes('/event/'))
        .map(({ payload }) => JSON.parse(payload) as { sequence: number; is_stub?: boolean });
    await until(() => events().some(({ sequence }) => sequence === added), 'the last one is heard', 20_000);
    const firstSeen = [...new Set(events().map(({ sequence }) => sequence))];
    expect(firstSeen).toEqual([...firstSeen].sort((a, b) => a - b));
    expect(events().some((event) => event.is_stub === true)).toBe(false);
    expect(agent.link.report().counts).toMatchObject({ set_aside: { reply: 0, event: 0, state: 0 } });
  });
});

describe('a broker that does as badly as it can', () => {
  const COMMAND = 'lintel/v1/riverside/command/users/create';
  const create = (id: string): Buffer =>
    Buffer.from(
      JSON.stringify({
        command_id: id,
        params: { acs_user_id: USER.replace(/^33333333/, id.padStart(8, '0')), full_name: 'Jane' },
      }),
    );

  it('and answers no message: it is left in time, nothing is set aside for it, and events wait in order', async () => {
    let isMute = true;
    const topics: string[] = [];
    const double = await brokerDouble((received, client) => {
      if (received.type === PUBLISH) topics.push(topicOf(received));
      if (received.type !== PUBLISH || !isMute) behave(received, client);
    });
    const agent = linkAgent(double.url, temporaryFolder(), { protocol: 4 }, hastyClock(40));
    addEvent(agent.store);
    await until(() => double.arrivals.length >= 5, 'it was left again and again', 25_000);
    expect(agent.said.some((line) => line.includes('has not acknowledged a message'))).toBe(true);
    isMute = false;
    await until(() => agent.outbox.state().depth === 0, 'the event goes out', 25_000);
    expect(agent.link.report().counts).toMatchObject({ set_aside: { reply: 0, event: 0, state: 0 } });
  });

  const BAD: Record<string, (isV5: boolean) => Buffer[]> = {
    garbage: () => [Buffer.from('HTTP/1.1 400 Bad Request\r\nServer: none\r\n\r\n')],
    'bytes of no packet': () => [Buffer.alloc(500, 0xff)],
    'an unknown topic alias': () => [publish('', create('1'), 1, true, Buffer.from([3, 0x23, 0, 9]))],
    'a message of 200 MiB': () => [Buffer.from([0x32, 0x80, 0x80, 0x80, 0x64]), Buffer.alloc(65_536)],
    'a second CONNACK': (isV5) => [connack(isV5)],
    'an acknowledgement of nothing': () => [packet(0x40, Buffer.from([0xff, 0xff]))],
  };

  for (const [what, bytes] of Object.entries(BAD))
    for (const isV5 of what === 'an unknown topic alias' ? [true] : [true, false])
      it(`and sends ${what}${isV5 ? '' : ' on 3.1.1'}: later messages come through`, async () => {
        let sent = 0;
        const replies: string[] = [];
        const double = await brokerDouble((received, client) => {
          behave(received, client, isV5);
          if (received.type === PUBLISH && topicOf(received).includes('/reply/')) replies.push(topicOf(received));
          if (received.type !== SUBSCRIBE) return;
          if (sent++ < 2) for (const piece of bytes(isV5)) client.send(piece);
          else client.send(publish(COMMAND, create('77'), 1, isV5));
        });
        const agent = linkAgent(double.url, temporaryFolder(), { protocol: isV5 ? 5 : 4 }, hastyClock(20));
        // Where the connection holds, the command comes by it.
        const isHarmless = what === 'an acknowledgement of nothing';
        if (isHarmless) {
          addEvent(agent.store);
          await until(() => agent.outbox.state().depth === 0, 'the event goes out', 20_000);
          return;
        }
        await until(() => replies.length > 0, 'the reply to a later command', 25_000);
        expect(agent.store.users.byId(USER.replace(/^33333333/, '00000077'))).toBeDefined();
      });

  it('and hangs up within the CONNECT, or says nothing to it: it is tried again, for ever longer', async () => {
    const double = await brokerDouble((received, client, count) => {
      if (count <= 4 && received.type === CONNECT) {
        if (count % 2 === 0) client.send(connack(false).subarray(0, 2));
        client.hangUp();
        return;
      }
      behave(received, client);
    });
    const agent = linkAgent(double.url, temporaryFolder(), { protocol: 4 }, hastyClock(10));
    await until(() => agent.link.isConnected, 'the fifth is answered', 25_000);
    expect(double.arrivals.length).toBeGreaterThanOrEqual(5);
  });

  it('and sends QoS 2, wildcards for a Response Topic and a flood: each is answered or passed over, in order', async () => {
    const replies: string[] = [];
    const wild = Buffer.concat([Buffer.from([0x08, 0, 3]), Buffer.from('a/#')]);
    const double = await brokerDouble((received, client) => {
      if (received.type === PUBLISH && topicOf(received).includes('/reply/')) replies.push(topicOf(received));
      if (received.type === 5) client.send(packet(0x62, received.body.subarray(0, 2)));
      behave(received, client, true);
      if (received.type !== SUBSCRIBE) return;
      client.send(publish(COMMAND, create('1'), 2, true));
      client.send(publish(COMMAND, create('2'), 1, true, Buffer.concat([Buffer.from([wild.length]), wild])));
      for (let n = 10; n < 2_010; n++) client.send(publish(COMMAND, create(String(n)), 1, true));
    });
    const agent = linkAgent(double.url, temporaryFolder(), { protocol: 5 });
    await until(() => new Set(replies).size >= 2_000, 'a reply to each of the flood', 25_000);
    expect(replies).not.toContain('a/#');
    expect(agent.store.users.byId(USER.replace(/^33333333/, '00000002'))).toBeUndefined();
    expect(agent.store.users.byId(USER.replace(/^33333333/, '00002009'))).toBeDefined();
  });
});
