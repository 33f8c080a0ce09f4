// The full comparison: every slot of the table is read, in chunks between which erasures and writes go on. What is ours
// and not as we left it is written again and said once; what is not ours is noted and left alone.

import type { SlotReading } from '../domain/ports.ts';
import { OperatingError } from '../domain/errors.ts';
import type { TargetRow } from '../store/target-row.ts';
import { openContent } from './content.ts';
import { disown, noteForeign } from './foreign.ts';
import { isThere } from './judge.ts';
import { canRead, eraseSlots, imageHash, inSlices, judgeRow, readsEmpty, readSlots, type Post } from './post.ts';

/** Why all of it is compared. After a loss of memory or a change of device nobody altered anything by hand. */
export type CompareReason = 'first' | 'identity' | 'restarted' | 'asked' | 'nightly' | 'sample';
export type CompareResult = { compared: number; differing: number; foreign: number };

export class Comparison {
  readonly reason: CompareReason;
  readonly result: CompareResult = { compared: 0, differing: 0, foreign: 0 };
  #next: number;
  /** Null until a few slots were looked at for it. */
  #isMemoryLost: boolean | null = null;

  constructor(reason: CompareReason, firstSlot: number) {
    this.reason = reason;
    this.#next = firstSlot;
  }

  isDone(post: Post): boolean {
    const { firstSlot, count } = post.controller.slots;
    return this.#next >= firstSlot + count;
  }

  /** Reads and judges the next `most` slots; a message when they could not be read, and then they come again. */
  async step(post: Post, most: number): Promise<string | null> {
    const { firstSlot, count } = post.controller.slots;
    const end = Math.min(firstSlot + count, this.#next + most);
    const slots = Array.from({ length: end - this.#next }, (_, i) => this.#next + i);
    if (!canRead(post)) await this.#distrust(post);
    else {
      this.#isMemoryLost ??= this.#isByHand && (await hasLostMemory(post));

      const readings = await readSlots(post, slots);
      if (typeof readings === 'string') return readings;
      await inSlices(post, [...readings.values()], (reading) => this.#compare(post, reading));
    }
    this.#next = canRead(post) ? end : firstSlot + count;
    return null;
  }

  /** A table that cannot be read: after a loss everything is written again, otherwise there is nothing to compare. */
  async #distrust(post: Post): Promise<void> {
    if (this.reason === 'nightly' || this.reason === 'sample') return;
    const { store, controller } = post;
    let from = controller.slots.firstSlot;
    for (;;) {
      const rows = store.targets.withSlotsFrom(controller.name, from, 256);
      await inSlices(post, rows, (row) => judgeRow(post, { ...row, read_hash: null }));
      this.result.compared += rows.length;
      const last = rows.at(-1);
      if (last === undefined) return;
      from = last.slot + 1;
    }
  }

  #compare(post: Post, reading: SlotReading): void {
    const { store, controller, map } = post;
    const target = store.targets.bySlot(controller.name, reading.slot);
    if (target === undefined) {
      if (!readsEmpty(post, reading)) {
        this.result.foreign += 1;
        noteForeign(post, reading);
      } else if (store.foreignSlots.has(controller.name, reading.slot)) {
        store.foreignSlots.forget(controller.name, reading.slot);
        map.release(reading.slot);
      }
      return;
    }
    this.result.compared += 1;
    // What is on its way, or in doubt, is read by its own step.
    if (target.read_hash === null || !differs(post, target, reading)) return;
    this.result.differing += 1;
    if (this.reason === 'identity' && controller.foreignSlots === 'report' && !readsEmpty(post, reading)) {
      disown(post, target, reading);
      return;
    }
    this.#reassert(post, target, reading);
  }

  get #isByHand(): boolean {
    return this.reason !== 'identity' && this.reason !== 'restarted';
  }

  #reassert(post: Post, target: TargetRow, reading: SlotReading): void {
    const isByHand = this.#isByHand && this.#isMemoryLost !== true;
    if (isByHand && isThere(target)) post.announcer.add('access_code.modified_externally', target, post.clock.nowMs());
    judgeRow(post, { ...target, written_hash: null, read_hash: post.store.secrets.imageHash(reading.image) });
  }
}

/**
 * Inside a transaction: true when the slot does not hold what we left in it. A record that the profile now reads
 * differently is taken over as it reads.
 */
export function differs(post: Post, target: TargetRow, reading: SlotReading): boolean {
  const hash = post.store.secrets.imageHash(reading.image);
  if (target.read_hash?.equals(hash) === true) return false;
  const judged = post.judge.judge(target, post.time());
  if (judged.desired.kind !== 'present' || !post.judge.isSettled(target, judged)) return true;
  try {
    const expected = imageHash(post, reading.slot, openContent(post.store, judged.desired.outline));
    if (!expected.equals(hash)) return true;
  } catch (error) {
    if (error instanceof OperatingError) return true;
    throw error;
  }
  post.store.targets.update({ ...target, read_hash: hash });
  return false;
}

/**
 * A few owned slots here and there that hold what we left in them, as far as we know: one that was found empty shows
 * nothing by being empty.
 */
