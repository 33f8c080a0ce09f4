// Access grants and access methods as callers see them, and how they are found.

import { refused } from '../domain/errors.ts';
import { iso } from '../domain/iso.ts';
import type { GrantRow, MethodRow } from '../store/access-grants.ts';
import type { UserRow } from '../store/users.ts';
import { storedJson } from '../store/stored-json.ts';
import type { AccessGrant, AccessMethod, AcsCredential } from './contract/results.ts';
import { credentialObject } from './credential-object.ts';
import { endedLongAgo } from './found.ts';
import type { Call, Room } from './room.ts';
import { recordChange } from './trace.ts';

export function findGrant({ store }: Room, accessGrantId: string): GrantRow {
  const row = store.accessGrants.byId(accessGrantId);
  if (row !== undefined) return row;
  const removedAt = store.tombstones.endedRemovedAt('access_grant', accessGrantId);
  const why = removedAt === null ? `no access grant ${accessGrantId} here` : `it ${endedLongAgo(removedAt)}`;
  throw refused('access_grant_not_found', 'access_grant_id', why);
}

export function findMethod({ store }: Room, accessMethodId: string): MethodRow {
  const row = store.accessGrants.method(accessMethodId);
  if (row !== undefined) return row;
  const removedAt = store.tombstones.endedRemovedAt('access_method', accessMethodId);
  const why = removedAt === null ? `no access method ${accessMethodId} here` : `its grant ${endedLongAgo(removedAt)}`;
  throw refused('access_method_not_found', 'access_method_id', why);
}

export function grantObject(room: Room, row: GrantRow): AccessGrant {
  const { store, site } = room;
  const methods = store.accessGrants.methodsOf(row.grant_key);
  const user = store.users.byKey(row.user_key);
  const opened = store.userEntrances.said(row.user_key, row.grant_key);
  const space = storedJson(row.space_ids);
  const hasRoom = opened.some(({ entranceKey }) => site.byKey(entranceKey)?.isGuestRoom === true);
  return {
    access_grant_id: row.access_grant_id,
    acs_system_id: room.acsSystemId,
    acs_user_id: user?.acs_user_id ?? '',
    user_identity_id: user?.user_identity_id ?? null,
    name: row.name,
    display_name: row.name ?? `Access of ${user?.full_name ?? 'somebody'}`,
    access_grant_key: row.access_grant_key,
    reservation_key: row.reservation_key,
    starts_at: iso(row.starts_at),
    ends_at: iso(row.ends_at),
    schedule_id: row.schedule_key === null ? null : (store.schedules.byKey(row.schedule_key)?.schedule_id ?? null),
    acs_entrance_ids: opened.map(({ acsEntranceId }) => acsEntranceId),
    space_ids: Array.isArray(space) ? space.map(String) : [],
    access_method_ids: methods.map(({ access_method_id: id }) => id),
    requested_access_methods: methods.map((one) => ({
      mode: one.mode,
      created_access_method_ids: [one.access_method_id],
    })),
    ended_by_access_grant_id: row.ended_by,
    metadata: storedJson(row.metadata),
    created_at: iso(row.created_at),
    errors: [],
    warnings: row.reservation_key === null || hasRoom || row.ended_by !== null ? [] : [noRoom(row)],
  };
}

const noRoom = (row: GrantRow): AccessGrant['warnings'][number] => ({
  warning_code: 'no_guest_room',
  message:
    'It has a reservation_key, and none of its entrances is a guest room: other reservations are not ended by it, nor it by them. Remedy: guest_room at the entrance in the facility file.',
  created_at: iso(row.created_at),
});

/** `made`: the credential as the command that made it shows it. */
export function methodObject(room: Room, row: MethodRow, made: AcsCredential | null = null): AccessMethod {
  const { store } = room;
  const stored = made === null ? store.credentials.byId(row.access_method_id) : undefined;
  const credential = made ?? (stored === undefined ? null : credentialObject(room, stored));
  const grant = store.accessGrants.byKey(row.grant_key);
  return {
    access_method_id: row.access_method_id,
    acs_system_id: room.acsSystemId,
    access_grant_id: grant?.access_grant_id ?? '',
    acs_credential_id: credential?.acs_credential_id ?? null,
    mode: row.mode,
    display_name: credential?.display_name ?? 'Card to be assigned',
    code: credential?.code ?? null,
    card_number: credential?.card_number ?? null,
    is_issued: credential?.is_issued ?? false,
    issued_at: credential?.issued_at ?? null,
    is_ready_for_assignment: credential === null,
    is_encoding_required: false,
    created_at: iso(row.created_at),
    errors: credential?.errors ?? [],
    warnings: credential?.warnings ?? [],
    pending_mutations: credential?.pending_mutations ?? [],
  };
}

/** The grants of a person who is being deleted, whose credentials are gone already. */
export function buryGrants(room: Room, { user_key: userKey, acs_user_id }: UserRow, call: Call): void {
  const { accessGrants, userEntrances, tombstones } = room.store;
  for (const grant of accessGrants.ofUser(userKey)) {
    for (const { access_method_id: id } of accessGrants.methodsOf(grant.grant_key))
      tombstones.add('access_method', id, call.nowMs);
    accessGrants.track(grant.access_grant_id, () => {
      for (const { entranceKey } of userEntrances.said(userKey, grant.grant_key))
        userEntrances.deleteOfGrant(grant.grant_key, userKey, entranceKey);
      accessGrants.delete(grant.grant_key);
    });
    tombstones.add('access_grant', grant.access_grant_id, call.nowMs);
    const ids = { access_grant_id: grant.access_grant_id, acs_user_id };
    recordChange(room, call, { eventType: 'access_grant.deleted', ids });
  }
}
