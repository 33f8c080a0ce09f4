// Devices of other shapes than the shipped ones: handshakes, command values, bits of words, and the four ways of
// handing over events.

import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { until } from '../../support/ports.ts';
import { content, openSite, pause, soon, type Site } from './site.ts';

const profile = (name: string): string => fileURLToPath(new URL(`profiles/${name}.yaml`, import.meta.url));
const open = (name: string, config: Record<string, unknown> = {}): Promise<Site> =>
  openSite('tcp', [{ unit: 1, profile: profile(name), config }]);

const eventsOf = (site: Site) => {
  const { events } = site.device();
  if (events === null) throw new Error('the device has events');
  return events;
};

describe('a table that takes slots over by a command', () => {
  it('is filled slot by slot, and tells which was refused', async () => {
    const site = await open('handshake');
    const writes = [
      { slot: 1, content: content({ pin: '1234' }) },
      { slot: 2, content: content({ card: 'H10301:1:2', pin: '0042', cardAndPin: true, doors: [1, 2] }) },
      { slot: 3, content: content({ pin: '1234' }) },
      { slot: 20, content: content({ card: 'uid:00000001' }) },
    ];
    expect(await site.slots().write(writes)).toMatchObject([
      { slot: 1, outcome: 'written' },
      { slot: 2, outcome: 'written' },
      { slot: 3, outcome: 'refused', error: 'duplicate' },
      { slot: 20, outcome: 'written' },
    ]);
    const simulated = site.simulator.unit(1);
    expect(simulated.doors.slot(2)).toMatchObject({ enabled: true, card: 'H10301:1:2', pin: '0042', doors: [1, 2] });
    expect(simulated.memory.read('holding', 100 + 8, 7)).toEqual([2, 0x0303, 2, 1, 0x3030, 0x3432, 0x2020]);
    expect(simulated.doors.present(2, { card: 'H10301:1:2', pin: '0042' })).toMatchObject({ granted: true, slot: 2 });
    const [reading] = await site.slots().read([2]);
    expect(reading?.image.equals(site.slots().image(2, writes[1]?.content ?? null))).toBe(true);
  });

  it('is emptied by a command', async () => {
    const site = await open('handshake');
    await site.slots().write([{ slot: 5, content: content({ pin: '1234' }) }]);
    expect(await site.slots().erase([5])).toEqual([{ slot: 5, outcome: 'written' }]);
    expect(await site.slots().read([5])).toMatchObject([{ state: 'empty' }]);
    expect(site.simulator.unit(1).doors.present(1, { pin: '1234' }).granted).toBe(false);
  });

  it('puts a record out of force before it changes, and in force last', async () => {
    const site = await open('handshake');
    await site.slots().write([{ slot: 5, content: content({ pin: '1234' }) }]);
    const simulated = site.simulator.unit(1);
    simulated.requests.length = 0;
    await site.slots().write([{ slot: 5, content: content({ pin: '5678' }) }]);
    const wires = simulated.requests.filter(
      (pdu) => [3, 6, 16].includes(pdu[0] ?? 0) && pdu.readUInt16BE(1) >= 132 && pdu.readUInt16BE(1) < 140,
    );
    expect(wires.map((pdu) => [pdu[0], pdu.readUInt16BE(1)])).toEqual([
      [6, 133], // out of force
      [16, 132],
      [3, 132],
      [16, 132], // in force
    ]);
  });

  it('finds out before enabling that the device kept nothing', async () => {
    const site = await open('handshake');
    site.simulator.unit(1).faults.forgetful = true;
    expect(await site.slots().write([{ slot: 5, content: content({ pin: '1234' }) }])).toMatchObject([
      { outcome: 'refused', error: 'device_error', message: 'the device acknowledged and holds something else' },
    ]);
  });

  it('that is never done leaves the slot unknown', async () => {
    const site = await openSite('tcp', [{ unit: 1, profile: profile('handshake'), commandMs: 3_600_000 }]);
    expect(await site.slots().write([{ slot: 5, content: content({ pin: '1234' }) }])).toMatchObject([
      { outcome: 'unknown', message: expect.stringContaining('not done within 1000 ms') as unknown },
    ]);
  });
});

describe('a relay driven by command values', () => {
  it('is set, pulsed by the device, and read back elsewhere', async () => {
    const site = await open('handshake');
    const simulated = site.simulator.unit(1);
    expect(await site.outputs().set(0, true)).toEqual({ outcome: 'done', confirmed: true });
    expect(simulated.memory.get('holding', 49)).toBe(1);
    expect(await site.outputs().set(0, false)).toEqual({ outcome: 'done', confirmed: true });
    expect(simulated.memory.get('holding', 49)).toBe(2);
    expect(await site.outputs().pulse(1, 2_500, soon())).toEqual({ outcome: 'done', confirmed: true });
    expect(simulated.memory.get('holding', 51)).toBe(0x0603);
  });
});

