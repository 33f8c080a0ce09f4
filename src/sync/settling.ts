// What became of a write, into the store: facts first, then what is said of it, and what is tried again.

import type { SlotContent, SlotReading } from '../domain/ports.ts';
import type { ChangesTogether } from '../store/target-changes.ts';
import { AT_ONCE, emptied, WAITS, type TargetRow, type Waits } from '../store/target-row.ts';
import type { Sources } from './content.ts';
import { certainInstant, type Desired } from './desired.ts';
import { FAILURES_SAID } from './erasing.ts';
import { disown } from './foreign.ts';
import { judgeRow, setAside, type Post, type StepResult } from './post.ts';

export type Wanted = { target: TargetRow; desired: Desired & { kind: 'present' }; hash: Buffer; sources: Sources };
/** `claimed`: the row as it stands in the store since it was claimed; null: it was not. */
export type Ready = Omit<Wanted, 'sources'> & {
  slot: number;
  isFresh: boolean;
  content: SlotContent;
  image: Buffer;
  claimed: TargetRow | null;
};
export type Refusal = { type: string; message: string };
export type Verdict = { ready: Ready } & (
  | { result: 'verified' }
  /** `why`: the write was never answered; null: it was acknowledged. */
  | { result: 'differs'; why: string | null }
  | { result: 'unknown'; why: string }
  /** `isCleared`: nothing of an earlier content is left in the slot. */
  | { result: 'refused'; refusal: Refusal; isCleared: boolean }
  /** Refused, for somebody filled the slot at the device since it was last seen empty. */
  | { result: 'foreign'; reading: SlotReading }
);

export type Done = { verdicts: readonly Verdict[]; problem: string; isAlone: boolean };
/** `together`: rows that hold what they should by now, for which nothing but that is to be stored. */
export type Tally = { unknown: number; cleared: number; together: ChangesTogether };

const DIFFERS = 'The controller acknowledges the write, and holds something else.';

/** Inside a transaction. `isAlone`: the step was about this one row. */
export function settle(post: Post, verdict: Verdict, isAlone: boolean, tally: Tally): void {
  const { ready } = verdict;
  // Whatever else may have become of it reads and touches other rows, which must stand as they are by then.
  if (verdict.result !== 'verified') tally.together.flush();
  post.hindrances.clear(ready.target.target_key);
  const target = standing(post, ready);
  if (target === undefined) return;
  noteHindrance(post, verdict);
  if (verdict.result === 'verified') noteVerified(post, target, ready, tally.together);
  else if (verdict.result === 'differs') noteDiffers(post, { ...target, slot: ready.slot }, verdict.why ?? DIFFERS);
  else if (verdict.result === 'refused') {
    const isSlotFree = noteRefused(post, { ...target, slot: ready.slot }, verdict.refusal, verdict.isCleared);
    if (isSlotFree && !ready.isFresh) tally.cleared += 1;
  } else if (verdict.result === 'foreign') disown(post, target, verdict.reading);
  else {
    tally.unknown += 1;
    if (isAlone) setAside(post, target);
  }
}

/**
 * The row as it stands by now; undefined: it is gone. Whoever else changes a row makes it due at once, so that one which
 * waits as it did is what it was claimed as.
 */
function standing({ store }: Post, { target, claimed }: Ready): TargetRow | undefined {
  const now = claimed === null ? undefined : store.targets.waitsOf(target.target_key);
  const isAsClaimed = now !== undefined && now.waits === claimed?.waits && now.due_at === claimed.due_at;
  return isAsClaimed && now.due_at !== AT_ONCE ? claimed : store.targets.byKey(target.target_key);
}

function noteHindrance({ hindrances }: Post, verdict: Verdict): void {
  const key = verdict.ready.target.target_key;
  if (verdict.result === 'unknown') hindrances.note(key, verdict.why);
  else if (verdict.result === 'differs') hindrances.note(key, verdict.why ?? DIFFERS);
}

export function resultOf({ verdicts, problem, isAlone }: Done, { unknown }: Tally): StepResult {
  const isRepeat = isAlone && verdicts.every((verdict) => verdict.ready.target.attempts > 0);
  const first = verdicts.find((verdict) => verdict.result === 'unknown');
  return { asked: verdicts.length, unknown, problem: unknown === 0 ? null : (first?.why ?? problem), isRepeat };
}

