// Work that goes on behind the commit of its acceptance: carried out once, and its answer kept together with what it has
// to store. What a restart cut off is answered so, and is not done again.

import { newEvent, type NewEvent } from '../domain/events.ts';
import type { ApiError } from '../domain/errors.ts';
import { isFull } from '../store/disk-errors.ts';
import { apiErrorOf, errorJson, failure, okJson, outcomeError } from './answers.ts';
import type { CommandName } from './contract.ts';
import { STORAGE_FULL } from './no-room.ts';
import type { Done, Room, Work } from './room.ts';
import { interruptedScan } from './scan-events.ts';

type Which = { commandId: string; name: CommandName };

/** Never rejects; `answer` is called once. `isKept`: the journal has what it says. */
export async function carryOut(
  room: Room,
  which: Which,
  work: Work,
  answer: (json: string, isKept: boolean) => void,
): Promise<void> {
  const { store, clock, log, sync } = room;
  const { commandId } = which;
  const done = await work().catch((error: unknown) => ({ error: outcomeError(error, log) }));
  const kept = { json: '', wake: [] as readonly string[], isAnswered: false };
  const reply = (json: string, isKept: boolean): void => {
    if (kept.isAnswered) return;
    kept.isAnswered = true;
    answer(json, isKept);
  };
  const keep = (): void => {
    const told = 'finish' in done ? finished(room, done.finish) : done;
    kept.json = jsonOf(which, told);
    const isSecret = !('error' in told) && told.isSecret === true;
    kept.wake = 'error' in told ? [] : (told.wake ?? []);
    store.journal.finish(commandId, { json: kept.json, isSecret, codeShownUntilMs: null }, clock.nowMs());
  };
  /** What moved has moved, and its answer leaves whether or not it could be kept; what was to be stored was not. */
  const unkept = (error: unknown): void =>
    reply('finish' in done ? errorJson(commandId, notStored(error)) : jsonOf(which, done), false);
  try {
    const committed = (): void => {
      reply(kept.json, true);
      if (kept.wake.length > 0) sync.wake(kept.wake);
    };
    store.group(keep, { committed, rolledBack: unkept });
    store.flush();
  } catch (error) {
    log.error('the outcome of a command could not be stored', { command_id: commandId, error: String(error) });
    unkept(error);
  }
}

function finished(room: Room, finish: () => Done): Done {
  try {
    return room.store.attempt(finish);
  } catch (error) {
    return { error: apiErrorOf(error, room.log) };
  }
}

const jsonOf = ({ commandId, name }: Which, told: Done): string =>
  'error' in told ? errorJson(commandId, told.error) : okJson(commandId, name, told.result);

const notStored = (error: unknown): ApiError =>
  isFull(error)
    ? STORAGE_FULL
    : { type: 'internal', message: 'the disk failed: what was shown at the reader was not stored' };

/** After a start: what a restart cut off is answered. */
export function answerInterrupted({ store, clock, acsSystemId }: Room): void {
  const goesOn = store.snapshots.present()?.command_id;
  for (const row of store.journal.unfinished()) {
    if (row.command_id === goesOn) continue;
    if (row.state === 'running') continue; // an apply goes on when its command comes again: it was never acknowledged
    const error: ApiError = { type: 'interrupted', message: 'a restart cut this command off; it is not repeated' };
    const event = interruptedEvent(row.command, row.command_id, acsSystemId, error);
    store.group(() => {
      store.journal.finish(row.command_id, failure(row.command_id, error).answer, clock.nowMs());
      if (event !== null) store.events.add(event, clock.nowMs());
    });
  }
  store.flush();
}

const interruptedEvent = (command: string, commandId: string, acsSystemId: string, error: ApiError): NewEvent | null =>
  command === 'entrances/unlock'
    ? newEvent('acs_entrance.unlock_failed', { command_id: commandId, error })
    : interruptedScan(command, { acs_system_id: acsSystemId, command_id: commandId, error });
