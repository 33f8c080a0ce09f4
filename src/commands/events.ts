// Events from a sequence number on: how a reader of the log fills a gap, and how a receiver says what has arrived.

import { OperatingError, refused } from '../domain/errors.ts';
import { eventJson, eventStub, type Wanted } from '../store/events.ts';
import { storedJson } from '../store/stored-json.ts';
import type { ParamsOf } from './contract.ts';
import { pageBytes } from './paging.ts';
import type { Call, Outcome, Room } from './room.ts';
import type { ResultOf } from './contract/results.ts';

type EventShown = ResultOf<'events/list'>['events'][number];

export function listEvents(room: Room, params: ParamsOf<'events/list'>, { mostReplyBytes }: Call): Outcome {
  const mostBytes = pageBytes(mostReplyBytes);
  const { from_sequence: from, limit } = params;
  const { rows, upTo } = room.store.events.wanted(from - 1, limit, wantedBy(params));
  const events: EventShown[] = [];
  let next = upTo + 1;
  let bytes = 0;
  for (const row of rows) {
    const whole = eventJson(row);
    // One that is more than a page has to itself would hold up whoever reads: its stub goes, and it is whole over the
    // local socket.
    const json = Buffer.byteLength(whole) > mostBytes ? eventStub(row) : whole;
    bytes += Buffer.byteLength(json) + 1;
    if (bytes > mostBytes && events.length > 0) {
      next = row.sequence;
      break;
    }
    events.push((storedJson(json) ?? storedJson(eventStub(row))) as EventShown);
  }
  const { first, last } = room.store.events.span();
  const forgotten = first === null || from >= first ? null : { from_sequence: from, to_sequence: first - 1 };
  return { result: { events, first_sequence: first, last_sequence: last, next_sequence: next, forgotten } };
}

export function acknowledgeEvents(
  room: Room,
  { sequence, event_id: eventId }: ParamsOf<'events/acknowledge'>,
  { asker }: Call,
): Outcome<'events/acknowledge'> {
  const receipts = room.receipts?.() ?? null;
  if (receipts === null)
    throw new OperatingError(
      'not_supported',
      'events are delivered here once the broker has acknowledged them. Remedy: mqtt.event_delivery: acknowledged in the facility file, and a restart, where a receiver is to confirm them',
    );
  return { result: receipts.acknowledge({ sequence, eventId: eventId ?? null, sender: asker.sender }) };
}

function wantedBy(params: ParamsOf<'events/list'>): Wanted {
  const { event_types: types } = params;
  const type = params.event_type;
  const both = [...(type === undefined ? [] : [type]), ...(types ?? [])];
  return {
    types: type === undefined && types === undefined ? null : both,
    created: rangeOf('created', params.created_since, params.created_before),
    occurred: rangeOf('occurred', params.occurred_since, params.occurred_before),
  };
}

/** One that ends before it begins would find nothing, and nothing would say why. */
function rangeOf(name: string, since: number | undefined, before: number | undefined): [number | null, number | null] {
  if (since !== undefined && before !== undefined && before <= since)
    throw refused('invalid_input', `${name}_before`, `later than ${name}_since, which is the first instant wanted`);
  return [since ?? null, before ?? null];
}
