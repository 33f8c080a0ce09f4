// What a passed gate makes durable before anything moves, and the events that tell of it.

import { newEvent, type NewEvent } from '../domain/events.ts';
import { invalidated } from '../domain/invalidated.ts';
import type { Store } from '../store/store.ts';
import type { Passage, Violation } from './crossing.ts';
import type { Effect } from './ladder.ts';

type Carried<E extends Effect> = {
  events: (effect: E, acsSystemId: string, nowMs: number) => NewEvent[];
  /** Inside a transaction; returns the controllers whose tables must be looked at. */
  write: (store: Store, effect: E, nowMs: number) => string[];
};

const EFFECTS: { [K in Effect['kind']]: Carried<Extract<Effect, { kind: K }>> } = {
  used_up: {
    events: ({ credential: { acs_credential_id, acs_user_id } }, acs_system_id, nowMs) => [
      invalidated({ acs_system_id, acs_credential_id, acs_user_id, reason: 'used' }, nowMs),
    ],
    write: (store, { credential: { credential_key: key } }, nowMs) => {
      store.credentials.markUsed(key, nowMs);
      store.credentials.markInvalidated(key, nowMs);
      store.targets.touch(key);
      return store.targets.ofCredential(key).map(({ controller }) => controller);
    },
  },
  passage: {
    events: ({ passage }, acsSystemId) =>
      passage.violations.map((violation) => violationEvent(violation, passage, acsSystemId, true)),
    write: (store, { passage: { acsEntranceId, reader, acsUserIds } }, nowMs) => {
      for (const acsUserId of acsUserIds)
        store.areas.putPassage({ acs_entrance_id: acsEntranceId, acs_user_id: acsUserId, reader, granted_at: nowMs });
      return [];
    },
  },
};

/** `wasLetIn`: it is told, and kept nobody out. */
export const violationEvent = (
  { area, acsUserId, direction, wasUnsure }: Violation,
  { acsEntranceId, reader }: Pick<Passage, 'acsEntranceId' | 'reader'>,
  acsSystemId: string,
  wasLetIn: boolean,
): NewEvent =>
  newEvent('area.passback_violation', {
    acs_system_id: acsSystemId,
    area: area.name,
    acs_user_id: acsUserId,
    acs_entrance_id: acsEntranceId,
    reader,
    direction,
    was_let_in: wasLetIn,
    was_unsure: wasUnsure,
  });

export const eventsOf = (effect: Effect, acsSystemId: string, nowMs: number): NewEvent[] =>
  effect.kind === 'passage'
    ? EFFECTS.passage.events(effect, acsSystemId, nowMs)
    : EFFECTS.used_up.events(effect, acsSystemId, nowMs);

export const writeEffect = (store: Store, effect: Effect, nowMs: number): string[] =>
  effect.kind === 'passage' ? EFFECTS.passage.write(store, effect, nowMs) : EFFECTS.used_up.write(store, effect, nowMs);
