// The one decision: who could this card or code stand for, and is one of them let in here and now? The door asks it of
// what is presented, an explanation of what would be; both walk the same gates. It moves nothing and writes nothing.

import { candidates, readingOf } from '../domain/card-formats.ts';
import { OperatingError } from '../domain/errors.ts';
import type { Policy } from '../domain/facility.ts';
import type { Mode } from '../domain/modes.ts';
import { longestGraceOf } from '../domain/offline.ts';
import type { SiteEntrance } from '../domain/site.ts';
import type { TimeWitness } from '../domain/window.ts';
import type { CredentialRow, CredentialWithUser } from '../store/credentials.ts';
import type { Candidate } from '../store/reach.ts';
import type { Store } from '../store/store.ts';
import { isStorageError } from '../store/disk-errors.ts';
import { AREA_GATES } from './area-gates.ts';
import type { CodeGate, CodePlace } from './code-gate.ts';
import type { Ground } from './crossing.ts';
import { isNearer, type Detail } from './details.ts';
import { FINGER_GATES, wantsFinger } from './finger-gates.ts';
import type { Fingers, MatchedFinger } from './fingers.ts';
import { factorsAt, type FactorsInForce } from './factors-now.ts';
import {
  CREDENTIAL_GATES,
  DOOR_GATES,
  FOUND_GATES,
  NEXT_GATES,
  PATH_GATES,
  UNHEARD_GATES,
  wantsCode,
  type Found,
  type Method,
  type Scene,
  type Way,
} from './gates.ts';
import type { Calendar } from './schedule-check.ts';
import { effectsOf, newTrail, walk, type Effect, type Trail } from './ladder.ts';

export type Asked =
  | { acsCredentialId: string }
  | { cards: readonly string[] }
  | { code: string }
  /** A key that was proved: its uncompressed point. */
  | { phone: Buffer };

export type Question = {
  entrance: SiteEntrance;
  /** Null: no reader of ours is there. */
  reader: string | null;
  /** Cards are canonical, as the reader takes them. Null: what is presented is neither a card, a code nor a key. */
  asked: Asked | null;
  /** Why what was presented is no proof of the key that it shows; null: there is nothing against it. */
  unproved: Detail | null;
  /** What the reader takes a card for; null: no reader of ours is there. */
  cardFormats: readonly string[] | null;
  time: TimeWitness;
  /** `time` is this moment: how the keypad stands, and who waits there, matters. */
  isNow: boolean;
  /** The card that waits at the reader for its code. */
  waiting: CredentialWithUser | null;
  /** The finger that was put there behind this card; null: none was. */
  finger: MatchedFinger | null;
  /** Every gate is asked, and says how it stands. */
  isExplained: boolean;
};

export type Judgement = {
  method: Method;
  /** The code of the same person where both are asked for. */
  second: CredentialWithUser | null;
  /** The finger of the same person where one is asked for behind the card. */
  finger: MatchedFinger | null;
  /** Which of the cards it was taken for, canonical; null: none was looked up. */
  card: string | null;
  /** The key of a phone was presented: of which phone, by its own id; null: of none that is known. */
  phone: { acsCredentialId: string | null } | null;
  /** The code that was looked up, and where; null: none was, or what it came to is no matter of the code. */
  code: { digits: string; place: CodePlace } | null;
  /** False: it was shut before anybody was looked up. */
  isLookedUp: boolean;
  /** What is made durable before anything moves. */
  effects: Effect[];
  /** What was asked, and how it stood. */
  trail: Trail;
  /** Of what is stored, as it was judged by; null: nothing of it was read. */
  revision: number | null;
} & (
  | { detail: null; credential: CredentialWithUser }
  /** `code_required`, `biometric_required`: a card that is let in, whose code or finger is asked for next. */
  | { detail: Detail; credential: CredentialWithUser | null }
);

