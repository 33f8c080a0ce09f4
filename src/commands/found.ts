// What the ids of a command stand for: rows of the store and entrances of the facility file, or the error that says
// which id stands for nothing.

import type { CredentialManager } from '../domain/credential-manager.ts';
import { OperatingError, refused } from '../domain/errors.ts';
import type { SiteEntrance } from '../domain/site.ts';
import type { CredentialRow } from '../store/credentials.ts';
import type { GroupRow } from '../store/groups.ts';
import type { UserRow } from '../store/users.ts';
import type { Room } from './room.ts';

export function findUser(room: Room, acsUserId: string): UserRow {
  const row = room.store.users.byId(acsUserId);
  if (row === undefined) throw userNotFound(acsUserId);
  return row;
}

export const userNotFound = (acsUserId: string): OperatingError =>
  new OperatingError('acs_user_not_found', `no user ${acsUserId} here. Remedy: users/create first`, [
    'params',
    'acs_user_id',
  ]);

/** Whom a command names, by either id; undefined where it names nobody. */
export function ownerOf(
  room: Room,
  params: { acs_user_id?: string | undefined; user_identity_id?: string | undefined },
): UserRow | undefined {
  if (params.acs_user_id !== undefined) return findUser(room, params.acs_user_id);
  if (params.user_identity_id === undefined) return undefined;
  const user = room.store.users.byIdentity(params.user_identity_id);
  if (user === undefined) throw userNotFound(`with user_identity_id ${params.user_identity_id}`);
  return user;
}

export function findEntrances(room: Room, ids: readonly string[], param = 'allowed_acs_entrance_ids'): SiteEntrance[] {
  return [...new Set(ids)].map((acsEntranceId) => {
    const entrance = room.site.byId(acsEntranceId);
    if (entrance === undefined) {
      throw new OperatingError('acs_entrance_not_found', `no entrance ${acsEntranceId} in the facility file`, [
        'params',
        param,
        ids.indexOf(acsEntranceId),
      ]);
    }
    return entrance;
  });
}

/** Without those that have left the facility file. */
export const entrancesAt = ({ site }: Pick<Room, 'site'>, keys: readonly number[]): SiteEntrance[] =>
  keys.flatMap((key) => site.byKey(key) ?? []);

export function findGroup(room: Room, acsAccessGroupId: string): GroupRow {
  const row = room.store.groups.byId(acsAccessGroupId);
  if (row !== undefined) return row;
  throw groupNotFound(acsAccessGroupId);
}

export const groupNotFound = (acsAccessGroupId: string): OperatingError =>
  new OperatingError(
    'acs_access_group_not_found',
    `no access group ${acsAccessGroupId} here. Remedy: access_groups/create first`,
    ['params', 'acs_access_group_id'],
  );

/** Whom a command must name, by one of the two ids. */
export function personOf(
  room: Room,
  params: { acs_user_id?: string | undefined; user_identity_id?: string | undefined },
): UserRow {
  const user = ownerOf(room, params);
  if (user !== undefined) return user;
  throw new OperatingError('invalid_input', 'params: give acs_user_id or user_identity_id', ['params', 'acs_user_id']);
}

export function findCredential(room: Room, acsCredentialId: string): CredentialRow {
  const row = room.store.credentials.byId(acsCredentialId);
  if (row !== undefined) return row;
  const removedAt = room.store.tombstones.endedRemovedAt('credential', acsCredentialId);
  if (removedAt !== null) {
    throw new OperatingError('acs_credential_deleted', `credential ${acsCredentialId} ${endedLongAgo(removedAt)}`, [
      'params',
      'acs_credential_id',
    ]);
  }
  if (room.store.tombstones.has('credential', acsCredentialId)) {
    throw new OperatingError('acs_credential_deleted', `credential ${acsCredentialId} was deleted`, [
      'params',
      'acs_credential_id',
    ]);
  }
  throw credentialNotFound(acsCredentialId);
}

/** Of what `store.ended` of the facility file keeps no longer. */
export const endedLongAgo = (removedAtMs: number): string =>
  `ended long ago and was removed on ${new Date(removedAtMs).toISOString().slice(0, 10)}, as store.ended of the facility file has it`;

export const credentialNotFound = (acsCredentialId: string): OperatingError =>
  new OperatingError('acs_credential_not_found', `no credential ${acsCredentialId} here`, [
    'params',
    'acs_credential_id',
  ]);

/** The one that the facility file names, or what it names. */
export function findManager({ credentialManagers }: Room, acsSystemId: string): CredentialManager {
  const manager = credentialManagers.find((one) => one.acsSystemId === acsSystemId);
  if (manager !== undefined) return manager;
  const known = credentialManagers.map((one) => `${one.acsSystemId} (${one.name})`).join(', ');
  throw refused(
    'acs_system_not_found',
    'credential_manager_acs_system_id',
    `no credential manager ${acsSystemId} in the facility file; ${known === '' ? 'it has no credential_managers' : `there are ${known}`}`,
  );
}
