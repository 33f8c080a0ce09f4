// When the wall clock may be believed: a pure state machine over samples of wall and monotonic time. Nobody's word is
// taken before a source has vouched for the clock in this boot; from then on the clock is anchored to monotonic time,
// so that a leap shows. Whatever happens, the clock is not believed behind its floor, the latest instant at which it
// was trusted, and the floor moves only with a trusted clock or by an operator's word.

/**
 * Backward steps up to this are ordinary corrections (a battery clock drifts by minutes in months). Trusted time then
 * stands still until the clock catches up.
 */
export const BACKWARD_TOLERANCE_MS = 5 * 60_000;
/**
 * A forward step beyond this, while trusted, needs an operator's word: it would expire credentials, and drag the floor
 * along for good.
 */
export const FORWARD_LIMIT_MS = 86_400_000;
/**
 * At the start nothing tells how long the machine was off; only an absence longer than this needs an operator's word.
 */
export const ABSENCE_LIMIT_MS = 400 * 86_400_000;
/** No clock that runs this program can be right and earlier. */
export const EARLIEST_MS = Date.UTC(2025, 0, 1);

/** Why the clock is trusted: who vouched for it. */
export type Vouch = 'kernel' | 'rtc' | 'always' | 'before_restart' | 'operator';
/**
 * Why it is not. `leapt_back`, `leapt_forward`, `behind_floor` and `far_ahead` end when the clock comes back to where
 * it should be, or by an operator's word.
 */
export type Doubt = 'not_vouched' | 'behind_floor' | 'leapt_back' | 'leapt_forward' | 'far_ahead';

export type Sample = { wallMs: number; monotonicMs: number };

export type Trust = {
  readonly vouch: Vouch | null;
  readonly doubt: Doubt | null;
  /** The latest trusted instant, ever. */
  readonly floorMs: number | null;
  /** Wall minus monotonic time as it was when the clock was first trusted in this boot. */
  readonly anchorMs: number | null;
  /** When trust was lost, monotonic; null while trusted. */
  readonly doubtedSinceMs: number | null;
};

export function firstTrust(floorMs: number | null, sample: Sample): Trust {
  const trust = { vouch: null, doubt: null, floorMs, anchorMs: null, doubtedSinceMs: sample.monotonicMs };
  return observe(trust, sample);
}

/** The state after a look at both clocks. */
export function observe(trust: Trust, sample: Sample): Trust {
  const doubt = doubtOf(trust, sample);
  if (doubt !== null) {
    return { ...trust, doubt, doubtedSinceMs: trust.doubtedSinceMs ?? sample.monotonicMs };
  }
  return {
    ...trust,
    doubt: null,
    doubtedSinceMs: null,
    floorMs: Math.max(trust.floorMs ?? sample.wallMs, sample.wallMs),
    anchorMs: trust.anchorMs ?? sample.wallMs - sample.monotonicMs,
  };
}

/**
 * A source says that the clock is right. It counts from then on, but cures no leap and lifts no clock over its floor.
 */
export function vouchFor(trust: Trust, vouch: Vouch, sample: Sample): Trust {
  return observe({ ...trust, vouch: trust.vouch ?? vouch }, sample);
}

/**
 * The same boot goes on after a restart of the process: the earlier anchor counts on, so that a leap in between shows.
 */
export function resume(trust: Trust, anchorMs: number, sample: Sample): Trust {
  return observe({ ...trust, vouch: 'before_restart', anchorMs }, sample);
}

/**
 * An operator says that the clock is right as it stands: the floor and the anchor are set to it, be it back or forth.
 * Null: it cannot be right.
 */
export function acceptClock(sample: Sample): Trust | null {
  if (!(sample.wallMs >= EARLIEST_MS)) return null;
  return observe({ vouch: 'operator', doubt: null, floorMs: null, anchorMs: null, doubtedSinceMs: null }, sample);
}

/** The instant to judge by: while trusted it never goes back, not even where a small backward step is tolerated. */
export function trustedNowMs(trust: Trust, sample: Sample): number {
  return trust.doubt === null ? Math.max(trust.floorMs ?? sample.wallMs, sample.wallMs) : sample.wallMs;
}

function doubtOf({ vouch, floorMs, anchorMs }: Trust, { wallMs, monotonicMs }: Sample): Doubt | null {
  const driftMs = anchorMs === null ? 0 : wallMs - monotonicMs - anchorMs;
  if (driftMs < -BACKWARD_TOLERANCE_MS) return 'leapt_back';
  if (driftMs > FORWARD_LIMIT_MS) return 'leapt_forward';
  // Written so that a clock that is no number at all is behind as well.
  if (!(wallMs >= EARLIEST_MS) || (floorMs !== null && wallMs < floorMs - BACKWARD_TOLERANCE_MS)) return 'behind_floor';
  if (vouch === null) return 'not_vouched';
  if (anchorMs === null && floorMs !== null && wallMs > floorMs + ABSENCE_LIMIT_MS) return 'far_ahead';
  return null;
}
