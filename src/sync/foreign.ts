// Slots that somebody else filled at the device: noted, reported, and left alone until somebody says otherwise.

import type { SlotReading } from '../domain/ports.ts';
import { emptied, type TargetRow } from '../store/target-row.ts';
import { judgeRow, type Post } from './post.ts';

/** Inside a transaction: somebody else's from here on, and never touched. */
export function noteForeign(post: Post, reading: SlotReading): void {
  const { store, controller, clock } = post;
  store.foreignSlots.note(controller.name, reading.slot, store.secrets.imageHash(reading.image), clock.nowMs());
  post.map.take(reading.slot);
}

/** Inside a transaction: the row gives up a slot that is not its own, and waits for another. */
export function disown(post: Post, target: TargetRow, reading: SlotReading): void {
  noteForeign(post, reading);
  judgeRow(post, emptied(target));
}
