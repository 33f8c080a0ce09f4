// Keys that a credential manager has signed (domain/issued-token.ts): handed over by a command, or by the phone itself at
// the door; what a manager takes back. Whatever one opens, it opens as a phone of the mobile key that it names.

import { newEventAt } from '../domain/events.ts';
import { assert, OperatingError, refused, type ApiError } from '../domain/errors.ts';
import { isRefused, readToken, type IssuedToken, type TokenRefusal } from '../domain/issued-token.ts';
import type { CredentialRow } from '../store/credentials.ts';
import { KEPT_BEHIND_END_MS, MOST_KEYS, type IssuedKeyRow, type Revocation } from '../store/issued-keys.ts';
import { storedObject } from '../store/stored-json.ts';
import type { ParamsOf } from './contract.ts';
import { createCredential, deleteCredential, updateCredential } from './credentials.ts';
import { findEntrances, findManager } from './found.ts';
import { issuedKeyObject, MOST_PHONES } from './phone-object.ts';
import type { Call, Outcome, Room } from './room.ts';
import { takeBack } from './taken-back.ts';
import { attribution, recordChange } from './trace.ts';

/** Why it opens nothing, beyond what its signature and its terms are refused for. */
export type Refused = { detail: TokenRefusal['detail'] | 'key_revoked' | 'unknown_credential'; message: string };
type Taken = { row: IssuedKeyRow; parent: CredentialRow; isNew: boolean };

/** By what it came: a command, or null where the phone itself has handed it over at a door. */
type By = Call | null;

/** Within a transaction. What cannot be taken is said, and nothing of it is left when the caller undoes what was written. */
export function takeToken(room: Room, bytes: Buffer, provedKey: Buffer | null, by: By): Taken | Refused {
  const { trusted } = room.time();
  const nowMs = room.clock.nowMs();
  const { credentialManagers: managers, acsSystemId } = room;
  const token = readToken(bytes, { managers, acsSystemId, nowMs, isTrusted: trusted });
  if (isRefused(token)) return token;
  if (provedKey !== null && !provedKey.equals(token.key))
    return { detail: 'token_refused', message: 'it is for another key than the one that was proved' };
  return stored(room, token, by);
}

function stored(room: Room, token: IssuedToken, by: By): Taken | Refused {
  const { store } = room;
  const { manager, tokenId } = token;
  if (store.issuedKeys.isRevoked(manager.acsSystemId, token))
    return { detail: 'key_revoked', message: `${manager.name} has taken it back` };
  if (store.tombstones.has('credential', token.acsCredentialId))
    return { detail: 'key_revoked', message: `credential ${token.acsCredentialId} was deleted` };
  const known = store.issuedKeys.byToken(manager.acsSystemId, tokenId);
  if (known !== undefined) return again(room, known, token);
  const parent = parentOf(room, token, by);
  if ('detail' in parent) return parent;
  // One that was signed for the same key takes the place of the one before, unless it is older.
  const others = store.issuedKeys.of(parent.credential_key);
  const before = others.find(
    ({ issuer, public_key }) => issuer === manager.acsSystemId && public_key.equals(token.key),
  );
  if (before !== undefined && before.issued_at > token.issuedAtMs)
    return { detail: 'token_refused', message: 'a newer one for the same key is here already' };
  if (before !== undefined) store.issuedKeys.delete(before.issued_key);
  const nowMs = room.clock.nowMs();
  for (const one of others) if (one.ends_at <= nowMs && one !== before) store.issuedKeys.delete(one.issued_key);
  const count = store.issuedKeys.of(parent.credential_key).length + store.phones.of(parent.credential_key).length;
  if (count >= MOST_PHONES)
    return {
      detail: 'token_refused',
      message: `its mobile key has ${MOST_PHONES} phones already, the most that there may be`,
    };
  if (store.issuedKeys.countOf(manager.acsSystemId) >= MOST_KEYS)
    return {
      detail: 'token_refused',
      message: `${MOST_KEYS} keys that ${manager.displayName} has signed are here, the most that there may be; they go a day after their end, or with credentials/revoke_issued_keys`,
    };
  const id = before?.acs_credential_id ?? room.random.uuid();
  const ended = store.issuedKeys.insert(
    {
      acs_credential_id: id,
      credential_key: parent.credential_key,
      key_hash: store.secrets.keyHash(token.key),
      public_key: token.key,
      issuer: manager.acsSystemId,
      token_id: tokenId,
      starts_at: token.startsAtMs,
      ends_at: token.endsAtMs,
      issued_at: token.issuedAtMs,
      entrances: token.entranceIds.join(','),
      created_at: nowMs,
    },
    nowMs,
  );
  store.raiseRevision();
  recordTaken(room, token, id, by);
  for (const key of new Set(ended)) dropMade(room, key, by ?? atDoor(room, token));
  const row = store.issuedKeys.byId(id);
  return row === undefined ? { detail: 'token_refused', message: 'it ended long since' } : { row, parent, isNew: true };
}

