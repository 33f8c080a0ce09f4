// The clock as an operator on the gateway sees it, and his word that it is right.

import { OperatingError } from '../domain/errors.ts';
import type { ClockTrust } from '../ops/clock-trust.ts';
import type { ControlRequest } from '../ops/control-protocol.ts';

/** `{action?: show | accept}`: answers `{trusted, reason, problem, now_at, last_trusted_at}`. */
export function answerClock(clockTrust: ClockTrust, { action }: ControlRequest): unknown {
  if (action === 'accept') {
    const outcome = clockTrust.accept();
    if (!outcome.accepted) throw new OperatingError('invalid_input', outcome.message);
  } else if (action !== undefined && action !== 'show') {
    throw new OperatingError('invalid_input', '`action` is show or accept');
  }
  const { trusted, reason, problem, nowMs, floorMs } = clockTrust.state();
  const at = (ms: number): string => new Date(ms).toISOString();
  return {
    trusted,
    reason,
    problem,
    now_at: at(nowMs),
    last_trusted_at: floorMs === null ? null : at(floorMs),
  };
}
