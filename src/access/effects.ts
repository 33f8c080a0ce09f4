// What a passed gate makes durable before anything moves, and the events that tell of it.

import { newEvent, type NewEvent } from '../domain/events.ts';
import { invalidated } from '../domain/invalidated.ts';
import { usesLeft } from '../domain/uses.ts';
import type { Store } from '../store/store.ts';
import type { Passage, Violation } from './crossing.ts';
import type { Effect } from './ladder.ts';

type Carried<E extends Effect> = {
  events: (effect: E, acsSystemId: string, nowMs: number) => NewEvent[];
  /** Inside a transaction; returns the controllers whose tables must be looked at. */
  write: (store: Store, effect: E, nowMs: number) => string[];
};

const EFFECTS: { [K in Effect['kind']]: Carried<Extract<Effect, { kind: K }>> } = {
  use: {
    events: ({ credential }, acs_system_id, nowMs) => {
      const { acs_credential_id, acs_user_id } = credential;
      // Of a use that is not the last there is nothing to tell beside that it opened.
      if (usesLeft(credential) !== 1) return [];
      return [invalidated({ acs_system_id, acs_credential_id, acs_user_id, reason: 'used' }, nowMs)];
    },
    write: (store, { credential: { credential_key: key } }, nowMs) => {
      if (store.credentials.countUse(key)) return [];
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
    : EFFECTS.use.events(effect, acsSystemId, nowMs);

export const writeEffect = (store: Store, effect: Effect, nowMs: number): string[] =>
  effect.kind === 'passage' ? EFFECTS.passage.write(store, effect, nowMs) : EFFECTS.use.write(store, effect, nowMs);
