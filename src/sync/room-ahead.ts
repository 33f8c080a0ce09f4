// Looks ahead whether everybody who was accepted will find a slot when the time comes. Commands that would overfill a
// table are refused, but a table shrinks: others fill slots at the device, the facility file says another size or moves
// an entrance. Whoever will stand before a shut door is told of ahead, and once.

import type { Announcer } from './announcer.ts';
import { nextTurn, type Post } from './post.ts';

const EVERY_MS = 60_000;
const ROWS_PER_LOOK = 512;
/** Credentials that are named; the rest is counted. */
const MOST_NAMED = 16;

export type Shortage = {
  /** Slots that are missing at the worst moment. */
  missing: number;
  firstAtMs: number;
  /** Who comes when nothing is free, the earliest start first. */
  credentialIds: readonly string[];
};
type Stay = { id: string; startsAtMs: number; endsAtMs: number };

export class RoomAhead {
  #nextMs = 0;
  #told: Shortage | null = null;

  /** Why some will find no slot, for people; null when everybody will. */
  problem: string | null = null;

  /** Looks again, at most once a minute. */
  async look(post: Post): Promise<void> {
    const { store, controller, clock, announcer, log } = post;
    if (clock.monotonicMs() < this.#nextMs) return;
    this.#nextMs = clock.monotonicMs() + EVERY_MS;
    const { name, slots, foreignSlots } = controller;
    const foreign = foreignSlots === 'erase' ? 0 : store.foreignSlots.count(name);
    const room = slots.count - foreign;
    const stays = store.targets.countOf(name) <= room ? [] : await staysOf(post);
    const shortage = shortageIn(stays, room, clock.nowMs());
    this.problem = shortage === null ? null : textOf(shortage, slots.count, foreign);
    if (shortage !== null && isWorse(shortage, this.#told)) {
      log.warn('a table will be too small', { controller: name, missing: shortage.missing });
      tell(post, announcer, shortage, foreign);
    }
    this.#told = shortage;
  }
}

function tell(post: Post, announcer: Announcer, shortage: Shortage, foreign: number): void {
  const { store, controller, clock } = post;
  store.group(() =>
    announcer.slotsShort(
      {
        device: controller.name,
        slots: controller.slots.count,
        foreign,
        missing: shortage.missing,
        first_at: new Date(shortage.firstAtMs).toISOString(),
        acs_credential_ids: shortage.credentialIds,
      },
      clock.nowMs(),
    ),
  );
}

const isWorse = (now: Shortage, before: Shortage | null): boolean =>
  before === null || now.missing > before.missing || now.firstAtMs < before.firstAtMs;

const textOf = ({ missing, firstAtMs }: Shortage, slots: number, foreign: number): string =>
  `from ${new Date(firstAtMs).toISOString()} on ${missing} more credentials are valid here than it has slots (${slots}${foreign === 0 ? '' : `, ${foreign} of them taken by others`}). Remedy: free foreign slots, delete credentials, or leave out its entrances`;

async function staysOf(post: Post): Promise<Stay[]> {
  const found: Stay[] = [];
  for (let after = 0; ;) {
    const rows = post.store.targets.staysAfter(post.controller.name, after, ROWS_PER_LOOK);
    for (const { acs_credential_id: id, starts_at, ends_at } of rows)
      found.push({ id, startsAtMs: starts_at ?? -Infinity, endsAtMs: ends_at ?? Infinity });
    const last = rows.at(-1);
    if (last === undefined) return found;
    after = last.target_key;
    await nextTurn(post);
  }
}

/** Null when at no instant from `nowMs` on an arrival finds every slot taken by those who came before. */
export function shortageIn(stays: readonly Stay[], room: number, nowMs: number): Shortage | null {
  const arrivals = stays.filter(({ endsAtMs }) => endsAtMs > nowMs).sort((a, b) => a.startsAtMs - b.startsAtMs);
  const ends = arrivals.map(({ endsAtMs }) => endsAtMs).sort((a, b) => a - b);
  const late: Stay[] = [];
  let missing = 0;
  let ended = 0;
  for (const [i, stay] of arrivals.entries()) {
    while ((ends[ended] ?? Infinity) <= stay.startsAtMs) ended += 1;
    const short = i + 1 - ended - room;
    if (short <= 0 || stay.startsAtMs <= nowMs) continue;
    missing = Math.max(missing, short);
    late.push(stay);
  }
  const [first] = late;
  if (first === undefined) return null;
  return { missing, firstAtMs: first.startsAtMs, credentialIds: late.slice(0, MOST_NAMED).map(({ id }) => id) };
}
