// The ladder, as data: every rule that stands between a card or code and an open door, in the order in which they are
// asked. A gate whose passing changes the next decision says so.

import type { Mode } from '../domain/modes.ts';
import { takesCards, takesCodes } from '../domain/factors.ts';
import { classOf, graceOf, type OfflineRules } from '../domain/offline.ts';
import type { PathKind } from '../domain/path.ts';
import type { SiteEntrance } from '../domain/site.ts';
import { usesLeft } from '../domain/uses.ts';
import { intersect, judgeWindow, type TimeWitness, type Window, type WindowVerdict } from '../domain/window.ts';
import type { CredentialWithUser } from '../store/credentials.ts';
import type { Candidate } from '../store/reach.ts';
import type { StoredPath } from '../store/stored-path.ts';
import type { Ground } from './crossing.ts';
import type { Detail } from './details.ts';
import type { FactorsInForce } from './factors-now.ts';
import type { MatchedFinger } from './fingers.ts';
import type { Gate } from './ladder.ts';
import { factorsSay, keypadSays, modeSays, offlineSays, proofSays, scheduleSays, usesSay, windowSays } from './says.ts';
import { whyOutside, type Calendar, type Scheduled } from './schedule-check.ts';

export type Method = 'card' | 'keycode';

/** What the walk knows of the door, the building and the moment. */
export type Scene = {
  entrance: SiteEntrance;
  method: Method;
  /** What is presented is neither a card, a code nor a key. */
  isOther: boolean;
  /** Why what was presented is no proof of the key that it shows; null: it shows none, or has proved it. */
  unproved: Detail | null;
  /** It is asked about by its id: that is no guess. */
  isNamed: boolean;
  /** A card waits at this reader for its code. */
  isCardWaiting: boolean;
  /** The finger that the card's reader has taken for one of its person; null: none yet. */
  matched: MatchedFinger | null;
  /** What must be shown here at this instant. */
  factors: FactorsInForce;
  /** Why nobody is let in at all; null: decisions are made. */
  refusal: Detail | null;
  /** How long nobody above was heard, ms; null: somebody is there. */
  offlineForMs: number | null;
  /** How long anybody at all is let in without; null: without limit. */
  offlineGraceMs: number | null;
  /** The same of the facility, by class. */
  offline: OfflineRules;
  /** How long no code is looked up here, ms; 0: it is. Null: it is not a matter of now. */
  codeLockedForMs: number | null;
  mode: Mode;
  /** Access groups whose members come in whatever the mode. */
  overrideGroups: readonly string[];
  /** It is shown at a reader that stands inside. */
  isExit: boolean;
  time: TimeWitness;
  calendar: Calendar;
  witness: Witness;
  /** Null: no areas and no interlock are asked about. */
  ground: Ground | null;
};

/** Whether what lets a credential in is as it was written. */
export type Witness = { holds(credential: CredentialWithUser, path: StoredPath): boolean };

/** Before anybody is looked up. */
export const DOOR_GATES: readonly Gate<Scene>[] = [
  {
    step: 'database',
    concerns: ({ refusal }) => refusal !== null,
    denies: ({ refusal }) => refusal,
    says: () => 'the database was refused, or found damaged: nobody is let in',
    ends: () => true,
  },
  {
    step: 'offline_grace',
    // A controller that decides by itself does not know who is heard.
    concerns: ({ entrance, offlineForMs, offlineGraceMs }) =>
      entrance.decidedBy === 'gateway' && offlineForMs !== null && offlineGraceMs !== null,
    denies: ({ offlineForMs, offlineGraceMs }) =>
      (offlineForMs ?? 0) <= (offlineGraceMs ?? Infinity) ? null : 'offline_too_long',
    says: ({ offlineForMs, offlineGraceMs }) => offlineSays(offlineForMs ?? 0, offlineGraceMs ?? 0),
  },
  {
    step: 'proof',
    concerns: ({ unproved }) => unproved !== null,
    denies: ({ unproved }) => unproved,
    says: ({ unproved }) => proofSays(unproved),
    ends: () => true,
  },
  {
    step: 'factor',
    denies: (scene) => (isFactorTaken(scene) ? null : 'factor_not_accepted'),
    says: ({ factors, method }) => factorsSay(factors, method),
  },
  {
    step: 'keypad',
    concerns: ({ method, codeLockedForMs }) => method === 'keycode' && codeLockedForMs !== null,
    denies: ({ codeLockedForMs }) => (codeLockedForMs === 0 ? null : 'locked_out'),
    says: ({ codeLockedForMs }) => keypadSays(codeLockedForMs ?? 0),
    ends: ({ isNamed }) => !isNamed,
  },
];

