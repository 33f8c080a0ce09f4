// A credential is held to every rule of the doors and controllers concerned before anything of it is stored, and follows
// what it opens from then on: its rows at controllers, and what is said of it. Asked by whoever changes a credential,
// and by whoever changes what a person opens.

import { refusalOf } from '../acceptance/acceptance.ts';
import type { PathTerms, Wanted } from '../acceptance/ground.ts';
import { newEvent } from '../domain/events.ts';
import { OperatingError, refuse } from '../domain/errors.ts';
import type { SiteEntrance } from '../domain/site.ts';
import type { CredentialRow, NewCredential } from '../store/credentials.ts';
import { retarget } from '../store/retarget.ts';
import type { Factor } from './factors/factor.ts';
import { factorOf } from './factors/factors.ts';
import { entrancesAt } from './found.ts';
import type { Room } from './room.ts';

/** Throws the first rule that is broken. `entrances`: those that it would open. */
export function accept(
  room: Room,
  factor: Factor,
  row: NewCredential,
  credentialKey: number,
  secret: string | null,
  entrances: readonly SiteEntrance[],
): void {
  if (room.isAccepted === true) return;
  // What follows its user opens where it can, and is not refused for the rest.
  const isFollowing = row.has_own_entrances === 0;
  if (!isFollowing) refuse(factor.refusalAt?.(entrances) ?? null);
  const opened = isFollowing ? entrances.filter(({ factors }) => factors !== OTHER_FACTOR[factor.method]) : entrances;
  const wanted = { ...termsOf(row, credentialKey, opened), ...factor.held(row, secret) };
  refuse(refusalOf(room, isFollowing ? { ...wanted, paths: pathsOf(room, row.user_key, opened) } : wanted));
}

export const OTHER_FACTOR = { card: 'code', code: 'card', mobile_key: null } as const;

/** What it would be held to, whatever it is known by. */
const termsOf = (
  row: NewCredential,
  credentialKey: number,
  entrances: readonly SiteEntrance[],
): Omit<Wanted, 'card' | 'code'> => ({
  credentialKey,
  entrances,
  followsUser: row.has_own_entrances === 0,
  paths: null,
  startsAtMs: row.starts_at,
  endsAtMs: row.ends_at,
  maxUses: row.max_uses,
  isDuress: row.is_duress === 1,
  scheduleKey: row.schedule_key,
});

/** By which a user opens the doors of controllers: the gateway takes any. */
function pathsOf({ store }: Room, userKey: number | null, entrances: readonly SiteEntrance[]): PathTerms[] {
  return entrances
    .filter(({ decidedBy }) => decidedBy === 'controller')
    .flatMap(({ entranceKey }) =>
      store.reach.ofUserAt(userKey, entranceKey).map(({ schedule, window }) => ({
        entranceKey,
        scheduleKey: schedule?.scheduleKey ?? null,
        endsAtMs: window.endsAtMs,
      })),
    );
}

/**
 * What a person opens has changed, and is stored: every credential that follows the person is held to the rules of the
 * controllers at these entrances. `param`: what the command said.
 */
export function acceptFollowers(room: Room, userKey: number, entranceKeys: readonly number[], param: string): void {
  const { store, site } = room;
  if (room.isAccepted === true || site.controllersOf(entranceKeys).size === 0) return;
  for (const key of store.credentials.following(userKey)) {
    const row = store.credentials.byKey(key);
    if (row === undefined || row.invalidated_at !== null) continue;
    const factor = factorOf(row);
    try {
      accept(room, factor, row, key, factor.open(room, row), entrancesAt(room, store.reach.entrancesOf(row)));
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error;
      const why = error.message.replace(/^params\.[a-z_]+: /, '');
      throw new OperatingError(
        error.type,
        `params.${param}: credential ${row.acs_credential_id} could not follow: ${why}`,
        ['params', param],
      );
    }
  }
}

/** Every credential that follows the person has its rows at these entrances' controllers; returns whom to wake. */
export function retargetFollowers({ store, site }: Room, userKey: number, entranceKeys: readonly number[]): string[] {
  const only = new Set(site.controllersOf(entranceKeys).keys());
  if (only.size === 0) return [];
  return [...new Set(store.credentials.following(userKey).flatMap((key) => retarget(store, site, key, only)))];
}

/** After a change of access: rows for its controllers; with none concerned it is issued with this very transaction. */
export function follow(room: Room, row: CredentialRow, nowMs: number): string[] {
  const wake = retarget(room.store, room.site, row.credential_key);
  if (wake.length === 0 && row.user_key !== null && row.synced_at === null) {
    room.store.credentials.setSynced(row.credential_key, nowMs);
    const user = room.store.users.byKey(row.user_key);
    recordIssued(
      room,
      row,
      user?.acs_user_id ?? null,
      row.issued_at === null ? 'acs_credential.issued' : 'acs_credential.reissued',
      nowMs,
    );
  }
  return wake;
}

export function recordIssued(
  room: Room,
  row: CredentialRow,
  acsUserId: string | null,
  eventType: 'acs_credential.issued' | 'acs_credential.reissued',
  nowMs: number,
): void {
  const body = { acs_credential_id: row.acs_credential_id, acs_user_id: acsUserId, acs_system_id: room.acsSystemId };
  room.store.events.add(newEvent(eventType, body), nowMs);
}
