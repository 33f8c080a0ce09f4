// Writes: a slot is owned, durably, before anything is sent to it; then written in one go, read back, compared. Equal
// contents are skipped, what is in doubt is read first, a refused content does not leave the old one behind.

import type { SlotContent, SlotOutcome, SlotReading, SlotRefusal } from '../domain/ports.ts';
import { OperatingError } from '../domain/errors.ts';
import { AT_ONCE, WAITS, type TargetRow, type Waiting, type Waits } from '../store/targets.ts';
import { openContent, outlineHash, sourcesOf, type Sources } from './content.ts';
import { certainInstant, type Desired } from './desired.ts';
import { FAILURES_SAID, makeRoom } from './erasing.ts';
import { disown, noteForeign } from './foreign.ts';
import { makeWay, type Slotless } from './making-way.ts';
import type { Pace } from './pace.ts';
import { plan, type PlanRow, type Step } from './plan.ts';
import {
  canRead, eraseSlots, FINE, inSlices, judgeRow, readsEmpty, readSlots, setAside, writeSlots, type Post, type StepResult,
} from './post.ts'; // prettier-ignore
import { WAITING } from './zones.ts';

type Wanted = { target: TargetRow; desired: Desired & { kind: 'present' }; hash: Buffer; sources: Sources };
/** `claimed`: the row as it stands in the store since it was claimed; null: it was not. */
type Ready = Omit<Wanted, 'sources'> & {
  slot: number;
  isFresh: boolean;
  content: SlotContent;
  image: Buffer;
  claimed: TargetRow | null;
};
type Refusal = { type: string; message: string };
type Verdict = { ready: Ready } & (
  | { result: 'verified' }
  /** `why`: the write was never answered; null: it was acknowledged. */
  | { result: 'differs'; why: string | null }
  | { result: 'unknown'; why: string }
  /** `isCleared`: nothing of an earlier content is left in the slot. */
  | { result: 'refused'; refusal: Refusal; isCleared: boolean }
  /** Refused, for somebody filled the slot at the device since it was last seen empty. */
  | { result: 'foreign'; reading: SlotReading }
);

export type WriteOptions = {
  pace: Pace;
  isEmptinessFresh: boolean;
  /** Something waits that goes before any write. */
  isPressed: () => boolean;
  /** Rows behind this one with which the step may go on; [] when it is somebody else's turn. */
  more: (behind: Waiting) => readonly Waiting[];
};

/** The store works on one part of a step while the wire carries another. */
const PARTS_PER_STEP = 8;

/**
 * One step over rows that wait for a write, the most urgent first. It goes on with those behind them for as long as it
 * may, for at its ends the wire waits for the store; what is more urgent than any write waits for two parts at most.
 */
export async function writeStep(post: Post, waiting: readonly Waiting[], options: WriteOptions): Promise<StepResult> {
  if (waiting.some(({ slot }) => slot === null)) await post.drainEvents();
  const inTransfers = (rows: readonly Waiting[]): Waiting[][] => inParts(rows, post.controller.slots.slotsPerWrite);
  const parts = inTransfers(waiting);
  const isOnePart = parts.length === 1;
  let last = waiting.at(-1);
  const nextPart = (): readonly Waiting[] => {
    if (options.isPressed()) return [];
    if (parts.length === 0 && last !== undefined) parts.push(...inTransfers(options.more(last)));
    last = parts.at(-1)?.at(-1);
    return parts.shift() ?? [];
  };
  let result = FINE;
  let carried = (await workOff(post, null, parts.shift() ?? [], options)).prepared;
  let wire = carry(post, carried, options.pace);
  let next = (await workOff(post, null, nextPart(), options)).prepared;
  for (;;) {
    const verdicts = await wire;
    const done = { verdicts, problem: carried.problem, isAlone: isOnePart && verdicts.length === 1 };
    // A controller that answers nothing is left alone: what is claimed already is in doubt, and read first the next
    // time.
    const goesOn = hasWork(next) && !isAllUnknown(verdicts);
    if (goesOn) wire = carry(post, next, options.pace);
    const { settled, prepared } = await workOff(post, done, goesOn ? nextPart() : [], options);
    result = added(result, settled);
    if (!goesOn) return result;
    carried = next;
    next = prepared;
  }
}

