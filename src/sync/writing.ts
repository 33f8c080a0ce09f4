// Writes: a slot is owned, durably, before anything is sent to it; then written in one go, read back, compared. Equal contents are skipped, what is in doubt is read
// first, a refused content does not leave the old one behind.

import type { SlotContent, SlotOutcome, SlotReading, SlotRefusal } from '../domain/ports.ts';
import { OperatingError } from '../domain/errors.ts';
import { AT_ONCE, WAITS, type TargetRow } from '../store/targets.ts';
import { openContent } from './content.ts';
import { certainInstant, type Desired } from './desired.ts';
import { FAILURES_SAID, makeRoom } from './erasing.ts';
import type { Pace } from './pace.ts';
import { plan } from './plan.ts';
import {
  canRead, eraseSlots, FINE, inSlices, judgeRow, readsEmpty, readSlots, setAside, writeSlots, type Post, type StepResult,
} from './post.ts'; // prettier-ignore
import { WAITING } from './zones.ts';

type Wanted = { target: TargetRow; desired: Desired & { kind: 'present' }; hash: Buffer };
type Ready = Wanted & { slot: number; readFirst: boolean; isFresh: boolean; content: SlotContent; image: Buffer };
type Refusal = { type: string; message: string };
type Verdict = { ready: Ready } & (
  | { result: 'verified' }
  | { result: 'differs' }
  | { result: 'unknown' }
  /** `isCleared`: nothing of an earlier content is left in the slot. */
  | { result: 'refused'; refusal: Refusal; isCleared: boolean }
  /** Refused, for somebody filled the slot at the device since it was last seen empty. */
  | { result: 'foreign'; reading: SlotReading }
);

export type WriteOptions = { pace: Pace; isEmptinessFresh: boolean };

/** The store works on one part of a step while the wire carries another. */
const PARTS_PER_STEP = 8;

/** One step over rows that wait for a write, the most urgent first. */
export async function writeStep(post: Post, waiting: readonly TargetRow[], options: WriteOptions): Promise<StepResult> {
  if (waiting.some(({ slot }) => slot === null)) await post.drainEvents();
  const parts = inParts(waiting, post.controller.slots.slotsPerWrite);
  let result = FINE;
  const [first = [], ...left] = parts;
  let prepared = await prepare(post, first, options);
  let wire: Promise<Verdict[]> | null = carry(post, prepared, options.pace);
  while (wire !== null) {
    const part = left.shift();
    const next = part === undefined ? null : await prepare(post, part, options);
    const verdicts: Verdict[] = await wire;
    const { problem } = prepared;
    // A controller that answers nothing is left alone: what is claimed already is in doubt, and read first the next time.
    wire = next === null || isAllUnknown(verdicts) ? null : carry(post, next, options.pace);
    result = added(result, await settle(post, verdicts, problem, parts.length === 1 && verdicts.length === 1));
    prepared = next ?? prepared;
  }
  return result;
}

/** Whole transfers, so that no part costs the wire a frame more. */
function inParts(waiting: readonly TargetRow[], perTransfer: number): TargetRow[][] {
  const transfers = Math.ceil(waiting.length / perTransfer);
  const size = Math.ceil(transfers / PARTS_PER_STEP) * perTransfer;
  return Array.from({ length: Math.ceil(waiting.length / size) }, (_, i) => waiting.slice(i * size, (i + 1) * size));
}

type Prepared = { claimed: Ready[]; verdicts: Verdict[]; problem: string };

/** All that the store has to do before the wire: what is still wanted, a slot for each, and the slots owned. */
async function prepare(post: Post, waiting: readonly TargetRow[], options: WriteOptions): Promise<Prepared> {
  const wanted = await stillWanted(post, waiting);
  const ready = await placeAll(post, wanted, options.isEmptinessFresh);
  const looked = await lookFirst(post, ready);
  if (typeof looked === 'string') return { claimed: [], verdicts: ready.map(unread), problem: looked };
  const claimed = await claim(post, looked.toWrite);
  return { claimed, verdicts: looked.verified, problem: 'no write could be confirmed' };
}

function carry(post: Post, { claimed, verdicts }: Prepared, pace: Pace): Promise<Verdict[]> {
  // What a command or the clock has changed since it was claimed, while the wire carried the part before, is not sent any more.
  const current = claimed.filter(({ target, desired }) => {
    const row = post.store.targets.byKey(target.target_key);
    return row !== undefined && isStillTrue(post, row, desired);
  });
  if (current.length === 0) return Promise.resolve(verdicts);
  const work = pace.measure(current.length, () => write(post, current));
  const carried = work.then((written) => [...verdicts, ...written]);
  // Whoever is told to stop while the store works on the next part does not come to await it.
  carried.catch(() => undefined);
  return carried;
}

