// An enrolled finger, face or the like as callers see it, which is never its template; and how those of a person go.

import { iso } from '../domain/iso.ts';
import type { BiometricRow } from '../store/biometrics.ts';
import type { UserRow } from '../store/users.ts';
import type { ResultOf } from './contract/results.ts';
import type { Call, Room } from './room.ts';
import { recordChange } from './trace.ts';

type Owner = Pick<UserRow, 'acs_user_id'>;

export const biometricObject = (
  { acsSystemId }: Pick<Room, 'acsSystemId'>,
  { acs_user_id }: Owner,
  row: Omit<BiometricRow, 'template_sealed' | 'seal' | 'biometric_key'>,
): ResultOf<'users/list_biometrics'>['biometrics'][number] => ({
  acs_biometric_id: row.acs_biometric_id,
  acs_system_id: acsSystemId,
  acs_user_id,
  biometric_type: row.biometric_type,
  format: row.format,
  quality: row.quality,
  is_duress: row.is_duress === 1,
  display_name: row.display_name,
  created_at: iso(row.created_at),
});

/** With their templates, within the transaction that deletes the person. */
export function buryBiometrics(room: Room, user: Owner & Pick<UserRow, 'user_key'>, call: Call): void {
  for (const row of room.store.biometrics.of(user.user_key)) buryBiometric(room, user, row, call);
}

export function buryBiometric(room: Room, { acs_user_id }: Owner, row: BiometricRow, call: Call): void {
  const { store } = room;
  const { acs_biometric_id, biometric_type } = row;
  store.biometrics.delete(row.biometric_key);
  store.tombstones.add('biometric', acs_biometric_id, call.nowMs);
  const ids = { acs_user_id, acs_biometric_id, biometric_type };
  recordChange(room, call, { eventType: 'acs_user.biometric_removed', ids });
}
