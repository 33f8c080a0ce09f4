// What leaves the log of events, and in which order: what is older than the facility file keeps, then what is more than
// it keeps, then what the disk has no room for. Always the oldest first, a few rows at a time; what went is an event
// with its range and the hash of the last, also when the process ended in between.

import { z } from 'zod';
import { newEvent } from '../domain/events.ts';
import type { Clock } from '../domain/ports.ts';
import type { Trimmed } from '../store/events.ts';
import type { Store } from '../store/store.ts';

export type Disk = { free: number; total: number };
export type RetentionOptions = {
  store: Store;
  clock: Clock;
  eventsKeepMs: number;
  eventsMax: number;
  /** Null: by the size of the disk, and only what was delivered. */
  eventsMaxBytes: number | null;
  /** The present as far as the clock can be trusted; null: nobody knows what is how old. */
  certainNowMs: () => number | null;
  /** Null where the disk is not there. */
  disk: () => Disk | null;
  isStopped: () => boolean;
};

const DAY_MS = 24 * 3_600_000;
const JOURNAL_KEEP_MS = 30 * DAY_MS;
/** Rows per slice: well below 3 ms also on an SD card's gateway. */
const SLICE_ROWS = 50;
/** What events may weigh unless the facility file says so: this part of the disk, and no more than this. */
const EVENT_SHARE = 1 / 8;
const MOST_EVENT_BYTES = 1024 * 1024 * 1024;
/** So many of the newest stay, however little room there is. */
const LEAST_EVENTS = 1000;
/** Below this much room events go that were delivered; on a small disk it is this part of the whole. */
const SCARCE: Room = { bytes: 64 * 1024 * 1024, share: 1 / 16 };
/** Below this the others as well: commands that take access away must find a place. */
const LAST: Room = { bytes: 16 * 1024 * 1024, share: 1 / 64 };
type Room = { bytes: number; share: number };
/** How much more goes than must. */
const SLACK = 1 / 50;

const FORGETTING = 'events_forgetting';
/** What went and is not told yet. */
const pendingSchema = z.object({
  why: z.enum(['age', 'count', 'disk']),
  first: z.number(),
  last: z.object({ sequence: z.number(), hash: z.string() }),
  unsent: z.number(),
});
type Pending = z.infer<typeof pendingSchema>;
type Why = Pending['why'];

/** Whether it is more by now than the next hour should wait for. */
export function isTooMuch(options: RetentionOptions): boolean {
  const { events } = options.store;
  const { first } = events.span();
  if (first === null) return false;
  const count = events.count();
  const { hard, soft } = limitsOf(options);
  const hasDelivered = events.deliveredUpTo() >= first;
  if (count > hard || (count > soft && hasDelivered)) return true;
  const scarcity = scarcityOf(options);
  return count > LEAST_EVENTS && (scarcity === 'last' || (scarcity === 'scarce' && hasDelivered));
}

/** Forgets what is to be forgotten; true when somebody still waited for some of it. */
export async function forgetOld(options: RetentionOptions): Promise<boolean> {
  const { store, clock, isStopped } = options;
  const limits = goalsOf(options);
  let hasLost = store.group(() => tell(options, null));
  while (!isStopped()) {
    const slice = store.group(() => {
      const journal = store.journal.trim(clock.nowMs() - JOURNAL_KEEP_MS, SLICE_ROWS);
      const { why, trimmed } = nextSlice(options, limits);
      const lost = why === null ? false : note(options, why, trimmed);
      return { isOver: journal === 0 && why === null, lost };
    });
    hasLost ||= slice.lost;
    if (slice.isOver) break;
    await new Promise<void>((resolve) => clock.immediate(resolve));
  }
  return store.group(() => tell(options, null)) || hasLost;
}

