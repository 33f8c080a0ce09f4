// The person as callers see it: Seam's fields and ours.

import { iso } from '../domain/iso.ts';
import { storedJson } from '../store/stored-json.ts';
import type { UserRow } from '../store/users.ts';
import type { AcsUser } from './contract/results.ts';
import type { Room } from './room.ts';

export function userObject(room: Room, row: UserRow): AcsUser {
  const schedule =
    row.starts_at === null && row.ends_at === null
      ? null
      : { starts_at: iso(row.starts_at), ends_at: iso(row.ends_at) };
  return {
    acs_user_id: row.acs_user_id,
    acs_system_id: room.acsSystemId,
    display_name: row.full_name,
    full_name: row.full_name,
    email_address: row.email_address,
    phone_number: row.phone_number,
    user_identity_id: row.user_identity_id,
    access_schedule: schedule,
    is_suspended: row.is_suspended === 1,
    is_extended_access: row.is_extended_access === 1,
    is_managed: true,
    metadata: storedJson(row.metadata),
    created_at: iso(row.created_at),
    errors: isAsWritten(room, row) ? [] : [tampered(row)],
    warnings:
      row.is_suspended === 1
        ? [{ warning_code: 'acs_user_inactive', message: 'The user is suspended.', created_at: iso(row.created_at) }]
        : [],
  };
}

/** As it stands in the store: `row` may be what a command has just made of it. */
function isAsWritten({ store }: Room, { user_key }: UserRow): boolean {
  const stored = store.users.byKey(user_key);
  return stored === undefined || store.seals.holdsUserRow(stored);
}

const tampered = (row: UserRow): AcsUser['errors'][number] => ({
  error_code: 'storage_tampered',
  message:
    'The record was changed behind the back of Lintel. Nothing of this user opens. Remedy: delete it and create it anew.',
  created_at: iso(row.created_at),
});
