// Events from a sequence number on: how a reader of the log fills a gap.

import { eventJson, eventStub } from '../store/events.ts';
import { storedJson } from '../store/stored-json.ts';
import type { ParamsOf } from './contract.ts';
import { pageBytes } from './paging.ts';
import type { Call, Outcome, Room } from './room.ts';
import type { ResultOf } from './contract/results.ts';

type EventShown = ResultOf<'events/list'>['events'][number];

/** Rows looked at in one command, however few of them match `event_types`. */
const MOST_ROWS = 2000;

export function listEvents(room: Room, params: ParamsOf<'events/list'>, { mostReplyBytes }: Call): Outcome {
  const mostBytes = pageBytes(mostReplyBytes);
  const wanted = params.event_types === undefined ? null : new Set(params.event_types);
  const events: EventShown[] = [];
  let next = params.from_sequence;
  let bytes = 0;
  for (const row of room.store.events.after(params.from_sequence - 1, wanted === null ? params.limit : MOST_ROWS)) {
    if (events.length >= params.limit) break;
    if (wanted === null || wanted.has(row.event_type)) {
      const whole = eventJson(row);
      // One that is more than a page has to itself would hold up whoever reads: its stub goes, and it is whole over the
      // local socket.
      const json = Buffer.byteLength(whole) > mostBytes ? eventStub(row) : whole;
      bytes += Buffer.byteLength(json) + 1;
      if (bytes > mostBytes && events.length > 0) break;
      events.push((storedJson(json) ?? storedJson(eventStub(row))) as EventShown);
    }
    next = row.sequence + 1;
  }
  const { first, last } = room.store.events.span();
  return { result: { events, first_sequence: first, last_sequence: last, next_sequence: next } };
}
