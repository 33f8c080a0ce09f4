// Erasures, ahead of every write: the slot stays owned until it was read empty. A controller that cannot be read is
// believed when it acknowledges.

import type { SlotOutcome } from '../domain/ports.ts';
import { AT_ONCE, atRest, cleared, WAITS, type TargetRow } from '../store/target-row.ts';
import { certainInstant } from './desired.ts';
import { giveWaiting } from './making-way.ts';
import type { Pace } from './pace.ts';
import {
  canRead,
  eraseSlots,
  FINE,
  inSlices,
  judgeRow,
  readsEmpty,
  readSlots,
  setAside,
  type Post,
  type StepResult,
} from './post.ts';

/** From this many failures on, a row that is acknowledged but does not change is called failed. */
export const FAILURES_SAID = 3;

/** Of what is due, for an erasure that may come of it. */
const DUE_LOOKED_AT = 64;

/** An erasure waits, or what a command or the clock has changed may turn out to be one. */
export function isErasureAhead({ store, controller, time }: Post): boolean {
  const { targets } = store;
  const isWaiting = targets.queue(controller.name, WAITS.erasure, 1).length > 0;
  return isWaiting || targets.isOwnerDue(controller.name, certainInstant(time()) ?? 0, DUE_LOOKED_AT);
}

type Held = TargetRow & { slot: number };
type Verdict = { target: Held } & (
  | { result: 'erased' }
  /** `refusal`: the controller said no; `why`: nor did it answer at all. */
  | { result: 'kept'; refusal: string | null; why: string | null }
  | { result: 'unknown'; why: string }
);

const NO_SPACE = 'no_space_for_access_code_on_device';

/** One step over rows that wait for erasure, the longest waiting first. */
export async function eraseStep(post: Post, waiting: readonly TargetRow[], pace: Pace): Promise<StepResult> {
  await post.drainEvents();
  const chosen = await stillToErase(post, waiting);
  if (chosen.length === 0) return FINE;
  const doubtful = canRead(post) ? chosen.filter(({ read_hash }) => read_hash === null) : [];
  const known = await readSlots(
    post,
    doubtful.map(({ slot }) => slot),
  );
  if (typeof known === 'string')
    return await settle(
      post,
      chosen.map((target) => ({ target, result: 'unknown', why: known })),
    );
  const isEmptyAlready = (target: Held): boolean => {
    const reading = known.get(target.slot);
    return reading !== undefined && readsEmpty(post, reading);
  };
  const claimed = await claim(
    post,
    chosen.filter((target) => !isEmptyAlready(target)),
  );
  const verdicts = await pace.measure(claimed.length, () => erase(post, claimed));
  const done = chosen.filter(isEmptyAlready).map((target): Verdict => ({ target, result: 'erased' }));
  return await settle(post, [...done, ...verdicts]);
}

/** Judges anew what waits: somebody may have been let in again. A refused content is cleared whatever is wanted. */
async function stillToErase(post: Post, waiting: readonly TargetRow[]): Promise<Held[]> {
  const chosen: Held[] = [];
  await inSlices(post, waiting, ({ target_key: key }) => {
    const target = post.store.targets.byKey(key);
    if (target === undefined) return;
    const now = target.state === 'failed' ? target : judgeRow(post, target);
    if (now !== null && now.waits === WAITS.erasure && now.slot !== null) chosen.push({ ...now, slot: now.slot });
  });
  return chosen;
}

/** Durable before the wire: from here on nobody knows what these slots hold. Leaves out what was touched since. */
async function claim(post: Post, rows: readonly Held[]): Promise<Held[]> {
  const { targets } = post.store;
  await inSlices(post, rows, (row) => {
    const current = targets.byKey(row.target_key);
    if (current !== undefined) targets.update({ ...current, written_hash: null, read_hash: null });
  });
  return rows.filter((row) => {
    const current = targets.byKey(row.target_key);
    return current?.waits === WAITS.erasure && current.due_at !== AT_ONCE;
  });
}

