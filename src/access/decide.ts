// The decision, pure but for a few point look-ups: who could this card or code stand for, and is one of them let in
// here and now? Each credential is judged path by path; one open path is enough. The answer carries the steps that led
// to it, for whoever asks why.

import type { LocalMoment } from '../domain/local-time.ts';
import type { PathSchedule } from '../domain/path.ts';
import { clockText, isWithin, rangesOn, rangesText, scheduleFrom, WEEKDAYS } from '../domain/schedule.ts';
import { intersect, judgeWindow, type TimeWitness, type WindowVerdict } from '../domain/window.ts';
import type { CredentialWithUser } from '../store/credentials.ts';
import type { Candidate } from '../store/reach.ts';
import type { StoredPath } from '../store/stored-path.ts';

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
export type Witness = { holds(credential: CredentialWithUser, path: StoredPath): boolean };

export type Step = { step: string; passed: boolean; detail: string };

export type Verdict =
  | { outcome: 'granted'; credential: CredentialWithUser; steps: Step[] }
  | { outcome: 'denied'; detail: Detail; credential: CredentialWithUser | null; steps: Step[] };

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
const isNearer = (one: Detail, other: Detail): boolean => FURTHEST.indexOf(one) < FURTHEST.indexOf(other);

/** Judges everyone the card or code could stand for at an entrance; the first that is let in opens. */
export function judgeAll(
  found: readonly Candidate[],
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
  for (const candidate of found) {
    const { credential } = candidate;
    const steps: Step[] = explain ? [known] : [];
    const detail = judgeOne(candidate, time, calendar, witness, explain ? steps : null);
    if (detail === null) return { outcome: 'granted', credential, steps };
    if (best === null || isNearer(detail, best.detail)) best = { outcome: 'denied', detail, credential, steps };
  }
  return best ?? { outcome: 'denied', detail: 'unknown_credential', credential: null, steps: [known] };
}

/**
 * Asked only of what would open, for it costs more than all that went before; and before anything of a schedule is
 * read.
 */
function judgeRecord({ credential, path }: Way, witness: Witness, steps: Step[] | null): Detail | null {
  const passed = witness.holds(credential, path);
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
  holds: (candidate: Candidate) => boolean;
  says: (candidate: Candidate) => string;
};

const CHECKS: readonly Check[] = [
  {
    step: 'assigned',
    detail: 'unassigned',
    holds: ({ credential }) => credential.acs_user_id !== null,
    says: ({ credential: { acs_user_id: id } }) => (id === null ? 'it belongs to nobody' : `it belongs to user ${id}`),
  },
  {
    step: 'user_active',
    detail: 'user_suspended',
    holds: ({ credential }) => credential.user_is_suspended !== 1,
    says: ({ credential }) =>
      credential.user_is_suspended === 1 ? 'the user is suspended' : 'the user is not suspended',
  },
  {
    step: 'entrance',
    detail: 'entrance_not_allowed',
    holds: ({ paths }) => paths.length > 0,
    says: ({ credential, paths }) =>
      paths.length > 0
        ? 'this entrance is on its list'
        : credential.has_own_entrances === 1
          ? 'this entrance is not on its list'
          : 'it has no list, and no group or grant opens this entrance',
  },
  {
    step: 'not_used_up',
    detail: 'already_used',
    holds: ({ credential }) => credential.is_one_time_use === 0 || credential.used_at === null,
    says: ({ credential }) =>
      credential.is_one_time_use === 0
        ? 'it may be used any number of times'
        : credential.used_at === null
          ? 'its one use is left'
          : 'its one use is gone',
  },
];

/** A credential by one of its paths. */
type Way = { credential: CredentialWithUser; path: StoredPath };

/** Null when it opens: by one path at least, or else the reason of the path that comes nearest. */
function judgeOne(
  candidate: Candidate,
  time: TimeWitness,
  calendar: Calendar,
  witness: Witness,
  steps: Step[] | null,
): Detail | null {
  for (const check of CHECKS) {
    const passed = check.holds(candidate);
    steps?.push({ step: check.step, passed, detail: check.says(candidate) });
    if (!passed) return check.detail;
  }
  let best: { detail: Detail; steps: Step[] } | null = null;
  for (const path of candidate.paths) {
    const own: Step[] = [];
    const way = { credential: candidate.credential, path };
    const detail = judgeWay(way, time, calendar, witness, steps === null ? null : own);
    if (detail === null) {
      steps?.push(...own);
      return null;
    }
    if (best === null || isNearer(detail, best.detail)) best = { detail, steps: own };
  }
  steps?.push(...(best?.steps ?? []));
  return best?.detail ?? 'entrance_not_allowed';
}

function judgeWay(
  way: Way,
  time: TimeWitness,
  calendar: Calendar,
  witness: Witness,
  steps: Step[] | null,
): Detail | null {
  const { credential, path } = way;
  const own = { startsAtMs: credential.starts_at, endsAtMs: credential.ends_at };
  const users = { startsAtMs: credential.user_starts_at, endsAtMs: credential.user_ends_at };
  const window = intersect(intersect(own, users), path.window);
  const verdict = judgeWindow(window, time);
  steps?.push({ step: 'window', passed: verdict === 'open', detail: windowSays(verdict, window, time) });
  if (verdict !== 'open') return verdict;
  const tampered = judgeRecord(way, witness, steps);
  if (tampered !== null) return tampered;
  for (const schedule of schedulesOf(way)) {
    const detail = judgeSchedule(schedule, time, calendar, steps);
    if (detail !== null) return detail;
  }
  return null;
}

/** The credential's own, and that of the path: both must hold. */
function schedulesOf({ credential, path }: Way): Pick<PathSchedule, 'name' | 'content'>[] {
  const { schedule: content, schedule_name: name } = credential;
  return [
    ...(content === null ? [] : [{ name: name ?? '', content }]),
    ...(path.schedule === null ? [] : [path.schedule]),
  ];
}

/**
 * A week asks for the time of day, which the last trusted instant cannot tell: without a trusted clock nobody comes in
 * by a schedule.
 */
function judgeSchedule(
  { name, content }: Pick<PathSchedule, 'name' | 'content'>,
  time: TimeWitness,
  calendar: Calendar,
  steps: Step[] | null,
): Detail | null {
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