/**
 * Facts first, then judged anew where a command or the clock may have changed what is wanted while the write was on its
 * way.
 */
function noteVerified(post: Post, target: TargetRow, ready: Ready, together: ChangesTogether): void {
  const { store, controller, clock, judge, announcer } = post;
  const row: TargetRow = {
    ...target,
    slot: ready.slot,
    written_hash: ready.hash,
    read_hash: store.secrets.imageHash(ready.image),
    verified_at: controller.slots.readBack === 'full' ? clock.nowMs() : null,
    error_type: null,
    error_message: null,
    attempts: 0,
    waits: null,
    urgent_at: null,
    state: target.state === 'failed' ? 'writing' : target.state,
  };
  if (isStillTrue(post, target, ready.desired)) {
    const judged = { desired: ready.desired, hash: ready.hash, isConcerned: true };
    judge.apply(row, judged, clock.nowMs(), announcer, target, together);
    return;
  }
  together.flush();
  judgeRow(post, row, target);
}

/** Neither a command nor the clock has touched the row since it was judged. */
export function isStillTrue(post: Post, target: Waits, { nextDueMs }: Desired): boolean {
  const instant = certainInstant(post.time());
  const isDue = nextDueMs !== null && instant !== null && instant >= nextDueMs;
  return target.waits === WAITS.write && target.due_at !== AT_ONCE && !isDue;
}

function noteDiffers(post: Post, target: TargetRow, why: string): void {
  const attempts = target.attempts + 1;
  const isSaid = attempts >= FAILURES_SAID;
  const failed: TargetRow = {
    ...target,
    attempts,
    waits: target.state === 'removing' ? target.waits : null,
    ...(isSaid && target.state !== 'removing'
      ? {
          state: 'failed',
          error_type: 'failed_to_set_on_device',
          error_message: why,
        }
      : {}),
  };
  post.store.targets.update(failed);
  if (failed.state === 'failed' && target.state !== 'failed')
    post.announcer.add('access_code.failed_to_set_on_device', failed, post.clock.nowMs());
  post.retries.add(target.target_key, attempts);
}

/** True when the slot is free again. */
function noteRefused(post: Post, target: TargetRow & { slot: number }, refusal: Refusal, isCleared: boolean): boolean {
  const { store, map, clock } = post;
  if (target.due_at === AT_ONCE || target.state === 'removing') {
    // Changed while it was on its way: what is wanted now decides, and what the slot holds is read first.
    store.targets.update(target);
    return false;
  }
  if (!isCleared) {
    failUncleared(post, target, refusal);
    return false;
  }
  store.targets.noteFreed(target.controller, target.slot, target.acs_credential_id, clock.nowMs());
  map.release(target.slot);
  fail(post, { ...emptied(target), waits: null }, refusal);
  return true;
}

/** Refused, and the slot still holds something that nobody wants any more: its erasure is owed. */
export function failUncleared(post: Post, target: TargetRow, refusal: Refusal): void {
  const owed = {
    waits: WAITS.erasure,
    urgent_at: 0,
    erase_since: target.erase_since ?? post.clock.nowMs(),
    erase_reason: target.erase_reason ?? 'revoked',
  } as const;
  fail(post, { ...target, ...owed, written_hash: null }, refusal);
}

/** Said once, until it works or the credential changes. */
export function fail(post: Post, target: TargetRow, refusal: Refusal): void {
  const attempts = target.attempts + 1;
  const isRetried = refusal.type === 'failed_to_set_on_device';
  const failed: TargetRow = {
    ...target,
    state: 'failed',
    error_type: refusal.type,
    error_message: refusal.message,
    attempts,
    waits: target.waits === WAITS.erasure ? target.waits : null,
  };
  post.store.targets.update(failed);
  if (target.state !== 'failed' || target.error_type !== refusal.type)
    post.announcer.add('access_code.failed_to_set_on_device', failed, post.clock.nowMs());
  if (isRetried) post.retries.add(target.target_key, attempts);
}
