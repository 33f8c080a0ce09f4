// Bad days on a SOYAL bus: late, wrong, broken and missing answers, cables that are cut, controllers that lose power.
// After each, what the driver says is true, and the bus works again.

import { describe, expect, test } from 'vitest';
import { SoyalSimulator } from '../../../drivers/soyal/simulator.ts';
import { portOpener } from '../../../drivers/serial-port.ts';
import { systemClock } from '../../../src/ops/clock.ts';
import { openNetwork } from '../../support/network.ts';
import { openPtyPair, until } from '../../support/ports.ts';
import { clockOf, content, later, openSite, outputsOf, slotsOf, soon, startDriver, wait } from './site.ts';

const cards = ['uid:04A1B2C3', 'uid:05A1B2C3', 'uid:06A1B2C3'];
const cardAt = (index: number) => content({ card: cards[index] ?? null });

/** Asks as whoever compares tables does: again, when no answer came. */
async function answered<T>(ask: () => Promise<T>): Promise<T> {
  for (let asked = 1; ; asked++) {
    try {
      return await ask();
    } catch (error) {
      if (asked === 20 || !/not? answer/.test(String(error))) throw error;
    }
  }
}

describe('answers that are late, wrong or broken', () => {
  test('the late acknowledgement of one write is not taken for that of the next', async () => {
    const site = await openSite();
    const slots = slotsOf(site.device());
    site.controller.faults.delayMs = ({ code, data }) => (code === 0x83 && data.readUInt16BE(0) === 1 ? 330 : 0);
    const [first] = await slots.write([{ slot: 1, content: cardAt(0) }]);
    expect(first).toMatchObject({ outcome: 'unknown' });
    site.controller.faults.refusesWrites = true;
    const [second] = await slots.write([{ slot: 2, content: cardAt(1) }]);
    expect(second).toMatchObject({ outcome: 'refused' });
    expect(await slots.read([1, 2])).toMatchObject([{ state: 'occupied' }, { state: 'empty' }]);
  });

  test('the late users of one read are not taken for those of the next', async () => {
    const site = await openSite();
    const slots = slotsOf(site.device());
    await slots.write([
      { slot: 1, content: cardAt(0) },
      { slot: 3, content: cardAt(1) },
    ]);
    let delays = 3;
    site.controller.faults.delayMs = ({ code, data }) =>
      code === 0x87 && data.readUInt16BE(0) === 1 && delays-- > 0 ? 150 : 0;
    // On a busy machine its own late answer may still count for it; of another slot it tells nothing in any case.
    const first = await slots.read([1]).catch((error: unknown) => String(error));
    if (typeof first === 'string') expect(first).toMatch(/not? answer/);
    else expect(first).toEqual([{ slot: 1, state: 'occupied', image: slots.image(1, cardAt(0)) }]);
    expect(site.controller.received.filter(({ code }) => code === 0x87).length).toBeGreaterThan(1);
    for (const [slot, card] of [
      [3, cardAt(1)],
      [1, cardAt(0)],
    ] as const)
      expect(await answered(() => slots.read([slot]))).toEqual([
        { slot, state: 'occupied', image: slots.image(slot, card) },
      ]);
  });

  test('whatever is delayed, each read tells its own slot, and what was acknowledged is there', async () => {
    const site = await openSite({ bus: { answer_within: '20ms' } });
    const slots = slotsOf(site.device());
    const wanted = (slot: number) => content({ card: `H10301:${slot}:${slot}` });
    let step = 1;
    // A fixed sequence that looks like chance: mostly nothing, at times far more than is allowed.
    site.controller.faults.delayMs = () => {
      step = (step * 75 + 74) % 65_537;
      return step % 4 === 0 ? step % 150 : 0;
    };
    const outcomes: string[] = [];
    const check = async (slot: number): Promise<void> => {
      for (const reading of await slots.read([slot]).catch(() => [])) {
        const empty = outcomes[slot - 1] !== 'written' && reading.state === 'empty';
        expect(reading).toEqual(empty ? reading : { slot, state: 'occupied', image: slots.image(slot, wanted(slot)) });
      }
    };
    for (let slot = 1; slot <= 12; slot++) {
      const [written] = await slots.write([{ slot, content: wanted(slot) }]);
      outcomes.push(written?.outcome ?? '');
      await check(slot);
    }
    expect(new Set(outcomes)).toEqual(new Set(['written', 'unknown']));
    site.controller.faults.delayMs = () => 0;
    await until(() => site.device().status().online, 'the controller to be online');
    for (let slot = 1; slot <= 12; slot++) await check(slot);
  });

  test('fragments, noise before each answer and an adapter that hears itself change nothing', async () => {
    const site = await openSite({ bus: { answer_within: '1s' } });
    site.simulator.echoes = true;
    site.controller.faults.fragmentBytes = 3;
    site.controller.faults.noise = Buffer.from('7e133700ff', 'hex');
    const slots = slotsOf(site.device());
    for (let slot = 1; slot <= 3; slot++) {
      expect(await slots.write([{ slot, content: cardAt(slot - 1) }])).toEqual([{ slot, outcome: 'written' }]);
    }
    expect(await slots.read([1, 2, 3])).toMatchObject([{ slot: 1 }, { slot: 2 }, { slot: 3 }]);
    expect(await outputsOf(site.device()).pulse(0, 5_000, soon())).toEqual({ outcome: 'done', confirmed: true });
    expect(site.device().status().counters.timeouts).toBe(0);
  });

  test('a wrong checksum is no answer: reads are asked again, writes are unknown', async () => {
    const site = await openSite({ configured: [{ address: 1, poll: '10s' }] });
    const slots = slotsOf(site.device());
    site.controller.faults.wrongChecksums = 1;
    expect(await slots.read([1])).toMatchObject([{ state: 'empty' }]);
    site.controller.faults.wrongChecksums = 1;
    expect(await slots.write([{ slot: 1, content: cardAt(0) }])).toMatchObject([{ outcome: 'unknown' }]);
    expect(site.controller.writes.get(1)).toBe(1);
    expect(site.device().status().counters).toMatchObject({ crcErrors: 2, timeouts: 2, retries: 1 });
  });

  test('frames of another host on the bus are nobody’s answer', async () => {
    const site = await openSite({ configured: [{ address: 1, poll: '10s' }] });
    site.controller.faults.silent = true;
    const writing = slotsOf(site.device()).write([{ slot: 1, content: cardAt(0) }]);
    await until(() => site.controller.writes.size > 0, 'the write to arrive');
    // Node 2 acknowledges something, and somebody asks node 1 for its status.
    site.simulator.say(Buffer.from('7e05000402f9ff', 'hex'));
    site.simulator.say(Buffer.from('7e040118e6ff', 'hex'));
    expect(await writing).toMatchObject([{ outcome: 'unknown' }]);
  });

  test('a line that babbles without end holds no request for ever', async () => {
    const site = await openSite();
    site.controller.faults.silent = true;
    let babbling = true;
    later(() => Promise.resolve(void (babbling = false)));
    const babble = async (): Promise<void> => {
      while (babbling) {
        site.simulator.say(Buffer.from('7efe0102030405', 'hex'));
        await wait(10);
      }
    };
    void babble();
    expect(await slotsOf(site.device()).write([{ slot: 1, content: cardAt(0) }])).toMatchObject([
      { outcome: 'unknown' },
    ]);
    await site.seen('offline');
    babbling = false;
  });
});

