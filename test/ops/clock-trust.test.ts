import { describe, expect, test } from 'vitest';
import {
  ClockTrust,
  type BootRecord,
  type ClockState,
  type ClockTrustOptions,
  type FloorStore,
  type VouchAnswer,
  type Voucher,
} from '../../src/ops/clock-trust.ts';
import { ManualClock, turn } from '../support/manual-clock.ts';
import { keptLog } from './silent-log.ts';

const NOW_MS = Date.UTC(2026, 10, 24);
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** A source whose answer a test sets. */
function source(answer: boolean): Voucher & { says: boolean | 'broken'; asked: number } {
  const voucher = {
    vouch: 'kernel' as const,
    says: answer as boolean | 'broken',
    asked: 0,
    ask: (): Promise<VouchAnswer> => {
      voucher.asked += 1;
      if (voucher.says === 'broken') return Promise.reject(new Error('no such program'));
      return Promise.resolve({ vouched: voucher.says, detail: voucher.says ? 'synchronised' : 'not synchronised' });
    },
  };
  return voucher;
}

function floorStore(floorMs: number | null): FloorStore & { saved: number[]; broken: boolean } {
  const store = {
    saved: [] as number[],
    broken: false,
    load: () => store.saved.at(-1) ?? floorMs,
    save: (savedMs: number) => {
      if (store.broken) throw new Error('disk full');
      store.saved.push(savedMs);
    },
  };
  return store;
}

function setUp(options: Partial<Omit<ClockTrustOptions, 'clock' | 'log'>> & { clock?: ManualClock } = {}) {
  const clock = options.clock ?? new ManualClock(NOW_MS);
  const log = keptLog();
  const vouchers = [source(true)];
  const floor = floorStore(null);
  const trust = new ClockTrust({ floor, bootRecord: null, vouchers, ...options, clock, log });
  const told: ClockState[] = [];
  trust.onChange((state) => told.push(state));
  return { clock, log, trust, told };
}

describe('a clock at boot', () => {
  test('is untrusted until a source vouches, and says what each source answered', async () => {
    const [mute, kernel] = [source(false), source(false)];
    mute.says = 'broken';
    const { clock, trust, told, log } = setUp({ vouchers: [mute, kernel] });
    expect(trust.state()).toMatchObject({ trusted: false, reason: 'not_vouched', floorMs: null });
    await trust.start();
    expect(trust.state().problem).toMatch(/no such program; not synchronised.*clock accept/);
    expect(log.lines.map(({ level, message }) => [level, message])).toEqual([['warn', 'the clock is not trusted']]);
    await clock.advance(MINUTE_MS);
    expect(trust.state().untrustedForMs).toBe(MINUTE_MS);
    kernel.says = true;
    await clock.advance(MINUTE_MS);
    expect(trust.state()).toMatchObject({ trusted: true, reason: 'kernel', problem: null, untrustedForMs: 0 });
    expect(told.map(({ trusted, reason }) => [trusted, reason])).toEqual([[true, 'kernel']]);
    trust.stop();
  });

  test('is asked about ever less often while nobody vouches, and no more once somebody has', async () => {
    const kernel = source(false);
    const { clock, trust } = setUp({ vouchers: [kernel] });
    await trust.start();
    await clock.advance(MINUTE_MS);
    expect(kernel.asked).toBe(5); // at 0, 2, 7, 17 and 37 s
    await clock.advance(HOUR_MS);
    expect(kernel.asked).toBe(65);
    kernel.says = true;
    await clock.advance(HOUR_MS);
    expect(kernel.asked).toBe(66);
    trust.stop();
  });

  test('is trusted at once when its source vouches, and the floor is kept at once', async () => {
    const floor = floorStore(NOW_MS - HOUR_MS);
    const { trust } = setUp({ floor });
    await trust.start();
    await turn();
    expect(trust.state()).toMatchObject({ trusted: true, floorMs: NOW_MS });
    expect(floor.saved).toEqual([NOW_MS]);
    trust.stop();
  });

  test('behind its floor is untrusted although the kernel vouches, until it is set', async () => {
    const { clock, trust, told } = setUp({ floor: floorStore(NOW_MS + 30 * DAY_MS) });
    await trust.start();
    expect(trust.state()).toMatchObject({ trusted: false, reason: 'behind_floor' });
    expect(trust.state().problem).toContain('2026-12-24');
    clock.leap(31 * DAY_MS);
    await clock.advance(5_000);
    expect(trust.state()).toMatchObject({ trusted: true, reason: 'kernel' });
    expect(told.map(({ reason }) => reason)).toEqual(['kernel']);
    trust.stop();
  });
});