/** Whole transfers, so that no part costs the wire a frame more. */
function inParts(waiting: readonly Waiting[], perTransfer: number): Waiting[][] {
  const transfers = Math.ceil(waiting.length / perTransfer);
  const size = Math.ceil(transfers / PARTS_PER_STEP) * perTransfer;
  return Array.from({ length: Math.ceil(waiting.length / size) }, (_, i) => waiting.slice(i * size, (i + 1) * size));
}

type Done = { verdicts: readonly Verdict[]; problem: string; isAlone: boolean };
type Prepared = { claimed: Ready[]; verdicts: Verdict[]; problem: string };

const NOT_CONFIRMED = 'no write could be confirmed';
const DIFFERS = 'The controller acknowledges the write, and holds something else.';

const hasWork = ({ claimed, verdicts }: Prepared): boolean => claimed.length + verdicts.length > 0;

/**
 * All that the store has to do at a time, in one commit: what became of one part, and whatever another needs before the
 * wire.
 */
async function workOff(
  post: Post,
  done: Done | null,
  part: readonly Waiting[],
  options: WriteOptions,
): Promise<{ settled: StepResult; prepared: Prepared }> {
  const tally: Tally = { unknown: 0, cleared: 0 };
  const placed: Placed = { claimed: [], toRead: [], slotless: [], freeSlots: post.map.lowestFree(part.length) };
  const settling = (done?.verdicts ?? []).map((verdict) => () => settle(post, verdict, done?.isAlone === true, tally));
  const placing = part.map(
    ({ target_key: key }) =>
      () =>
        place(post, key, options, placed),
  );
  await inSlices(post, [...settling, ...placing], (work) => work());
  if (tally.cleared > 0) await makeRoom(post, tally.cleared);
  if (placed.slotless.length > 0) await makeWay(post, placed.slotless, (target) => fail(post, target, NO_SPACE));
  return { settled: done === null ? FINE : resultOf(done, tally), prepared: await prepare(post, placed) };
}

/** What is in doubt is read before it is claimed. */
async function prepare(post: Post, { claimed, toRead }: Placed): Promise<Prepared> {
  if (toRead.length === 0) return { claimed, verdicts: [], problem: NOT_CONFIRMED };
  const looked = await lookFirst(post, toRead);
  if (typeof looked === 'string')
    return {
      claimed: [],
      verdicts: [...claimed, ...toRead].map((ready) => unread(ready, looked)),
      problem: looked,
    };
  await inSlices(post, looked.toWrite, (item) => {
    const current = post.store.targets.byKey(item.target.target_key);
    if (current !== undefined && claim(post, current, item)) claimed.push(item);
  });
  return { claimed, verdicts: looked.verified, problem: NOT_CONFIRMED };
}

function carry(post: Post, { claimed, verdicts }: Prepared, pace: Pace): Promise<Verdict[]> {
  // What a command or the clock has changed since it was claimed, while the wire carried the part before, is not sent
  // any more.
  const rows = post.store.targets.waits(claimed.map(({ target }) => target.target_key));
  const current = claimed.filter(({ target, desired }) => {
    const row = rows.get(target.target_key);
    return row !== undefined && isStillTrue(post, row, desired);
  });
  if (current.length === 0) return Promise.resolve(verdicts);
  const work = pace.measure(current.length, () => write(post, current));
  const carried = work.then((written) => [...verdicts, ...written]);
  // Whoever is told to stop while the store works on the next part does not come to await it.
  carried.catch(() => undefined);
  return carried;
}

const unread = (ready: Ready, why: string): Verdict => ({ ready, result: 'unknown', why });

const isAllUnknown = (verdicts: readonly Verdict[]): boolean =>
  verdicts.length > 0 && verdicts.every(({ result }) => result === 'unknown');

