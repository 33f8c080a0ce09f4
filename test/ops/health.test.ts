import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/ops/clock.ts';
import { HELD_UP_MS, Health, type HealthCheck } from '../../src/ops/health.ts';
import { until } from '../support/ports.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { keptLog } from './silent-log.ts';

describe('a daemon', () => {
  test('is well when every part answers, and else says which does not and why', () => {
    let store: () => string | null = () => null;
    const checks: HealthCheck[] = [
      { name: 'store', check: () => store() },
      { name: 'doors', check: () => null },
    ];
    const health = new Health(new ManualClock(), keptLog(), checks);
    expect(health.healthy()).toBe(true);
    expect(health.report()).toMatchObject({ healthy: true, failing: [] });
    store = () => 'read only';
    expect(health.healthy()).toBe(false);
    expect(health.report().failing).toEqual([{ name: 'store', problem: 'read only' }]);
    store = () => {
      throw new Error('disk I/O error');
    };
    expect(health.healthy()).toBe(false);
    expect(health.report().failing).toEqual([{ name: 'store', problem: 'disk I/O error' }]);
  });

  test('says how long it is up and how much memory it has', async () => {
    const clock = new ManualClock();
    const health = new Health(clock, keptLog(), []);
    await clock.advance(90_000);
    expect(health.report().upMs).toBe(90_000);
    expect(health.report().memoryBytes).toBeGreaterThan(1_000_000);
  });
});

describe('the loop', () => {
  test('that is held up shows in the report and, once, in the log', async () => {
    const log = keptLog();
    const health = new Health(systemClock, log, []);
    health.start();
    for (let i = 1; i <= 2; i += 1) {
      const endsAt = performance.now() + 1_150; // longer than the pause between two measurements
      while (performance.now() < endsAt);
      await until(() => health.report().heldUp === i, 'the measurement');
    }
    health.stop();
    expect(health.report().loopLagMs.worst).toBeGreaterThan(HELD_UP_MS);
    expect(log.lines.map(({ message }) => message)).toEqual(['the loop was held up']);
  });

  test('that turns in time has no lag, and an old one is forgotten after two minutes', async () => {
    const clock = new ManualClock();
    const lateOnce = lateTimer(clock, 3);
    const health = new Health(lateOnce, keptLog(), []);
    health.start();
    await clock.advance(10_000);
    expect(health.report()).toMatchObject({ loopLagMs: { last: 0, worst: 700 }, heldUp: 1 });
    await clock.advance(130_000);
    expect(health.report()).toMatchObject({ loopLagMs: { last: 0, worst: 0 }, heldUp: 1 });
    health.stop();
    await clock.advance(10_000);
    expect(health.report().loopLagMs.last).toBe(0);
  });
});

/** A clock of which the timer of that number runs 700 ms late. */
function lateTimer(clock: ManualClock, number: number): typeof systemClock {
  let count = 0;
  return {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    immediate: (run) => clock.immediate(run),
    after: (delayMs, run) => {
      count += 1;
      return clock.after(count === number ? delayMs + 700 : delayMs, run);
    },
  };
}
