import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClockGrace, type GraceStore } from '../../src/ops/clock-grace.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { silentLog } from '../support/room.ts';

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

type Disk = GraceStore & { storedMs: number | null; saves: number; isFull: boolean };

function disk(): Disk {
  const one: Disk = {
    storedMs: null,
    saves: 0,
    isFull: false,
    load: () => one.storedMs,
    save: (spentMs) => {
      if (one.isFull) throw new Error('database or disk is full');
      one.storedMs = spentMs;
      one.saves += 1;
    },
  };
  return one;
}

/** A process that begins while nobody vouches for the clock. */
function started(store: Disk, graceMs: number): { clock: ManualClock; grace: ClockGrace } {
  const clock = new ManualClock();
  const grace = new ClockGrace({ clock, log: silentLog, graceMs, store });
  grace.follow(false);
  return { clock, grace };
}

describe('the grace of a clock that nobody vouches for', () => {
  it('lasts as long as the facility file says', async () => {
    const { clock, grace } = started(disk(), DAY_MS);
    await clock.advance(DAY_MS - 1);
    expect(grace.isLeft()).toBe(true);
    await clock.advance(1);
    expect(grace.isLeft()).toBe(false);
  });

  it('is given once, however often the process ends and in whatever way', async () => {
    const store = disk();
    let openMs = 0;
    for (let i = 0; i < 40; i++) {
      const { clock, grace } = started(store, 8 * SECOND_MS);
      for (let ms = 0; ms < 900; ms += 100) {
        if (grace.isLeft()) openMs += 100;
        await clock.advance(100);
      }
      // No word of an end: it is killed.
    }
    expect(openMs).toBeLessThanOrEqual(8 * SECOND_MS);
    expect(openMs).toBeGreaterThan(4 * SECOND_MS);
    expect(started(store, 8 * SECOND_MS).grace.isLeft()).toBe(false);
  });

  it('costs the holder a step at most for each restart', async () => {
    const store = disk();
    for (let i = 0; i < 10; i++) await started(store, DAY_MS).clock.advance(HOUR_MS);
    const { clock, grace } = started(store, DAY_MS);
    await clock.advance(13 * HOUR_MS);
    expect(grace.isLeft()).toBe(true);
    await clock.advance(HOUR_MS);
    expect(grace.isLeft()).toBe(false);
  });

  it('is whole again once somebody has vouched for the clock', async () => {
    const store = disk();
    const first = started(store, HOUR_MS);
    await first.clock.advance(2 * HOUR_MS);
    expect(first.grace.isLeft()).toBe(false);
    first.grace.follow(true);
    expect(store.storedMs).toBe(0);
    first.grace.follow(false);
    expect(first.grace.isLeft()).toBe(true);
    expect(started(store, HOUR_MS).grace.isLeft()).toBe(true);
  });

  it('is not given while what is spent of it cannot be stored, for it would come back with the next restart', async () => {
    const store = disk();
    const { clock, grace } = started(store, HOUR_MS);
    store.isFull = true;
    await clock.advance(5 * 60_000);
    expect(grace.isLeft()).toBe(false);
    store.isFull = false;
    await clock.advance(60_000);
    expect(grace.isLeft()).toBe(true);
  });

  it('is written a few hundred times a day at most', async () => {
    const store = disk();
    await started(store, 30 * DAY_MS).clock.advance(DAY_MS);
    expect(store.saves).toBeLessThan(600);
    const short = disk();
    await started(short, 8 * SECOND_MS).clock.advance(DAY_MS);
    expect(short.saves).toBeLessThan(20);
  });

  it('is never given for longer in all, whatever happens in between', async () => {
    const action = fc.oneof(
      fc.record({ what: fc.constant('run' as const), ms: fc.integer({ min: 1, max: HOUR_MS }) }),
      fc.record({ what: fc.constant('kill' as const) }),
      fc.record({ what: fc.constant('disk' as const), isFull: fc.boolean() }),
      fc.record({ what: fc.constant('leap' as const), ms: fc.integer({ min: -400 * DAY_MS, max: 400 * DAY_MS }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
        const store = disk();
        let openMs = 0;
        let { clock, grace } = started(store, HOUR_MS);
        for (const one of actions) {
          if (one.what === 'kill') ({ clock, grace } = started(store, HOUR_MS));
          else if (one.what === 'disk') store.isFull = one.isFull;
          else if (one.what === 'leap') clock.leap(one.ms);
          else
            for (let ms = 0; ms < one.ms; ms += 10_000) {
              const stretchMs = Math.min(10_000, one.ms - ms);
              await clock.advance(stretchMs);
              if (grace.isLeft()) openMs += stretchMs;
            }
        }
        expect(openMs).toBeLessThanOrEqual(HOUR_MS);
      }),
      { seed: 20_260_302, numRuns: 30 },
    );
  }, 60_000);
});
