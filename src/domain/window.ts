// Windows are half open, `[start, end)`, and are judged by a witness that may be wrong: a clock that nobody has vouched
// for is only known to be past its floor.

export type Window = { startsAtMs: number | null; endsAtMs: number | null };

export type TimeWitness = {
  trusted: boolean;
  /** The wall clock; meaningless for windows while untrusted. */
  nowMs: number;
  /** The last instant at which the clock was trusted: it is certainly later than this. Null: never trusted yet. */
  floorMs: number | null;
  /** While untrusted: may a window that was open at the floor still be taken as open? */
  isGraceLeft: boolean;
};

export type WindowVerdict = 'open' | 'not_yet_valid' | 'expired' | 'clock_untrusted';

export function judgeWindow(window: Window, time: TimeWitness): WindowVerdict {
  const { startsAtMs, endsAtMs } = window;
  if (time.trusted) {
    if (startsAtMs !== null && time.nowMs < startsAtMs) return 'not_yet_valid';
    return endsAtMs !== null && time.nowMs >= endsAtMs ? 'expired' : 'open';
  }
  if (startsAtMs === null && endsAtMs === null) return 'open';
  if (time.floorMs === null) return 'clock_untrusted';
  if (endsAtMs !== null && endsAtMs <= time.floorMs) return 'expired';
  if (startsAtMs !== null && startsAtMs > time.floorMs) return 'clock_untrusted';
  // Begun for certain. Without an end nothing can have changed since; with one, only for as long as the grace lasts.
  return endsAtMs === null || time.isGraceLeft ? 'open' : 'clock_untrusted';
}

/** What two windows have in common; null bounds are open. The result may be empty (start at or behind end). */
export function intersect(a: Window, b: Window): Window {
  return {
    startsAtMs:
      a.startsAtMs === null
        ? b.startsAtMs
        : b.startsAtMs === null
          ? a.startsAtMs
          : Math.max(a.startsAtMs, b.startsAtMs),
    endsAtMs: a.endsAtMs === null ? b.endsAtMs : b.endsAtMs === null ? a.endsAtMs : Math.min(a.endsAtMs, b.endsAtMs),
  };
}