describe('a watchdog', () => {
  it('is kicked for as long as Lintel lives, and drops the relays afterwards', async () => {
    const site = await open('handshake');
    const simulated = site.simulator.unit(1);
    await site.outputs().set(0, true);
    const first = simulated.memory.get('holding', 69);
    await until(() => simulated.memory.get('holding', 69) > first + 3, 'more kicks');
    expect(simulated.output(0)).toBe(true);
    await site.simulator.cut();
    await until(() => !simulated.output(0), 'the relay to drop');
  });
});

describe('a device that tells of its restart', () => {
  it('by a flag is told once, and the flag is cleared', async () => {
    const site = await open('handshake');
    const simulated = site.simulator.unit(1);
    expect(site.events.some(({ type }) => type === 'restarted')).toBe(false);
    simulated.powerOff();
    await site.seen('offline');
    simulated.powerOn({ keepMemory: false });
    await site.seen('restarted');
    await site.seen('online', 2);
    expect(simulated.memory.get('coil', 8)).toBe(0);
    expect(site.events.filter(({ type }) => type === 'restarted').length).toBe(1);
  });
});

describe('events', () => {
  it('from a queue come one by one and are dropped when told', async () => {
    const site = await open('handshake');
    const log = eventsOf(site);
    const simulated = site.simulator.unit(1);
    simulated.doors.present(2, { pin: '9999' });
    simulated.setInput(0, true);
    const first = await log.read(10);
    expect(first.events).toMatchObject([
      { kind: 'denied', detail: 'unknown', code: 2, door: 2, slot: null, atMs: null },
    ]);
    expect(await log.read(10)).toEqual(first);
    await log.acknowledge(first.events[0]?.cursor ?? '');
    const second = await log.read(10);
    expect(second.events).toMatchObject([{ kind: 'forced', door: 1 }]);
    expect(second.events[0]?.cursor).not.toBe(first.events[0]?.cursor);
    // A cursor of before frees nothing.
    await log.acknowledge(first.events[0]?.cursor ?? '');
    expect(await log.read(10)).toEqual(second);
    await log.acknowledge(second.events[0]?.cursor ?? '');
    expect((await log.read(10)).events).toEqual([]);
  });

  it('behind a flag come one by one and are freed when told', async () => {
    const site = await open('reader', { time_zone: 'Europe/Oslo' });
    const log = eventsOf(site);
    const simulated = site.simulator.unit(1);
    expect((await log.read(5)).events).toEqual([]);
    const before = Math.floor(Date.now() / 1000) * 1000;
    simulated.setInput(0, true);
    simulated.setInput(1, true);
    const first = await log.read(5);
    expect(first.events).toMatchObject([{ kind: 'rex', door: 1 }]);
    expect((first.events[0]?.atMs ?? 0) - before).toBeLessThan(5_000);
    await log.acknowledge(first.events[0]?.cursor ?? '');
    const second = await log.read(5);
    expect(second.events).toMatchObject([{ kind: 'opened' }]);
    await log.acknowledge(second.events[0]?.cursor ?? '');
    expect((await log.read(5)).events).toEqual([]);
  });

  it('under a sequence number are one deep, and missing ones are told', async () => {
    const site = await open('words');
    const log = eventsOf(site);
    const simulated = site.simulator.unit(1);
    expect((await log.read(5)).events).toEqual([]);
    simulated.setInput(0, true);
    const first = await log.read(5);
    expect(first).toMatchObject({ events: [{ kind: 'forced', door: 1 }], lost: false });
    await log.acknowledge(first.events[0]?.cursor ?? '');
    expect((await log.read(5)).events).toEqual([]);
    simulated.setInput(0, false);
    simulated.setInput(0, true);
    expect(await log.read(5)).toMatchObject({ events: [{ kind: 'forced' }], lost: true });
  });

  it('of a ring that went round tell that some are lost', async () => {
    const site = await openSite('tcp', [{ unit: 1, profile: 'plc-door-2' }]);
    const log = eventsOf(site);
    const simulated = site.simulator.unit(1);
    for (let i = 0; i < 70; i++) simulated.doors.present(i % 2 === 0 ? 1 : 2, { pin: '9999' });
    const seen = [];
    let batch = await log.read(20);
    expect(batch.lost).toBe(true);
    while (batch.events.length > 0) {
      seen.push(...batch.events);
      await log.acknowledge(batch.events.at(-1)?.cursor ?? '');
      batch = await log.read(20);
      expect(batch.lost).toBe(false);
    }
    expect(seen.map(({ door }) => door)).toEqual(Array.from({ length: 64 }, (_, i) => ((i + 6) % 2 === 0 ? 1 : 2)));
    expect(new Set(seen.map(({ cursor }) => cursor)).size).toBe(64);
  });
});

