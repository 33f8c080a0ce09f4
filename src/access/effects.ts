// What a passed gate makes durable before anything moves, and the events that tell of it.

import type { NewEvent } from '../domain/events.ts';
import { invalidated } from '../domain/invalidated.ts';
import type { Store } from '../store/store.ts';
import type { Effect } from './ladder.ts';

type Carried<E extends Effect> = {
  event: (effect: E, acsSystemId: string, nowMs: number) => NewEvent;
  /** Inside a transaction; returns the controllers whose tables must be looked at. */
  write: (store: Store, effect: E, nowMs: number) => string[];
};

const EFFECTS: { [K in Effect['kind']]: Carried<Extract<Effect, { kind: K }>> } = {
  used_up: {
    event: ({ credential: { acs_credential_id, acs_user_id } }, acs_system_id, nowMs) =>
      invalidated({ acs_system_id, acs_credential_id, acs_user_id, reason: 'used' }, nowMs),
    write: (store, { credential: { credential_key: key } }, nowMs) => {
      store.credentials.markUsed(key, nowMs);
      store.credentials.markInvalidated(key, nowMs);
      store.targets.touch(key);
      return store.targets.ofCredential(key).map(({ controller }) => controller);
    },
  },
};

export const eventOf = (effect: Effect, acsSystemId: string, nowMs: number): NewEvent =>
  EFFECTS[effect.kind].event(effect, acsSystemId, nowMs);

export const writeEffect = (store: Store, effect: Effect, nowMs: number): string[] =>
  EFFECTS[effect.kind].write(store, effect, nowMs);
