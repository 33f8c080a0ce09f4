// Slots that somebody else filled at the device: noted, reported, and left alone until somebody says otherwise.

import type { SlotReading } from '../domain/ports.ts';
import type { TargetRow } from '../store/targets.ts';
import { judgeRow, type Post } from './post.ts';

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
