import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ABSENCE_LIMIT_MS,
  BACKWARD_TOLERANCE_MS,
  EARLIEST_MS,
  FORWARD_LIMIT_MS,
  acceptClock,
  firstTrust,
  observe,
  resume,
  trustedNowMs,
  vouchFor,
  type Sample,
  type Trust,
} from '../../src/ops/clock-rules.ts';

const NOW_MS = Date.UTC(2026, 10, 24);
const DAY_MS = 86_400_000;
const at = (wallMs: number, monotonicMs = 0): Sample => ({ wallMs, monotonicMs });

const trusted = (floorMs: number | null = null): Trust =>
  vouchFor(firstTrust(floorMs, at(NOW_MS)), 'kernel', at(NOW_MS));

describe('at the start', () => {
  test('the clock is not believed until somebody vouches', () => {
    const trust = firstTrust(null, at(NOW_MS));
    expect(trust).toMatchObject({ doubt: 'not_vouched', floorMs: null });
    expect(vouchFor(trust, 'kernel', at(NOW_MS + 5, 5))).toMatchObject({ doubt: null, floorMs: NOW_MS + 5 });
  });

  test('a vouched clock behind its floor is not believed, and is once it has been set', () => {
    const early = at(NOW_MS - 30 * DAY_MS);
    const trust = vouchFor(firstTrust(NOW_MS, early), 'always', early);
    expect(trust).toMatchObject({ doubt: 'behind_floor', floorMs: NOW_MS });
    expect(observe(trust, at(NOW_MS + DAY_MS, 9))).toMatchObject({ doubt: null, floorMs: NOW_MS + DAY_MS });
  });

  test('a machine that was off for months is believed, one that says it was off for years is not', () => {
    const far = (days: number): Trust => {
      const sample = at(NOW_MS + days * DAY_MS);
      return vouchFor(firstTrust(NOW_MS, sample), 'kernel', sample);
    };
    expect(far(300).doubt).toBeNull();
    expect(far(ABSENCE_LIMIT_MS / DAY_MS + 1)).toMatchObject({ doubt: 'far_ahead', floorMs: NOW_MS });
  });

  test.each([0, EARLIEST_MS - 1, Number.NaN])('a clock that says %s is not believed whoever vouches', (wallMs) => {
    expect(vouchFor(firstTrust(null, at(wallMs)), 'always', at(wallMs)).doubt).toBe('behind_floor');
    expect(acceptClock(at(wallMs))).toBeNull();
  });
});

describe('once trusted', () => {
  test('a leap back is not believed until the clock is back where it should be', () => {
    const leapt = observe(trusted(), at(NOW_MS - DAY_MS, 1000));
    expect(leapt).toMatchObject({ doubt: 'leapt_back', floorMs: NOW_MS, doubtedSinceMs: 1000 });
    expect(observe(leapt, at(NOW_MS + 60_000, DAY_MS)).doubt).toBe('leapt_back'); // past the floor, and still wrong
    expect(observe(leapt, at(NOW_MS + 2000, 2000))).toMatchObject({ doubt: null, doubtedSinceMs: null });
  });

  test('a leap forward of more than a day is not believed and does not move the floor', () => {
    const leapt = observe(trusted(), at(NOW_MS + FORWARD_LIMIT_MS + 2, 1));
    expect(leapt).toMatchObject({ doubt: 'leapt_forward', floorMs: NOW_MS });
    expect(observe(leapt, at(NOW_MS + 2000, 2000))).toMatchObject({ doubt: null, floorMs: NOW_MS + 2000 });
  });

  test('many small leaps forward are one large one', () => {
    let trust = trusted();
    for (let hour = 1; hour <= 30; hour += 1) trust = observe(trust, at(NOW_MS + hour * 3_600_000, hour));
    expect(trust.doubt).toBe('leapt_forward');
    expect(trust.floorMs).toBeLessThanOrEqual(NOW_MS + FORWARD_LIMIT_MS + 30);
  });

  test('a small correction back is believed, and time stands still until the clock catches up', () => {
    const sample = at(NOW_MS - 60_000, 1);
    const trust = observe(trusted(), sample);
    expect(trust.doubt).toBeNull();
    expect(trustedNowMs(trust, sample)).toBe(NOW_MS);
  });

  test('many small corrections back are one large one', () => {
    let trust = trusted();
    for (let step = 1; step <= 10; step += 1) trust = observe(trust, at(NOW_MS - step * 60_000, step));
    expect(trust.doubt).toBe('leapt_back');
  });

  test('a year of sound time is believed all along', () => {
    let trust = trusted();
    for (let day = 1; day <= 366; day += 1) trust = observe(trust, at(NOW_MS + day * DAY_MS, day * DAY_MS));
    expect(trust).toMatchObject({ doubt: null, floorMs: NOW_MS + 366 * DAY_MS });
  });
});

describe("an operator's word", () => {
  test('frees a clock whose floor was poisoned by a wrong future', () => {
    const poisoned = vouchFor(firstTrust(NOW_MS + 5000 * DAY_MS, at(NOW_MS)), 'kernel', at(NOW_MS));
    expect(poisoned.doubt).toBe('behind_floor');
    expect(acceptClock(at(NOW_MS))).toMatchObject({ doubt: null, vouch: 'operator', floorMs: NOW_MS });
  });
});

