// What is done though the disk takes nothing of it: in force at once, answered, and not journalled; a repeat does no
// more than that.

import type { ApiError } from '../domain/errors.ts';
import { apiErrorOf, errorJson, okJson } from './answers.ts';
import { UNSTORED } from './handlers.ts';
import type { Parsed } from './intake.ts';
import { STORAGE_FULL } from './no-room.ts';
import type { Asker, Room } from './room.ts';

/** The reply. `refusal`: why it must not be done at all. */
export function doneUnstored(room: Room, { envelope, name }: Parsed, asker: Asker, refusal: ApiError | null): string {
  const { command_id: commandId } = envelope;
  const run = UNSTORED[name];
  if (refusal !== null || run === undefined) return errorJson(commandId, refusal ?? STORAGE_FULL);
  try {
    const call = { nowMs: room.clock.nowMs(), commandId, asker };
    return okJson(commandId, name, run(room, envelope.params, call));
  } catch (error) {
    return errorJson(commandId, apiErrorOf(error, room.log));
  }
}
