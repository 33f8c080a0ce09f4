// The facility as a whole: the digest with which a sender finds out whether this building has what it should, and the numbers of its senders.

import type { ParamsOf } from './contract.ts';
import type { Call, Outcome, Room } from './room.ts';
import { forgetStream } from './streams.ts';
import { attribution } from './trace.ts';

export function digestFacility(room: Room): Outcome {
  return { result: { revision: room.store.revision(), ...room.store.digest.read() } };
}

export function resetStream(room: Room, params: ParamsOf<'facility/reset_stream'>, call: Call): Outcome {
  const { stream_id: id } = params;
  const last = forgetStream(room.store, id);
  if (last !== null) {
    const body = { stream_id: id, last_seq: last, ...attribution(call) };
    room.store.events.add({ event_type: 'agent.stream_reset', body }, call.nowMs);
  }
  return { result: { stream_id: id, last_seq: last } };
}