export type JudgingOptions = {
  /** Null when the database was refused. */
  store: Store | null;
  codeGate: CodeGate | null;
  policy: Pick<Policy, 'offline' | 'overrideGroups'>;
  calendar: Calendar;
  /** `time` null: now. */
  modeOf: (entrance: SiteEntrance, time: TimeWitness | null) => Mode;
  offlineForMs: () => number | null;
  /** What a reader leads into and out of; null: no area, and the door is in no interlock. */
  groundAt: (entrance: SiteEntrance, reader: string) => Ground | null;
  fingers: Pick<Fingers, 'enrolledOf' | 'problem'>;
};

type Verdict =
  | { detail: null; credential: CredentialWithUser; effects: Effect[] }
  | { detail: Detail; credential: CredentialWithUser | null };

export class Judging {
  readonly #options: JudgingOptions;
  /** Why nobody is let in at all; null: decisions are made. */
  #refusal: Detail | null;

  constructor(options: JudgingOptions) {
    this.#options = options;
    this.#refusal = options.store === null ? 'store_unavailable' : null;
  }

  /** From now on nobody is let in. */
  refuse(detail: Detail): void {
    this.#refusal ??= detail;
  }

  /** A database that does not answer lets nobody in; the door and its exit go on. */
  judge(question: Question): Judgement {
    try {
      return this.#judge(question);
    } catch (error) {
      if (!isStorageError(error)) throw error;
      return notJudged(methodOf(question), 'store_unavailable', newTrail(question.isExplained), question);
    }
  }

