// Cards: a number in one of the formats of the field.

import { canonicalCard, isRandomUid } from '../../domain/card-formats.ts';
import { OperatingError, refused } from '../../domain/errors.ts';
import { cardContext } from '../credential-object.ts';
import type { Room } from '../room.ts';
import { NO_SECRET, type Factor } from './factor.ts';

export const CARD: Factor = {
  method: 'card',
  given: cardOf,
  generate: null,
  refusalOf: () => null,
  changed: (room, params) =>
    params.code === undefined && params.card_number === undefined ? null : cardOf(room, params),
  columns: ({ store }, acsCredentialId, card) => ({
    ...NO_SECRET,
    card_hash: store.secrets.cardHash(card),
    card_sealed: store.secrets.seal(card, cardContext(acsCredentialId)),
  }),
  holds: ({ store }, row, card) => row.card_hash?.equals(store.secrets.cardHash(card)) === true,
  open: ({ store }, row) =>
    row.card_sealed === null ? null : store.secrets.open(row.card_sealed, cardContext(row.acs_credential_id)),
  held: ({ card_hash: hash }, card) => ({
    card: card === null || hash === null ? null : { canonical: card, hash },
    code: null,
  }),
};

function cardOf(
  room: Room,
  params: { code?: string | undefined; card_number?: string | undefined; card_format?: string | undefined },
): string {
  const field = params.card_number !== undefined ? 'card_number' : 'code';
  const value = params.card_number ?? params.code;
  if (value === undefined) throw refused('invalid_input', 'card_number', 'required for access_method card');
  if (params.card_number !== undefined && params.code !== undefined && params.card_number !== params.code) {
    throw refused('invalid_input', 'code', 'a card has one number; give it in card_number alone');
  }
  try {
    const card = canonicalCard(value, params.card_format ?? null, room.policy.defaultCardFormat);
    if (!isRandomUid(card)) return card;
  } catch (error) {
    if (!(error instanceof OperatingError)) throw error;
    throw new OperatingError('invalid_input', `params.${field}: ${error.message}`, ['params', field]);
  }
  throw new OperatingError(
    'invalid_input',
    `params.${field}: a 4-byte UID that begins with 08 is made anew at every tap and identifies nobody`,
    ['params', field],
  );
}
