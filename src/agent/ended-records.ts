// Takes what ended long ago out of the database, a few rows at a time, so that no decision waits for it. Each slice tells
// which ids it took in the transaction that takes them: whoever keeps a list above can keep it equal.

import { newEvent } from '../domain/events.ts';
import type { Clock } from '../domain/ports.ts';
import { FROM_THE_FIRST, type Place } from '../store/ended.ts';
import type { Store } from '../store/store.ts';

export type EndedOptions = {
  store: Store;
  clock: Clock;
  keepMs: number;
  /** The present as far as the clock can be trusted; null: nobody knows what ended when. */
  certainNowMs: () => number | null;
  isStopped: () => boolean;
};

/** Rows looked at in one turn: a deletion costs more than that of an event, for digest, seals and codes move with it. */
const CREDENTIALS = 20;
const GRANTS = 5;

/** How many were taken out. */
export async function removeEnded(options: EndedOptions): Promise<{ credentials: number; grants: number }> {
  const grants = await inSlices(options, (before, place) => {
    const { store, clock } = options;
    const slice = store.ended.removeGrants(before, place, GRANTS, clock.nowMs());
    if (slice.ids.length > 0) tell(options, before, slice.methodIds, slice.ids);
    return slice;
  });
  const credentials = await inSlices(options, (before, place) => {
    const { store, clock } = options;
    const slice = store.ended.removeCredentials(before, place, CREDENTIALS, clock.nowMs());
    if (slice.ids.length > 0) tell(options, before, slice.ids, []);
    return slice;
  });
  return { credentials, grants };
}

type Taken = { ids: readonly string[]; next: Place | null };
type Take = (beforeMs: number, place: Place) => Taken;

async function inSlices({ store, clock, keepMs, certainNowMs, isStopped }: EndedOptions, take: Take): Promise<number> {
  let count = 0;
  let place: Place | null = FROM_THE_FIRST;
  while (place !== null && !isStopped()) {
    const nowMs = certainNowMs();
    if (nowMs === null) return count;
    const from: Place = place;
    const slice: Taken = store.group(() => take(nowMs - keepMs, from));
    count += slice.ids.length;
    place = slice.next;
    await new Promise<void>((resolve) => clock.immediate(resolve));
  }
  return count;
}

function tell(
  { store, clock }: EndedOptions,
  beforeMs: number,
  acsCredentialIds: readonly string[],
  accessGrantIds: readonly string[],
): void {
  store.raiseRevision();
  const body = {
    count: acsCredentialIds.length + accessGrantIds.length,
    ended_before: new Date(beforeMs).toISOString(),
    acs_credential_ids: [...acsCredentialIds],
    access_grant_ids: [...accessGrantIds],
  };
  store.events.add(newEvent('agent.ended_removed', body), clock.nowMs());
}
