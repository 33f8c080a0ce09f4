// The decision, pure but for a few point look-ups: who could this card or code stand for, and is one of them let in
// here and now? Each credential is judged path by path; one open path is enough. The answer carries the steps that led
// to it, for whoever asks why.

import type { LocalMoment } from '../domain/local-time.ts';
import { clockText, isWithin, rangesOn, rangesText, scheduleFrom, WEEKDAYS } from '../domain/schedule.ts';
import { intersect, judgeWindow, type TimeWitness, type WindowVerdict } from '../domain/window.ts';
import type { CredentialForDecision } from '../store/credentials.ts';

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
  | 'store_unavailable';

/** Seam's reason codes, coarser than ours. */
const REASON_CODES: Readonly<Partial<Record<Detail, string>>> = {
  unknown_credential: 'unknown_code',
  not_yet_valid: 'expired_code',
  expired: 'expired_code',
  already_used: 'expired_code',
  locked_out: 'too_many_attempts',
};
export const reasonCodeOf = (detail: Detail): string => REASON_CODES[detail] ?? 'credential_error';

/** What the building's wall clock and calendar say. */
export type Calendar = {
  moment(epochMs: number): LocalMoment;
  isHoliday(date: string): boolean;
};

/** Whether what lets a credential in is as it was written. */
export type Witness = { holds(credential: CredentialForDecision): boolean };

export type Step = { step: string; passed: boolean; detail: string };

export type Verdict =
  | { outcome: 'granted'; credential: CredentialForDecision; steps: Step[] }
  | { outcome: 'denied'; detail: Detail; credential: CredentialForDecision | null; steps: Step[] };

/** Nearest to being let in first: the reason given is that of the credential that came furthest. */
const FURTHEST: readonly Detail[] = [
  'record_tampered',
  'clock_untrusted',
  'outside_schedule',
  'not_yet_valid',
  'expired',
  'already_used',
  'user_suspended',
  'unassigned',
  'entrance_not_allowed',
];

/**
 * Judges everyone the card or code could stand for at an entrance (`is_listed` speaks of it); the first that is let in
 * opens.
 */
export function judgeAll(
  found: readonly CredentialForDecision[],
  time: TimeWitness,
  calendar: Calendar,
  witness: Witness,
  explain = false,
): Verdict {
  const known: Step = {
    step: 'known',
    passed: found.length > 0,
    detail: found.length === 0 ? 'nobody has this card or code' : `${found.length} credential(s) have it`,
  };
  if (found.length === 0) return { outcome: 'denied', detail: 'unknown_credential', credential: null, steps: [known] };
  let best: (Verdict & { outcome: 'denied' }) | null = null;
  for (const credential of found) {
    const steps: Step[] = explain ? [known] : [];
    const detail = judgeOne(credential, time, calendar, witness, explain ? steps : null);
    if (detail === null) return { outcome: 'granted', credential, steps };
    if (best === null || FURTHEST.indexOf(detail) < FURTHEST.indexOf(best.detail))
      best = { outcome: 'denied', detail, credential, steps };
  }
  return best ?? { outcome: 'denied', detail: 'unknown_credential', credential: null, steps: [known] };
}

/**
 * Asked only of what would open, for it costs more than all that went before; and before anything of a schedule is
 * read.
 */
function judgeRecord(credential: CredentialForDecision, witness: Witness, steps: Step[] | null): Detail | null {
  const passed = witness.holds(credential);
  steps?.push({
    step: 'record',
    passed,
    detail: passed
      ? 'its record is as Lintel wrote it'
      : 'its record, or that of its user or schedule, was changed behind the back of Lintel',
  });
  return passed ? null : 'record_tampered';
}

type Check = {
  step: string;
  detail: Detail;
  holds: (credential: CredentialForDecision) => boolean;
  says: (credential: CredentialForDecision) => string;
};

