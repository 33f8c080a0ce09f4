// The phones of mobile keys: enrolled and removed one by one. Whoever removes the mobile key removes them all.

import { assert, refused } from '../domain/errors.ts';
import type { CredentialRow } from '../store/credentials.ts';
import type { IssuedKeyRow } from '../store/issued-keys.ts';
import type { PhoneRow } from '../store/phones.ts';
import type { ParamsOf } from './contract.ts';
import { findCredential } from './found.ts';
import { issuedKeyObject, MOST_PHONES, phoneObject } from './phone-object.ts';
import type { Call, Outcome, Room } from './room.ts';
import { takeBack } from './taken-back.ts';
import { recordChange } from './trace.ts';

export function enrollPhone(
  room: Room,
  params: ParamsOf<'credentials/enroll_phone'>,
  call: Call,
): Outcome<'credentials/enroll_phone'> {
  const { store } = room;
  const parent = findMobileKey(room, params.acs_credential_id);
  const keyHash = store.secrets.keyHash(params.public_key);
  const phones = store.phones.of(parent.credential_key);
  const same = phones.find((phone) => phone.key_hash.equals(keyHash));
  const id = params.phone_acs_credential_id ?? same?.acs_credential_id ?? room.random.uuid();
  if (same !== undefined) {
    if (same.acs_credential_id !== id)
      throw refused('acs_credential_exists', 'public_key', `phone ${same.acs_credential_id} of this mobile key has it`);
    return { result: { phone: phoneObject(room, parent, same) } };
  }
  if (store.tombstones.has('credential', id))
    throw refused('acs_credential_deleted', 'phone_acs_credential_id', 'it was removed, and is never used again');
  if (isTaken(room, id))
    throw refused('acs_credential_exists', 'phone_acs_credential_id', 'something else has this id');
  if (phones.length + store.issuedKeys.of(parent.credential_key).length >= MOST_PHONES)
    throw refused(
      'invalid_input',
      'acs_credential_id',
      `it has ${MOST_PHONES} phones already, the most that there may be. Remedy: credentials/remove_phone`,
    );
  store.digest.track('credential', parent.acs_credential_id, () =>
    store.phones.insert({
      acs_credential_id: id,
      credential_key: parent.credential_key,
      key_hash: keyHash,
      public_key: params.public_key,
      display_name: params.display_name ?? null,
      created_at: call.nowMs,
    }),
  );
  store.raiseRevision();
  const ids = { acs_credential_id: parent.acs_credential_id, phone_acs_credential_id: id };
  recordChange(room, call, { eventType: 'acs_credential.phone_enrolled', ids });
  const stored = store.phones.byId(id);
  assert(stored !== undefined, 'what was inserted is there');
  return { result: { phone: phoneObject(room, parent, stored) } };
}

export function removePhone(
  room: Room,
  params: ParamsOf<'credentials/remove_phone'>,
  call: Call,
): Outcome<'credentials/remove_phone'> {
  const { store } = room;
  const { acs_credential_id: id } = params;
  const phone = store.phones.byId(id);
  const issued = store.issuedKeys.byId(id);
  if (issued !== undefined) return removeIssued(room, issued, call);
  if (phone === undefined) {
    if (store.tombstones.has('credential', id)) return { result: {} };
    throw refused('acs_credential_not_found', 'acs_credential_id', `no phone ${id} here`);
  }
  const parent = store.credentials.byKey(phone.credential_key);
  const parentId = parent?.acs_credential_id ?? '';
  buryPhones(room, [phone], call);
  store.digest.track('credential', parentId, () => store.phones.delete(phone.phone_key));
  store.raiseRevision();
  const ids = { acs_credential_id: parentId, phone_acs_credential_id: id };
  recordChange(room, call, { eventType: 'acs_credential.phone_removed', ids });
  return { result: {} };
}

export function listPhones(
  room: Room,
  params: ParamsOf<'credentials/list_phones'>,
): Outcome<'credentials/list_phones'> {
  const parent = findMobileKey(room, params.acs_credential_id);
  const enrolled = room.store.phones.of(parent.credential_key).map((one) => phoneObject(room, parent, one));
  const issued = room.store.issuedKeys.of(parent.credential_key).map((one) => issuedKeyObject(room, parent, one));
  return { result: { phones: [...enrolled, ...issued] } };
}

const isTaken = ({ store }: Room, id: string): boolean =>
  store.phones.byId(id) !== undefined ||
  store.issuedKeys.byId(id) !== undefined ||
  store.credentials.byId(id) !== undefined;

/** What its manager has signed is good for nothing from now on, whoever hands it over again. */
function removeIssued(room: Room, issued: IssuedKeyRow, call: Call): Outcome<'credentials/remove_phone'> {
  const { store } = room;
  const parent = store.credentials.byKey(issued.credential_key);
  store.tombstones.add('credential', issued.acs_credential_id, call.nowMs);
  const manager = room.credentialManagers.find(({ acsSystemId }) => acsSystemId === issued.issuer);
  const { displayName } = manager ?? { displayName: issued.issuer };
  const what = { tokenId: issued.token_id };
  takeBack(room, { acsSystemId: issued.issuer, displayName }, what, { endsAtMs: null, isRemoval: true }, call);
  store.raiseRevision();
  const ids = {
    acs_credential_id: parent?.acs_credential_id ?? '',
    phone_acs_credential_id: issued.acs_credential_id,
  };
  recordChange(room, call, { eventType: 'acs_credential.phone_removed', ids });
  return { result: {} };
}

/** Their ids are never used again. Call it before the row of a phone, or of its mobile key, is deleted. */
export function buryPhones({ store }: Pick<Room, 'store'>, phones: readonly PhoneRow[], { nowMs }: Call): void {
  for (const phone of phones) store.tombstones.add('credential', phone.acs_credential_id, nowMs);
}

function findMobileKey(room: Room, acsCredentialId: string): CredentialRow {
  const row = findCredential(room, acsCredentialId);
  if (row.access_method === 'mobile_key') return row;
  throw refused('invalid_input', 'acs_credential_id', `it is a ${row.access_method}; phones are those of a mobile_key`);
}