  #judge(question: Question): Judgement {
    const store = this.#refusal === null ? this.#options.store : null;
    const named = store === null ? null : this.#named(store, question);
    const method = named?.method ?? methodOf(question);
    const scene = this.#withCompanion(store, question, this.#scene(question, method));
    const trail = newTrail(question.isExplained);
    const { detail, isOver } = walk(DOOR_GATES, scene, trail);
    if (store === null || isOver || question.asked === null)
      return notJudged(method, detail ?? 'store_unavailable', trail, question);
    const shown = named ?? this.#shown(store, question);
    const judged =
      method === 'card'
        ? this.#judgeCard(store, question, scene, shown, trail)
        : this.#judgeCode(store, question, scene, shown, trail);
    // What was shut before anybody was looked up is the reason, whatever became of the rest of an explanation.
    if (detail !== null) return { ...judged, detail, effects: [] };
    return judged.detail === null
      ? { ...judged, effects: [...effectsOf(DOOR_GATES, scene), ...judged.effects] }
      : judged;
  }

  #judgeCard(store: Store, question: Question, scene: Scene, shown: Shown, trail: Trail): Judgement {
    const verdict = judgeFound({ ...shown, others: 0 }, scene, trail);
    const revision = store.revision();
    const card = shown.cards.get(verdict.credential?.credential_key ?? NOBODY) ?? firstCard(question);
    const phone = phoneOf(question, shown, verdict.credential);
    const judged = {
      method: 'card',
      second: null,
      finger: question.finger,
      card,
      phone,
      code: null,
      isLookedUp: true,
      trail,
      revision,
    } as const;
    if (verdict.detail !== null) return { ...judged, ...verdict, effects: [] };
    const lockedForMs = this.#codeLockedForMs(question, verdict.credential);
    const next = walk(NEXT_GATES, { ...scene, lockedForMs }, trail).detail;
    const finger =
      next === null || trail.isWhole ? this.#judgeFinger(question, scene, verdict.credential, trail) : null;
    const shut = next ?? finger;
    if (shut !== null) return { ...judged, ...verdict, detail: shut, effects: [] };
    return { ...judged, ...verdict };
  }

  #judgeFinger(question: Question, scene: Scene, credential: CredentialWithUser, trail: Trail): Detail | null {
    if (!wantsFinger(scene)) return null;
    const { reader, isNow } = question;
    const { codeGate, fingers } = this.#options;
    const enrolled = fingers.enrolledOf(credential.user_key);
    const asked = {
      ...scene,
      enrolled: enrolled.length,
      problem: isNow && reader !== null ? fingers.problem(reader) : null,
      lockedForMs: isNow ? (codeGate?.cardLockedForMs(credential.acs_credential_id) ?? 0) : null,
      // It may have been taken back since it was put there.
      isMatched: enrolled.some(({ acs_biometric_id: id }) => id === scene.matched?.acsBiometricId),
    };
    return walk(FINGER_GATES, asked, trail).detail;
  }

  #judgeCode(store: Store, question: Question, scene: Scene, shown: Shown, trail: Trail): Judgement {
    const waiting = scene.isCardWaiting ? question.waiting : null;
    const code = codeOf(question, waiting);
    const found = shown.found.filter(({ credential }) => waiting === null || credential.user_key === waiting.user_key);
    // Where the card comes first it is the card that goes through.
    const codes = waiting === null ? scene : { ...scene, ground: null };
    const verdict = judgeFound({ ...shown, found, others: shown.found.length - found.length }, codes, trail);
    const revision = store.revision();
    const judged = { method: 'keycode', second: null, finger: null, card: null, phone: null, code, isLookedUp: true, trail, revision } as const; // prettier-ignore
    if (verdict.detail !== null) return { ...judged, ...verdict, effects: [] };
    if (waiting === null) return { ...judged, ...verdict };
    // The card is judged again: seconds have passed, and a revocation may have come.
    const card = this.#one(store, question, waiting.credential_key);
    const again = judgeFound({ found: card, others: 0, notReadBy: null }, scene, trail);
    const both = { ...judged, method: 'card', second: verdict.credential } as const;
    // The code was right: what became of the card is no guess.
    if (again.detail !== null) return { ...both, ...again, code: null, effects: [] };
    return { ...both, ...again, effects: [...again.effects, ...verdict.effects] };
  }

  // ---- what is looked up --------------------------------------------------------------------------------------------

  #scene(question: Question, method: Method): Scene {
    const { store, policy, offlineForMs } = this.#options;
    const { entrance, asked, waiting, time } = question;
    const factors = this.#factorsFor(question, method);
    const isCardWaiting = method === 'keycode' && factors.factors === 'card_and_code' && waiting !== null;
    return {
      entrance,
      method,
      isOther: asked === null,
      unproved: question.unproved,
      isNamed: asked !== null && 'acsCredentialId' in asked,
      isCardWaiting,
      matched: question.finger,
      factors,
      refusal: this.#refusal,
      offlineForMs: offlineForMs(),
      offlineGraceMs: longestGraceOf(entrance.offline, policy.offline),
      offline: policy.offline,
      overrideGroups: policy.overrideGroups,
      codeLockedForMs: method === 'keycode' ? this.#codeLockedForMs(question, isCardWaiting ? waiting : null) : null,
      time,
      calendar: this.#options.calendar,
      mode: this.#options.modeOf(entrance, question.isNow ? null : time),
      isExit: question.reader !== null && entrance.exitReaders.includes(question.reader),
      witness: store?.seals ?? { holds: () => false },
      ground: question.isNow && question.reader !== null ? this.#options.groundAt(entrance, question.reader) : null,
    };
  }

  /** Whoever was shown first is judged again: seconds have passed, and a revocation may have come. */
  #withCompanion(store: Store | null, question: Question, scene: Scene): Scene {
    const companion = scene.ground?.companion ?? null;
    if (store === null || scene.ground === null || companion === null) return scene;
    const ground = { ...scene.ground, companion: null, isForCompanion: true };
    const found = this.#one(store, question, companion.credential.credential_key);
    const { detail } = judgeFound({ found, others: 0, notReadBy: null }, { ...scene, ground }, newTrail(false));
    return detail === null ? scene : { ...scene, ground: { ...scene.ground, companion: null } };
  }

  /** What was asked for when a card was shown is asked for until its code has come, whatever the clock says. */
  #factorsFor({ entrance, time, waiting, finger }: Question, method: Method): FactorsInForce {
    const now = factorsAt(entrance, time, this.#options.calendar);
    if (finger !== null && entrance.factorsByTime !== null) return { factors: 'card_and_biometric', why: 'card_waits' };
    return waiting !== null && method === 'keycode' && entrance.factorsByTime !== null
      ? { factors: 'card_and_code', why: 'card_waits' }
      : now;
  }

  /** Null: it is not a matter of now. */
  #codeLockedForMs({ entrance, reader, isNow }: Question, card: CredentialWithUser | null): number | null {
    if (!isNow || reader === null) return null;
    return this.#options.codeGate?.lockedForMs(placeOf(entrance, reader, card)) ?? 0;
  }

  #named(store: Store, question: Question): (Shown & { method: Method }) | null {
    const { asked, cardFormats } = question;
    if (asked === null || !('acsCredentialId' in asked)) return null;
    const row = store.credentials.byId(asked.acsCredentialId);
    const isRead =
      row?.access_method === 'mobile_key'
        ? question.entrance.takesMobileKeys
        : row === undefined || cardFormats === null || isReadThere(store, row, cardFormats);
    const found = row === undefined ? [] : this.#one(store, question, row.credential_key);
    const method = row?.access_method === 'code' ? 'keycode' : 'card';
    return { found, cards: NO_CARDS, notReadBy: isRead ? null : (cardFormats ?? []), method };
  }

  #one(store: Store, { entrance }: Question, credentialKey: number): Candidate[] {
    const one = store.reach.one(credentialKey, entrance.entranceKey);
    return one === undefined ? [] : whatIsLeft(store, entrance, [one]);
  }

  #shown(store: Store, { asked, entrance }: Question): Shown {
    const { reach, secrets } = store;
    const { entranceKey } = entrance;
    if (asked === null || 'acsCredentialId' in asked) return { found: [], cards: NO_CARDS, notReadBy: null };
    if ('code' in asked) {
      const found = whatIsLeft(store, entrance, reach.byCode(secrets.codeHash(asked.code), entranceKey));
      return { found, cards: NO_CARDS, notReadBy: null };
    }
    if ('phone' in asked) {
      const found = whatIsLeft(store, entrance, reach.byPhone(secrets.keyHash(asked.phone), entranceKey));
      return { found, cards: NO_CARDS, notReadBy: null };
    }
    const found: Candidate[] = [];
    const cards = new Map<number, string>();
    for (const card of asked.cards) {
      for (const candidate of whatIsLeft(store, entrance, reach.byCard(secrets.cardHash(card), entranceKey))) {
        found.push(candidate);
        cards.set(candidate.credential.credential_key, card);
      }
    }
    return { found, cards, notReadBy: null };
  }
}

