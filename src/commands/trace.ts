// Whatever a command changes leaves its trace in the event log, within the transaction of the change: what it was
// about, which fields are others now (by name, never by value), which command did it, and who is said to have sent it.

import { newEventAt, type BodyOf, type EventType } from '../domain/events.ts';
import type { Call, Room } from './room.ts';

/**
 * One change. `ids` name what it is about; `fields` are those of the command's own parameters that hold something else
 * now.
 */
export type Change<T extends EventType> = {
  eventType: T;
  ids: Omit<BodyOf<T>, 'acs_system_id' | 'changed' | keyof Attribution>;
  fields?: readonly string[];
};

export type Attribution = { command_id: string; source: 'mqtt' | 'local'; sender: string | null };

/** Records it; an update that changed nothing leaves no trace, for nothing happened. */
export function recordChange<T extends EventType>(room: Room, call: Call, { eventType, ids, fields }: Change<T>): void {
  if (fields?.length === 0) return;
  const base = {
    acs_system_id: room.acsSystemId,
    ...attribution(call),
    ...(fields === undefined ? {} : { changed: fields }),
  };
  room.store.events.add(newEventAt(eventType, base, ids), call.nowMs);
}

/** By which command, over which way, and who its sender says it is: stated, not proved. */
export const attribution = ({ commandId, asker }: Call): Attribution => ({
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
