// Reads from the store what `desired` asks for, and brings a row to what it answers: a few point lookups per row,
// whatever the size of the building.

import type { Site, SlotController } from '../domain/site.ts';
import type { TimeWitness } from '../domain/window.ts';
import type { CredentialForSlot } from '../store/credentials.ts';
import type { PathTo } from '../store/stored-path.ts';
import type { Store } from '../store/store.ts';
import type { ChangesTogether } from '../store/target-changes.ts';
import { ANNOUNCED, cleared, NOTHING_OWED, WAITS, type TargetRow } from '../store/target-row.ts';
import { outlineHash, sourcesOf } from './content.ts';
import {
  desired,
  isWaiting,
  TAMPERED,
  whyUnheld,
  type CredentialFacts,
  type Desired,
  type DoorFacts,
  type PathFacts,
} from './desired.ts';
import type { Announcer } from './announcer.ts';

export type Judged = {
  desired: Desired;
  /** Keyed hash of the content wanted, where somebody has it at hand; null: it is worked out when it is asked for. */
  hash: Buffer | null;
  /** The credential as it was judged; null: deleted, or somebody else's judgement. */
  own?: CredentialForSlot | null;
  /** False when no entrance of the credential belongs to this controller any more. */
  isConcerned: boolean;
};

export class Judge {
  readonly #store: Store;
  readonly #site: Site;
  readonly #controller: SlotController;
  readonly #preloadMs: number;
  /** Of the doors of this controller, in ascending order. */
  readonly #entranceKeys: readonly number[];

  constructor(store: Store, site: Site, controller: SlotController, preloadMs: number) {
    this.#store = store;
    this.#site = site;
    this.#controller = controller;
    this.#preloadMs = preloadMs;
    this.#entranceKeys = site.entrances
      .map(({ entranceKey }) => entranceKey)
      .filter((key) => this.#doorAt(key) !== null)
      .sort((a, b) => a - b);
  }

  judge(target: TargetRow, time: TimeWitness): Judged {
    const row = this.#store.credentials.forSlot(target.credential_key);
    const paths = row === undefined ? [] : this.#soundPathsOf(row);
    const credential = row === undefined ? null : this.#factsOf(row, paths);
    const answer = desired({
      credential,
      codes: row === undefined || credential === null ? [] : this.#codesBeside(row, credential, target),
      windows: this.#controller.slots.windows,
      pinWithoutCard: this.#controller.slots.pinWithoutCard,
      preloadMs: target.is_deferred === 1 ? 0 : this.#preloadMs,
      time,
    });
    const isConcerned = credential !== null && credential.doors.length > 0;
    const isOurs = row === undefined || answer.kind === 'absent' || this.#isOurs(row, paths, answer);
    return { desired: isOurs ? answer : TAMPERED, hash: null, own: row ?? null, isConcerned };
  }

  /** Of whatever is to be written: was it written by us? */
  #isOurs(row: CredentialForSlot, paths: readonly PathTo[], answer: Exclude<Desired, { kind: 'absent' }>): boolean {
    const codeKey = answer.kind === 'present' ? answer.outline.codeOf : null;
    if (!this.#isWritten(row, paths)) return false;
    if (codeKey === null || codeKey === row.credential_key) return true;
    const code = this.#store.credentials.forSlot(codeKey);
    return code !== undefined && this.#isWritten(code, this.#soundPathsOf(code));
  }

  #isWritten(row: CredentialForSlot, paths: readonly PathTo[]): boolean {
    const { seals } = this.#store;
    return seals.holdsAnywhere(row) && paths.every(({ path }) => seals.holdsPath(path));
  }

  /** True when the slot holds what it should and nobody doubts it. */
  isSettled(target: TargetRow, { desired: answer, hash, own = null }: Judged): boolean {
    if (answer.kind !== 'present' || target.slot === null || target.read_hash === null) return false;
    if (target.written_hash === null) return false;
    return target.written_hash.equals(
      hash ?? outlineHash(this.#store, answer.outline, sourcesOf(this.#store, answer.outline, own)),
    );
  }

  /**
   * Inside a transaction: writes the row as the judgement has it, with what is to be announced by that, or deletes it
   * when nothing of it is left. What has to be done at the controller then waits in a queue. `stored`: the row as it
   * stands in the store, where that is known; `together`: with which others it is changed, where that may wait for
   * them. Returns the row, null when it is gone.
   */
  apply(
    target: TargetRow,
    judged: Judged,
    wallMs: number,
    announcer: Announcer,
    stored: TargetRow | null = null,
    together: ChangesTogether | null = null,
  ): TargetRow | null {
    const next = this.#judgedRow(target, judged, wallMs);
    if (next === null) {
      this.#store.targets.delete(target.target_key);
      announcer.noteSynced(target, wallMs);
      return null;
    }
    const stage = this.#nextStage(next, judged.desired);
    if (stage !== null) next.announced = stage;
    const isUnheld = judged.desired.kind === 'absent' && next.state === 'failed';
    if (isUnheld && target.state !== 'failed') announcer.add('access_code.failed_to_set_on_device', next, wallMs);
    const follow = (): void => {
      this.#touchCarried(target, next);
      if (isThere(next)) announcer.addHeld(stage === null ? null : STAGE_EVENTS[stage], next, wallMs);
      else if (next.state === 'removed') announcer.noteSynced(next, wallMs);
    };
    if (stored !== null && together !== null) {
      together.add(stored, next, follow);
      return next;
    }
    if (stored === null) this.#store.targets.update(next);
    else this.#store.targets.change(stored, next);
    follow();
    return next;
  }

  /** What is to be said of it that was not said yet. */
  #nextStage(row: TargetRow, answer: Desired): 1 | 2 | null {
    if (answer.kind === 'absent' || !isThere(row)) return null;
    const stage = answer.kind === 'carried' || answer.hasBegun ? ANNOUNCED.set : ANNOUNCED.scheduled;
    return row.announced < stage ? stage : null;
  }

