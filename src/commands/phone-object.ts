// The phone of a mobile key as callers see it: enrolled for itself, or by a key that a credential manager has signed.

import { iso } from '../domain/iso.ts';
import type { CredentialRow } from '../store/credentials.ts';
import type { IssuedKeyRow } from '../store/issued-keys.ts';
import type { PhoneRow } from '../store/phones.ts';
import type { ResultOf } from './contract/results.ts';
import type { Room } from './room.ts';

/** Of one mobile key, both kinds together. */
export const MOST_PHONES = 16;

type Phone = ResultOf<'credentials/enroll_phone'>['phone'];

export const phoneObject = (room: Room, parent: CredentialRow, phone: PhoneRow): Phone => ({
  acs_credential_id: phone.acs_credential_id,
  parent_acs_credential_id: parent.acs_credential_id,
  acs_system_id: room.acsSystemId,
  display_name: phone.display_name,
  public_key: phone.public_key.toString('hex'),
  credential_manager_acs_system_id: null,
  token_id: null,
  starts_at: null,
  ends_at: null,
  allowed_acs_entrance_ids: null,
  created_at: iso(phone.created_at),
});

export const issuedKeyObject = (room: Room, parent: CredentialRow, row: IssuedKeyRow): Phone => ({
  acs_credential_id: row.acs_credential_id,
  parent_acs_credential_id: parent.acs_credential_id,
  acs_system_id: room.acsSystemId,
  display_name: null,
  public_key: row.public_key.toString('hex'),
  credential_manager_acs_system_id: row.issuer,
  token_id: row.token_id,
  starts_at: iso(row.starts_at),
  ends_at: iso(row.ends_at),
  allowed_acs_entrance_ids: row.entrances.split(','),
  created_at: iso(row.created_at),
});
