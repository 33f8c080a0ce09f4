// Until when a command is wanted, by the gateway's own clock: a time that its sender made up must not make a door open
// later than anybody stands there.

import type { ApiError } from '../domain/errors.ts';
import { isUrgent, mustExpire, type CommandName } from './contract.ts';
import { MOST_AHEAD_MS, type Envelope } from './contract/envelope.ts';
import { takesAccess } from './streams.ts';

/** So much may the clock of a sender go before ours. */
export const MOST_SKEW_MS = 5_000;

export type Judged = {
  nowMs: number;
  isTrusted: boolean;
  /** From this machine, whose clock is the sender's clock as well, trusted or not. */
  isLocal: boolean;
  /** From the message expiry of MQTT 5. */
  messageExpiresAtMs: number | null;
};

/** Why the times of a command forbid it; null: they do not. */
export function timeRefusal(envelope: Envelope, name: CommandName, judged: Judged): ApiError | null {
  const { nowMs, isTrusted, isLocal, messageExpiresAtMs } = judged;
  const { issued_at: issuedAtMs, expires_at: expiresAtMs } = envelope;
  const isComparable = isTrusted || isLocal;
  const moves = mustExpire(name);
  if (moves && expiresAtMs === undefined)
    return invalid(`expires_at: required, for ${name} acts on the physical world: at most 60 s ahead`, 'expires_at');
  if (moves && !isComparable && !isUrgent(name)) {
    return {
      type: 'clock_untrusted',
      message:
        'the gateway’s clock is not trusted, so nobody can tell whether this command has expired. Remedy: give it time (NTP, RTC), or use the local console',
    };
  }
  // Whatever the sender's clock shows: access that is to be taken away is taken away.
  if (isComparable && issuedAtMs !== undefined && issuedAtMs - nowMs > MOST_SKEW_MS && !takesAccess(name))
    return invalid(
      `issued_at: ${instant(issuedAtMs)} is ahead of the gateway’s clock, which shows ${instant(nowMs)}. Remedy: set the clock of the sender, or of the gateway`,
      'issued_at',
    );
  if (moves && expiresAtMs !== undefined && expiresAtMs - (issuedAtMs ?? nowMs) > MOST_AHEAD_MS) {
    const from =
      issuedAtMs === undefined
        ? `the gateway’s clock, which shows ${instant(nowMs)}`
        : `issued_at, which is ${instant(issuedAtMs)}`;
    return invalid(`expires_at: at most 60 s ahead of ${from}; it is ${instant(expiresAtMs)}`, 'expires_at');
  }
  const endsAtMs = Math.min(expiresAtMs ?? Infinity, messageExpiresAtMs ?? Infinity);
  return endsAtMs <= nowMs && isComparable
    ? { type: 'command_expired', message: `expired at ${instant(endsAtMs)}; nothing was done`, path: ['expires_at'] }
    : null;
}

const instant = (atMs: number): string => new Date(atMs).toISOString();

const invalid = (message: string, key: string): ApiError => ({ type: 'invalid_input', message, path: [key] });