const CHECKS: readonly Check[] = [
  {
    step: 'assigned',
    detail: 'unassigned',
    holds: (credential) => credential.acs_user_id !== null,
    says: (credential) =>
      credential.acs_user_id === null ? 'it belongs to nobody' : `it belongs to user ${credential.acs_user_id}`,
  },
  {
    step: 'user_active',
    detail: 'user_suspended',
    holds: (credential) => credential.user_is_suspended !== 1,
    says: (credential) => (credential.user_is_suspended === 1 ? 'the user is suspended' : 'the user is not suspended'),
  },
  {
    step: 'entrance',
    detail: 'entrance_not_allowed',
    holds: (credential) => credential.is_listed === 1,
    says: (credential) =>
      credential.is_listed === 1
        ? 'this entrance is on its list'
        : credential.has_own_entrances === 1
          ? 'this entrance is not on its list'
          : 'it has no list, and no group or grant opens this entrance',
  },
  {
    step: 'not_used_up',
    detail: 'already_used',
    holds: (credential) => credential.is_one_time_use === 0 || credential.used_at === null,
    says: (credential) =>
      credential.is_one_time_use === 0
        ? 'it may be used any number of times'
        : credential.used_at === null
          ? 'its one use is left'
          : 'its one use is gone',
  },
];

/** Null when it opens. */
function judgeOne(
  credential: CredentialForDecision,
  time: TimeWitness,
  calendar: Calendar,
  witness: Witness,
  steps: Step[] | null,
): Detail | null {
  for (const check of CHECKS) {
    const passed = check.holds(credential);
    steps?.push({ step: check.step, passed, detail: check.says(credential) });
    if (!passed) return check.detail;
  }
  const window = intersect(
    { startsAtMs: credential.starts_at, endsAtMs: credential.ends_at },
    { startsAtMs: credential.user_starts_at, endsAtMs: credential.user_ends_at },
  );
  const verdict = judgeWindow(window, time);
  steps?.push({ step: 'window', passed: verdict === 'open', detail: windowSays(verdict, window, time) });
  if (verdict !== 'open') return verdict;
  const tampered = judgeRecord(credential, witness, steps);
  if (tampered !== null || credential.schedule === null) return tampered;
  return judgeSchedule(credential, credential.schedule, time, calendar, steps);
}

/**
 * A week asks for the time of day, which the last trusted instant cannot tell: without a trusted clock nobody comes in
 * by a schedule.
 */
function judgeSchedule(
  credential: CredentialForDecision,
  content: string,
  time: TimeWitness,
  calendar: Calendar,
  steps: Step[] | null,
): Detail | null {
  const name = credential.schedule_name ?? '';
  if (!time.trusted) {
    steps?.push({
      step: 'schedule',
      passed: false,
      detail: `the clock is not trusted, and ${name} asks for the time of day`,
    });
    return 'clock_untrusted';
  }
  const schedule = scheduleFrom(content);
  const moment = calendar.moment(time.nowMs);
  const isHoliday = calendar.isHoliday(moment.date);
  const passed = isWithin(schedule, moment, isHoliday);
  if (steps !== null) {
    const ranges = rangesText(rangesOn(schedule, moment, isHoliday));
    const day = `${WEEKDAYS[moment.weekday] ?? ''} ${moment.date}${isHoliday ? ', a holiday' : ''}`;
    steps.push({
      step: 'schedule',
      passed,
      detail: `${name} on ${day}: ${ranges}; the wall clock says ${clockText(moment.minute)}`,
    });
  }
  return passed ? null : 'outside_schedule';
}

function windowSays(
  verdict: WindowVerdict,
  window: { startsAtMs: number | null; endsAtMs: number | null },
  time: TimeWitness,
): string {
  const at = (ms: number): string => new Date(ms).toISOString();
  const { startsAtMs, endsAtMs } = window;
  const starts = startsAtMs === null ? 'no start' : `from ${at(startsAtMs)}`;
  const ends = endsAtMs === null ? 'no end' : `until ${at(endsAtMs)}`;
  const bounds = startsAtMs === null && endsAtMs === null ? 'no start and no end' : `${starts}, ${ends}`;
  return `${verdict.replaceAll('_', ' ')} (${bounds}): ${clockSays(time)}`;
}

function clockSays({ trusted, nowMs, floorMs }: TimeWitness): string {
  if (trusted) return `it is ${new Date(nowMs).toISOString()}`;
  const known =
    floorMs === null ? 'nothing says how late it is' : `it is later than ${new Date(floorMs).toISOString()}`;
  return `the clock is not trusted; ${known}`;
}
