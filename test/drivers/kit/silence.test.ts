// What units that do not answer may take of a shared line.

import { describe, expect, it } from 'vitest';
import { SilenceShare } from '../../../drivers/kit/silence.ts';

/**
 * Asks silent units as soon as they may be asked, each question taking so much of the line. Returns how much of the
 * time went to them.
 */
function spentWithin(share: SilenceShare, untilMs: number, costMs: number): number {
  let [nowMs, spentMs] = [0, 0];
  while (nowMs < untilMs) {
    nowMs = Math.max(nowMs, share.readyAtMs) + costMs;
    spentMs += costMs;
    share.spend(nowMs, costMs, true);
  }
  return spentMs / nowMs;
}

describe('units that do not answer', () => {
  it('get their share of the line, however long each of them takes', () => {
    for (const costMs of [20, 300, 3_000]) {
      const part = spentWithin(new SilenceShare({ share: 1 / 6, leastPauseMs: 0 }), 600_000, costMs);
      expect(part).toBeGreaterThan(0.15);
      expect(part).toBeLessThan(0.18);
    }
  });

  it('are asked once each in a row when the line opens, but not for longer than the first round may take', () => {
    const quick = new SilenceShare({ share: 1 / 6, leastPauseMs: 0 });
    quick.open(3);
    for (const nowMs of [100, 200, 300]) {
      quick.spend(nowMs, 100, true);
      expect(quick.readyAtMs).toBeLessThanOrEqual(nowMs);
    }
    quick.spend(400, 100, true);
    expect(quick.readyAtMs).toBe(900);
    const slow = new SilenceShare({ share: 1 / 6, leastPauseMs: 0 });
    slow.open(100);
    for (const nowMs of [3_000, 6_000, 9_000, 12_000]) slow.spend(nowMs, 3_000, true);
    expect(slow.readyAtMs).toBe(22_000);
  });

  it('are at least as far apart as is said, and asked at once where one of them has come back', () => {
    const share = new SilenceShare({ share: 0.5, leastPauseMs: 2_000 });
    share.spend(1_000, 10, true);
    expect(share.readyAtMs).toBe(3_000);
    share.forgive();
    expect(share.readyAtMs).toBe(0);
  });
  it('go before those that answer where they have had their share for a while, and not right after one another', () => {
    const share = new SilenceShare({ share: 0.5, leastPauseMs: 0 });
    share.open(5);
    // Nobody has been asked in vain yet.
    expect(share.isOverdue(1_000, 1_000)).toBe(true);
    share.spend(1_150, 50, false);
    expect([1_200, 1_299, 1_300].map((nowMs) => share.isOverdue(1_200, nowMs))).toEqual([false, false, true]);
    share.open(0);
    share.spend(1_200, 50, true);
    expect([1_300, 1_349, 1_350].map((nowMs) => share.isOverdue(1_000, nowMs))).toEqual([false, false, true]);
  });
});
