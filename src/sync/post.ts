// One controller as the synchronisation works on it: everything a step needs in one place, reading with a deadline, and
// store work cut into slices.

import type { Clock, Device, Log, Random, SlotDevice, SlotOutcome, SlotReading, SlotWrite } from '../domain/ports.ts';
import { withDeadline } from '../domain/deadline.ts';
import { OperatingError } from '../domain/errors.ts';
import type { SlotController } from '../domain/site.ts';
import type { TimeWitness } from '../domain/window.ts';
import type { Store } from '../store/store.ts';
import type { TargetRow } from '../store/target-row.ts';
import type { Announcer } from './announcer.ts';
import type { Hindrances } from './hindrances.ts';
import type { Judge } from './judge.ts';
import type { Retries } from './retries.ts';
import type { SlotMap } from './slot-map.ts';

/** Store work in one turn of the loop; longer, and the wire would wait for it with an answer in hand. */
const SLICE_MS = 2;
const MOST_PER_SLICE = 256;
/**
 * A driver has deadlines of its own; this one only catches a driver that hangs. A slot with a commit handshake may take
 * two seconds.
 */
const CALL_MS = 60_000;
const CALL_PER_SLOT_MS = 2500;

export type Post = {
  store: Store;
  controller: SlotController;
  device: Device;
  slots: SlotDevice;
  judge: Judge;
  announcer: Announcer;
  retries: Retries;
  hindrances: Hindrances;
  map: SlotMap;
  /** Rows for which another gives up its slot; at most as many as the table has. */
  awaitingSlot: Set<number>;
  zones: ZoneKeeper;
  clock: Clock;
  random: Random;
  log: Log;
  time: () => TimeWitness;
  /** Stores what the controller recorded so far, while its slots still are whose they were. */
  drainEvents: () => Promise<void>;
  /** True once the worker was told to stop: nothing may touch the store any more. */
  isStopping: () => boolean;
};

/** Why a slot that names this time zone cannot be written; null when it can. */
export type ZoneKeeper = { problemOf(post: Post, zone: number): string | null };

/** The worker was stopped in the middle of a step: what is durable is resumed by the next one. */
export class Stopped extends Error {}

/** What a step found out about the line: of how many rows nobody knows what became, and why. */
export type StepResult = {
  asked: number;
  unknown: number;
  problem: string | null;
  /**
   * It was about one row alone that had failed before: that says something about its slot, nothing about the
   * controller.
   */
  isRepeat: boolean;
};
export const FINE: StepResult = { asked: 0, unknown: 0, problem: null, isRepeat: false };

/** True when the step got nothing at all out of the controller. */
export const wasSilent = (result: StepResult): boolean => result.asked > 0 && result.unknown === result.asked;

/**
 * Inside a transaction: a row alone in its step that stays unknown is set aside, so that one bad slot does not hold up
 * the others.
 */
export function setAside(post: Post, target: TargetRow): void {
  const attempts = target.attempts + 1;
  post.store.targets.update({ ...target, attempts, waits: null });
  post.retries.add(target.target_key, attempts);
}

/** Why nothing is asked of the controller, for people. */
export function offline({ controller, device }: Pick<Post, 'controller' | 'device'>): OperatingError {
  const { problem } = device.status();
  const message = `${controller.name} is offline${problem === null ? '' : `: ${problem}`}`;
  return new OperatingError('controller_offline', message);
}

export const canRead = (post: Post): boolean => post.controller.slots.readBack !== 'none';

/** What cutting store work into slices takes. */
export type Slicer = Pick<Post, 'store' | 'clock' | 'isStopping'>;

/**
 * Runs `each` over the items inside the open group, a slice per turn of the loop, and returns when all of it is
 * durable.
 */
export async function inSlices<T>(slicer: Slicer, items: readonly T[], each: (item: T) => void): Promise<void> {
  let at = 0;
  const next = (): boolean => {
    const item = items[at];
    at += 1;
    if (item !== undefined) each(item);
    return at < items.length;
  };
  if (items.length > 0) await whileLeft(slicer, next);
  else slicer.store.flush();
}

