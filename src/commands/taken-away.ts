// What a command takes away, and nothing else: so much of it holds in memory where the disk has no room to store it.

import type { Store } from '../store/store.ts';
import type { Taken } from '../store/withdrawn.ts';
import { isCommandName } from './contract.ts';
import type { Parsed } from './intake.ts';

type Params = Readonly<Record<string, unknown>>;

/** Null: nothing that memory could hold. */
const TAKES: Readonly<Partial<Record<string, (params: Params, store: Store) => Taken[] | null>>> = {
  'users/suspend': takesUser,
  'users/delete': takesUser,
  'users/revoke_access_to_all_entrances': takesUser,
  'users/remove_from_access_group': takesMembership,
  'access_groups/remove_user': takesMembership,
  'access_groups/delete': (params) => {
    const acsAccessGroupId = idOf(params, 'acs_access_group_id');
    return acsAccessGroupId === null ? null : [{ acsAccessGroupId }];
  },
  'entrances/revoke_access': (params, store) => {
    const acsEntranceId = idOf(params, 'acs_entrance_id');
    const acsAccessGroupId = idOf(params, 'acs_access_group_id');
    const acsUserId = userOf(params, store);
    if (acsEntranceId === null || (acsAccessGroupId === null) === (acsUserId === null)) return null;
    return [
      acsUserId === null ? { acsAccessGroupId: acsAccessGroupId ?? '', acsEntranceId } : { acsUserId, acsEntranceId },
    ];
  },
  'access_grants/delete': (params, { accessGrants }) => {
    const accessGrantId = idOf(params, 'access_grant_id');
    const grant = accessGrantId === null ? undefined : accessGrants.byId(accessGrantId);
    if (accessGrantId === null || grant === undefined) return null;
    const methods = accessGrants.methodsOf(grant.grant_key);
    return [{ accessGrantId }, ...methods.map(({ access_method_id: acsCredentialId }) => ({ acsCredentialId }))];
  },
  'access_methods/delete': (params) => takesCredential(params, 'access_method_id'),
  'users/remove_biometric': (params) => {
    const acsBiometricId = idOf(params, 'acs_biometric_id');
    return acsBiometricId === null ? null : [{ acsBiometricId }];
  },
  'credentials/delete': takesCredential,
  'credentials/remove_phone': takesCredential,
  'credentials/unassign': takesCredential,
};

export function takenBy({ name, envelope }: Parsed, store: Store): Taken[] | null {
  const takes = isCommandName(name) ? TAKES[name] : undefined;
  return takes?.(envelope.params, store) ?? null;
}

function takesUser(params: Params, store: Store): Taken[] | null {
  const acsUserId = userOf(params, store);
  return acsUserId === null ? null : [{ acsUserId }];
}

function takesMembership(params: Params, store: Store): Taken[] | null {
  const acsAccessGroupId = idOf(params, 'acs_access_group_id');
  const acsUserId = userOf(params, store);
  return acsAccessGroupId === null || acsUserId === null ? null : [{ acsAccessGroupId, acsUserId }];
}

function takesCredential(params: Params, key: unknown = 'acs_credential_id'): Taken[] | null {
  const acsCredentialId = idOf(params, typeof key === 'string' ? key : 'acs_credential_id');
  return acsCredentialId === null ? null : [{ acsCredentialId }];
}

/** By either id; null where neither stands for anybody. */
function userOf(params: Params, { users }: Store): string | null {
  const identity = idOf(params, 'user_identity_id');
  return idOf(params, 'acs_user_id') ?? (identity === null ? null : (users.byIdentity(identity)?.acs_user_id ?? null));
}

function idOf(params: Params, key: string): string | null {
  const id = Object.entries(params).find(([param]) => param === key)?.[1];
  return typeof id === 'string' ? id.toLowerCase() : null;
}