async function erase(post: Post, rows: readonly Held[]): Promise<Verdict[]> {
  if (rows.length === 0) return [];
  const slots = rows.map(({ slot }) => slot);
  const answers = await eraseSlots(post, slots);
  const readings = canRead(post) ? await readSlots(post, slots) : new Map<number, never>();
  return rows.map((target): Verdict => {
    const answer = answers.get(target.slot);
    if (!canRead(post)) return believed(target, answer);
    const reading = typeof readings === 'string' ? undefined : readings.get(target.slot);
    if (reading === undefined)
      return { target, result: 'unknown', why: typeof readings === 'string' ? readings : NOT_CONFIRMED };
    if (readsEmpty(post, reading)) return { target, result: 'erased' };
    const refusal = answer?.outcome === 'refused' ? answer.message : null;
    return { target, result: 'kept', refusal, why: answer?.outcome === 'unknown' ? answer.message : null };
  });
}

const NOT_CONFIRMED = 'no erasure could be confirmed';

function believed(target: Held, answer: SlotOutcome | undefined): Verdict {
  if (answer?.outcome === 'written') return { target, result: 'erased' };
  if (answer?.outcome === 'refused') return { target, result: 'kept', refusal: answer.message, why: null };
  return { target, result: 'unknown', why: answer?.message ?? NOT_CONFIRMED };
}

async function settle(post: Post, verdicts: readonly Verdict[]): Promise<StepResult> {
  let freed = 0;
  let unknown = 0;
  let problem: string | null = null;
  await inSlices(post, verdicts, (verdict) => {
    const key = verdict.target.target_key;
    const target = post.store.targets.byKey(key);
    post.hindrances.clear(key);
    if (target?.slot !== verdict.target.slot) return;
    if (verdict.result === 'unknown') {
      unknown += 1;
      problem ??= verdict.why;
      post.hindrances.note(key, verdict.why);
      if (verdicts.length === 1) setAside(post, target);
    } else if (verdict.result === 'kept') noteKept(post, target, verdict.refusal, verdict.why);
    else {
      freeSlot(post, { ...target, slot: verdict.target.slot });
      freed += 1;
    }
  });
  if (freed > 0) await makeRoom(post, freed);
  const isRepeat = verdicts.length === 1 && verdicts.every((verdict) => verdict.target.attempts > 0);
  return { asked: verdicts.length, unknown, problem, isRepeat };
}

/** Inside a transaction: the slot was read empty, and is nobody's from here on. */
export function freeSlot(post: Post, target: Held): void {
  const { store, announcer, map } = post;
  const nowMs = post.clock.nowMs();
  const wasRefused = target.state === 'failed';
  const wasThere = target.announced > 0 || target.verified_at !== null;
  if (wasThere && !wasRefused) announcer.add('access_code.removed_from_device', target, nowMs);
  store.targets.noteFreed(target.controller, target.slot, target.acs_credential_id, nowMs);
  const freed = wasRefused ? atRest(target) : cleared(target);
  // What was refused for good stays failed until the credential changes; anything else is judged without its slot.
  if (wasRefused && target.due_at !== AT_ONCE) store.targets.update(freed);
  else judgeRow(post, freed);
  map.release(target.slot);
}

/** Acknowledged, refused or unanswered, and still there. */
function noteKept(post: Post, target: TargetRow, refusal: string | null, why: string | null): void {
  const attempts = target.attempts + 1;
  const isSaid = refusal === null ? attempts === FAILURES_SAID : attempts === 1;
  const failed: TargetRow = {
    ...target,
    attempts,
    waits: null,
    ...(target.state === 'failed'
      ? {}
      : {
          error_type: 'failed_to_remove_from_device',
          error_message: refusal ?? why ?? 'The controller acknowledges the erasure, and still holds it.',
        }),
  };
  post.store.targets.update(failed);
  if (isSaid && target.state !== 'failed')
    post.announcer.add('access_code.failed_to_remove_from_device', failed, post.clock.nowMs());
  post.retries.add(target.target_key, attempts);
}

/** What found no room, or met its own code under another name, is judged again. */
export async function makeRoom(post: Post, freed: number): Promise<void> {
  const { store, controller } = post;
  await inSlices(post, [null], () => {
    store.targets.touchFailed(controller.name, NO_SPACE, giveWaiting(post, freed));
    store.targets.touchFailed(controller.name, 'duplicate_access_code', freed);
  });
}
