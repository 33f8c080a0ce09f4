// Modbus TCP devices and gateways that are particular about connections: they end them, take one only, or keep
// everybody on one waiting.

import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../drivers/driver.ts';
import { until } from '../../support/ports.ts';
import { fasterClock } from '../osdp/world.ts';
import { content, openLine, openPort, pause, soon, startDriver, type DriverOnLine, type Line } from './site.ts';

const ONE = [{ unit: 1, profile: 'plc-door-2' }];
const BOTH = [1, 2].map((unit) => ({ unit, profile: 'plc-door-2' }));

describe.concurrent('a device that ends the connection after each answer', () => {
  it('is served, one question for each connection, and that is no outage', async () => {
    const line = await openLine('tcp', ONE);
    line.simulator.lineFaults.oneAnswerEach = true;
    const site = startDriver(line.bus, ONE);
    await site.seen('online');
    const writes = Array.from({ length: 30 }, (_, slot) => ({ slot, content: content({ pin: String(1000 + slot) }) }));
    expect((await site.slots().write(writes)).every(({ outcome }) => outcome === 'written')).toBe(true);
    const readings = await site.slots().read(writes.map(({ slot }) => slot));
    expect(
      readings.every(({ image, slot }) => image.equals(site.slots().image(slot, writes[slot]?.content ?? null))),
    ).toBe(true);
    for (let i = 0; i < 5; i++)
      expect(await site.outputs().pulse(i % 2, 300, soon())).toEqual({ outcome: 'done', confirmed: true });
    expect(site.events.filter(({ type }) => type === 'offline')).toEqual([]);
    expect(site.device().status()).toMatchObject({ online: true, problem: null });
    // What it did is known of everything: nothing went into a connection that was ending.
    const { requests, replies } = site.device().status().counters;
    expect(requests - replies).toBeLessThanOrEqual(2);
  });

  it('and is not there any more is missed', async () => {
    const line = await openLine('tcp', ONE);
    line.simulator.lineFaults.oneAnswerEach = true;
    const site = startDriver(line.bus, ONE);
    await site.seen('online');
    await line.simulator.cut();
    await site.seen('offline');
    const problem = (): string => site.device().status().problem ?? '';
    await until(() => problem().includes('does not serve Modbus on this port'), 'what is wrong by now');
    expect(await site.outputs().pulse(0, 300, soon())).toMatchObject({ error: 'controller_offline' });
    await line.simulator.start();
    await site.seen('online', 2);
    expect(await site.slots().read([1])).toMatchObject([{ state: 'empty' }]);
  });

  it('only now and then is asked on, on another connection', async () => {
    const line = await openLine('tcp', ONE);
    const site = startDriver(line.bus, ONE);
    await site.seen('online');
    for (let i = 0; i < 3; i++) {
      const before = line.simulator.accepted;
      line.simulator.endConnections();
      await until(() => line.simulator.accepted > before, 'another connection');
      expect(await site.slots().read([i])).toMatchObject([{ state: 'empty' }]);
    }
    expect(site.events.filter(({ type }) => type === 'offline')).toEqual([]);
  });
});

const LOOK_MS = 1_500;

/** A gateway that looks for unit 2, which is not there, for a second and a half. */
async function gateway(oneAtATime: boolean, mostConnections: number, clock: Clock): Promise<Line & DriverOnLine> {
  const line = await openLine('tcp', BOTH, {}, clock);
  line.simulator.lineFaults.vain = { takesMs: LOOK_MS, oneAtATime };
  line.simulator.lineFaults.mostConnections = mostConnections;
  line.simulator.unit(2).powerOff();
  const site = startDriver(line.bus, BOTH, openPort, clock);
  await until(() => site.device('unit-1').status().online, 'the healthy one', 30_000);
  return { ...line, ...site };
}

const looks = (site: DriverOnLine): number => site.device('unit-2').status().counters.requests;

describe.concurrent('a gateway that takes two connections', () => {
  it('is asked for a missing unit on one of its own, so that a strike at the others never waits', async () => {
    const clock = fasterClock(3);
    const site = await gateway(false, 2, clock);
    await until(() => site.simulator.accepted >= 2, 'a connection aside', 60_000);
    for (const look of [2, 3]) {
      await until(() => looks(site) >= look, `look ${look}`, 60_000);
      const endMs = clock.monotonicMs() + 0.8 * LOOK_MS;
      let struckMeanwhile = 0;
      while (clock.monotonicMs() < endMs) {
        const struck = await site.outputs('unit-1').pulse(0, 300, clock.monotonicMs() + 2_000);
        expect(struck.outcome).toBe('done');
        if (clock.monotonicMs() < endMs) struckMeanwhile++;
        await pause(20);
      }
      // Of strikes that wait until it has looked there would be none.
      expect(struckMeanwhile).toBeGreaterThanOrEqual(2);
    }
    expect(site.events.filter((event) => event.type === 'offline' && event.device === 'unit-1')).toEqual([]);
    site.simulator.unit(2).powerOn({ keepMemory: true });
    await until(() => site.device('unit-2').status().online, 'the missing one to be found', 120_000);
    expect(await site.outputs('unit-2').pulse(0, 300, clock.monotonicMs() + 2_000)).toMatchObject({ outcome: 'done' });
  }, 180_000);
});

describe.concurrent.each([1, 2])(
  'a gateway that does one thing after the other, with %i connections',
  (mostConnections) => {
    it('keeps its healthy unit online while it looks for the other, and finds that one when it is back', async () => {
      const site = await gateway(true, mostConnections, fasterClock(3));
      await until(() => looks(site) >= 3, 'three looks in vain', 120_000);
      expect(site.events.filter((event) => event.type === 'offline' && event.device === 'unit-1')).toEqual([]);
      expect(site.device('unit-1').status()).toMatchObject({ online: true, problem: null });
      expect(site.device('unit-2').status().problem).toContain('the gateway does not reach the unit');
      site.simulator.unit(2).powerOn({ keepMemory: true });
      await until(() => site.device('unit-2').status().online, 'the missing one to be found', 120_000);
      expect(site.events.filter((event) => event.type === 'offline' && event.device === 'unit-1')).toEqual([]);
    }, 300_000);
  },
);