/**
 * Runs `step` inside the open group for as long as it answers that more is left, a slice per turn of the loop, and
 * returns when all of it is durable. Throws what the disk said when a part of it was undone, also if that was in the
 * commit of somebody else.
 */
export async function whileLeft(slicer: Slicer, step: () => boolean): Promise<void> {
  const { store, clock } = slicer;
  const failures: Error[] = [];
  const hooks = { isSlice: true, rolledBack: (error: Error) => void failures.push(error) };
  const slice = (): boolean => {
    const until = clock.monotonicMs() + SLICE_MS;
    for (let steps = 1; ; steps++) {
      if (!step()) return false;
      if (steps >= MOST_PER_SLICE || clock.monotonicMs() >= until) return true;
    }
  };
  while (store.group(slice, hooks)) {
    await nextTurn(slicer);
    for (const failure of failures) throw failure;
  }
  store.flush();
}

/** The next turn of the loop; throws `Stopped` when the worker was stopped meanwhile. */
export async function nextTurn(slicer: Slicer): Promise<void> {
  await new Promise<void>((resolve) => slicer.clock.immediate(resolve));
  stopIfAsked(slicer);
}

export function stopIfAsked(slicer: Slicer): void {
  if (slicer.isStopping()) throw new Stopped();
}

/** The records by slot; a message instead when they could not be read. */
export async function readSlots(post: Post, slots: readonly number[]): Promise<Map<number, SlotReading> | string> {
  if (slots.length === 0) return new Map();
  try {
    const readings = await call(post, slots.length, 'reading slots', post.slots.read([...slots].sort((a, b) => a - b)));
    return new Map(readings.map((reading) => [reading.slot, reading]));
  } catch (error) {
    if (!(error instanceof OperatingError)) throw error;
    return error.message;
  }
}

export async function writeSlots(post: Post, writes: readonly SlotWrite[]): Promise<Map<number, SlotOutcome>> {
  return await outcomes(
    post,
    writes.map(({ slot }) => slot),
    'writing slots',
    () => post.slots.write(writes),
  );
}

export async function eraseSlots(post: Post, slots: readonly number[]): Promise<Map<number, SlotOutcome>> {
  return await outcomes(post, slots, 'erasing slots', () => post.slots.erase(slots));
}

/** One outcome for every slot asked for: what the driver does not answer for is unknown. */
async function outcomes(
  post: Post,
  slots: readonly number[],
  what: string,
  run: () => Promise<SlotOutcome[]>,
): Promise<Map<number, SlotOutcome>> {
  const found = new Map<number, SlotOutcome>(
    slots.map((slot) => [slot, { slot, outcome: 'unknown', message: 'the driver gave no answer for it' }]),
  );
  try {
    for (const outcome of await call(post, slots.length, what, run())) found.set(outcome.slot, outcome);
  } catch (error) {
    if (!(error instanceof OperatingError)) throw error;
    for (const slot of slots) found.set(slot, { slot, outcome: 'unknown', message: error.message });
  }
  return found;
}

/** Waits for the driver, but not for ever; throws `Stopped` when the worker was stopped meanwhile. */
export async function call<T>(post: Post, slotCount: number, what: string, work: Promise<T>): Promise<T> {
  const timeoutMs = CALL_MS + slotCount * CALL_PER_SLOT_MS;
  try {
    return await withDeadline(post.clock, timeoutMs, `${post.controller.name}: ${what}`, work);
  } finally {
    stopIfAsked(post);
  }
}

/** The hash of what reading `slot` should give; null when the content cannot be encoded for this device. */
export function imageHash(post: Post, slot: number, content: SlotWrite['content'] | null): Buffer {
  return post.store.secrets.imageHash(post.slots.image(slot, content));
}

/** True when the reading is what an erased slot reads as. */
export function readsEmpty(post: Post, reading: SlotReading): boolean {
  return reading.state === 'empty' || reading.image.equals(post.slots.image(reading.slot, null));
}

/** Brings a row to what it should hold by now. Inside a transaction. */
export function judgeRow(post: Post, target: TargetRow, stored: TargetRow | null = null): TargetRow | null {
  const judged = post.judge.judge(target, post.time());
  return post.judge.apply(target, judged, post.clock.nowMs(), post.announcer, stored);
}
