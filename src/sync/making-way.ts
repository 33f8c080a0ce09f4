// A full table: what has not begun yet gives its slot to what needs one now, the latest start first, and comes back
// when there is room again, at the latest at its start. Its slot is erased and read empty before anybody else has it,
// as every slot.

import type { TargetRow } from '../store/target-row.ts';
import { AT_ONCE, WAITS } from '../store/target-row.ts';
import { certainInstant } from './desired.ts';
import { inSlices, judgeRow, type Post } from './post.ts';

/** A row that waits for a write and found no slot; `startsAtMs` null: it has begun. */
export type Slotless = { targetKey: number; startsAtMs: number | null };

/** Rows that get a slot again in one go, once there is room. */
const RETURNING = 64;

/** `refuse`, inside a transaction: for a row for which nobody can make way. */
export async function makeWay(
  post: Post,
  slotless: readonly Slotless[],
  refuse: (target: TargetRow) => void,
): Promise<void> {
  const { targets } = post.store;
  const { name } = post.controller;
  const instant = certainInstant(post.time());
  const later = instant === null ? [] : targets.notBegun(name, instant, slotless.length);
  // Slots that are being given up already are enough for as many.
  let coming = targets.givingWay(name);
  const first = [...slotless].sort((a, b) => (a.startsAtMs ?? -Infinity) - (b.startsAtMs ?? -Infinity));
  await inSlices(post, first, ({ targetKey, startsAtMs }) => {
    const target = targets.byKey(targetKey);
    if (target?.waits !== WAITS.write || target.due_at === AT_ONCE || target.slot !== null) return;
    const [latest] = later;
    if (coming > 0) coming -= 1;
    else if (latest?.due_at != null && latest.due_at > (startsAtMs ?? -Infinity)) {
      later.shift();
      judgeRow(post, { ...latest, is_deferred: 1 }, latest);
    } else {
      if (startsAtMs === null) refuse(target);
      else judgeRow(post, { ...target, is_deferred: 1 }, target);
      return;
    }
    targets.update({ ...target, waits: null });
    post.awaitingSlot.add(targetKey);
    post.retries.add(targetKey, 1);
  });
}

/**
 * Inside a transaction: so many slots have become free for those that wait for one. Returns how many of them are left.
 */
export function giveWaiting(post: Post, freed: number): number {
  let left = freed;
  for (const targetKey of post.awaitingSlot) {
    if (left === 0) break;
    post.awaitingSlot.delete(targetKey);
    post.store.targets.touchRow(targetKey);
    left -= 1;
  }
  return left;
}

/**
 * When nothing else waits: what gave way comes back as far as there is room, the earliest start first. True when some
 * of it does.
 */
export async function comeBack(post: Post): Promise<boolean> {
  const { store, controller, map } = post;
  if (map.free === 0 || !store.targets.hasDeferred(controller.name)) return false;
  let returned = 0;
  await inSlices(post, [null], () => {
    returned = store.targets.undefer(controller.name, Math.min(map.free, RETURNING));
  });
  return returned > 0;
}
