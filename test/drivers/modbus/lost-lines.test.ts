// Units that go and come back, and lines that are cut and plugged in again.

import { describe, expect, it } from 'vitest';
import { openNetwork } from '../../support/network.ts';
import { until } from '../../support/ports.ts';
import { content, later, openLine, openSite, soon, startDriver } from './site.ts';

describe('several units on one line', () => {
  it('do without one that is gone, and it comes back', async () => {
    const site = await openSite('rtu', [
      { unit: 1, profile: 'waveshare-relay-d-8ch' },
      { unit: 2, profile: 'plc-door-2' },
      { unit: 3, profile: 'waveshare-relay-8ch' },
    ]);
    site.simulator.unit(2).powerOff();
    await site.seen('offline');
    expect(site.events.find((event) => event.type === 'offline')).toMatchObject({ device: 'unit-2' });
    for (let i = 0; i < 4; i++) {
      site.simulator.unit(1).setInput(i, true);
      await until(
        () => site.events.some((event) => event.type === 'input' && event.input === i && event.active),
        `input ${i}`,
      );
      expect(await site.outputs('unit-3').pulse(i, 400, soon())).toEqual({ outcome: 'done', confirmed: true });
    }
    expect(site.device('unit-1').status().online).toBe(true);
    expect(site.device('unit-2').status()).toMatchObject({
      online: false,
      problem: expect.stringContaining('no answer') as unknown,
    });
    expect(await site.outputs('unit-2').pulse(0, 500, soon())).toMatchObject({ error: 'controller_offline' });
    site.simulator.unit(2).powerOn({ keepMemory: true });
    await site.seen('online', 4);
    await site.seen('restarted');
    expect(site.events.filter((event) => event.type === 'offline').length).toBe(1);
  });
});

describe.each(['rtu', 'tcp'] as const)('a strike over %s', (transport) => {
  it('does not wait for a unit that is gone', async () => {
    const line = await openLine(
      transport,
      [1, 2].map((unit) => ({ unit, profile: 'plc-door-2' })),
    );
    const gone = line.simulator.unit(2);
    gone.faults.silent = true;
    const site = startDriver(line.bus, [
      { unit: 1, profile: 'plc-door-2', input_period: '10s' },
      { unit: 2, profile: 'plc-door-2', turnaround_max: '1500ms' },
    ]);
    await site.seen('online');
    await site.seen('offline');
    const before = gone.requests.length;
    await until(() => gone.requests.length > before, 'the next vain question');
    // It is waited for one and a half seconds; the strike's time is over long before.
    expect(await site.outputs('unit-1').pulse(0, 500, soon(500))).toEqual({ outcome: 'done', confirmed: true });
  });
});

describe.each(['tcp', 'rtu-over-tcp'] as const)('a network that stands still, over %s,', (transport) => {
  it('does not open the door when it moves again', async () => {
    const line = await openLine(transport, [{ unit: 1, profile: 'plc-door-2' }]);
    const network = await openNetwork(line.simulator.port);
    later(() => network.close());
    const site = startDriver({ ...line.bus, port: network.port }, [
      { unit: 1, profile: 'plc-door-2', turnaround_max: '400ms' },
    ]);
    await site.seen('online');
    const relays = line.simulator.unit(1);
    network.stall();
    expect(await site.outputs().pulse(0, 1_000, soon(500))).toMatchObject({ outcome: 'failed' });
    await until(() => network.dropped > 0, 'what was on its way is thrown away');
    network.flow();
    await site.seen('online', 2);
    expect(relays.outputChanges.filter(({ output, energised }) => output === 0 && energised)).toEqual([]);
    expect(await site.outputs().pulse(0, 1_000, soon())).toEqual({ outcome: 'done', confirmed: true });
  });
});

describe('a line that is lost', () => {
  it('is opened again when the cable is back, and what was under way is unknown', async () => {
    const site = await openSite('rtu', [{ unit: 1, profile: 'plc-door-2' }]);
    site.simulator.unit(1).faults.deaf = true;
    const writing = site.slots().write([{ slot: 1, content: content({ card: 'H10301:1:1' }) }]);
    await site.pty?.cut();
    expect(await writing).toMatchObject([{ outcome: 'unknown' }]);
    await site.seen('offline');
    await expect(site.slots().read([1])).rejects.toMatchObject({ type: 'controller_offline' });
    site.simulator.unit(1).faults.deaf = false;
    await site.simulator.cut();
    await site.pty?.replug();
    await site.simulator.start();
    await site.seen('online', 2);
    expect(await site.slots().read([1])).toMatchObject([{ state: 'empty' }]);
  });

  it.each(['tcp', 'rtu-over-tcp'] as const)('comes back with its server over %s', async (transport) => {
    const site = await openSite(transport, [{ unit: 1, profile: 'plc-door-2' }]);
    site.simulator.unit(1).faults.deaf = true;
    const writing = site.slots().write([{ slot: 1, content: content({ card: 'H10301:1:1' }) }]);
    await site.simulator.cut();
    expect(await writing).toMatchObject([{ outcome: 'unknown' }]);
    await site.seen('offline');
    site.simulator.unit(1).faults.deaf = false;
    await site.simulator.start();
    await site.seen('online', 2);
    expect(await site.slots().write([{ slot: 1, content: content({ card: 'H10301:1:1' }) }])).toMatchObject([
      { outcome: 'written' },
    ]);
  });

  it('is made anew when nobody answers on it any more', async () => {
    const site = await openSite('tcp', [{ unit: 1, profile: 'plc-door-2' }]);
    site.simulator.unit(1).faults.deaf = true;
    await site.seen('offline');
    const [before] = [site.simulator.accepted];
    await until(() => site.simulator.accepted > before, 'another connection', 20_000);
    site.simulator.unit(1).faults.deaf = false;
    await site.seen('online', 2);
  });
});