describe('cables', () => {
  test('a write cut at any byte leaves the slot as it was or as wanted, and the reader free again', async () => {
    const site = await openSite({ bus: { answer_within: '20ms' }, configured: [{ address: 1, poll: '10s' }] });
    const slots = slotsOf(site.device());
    const FRAME_BYTES = 16;
    for (let cut = 0; cut < FRAME_BYTES; cut++) {
      const slot = 1 + cut;
      site.controller.faults.cutAfterBytes = cut;
      expect(await slots.write([{ slot, content: cardAt(0) }])).toMatchObject([{ outcome: 'unknown' }]);
      expect(await slots.read([slot])).toEqual([{ slot, state: 'empty', image: slots.image(slot, null) }]);
      expect(site.controller.stuck).toBe(false);
    }
    expect(site.controller.writes.size).toBe(0);
    expect(site.device().status().online).toBe(true);
  });

  test('a cut line is told, nothing is claimed about what was not sent, and all is back once it is whole', async () => {
    const pair = await openPtyPair();
    later(() => pair.close());
    const simulator = new SoyalSimulator([{ address: 1 }], systemClock);
    later(() => simulator.close());
    await simulator.open(pair.b, portOpener(systemClock));
    const line = startDriver(pair.a, [{ address: 1 }]);
    await line.seen('online');
    await pair.cut();
    await line.seen('offline');
    const slots = slotsOf(line.device());
    expect(await slots.write([{ slot: 1, content: cardAt(0) }])).toMatchObject([
      { outcome: 'unknown', message: expect.stringMatching(/nothing was sent/) },
    ]);
    await expect(slots.read([1])).rejects.toMatchObject({ type: 'controller_offline' });
    expect(await outputsOf(line.device()).pulse(0, 5_000, soon())).toMatchObject({ error: 'controller_offline' });

    await simulator.close();
    await pair.replug();
    const again = new SoyalSimulator([{ address: 1 }], systemClock);
    later(() => again.close());
    await again.open(pair.b, portOpener(systemClock));
    await line.seen('online', 2);
    expect(await slots.write([{ slot: 1, content: cardAt(0) }])).toEqual([{ slot: 1, outcome: 'written' }]);
  });

  test('a converter that restarts in the middle of a write makes it unknown, and the controller comes back', async () => {
    const site = await openSite();
    const slots = slotsOf(site.device());
    site.controller.faults.delayMs = ({ code }) => (code === 0x83 ? 150 : 0);
    const writing = slots.write([{ slot: 1, content: cardAt(0) }]);
    await until(() => site.controller.writes.size > 0, 'the write to arrive');
    await site.simulator.close();
    expect(await writing).toMatchObject([{ outcome: 'unknown' }]);
    await site.simulator.listen(site.port);
    await site.seen('online', 2);
    site.controller.faults.delayMs = () => 0;
    expect(await slots.read([1])).toMatchObject([{ state: 'occupied' }]);
    expect(site.controller.writes.get(1)).toBe(1);
  });

  test('at the stop everything that waits is answered', async () => {
    const site = await openSite();
    const slots = slotsOf(site.device());
    site.controller.faults.silent = true;
    const waiting = [
      ...[1, 2, 3].map((slot) => slots.write([{ slot, content: cardAt(0) }])),
      slots.read([1]).catch((error: unknown) => error),
    ];
    await until(() => site.controller.writes.size > 0, 'the first to arrive');
    await site.driver.stop(200);
    const outcomes = await Promise.all(waiting);
    expect(outcomes[0]).toMatchObject([{ outcome: 'unknown' }]);
    expect(outcomes[3]).toBeInstanceOf(Error);
  });
});

