// What a controller should hold for one credential at one instant, as a pure function: whether anything, which doors,
// which window, and when to ask again. Secrets do not come near: an outline names whose card and whose code, and
// content.ts fills them in just before the wire.

import type { Factors } from '../domain/factors.ts';
import type { SlotCapabilities } from '../domain/ports.ts';
import { intersect, type TimeWitness, type Window } from '../domain/window.ts';

/** A credential as far as its presence at a controller depends on it. */
export type CredentialFacts = {
  credentialKey: number;
  method: 'card' | 'code';
  window: Window;
  isOneTimeUse: boolean;
  isUsed: boolean;
  /** It opens several times, and then no more: no controller counts. */
  isCounted?: boolean;
  /** Null: it belongs to nobody. */
  user: { isSuspended: boolean; window: Window } | null;
  /** The doors of this controller that it opens, by whatever paths. */
  doors: readonly DoorFacts[];
  schedule?: ScheduleFacts | null;
};
/** `paths`: the ways to it, one of which is enough; left out: one that is open at all times. */
export type DoorFacts = { door: number; factors: Factors; paths?: readonly PathFacts[] };
export type PathFacts = { window: Window; schedule: ScheduleFacts | null };
/** A weekly schedule, and the time zone that holds it at this controller; `zone` null: none does. */
export type ScheduleFacts = { scheduleKey: number; zone: number | null };

export type Question = {
  /** Null: deleted. */
  credential: CredentialFacts | null;
  /**
   * The user's codes that list a door of this controller where card and code are both asked for; the one in use now
   * comes first.
   */
  codes: readonly CredentialFacts[];
  windows: SlotCapabilities['windows'];
  pinWithoutCard: boolean;
  preloadMs: number;
  time: TimeWitness;
};

/** The content of a slot without its secrets. */
export type Outline = {
  cardOf: number | null;
  codeOf: number | null;
  cardAndPin: boolean;
  doors: readonly number[];
  startsAtMs: number | null;
  endsAtMs: number | null;
  oneTimeUse: boolean;
  /** The time zone of the controller in which it opens; null: at all times. */
  zone: number | null;
};

export type AbsentWhy =
  | 'deleted'
  | 'tampered'
  | 'unassigned'
  | 'user_suspended'
  | 'already_used'
  | 'uses_not_counted'
  | 'entrance_not_allowed'
  | 'expired'
  | 'not_yet_valid'
  | 'clock_untrusted'
  | 'schedule_not_held'
  | 'two_schedules'
  | 'no_code_to_the_card'
  | 'no_card_to_the_code';

type Absent = { kind: 'absent'; why: AbsentWhy; endedAtMs: number | null; nextDueMs: number | null };
export type Desired =
  | Absent
  /** Its code lies in the slot of a card of the same user; it has no slot of its own. */
  | { kind: 'carried'; nextDueMs: number | null }
  | { kind: 'present'; outline: Outline; startsAtMs: number | null; hasBegun: boolean; nextDueMs: number | null };

/**
 * Why a controller will not hold it before somebody changes something, for people; null for everything that is as it
 * should be.
 */
export const whyUnheld = (why: AbsentWhy): string | null => UNHELD[why] ?? null;
const UNHELD: Readonly<Partial<Record<AbsentWhy, string>>> = {
  tampered:
    'Its record, or that of its user or schedule, was changed behind the back of Lintel, and opens nothing. Remedy: delete it and create it anew',
  schedule_not_held:
    'The controller has no time zone for its schedule. Remedy: give Lintel more of them with schedule_zones in the facility file, or leave its entrances out',
  uses_not_counted:
    'The controller counts no uses, and would let it in for ever. Remedy: leave its entrances out, or give it no max_uses',
  two_schedules:
    'It follows two schedules at once (its own, that of its code, or that of a group or grant), and a slot of the controller names one. Remedy: give both the same',
};

/**
 * The credential may come back by time alone, or with its user's next credential: as against one that was taken away.
 */