const added = (a: StepResult, b: StepResult): StepResult => ({
  asked: a.asked + b.asked,
  unknown: a.unknown + b.unknown,
  problem: a.problem ?? b.problem,
  isRepeat: b.isRepeat,
});

// ---- a slot for each ------------------------------------------------------------------------------------------------

/** `freeSlots`: those that are left for the rest. */
type Placed = { claimed: Ready[]; toRead: Ready[]; slotless: Slotless[]; freeSlots: number[] };

/**
 * Inside a transaction: judges the row anew and finds its slot, which it owns from here on unless it must be read
 * first.
 */
function place(post: Post, targetKey: number, options: WriteOptions, placed: Placed): void {
  const target = post.store.targets.byKey(targetKey);
  // What a command has touched meanwhile is judged first, with all that is due.
  if (target?.waits !== WAITS.write || target.due_at === AT_ONCE) return;
  const wanted = stillWanted(post, target);
  if (wanted === null) return;
  const [free] = placed.freeSlots;
  const { slot, readFirst } = slotFor(post, wanted, free, options);
  if (slot === null) {
    const { startsAtMs, hasBegun } = wanted.desired;
    placed.slotless.push({ targetKey, startsAtMs: hasBegun ? null : startsAtMs });
    return;
  }
  const encoded = encode(post, slot, wanted);
  if (encoded === null) return;
  if (slot === free) placed.freeSlots.shift();
  const { desired, hash } = wanted;
  const isFresh = target.slot === null;
  const ready: Ready = { target, desired, hash, slot, isFresh, ...encoded, claimed: null };
  if (readFirst) placed.toRead.push(ready);
  else if (claim(post, target, ready)) placed.claimed.push(ready);
}