describe('controllers that go and come', () => {
  test('a dead one is offline after three misses, does not stop the others, and is met again when it answers', async () => {
    const three = [{ address: 1 }, { address: 2 }, { address: 3 }];
    const site = await openSite({ simulated: three, configured: three });
    await site.seen('online', 3);
    site.simulator.at(2).faults.silent = true;
    await site.seen('offline');
    expect(site.device('door-2').status()).toMatchObject({ online: false, problem: expect.stringMatching(/3 times/) });
    expect(site.device('door-1').status().online).toBe(true);

    const writes = Array.from({ length: 20 }, (_, i) => ({ slot: 1 + i, content: cardAt(0) }));
    const outcomes = await slotsOf(site.device('door-3')).write(writes);
    expect(outcomes.every(({ outcome }) => outcome === 'written')).toBe(true);
    expect(await slotsOf(site.device('door-2')).write([{ slot: 1, content: cardAt(0) }])).toMatchObject([
      { outcome: 'unknown', message: expect.stringMatching(/nothing was sent/) },
    ]);

    site.simulator.at(2).faults.silent = false;
    await site.seen('online', 4);
    expect(site.device('door-2').status()).toMatchObject({ online: true, problem: null });
  });

  test('a strike at a controller that is just back finds it before the next look', async () => {
    const site = await openSite();
    site.controller.faults.silent = true;
    await site.seen('offline');
    site.controller.faults.silent = false;
    expect(await outputsOf(site.device()).pulse(0, 5_000, soon())).toEqual({ outcome: 'done', confirmed: true });
    await site.seen('online', 2);
  });

  test('one that lost power, memory and clock is told to be compared anew', async () => {
    const site = await openSite();
    const slots = slotsOf(site.device());
    await slots.write([{ slot: 1, content: cardAt(0) }]);
    site.controller.faults.silent = true;
    await site.seen('offline');
    site.controller.powerCycle({ memory: false, clock: false });
    site.controller.faults.silent = false;
    await site.seen('restarted');
    expect(await slots.read([1])).toMatchObject([{ state: 'empty' }]);
  });

  test('one whose clock was not put forward in spring lost nothing', async () => {
    const site = await openSite({ configured: [{ address: 1, time_zone: 'Europe/Oslo' }] });
    const { door } = site.controller;
    // The last ten seconds of the hour that is left out, and on, as a clock without summer time goes.
    door.clockMs = Date.UTC(2026, 2, 29, 2, 59, 50);
    await clockOf(site.device()).read();
    const restarts = (): number => site.events.filter((event) => event.type === 'restarted').length;
    const before = restarts();
    door.clockMs += 15_000;
    await clockOf(site.device()).read();
    expect(restarts()).toBe(before);
  });

  test('one whose clock fell back between two looks at it is told as well, but not one that was set', async () => {
    const site = await openSite();
    await clockOf(site.device()).read();
    await clockOf(site.device()).set(Date.now() - 3_600_000);
    await clockOf(site.device()).read();
    expect(site.events.filter((event) => event.type === 'restarted')).toEqual([]);
    site.controller.powerCycle({ memory: true, clock: false });
    await clockOf(site.device()).read();
    await site.seen('restarted');
  });

  test('another controller in its place is told by its identity', async () => {
    const site = await openSite();
    site.controller.faults.silent = true;
    await site.seen('offline');
    site.controller.options.firmware = 0x66;
    site.controller.faults.silent = false;
    await site.seen('identity_changed');
    expect(site.events).toContainEqual({
      type: 'identity_changed',
      device: 'door-1',
      expected: 'soyal 6V3 type 26 id 01 door 1',
      found: 'soyal 6V6 type 26 id 01 door 1',
    });
  });
});

