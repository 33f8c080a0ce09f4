// What an explanation says of a gate where a plain sentence does not do.

import type { Mode } from '../domain/modes.ts';
import { clockText, rangesOn, rangesText, scheduleFrom, WEEKDAYS } from '../domain/schedule.ts';
import type { TimeWitness, Window } from '../domain/window.ts';
import type { FactorsInForce } from './factors-now.ts';
import type { Detail } from './details.ts';
import type { Calendar, Scheduled } from './schedule-check.ts';

const seconds = (ms: number): number => Math.round(ms / 1000);
const at = (ms: number): string => new Date(ms).toISOString();

const USES_SAY: Readonly<Record<number, string>> = { 0: 'no use of it is left', 1: 'one use of it is left' };
/** `left` null: nobody counts. */
export const usesSay = (left: number | null): string =>
  left === null ? 'it may be used any number of times' : (USES_SAY[left] ?? `${left} uses of it are left`);

export const keypadSays = (lockedForMs: number): string =>
  lockedForMs === 0
    ? 'codes are taken here'
    : `too many wrong codes: none is taken for ${Math.ceil(lockedForMs / 1000)} s`;

const FACTORS_BY = {
  schedule: ' now, by its schedule',
  otherwise: ' now, outside its schedules',
  clock_untrusted: ', the strictest of what it takes, while the clock is not trusted',
  card_waits: ', as when the card was shown that waits here',
} as const;
export function factorsSay({ factors, why }: FactorsInForce, method: 'card' | 'keycode'): string {
  const order = factors === 'card_and_code' && method === 'keycode' && why !== 'card_waits' ? ', the card first' : '';
  return `this entrance takes ${factors.replaceAll('_', ' ')}${order}${why === null ? '' : FACTORS_BY[why]}`;
}

const MODES: Readonly<Record<Mode, string>> = {
  normal: 'whoever may come in is let in',
  unlocked: 'the door is free to walk through',
  locked: 'nobody is let in while it is locked',
  lockdown: 'nobody is let in during the lockdown',
  evacuate: 'the door is open, so that everybody gets out',
};
export function modeSays(mode: Mode, isExit: boolean, isOverride: boolean): string {
  if (mode !== 'locked' && mode !== 'lockdown') return MODES[mode];
  if (isExit) return `${MODES[mode]}; out of it they go`;
  return isOverride ? `${MODES[mode]} but by this group` : MODES[mode];
}

export const offlineSays = (offlineForMs: number, graceMs: number): string =>
  `nobody above was heard for ${seconds(offlineForMs)} s of ${seconds(graceMs)} s allowed`;

export function windowSays(verdict: string, { startsAtMs, endsAtMs }: Window, time: TimeWitness): string {
  const starts = startsAtMs === null ? 'no start' : `from ${at(startsAtMs)}`;
  const ends = endsAtMs === null ? 'no end' : `until ${at(endsAtMs)}`;
  const bounds = startsAtMs === null && endsAtMs === null ? 'no start and no end' : `${starts}, ${ends}`;
  return `${verdict.replaceAll('_', ' ')} (${bounds}): ${clockSays(time)}`;
}

function clockSays({ trusted, nowMs, floorMs }: TimeWitness): string {
  if (trusted) return `it is ${at(nowMs)}`;
  const known = floorMs === null ? 'nothing says how late it is' : `it is later than ${at(floorMs)}`;
  return `the clock is not trusted; ${known}`;
}

export function scheduleSays({ name, content }: Scheduled, time: TimeWitness, calendar: Calendar): string {
  if (!time.trusted) return `the clock is not trusted, and ${name} asks for the time of day`;
  const moment = calendar.moment(time.nowMs);
  const isHoliday = calendar.isHoliday(moment.date);
  const ranges = rangesText(rangesOn(scheduleFrom(content), moment, isHoliday));
  const day = `${WEEKDAYS[moment.weekday] ?? ''} ${moment.date}${isHoliday ? ', a holiday' : ''}`;
  return `${name} on ${day}: ${ranges}; the wall clock says ${clockText(moment.minute)}`;
}

/** Why a key is no proof, or what its issuer has signed is worth nothing. */
export const proofSays = (detail: Detail | null): string =>
  (detail === null ? undefined : PROOF[detail]) ?? 'it has not proved that it holds its key';

const PROOF: Readonly<Partial<Record<Detail, string>>> = {
  transaction_expired: 'its answer came too late',
  issuer_unknown: 'whoever has signed its key is not in the facility file',
  token_refused: 'what was signed for its key is not good here; the log says why',
  key_revoked: 'what was signed for its key was taken back',
  expired: 'what was signed for its key has ended',
  clock_untrusted: 'the clock is not trusted, so nobody can tell whether what was signed for its key is valid',
  unknown_credential: 'what was signed for its key names a credential that is not known here',
};