/** A mobile key that was made of what was signed goes with it, and may be made again: no command has ever named it. */
function dropMade(room: Room, credentialKey: number, call: Call): void {
  const { store } = room;
  const row = store.credentials.byKey(credentialKey);
  if (row?.is_from_token !== 1 || row.ends_at === null || row.ends_at > call.nowMs - KEPT_BEHIND_END_MS) return;
  if (store.issuedKeys.of(credentialKey).length + store.phones.of(credentialKey).length > 0) return;
  deleteCredential(room, { acs_credential_id: row.acs_credential_id }, call);
  store.tombstones.forget('credential', row.acs_credential_id);
}

/** The same again is the same key; the number with anything else in it is a forgery, or a mistake of the issuer's. */
function again(room: Room, row: IssuedKeyRow, token: IssuedToken): Taken | Refused {
  const parent = room.store.credentials.byKey(row.credential_key);
  const isSame =
    parent?.acs_credential_id === token.acsCredentialId &&
    row.public_key.equals(token.key) &&
    row.starts_at === token.startsAtMs &&
    row.ends_at === token.endsAtMs &&
    row.issued_at === token.issuedAtMs &&
    row.entrances === token.entranceIds.join(',');
  if (parent !== undefined && isSame) return { row, parent, isNew: false };
  return {
    detail: 'token_refused',
    message: `${token.manager.name} has given its number ${token.tokenId} to another one before`,
  };
}

/** The mobile key that it names; made of it where the facility file says so. */
function parentOf(room: Room, token: IssuedToken, by: By): CredentialRow | Refused {
  const { store } = room;
  const { manager, acsCredentialId } = token;
  const row = store.credentials.byId(acsCredentialId);
  if (row !== undefined) {
    if (row.access_method !== 'mobile_key')
      return { detail: 'token_refused', message: `credential ${acsCredentialId} is no mobile key` };
    const wanted = managerOf(row);
    if (wanted !== null && wanted !== manager.acsSystemId)
      return {
        detail: 'token_refused',
        message: `credential ${acsCredentialId} is for the credential manager ${wanted}`,
      };
    if (token.acsUserId !== null && token.acsUserId !== ownerOf(room, row))
      return {
        detail: 'token_refused',
        message: `it is for the person ${token.acsUserId}, and credential ${acsCredentialId} is not theirs`,
      };
    return row.is_from_token === 1 ? widened(room, row, token, by) : row;
  }
  if (manager.unknownCredentials === 'refuse')
    return { detail: 'unknown_credential', message: `credential ${acsCredentialId} is not known here (yet)` };
  return made(room, token, by);
}

const ownerOf = ({ store }: Room, { user_key: key }: CredentialRow): string | null =>
  key === null ? null : (store.users.byKey(key)?.acs_user_id ?? null);

function made(room: Room, token: IssuedToken, by: By): CredentialRow | Refused {
  const { store } = room;
  const { manager, acsCredentialId, acsUserId } = token;
  const user = acsUserId === null ? undefined : store.users.byId(acsUserId);
  if (user === undefined)
    return {
      detail: 'unknown_credential',
      message: 'it names nobody who is known here: whoever opens a door is somebody',
    };
  createCredential(
    room,
    {
      acs_credential_id: acsCredentialId,
      acs_user_id: user.acs_user_id,
      access_method: 'mobile_key',
      is_multi_phone_sync_credential: true,
      is_one_time_use: false,
      credential_manager_acs_system_id: manager.acsSystemId,
      allowed_acs_entrance_ids: openableOf(room, token),
      starts_at: token.startsAtMs,
      ends_at: token.endsAtMs,
      display_name: `Issued by ${manager.displayName}`,
    },
    by ?? atDoor(room, token),
  );
  const row = store.credentials.byId(acsCredentialId);
  assert(row !== undefined, 'what was created is there');
  store.credentials.setFromToken(row.credential_key, 1);
  return { ...row, is_from_token: 1 };
}

/** Until a command takes it over it holds what was signed for it, all together; each key its own part. */
function widened(room: Room, row: CredentialRow, token: IssuedToken, by: By): CredentialRow {
  const { store } = room;
  const listed = store.ownLists.of(row.credential_key).map((entrance) => entrance.acs_entrance_id);
  updateCredential(
    room,
    {
      acs_credential_id: row.acs_credential_id,
      starts_at: Math.min(row.starts_at ?? token.startsAtMs, token.startsAtMs),
      ends_at: Math.max(row.ends_at ?? token.endsAtMs, token.endsAtMs),
      allowed_acs_entrance_ids: [...new Set([...listed, ...openableOf(room, token)])],
    },
    by ?? atDoor(room, token),
  );
  return row;
}