const unread = (ready: Ready): Verdict => ({ ready, result: 'unknown' });

const isAllUnknown = (verdicts: readonly Verdict[]): boolean =>
  verdicts.length > 0 && verdicts.every(({ result }) => result === 'unknown');

const added = (a: StepResult, b: StepResult): StepResult => ({
  asked: a.asked + b.asked,
  unknown: a.unknown + b.unknown,
  problem: a.problem ?? b.problem,
  isRepeat: b.isRepeat,
});

async function stillWanted(post: Post, waiting: readonly TargetRow[]): Promise<Wanted[]> {
  const { store, judge } = post;
  const wanted: Wanted[] = [];
  await inSlices(post, waiting, ({ target_key: key }) => {
    const target = store.targets.byKey(key);
    if (target?.waits !== WAITS.write) return;
    const judged = judge.judge(target, post.time());
    if (judged.desired.kind !== 'present' || judged.hash === null || judge.isSettled(target, judged)) {
      judgeRow(post, target);
      return;
    }
    if (waitsForCode(post, target, judged.desired) || waitsForZone(post, target, judged.desired)) return;
    wanted.push({ target, desired: judged.desired, hash: judged.hash });
  });
  return wanted;
}

/** A table that takes each code once: whoever has it now goes first. */
function waitsForCode(post: Post, target: TargetRow, { outline, nextDueMs }: Desired & { kind: 'present' }): boolean {
  if (post.controller.slots.duplicatePins !== 'reject' || outline.codeOf === null) return false;
  const hash = post.store.credentials.byKey(outline.codeOf)?.code_hash;
  const holder = hash == null ? undefined : post.store.targets.holderOfCode(target.controller, hash, outline.codeOf);
  if (holder === undefined || holder.target_key === target.target_key) return false;
  // One that stays is no matter of waiting: the controller will refuse, and that is said.
  const isGoing = holder.waits === WAITS.erasure || holder.state === 'removing';
  if (!isGoing && (holder.due_at === null || holder.due_at === AT_ONCE)) return false;
  const state = target.state === 'failed' ? 'failed' : 'scheduled';
  const due = isGoing || holder.due_at === null ? nextDueMs : Math.min(holder.due_at, nextDueMs ?? Infinity);
  post.store.targets.update({ ...target, state, waits: null, due_at: due });
  if (isGoing) post.retries.add(target.target_key, FAILURES_SAID);
  return true;
}

/** A slot is not written before the time zone that it names: until then it might open at all times. */
function waitsForZone(post: Post, target: TargetRow, { outline }: Desired & { kind: 'present' }): boolean {
  if (outline.zone === null) return false;
  const problem = post.zones.problemOf(post, outline.zone);
  if (problem === null) return false;
  if (problem !== WAITING) {
    const refusal: Refusal = { type: 'failed_to_set_on_device', message: problem };
    if (target.slot === null) fail(post, target, refusal);
    else failUncleared(post, target, refusal);
  }
  return true;
}

// ---- a slot for each -----------------------------------------------------------------------------------------------------------------------------

async function placeAll(post: Post, wanted: readonly Wanted[], isEmptinessFresh: boolean): Promise<Ready[]> {
  const byKey = new Map(wanted.map((item) => [item.target.target_key, item]));
  const steps = plan({
    rows: wanted.map(({ target, hash }) => ({
      targetKey: target.target_key,
      wants: 'content' as const,
      slot: target.slot,
      isDoubtful: target.slot !== null && target.read_hash === null,
      isWritten: target.written_hash?.equals(hash) === true,
      urgentAtMs: target.urgent_at ?? 0,
    })),
    freeSlots: post.map.lowestFree(wanted.length),
    canRead: canRead(post),
    isEmptinessFresh,
  });
  const ready: Ready[] = [];
  await inSlices(post, steps, (step) => {
    const item = byKey.get(step.targetKey);
    if (item === undefined) return;
    if (step.slot === null) fail(post, item.target, NO_SPACE);
    else {
      const encoded = encode(post, step.slot, item);
      if (encoded !== null)
        ready.push({
          ...item,
          ...encoded,
          slot: step.slot,
          readFirst: step.readFirst,
          isFresh: item.target.slot === null,
        });
    }
  });
  return ready;
}

const NO_SPACE: Refusal = {
  type: 'no_space_for_access_code_on_device',
  message: 'Every slot of the controller is taken. It is written as soon as one is free.',
};