describe('inputs', () => {
  it('keep a press that is shorter than the time between two looks', async () => {
    const site = await open('reader', { time_zone: 'Europe/Oslo', input_period: '300ms' });
    await site.seen('input', 3);
    const told = () => site.events.filter((event) => event.type === 'input');
    const before = told().length;
    const simulated = site.simulator.unit(1);
    simulated.setInput(0, true);
    simulated.setInput(0, false);
    await until(() => told().length >= before + 2, 'the press');
    expect(told().slice(before)).toMatchObject([
      { type: 'input', input: 0, active: true },
      { type: 'input', input: 0, active: false },
    ]);
    expect(simulated.memory.get('coil', 64)).toBe(0);
    await pause(400);
    expect(told().length).toBe(before + 2);
  });

  it('that chatter are not told until they have settled', async () => {
    const site = await open('reader', { time_zone: 'Europe/Oslo', input_period: '20ms' });
    await site.seen('input', 3);
    const simulated = site.simulator.unit(1);
    const told = () => site.events.filter((event) => event.type === 'input' && event.input === 1);
    for (let i = 0; i < 8; i++) {
      simulated.setInput(1, i % 2 === 0);
      await pause(25);
    }
    simulated.setInput(1, true);
    await until(() => told().length >= 2, 'the contact');
    expect(told()).toMatchObject([{ active: false }, { active: true }]);
  });

  it('of power are told as such', async () => {
    const site = await open('reader', { time_zone: 'Europe/Oslo' });
    site.simulator.unit(1).setInput(2, true);
    await site.seen('power');
    expect(site.events.find(({ type }) => type === 'power')).toMatchObject({ failed: true });
  });

  it('are bits of words where the device keeps them so', async () => {
    const site = await open('words');
    await site.seen('input', 3);
    expect(site.events.filter((event) => event.type === 'input').map(({ active }) => active)).toEqual([
      false,
      false,
      false,
    ]);
    site.simulator.unit(1).setInput(1, true);
    site.simulator.unit(1).setInput(2, true);
    await site.seen('input', 5);
    expect(site.events.filter((event) => event.type === 'input').slice(3)).toMatchObject([
      { input: 1, active: true },
      { input: 2, active: true },
    ]);
  });
});

describe('a clock in local time', () => {
  it('shows the wall clock of the door', async () => {
    const site = await open('reader', { time_zone: 'Europe/Oslo' });
    const { clock } = site.device();
    const at = Date.UTC(2026, 6, 1, 12, 30, 15);
    site.simulator.unit(1).requests.length = 0;
    await clock?.set(at);
    const written = site.simulator.unit(1).requests.find((pdu) => pdu[0] === 16);
    expect(written?.subarray(6).toString('hex')).toBe('260701143015');
  });
});

describe('a pulse that Lintel ends', () => {
  it('is ended, also when the device did not hear it at first', async () => {
    const site = await open('reader', { time_zone: 'Europe/Oslo' });
    const simulated = site.simulator.unit(1);
    expect(await site.outputs().pulse(0, 200, soon())).toEqual({ outcome: 'done', confirmed: true });
    simulated.failNext({ forgetful: true }, 2, 5);
    await until(() => !simulated.output(0), 'the relay to release');
    const offs = simulated.requests.filter(
      (pdu) => pdu[0] === 5 && pdu.readUInt16BE(1) === 1000 && pdu.readUInt16BE(3) === 0,
    );
    expect(offs.length).toBeGreaterThanOrEqual(3);
  });

  it('is ended after an outage that began while it ran', async () => {
    const site = await open('reader', { time_zone: 'Europe/Oslo' });
    const simulated = site.simulator.unit(1);
    await site.outputs().pulse(0, 300, soon());
    simulated.faults.deaf = true;
    await site.seen('offline');
    expect(simulated.output(0)).toBe(true);
    simulated.faults.deaf = false;
    await site.seen('online', 2);
    expect(simulated.output(0)).toBe(false);
  });

  it('is longer when it is commanded again, and does not close a door that is held open', async () => {
    const site = await open('reader', { time_zone: 'Europe/Oslo' });
    const simulated = site.simulator.unit(1);
    await site.outputs().pulse(0, 300, soon());
    await pause(150);
    await site.outputs().pulse(0, 600, soon());
    await pause(300);
    expect(simulated.output(0)).toBe(true);
    await until(() => !simulated.output(0), 'the relay to release');
    await site.outputs().set(0, true);
    expect(await site.outputs().pulse(0, 200, soon())).toEqual({ outcome: 'done', confirmed: true });
    await pause(400);
    expect(simulated.output(0)).toBe(true);
  });
});

describe('relays that share a word', () => {
  it('do not disturb each other', async () => {
    const site = await open('words');
    const simulated = site.simulator.unit(1);
    const states = (): boolean[] => [0, 1, 2].map((output) => simulated.output(output));
    await site.outputs().set(1, true);
    expect(simulated.memory.read('holding', 40, 2)).toEqual([0x8000, 0]);
    await Promise.all([site.outputs().set(0, true), site.outputs().set(2, true)]);
    expect(states()).toEqual([true, true, true]);
    expect(await site.outputs().set(1, false)).toEqual({ outcome: 'done', confirmed: true });
    expect(states()).toEqual([true, false, true]);
  });
});