/** A key opens where the gateway decides. */
const openableOf = ({ site }: Room, { entranceIds }: IssuedToken): string[] =>
  entranceIds.filter((id) => site.byId(id)?.decidedBy === 'gateway');

/** In place of a command. */
const atDoor = ({ clock }: Room, { manager, tokenId }: IssuedToken): Call => ({
  nowMs: clock.nowMs(),
  commandId: `token ${tokenId}`.slice(0, 64),
  asker: { source: 'local', sender: manager.name },
});

/** The credential manager that a credential names; null: it names none. */
export function managerOf({ opaque }: Pick<CredentialRow, 'opaque'>): string | null {
  const { credential_manager_acs_system_id: id } = storedObject(opaque);
  return typeof id === 'string' ? id : null;
}

function recordTaken(room: Room, token: IssuedToken, id: string, by: By): void {
  const body = {
    acs_credential_id: token.acsCredentialId,
    phone_acs_credential_id: id,
    credential_manager_acs_system_id: token.manager.acsSystemId,
    token_id: token.tokenId,
    handed_over: by === null ? ('at_door' as const) : ('by_command' as const),
  };
  const base = { acs_system_id: room.acsSystemId, ...(by === null ? {} : attribution(by)) };
  room.store.events.add(newEventAt('acs_credential.key_issued', base, body), room.clock.nowMs());
}

// ---- commands -------------------------------------------------------------------------------------------------------

/** What each refusal is called in a reply. */
const ERRORS: Readonly<Record<Refused['detail'], ApiError['type']>> = {
  issuer_unknown: 'not_permitted',
  signature_invalid: 'not_permitted',
  token_refused: 'invalid_input',
  expired: 'invalid_input',
  clock_untrusted: 'clock_untrusted',
  key_revoked: 'acs_credential_deleted',
  unknown_credential: 'acs_credential_not_found',
};

export function enrollIssuedKey(
  room: Room,
  params: ParamsOf<'credentials/enroll_issued_key'>,
  call: Call,
): Outcome<'credentials/enroll_issued_key'> {
  const taken = takeToken(room, params.token, null, call);
  if ('detail' in taken) throw refused(ERRORS[taken.detail], 'token', `${taken.detail}: ${taken.message}`);
  findEntrances(room, taken.row.entrances.split(','));
  return { result: { phone: issuedKeyObject(room, taken.parent, taken.row) } };
}

export function revokeIssuedKeys(
  room: Room,
  params: ParamsOf<'credentials/revoke_issued_keys'>,
  call: Call,
): Outcome<'credentials/revoke_issued_keys'> {
  const manager = findManager(room, params.credential_manager_acs_system_id);
  const what = whatIsRevoked(params);
  refuseFuture(room, what, call);
  const revoked = takeBack(room, manager, what, { endsAtMs: params.ends_at ?? null, isRemoval: false }, call);
  room.store.raiseRevision();
  recordChange(room, call, {
    eventType: 'acs_credential.issued_keys_revoked',
    ids: {
      credential_manager_acs_system_id: manager.acsSystemId,
      token_id: 'tokenId' in what ? what.tokenId : null,
      public_key: 'publicKey' in what ? what.publicKey.toString('hex') : null,
      issued_before: 'issuedBeforeMs' in what ? new Date(what.issuedBeforeMs).toISOString() : null,
      keys: revoked,
    },
  });
  return { result: { revoked } };
}

/** There is no way back, and what is signed tomorrow would be refused as well. */
function refuseFuture(room: Room, what: Revocation, { nowMs }: Call): void {
  if (!('issuedBeforeMs' in what) || !room.time().trusted || what.issuedBeforeMs <= nowMs + MOST_AHEAD_MS) return;
  throw refused('invalid_input', 'issued_before', 'it lies in the future: nothing that is signed until then would ever be good. Remedy: give the present instant'); // prettier-ignore
}

/** The clock of whoever commands may go before ours. */
const MOST_AHEAD_MS = 60_000;

function whatIsRevoked(params: ParamsOf<'credentials/revoke_issued_keys'>): Revocation {
  const { token_id: tokenId, public_key: publicKey, issued_before: issuedBeforeMs } = params;
  const given = [tokenId, publicKey, issuedBeforeMs].filter((value) => value !== undefined);
  if (given.length === 1 && tokenId !== undefined) return { tokenId: tokenId.toLowerCase() };
  if (given.length === 1 && publicKey !== undefined) return { publicKey };
  if (given.length === 1 && issuedBeforeMs !== undefined) return { issuedBeforeMs };
  throw new OperatingError('invalid_input', 'params: give exactly one of token_id, public_key, issued_before', [
    'params',
    'token_id',
  ]);
}
