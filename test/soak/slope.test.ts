import { describe, expect, it } from 'vitest';
import { slopeOf } from './slope.ts';

describe('the slope of what was measured', () => {
  it('is that of the line, without error where all lies on it', () => {
    const line = [0, 1, 2, 3, 4].map((x) => ({ x, y: 7 + 2 * x }));
    expect(slopeOf(line)).toEqual({ slope: 2, error: 0 });
  });

  it('says how sure it is: what only goes up and down does not pass for growth', () => {
    const noise = Array.from({ length: 40 }, (_, x) => ({ x, y: x % 2 === 0 ? 1 : -1 }));
    const { slope, error } = slopeOf(noise);
    expect(Math.abs(slope)).toBeLessThan(2 * error);
  });

  it('is not known of less than three points', () => {
    expect(slopeOf([{ x: 0, y: 1 }]).error).toBe(Infinity);
  });
});
