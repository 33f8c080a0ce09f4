// Removes a person for good: deletes whoever is still there as users/delete does, then takes what is left of the person
// out of every other place, a few rows at a time, and last out of the log of the database. What stays is an id, in the
// event log, whose hashes hold nothing else, and among those that are never used again.

import { listBackups } from '../store/open.ts';
import type { JournalRow } from '../store/journal.ts';
import { storedObject } from '../store/stored-json.ts';
import type { UserRow } from '../store/users.ts';
import type { ParamsOf } from './contract.ts';
import { userNotFound } from './found.ts';
import type { Call, Room, Work } from './room.ts';
import { recordChange } from './trace.ts';
import { deleteUser } from './users.ts';

const SLICE_ROWS = 50;
/** A copy that is being made keeps the log of the database from being emptied. */
const PURGE_TRIES = 50;
const PURGE_EVERY_MS = 200;

const ERASED = { type: 'erased', message: 'what was answered named a person who was erased since' } as const;

export function prepareErase(room: Room, params: ParamsOf<'users/erase'>, call: Call): Work<'users/erase'> {
  const { store } = room;
  const { acs_user_id: id } = params;
  const there = store.users.byId(id);
  if (there === undefined && !store.tombstones.has('user', id)) throw userNotFound(id);
  return async () => {
    const found = deleteNow(room, params, call);
    const replies = await eraseReplies(room, id, there);
    const isPurged = await purge(room);
    return {
      finish: () => {
        recordChange(room, call, { eventType: 'acs_user.erased', ids: { acs_user_id: id } });
        const backups = listBackups(store.path).length;
        return { result: { acs_user_id: id, ...found, replies, backups, is_purged: isPurged } };
      },
    };
  };
}

type Found = {
  was_deleted: boolean;
  credentials: number;
  biometrics: number;
  area_entries: number;
  pending_erasures: number;
};

/** Durable when it returns, and in force at every door of ours. */
function deleteNow(room: Room, params: ParamsOf<'users/erase'>, call: Call): Found {
  const { store, sync } = room;
  const { acs_user_id: id } = params;
  let wake: readonly string[] = [];
  const found = store.now(() => {
    const row = store.users.byId(id);
    const keys = row === undefined ? [] : store.credentials.ofUser(row.user_key).map((one) => one.credential_key);
    const biometrics = row === undefined ? 0 : store.biometrics.of(row.user_key).length;
    if (row !== undefined) wake = deleteUser(room, { acs_user_id: id }, call).wake ?? [];
    return {
      was_deleted: row === undefined,
      credentials: keys.length,
      biometrics,
      area_entries: store.areas.eraseName(id),
      pending_erasures: keys.reduce((count, key) => count + store.targets.ofCredential(key).length, 0),
    };
  });
  if (wake.length > 0) sync.wake(wake);
  return found;
}

/** How many of the replies kept for repeats were emptied. */
async function eraseReplies({ store, clock }: Room, id: string, person: UserRow | undefined): Promise<number> {
  const words = [id, ...(person === undefined ? [] : wordsOf(person))];
  let count = 0;
  for (let after: number | null = 0; after !== null;) {
    const from: number = after;
    after = store.group(() => {
      const rows = store.journal.slice(from, SLICE_ROWS);
      for (const row of rows) if (eraseReply(store.journal, row, words)) count += 1;
      return rows.length < SLICE_ROWS ? null : (rows.at(-1)?.rowid ?? null);
    });
    await new Promise<void>((resolve) => clock.immediate(resolve));
  }
  return count;
}

function eraseReply(journal: Room['store']['journal'], row: JournalRow, words: readonly string[]): boolean {
  const json = journal.replyOf(row);
  if (json === null || !words.some((word) => json.includes(word))) return false;
  const isOk = storedObject(json)['ok'] === true;
  const told = isOk ? { ok: true, result: ERASED } : { ok: false, error: ERASED };
  journal.replaceReply(row.command_id, JSON.stringify({ command_id: row.command_id, ...told }));
  return true;
}

/** As they stand in an answer. One alone may be a common word: whole values only. */
const wordsOf = ({ full_name, email_address, phone_number, user_identity_id }: UserRow): string[] =>
  [full_name, email_address, phone_number, user_identity_id].flatMap((value) =>
    value === null || value === '' ? [] : [JSON.stringify(value)],
  );

/** Deleted rows are overwritten in the file; its log holds them until it is emptied. */
async function purge({ store, clock }: Room): Promise<boolean> {
  for (let tries = 0; tries < PURGE_TRIES; tries += 1) {
    store.flush();
    if (store.emptyLog()) return true;
    await new Promise<void>((resolve) => void clock.after(PURGE_EVERY_MS, resolve));
  }
  return false;
}
