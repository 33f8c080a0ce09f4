// The queue of a bus: who goes first, how much is sent at once, and what happens when more is asked than the wire
// carries.

import { describe, expect, it } from 'vitest';
import { Bus } from '../../../drivers/modbus/bus.ts';
import type { BusUnit, UnitSettings } from '../../../drivers/modbus/bus-terms.ts';
import { RtuLine } from '../../../drivers/modbus/line.ts';
import type { Clock } from '../../../drivers/driver.ts';
import { systemClock } from '../../../src/ops/clock.ts';
import { systemRandom } from '../../../src/ops/random.ts';
import { until } from '../../support/ports.ts';
import { content, later, openLine, openPort, openSite, recordingLog, startDriver } from './site.ts';

/** The longest run of neighbouring requests with this function code. */
function longestRun(requests: readonly Buffer[], fc: number): number {
  let longest = 0;
  let run = 0;
  for (const pdu of requests) {
    run = pdu[0] === fc ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  return longest;
}

describe('a bus of 9600 baud with inputs', () => {
  it('waits by timers when nothing but inputs is looked at', async () => {
    const boards = [1, 2, 3].map((unit) => ({ unit, profile: 'waveshare-relay-d-8ch' }));
    const line = await openLine('rtu-over-tcp', boards, { baud: 9600 });
    let turns = 0;
    const clock: Clock = {
      ...systemClock,
      immediate: (run) => {
        turns++;
        systemClock.immediate(run);
      },
    };
    const controllers = boards.map((board) => ({ ...board, input_period: '20ms' }));
    const site = startDriver(line.bus, controllers, openPort, clock);
    await site.seen('online', 3);
    const polls = (): number => boards.reduce((sum, { unit }) => sum + line.simulator.unit(unit).requests.length, 0);
    const before = { polls: polls(), turns };
    await until(() => polls() >= before.polls + 100, 'a hundred polls');
    expect(turns - before.turns).toBeLessThan(20);
  });

  it('looks at them in between, however much is written', async () => {
    const line = await openLine('rtu', [{ unit: 1, profile: 'plc-door-2' }], { baud: 9600 });
    line.simulator.lineFaults.pace = { baud: 9600, parity: 'none' };
    const site = startDriver(line.bus, [{ unit: 1, profile: 'plc-door-2', input_period: '100ms' }]);
    await site.seen('online');
    const simulated = line.simulator.unit(1);
    simulated.requests.length = 0;
    const writes = Array.from({ length: 24 }, (_, slot) => ({ slot, content: content({ pin: String(1000 + slot) }) }));
    const outcomes = await site.slots().write(writes);
    expect(outcomes.every(({ outcome }) => outcome === 'written')).toBe(true);
    const registers = simulated.requests.filter((pdu) => pdu[0] === 16).map((pdu) => pdu.readUInt16BE(3));
    // 17 bytes around the registers, both pauses and a turnaround leave room for 30 registers in 95 ms: three slots of
    // ten.
    expect(Math.max(...registers)).toBe(30);
    expect(longestRun(simulated.requests, 16)).toBeLessThanOrEqual(2);
  });

  it('still takes credentials when its inputs fill it', async () => {
    const boards = [1, 2, 3].map((unit) => ({ unit, profile: 'waveshare-relay-d-8ch' }));
    const line = await openLine('rtu', [...boards, { unit: 4, profile: 'plc-door-2' }], { baud: 9600 });
    line.simulator.lineFaults.pace = { baud: 9600, parity: 'none' };
    const site = startDriver(line.bus, [
      ...boards.map((board) => ({ ...board, input_period: '20ms' })),
      { unit: 4, profile: 'plc-door-2', input_period: '20ms' },
    ]);
    await site.seen('online', 4);
    const outcomes = await site.slots('unit-4').write([1].map((slot) => ({ slot, content: content({ pin: '1234' }) })));
    expect(outcomes.every(({ outcome }) => outcome === 'written')).toBe(true);
    expect(line.simulator.unit(4).doors.present(1, { pin: '1234' }).granted).toBe(true);
  });
});

describe('more than the wire carries', () => {
  it('is refused at the bound, and the rest is answered', async () => {
    const site = await openSite('tcp', [{ unit: 1, profile: 'plc-door-2', config: { input_period: '10s' } }]);
    const results = await Promise.allSettled(Array.from({ length: 600 }, (_, i) => site.slots().read([i % 500])));
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused.length).toBeGreaterThan(50);
    expect(refused.length).toBeLessThan(100);
    expect(String(refused[0]?.reason)).toContain('512 requests wait for the bus already');
    expect(await site.slots().read([1])).toMatchObject([{ slot: 1 }]);
  });
});

describe('a broadcast', () => {
  it('reaches every unit, and none of them answers', async () => {
    const line = await openLine(
      'rtu',
      [1, 2].map((unit) => ({ unit, profile: 'waveshare-relay-8ch' })),
    );
    const settings = { path: line.pty?.a ?? '', baud: 115_200, parity: 'none', dataBits: 8, stopBits: 1 } as const;
    const context = { clock: systemClock, random: systemRandom, openPort, log: recordingLog([]) };
    const bus = new Bus(systemClock, systemRandom, new RtuLine(settings, context));
    const probe = { fc: 1, address: 0, count: 1 } as const;
    const unit = (number: number): UnitSettings => ({
      unit: number,
      turnaroundMs: 100,
      lateReplyMs: 100,
      minGapMs: 0,
      readRetries: 1,
      maxInFlight: 1,
      probes: [probe],
      settlers: [probe],
    });
    const units: BusUnit[] = [1, 2].map((number) =>
      bus.addUnit(unit(number), { online: () => undefined, offline: () => undefined }),
    );
    bus.start();
    later(() => bus.stop());
    await until(() => units.every(({ online }) => online), 'both units');
    expect(await bus.broadcast({ fc: 15, address: 0, bits: [true, false, true] })).toBe(true);
    for (const number of [1, 2]) {
      expect([0, 1, 2].map((output) => line.simulator.unit(number).output(output))).toEqual([true, false, true]);
    }
    expect(await units[0]?.request({ fc: 1, address: 0, count: 8 }, { priority: 'read' })).toMatchObject({
      outcome: 'reply',
    });
  });
});
