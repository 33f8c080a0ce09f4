import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from '../../src/domain/duration.ts';

describe('a duration', () => {
  it.each([
    ['0ms', 0],
    ['500ms', 500],
    ['5s', 5_000],
    ['2m', 120_000],
    ['12h', 43_200_000],
    ['30d', 2_592_000_000],
  ])('%s is %i ms', (text, expected) => {
    expect(parseDuration(text)).toBe(expected);
  });

  it.each(['', '5', '5 s', '-5s', '1.5s', '5S', '5min', '5sec', '1h30m', '٥s', '5s\n', '9999999999s', '9999999d'])(
    'refuses %j and says what would be right',
    (text) => {
      expect(() => parseDuration(text)).toThrow('500ms, 5s, 2m, 12h, 30d');
    },
  );

  it.each(['999999999ms', '999999999s', '999999999m', '999999999h', '999999d', '999999984h'])(
    'of %s is the longest of its unit, and leads to a date all the same',
    (text) => {
      expect(() => new Date(Date.UTC(2026, 2, 2) + parseDuration(text)).toISOString()).not.toThrow();
      expect(parseDuration(formatDuration(parseDuration(text)))).toBe(parseDuration(text));
    },
  );

  it('is read back as it was written', () => {
    fc.assert(
      fc.property(fc.nat({ max: 999_999_999 }), (durationMs) => {
        expect(parseDuration(formatDuration(durationMs))).toBe(durationMs);
      }),
    );
  });
});