/** The content in the clear and its image; null, and the row failed, when the device cannot hold it. */
function encode(post: Post, slot: number, { target, desired }: Wanted): { content: SlotContent; image: Buffer } | null {
  try {
    const content = openContent(post.store, desired.outline);
    return { content, image: post.slots.image(slot, content) };
  } catch (error) {
    if (!(error instanceof OperatingError)) throw error;
    const refusal = { type: error.type, message: error.message };
    if (target.slot === null) fail(post, target, refusal);
    else failUncleared(post, target, refusal);
    return null;
  }
}

/** Reads what is in doubt: what is right already needs no write, and a free slot that somebody filled meanwhile is theirs. */
async function lookFirst(
  post: Post,
  ready: readonly Ready[],
): Promise<{ toWrite: Ready[]; verified: Verdict[] } | string> {
  const { controller } = post;
  const readings = await readSlots(
    post,
    ready.filter((item) => item.readFirst).map(({ slot }) => slot),
  );
  if (typeof readings === 'string') return readings;
  const toWrite: Ready[] = [];
  const verified: Verdict[] = [];
  const foreign: SlotReading[] = [];
  for (const item of ready) {
    const reading = readings.get(item.slot);
    const isOthers = item.isFresh && reading !== undefined && !readsEmpty(post, reading);
    if (isOthers && controller.foreignSlots === 'report') foreign.push(reading);
    // What reads right may still hide another code where the device masks it: only a full reading spares the write.
    else if (!item.isFresh && controller.slots.readBack === 'full' && reading?.image.equals(item.image) === true)
      verified.push({ ready: item, result: 'verified' });
    else toWrite.push(item);
  }
  await inSlices(post, foreign, (reading) => noteForeign(post, reading));
  return { toWrite, verified };
}

/** Inside a transaction: somebody else's from here on, and never touched. */
export function noteForeign(post: Post, reading: SlotReading): void {
  const { store, controller, clock } = post;
  store.targets.noteForeign(controller.name, reading.slot, store.secrets.imageHash(reading.image), clock.nowMs());
  post.map.take(reading.slot);
}

/** Inside a transaction: the row gives up a slot that is not its own, and waits for another. */
export function disown(post: Post, target: TargetRow, reading: SlotReading): void {
  noteForeign(post, reading);
  const free = { slot: null, written_hash: null, read_hash: null, verified_at: null, partner_key: null, zone: null };
  judgeRow(post, { ...target, ...free });
}

// ---- durable, then the wire ------------------------------------------------------------------------------------------------------------------------

/** From here on the row owns the slot and nobody knows what it holds. Leaves out what a command touched since it was judged. */
async function claim(post: Post, ready: readonly Ready[]): Promise<Ready[]> {
  const { store, map } = post;
  const current = (item: Ready): TargetRow | null => {
    const row = store.targets.byKey(item.target.target_key);
    const isSame = row?.waits === WAITS.write && row.due_at !== AT_ONCE && row.slot === item.target.slot;
    return row !== undefined && isSame ? row : null;
  };
  const claimed: Ready[] = [];
  await inSlices(post, ready, (item) => {
    const row = current(item);
    if (row === null) return;
    const state = row.state === 'failed' ? 'failed' : 'writing';
    const { zone } = item.desired.outline;
    store.targets.change(row, { ...row, state, slot: item.slot, written_hash: item.hash, read_hash: null, zone });
    map.take(item.slot);
    claimed.push(item);
  });
  return claimed;
}

async function write(post: Post, ready: readonly Ready[]): Promise<Verdict[]> {
  const answers = await writeSlots(
    post,
    ready.map(({ slot, content }) => ({ slot, content })),
  );
  const readings = canRead(post)
    ? await readSlots(
        post,
        ready.map(({ slot }) => slot),
      )
    : new Map<number, SlotReading>();
  const verdicts = ready.map((item) => {
    const reading = typeof readings === 'string' ? undefined : readings.get(item.slot);
    return verdictOf(post, item, answers.get(item.slot), reading);
  });
  return await clearRefused(post, verdicts);
}

function verdictOf(
  post: Post,
  ready: Ready,
  answer: SlotOutcome | undefined,
  reading: SlotReading | undefined,
): Verdict {
  if (answer?.outcome === 'refused') {
    const isOthers =
      ready.isFresh && reading !== undefined && !readsEmpty(post, reading) && !reading.image.equals(ready.image);
    if (isOthers && post.controller.foreignSlots === 'report') return { ready, result: 'foreign', reading };
    const isCleared = reading === undefined ? ready.isFresh && !canRead(post) : readsEmpty(post, reading);
    return {
      ready,
      result: 'refused',
      refusal: { type: ERROR_TYPES[answer.error], message: answer.message },
      isCleared,
    };
  }
  if (!canRead(post)) return { ready, result: answer?.outcome === 'written' ? 'verified' : 'unknown' };
  if (reading === undefined) return { ready, result: 'unknown' };
  if (!reading.image.equals(ready.image)) return { ready, result: 'differs' };
  // A masked record looks the same with another code in it: without an acknowledgement it proves nothing.
  const isProof = post.controller.slots.readBack === 'full' || answer?.outcome === 'written';
  return { ready, result: isProof ? 'verified' : 'unknown' };
}

