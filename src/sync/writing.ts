// Writes: a slot is owned, durably, before anything is sent to it; then written in one go, read back, compared. Equal
// contents are skipped, what is in doubt is read first, a refused content does not leave the old one behind.

import type { SlotContent, SlotOutcome, SlotReading, SlotRefusal } from '../domain/ports.ts';
import { OperatingError } from '../domain/errors.ts';
import type { ChangesTogether } from '../store/target-changes.ts';
import { AT_ONCE, WAITS, type TargetRow, type Waiting } from '../store/target-row.ts';
import { openContent, outlineHash, sourcesOf } from './content.ts';
import type { Desired } from './desired.ts';
import { FAILURES_SAID, makeRoom } from './erasing.ts';
import { noteForeign } from './foreign.ts';
import { makeWay, type Slotless } from './making-way.ts';
import type { Pace } from './pace.ts';
import {
  canRead, eraseSlots, FINE, inSlices, readsEmpty, readSlots, writeSlots, type Post, type StepResult,
} from './post.ts'; // prettier-ignore
import {
  fail, failUncleared, isStillTrue, resultOf, settle, type Done, type Ready, type Refusal, type Tally, type Verdict, type Wanted,
} from './settling.ts'; // prettier-ignore
import { WAITING } from './zones.ts';

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

type Prepared = { claimed: Ready[]; verdicts: Verdict[]; problem: string };

const NOT_CONFIRMED = 'no write could be confirmed';

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
  const together = post.store.targets.together();
  const tally: Tally = { unknown: 0, cleared: 0, together };
  const placed: Placed = {
    claimed: [],
    toRead: [],
    slotless: [],
    freeSlots: post.map.lowestFree(part.length),
    together,
  };
  const settling = (done?.verdicts ?? []).map((verdict) => () => settle(post, verdict, done?.isAlone === true, tally));
  const placing = part.map(
    ({ target_key: key }) =>
      () =>
        place(post, key, options, placed),
  );
  await inHandfuls(post, [...settling, ...placing], together);
  if (tally.cleared > 0) await makeRoom(post, tally.cleared);
  if (placed.slotless.length > 0) await makeWay(post, placed.slotless, (target) => fail(post, target, NO_SPACE));
  return { settled: done === null ? FINE : resultOf(done, tally), prepared: await prepare(post, placed) };
}

/** Rows whose changes are made together. */
const HANDFUL = 16;

async function inHandfuls(post: Post, works: readonly (() => void)[], together: ChangesTogether): Promise<void> {
  const handfuls = Array.from({ length: Math.ceil(works.length / HANDFUL) }, (_, i) =>
    works.slice(i * HANDFUL, (i + 1) * HANDFUL),
  );
  await inSlices(post, handfuls, (handful) => {
    for (const work of handful) work();
    together.flush();
  });
}

/** What is in doubt is read before it is claimed. */
async function prepare(post: Post, { claimed, toRead, together }: Placed): Promise<Prepared> {
  if (toRead.length === 0) return { claimed, verdicts: [], problem: NOT_CONFIRMED };
  const looked = await lookFirst(post, toRead);
  if (typeof looked === 'string')
    return {
      claimed: [],
      verdicts: [...claimed, ...toRead].map((ready) => unread(ready, looked)),
      problem: looked,
    };
  const claiming = looked.toWrite.map((item) => () => {
    const current = post.store.targets.byKey(item.target.target_key);
    if (current !== undefined && claim(post, current, item, together)) claimed.push(item);
  });
  await inHandfuls(post, claiming, together);
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

/** `freeSlots`: those that are left for the rest; `together`: claims that are about to be stored. */
type Placed = {
  claimed: Ready[];
  toRead: Ready[];
  slotless: Slotless[];
  freeSlots: number[];
  together: ChangesTogether;
};

/**
 * Inside a transaction: judges the row anew and finds its slot, which it owns from here on unless it must be read
 * first.
 */
function place(post: Post, targetKey: number, options: WriteOptions, placed: Placed): void {
  const target = post.store.targets.byKey(targetKey);
  // What a command has touched meanwhile is judged first, with all that is due.
  if (target?.waits !== WAITS.write || target.due_at === AT_ONCE) return;
  // Who has a code now is asked of the rows.
  if (post.controller.slots.duplicatePins === 'reject') placed.together.flush();
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
  else if (claim(post, target, ready, placed.together)) placed.claimed.push(ready);
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

/** What is in doubt is read first: it may hold the right thing already, or somebody else's. Null: there is none. */
function slotFor(
  post: Post,
  { target }: Wanted,
  free: number | undefined,
  { isEmptinessFresh }: WriteOptions,
): { slot: number | null; readFirst: boolean } {
  if (target.slot !== null) return { slot: target.slot, readFirst: target.read_hash === null && canRead(post) };
  return { slot: free ?? null, readFirst: canRead(post) && !isEmptinessFresh };
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
function claim({ map }: Post, current: TargetRow, ready: Ready, together: ChangesTogether): boolean {
  const { target, slot, hash, desired } = ready;
  if (current.waits !== WAITS.write || current.due_at === AT_ONCE || current.slot !== target.slot) return false;
  const state = current.state === 'failed' ? 'failed' : 'writing';
  const { zone } = desired.outline;
  ready.claimed = { ...current, state, slot, written_hash: hash, read_hash: null, zone };
  together.add(current, ready.claimed);
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