export const isWaiting = (why: AbsentWhy): boolean =>
  why === 'not_yet_valid' || why === 'clock_untrusted' || why === 'no_code_to_the_card';

/**
 * The instant by which windows are judged: an untrusted clock is only known to be past its floor. Null: nothing is
 * known at all.
 */
export const certainInstant = (time: TimeWitness): number | null => (time.trusted ? time.nowMs : time.floorMs);

export function desired(question: Question): Desired {
  const { credential } = question;
  if (credential === null) return absent('deleted');
  if (credential.doors.length === 0) return absent('entrance_not_allowed');
  const refused = whyRefused(credential);
  if (refused !== null) return absent(refused);
  return credential.method === 'card' ? desiredCard(credential, question) : desiredCode(credential, question);
}

/** What was not written by us is written to no controller. */
export const TAMPERED: Desired = { kind: 'absent', why: 'tampered', endedAtMs: null, nextDueMs: null };

const absent = (why: AbsentWhy, nextDueMs: number | null = null, endedAtMs: number | null = null): Absent => ({
  kind: 'absent',
  why,
  endedAtMs,
  nextDueMs,
});

function whyRefused(credential: CredentialFacts): AbsentWhy | null {
  if (credential.user === null) return 'unassigned';
  if (credential.user.isSuspended) return 'user_suspended';
  if (credential.isCounted === true) return 'uses_not_counted';
  return credential.isOneTimeUse && credential.isUsed ? 'already_used' : null;
}

function desiredCode(credential: CredentialFacts, question: Question): Desired {
  const doors = credential.doors.filter(({ factors }) => factors === 'code' || factors === 'card_or_code');
  if (doors.length > 0 && question.pinWithoutCard) return inWindow(credential, null, doors, question);
  const isCarried = credential.doors.some(({ factors }) => factors === 'card_and_code');
  // The facility file may have said otherwise when it was accepted: what a slot without a card lets in must not stay
  // there.
  if (!isCarried) return absent(doors.length > 0 ? 'no_card_to_the_code' : 'entrance_not_allowed');
  const both = credential.doors.filter(({ factors }) => factors === 'card_and_code');
  const ways = both.flatMap((door) => waysTo(door, credential, null, question));
  const nextDueMs = earliest(ways.map(({ phase }) => phase.nextDueMs));
  return ways.some(({ phase }) => phase.kind === 'inside') ? { kind: 'carried', nextDueMs } : whyShut(ways, nextDueMs);
}

function desiredCard(credential: CredentialFacts, question: Question): Desired {
  const plain = credential.doors.filter(({ factors }) => factors === 'card' || factors === 'card_or_code');
  const both = credential.doors.filter(({ factors }) => factors === 'card_and_code');
  if (plain.length + both.length === 0) return absent('entrance_not_allowed');
  if (both.length === 0) return inWindow(credential, null, plain, question);
  const codes = question.codes.filter((code) => whyRefused(code) === null);
  // With a code the whole slot asks for it, at its plain doors as well: stricter than written, never weaker.
  const pairs = codes.map((code) => inWindow(credential, code, [...plain, ...both], question));
  const alone = plain.length === 0 ? null : inWindow(credential, null, plain, question);
  const chosen = pairs.find((pair) => pair.kind === 'present') ?? alone ?? waitingPair(pairs);
  // Another code may come or go earlier than what was chosen ends.
  return { ...chosen, nextDueMs: earliest([chosen.nextDueMs, ...pairs.map((pair) => pair.nextDueMs)]) };
}

function waitingPair(pairs: readonly Desired[]): Desired {
  const absentFor = (holds: (why: AbsentWhy) => boolean): Desired | undefined =>
    pairs.find((pair) => pair.kind === 'absent' && holds(pair.why));
  return absentFor(isWaiting) ?? absentFor((why) => whyUnheld(why) !== null) ?? absent('no_code_to_the_card');
}