const ERROR_TYPES: Readonly<Record<SlotRefusal, string>> = {
  full: 'no_space_for_access_code_on_device',
  duplicate: 'duplicate_access_code',
  bad_pin: 'code_constraints_violated',
  bad_card: 'not_supported',
  not_supported: 'not_supported',
  device_error: 'failed_to_set_on_device',
};

/** What a refused write was to replace is wanted no more: it goes at once, or somebody keeps an old code. */
async function clearRefused(post: Post, verdicts: readonly Verdict[]): Promise<Verdict[]> {
  const toClear = verdicts.flatMap((verdict) =>
    verdict.result === 'refused' && !verdict.isCleared ? [verdict.ready.slot] : [],
  );
  if (toClear.length === 0) return [...verdicts];
  const answers = await eraseSlots(post, toClear);
  const readings = canRead(post) ? await readSlots(post, toClear) : new Map<number, SlotReading>();
  return verdicts.map((verdict): Verdict => {
    if (verdict.result !== 'refused' || verdict.isCleared) return verdict;
    const { slot } = verdict.ready;
    if (!canRead(post)) return { ...verdict, isCleared: answers.get(slot)?.outcome === 'written' };
    const reading = typeof readings === 'string' ? undefined : readings.get(slot);
    return { ...verdict, isCleared: reading !== undefined && readsEmpty(post, reading) };
  });
}

// ---- what became of it -----------------------------------------------------------------------------------------------------------------------------

/** `isAlone`: the step was about this one row. */
async function settle(
  post: Post,
  verdicts: readonly Verdict[],
  problem: string,
  isAlone: boolean,
): Promise<StepResult> {
  let cleared = 0;
  let unknown = 0;
  await inSlices(post, verdicts, (verdict) => {
    const { ready } = verdict;
    const target = post.store.targets.byKey(ready.target.target_key);
    if (target === undefined) return;
    if (verdict.result === 'verified') noteVerified(post, target, ready);
    else if (verdict.result === 'differs') noteDiffers(post, { ...target, slot: ready.slot });
    else if (verdict.result === 'refused') {
      const isSlotFree = noteRefused(post, { ...target, slot: ready.slot }, verdict.refusal, verdict.isCleared);
      if (isSlotFree && !ready.isFresh) cleared += 1;
    } else if (verdict.result === 'foreign') disown(post, target, verdict.reading);
    else {
      unknown += 1;
      if (isAlone) setAside(post, target);
    }
  });
  if (cleared > 0) await makeRoom(post, cleared);
  const isRepeat = isAlone && verdicts.every((verdict) => verdict.ready.target.attempts > 0);
  return { asked: verdicts.length, unknown, problem: unknown === 0 ? null : problem, isRepeat };
}

/** Facts first, then judged anew where a command or the clock may have changed what is wanted while the write was on its way. */
function noteVerified(post: Post, target: TargetRow, ready: Ready): void {
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
  if (isStillTrue(post, target, ready.desired))
    judge.apply(row, { desired: ready.desired, hash: ready.hash, isConcerned: true }, clock.nowMs(), announcer, target);
  else judgeRow(post, row, target);
}

/** Neither a command nor the clock has touched the row since it was judged. */
function isStillTrue(post: Post, target: TargetRow, { nextDueMs }: Desired): boolean {
  const instant = certainInstant(post.time());
  const isDue = nextDueMs !== null && instant !== null && instant >= nextDueMs;
  return target.waits === WAITS.write && target.due_at !== AT_ONCE && !isDue;
}

function noteDiffers(post: Post, target: TargetRow): void {
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
          error_message: 'The controller acknowledges the write, and holds something else.',
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
  fail(
    post,
    {
      ...target,
      slot: null,
      written_hash: null,
      read_hash: null,
      verified_at: null,
      partner_key: null,
      zone: null,
      waits: null,
    },
    refusal,
  );
  return true;
}

/** Refused, and the slot still holds something that nobody wants any more: its erasure is owed. */
function failUncleared(post: Post, target: TargetRow, refusal: Refusal): void {
  const owed = {
    waits: WAITS.erasure,
    urgent_at: 0,
    erase_since: post.clock.nowMs(),
    erase_reason: 'revoked',
  } as const;
  fail(post, { ...target, ...owed, written_hash: null }, refusal);
}

/** Said once, until it works or the credential changes. */
function fail(post: Post, target: TargetRow, refusal: Refusal): void {
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
