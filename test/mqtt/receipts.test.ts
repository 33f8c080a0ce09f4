// Events for a receiver who does not take the broker's word: kept until it has said that they came, sent again until
// then, and never held up for those who do listen.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Agent } from '../../src/agent/agent.ts';
import { newEvent } from '../../src/domain/events.ts';
import { Outbox } from '../../src/mqtt/outbox.ts';
import { Receipts } from '../../src/mqtt/receipts.ts';
import { systemRandom } from '../../src/ops/random.ts';
import type { Store } from '../../src/store/store.ts';
import { serveFacility } from '../support/building.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { startMosquitto } from '../support/mosquitto.ts';
import { until } from '../support/ports.ts';
import { buildRoom, Caller, silentLog, SYSTEM, type ParsedReply } from '../support/room.ts';
import { sender } from '../support/sender.ts';
import { openStore, temporaryFolder } from '../support/store.ts';

const MINUTE_MS = 60_000;

/** An agent's half of the link with a broker that takes everything, and keeps note of what came. */
class House {
  readonly clock = new ManualClock();
  readonly folder = temporaryFolder();
  store: Store;
  outbox: Outbox;
  receipts: Receipts;
  caller: Caller;
  /** What the broker was given, since the last look. */
  #sent: number[] = [];
  isAnswering = true;
  #owed = 0;

  constructor(before: number) {
    this.store = openStore(this.folder, this.clock);
    this.add(before);
    // What a broker has taken before there was a receiver.
    this.store.now(() => this.store.events.acknowledge(before));
    ({ outbox: this.outbox, receipts: this.receipts, caller: this.caller } = this.#compose());
    onTestFinished(() => this.disconnect());
  }

  #compose(): { outbox: Outbox; receipts: Receipts; caller: Caller } {
    const outbox = new Outbox(this.store, this.clock, systemRandom, silentLog);
    const receipts = new Receipts(this.store, this.clock, systemRandom, silentLog, {
      handed: () => outbox.handed,
      acknowledged: () => outbox.acknowledged,
      onChange: () => undefined,
    });
    outbox.onChange(() => receipts.delivered());
    const room = buildRoom(this.store, this.clock);
    return { outbox, receipts, caller: new Caller({ ...room, receipts: () => this.receipts }) };
  }

  add(count: number): void {
    this.store.now(() => {
      for (let i = 0; i < count; i += 1) this.store.events.add(newEvent('agent.storage_low', { free_bytes: i }), 1_000);
    });
  }

  async connect(): Promise<void> {
    const take = this.#take;
    this.receipts.connected(take);
    this.outbox.connected(take);
    await this.settled();
  }

  /** The broker has answered everything, what came of its answers included, and the cursors are written. */
  async settled(): Promise<void> {
    do await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#owed > 0);
    await this.clock.advance(1_000);
  }

  readonly #take: Parameters<Outbox['connected']>[0] = ({ sequence }, _whole, _stub, done) => {
    this.#sent.push(sequence);
    if (!this.isAnswering) return;
    this.#owed += 1;
    setImmediate(() => {
      this.#owed -= 1;
      done({ type: 'acknowledged' });
    });
  };

  disconnect(): void {
    this.outbox.disconnected();
    this.receipts.disconnected();
  }

  /** The process ends and another begins on the same database. */
  restart(): void {
    this.disconnect();
    this.receipts.stop();
    this.outbox.stop();
    this.store.close();
    this.store = openStore(this.folder, this.clock);
    ({ outbox: this.outbox, receipts: this.receipts, caller: this.caller } = this.#compose());
  }

  /** Everything sent since the last look. */
  sent(): number[] {
    return this.#sent.splice(0);
  }

  async acknowledge(sequence: number, more: Record<string, unknown> = {}): Promise<ParsedReply> {
    return await this.caller.call('events/acknowledge', { sequence, ...more });
  }

  idOf(sequence: number): string {
    const [row] = this.store.events.after(sequence - 1, 1);
    return (JSON.parse(row?.body ?? '{}') as { event_id: string }).event_id;
  }

  told(type: string): Record<string, unknown>[] {
    return this.store.events
      .after(0, 10_000)
      .filter(({ event_type }) => event_type === type)
      .map(({ body }) => JSON.parse(body) as Record<string, unknown>);
  }
}

const range = (first: number, last: number): number[] => Array.from({ length: last - first + 1 }, (_, i) => first + i);