function inWindow(
  credential: CredentialFacts,
  code: CredentialFacts | null,
  doors: readonly DoorFacts[],
  question: Question,
): Desired {
  const ways = doors.flatMap((door) => waysTo(door, credential, code, question));
  // Whatever begins or ends next may change what is to be there.
  const nextDueMs = earliest(ways.map(({ phase }) => phase.nextDueMs));
  const inside = ways.flatMap(({ phase, ...way }) => (phase.kind === 'inside' ? { ...way, ...phase } : []));
  if (inside.length === 0) return whyShut(ways, nextDueMs);
  const held = inside.flatMap(({ zone, ...way }) => (typeof zone === 'string' ? [] : { ...way, zone }));
  const zone = widestZone(held);
  if (zone === undefined)
    return absent(inside.find((way) => typeof way.zone === 'string')?.zone as AbsentWhy, nextDueMs);
  const stretches = stretchesOf(held.filter((way) => way.zone === zone));
  const window = stretches.map((stretch) => stretch.window).reduce(intersect);
  const outline: Outline = {
    cardOf: credential.method === 'card' ? credential.credentialKey : null,
    codeOf: credential.method === 'code' ? credential.credentialKey : (code?.credentialKey ?? null),
    cardAndPin: code !== null,
    doors: stretches.map(({ door }) => door).sort((a, b) => a - b),
    startsAtMs: question.windows === 'from-until' ? window.startsAtMs : null,
    endsAtMs: question.windows === 'none' ? null : window.endsAtMs,
    oneTimeUse: credential.isOneTimeUse,
    zone,
  };
  const hasBegun = stretches.some((stretch) => stretch.hasBegun);
  return { kind: 'present', outline, startsAtMs: window.startsAtMs, hasBegun, nextDueMs };
}

/** One way to a door: the window and the time zone in which everything along it holds. */
type Way = { door: number; window: Window; zone: number | null | 'schedule_not_held' | 'two_schedules'; phase: Phase };
type Held = { door: number; window: Window; zone: number | null; hasBegun: boolean };

const ALWAYS: readonly PathFacts[] = [{ window: { startsAtMs: null, endsAtMs: null }, schedule: null }];

/** With a code, where card and code are both asked for, each path of the one goes with each of the other. */
function waysTo(
  { door, factors, paths = ALWAYS }: DoorFacts,
  credential: CredentialFacts,
  code: CredentialFacts | null,
  question: Question,
): Way[] {
  const own = effectiveWindow(credential);
  const both = code === null ? own : intersect(own, effectiveWindow(code));
  const second = code === null || factors !== 'card_and_code' ? ALWAYS : pathsOfCode(code, door);
  return paths.flatMap((path) =>
    second.map((other) => {
      const window = intersect(intersect(both, path.window), other.window);
      const schedules = [credential.schedule, path.schedule, code?.schedule, other.schedule];
      return { door, window, zone: zoneOf(schedules), phase: phaseOf(window, question) };
    }),
  );
}

const pathsOfCode = (code: CredentialFacts, door: number): readonly PathFacts[] =>
  code.doors
    .filter((one) => one.door === door && one.factors === 'card_and_code')
    .flatMap(({ paths = ALWAYS }) => paths);

/** What comes next is waited for, and what has ended is over. */
function whyShut(ways: readonly Way[], nextDueMs: number | null): Absent {
  const shut = ways.flatMap(({ phase }) => (phase.kind === 'absent' ? [phase] : []));
  const waiting = shut.find(({ why }) => isWaiting(why));
  if (waiting !== undefined) return { ...waiting, nextDueMs };
  // Of several ends the last one counts.
  const ended = shut.reduce<Absent | null>(
    (last, phase) => (last === null || (phase.endedAtMs ?? 0) > (last.endedAtMs ?? 0) ? phase : last),
    null,
  );
  return { ...(ended ?? absent('entrance_not_allowed')), nextDueMs };
}

