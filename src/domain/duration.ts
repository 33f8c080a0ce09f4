// Durations as people write them in the facility file and in profiles: a whole number and its unit, so that nobody has
// to guess which one a bare number meant.

import { OperatingError } from './errors.ts';

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

type Unit = keyof typeof UNIT_MS;
const isUnit = (text: string | undefined): text is Unit => text !== undefined && Object.hasOwn(UNIT_MS, text);

/** `500ms`, `5s`, `2m`, `12h`, `30d`; of days so many that any instant with it added is still a date. */
export const DURATION_FORM = /^(?![0-9]{7,}d)([0-9]{1,9})(ms|s|m|h|d)$/;

/**
 * Milliseconds of a duration such as `500ms`, `5s`, `2m`, `12h` or `30d`. Throws `invalid_input` with what would be
 * right.
 */
export function parseDuration(text: string): number {
  const [, count, unit] = DURATION_FORM.exec(text) ?? [];
  if (count === undefined || !isUnit(unit)) {
    throw new OperatingError('invalid_input', 'a duration is a whole number and its unit: 500ms, 5s, 2m, 12h, 30d');
  }
  return Number(count) * UNIT_MS[unit];
}

/** The shortest way to write this many milliseconds; `parseDuration` reads it back. */
export function formatDuration(durationMs: number): string {
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const text = `${durationMs / UNIT_MS[unit]}${unit}`;
    if (durationMs !== 0 && DURATION_FORM.test(text)) return text;
  }
  return `${durationMs}ms`;
}