/** Without those, and the ways of those, that were taken away by a command that is still to be stored. */
function whatIsLeft(
  { withdrawn }: Store,
  { acsEntranceId }: SiteEntrance,
  candidates: readonly Candidate[],
): Candidate[] {
  return candidates.flatMap((candidate) => {
    const { credential, phone, paths } = candidate;
    if (withdrawn.has(credential) || (phone !== null && withdrawn.has({ ...credential, ...phone }))) return [];
    const left = paths.filter((path) => !withdrawn.closes(path, credential, acsEntranceId));
    return [left.length === paths.length ? candidate : { ...candidate, paths: left }];
  });
}

/** `cards`: for which of the cards each credential was found. */
type Shown = Pick<Found, 'found' | 'notReadBy'> & { cards: ReadonlyMap<number, string> };
const NO_CARDS: ReadonlyMap<number, string> = new Map();
const NOBODY = -1;

/** Judges everyone the card or code could stand for; the first that is let in opens. */
function judgeFound(asked: Found, scene: Scene, trail: Trail): Verdict {
  const known = walk(FOUND_GATES, asked, trail).detail;
  const { found } = asked;
  if (known !== null && (!trail.isWhole || found.length === 0)) return { detail: known, credential: null };
  let best: { detail: Detail; credential: CredentialWithUser; trail: Trail } | null = null;
  for (const candidate of found) {
    const { credential } = candidate;
    const own = newTrail(trail.isWhole);
    const verdict = judgeCandidate(candidate, scene, own);
    if (typeof verdict !== 'string') {
      trail.answered.push(...own.answered);
      return known === null ? { detail: null, credential, effects: verdict } : { detail: known, credential };
    }
    if (best === null || isNearer(verdict, best.detail)) best = { detail: verdict, credential, trail: own };
  }
  trail.answered.push(...(best?.trail.answered ?? []));
  return { detail: known ?? best?.detail ?? 'unknown_credential', credential: best?.credential ?? null };
}