describe('events that a receiver acknowledges', () => {
  it('go out once, and again after a connection was lost, from the first that was not acknowledged', async () => {
    const house = new House(10);
    house.add(20);
    await house.connect();
    expect(house.sent()).toEqual(range(11, 30));
    expect((await house.acknowledge(17)).result).toEqual({
      acknowledged_sequence: 17,
      delivered_sequence: 30,
      waiting: 13,
    });
    house.disconnect();
    house.add(5);
    await house.connect();
    expect(house.sent()).toEqual(range(18, 35));
    await house.acknowledge(35);
    await house.clock.advance(60 * MINUTE_MS);
    expect(house.sent()).toEqual([]);
  });

  it('go out again when nothing was heard for a while, in ever longer pauses, and new ones do not wait for that', async () => {
    const house = new House(0);
    house.add(3);
    await house.connect();
    house.sent();
    await house.clock.advance(MINUTE_MS);
    expect(house.sent()).toEqual([1, 2, 3]);
    house.add(1);
    await house.clock.advance(1_000);
    expect(house.sent()).toEqual([4]);
    await house.clock.advance(24 * 60 * MINUTE_MS);
    // At most every quarter of an hour, and not less than that.
    const rounds = house.sent().filter((sequence) => sequence === 1).length;
    expect(rounds).toBeGreaterThan(90);
    expect(rounds).toBeLessThan(200);
  });

  it('are never sent again more than a thousand at a time, and the rest as they are acknowledged', async () => {
    const house = new House(0);
    house.add(3_000);
    await house.connect();
    house.disconnect();
    house.sent();
    await house.connect();
    expect(house.sent()).toEqual(range(1, 1_000));
    await house.acknowledge(1_000);
    await house.settled();
    expect(house.sent()).toEqual(range(1_001, 2_000));
    await house.acknowledge(1_500);
    await house.settled();
    expect(house.sent()).toEqual(range(2_001, 2_500));
  });

  it('tell of a receiver that says nothing, once, and of one that is heard again', async () => {
    const house = new House(0);
    house.add(3);
    await house.connect();
    await house.clock.advance(8 * MINUTE_MS);
    // A connection that comes and goes does not begin the wait anew.
    house.disconnect();
    await house.connect();
    await house.clock.advance(8 * MINUTE_MS);
    expect(house.told('agent.receiver_silent')).toMatchObject([{ acknowledged_sequence: 0, waiting: 3 }]);
    expect(house.receipts.problem()).toContain('Remedy');
    await house.clock.advance(60 * MINUTE_MS);
    await house.acknowledge(2);
    expect(house.receipts.problem()).toBeNull();
    expect(house.told('agent.receiver_silent')).toHaveLength(1);
    expect(house.told('agent.receiver_heard')).toMatchObject([{ acknowledged_sequence: 2 }]);
  });

  it('are acknowledged over a restart in the middle, and what was not is sent again', async () => {
    const house = new House(0);
    house.add(9);
    await house.connect();
    await house.acknowledge(4);
    house.restart();
    house.sent();
    await house.connect();
    expect(house.sent()).toEqual(range(5, 9));
    expect(house.receipts.standing()).toMatchObject({ acknowledged_sequence: 4, waiting: 5 });
  });

  it('count as received up to where the broker had them, on the day on which a receiver is first asked', async () => {
    const house = new House(40);
    expect(house.receipts.standing()).toMatchObject({ acknowledged_sequence: 40, waiting: 0 });
    await house.connect();
    expect(house.sent()).toEqual([]);
  });
});

