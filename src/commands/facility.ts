// The facility as a whole: the digest with which a sender finds out whether this building has what it should.

import type { Outcome, Room } from './room.ts';

export function digestFacility(room: Room): Outcome {
  return { result: { revision: room.store.revision(), ...room.store.digest.read() } };
}