function isFactorTaken({ factors: { factors }, method, isOther, isCardWaiting }: Scene): boolean {
  if (isOther) return false;
  if (method === 'card') return takesCards(factors);
  return takesCodes(factors) && (factors !== 'card_and_code' || isCardWaiting);
}

/**
 * All whom the card or code could stand for. `others`: those who have it and are not asked, for somebody else's card
 * waits. `notReadBy`: the formats of the reader, where it does not read the card that is asked about by an id.
 */
export type Found = { found: readonly Candidate[]; others: number; notReadBy: readonly string[] | null };

export const FOUND_GATES: readonly Gate<Found>[] = [
  {
    step: 'read',
    concerns: ({ notReadBy }) => notReadBy !== null,
    denies: () => 'unknown_credential',
    says: ({ notReadBy }) => `the reader takes ${notReadBy?.join(', ') || 'no cards'}, and does not read this one`,
  },
  {
    step: 'known',
    denies: ({ found, others }) => (found.length > 0 ? null : others > 0 ? 'other_user' : 'unknown_credential'),
    says: ({ found, others }) => {
      if (found.length > 0) return `${found.length} credential(s) have it`;
      return others > 0
        ? 'it is not the code of the card’s owner, but of somebody else'
        : 'nobody has this card or code';
    },
  },
];

const OPENED_BY: Readonly<Record<PathKind, (path: StoredPath) => string>> = {
  own_list: () => 'this entrance is on its list',
  access_group: ({ name, id }) => `access group ${JSON.stringify(name ?? '')} (${id ?? ''}) of its user opens it`,
  grant: ({ id }) => (id === null ? 'it was granted to its user' : `access grant ${id} of its user opens it`),
};
const openedBy = (path: StoredPath): string => OPENED_BY[path.kind](path);

/** Of each of them. */
export const CREDENTIAL_GATES: readonly Gate<Candidate>[] = [
  {
    step: 'assigned',
    denies: ({ credential }) => (credential.acs_user_id === null ? 'unassigned' : null),
    says: ({ credential: { acs_user_id: id } }) => (id === null ? 'it belongs to nobody' : `it belongs to user ${id}`),
  },
  {
    step: 'user_active',
    denies: ({ credential }) => (credential.user_is_suspended === 1 ? 'user_suspended' : null),
    says: ({ credential }) =>
      credential.user_is_suspended === 1 ? 'the user is suspended' : 'the user is not suspended',
  },
  {
    step: 'entrance',
    denies: ({ paths }) => (paths.length > 0 ? null : 'entrance_not_allowed'),
    says: ({ credential, paths }) => {
      if (paths.length > 0) return [...new Set(paths.map(openedBy))].join('; ');
      return credential.has_own_entrances === 1
        ? 'this entrance is not on its list'
        : 'it has no list, and no group or grant opens this entrance';
    },
  },
  {
    step: 'not_used_up',
    denies: ({ credential }) => (usesLeft(credential) === 0 ? 'already_used' : null),
    says: ({ credential }) => usesSay(usesLeft(credential)),
    effect: ({ credential }) => (usesLeft(credential) === null ? null : { kind: 'use', credential }),
  },
];

const SHUT: Readonly<Partial<Record<Mode, Detail>>> = { locked: 'entrance_locked', lockdown: 'entrance_locked_down' };

/** Of a credential where it is judged without word from above. */
export type Unheard = Scene & { credential: CredentialWithUser };

export const UNHEARD_GATES: readonly Gate<Unheard>[] = [
  {
    // Where everybody is let in for as long, there is nothing more to say of it.
    step: 'offline_class',
    concerns: (unheard) =>
      unheard.entrance.decidedBy === 'gateway' &&
      unheard.offlineForMs !== null &&
      graceAt(unheard) !== null &&
      graceAt(unheard) !== unheard.offlineGraceMs,
    denies: (unheard) => ((unheard.offlineForMs ?? 0) <= (graceAt(unheard) ?? Infinity) ? null : 'offline_too_long'),
    says: (unheard) =>
      `${CLASS_WORDS[classOf(unheard.credential)]}: ${offlineSays(unheard.offlineForMs ?? 0, graceAt(unheard) ?? 0)}`,
  },
];