describe('a trusted clock', () => {
  test('keeps its floor no more than once a minute, and once more when it stops', async () => {
    const floor = floorStore(null);
    const { clock, trust } = setUp({ floor });
    await trust.start();
    await clock.advance(HOUR_MS + 30_000);
    expect(floor.saved.length).toBeGreaterThan(50);
    expect(floor.saved.length).toBeLessThanOrEqual(61);
    expect(floor.saved.every((savedMs, i) => i === 0 || savedMs - (floor.saved[i - 1] ?? 0) >= MINUTE_MS)).toBe(true);
    trust.stop();
    expect(floor.saved.at(-1)).toBe(clock.nowMs());
  });

  test('goes on when the floor cannot be kept, and keeps it when it can again', async () => {
    const floor = floorStore(null);
    const { clock, trust, log } = setUp({ floor });
    await trust.start();
    floor.broken = true;
    await clock.advance(5 * MINUTE_MS);
    expect(trust.state().trusted).toBe(true);
    expect(log.lines.some(({ level, message }) => level === 'error' && message.includes('floor'))).toBe(true);
    floor.broken = false;
    await clock.advance(MINUTE_MS);
    expect(floor.saved.at(-1)).toBeGreaterThanOrEqual(NOW_MS + 5 * MINUTE_MS);
    trust.stop();
  });

  test('that leaps is untrusted in the very next look, not only at the next sample', async () => {
    const { clock, trust, told } = setUp();
    await trust.start();
    await turn();
    clock.leap(-HOUR_MS);
    expect(trust.state()).toMatchObject({ trusted: false, reason: 'leapt_back', floorMs: NOW_MS });
    expect(told.at(-1)?.reason).toBe('kernel'); // never from within state(): the asker may be in a transaction
    await turn();
    expect(told.at(-1)?.reason).toBe('leapt_back');
    trust.stop();
  });

  test('that leaps far forward neither moves nor keeps the floor until an operator accepts it', async () => {
    const floor = floorStore(null);
    const { clock, trust } = setUp({ floor });
    await trust.start();
    await turn();
    clock.leap(400 * DAY_MS);
    await clock.advance(10 * MINUTE_MS);
    expect(trust.state()).toMatchObject({ trusted: false, reason: 'leapt_forward', floorMs: NOW_MS });
    expect(floor.saved).toEqual([NOW_MS]);
    expect(trust.accept()).toEqual({ accepted: true });
    expect(trust.state()).toMatchObject({ trusted: true, reason: 'operator', floorMs: clock.nowMs() });
    await turn();
    expect(floor.saved.at(-1)).toBe(clock.nowMs());
    trust.stop();
  });

  test('that an operator sets back by a leap and accepts has a lower floor, kept at once', async () => {
    const floor = floorStore(null);
    const { clock, trust } = setUp({ floor });
    await trust.start();
    clock.leap(-DAY_MS);
    trust.accept();
    await turn();
    expect(trust.state()).toMatchObject({ trusted: true, floorMs: NOW_MS - DAY_MS });
    expect(floor.saved.at(-1)).toBe(NOW_MS - DAY_MS);
    trust.stop();
  });

  test('that says an impossible time cannot be accepted, and the refusal names the remedy', () => {
    const { trust } = setUp({ clock: new ManualClock(0) });
    expect(trust.accept()).toEqual({ accepted: false, message: expect.stringContaining('timedatectl set-time') });
    expect(trust.state().trusted).toBe(false);
  });

  test('stands still rather than going back over a small correction', async () => {
    const { clock, trust } = setUp();
    await trust.start();
    clock.leap(-MINUTE_MS);
    expect(trust.state()).toMatchObject({ trusted: true, nowMs: NOW_MS });
    await clock.advance(2 * MINUTE_MS);
    expect(trust.state().nowMs).toBe(NOW_MS + MINUTE_MS);
    trust.stop();
  });

  test('is neither watched nor kept any more after the stop, and a listener can leave', async () => {
    const floor = floorStore(null);
    const { clock, trust, told } = setUp({ floor });
    const other: ClockState[] = [];
    trust.onChange((state) => other.push(state))();
    await trust.start();
    await turn();
    trust.stop();
    const saved = floor.saved.length;
    clock.leap(-DAY_MS);
    await clock.advance(HOUR_MS);
    expect(floor.saved).toHaveLength(saved);
    expect(told).toHaveLength(1);
    expect(other).toHaveLength(0);
  });
});

describe('a restart of the process alone', () => {
  /** The boot's own time runs on while the process is away. */
  function machine(clock: ManualClock): BootRecord {
    let record: number | null = null;
    return {
      load: () => record,
      save: (savedMs) => (record = savedMs),
      bootTimeMs: () => clock.monotonicMs() + 777_000,
    };
  }

  test('keeps the trust although nobody can vouch any more', async () => {
    const clock = new ManualClock(NOW_MS);
    const [bootRecord, floor] = [machine(clock), floorStore(null)];
    const first = setUp({ clock, bootRecord, floor });
    await first.trust.start();
    await clock.advance(9 * HOUR_MS);
    first.trust.stop();
    await clock.advance(10_000);
    const second = setUp({ clock, bootRecord, floor, vouchers: [source(false)] });
    expect(second.trust.state()).toMatchObject({ trusted: true, reason: 'before_restart' });
  });

  test('shows a leap that happened in between', async () => {
    const clock = new ManualClock(NOW_MS);
    const [bootRecord, floor] = [machine(clock), floorStore(null)];
    const first = setUp({ clock, bootRecord, floor });
    await first.trust.start();
    first.trust.stop();
    clock.leap(3 * DAY_MS);
    expect(setUp({ clock, bootRecord, floor }).trust.state()).toMatchObject({
      trusted: false,
      reason: 'leapt_forward',
    });
  });

  test('keeps nothing of a clock that was not trusted', async () => {
    const clock = new ManualClock(NOW_MS);
    const bootRecord = machine(clock);
    const first = setUp({ clock, bootRecord, vouchers: [source(false)] });
    await first.trust.start();
    await clock.advance(HOUR_MS);
    first.trust.stop();
    expect(bootRecord.load()).toBeNull();
  });
});
