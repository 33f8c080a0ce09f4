// Why somebody is not let in: our finer reasons, Seam's coarser codes, and which of several reasons is told.

export type Detail =
  | 'unknown_credential'
  | 'not_yet_valid'
  | 'expired'
  | 'outside_schedule'
  | 'entrance_not_allowed'
  | 'user_suspended'
  | 'unassigned'
  | 'already_used'
  | 'locked_out'
  | 'clock_untrusted'
  | 'factor_not_accepted'
  | 'code_required'
  | 'other_user'
  | 'offline_too_long'
  | 'record_tampered'
  | 'signature_invalid'
  | 'transaction_expired'
  | 'issuer_unknown'
  | 'token_refused'
  | 'key_revoked'
  | 'entrance_locked'
  | 'entrance_locked_down'
  | 'anti_passback'
  | 'area_full'
  | 'interlocked'
  | 'second_person_required'
  | 'biometric_not_enrolled'
  | 'biometric_required'
  | 'biometric_mismatch'
  | 'biometric_unavailable'
  | 'store_unavailable';

const REASON_CODES: Readonly<Partial<Record<Detail, string>>> = {
  unknown_credential: 'unknown_code',
  not_yet_valid: 'expired_code',
  expired: 'expired_code',
  already_used: 'expired_code',
  locked_out: 'too_many_attempts',
};
export const reasonCodeOf = (detail: Detail): string => REASON_CODES[detail] ?? 'credential_error';

/** Nearest to being let in first: the reason given is that of the credential, or the path, that came furthest. */
const FURTHEST: readonly Detail[] = [
  'biometric_mismatch',
  'biometric_unavailable',
  'biometric_not_enrolled',
  'second_person_required',
  'interlocked',
  'area_full',
  'anti_passback',
  'record_tampered',
  'offline_too_long',
  'entrance_locked_down',
  'entrance_locked',
  'clock_untrusted',
  'outside_schedule',
  'not_yet_valid',
  'expired',
  'already_used',
  'user_suspended',
  'unassigned',
  'entrance_not_allowed',
];
export const isNearer = (one: Detail, other: Detail): boolean => FURTHEST.indexOf(one) < FURTHEST.indexOf(other);

/** Of several places at once, the smaller the nearer; a card whose code or finger is asked for next is as good as let in. */
export const distanceOf = (detail: Detail): number =>
  detail === 'code_required' || detail === 'biometric_required'
    ? -1
    : FURTHEST.includes(detail)
      ? FURTHEST.indexOf(detail)
      : FURTHEST.length;

/**
 * Codes that nobody has who may enter here at all. One that is only too early or too late was known, and is no guess.
 */
const GUESSES: ReadonlySet<Detail> = new Set([
  'unknown_credential',
  'other_user',
  'entrance_not_allowed',
  'unassigned',
  'user_suspended',
]);
export const isGuess = (detail: Detail): boolean => GUESSES.has(detail);