describe('after a restart of the process alone', () => {
  test('trust goes on, and a leap in between shows', () => {
    const anchorMs = NOW_MS - 500_000;
    const again = (sample: Sample): Trust => resume(firstTrust(NOW_MS, sample), anchorMs, sample);
    expect(again(at(NOW_MS + 1000, 501_000))).toMatchObject({ doubt: null, vouch: 'before_restart' });
    expect(again(at(NOW_MS - DAY_MS, 501_000)).doubt).toBe('leapt_back');
    expect(again(at(NOW_MS + 2 * DAY_MS, 501_000)).doubt).toBe('leapt_forward');
  });
});

describe('whatever happens', () => {
  type Happening = { passMs: number; stepMs: number; act: 'observe' | 'vouch' | 'accept' };
  const happening = fc.record<Happening>({
    passMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: 1, max: 40 * DAY_MS })),
    stepMs: fc.oneof(
      { weight: 3, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.integer({ min: -BACKWARD_TOLERANCE_MS, max: BACKWARD_TOLERANCE_MS }) },
      { weight: 1, arbitrary: fc.integer({ min: -1500 * DAY_MS, max: 1500 * DAY_MS }) },
    ),
    act: fc.constantFrom('observe', 'observe', 'observe', 'vouch', 'accept'),
  });
  const history = fc.array(happening, { maxLength: 40 });
  const floor = fc.option(fc.integer({ min: NOW_MS - 2000 * DAY_MS, max: NOW_MS + 2000 * DAY_MS }), { nil: null });

  /** Plays a history and shows each step: the state before and after it, and the sample in between. */
  function play(
    floorMs: number | null,
    happenings: readonly Happening[],
    check: (before: Trust, after: Trust, sample: Sample, act: Happening['act'] | 'refused') => void,
  ): void {
    let sample = at(NOW_MS, 1000);
    let trust = firstTrust(floorMs, sample);
    for (const { passMs, stepMs, act } of happenings) {
      sample = at(sample.wallMs + passMs + stepMs, sample.monotonicMs + passMs);
      const accepted = act === 'accept' ? acceptClock(sample) : null;
      const after = act === 'vouch' ? vouchFor(trust, 'kernel', sample) : (accepted ?? observe(trust, sample));
      check(trust, after, sample, act === 'accept' && accepted === null ? 'refused' : act);
      trust = after;
    }
  }
  const always = (check: Parameters<typeof play>[2]): void =>
    fc.assert(
      fc.property(floor, history, (floorMs, happenings) => play(floorMs, happenings, check)),
      { numRuns: 500 },
    );

  test('the floor moves only with a trusted clock, and back only by an operator', () => {
    always((before, after, _sample, act) => {
      if (after.doubt !== null) expect(after.floorMs).toBe(before.floorMs);
      if (act !== 'accept') expect(after.floorMs ?? 0).toBeGreaterThanOrEqual(before.floorMs ?? 0);
    });
  });

  test('a clock behind its floor by more than the tolerance is never trusted', () => {
    always((before, after, { wallMs }, act) => {
      if (act !== 'accept' && before.floorMs !== null && wallMs < before.floorMs - BACKWARD_TOLERANCE_MS) {
        expect(after.doubt).not.toBeNull();
      }
    });
  });

  test('trusted time never goes back without an operator', () => {
    let lastMs = 0;
    fc.assert(
      fc.property(floor, history, (floorMs, happenings) => {
        lastMs = 0;
        play(floorMs, happenings, (_before, after, sample, act) => {
          if (after.doubt !== null) return;
          const nowMs = trustedNowMs(after, sample);
          if (act !== 'accept') expect(nowMs).toBeGreaterThanOrEqual(lastMs);
          lastMs = nowMs;
        });
      }),
      { numRuns: 500 },
    );
  });

  test('nothing but a vouch or an operator makes a clock trusted for the first time', () => {
    fc.assert(
      fc.property(floor, history, (floorMs, happenings) => {
        let vouched = false;
        play(floorMs, happenings, (_before, after, _sample, act) => {
          vouched ||= act === 'vouch' || act === 'accept';
          if (!vouched) expect(after.doubt).not.toBeNull();
        });
      }),
    );
  });

  test('a trusted clock that only runs stays trusted', () => {
    always((before, after, sample, act) => {
      if (act !== 'observe' || before.doubt !== null) return;
      const driftMs = sample.wallMs - sample.monotonicMs - (before.anchorMs ?? 0);
      if (driftMs === 0) expect(after.doubt).toBeNull();
    });
  });

  test('an operator is always believed about a possible time', () => {
    always((_before, after, sample, act) => {
      if (act === 'accept') expect(after).toMatchObject({ doubt: null, floorMs: sample.wallMs });
      if (act === 'refused') expect(sample.wallMs).toBeLessThan(EARLIEST_MS);
    });
  });
});