/** A slot names one zone: the one by which most doors open. Undefined: none of them is held. */
function widestZone(ways: readonly Held[]): number | null | undefined {
  if (ways.length <= 1) return ways[0]?.zone;
  const doorsBy = new Map<number | null, Set<number>>();
  for (const { zone, door } of ways) doorsBy.set(zone, (doorsBy.get(zone) ?? new Set<number>()).add(door));
  const order = [...doorsBy].sort(([a, those], [b, these]) => these.size - those.size || (a ?? -1) - (b ?? -1));
  return order[0]?.[0];
}

/**
 * For each door the stretch of time in which it opens now, else next: a slot has one window, so that doors which open
 * later come when their time has come, and all of them end together with the first; the others are written anew then.
 */
function stretchesOf(ways: readonly Held[]): readonly Held[] {
  // As nearly every credential has it.
  if (ways.length <= 1) return ways;
  const begun = ways.filter(({ hasBegun }) => hasBegun);
  const first = Math.min(...ways.map(({ window }) => window.startsAtMs ?? -Infinity));
  const now = begun.length > 0 ? begun : ways.filter(({ window }) => (window.startsAtMs ?? -Infinity) === first);
  const byDoor = new Map<number, Held>();
  for (const way of now) {
    const before = byDoor.get(way.door);
    byDoor.set(way.door, before === undefined ? way : { ...way, window: unite(before.window, way.window) });
  }
  return [...byDoor.values()];
}

/** Of windows that have an instant in common. */
const unite = (a: Window, b: Window): Window => ({
  startsAtMs: a.startsAtMs === null || b.startsAtMs === null ? null : Math.min(a.startsAtMs, b.startsAtMs),
  endsAtMs: a.endsAtMs === null || b.endsAtMs === null ? null : Math.max(a.endsAtMs, b.endsAtMs),
});

/** The zone in which all of them hold: a slot names one, so two schedules have none. */
function zoneOf(
  schedules: readonly (ScheduleFacts | null | undefined)[],
): number | null | 'schedule_not_held' | 'two_schedules' {
  const [first, ...others] = schedules.flatMap((schedule) => (schedule == null ? [] : [schedule]));
  if (first === undefined) return null;
  if (others.some(({ scheduleKey }) => scheduleKey !== first.scheduleKey)) return 'two_schedules';
  return first.zone ?? 'schedule_not_held';
}

const effectiveWindow = (credential: CredentialFacts): Window =>
  credential.user === null ? credential.window : intersect(credential.window, credential.user.window);

type Phase = Absent | { kind: 'inside'; hasBegun: boolean; nextDueMs: number | null };

/**
 * A window against the clock: when the controller keeps windows itself it gets them `preloadMs` ahead, else the
 * credential is there from start to end.
 */
function phaseOf(window: Window, { windows, preloadMs, time }: Question): Phase {
  const { startsAtMs: start, endsAtMs: end } = window;
  if (start === null && end === null) return { kind: 'inside', hasBegun: true, nextDueMs: null };
  const instant = certainInstant(time);
  if (start !== null && end !== null && end <= start)
    return { kind: 'absent', why: 'expired', endedAtMs: end, nextDueMs: null };
  const from = start === null ? null : windows === 'from-until' ? start - preloadMs : start;
  // Without a known instant nothing may begin that has an end or a start: looked at again as soon as time is known.
  if (instant === null)
    return { kind: 'absent', why: 'clock_untrusted', endedAtMs: null, nextDueMs: Math.max(1, from ?? end ?? 1) };
  if (end !== null && end <= instant) return { kind: 'absent', why: 'expired', endedAtMs: end, nextDueMs: null };
  if (from !== null && instant < from) {
    return {
      kind: 'absent',
      why: time.trusted ? 'not_yet_valid' : 'clock_untrusted',
      endedAtMs: null,
      nextDueMs: from,
    };
  }
  const hasBegun = start === null || start <= instant;
  return { kind: 'inside', hasBegun, nextDueMs: hasBegun ? end : start };
}

function earliest(instants: readonly (number | null)[]): number | null {
  return instants.reduce((least, at) => (at === null ? least : least === null ? at : Math.min(least, at)), null);
}