describe('who goes first', () => {
  test('a strike overtakes every write that waits, and an erasure the writes of another controller', async () => {
    const two = [{ address: 1 }, { address: 2 }];
    const site = await openSite({ simulated: two, configured: two.map((one) => ({ ...one, poll: '10s' })) });
    await site.seen('online', 2);
    const order: string[] = [];
    for (const controller of site.simulator.controllers) {
      controller.faults.delayMs = ({ code, data }) => {
        if (code === 0x83) order.push(data.readUInt8(8) === 0 ? 'erase' : 'write');
        if (code === 0x21) order.push('strike');
        return 5;
      };
    }
    const writes = (name: string) =>
      [1, 2, 3, 4, 5, 6].map((slot) => slotsOf(site.device(name)).write([{ slot, content: cardAt(0) }]));
    const working = [...writes('door-1'), ...writes('door-2')];
    await until(() => order.length > 0, 'the first write');
    const erasing = slotsOf(site.device('door-2')).erase([9]);
    const pulsing = outputsOf(site.device('door-1')).pulse(0, 5_000, soon());
    await Promise.all([...working, erasing, pulsing]);
    expect(order.filter((one) => one === 'write')).toHaveLength(12);
    expect(order.indexOf('strike')).toBeLessThan(order.indexOf('erase'));
    expect(order.indexOf('erase')).toBeLessThanOrEqual(4);
  });

  test('inputs are seen while a table is written at 9600 baud', async () => {
    const site = await openSite({
      simulated: [{ address: 1, baud: 9600 }],
      configured: [{ address: 1, poll: '100ms' }],
      bus: { baud: 9600, gap: '5ms', answer_within: '100ms' },
    });
    const writes = Array.from({ length: 40 }, (_, i) => ({ slot: 1 + i, content: cardAt(0) }));
    const writing = slotsOf(site.device()).write(writes);
    await until(() => site.controller.writes.size > 5, 'some users to be written');
    site.controller.door.setDoor(true);
    const writtenBefore = site.controller.writes.size;
    await until(
      () => site.events.some((event) => event.type === 'input' && event.input === 0 && event.active),
      'the open door',
    );
    // Seen amid the writes, not after them.
    expect(site.controller.writes.size - writtenBefore).toBeLessThan(20);
    expect((await writing).every(({ outcome }) => outcome === 'written')).toBe(true);
  });

  test('polls that fill the bus leave a turn to the rest', async () => {
    const three = [{ address: 1 }, { address: 2 }, { address: 3 }];
    const site = await openSite({
      simulated: three.map((one) => ({ ...one, turnaroundMs: 45 })),
      configured: three,
      bus: { answer_within: '200ms' },
    });
    await site.seen('online', 3);
    const writes = [1, 2, 3, 4, 5].map((slot) => ({ slot, content: cardAt(0) }));
    expect((await slotsOf(site.device()).write(writes)).every(({ outcome }) => outcome === 'written')).toBe(true);
  });
});

test('a strike whose time is over does not come out of a network that stood still', async () => {
  const simulated = await openSite();
  await simulated.driver.stop(1_000);
  const network = await openNetwork(simulated.port);
  later(() => network.close());
  const site = startDriver(`tcp://127.0.0.1:${network.port}`, [{ address: 1 }]);
  await site.seen('online');
  const pulses = (): number =>
    simulated.controller.received.filter(({ code, data }) => code === 0x21 && data[0] === 0x84).length;
  const before = pulses();
  network.stall();
  expect(await outputsOf(site.device()).pulse(0, 5_000, soon(400))).toMatchObject({ outcome: 'failed' });
  await until(() => network.dropped > 0, 'what was on its way is thrown away');
  network.flow();
  await site.seen('online', 2);
  expect(pulses()).toBe(before);
  expect(await outputsOf(site.device()).pulse(0, 5_000, soon())).toEqual({ outcome: 'done', confirmed: true });
  expect(pulses()).toBe(before + 1);
});
