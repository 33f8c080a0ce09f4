// How long a controller, or a row of it, is left alone after it failed.

import { describe, expect, test } from 'vitest';
import type { Random } from '../../src/domain/ports.ts';
import { systemRandom } from '../../src/ops/random.ts';
import type { StepResult } from '../../src/sync/post.ts';
import { pauseMs, Retries } from '../../src/sync/retries.ts';
import { Silence } from '../../src/sync/silence.ts';
import { ManualClock } from '../support/manual-clock.ts';

const MOST_MS = 300_000;
/** The shortest pause, or with 1 the one that is never quite reached. */
const rolling = (fraction: number): Random => ({ ...systemRandom, fraction: () => fraction });

const vain = (asked: number, problem = 'no answer'): StepResult => ({
  asked,
  unknown: asked,
  problem,
  isRepeat: false,
});

describe('the pause behind a failure', () => {
  test.each([
    [0, 1_000],
    [1, 1_000],
    [2, 2_000],
    [3, 4_000],
    [9, 256_000],
    [10, MOST_MS],
    [100_000, MOST_MS],
  ])('number %i lasts between half of it and %i ms', (attempts, wholeMs) => {
    expect(pauseMs(attempts, rolling(0))).toBe(wholeMs / 2);
    expect(pauseMs(attempts, rolling(0.5))).toBe(0.75 * wholeMs);
    expect(pauseMs(attempts, rolling(1))).toBe(wholeMs);
  });
});

describe('rows that are tried again', () => {
  test('come once, each when its pause is over, and say how long that is', async () => {
    const clock = new ManualClock();
    const retries = new Retries(clock, rolling(0));
    expect(retries.nextInMs()).toBeNull();
    expect(retries.takeDue()).toEqual([]);
    retries.add(7, 3);
    retries.add(8, 1);
    expect(retries.nextInMs()).toBe(500);
    await clock.advance(499);
    expect([retries.takeDue(), retries.nextInMs()]).toEqual([[], 1]);
    await clock.advance(1);
    expect([retries.takeDue(), retries.nextInMs()]).toEqual([[8], 1_500]);
    await clock.advance(2_000);
    expect(retries.nextInMs()).toBe(0);
    expect([retries.takeDue(), retries.takeDue(), retries.nextInMs()]).toEqual([[7], [], null]);
  });

  test('of one that fails again the later pause counts', async () => {
    const clock = new ManualClock();
    const retries = new Retries(clock, rolling(0));
    retries.add(7, 1);
    retries.add(7, 2);
    await clock.advance(500);
    expect([retries.takeDue(), retries.nextInMs()]).toEqual([[], 500]);
  });
});

describe('a controller that answers nothing', () => {
  test('is left alone for longer each time, and asked when that is over', async () => {
    const clock = new ManualClock();
    const silence = new Silence(clock, rolling(0));
    expect([silence.isDoubted, silence.leftMs, silence.problem, silence.isQuiet(() => true)]).toEqual([
      false,
      0,
      null,
      false,
    ]);
    for (const [times, pause] of [500, 1_000, 2_000].entries()) {
      expect(silence.note(vain(2, `no answer ${times}`), true)).toBe(pause);
      expect([silence.isDoubted, silence.leftMs, silence.problem]).toEqual([true, pause, `no answer ${times}`]);
      await clock.advance(pause - 1);
      expect([silence.leftMs, silence.isQuiet(() => false)]).toEqual([1, true]);
      await clock.advance(1);
      expect([silence.leftMs, silence.isQuiet(() => false), silence.isDoubted]).toEqual([0, false, true]);
      await clock.advance(1);
      expect(silence.leftMs).toBe(0);
    }
  });

  test('is asked on after a row alone, which may be one bad slot, twice', () => {
    const silence = new Silence(new ManualClock(), rolling(0));
    expect(silence.note(vain(1), true)).toBeNull();
    expect(silence.note(vain(1), true)).toBeNull();
    expect([silence.isDoubted, silence.isQuiet(() => false)]).toEqual([true, false]);
    expect(silence.note(vain(1), true)).toBe(2_000);
  });

  test('is not asked on after a row alone where it is not there to be asked', () => {
    const silence = new Silence(new ManualClock(), rolling(0));
    expect(silence.note(vain(1), false)).toBe(500);
    expect(silence.isQuiet(() => false)).toBe(true);
  });

  test('is doubted no more once it answered, and begins with the shortest pause again', () => {
    const silence = new Silence(new ManualClock(), rolling(0));
    for (let i = 0; i < 5; i++) silence.note(vain(2), true);
    expect(silence.leftMs).toBe(8_000);
    silence.forgive();
    expect([silence.isDoubted, silence.leftMs, silence.problem]).toEqual([false, 0, null]);
    expect(silence.note(vain(2), true)).toBe(500);
  });

  test('waits 5 s at most while an erasure does, from when that is known', async () => {
    const clock = new ManualClock();
    const silence = new Silence(clock, rolling(0));
    for (let i = 0; i < 12; i++) silence.note(vain(2), true);
    await clock.advance(1_000);
    expect([silence.isQuiet(() => false), silence.leftMs]).toEqual([true, MOST_MS / 2 - 1_000]);
    expect([silence.isQuiet(() => true), silence.leftMs]).toEqual([true, 5_000]);
    // Nobody looks for erasures where it makes no difference.
    const never = (): boolean => {
      throw new Error('there was no need to ask');
    };
    expect(silence.isQuiet(never)).toBe(true);
    await clock.advance(5_000);
    expect(silence.isQuiet(never)).toBe(false);
  });
});
