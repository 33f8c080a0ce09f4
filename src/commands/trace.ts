// Whatever a command changes leaves its trace in the event log, within the transaction of the change: what it was about, which fields are others now (by name,
// never by value), which command did it, and who is said to have sent it.

import type { Call, Room } from './room.ts';

/** One change. `ids` name what it is about; `fields` are those of the command's own parameters that hold something else now. */
export type Change = { eventType: string; ids: Readonly<Record<string, unknown>>; fields?: readonly string[] };

/** Records it; an update that changed nothing leaves no trace, for nothing happened. */
export function recordChange(room: Room, call: Call, { eventType, ids, fields }: Change): void {
  if (fields?.length === 0) return;
  const body = {
    acs_system_id: room.acsSystemId,
    ...ids,
    ...(fields === undefined ? {} : { changed: fields }),
    ...attribution(call),
  };
  room.store.events.add({ event_type: eventType, body }, call.nowMs);
}

/** By which command, over which way, and who its sender says it is: stated, not proved. */
export const attribution = ({ commandId, asker }: Call): Record<string, unknown> => ({
  command_id: commandId,
  source: asker.source,
  sender: asker.sender,
});

/** The names of `fields` whose values differ; bytes are compared as bytes. */
export function changedFields<T extends object>(
  before: T,
  after: T,
  fields: Readonly<Record<string, readonly (keyof T)[]>>,
): string[] {
  return Object.entries(fields).flatMap(([name, columns]) =>
    columns.every((column) => isSame(before[column], after[column])) ? [] : [name],
  );
}

const isSame = (a: unknown, b: unknown): boolean =>
  a === b || (Buffer.isBuffer(a) && Buffer.isBuffer(b) && a.equals(b));
