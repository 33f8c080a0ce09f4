// Events from a sequence number on: how a reader of the log fills a gap.

import { eventJson } from '../store/events.ts';
import type { ParamsOf } from './contract.ts';
import type { Outcome, Room } from './room.ts';

const MOST_BYTES = 120 * 1024;
/** Rows looked at in one command, however few of them match `event_types`. */
const MOST_ROWS = 2000;

export function listEvents(room: Room, params: ParamsOf<'events/list'>): Outcome {
  const wanted = params.event_types === undefined ? null : new Set(params.event_types);
  const events: unknown[] = [];
  let next = params.from_sequence;
  let bytes = 0;
  for (const row of room.store.events.after(params.from_sequence - 1, wanted === null ? params.limit : MOST_ROWS)) {
    const json = eventJson(row);
    if (events.length >= params.limit || bytes + json.length > MOST_BYTES) break;
    next = row.sequence + 1;
    if (wanted !== null && !wanted.has(row.event_type)) continue;
    bytes += Buffer.byteLength(json);
    events.push(JSON.parse(json));
  }
  const { first, last } = room.store.events.span();
  return { result: { events, first_sequence: first, last_sequence: last, next_sequence: next } };
}
