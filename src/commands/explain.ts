// `entrances/explain`: what would happen at a door, and nothing moves. Also for a phone that nobody knows yet and that
// hands over what an issuer has signed for it: that is taken as the door takes it, asked, and undone.

import { canonicalCard } from '../domain/card-formats.ts';
import { OperatingError, refused } from '../domain/errors.ts';
import type { SiteEntrance } from '../domain/site.ts';
import { isStorageError } from '../store/disk-errors.ts';
import type { ParamsOf } from './contract.ts';
import { findEntrance } from './entrances.ts';
import { findCredential } from './found.ts';
import { takeToken } from './issued-keys.ts';
import type { Asked, Call, Explanation, How, Outcome, Room } from './room.ts';

export function explainEntrance(room: Room, params: ParamsOf<'entrances/explain'>, { asker }: Call): Outcome {
  const entrance = findEntrance(room, params.acs_entrance_id);
  const time = params.at === undefined ? room.time() : { ...room.time(), trusted: true, nowMs: params.at };
  const reader = params.reader ?? entrance.readers[0] ?? null;
  if (params.reader !== undefined && !entrance.readers.includes(params.reader))
    throw refused(
      'acs_encoder_not_found',
      'reader',
      `entrance ${entrance.name} has ${entrance.readers.join(', ') || 'no reader'}`,
    );
  const how = { time, isNow: params.at === undefined, reader, asker };
  const asked = askedOf(room, params);
  const explanation =
    'token' in asked ? withToken(room, entrance, asked.token, how) : room.doors.explain(entrance, asked, how);
  return {
    result: {
      outcome: explanation.outcome,
      reason: explanation.reason,
      acs_entrance_id: entrance.acsEntranceId,
      acs_credential_id: explanation.acsCredentialId,
      acs_user_id: explanation.acsUserId,
      steps: explanation.steps,
    },
  };
}

const WAYS = ['acs_credential_id', 'card_number', 'code', 'public_key', 'token'] as const;

function askedOf(room: Room, params: ParamsOf<'entrances/explain'>): Asked | { token: Buffer } {
  if (WAYS.filter((way) => params[way] !== undefined).length !== 1)
    throw new OperatingError('invalid_input', `params: give exactly one of ${WAYS.join(', ')}`, ['params']);
  if (params.acs_credential_id !== undefined) return askedById(room, params.acs_credential_id);
  if (params.code !== undefined) return { code: params.code };
  if (params.public_key !== undefined) return { phone: params.public_key };
  if (params.token !== undefined && params.at !== undefined)
    throw refused('invalid_input', 'at', 'a signed key is judged at the moment at which it is handed over');
  if (params.token !== undefined) return { token: params.token };
  return {
    cards: [canonicalCard(params.card_number ?? '', params.card_format ?? null, room.policy.defaultCardFormat)],
  };
}

function askedById(room: Room, id: string): Asked {
  const { phones, issuedKeys } = room.store;
  const phone = phones.byId(id) ?? issuedKeys.byId(id);
  return phone === undefined
    ? { acsCredentialId: findCredential(room, id).acs_credential_id }
    : { phone: phone.public_key };
}

function withToken(room: Room, entrance: SiteEntrance, token: Buffer, how: How): Explanation {
  const { store, doors } = room;
  try {
    return store.now(() => {
      const taken = takeToken(room, token, null, null);
      throw new Undone(
        'detail' in taken
          ? refusedToken(taken.detail, taken.message)
          : took(doors.explain(entrance, { phone: taken.row.public_key }, how)),
      );
    });
  } catch (error) {
    if (error instanceof Undone) return error.explanation;
    if (isStorageError(error)) return refusedToken('store_unavailable', 'the database takes nothing now');
    if (error instanceof OperatingError) return refusedToken('token_refused', error.message);
    throw error;
  }
}

const STEP = 'signed_key';

const took = (explanation: Explanation): Explanation => ({
  ...explanation,
  steps: [
    { step: STEP, passed: true, detail: 'it would be taken, for the phone that proves its key' },
    ...explanation.steps,
  ],
});

const refusedToken = (reason: string, detail: string): Explanation => ({
  outcome: 'denied',
  reason,
  acsCredentialId: null,
  acsUserId: null,
  steps: [{ step: STEP, passed: false, detail }],
});

/** Takes back what was written on the way to an answer. */
class Undone extends Error {
  readonly explanation: Explanation;

  constructor(explanation: Explanation) {
    super('undone');
    this.explanation = explanation;
  }
}
