// Answers that come late. The one thing that must never happen is that an answer is taken for another's.

import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { until } from '../../support/ports.ts';
import { content, filledSite, openLine, pause, readSlot, startDriver } from './site.ts';

describe.each(['rtu', 'rtu-over-tcp', 'tcp'] as const)('late answers over %s', (transport) => {
  it('are never taken for the answer to the next question', async () => {
    const site = await filledSite(transport, '40ms');
    const simulated = site.simulator.unit(1);
    // Deadlines here are 80 ms (serial) and 290 ms (network): some answers are in time, some in the pause behind, some
    // much later.
    const delays = fc.sample(fc.constantFrom(0, 0, 30, 100, 150, 320, 450), { numRuns: 16, seed: 7 });
    const results: string[] = [];
    for (const [i, latencyMs] of delays.entries()) {
      if (site.device().status().online) {
        simulated.failNext({ latencyMs }, 1, 3);
        results.push(await readSlot(site, (i * 7) % 40));
      } else await pause(100);
    }
    expect(results).not.toContain('wrong');
    expect(results).toContain('right');
    expect(site.device().status().counters.timeouts).toBeGreaterThan(0);
    await until(() => site.device().status().online, 'the device to be in service', 15_000);
    simulated.failNext({}, 0);
    expect(await readSlot(site, 11)).toBe('right');
  });
});

describe('a device that is always too slow', () => {
  it('is never believed, and the log says what to raise', async () => {
    const site = await filledSite('rtu', '40ms');
    site.simulator.unit(1).faults.latencyMs = 200;
    const results = [await readSlot(site, 1), await readSlot(site, 2), await readSlot(site, 3)];
    expect(results).toEqual(['failed', 'failed', 'failed']);
    await site.seen('offline');
    await until(() => site.log.some(({ message }) => message.includes('raise turnaround_max')), 'the remedy');
    site.simulator.unit(1).faults.latencyMs = 0;
    await site.seen('online', 2);
    expect(await readSlot(site, 4)).toBe('right');
  });
});

describe('questions at the same time', () => {
  it.each(['rtu', 'tcp', 'rtu-over-tcp'] as const)('get each its own answer over %s', async (transport) => {
    const site = await filledSite(transport);
    const slots = Array.from({ length: 40 }, (_, i) => (i * 13) % 40);
    const results = await Promise.all(slots.map((slot) => readSlot(site, slot)));
    expect(new Set(results)).toEqual(new Set(['right']));
  });

  it('get each its own answer when several are in flight over TCP', async () => {
    const line = await openLine('tcp', [{ unit: 1, profile: 'plc-door-2' }]);
    const driver = startDriver({ ...line.bus, max_in_flight: 8 }, [
      { unit: 1, profile: 'plc-door-2', input_period: '5s' },
    ]);
    await driver.seen('online');
    line.simulator.unit(1).faults.latencyMs = 20;
    const site = { ...driver, ...line };
    await site
      .slots()
      .write(Array.from({ length: 24 }, (_, slot) => ({ slot, content: content({ card: `H10301:1:${slot + 1}` }) })));
    const results = await Promise.all(Array.from({ length: 24 }, (_, slot) => readSlot(site, slot)));
    expect(new Set(results)).toEqual(new Set(['right']));
  });
});
