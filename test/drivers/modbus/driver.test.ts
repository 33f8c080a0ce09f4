import { describe, expect, it } from 'vitest';
import { until } from '../../support/ports.ts';
import { content, openSite, pause, soon, TRANSPORTS } from './site.ts';

describe.each(TRANSPORTS)('a controller with its own table, over %s', (transport) => {
  it('is filled, read back, erased, and decides by itself', async () => {
    const site = await openSite(transport, [{ unit: 1, profile: 'plc-door-2' }]);
    const simulated = site.simulator.unit(1);
    const slots = site.slots();
    const now = Date.now();
    const guest = content({ card: 'H10301:123:45678', startsAtMs: now - 60_000, endsAtMs: now + 3_600_000 });
    const staff = content({ pin: '0824', doors: [1, 2] });
    const strict = content({ card: 'H10302:1234567890', pin: '11223344', cardAndPin: true, doors: [2] });
    const writes = [
      { slot: 0, content: guest },
      { slot: 1, content: staff },
      { slot: 7, content: strict },
      { slot: 499, content: content({ card: 'uid:04A1B2C3', endsAtMs: now - 60_000 }) },
    ];
    expect(await slots.write(writes)).toEqual([0, 1, 7, 499].map((slot) => ({ slot, outcome: 'written' })));
    const readings = await slots.read([0, 1, 2, 7, 499]);
    expect(readings.map(({ slot, state }) => [slot, state])).toEqual([
      [0, 'occupied'],
      [1, 'occupied'],
      [2, 'empty'],
      [7, 'occupied'],
      [499, 'occupied'],
    ]);
    for (const { slot, image } of readings) {
      const written = writes.find((write) => write.slot === slot)?.content ?? null;
      expect(image.equals(slots.image(slot, written))).toBe(true);
    }
    expect(simulated.doors.present(1, { card: 'H10301:123:45678' })).toMatchObject({ granted: true, slot: 0 });
    expect(simulated.doors.present(2, { card: 'H10301:123:45678' })).toMatchObject({ reason: 'denied-door' });
    expect(simulated.doors.present(1, { card: 'H10301:123:45679' })).toMatchObject({ reason: 'denied-unknown' });
    expect(simulated.doors.present(2, { pin: '0824' })).toMatchObject({ granted: true, slot: 1 });
    expect(simulated.doors.present(2, { pin: '824' })).toMatchObject({ granted: false });
    expect(simulated.doors.present(2, { card: 'H10302:1234567890' })).toMatchObject({ reason: 'denied-pin' });
    expect(simulated.doors.present(2, { card: 'H10302:1234567890', pin: '11223344' })).toMatchObject({ granted: true });
    expect(simulated.doors.present(1, { card: 'uid:04A1B2C3' })).toMatchObject({ reason: 'denied-time' });
    expect(await slots.erase([0, 7])).toEqual([0, 7].map((slot) => ({ slot, outcome: 'written' })));
    expect(simulated.doors.present(1, { card: 'H10301:123:45678' })).toMatchObject({ reason: 'denied-unknown' });
    const [erased] = await slots.read([0]);
    expect(erased?.image.equals(slots.image(0, null))).toBe(true);
  });

  it('opens its door with Lintel gone', async () => {
    const site = await openSite(transport, [{ unit: 1, profile: 'plc-door-2' }]);
    const simulated = site.simulator.unit(1);
    await site.slots().write([{ slot: 4, content: content({ card: 'H10302:99', oneTimeUse: true }) }]);
    await site.driver.stop(1_000);
    expect(simulated.doors.present(1, { card: 'H10302:99' })).toEqual({ granted: true, slot: 4, reason: 'granted' });
    expect(simulated.output(0)).toBe(true);
    expect(simulated.doors.present(1, { card: 'H10302:99' }).granted).toBe(false);
  });

  it('hands over what happened and frees it only once told', async () => {
    const site = await openSite(transport, [{ unit: 1, profile: 'plc-door-2' }]);
    const simulated = site.simulator.unit(1);
    const { events } = site.device();
    if (events === null) throw new Error('the device has events');
    const at = Date.now();
    simulated.doors.present(1, { card: 'H10301:1:2' });
    simulated.setInput(2, true);
    simulated.setInput(1, true);
    const first = await events.read(10);
    expect(first.lost).toBe(false);
    expect(first.events.map(({ kind, detail, door, slot }) => [kind, detail, door, slot])).toEqual([
      ['denied', 'unknown', 1, null],
      ['forced', null, 2, null],
      ['rex', null, 1, null],
    ]);
    expect(Math.abs((first.events[0]?.atMs ?? 0) - at)).toBeLessThan(10_000);
    expect((await events.read(10)).events).toEqual(first.events);
    await events.acknowledge(first.events[1]?.cursor ?? '');
    expect((await events.read(10)).events).toEqual(first.events.slice(2));
    await events.acknowledge(first.events[2]?.cursor ?? '');
    expect((await events.read(10)).events).toEqual([]);
  });

  it('keeps the time that it is given', async () => {
    const site = await openSite(transport, [{ unit: 1, profile: 'plc-door-2' }]);
    const { clock } = site.device();
    const at = Date.UTC(2026, 1, 28, 23, 59, 59);
    await clock?.set(at);
    const read = (await clock?.read()) ?? 0;
    expect(read - at).toBeGreaterThanOrEqual(0);
    expect(read - at).toBeLessThan(5_000);
    expect(Math.abs(site.simulator.unit(1).timeMs() - read)).toBeLessThan(2_000);
  });
});

describe.each(TRANSPORTS)('inputs and relays over %s', (transport) => {
  it('are told when they change, and at first as they are', async () => {
    const site = await openSite(transport, [{ unit: 1, profile: 'plc-door-2' }]);
    await site.seen('input', 5);
    expect(site.events.filter((event) => event.type === 'input').map((event) => event.active)).toEqual([
      false,
      false,
      false,
      false,
      false,
    ]);
    site.simulator.unit(1).setInput(0, true);
    await site.seen('input', 6);
    expect(site.events.at(-1)).toMatchObject({ type: 'input', input: 0, active: true });
    site.simulator.unit(1).setInput(4, true);
    await site.seen('tamper');
    expect(site.events.at(-1)).toMatchObject({ type: 'tamper', active: true });
  });

  it('pulse by the device itself and are read back', async () => {
    const site = await openSite(transport, [{ unit: 1, profile: 'plc-door-2' }]);
    const simulated = site.simulator.unit(1);
    expect(await site.outputs().pulse(1, 300, soon())).toEqual({ outcome: 'done', confirmed: true });
    expect(simulated.output(1)).toBe(true);
    await until(() => !simulated.output(1), 'the pulse to end');
    expect(await site.outputs().set(0, true)).toEqual({ outcome: 'done', confirmed: true });
    expect(simulated.output(0)).toBe(true);
    expect(await site.outputs().set(0, false)).toEqual({ outcome: 'done', confirmed: true });
    expect(simulated.output(0)).toBe(false);
    await site.driver.stop(1_000);
  });

  it('rest before serving and after it', async () => {
    const site = await openSite(transport, [{ unit: 1, profile: 'plc-door-2' }]);
    const simulated = site.simulator.unit(1);
    await site.outputs().set(0, true);
    expect(simulated.output(0)).toBe(true);
    await site.driver.stop(2_000);
    expect(simulated.output(0)).toBe(false);
    expect(await site.outputs().pulse(0, 500, soon())).toMatchObject({
      outcome: 'failed',
      error: 'controller_offline',
    });
    await pause(50);
    expect(simulated.output(0)).toBe(false);
  });
});
