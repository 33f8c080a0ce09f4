// The one event that says a credential can be used no more, whoever finds it out: dated by the instant at which that
// came to be, not by the one at which it was noticed.

import { newEvent, type BodyOf, type NewEvent } from './events.ts';

/** `endedAtMs`: its end, its use, or the command, epoch ms. */
export const invalidated = (body: BodyOf<'acs_credential.invalidated'>, endedAtMs: number): NewEvent =>
  newEvent('acs_credential.invalidated', body, endedAtMs);