const CLASS_WORDS = { staff: 'staff', visitor: 'a visitor', one_time: 'good for so many entries' } as const;

const graceAt = ({ credential, entrance, offline }: Unheard): number | null =>
  graceOf(classOf(credential), entrance.offline, offline);

/** Of a credential by one of its paths: one that is open is enough. */
export type Way = Scene & { credential: CredentialWithUser; path: StoredPath };

export const PATH_GATES: readonly Gate<Way>[] = [
  {
    // Out goes everybody who may.
    step: 'mode',
    concerns: ({ mode }) => mode !== 'normal',
    denies: (way) => (way.isExit || isOverride(way) ? null : (SHUT[way.mode] ?? null)),
    says: (way) => modeSays(way.mode, way.isExit, isOverride(way)),
  },
  {
    step: 'window',
    denies: (way) => whyShut(judgeWindow(windowOf(way), way.time)),
    // Of several paths, this is of the one that opens, or comes nearest.
    says: (way, detail) =>
      `${way.path.kind === 'own_list' ? '' : `${openedBy(way.path)}: `}${windowSays(detail ?? 'open', windowOf(way), way.time)}`,
  },
  {
    // Asked only of what would open, for it costs more than all that went before; and before anything of a schedule is
    // read.
    step: 'record',
    denies: ({ credential, path, witness }) => (witness.holds(credential, path) ? null : 'record_tampered'),
    says: (_, detail) =>
      detail === null
        ? 'its record is as Lintel wrote it'
        : 'its record, or that of its user or schedule, was changed behind the back of Lintel',
    ends: () => true,
  },
  {
    step: 'schedule',
    concerns: (way) => schedulesOf(way).length > 0,
    denies: (way) => firstOf(schedulesOf(way).map((schedule) => () => whyOutside(schedule, way.time, way.calendar))),
    says: (way) =>
      schedulesOf(way)
        .map((schedule) => scheduleSays(schedule, way.time, way.calendar))
        .join('; '),
  },
];

/** By a group whose members come in whatever the mode. */
const isOverride = ({ path, overrideGroups }: Way): boolean =>
  path.kind === 'access_group' && path.id !== null && overrideGroups.includes(path.id);

/** What the credential, its user and the path have in common. */
function windowOf({ credential, path }: Way): Window {
  const own = { startsAtMs: credential.starts_at, endsAtMs: credential.ends_at };
  const users = { startsAtMs: credential.user_starts_at, endsAtMs: credential.user_ends_at };
  return intersect(intersect(own, users), path.window);
}

const whyShut = (verdict: WindowVerdict): Detail | null => (verdict === 'open' ? null : verdict);

/** The credential's own, and that of the path: both must hold. */
function schedulesOf({ credential: { schedule: content, schedule_name: name }, path }: Way): Scheduled[] {
  const own = content === null ? [] : [{ name: name ?? '', content }];
  return path.schedule === null ? own : [...own, path.schedule];
}

function firstOf(questions: readonly (() => Detail | null)[]): Detail | null {
  for (const question of questions) {
    const detail = question();
    if (detail !== null) return detail;
  }
  return null;
}

/** Of a card that is let in where its code is asked for as well. `lockedForMs`: of a code with this card. */
export type Next = Scene & { lockedForMs: number | null };

export const NEXT_GATES: readonly Gate<Next>[] = [
  {
    step: 'keypad',
    concerns: (next) => wantsCode(next) && (next.lockedForMs ?? 0) > 0,
    denies: () => 'locked_out',
    says: ({ lockedForMs }) => keypadSays(lockedForMs ?? 0),
    ends: () => true,
  },
  {
    step: 'code',
    concerns: wantsCode,
    denies: () => 'code_required',
    says: () => 'a code of the same person is asked for next',
  },
];

/** A controller asks for both by itself. */
export function wantsCode({ entrance, factors: { factors }, method }: Scene): boolean {
  return factors === 'card_and_code' && entrance.decidedBy !== 'controller' && method === 'card';
}
