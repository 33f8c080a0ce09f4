// The facility as a whole: the digest with which a sender finds out whether this building has what it should, and the
// numbers of its senders.

import type { ParamsOf } from './contract.ts';
import type { Call, Outcome, Room } from './room.ts';
import { forgetStream } from './streams.ts';
import { recordChange } from './trace.ts';

export function digestFacility(room: Room): Outcome<'facility/digest'> {
  return { result: { revision: room.store.revision(), ...room.store.digest.read() } };
}

export function resetStream(
  room: Room,
  params: ParamsOf<'facility/reset_stream'>,
  call: Call,
): Outcome<'facility/reset_stream'> {
  const { stream_id: id } = params;
  const last = forgetStream(room.store, id);
  if (last !== null) {
    recordChange(room, call, { eventType: 'agent.stream_reset', ids: { stream_id: id, last_seq: last } });
  }
  return { result: { stream_id: id, last_seq: last } };
}