export function sampleOf(post: Post, most: number): (TargetRow & { slot: number })[] {
  const { store, controller } = post;
  const { firstSlot, count } = controller.slots;
  const rows = new Map<number, TargetRow & { slot: number }>();
  const take = (from: number, limit: number): void => {
    for (const row of store.targets.withSlotsFrom(controller.name, from, limit)) {
      if (row.read_hash !== null && row.written_hash !== null) rows.set(row.slot, row);
    }
  };
  take(firstSlot, Math.ceil(most / 2));
  for (let i = 0; i < most && rows.size < most; i++) take(firstSlot + Math.floor(post.random.fraction() * count), 1);
  return [...rows.values()];
}

/** Reads these slots: true when one of them is not as we left it. A message when they could not be read. */
export async function sampleDiffers(
  post: Post,
  sample: readonly (TargetRow & { slot: number })[],
): Promise<boolean | string> {
  const readings = await readSlots(
    post,
    sample.map(({ slot }) => slot),
  );
  if (typeof readings === 'string') return readings;
  let isDifferent = false;
  await inSlices(post, sample, (row) => {
    const reading = readings.get(row.slot);
    const current = post.store.targets.byKey(row.target_key);
    if (reading === undefined || current?.slot !== row.slot || current.read_hash === null) return;
    if (differs(post, current, reading)) isDifferent = true;
  });
  return isDifferent;
}

const MEMORY_SLOTS = 8;
/** Of fewer slots somebody may have emptied each. */
const MEMORY_SLOTS_LEAST = 3;

/**
 * Whether the table is empty where we have filled it: nobody did that slot by slot. Told once; what each slot should
 * hold is written again like after a restart.
 */
async function hasLostMemory(post: Post): Promise<boolean> {
  const sample = sampleOf(post, MEMORY_SLOTS).filter(isThere);
  if (sample.length < MEMORY_SLOTS_LEAST) return false;
  const readings = await readSlots(
    post,
    sample.map(({ slot }) => slot),
  );
  if (typeof readings === 'string') return false;
  const isEmpty = ({ slot }: { slot: number }): boolean => {
    const reading = readings.get(slot);
    return reading !== undefined && readsEmpty(post, reading);
  };
  if (!sample.every(isEmpty)) return false;
  await inSlices(post, [null], () => post.announcer.memoryLost(post.controller.name, post.clock.nowMs()));
  post.log.warn('the table is empty: the controller has lost its memory, and is filled again');
  return true;
}

/**
 * Empties foreign slots: all of them where the facility file says so, else those of which somebody has asked it. A
 * message when it could not be done.
 */
export async function eraseForeign(post: Post, most: number): Promise<{ left: boolean; problem: string | null }> {
  const { store, controller, map } = post;
  const all = foreignToErase(post, most + 1);
  const slots =
    controller.foreignSlots === 'erase' ? all.slice(0, most) : await stillUnwanted(post, all.slice(0, most));
  if (typeof slots === 'string') return { left: true, problem: slots };
  if (slots.length === 0) return { left: all.length > most, problem: null };
  const answers = await eraseSlots(post, slots);
  const readings = canRead(post) ? await readSlots(post, slots) : null;
  if (typeof readings === 'string') return { left: true, problem: readings };
  let erased = 0;
  await inSlices(post, slots, (slot) => {
    const reading = readings?.get(slot);
    const isEmpty =
      readings === null ? answers.get(slot)?.outcome === 'written' : reading !== undefined && readsEmpty(post, reading);
    if (!isEmpty) return;
    if (controller.foreignSlots === 'report') post.announcer.slotEmptied(controller.name, slot, post.clock.nowMs());
    store.foreignSlots.forget(controller.name, slot);
    map.release(slot);
    erased += 1;
  });
  post.log.warn('slots that are not ours were erased, as was asked', { controller: controller.name, count: erased });
  const problem = erased === slots.length ? null : `${slots.length - erased} foreign slots could not be erased`;
  return { left: all.length > slots.length || problem !== null, problem };
}

export function foreignToErase({ store, controller }: Post, limit: number): number[] {
  const { name, foreignSlots } = controller;
  const rows = foreignSlots === 'erase' ? store.foreignSlots.of(name, limit) : store.foreignSlots.unwanted(name);
  return rows.map(({ slot }) => slot);
}

/** Those that hold what they held when it was asked: what somebody has put there since is another's, and stays. */
async function stillUnwanted(post: Post, slots: readonly number[]): Promise<number[] | string> {
  if (!canRead(post) || slots.length === 0) return [...slots];
  const readings = await readSlots(post, slots);
  if (typeof readings === 'string') return readings;
  const { store, controller, map } = post;
  await inSlices(post, [...readings.values()], (reading) => {
    if (!readsEmpty(post, reading)) {
      noteForeign(post, reading);
      return;
    }
    store.foreignSlots.forget(controller.name, reading.slot);
    map.release(reading.slot);
  });
  const still = new Set(store.foreignSlots.unwanted(controller.name).map(({ slot }) => slot));
  return slots.filter((slot) => still.has(slot));
}
