// Which slots of a table are free, and how many of them go in one step.

import { describe, expect, test } from 'vitest';
import { Pace } from '../../src/sync/pace.ts';
import { SlotMap } from '../../src/sync/slot-map.ts';
import { ManualClock } from '../support/manual-clock.ts';

describe('the slots of a table that begins with slot 1', () => {
  test('are given lowest first, and not by asking for them', () => {
    const map = new SlotMap(1, 4);
    expect([map.lowestFree(2), map.lowestFree(9), map.lowestFree(0), map.free]).toEqual([[1, 2], [1, 2, 3, 4], [], 4]);
    map.take(1);
    map.take(3);
    expect([map.lowestFree(9), map.free]).toEqual([[2, 4], 2]);
    map.take(2);
    map.take(4);
    expect([map.lowestFree(9), map.free]).toEqual([[], 0]);
    map.release(3);
    expect([map.lowestFree(9), map.free]).toEqual([[3], 1]);
    map.release(1);
    map.release(4);
    expect([map.lowestFree(1), map.lowestFree(9), map.free]).toEqual([[1], [1, 3, 4], 3]);
  });

  test('count once, however often they are taken', () => {
    const map = new SlotMap(1, 2);
    map.take(2);
    map.take(2);
    expect([map.free, map.isTaken(2), map.isTaken(1)]).toEqual([1, true, false]);
    map.release(2);
    expect([map.free, map.isTaken(2)]).toEqual([2, false]);
    expect(() => map.release(2)).toThrow('only a taken slot is released');
  });

  test('end at its borders: what lies outside is neither taken nor released, and nobody’s to have', () => {
    const map = new SlotMap(1, 2);
    expect([0, 1, 2, 3].map((slot) => map.has(slot))).toEqual([false, true, true, false]);
    expect([0, 1, 2, 3].map((slot) => map.isTaken(slot))).toEqual([true, false, false, true]);
    for (const slot of [0, 3]) {
      map.take(slot);
      map.release(slot);
    }
    expect([map.free, map.lowestFree(9)]).toEqual([2, [1, 2]]);
  });
});

describe('a step', () => {
  const taking = async (pace: Pace, clock: ManualClock, slots: number, ms: number): Promise<void> => {
    await pace.measure(slots, async () => await clock.advance(ms));
  };

  test.each([
    [1, 8],
    [12, 96],
    [1_000, 2_048],
    [0, 8],
  ])('first is eight transfers of %i slots, or as much as goes: %i slots', (perTransfer, slots) => {
    expect(new Pace(new ManualClock(), perTransfer).size()).toBe(slots);
  });

  test.each([
    { ms: 120, slots: 96, why: 'whole transfers that take no more than a second' },
    { ms: 1_200, slots: 12, why: 'one transfer where that takes longer' },
    { ms: 12_000, slots: 12, why: 'one transfer however long that takes' },
    { ms: 96, slots: 120, why: 'as many more as a quicker wire takes' },
    { ms: 0, slots: 2_040, why: 'no more than the most, whole transfers, where it takes no time' },
  ])('is then $why', async ({ ms, slots }) => {
    const clock = new ManualClock();
    const pace = new Pace(clock, 12);
    await taking(pace, clock, 12, ms);
    expect(pace.size()).toBe(slots);
  });

  test('of less than a transfer says nothing of the wire; what the work gave is handed on', async () => {
    const clock = new ManualClock();
    const pace = new Pace(clock, 12);
    await taking(pace, clock, 11, 11_000);
    expect(pace.size()).toBe(96);
    expect(await pace.measure(12, () => Promise.resolve('done'))).toBe('done');
    await taking(pace, clock, 24, 480);
    expect(pace.size()).toBe(48);
  });
});
