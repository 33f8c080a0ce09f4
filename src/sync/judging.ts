// What is due at one controller is judged, by the clock and whether or not the controller answers, and what should long
// be gone from it is told of.

import type { TargetRow } from '../store/target-row.ts';
import { certainInstant } from './desired.ts';
import { inSlices, judgeRow, whileLeft, type Post } from './post.ts';

/** What must be gone and is still there after this is an alarm. */
export const OVERDUE_MS = 60_000;
/** Due rows that are judged in one go, in much less than a slice. */
const ROWS_PER_LOOK = 16;
/** Of those that are only put into the queue. */
const ROWS_PER_QUEUEING = 128;

/** True when anything was due. `hasPairs`: a slot of this controller may hold card and code together. */
export async function judgeDue(post: Post, hasPairs: boolean): Promise<boolean> {
  const { store, controller, retries } = post;
  await inSlices(post, retries.takeDue(), (key) => store.targets.touchRow(key));
  const due = (): TargetRow[] => store.targets.due(controller.name, certainInstant(post.time()) ?? 0, ROWS_PER_LOOK);
  if (due().length === 0) return false;
  if (!hasPairs) await queueBegun(post);
  // Read and judged in one turn of the loop, so that nobody comes between.
  await whileLeft(post, () => {
    const rows = due();
    for (const row of rows) judgeRow(post, row, row);
    return rows.length > 0;
  });
  return true;
}

/** What plainly is to be written is not judged twice. Where a slot holds card and code together, nothing is plain. */
async function queueBegun(post: Post): Promise<void> {
  const { store, controller, clock } = post;
  const instant = certainInstant(post.time());
  if (instant === null) return;
  let after = 0;
  await whileLeft(post, () => {
    const last = store.targets.queueBegun(controller.name, after, ROWS_PER_QUEUEING, instant, clock.nowMs());
    after = last ?? after;
    return last !== null;
  });
}

/** True when there was something to tell. */
export async function sayOverdue(post: Post): Promise<boolean> {
  const { store, controller, announcer, clock } = post;
  const instant = certainInstant(post.time());
  if (instant === null) return false;
  const rows = store.targets.overdue(controller.name, instant - OVERDUE_MS, 256);
  if (rows.length === 0) return false;
  await inSlices(post, rows, ({ target_key: key }) => {
    const row = store.targets.byKey(key);
    if (row?.erase_since == null || row.is_overdue === 1) return;
    const overdue = { ...row, is_overdue: 1 as const };
    store.targets.update(overdue);
    const hasEnded = row.erase_reason === 'ended';
    announcer.add(
      hasEnded ? 'access_code.failed_to_expire' : 'access_code.failed_to_remove_from_device',
      overdue,
      clock.nowMs(),
    );
  });
  return true;
}