/** Null, and the row judged or waiting for something else, when it is not to be written now. */
function stillWanted(post: Post, target: TargetRow): Wanted | null {
  const { store, judge } = post;
  const judged = judge.judge(target, post.time());
  const { desired, own = null } = judged;
  if (desired.kind !== 'present' || judge.isSettled(target, judged)) {
    judge.apply(target, judged, post.clock.nowMs(), post.announcer, target);
    return null;
  }
  if (waitsForCode(post, target, desired) || waitsForZone(post, target, desired)) return null;
  const sources = sourcesOf(store, desired.outline, own);
  return { target, desired, sources, hash: outlineHash(store, desired.outline, sources) };
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

function slotFor(
  post: Post,
  { target, hash }: Wanted,
  free: number | undefined,
  { isEmptinessFresh }: WriteOptions,
): Pick<Step, 'slot' | 'readFirst'> {
  const row: PlanRow = {
    targetKey: target.target_key,
    wants: 'content',
    slot: target.slot,
    isDoubtful: target.slot !== null && target.read_hash === null,
    isWritten: target.written_hash?.equals(hash) === true,
    urgentAtMs: target.urgent_at ?? 0,
  };
  const freeSlots = free === undefined ? [] : [free];
  const [step] = plan({ rows: [row], freeSlots, canRead: canRead(post), isEmptinessFresh });
  return step ?? { slot: null, readFirst: false };
}

const NO_SPACE: Refusal = {
  type: 'no_space_for_access_code_on_device',
  message: 'Every slot of the controller is taken. It is written as soon as one is free.',
};

/** The content in the clear and its image; null, and the row failed, when the device cannot hold it. */
function encode(
  post: Post,
  slot: number,
  { target, desired, sources }: Wanted,
): { content: SlotContent; image: Buffer } | null {
  try {
    const content = openContent(post.store, desired.outline, sources);
    return { content, image: post.slots.image(slot, content) };
  } catch (error) {
    if (!(error instanceof OperatingError)) throw error;
    const refusal = { type: error.type, message: error.message };
    if (target.slot === null) fail(post, target, refusal);
    else failUncleared(post, target, refusal);
    return null;
  }
}

/**
 * Reads what is in doubt: what is right already needs no write, and a free slot that somebody filled meanwhile is
 * theirs.
 */
async function lookFirst(
  post: Post,
  ready: readonly Ready[],
): Promise<{ toWrite: Ready[]; verified: Verdict[] } | string> {
  const { controller } = post;
  const readings = await readSlots(
    post,
    ready.map(({ slot }) => slot),
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

// ---- durable, then the wire -----------------------------------------------------------------------------------------

/**
 * Inside a transaction: as soon as that is durable the row owns the slot, and nobody knows what it holds. False when a
 * command has touched it since it was judged.
 */
function claim({ store, map }: Post, current: TargetRow, ready: Ready): boolean {
  const { target, slot, hash, desired } = ready;
  if (current.waits !== WAITS.write || current.due_at === AT_ONCE || current.slot !== target.slot) return false;
  const state = current.state === 'failed' ? 'failed' : 'writing';
  const { zone } = desired.outline;
  ready.claimed = { ...current, state, slot, written_hash: hash, read_hash: null, zone };
  store.targets.change(current, ready.claimed);
  map.take(slot);
  return true;
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
    if (typeof readings !== 'string') return verdictOf(post, item, answers.get(item.slot), readings.get(item.slot));
    const verdict = verdictOf(post, item, answers.get(item.slot), undefined);
    return verdict.result === 'unknown' ? { ...verdict, why: readings } : verdict;
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
      ready.isFresh && reading !== undefined && !readsEmpty(post, reading) && !isOfThisWrite(post, ready, reading);
    if (isOthers && post.controller.foreignSlots === 'report') return { ready, result: 'foreign', reading };
    const isCleared = reading === undefined ? ready.isFresh && !canRead(post) : readsEmpty(post, reading);
    return {
      ready,
      result: 'refused',
      refusal: { type: ERROR_TYPES[answer.error], message: answer.message },
      isCleared,
    };
  }
  const why = answer?.outcome === 'unknown' ? answer.message : NOT_CONFIRMED;
  if (!canRead(post))
    return answer?.outcome === 'written' ? { ready, result: 'verified' } : { ready, result: 'unknown', why };
  if (reading === undefined) return { ready, result: 'unknown', why };
  if (!reading.image.equals(ready.image))
    return { ready, result: 'differs', why: answer?.outcome === 'unknown' ? answer.message : null };
  // A masked record looks the same with another code in it: without an acknowledgement it proves nothing.
  const isProof = post.controller.slots.readBack === 'full' || answer?.outcome === 'written';
  return isProof ? { ready, result: 'verified' } : { ready, result: 'unknown', why };
}

/**
 * A device may refuse what it has stored all the same, whole or in part: that is ours to clear, for nobody else ever
 * will.
 */
const isOfThisWrite = ({ slots }: Post, { slot, content, image }: Ready, reading: SlotReading): boolean =>
  reading.image.equals(image) || slots.mayBeLeftOf?.(slot, content, reading.image) === true;

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

// ---- what became of it ----------------------------------------------------------------------------------------------

type Tally = { unknown: number; cleared: number };

/** Inside a transaction. `isAlone`: the step was about this one row. */
function settle(post: Post, verdict: Verdict, isAlone: boolean, tally: Tally): void {
  const { ready } = verdict;
  post.hindrances.clear(ready.target.target_key);
  const target = standing(post, ready);
  if (target === undefined) return;
  noteHindrance(post, verdict);
  if (verdict.result === 'verified') noteVerified(post, target, ready);
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

function resultOf({ verdicts, problem, isAlone }: Done, { unknown }: Tally): StepResult {
  const isRepeat = isAlone && verdicts.every((verdict) => verdict.ready.target.attempts > 0);
  const first = verdicts.find((verdict) => verdict.result === 'unknown');
  return { asked: verdicts.length, unknown, problem: unknown === 0 ? null : (first?.why ?? problem), isRepeat };
}

/**
 * Facts first, then judged anew where a command or the clock may have changed what is wanted while the write was on its
 * way.
 */
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
function isStillTrue(post: Post, target: Waits, { nextDueMs }: Desired): boolean {
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
    erase_since: target.erase_since ?? post.clock.nowMs(),
    erase_reason: target.erase_reason ?? 'revoked',
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