describe('what a receiver says', () => {
  it('may be said twice and late, by one or by two, and only ever leads on', async () => {
    const house = new House(0);
    house.add(9);
    await house.connect();
    await house.acknowledge(6);
    for (const sequence of [6, 2, 6]) {
      const { result } = await house.acknowledge(sequence);
      expect(result).toMatchObject({ acknowledged_sequence: 6, waiting: 3 });
    }
    await house.caller.call('events/acknowledge', { sequence: 8 }, { sender: 'the other one' });
    expect(house.receipts.state()).toMatchObject({ acknowledged_sequence: 8, sender: 'the other one', waiting: 1 });
  });

  it('is refused for what was not delivered yet, unless it names the event and so must have it', async () => {
    const house = new House(0);
    house.isAnswering = false;
    house.add(100);
    await house.connect();
    expect(house.sent()).toEqual(range(1, 64));
    for (const sequence of [65, 101, Number.MAX_SAFE_INTEGER]) {
      const { error } = await house.acknowledge(sequence);
      expect(error).toMatchObject({ type: 'invalid_input', path: ['params', 'sequence'] });
      expect(error?.message).toContain('64 is the newest');
    }
    expect(house.receipts.standing()).toMatchObject({ acknowledged_sequence: 0, waiting: 100 });
    // It was read with events/list, say, or came before a restart.
    expect((await house.acknowledge(70, { event_id: house.idOf(70).toUpperCase() })).ok).toBe(true);
  });

  it('is refused with the event of another log, another facility, and an older one that was put back', async () => {
    const house = new House(0);
    house.add(5);
    house.store.now(() => house.store.events.add(newEvent('agent.storage_low', { free_bytes: 9 }), 1_000, 1_000_006));
    await house.connect();
    const other = { event_id: '00000000-0000-4000-8000-000000000001' };
    expect((await house.acknowledge(3, other)).error).toMatchObject({ path: ['params', 'event_id'] });
    expect((await house.acknowledge(800, other)).error?.message).toContain('this log has no event 800');
    const elsewhere = { acs_system_id: '00000000-0000-4000-8000-000000000002' };
    expect((await house.acknowledge(3, elsewhere)).error?.type).toBe('acs_system_not_found');
    expect(house.receipts.standing().acknowledged_sequence).toBe(0);
    const newest = await house.acknowledge(1_000_006, { event_id: house.idOf(1_000_006) });
    expect(newest.result).toMatchObject({ acknowledged_sequence: 1_000_006, waiting: 0 });
  });

  it('is not asked for where the broker is believed', async () => {
    const house = new House(0);
    const caller = new Caller(buildRoom(house.store, house.clock));
    expect((await caller.call('events/acknowledge', { sequence: 1 })).error).toMatchObject({ type: 'not_supported' });
  });
});

describe('retention beside a receiver', () => {
  it('counts what was not acknowledged as not delivered, and says how much of it went', async () => {
    const house = new House(0);
    house.add(10);
    await house.connect();
    await house.acknowledge(4);
    const { store } = house;
    await house.clock.advance(1_000);
    expect(store.now(() => store.events.trim(0, 7, 50))).toMatchObject({ removed: 3, unsent: 0 });
    expect(store.now(() => store.events.trim(0, 5, 50))).toMatchObject({ removed: 2, unsent: 1 });
    house.receipts.skipTo(store.events.received() ?? 0);
    expect(house.receipts.standing()).toMatchObject({ acknowledged_sequence: 5, waiting: 5 });
  });
});

describe('a whole agent that waits for its receiver', () => {
  it('sends again, after the broker was away, what was not acknowledged, and says where it stands', async () => {
    const broker = await startMosquitto();
    const folder = temporaryFolder();
    const file = join(folder, 'riverside.yaml');
    const mqtt = `{url: "${broker.url}", event_delivery: acknowledged}`;
    writeFileSync(
      file,
      `facility: riverside\nacs_system_id: ${SYSTEM}\ntime_zone: Europe/Oslo\nclock: {trust: always}\nmqtt: ${mqtt}\nstore: {path: ${join(folder, 'lintel.db')}}\n` +
        `buses: {desk: {driver: uart, port: "tcp://127.0.0.1:${broker.port}", frame: rdm6300}}\ncontrollers: {lobby-reader: {bus: desk, card_formats: [uid]}}\n`,
    );
    const tower = await sender(broker.url, { reconnectPeriod: 100 });
    const agent = await serveFacility(file);
    type Came = { sequence: number; event_id: string };
    const came = (): Came[] =>
      tower.heard.filter(({ topic }) => topic.includes('/event/')).map(({ payload }) => JSON.parse(payload) as Came);
    await until(() => came().length > 0, 'an event comes');
    const [first] = came();
    await broker.kill();
    await until(() => agent.status()['broker'] !== undefined && !isConnected(agent), 'the broker is gone');
    await broker.start();
    const again = (): Came[] => came().filter(({ event_id: id }) => id === first?.event_id);
    await until(() => again().length > 1, 'the event comes again', 30_000);
    const params = { sequence: first?.sequence, event_id: first?.event_id };
    await tower.publish('events/acknowledge', { command_id: 'ack', params });
    await until(() => tower.replies().some(({ command_id: id, ok }) => id === 'ack' && ok), 'a reply');
    expect(agent.status()['event_receiver']).toMatchObject({ acknowledged_sequence: first?.sequence });
  });
});

const isConnected = (agent: Agent): boolean =>
  (agent.status()['broker'] as { connected: boolean } | undefined)?.connected === true;