  /** The row of a code that lies in this card's slot follows it. */
  #touchCarried(before: TargetRow, after: TargetRow): void {
    if (before.partner_key === null && after.partner_key === null) return;
    if (before.state === after.state && before.partner_key === after.partner_key) return;
    for (const codeKey of new Set([before.partner_key, after.partner_key])) {
      if (codeKey === null) continue;
      const row = this.#store.targets.ofCredential(codeKey).find(({ controller }) => controller === before.controller);
      if (row !== undefined) this.#store.targets.touchRow(row.target_key);
    }
  }

  #judgedRow(target: TargetRow, judged: Judged, wallMs: number): TargetRow | null {
    const { desired: answer } = judged;
    if (answer.kind === 'present') return this.#presentRow(target, judged, answer, wallMs);
    if (target.slot !== null && target.is_deferred === 1 && answer.kind === 'absent' && isWaiting(answer.why))
      return givingWay(target, answer.nextDueMs);
    if (target.slot !== null) {
      const since = target.erase_since ?? (answer.kind === 'absent' ? answer.endedAtMs : null) ?? wallMs;
      const reason = answer.kind === 'absent' && answer.why === 'expired' ? 'ended' : 'revoked';
      return {
        ...cleared(target),
        state: 'removing',
        slot: target.slot,
        written_hash: target.written_hash,
        read_hash: target.read_hash,
        verified_at: target.verified_at,
        announced: target.announced,
        zone: target.zone,
        ...(target.state === 'removing' ? failureOf(target) : {}),
        due_at: answer.nextDueMs,
        waits: WAITS.erasure,
        urgent_at: since,
        erase_since: since,
        erase_reason: target.erase_reason ?? reason,
        is_overdue: target.is_overdue,
      };
    }
    if (!judged.isConcerned) return null;
    if (answer.kind === 'carried') return this.#carriedRow(target, answer.nextDueMs);
    const unheld = whyUnheld(answer.why);
    if (unheld !== null) {
      const error = { error_type: 'not_supported', error_message: unheld } as const;
      return { ...cleared(target), ...error, state: 'failed', due_at: answer.nextDueMs };
    }
    const state = isWaiting(answer.why) ? 'scheduled' : 'removed';
    return { ...cleared(target), state, due_at: answer.nextDueMs };
  }

  #presentRow(target: TargetRow, judged: Judged, answer: Desired & { kind: 'present' }, wallMs: number): TargetRow {
    const { outline } = answer;
    const partner = outline.codeOf === null || outline.codeOf === target.credential_key ? null : outline.codeOf;
    const common = {
      ...target,
      ...NOTHING_OWED,
      due_at: answer.nextDueMs,
      is_deferred: answer.hasBegun ? (0 as const) : target.is_deferred,
      partner_key: partner,
    };
    if (this.isSettled(target, judged)) {
      const state = this.#controller.slots.readBack === 'full' ? 'set' : 'unconfirmed';
      return { ...common, state, waits: null, urgent_at: null, error_type: null, error_message: null, attempts: 0 };
    }
    const isStart = answer.startsAtMs !== null && !answer.hasBegun;
    const { erase_since, erase_reason, is_overdue } = target;
    // What a refused content was to replace still lies there: it is owed since the first try, however often it is
    // tried.
    const owed = target.state === 'failed' && target.slot !== null ? { erase_since, erase_reason, is_overdue } : null;
    return {
      ...common,
      ...owed,
      // A failed row stays so until it works: it is tried again without flapping.
      state: target.state === 'failed' ? 'failed' : 'writing',
      announced: ANNOUNCED.nothing,
      waits: WAITS.write,
      urgent_at: target.slot !== null ? 0 : isStart ? answer.startsAtMs : wallMs,
    };
  }

  /** A code without a slot of its own is where the card's slot is. */
  #carriedRow(target: TargetRow, nextDueMs: number | null): TargetRow {
    const carrier = this.#store.targets
      .ofPartner(target.credential_key)
      .find(({ controller }) => controller === target.controller);
    const there = carrier !== undefined && isThere(carrier) ? carrier : null;
    return {
      ...cleared(target),
      state: there?.state ?? (carrier === undefined ? 'scheduled' : 'writing'),
      verified_at: there?.verified_at ?? null,
      announced: there === null ? ANNOUNCED.nothing : target.announced,
      due_at: nextDueMs,
    };
  }

  #codesBeside(row: CredentialForSlot, credential: CredentialFacts, target: TargetRow): CredentialFacts[] {
    const isBoth = credential.doors.some(({ factors }) => factors === 'card_and_code');
    if (credential.method !== 'card' || !isBoth || row.user_key === null) return [];
    const codes = this.#store.targets
      .besides(row.user_key, row.credential_key, target.controller)
      .flatMap(({ credential_key: key }) => {
        const other = this.#store.credentials.forSlot(key);
        const facts = other?.access_method === 'code' ? this.#factsOf(other, this.#soundPathsOf(other)) : null;
        return facts?.doors.some(({ factors }) => factors === 'card_and_code') === true ? [facts] : [];
      });
    const isInUse = (code: CredentialFacts): number => (code.credentialKey === target.partner_key ? 0 : 1);
    return codes.sort((a, b) => isInUse(a) - isInUse(b));
  }

  #factsOf(row: CredentialForSlot, paths: readonly PathTo[]): CredentialFacts {
    return {
      credentialKey: row.credential_key,
      // A phone has no place at a controller, and so no row that would come here.
      method: row.access_method === 'code' ? 'code' : 'card',
      window: { startsAtMs: row.starts_at, endsAtMs: row.ends_at },
      isOneTimeUse: row.uses_left === 1,
      isCounted: row.uses_left > 1,
      isUsed: row.used_at !== null,
      user:
        row.acs_user_id === null
          ? null
          : {
              isSuspended: row.user_is_suspended === 1,
              window: { startsAtMs: row.user_starts_at, endsAtMs: row.user_ends_at },
            },
      doors: this.#doorsOf(paths),
      schedule: row.schedule_key === null ? null : this.#scheduleOf(row.schedule_key),
    };
  }

  #scheduleOf(scheduleKey: number): NonNullable<CredentialFacts['schedule']> {
    const [head] = this.#store.zones.chain(this.#controller.name, scheduleKey);
    return { scheduleKey, zone: head?.zone ?? null };
  }

  #doorsOf(paths: readonly PathTo[]): DoorFacts[] {
    const byEntrance = new Map<number, PathFacts[]>();
    for (const { entranceKey, path } of paths) {
      const schedule = path.schedule === null ? null : this.#scheduleOf(path.schedule.scheduleKey);
      const known = byEntrance.get(entranceKey) ?? [];
      byEntrance.set(entranceKey, [...known, { window: path.window, schedule }]);
    }
    return [...byEntrance].flatMap(([key, to]) => {
      const door = this.#doorAt(key);
      return door === null ? [] : [{ ...door, paths: to }];
    });
  }

  /**
   * Its paths to doors of this controller. Of those that come from its user, one that was not written by us takes
   * nothing from the others.
   */
  #soundPathsOf(row: CredentialForSlot): PathTo[] {
    const paths = this.#store.reach.pathsTo(row, this.#entranceKeys);
    const sound = row.has_own_entrances === 1 ? [] : paths.filter(({ path }) => this.#store.seals.holdsPath(path));
    return sound.length > 0 ? sound : paths;
  }

  #doorAt(entranceKey: number): DoorFacts | null {
    const entrance = this.#site.byKey(entranceKey);
    if (entrance?.decidedBy !== 'controller' || entrance.controller !== this.#controller.name) return null;
    return entrance.door === null ? null : { door: entrance.door, factors: entrance.factors };
  }
}

const STAGE_EVENTS = {
  [ANNOUNCED.scheduled]: 'access_code.scheduled_on_device',
  [ANNOUNCED.set]: 'access_code.set_on_device',
} as const;

export const isThere = (target: TargetRow): boolean => target.state === 'set' || target.state === 'unconfirmed';

/**
 * Its slot is wanted by somebody else before its start. Nobody is let in by it meanwhile, so that it waits behind every
 * other erasure, and no alarm watches it.
 */
const givingWay = (target: TargetRow, startsAtMs: number | null): TargetRow => ({
  ...target,
  ...(target.state === 'removing' ? {} : { attempts: 0, error_type: null, error_message: null }),
  state: 'removing',
  due_at: startsAtMs,
  waits: WAITS.erasure,
  urgent_at: startsAtMs,
  erase_since: null,
  erase_reason: null,
  is_overdue: 0,
  partner_key: null,
});

const failureOf = (target: TargetRow): Pick<TargetRow, 'attempts' | 'error_type' | 'error_message'> => ({
  attempts: target.attempts,
  error_type: target.error_type,
  error_message: target.error_message,
});