/** What becomes durable when it is let in, or why it is not: by no path, with the reason of the one that comes nearest. */
function judgeCandidate(candidate: Candidate, scene: Scene, trail: Trail): Effect[] | Detail {
  const own = walk(CREDENTIAL_GATES, candidate, trail);
  if (own.isOver) return own.detail ?? 'entrance_not_allowed';
  const unheard = walk(UNHEARD_GATES, { ...scene, credential: candidate.credential }, trail);
  const shut = own.detail ?? unheard.detail;
  if (unheard.isOver) return shut ?? 'offline_too_long';
  let best: { detail: Detail; trail: Trail } | null = null;
  for (const path of candidate.paths) {
    const way = { ...scene, credential: candidate.credential, path };
    const along = newTrail(trail.isWhole);
    const { detail, effects } = judgeWay(way, along);
    if (detail === null) {
      trail.answered.push(...along.answered);
      return shut ?? [...effectsOf(CREDENTIAL_GATES, candidate), ...effects];
    }
    if (best === null || isNearer(detail, best.detail)) best = { detail, trail: along };
  }
  trail.answered.push(...(best?.trail.answered ?? []));
  return shut ?? best?.detail ?? 'entrance_not_allowed';
}

/** A path is walked to the door, and through it. */
function judgeWay(way: Way, trail: Trail): { detail: Detail | null; effects: Effect[] } {
  const { detail, isOver } = walk(PATH_GATES, way, trail);
  if (isOver || way.ground === null) return { detail, effects: detail === null ? effectsOf(PATH_GATES, way) : [] };
  const crossing = {
    ...way,
    ground: way.ground,
    isCodeNext: wantsCode(way) || (wantsFinger(way) && way.matched === null),
  };
  const through = walk(AREA_GATES, crossing, trail).detail;
  const first = detail ?? through;
  const effects = first === null ? [...effectsOf(PATH_GATES, way), ...effectsOf(AREA_GATES, crossing)] : [];
  return { detail: first, effects };
}

/** Whether a reader takes the card of a credential for what it is; one that cannot be opened is no matter of the reader. */
function isReadThere({ secrets }: Store, row: CredentialRow, cardFormats: readonly string[]): boolean {
  if (row.card_sealed === null) return true;
  try {
    const card = secrets.open(row.card_sealed, `card ${row.acs_credential_id}`);
    return candidates(readingOf(card), cardFormats).includes(card);
  } catch (error) {
    if (error instanceof OperatingError) return true;
    throw error;
  }
}

const notJudged = (method: Method, detail: Detail, trail: Trail, { asked, unproved }: Question): Judgement => ({
  method,
  detail,
  credential: null,
  second: null,
  finger: null,
  card: null,
  phone: unproved !== null || (asked !== null && 'phone' in asked) ? { acsCredentialId: null } : null,
  code: null,
  isLookedUp: false,
  effects: [],
  trail,
  revision: null,
});

const methodOf = ({ asked }: Question): Method => (asked !== null && 'code' in asked ? 'keycode' : 'card');

/** Which phone it was, where a key was presented. */
const phoneOf = ({ asked }: Question, { found }: Shown, credential: CredentialWithUser | null): Judgement['phone'] => {
  if (asked === null || !('phone' in asked)) return null;
  const one = found.find((candidate) => candidate.credential === credential);
  return { acsCredentialId: one?.phone?.acs_credential_id ?? null };
};

const firstCard = ({ asked }: Question): string | null =>
  asked !== null && 'cards' in asked ? (asked.cards[0] ?? null) : null;

const codeOf = ({ asked, entrance, reader }: Question, card: CredentialWithUser | null): Judgement['code'] =>
  asked !== null && 'code' in asked && reader !== null
    ? { digits: asked.code, place: placeOf(entrance, reader, card) }
    : null;

/** A code that is typed in a lift is tried at all of its floors at once, and costs once. */
const placeOf = (
  { acsEntranceId, lift }: SiteEntrance,
  reader: string,
  card: CredentialWithUser | null,
): CodePlace => ({
  reader,
  place: lift === null ? acsEntranceId : `lift ${lift.name}`,
  acsCredentialId: card?.acs_credential_id ?? null,
});