function nextSlice(options: RetentionOptions, { hard, soft, room }: Goals): { why: Why | null; trimmed: Trimmed } {
  const { store, eventsKeepMs } = options;
  const { events } = store;
  const certainMs = options.certainNowMs();
  const beforeMs = certainMs === null ? -Infinity : certainMs - eventsKeepMs;
  const byAge = events.trim(beforeMs, Infinity, SLICE_ROWS);
  if (byAge.removed > 0) return { why: 'age', trimmed: byAge };
  const byCount = events.trim(-Infinity, hard, SLICE_ROWS);
  if (byCount.removed > 0) return { why: 'count', trimmed: byCount };
  const delivered = events.deliveredUpTo();
  const byShare = events.trim(-Infinity, soft, SLICE_ROWS, delivered);
  if (byShare.removed > 0) return { why: 'count', trimmed: byShare };
  const scarcity = scarcityOf(options, room);
  if (scarcity === null) return { why: null, trimmed: byShare };
  const byDisk = events.trim(-Infinity, LEAST_EVENTS, SLICE_ROWS, scarcity === 'last' ? Infinity : delivered);
  return { why: byDisk.removed > 0 ? 'disk' : null, trimmed: byDisk };
}

// ---- how much is too much ----

type Limits = { hard: number; soft: number };
/** `room`: how much of the floors there should be. */
type Goals = Limits & { room: number };

/**
 * Once a limit is passed some more goes than must: that something went is an event as well, which alone would pass the
 * limit again.
 */
function goalsOf(options: RetentionOptions): Goals {
  const count = options.store.events.count();
  const goal = (limit: number): number => (count > limit ? Math.floor(limit * (1 - SLACK)) : limit);
  const { hard, soft } = limitsOf(options);
  return { hard: goal(hard), soft: goal(soft), room: scarcityOf(options) === null ? 1 : 1 + 10 * SLACK };
}

/** By number, and by what they weigh on the average. */
function limitsOf({ store, eventsMax, eventsMaxBytes, disk }: RetentionOptions): Limits {
  const each = store.events.averageBytes();
  const most = (bytes: number): number => (each === 0 ? Infinity : Math.max(LEAST_EVENTS, Math.floor(bytes / each)));
  const share = Math.min(MOST_EVENT_BYTES, (disk()?.total ?? Infinity) * EVENT_SHARE);
  return {
    hard: eventsMaxBytes === null ? eventsMax : Math.min(eventsMax, most(eventsMaxBytes)),
    soft: eventsMaxBytes === null ? most(share) : Infinity,
  };
}

/** Room inside the database counts: a row that goes leaves its place to the next, and gives nothing back to the disk. */
function scarcityOf({ store, disk }: RetentionOptions, times = 1): 'scarce' | 'last' | null {
  const there = disk();
  if (there === null) return null;
  const room = there.free + store.roomInside();
  const floor = ({ bytes, share }: Room): number => Math.min(bytes, there.total * share) * times;
  return room < floor(LAST) ? 'last' : room < floor(SCARCE) ? 'scarce' : null;
}

// ---- what went ----

/** Within the transaction in which it goes; what went for another reason is told first. */
function note(options: RetentionOptions, why: Why, { first, last, unsent }: Trimmed): boolean {
  if (first === null || last === null) return false;
  const hasLost = tell(options, why);
  const { meta } = options.store;
  const before = pendingOf(options);
  const pending: Pending = { why, first: before?.first ?? first, last, unsent: (before?.unsent ?? 0) + unsent };
  meta.set(FORGETTING, JSON.stringify(pending));
  return hasLost;
}

/** Tells what waits to be told, unless it goes on; true when somebody still waited for some of it. */
function tell(options: RetentionOptions, goesOn: Why | null): boolean {
  const { store, clock } = options;
  const pending = pendingOf(options);
  if (pending === null || pending.why === goesOn) return false;
  const { why, first, last, unsent } = pending;
  store.meta.delete(FORGETTING);
  const nowMs = clock.nowMs();
  const body = { from_sequence: first, to_sequence: last.sequence, last_hash: last.hash, why };
  store.events.add(newEvent('agent.events_forgotten', body), nowMs);
  if (unsent > 0) store.events.add(newEvent('agent.events_dropped', { count: unsent, why: DROPPED[why] }), nowMs);
  return unsent > 0;
}

const DROPPED: Readonly<Record<Why, string>> = {
  age: 'older than store.events.keep',
  count: 'more than store.events keeps',
  disk: 'the disk had no room for them, and nothing that was delivered was left to forget',
};

function pendingOf({ store }: RetentionOptions): Pending | null {
  const text = store.meta.text(FORGETTING);
  if (text === null) return null;
  const { data } = pendingSchema.safeParse(JSON.parse(text));
  return data ?? null;
}
