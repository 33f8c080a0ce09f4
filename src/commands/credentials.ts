// Credentials: the verbs of Seam with minted ids, card numbers and windows of our own. Every rule that a door or a
// controller will hold it to is checked here, before the command is accepted, and what is denied is denied with the
// transaction that stores it.

import { keysOf, NOT_STORED } from '../acceptance/ground.ts';
import { OperatingError, refuse, refused } from '../domain/errors.ts';
import type { SiteEntrance } from '../domain/site.ts';
import type { CredentialRow, NewCredential } from '../store/credentials.ts';
import { credentialLine } from '../store/digest.ts';
import { countFrom, usesMade } from '../domain/uses.ts';
import { release, retarget } from '../store/retarget.ts';
import type { UserRow } from '../store/users.ts';
import type { ParamsOf } from './contract.ts';
import { credentialObject } from './credential-object.ts';
import { NO_SECRET, type CreateParams, type Factor, type UpdateParams } from './factors/factor.ts';
import { factorOf } from './factors/factors.ts';
import {
  credentialNotFound,
  entrancesAt,
  findCredential,
  findEntrances,
  findManager,
  findUser,
  ownerOf,
} from './found.ts';
import { accept, follow, recordIssued } from './issue.ts';
import { buryPhones } from './phones.ts';
import { folded, pageBytes, readPage, writePage } from './paging.ts';
import { duressOf, refusalOfClose } from './duress.ts';
import { withPinWarning } from './pin-quality.ts';
import { findSchedule } from './schedules.ts';
import type { Call, Outcome, Room } from './room.ts';
import { changedFields, recordChange } from './trace.ts';

type Window = { starts: number | null; ends: number | null };

/** A start of just now was meant to be now: the command took a moment. */
const JUST_NOW_MS = 60_000;

export function createCredential(room: Room, params: CreateParams, call: Call): Outcome<'credentials/create'> {
  const { store } = room;
  const factor = factorOf(params);
  const acsCredentialId = params.acs_credential_id ?? room.random.uuid();
  if (store.tombstones.has('credential', acsCredentialId)) {
    throw new OperatingError(
      'acs_credential_deleted',
      `credential ${acsCredentialId} was deleted, and a deleted id is never used again`,
      ['params', 'acs_credential_id'],
    );
  }
  const user = ownerOf(room, params);
  if (user === undefined) {
    throw new OperatingError(
      'invalid_input',
      'params: give acs_user_id, or user_identity_id, of the person it is for',
      ['params', 'acs_user_id'],
    );
  }
  const listed =
    params.allowed_acs_entrance_ids === undefined ? null : findEntrances(room, params.allowed_acs_entrance_ids);
  if (params.credential_manager_acs_system_id !== undefined && room.credentialManagers.length > 0)
    findManager(room, params.credential_manager_acs_system_id);
  if (store.phones.byId(acsCredentialId) !== undefined || store.issuedKeys.byId(acsCredentialId) !== undefined)
    throw refused('acs_credential_exists', 'acs_credential_id', 'a phone of a mobile key has this id');
  const existing = store.credentials.byId(acsCredentialId);
  if (existing?.is_from_token === 1) return takeOver(room, existing, params, user, call);
  if (existing !== undefined) return repeatCreate(room, existing, params, factor, user, listed);
  const schedule = params.schedule_id == null ? null : findSchedule(room, params.schedule_id);
  if (room.isAccepted !== true && params.ends_at != null && params.ends_at <= call.nowMs && room.time().trusted) {
    throw refused('invalid_input', 'ends_at', 'lies in the past');
  }

  const window = { starts: params.starts_at ?? null, ends: params.ends_at ?? null };
  const given = factor.given(room, params);
  refuse(factor.refusalOf(room, given));
  const is_duress = duressOf(params);
  if (factor.method === 'code')
    refuse(refusalOfClose(room, { user_key: user.user_key, acs_credential_id: acsCredentialId, is_duress }, given));
  // Without a list it opens what its user may.
  const entrances = listed ?? entrancesAt(room, store.reach.entrancesOfUser(user.user_key));
  const secret = given ?? generated(factor, room, entrances, window, listed === null);
  const row: NewCredential = {
    acs_credential_id: acsCredentialId,
    user_key: user.user_key,
    access_method: factor.method,
    starts_at: window.starts,
    ends_at: window.ends,
    has_own_entrances: listed === null ? 0 : 1,
    uses_left: countFrom(maxUsesOf(params)),
    max_uses: maxUsesOf(params),
    is_duress,
    used_at: null,
    invalidated_at: null,
    ...(secret === null ? NO_SECRET : factor.columns(room, acsCredentialId, secret)),
    secret_revision: params.secret_revision ?? null,
    display_name: params.display_name ?? null,
    metadata: params.metadata === undefined ? null : JSON.stringify(params.metadata),
    opaque: opaque(params),
    schedule_modified:
      window.starts !== null && window.starts < call.nowMs - JUST_NOW_MS && room.time().trusted ? 1 : 0,
    issued_at: null,
    synced_at: null,
    created_at: call.nowMs,
    schedule_key: schedule?.schedule_key ?? null,
  };
  accept(room, factor, row, NOT_STORED, secret, entrances);
  const isForControllers = room.site.controllersOf(keysOf(entrances)).size > 0;
  // Where only the gateway decides it is issued with this very transaction.
  if (!isForControllers) Object.assign(row, { issued_at: call.nowMs, synced_at: call.nowMs });
  const stored: CredentialRow = { ...row, credential_key: store.credentials.insert(row), is_from_token: 0 };
  store.credentials.setEntrances(stored.credential_key, keysOf(listed ?? []), codeOf(row));
  const entranceIds = (listed ?? []).map((entrance) => entrance.acsEntranceId);
  store.digest.added(
    'credential',
    credentialLine({
      ...row,
      acs_user_id: user.acs_user_id,
      schedule_id: schedule?.schedule_id ?? null,
      entrances: entranceIds.join(','),
      phones: null,
    }),
  );
  store.raiseRevision();
  recordChange(room, call, { eventType: 'acs_credential.created', ids: idsOf(acsCredentialId, user.acs_user_id) });
  const wake = isForControllers ? retarget(store, room.site, stored.credential_key) : [];
  if (!isForControllers) recordIssued(room, stored, user.acs_user_id, 'acs_credential.issued', call.nowMs);
  const shown = given === null ? secret : null;
  const known = {
    user,
    card: factor.held(row, secret).card?.canonical ?? null,
    entranceIds,
    targets: isForControllers ? null : [],
  };
  const credential = credentialObject(room, stored, shown, known);
  return {
    result: { acs_credential: withPinWarning(room, credential, factor.method === 'code' ? given : null) },
    isSecret: true,
    hasCode: shown !== null,
    wake,
  };
}

function generated(
  factor: Factor,
  room: Room,
  entrances: readonly SiteEntrance[],
  window: Window,
  followsUser: boolean,
): string | null {
  if (factor.generate === null) return null;
  return factor.generate(room, {
    credentialKey: NOT_STORED,
    entrances,
    followsUser,
    paths: null,
    startsAtMs: window.starts,
    endsAtMs: window.ends,
    maxUses: null,
    isDuress: false,
    scheduleKey: null,
  });
}

/** It was made of what its credential manager signed: from now on it is what the command says. */
function takeOver(
  room: Room,
  existing: CredentialRow,
  params: CreateParams,
  user: UserRow,
  call: Call,
): Outcome<'credentials/create'> {
  const { acs_credential_id: id } = existing;
  if (params.access_method !== 'mobile_key')
    throw refused(
      'acs_credential_exists',
      'acs_credential_id',
      'a credential manager has signed keys for it: it is a mobile_key',
    );
  room.store.credentials.setFromToken(existing.credential_key, 0);
  reassign(room, existing, user.user_key, call);
  return updateCredential(
    room,
    {
      acs_credential_id: id,
      starts_at: params.starts_at ?? null,
      ends_at: params.ends_at ?? null,
      allowed_acs_entrance_ids: params.allowed_acs_entrance_ids ?? null,
      schedule_id: params.schedule_id ?? null,
      display_name: params.display_name ?? null,
      ...(params.metadata === undefined ? {} : { metadata: params.metadata }),
      ...(params.secret_revision === undefined ? {} : { secret_revision: params.secret_revision }),
    },
    call,
  );
}

/** The caller minted the id: the same again is the same object, anything else a conflict. */
function repeatCreate(
  room: Room,
  existing: CredentialRow,
  params: CreateParams,
  factor: Factor,
  user: UserRow,
  entrances: readonly SiteEntrance[] | null,
): Outcome<'credentials/create'> {
  const { store } = room;
  const given = factor.given(room, params);
  const listed = store.ownLists.of(existing.credential_key).map((entrance) => entrance.entrance_key);
  const isSame =
    existing.access_method === params.access_method &&
    existing.user_key === user.user_key &&
    existing.starts_at === (params.starts_at ?? null) &&
    existing.ends_at === (params.ends_at ?? null) &&
    existing.max_uses === maxUsesOf(params) &&
    existing.is_duress === duressOf(params) &&
    (existing.has_own_entrances === 1) === (entrances !== null) &&
    sameSet(listed, keysOf(entrances ?? [])) &&
    (given === null || factor.holds(room, existing, given)) &&
    existing.schedule_key === (params.schedule_id == null ? null : findSchedule(room, params.schedule_id).schedule_key);
  if (isSame) {
    const credential = withPinWarning(room, credentialObject(room, existing), factor.method === 'code' ? given : null);
    return { result: { acs_credential: credential }, isSecret: true };
  }
  throw new OperatingError(
    'acs_credential_exists',
    `credential ${existing.acs_credential_id} exists with other details. Remedy: credentials/update`,
    ['params', 'acs_credential_id'],
  );
}

export function updateCredential(room: Room, params: UpdateParams, call: Call): Outcome<'credentials/update'> {
  const { store } = room;
  const row = findCredential(room, params.acs_credential_id);
  const changed: CredentialRow = { ...row };
  if (params.starts_at !== undefined) changed.starts_at = params.starts_at;
  if (params.ends_at !== undefined) changed.ends_at = params.ends_at;
  if (changed.starts_at !== null && changed.ends_at !== null && changed.ends_at <= changed.starts_at) {
    throw refused('invalid_input', 'ends_at', 'must be later than starts_at');
  }
  if (params.display_name !== undefined) changed.display_name = params.display_name;
  if (params.schedule_id !== undefined)
    changed.schedule_key = params.schedule_id === null ? null : findSchedule(room, params.schedule_id).schedule_key;
  if (params.secret_revision !== undefined) changed.secret_revision = params.secret_revision;
  if (params.max_uses !== undefined)
    Object.assign(changed, countedAnew(row, params.max_uses, room.isAccepted === true ? call.nowMs : null));
  if (params.metadata !== undefined) changed.metadata = JSON.stringify(params.metadata);
  const factor = factorOf(row);
  const given = factor.changed(room, params);
  if (given !== null) {
    refuse(factor.refusalOf(room, given));
    if (factor.method === 'code') refuse(refusalOfClose(room, row, given));
    Object.assign(changed, factor.columns(room, row.acs_credential_id, given));
  }
  const listed = store.ownLists.of(row.credential_key);
  const entrances =
    params.allowed_acs_entrance_ids === undefined
      ? entrancesAt(room, keysOfList(listed))
      : findEntrances(room, params.allowed_acs_entrance_ids ?? []);
  if (params.allowed_acs_entrance_ids !== undefined)
    changed.has_own_entrances = params.allowed_acs_entrance_ids === null ? 0 : 1;
  if (
    changed.invalidated_at !== null &&
    changed.used_at === null &&
    (changed.ends_at === null || changed.ends_at > call.nowMs)
  )
    changed.invalidated_at = null;

  const isAccessChanged =
    given !== null ||
    params.allowed_acs_entrance_ids !== undefined ||
    changed.starts_at !== row.starts_at ||
    changed.ends_at !== row.ends_at ||
    changed.schedule_key !== row.schedule_key ||
    changed.max_uses !== row.max_uses;
  if (isAccessChanged) {
    const opened =
      changed.has_own_entrances === 1 ? entrances : entrancesAt(room, store.reach.entrancesOfUser(changed.user_key));
    accept(room, factor, changed, row.credential_key, given ?? factor.open(room, row), opened);
    changed.synced_at = null;
  }
  store.digest.track('credential', row.acs_credential_id, () => {
    store.credentials.update(changed);
    if (params.allowed_acs_entrance_ids !== undefined)
      store.credentials.setEntrances(row.credential_key, keysOf(entrances), codeOf(changed));
  });
  store.raiseRevision();
  const hasOtherEntrances =
    changed.has_own_entrances !== row.has_own_entrances || !sameSet(keysOfList(listed), keysOf(entrances));
  recordChange(room, call, {
    eventType: 'acs_credential.updated',
    ids: idsOf(row.acs_credential_id, ownerIdOf(room, row)),
    fields: [
      ...changedFields(row, changed, CREDENTIAL_FIELDS),
      ...(hasOtherEntrances ? ['allowed_acs_entrance_ids'] : []),
    ],
  });
  const wake = isAccessChanged ? follow(room, changed, call.nowMs) : [];
  const credential = credentialObject(room, findCredential(room, params.acs_credential_id));
  const shown = withPinWarning(room, credential, factor.method === 'code' ? given : null);
  return { result: { acs_credential: shown }, isSecret: true, wake };
}

/** What a credential's fields are kept as. */
const CREDENTIAL_FIELDS = {
  code: ['code_hash'],
  card_number: ['card_hash'],
  starts_at: ['starts_at'],
  ends_at: ['ends_at'],
  display_name: ['display_name'],
  schedule_id: ['schedule_key'],
  secret_revision: ['secret_revision'],
  metadata: ['metadata'],
  max_uses: ['max_uses'],
} as const satisfies Record<string, readonly (keyof CredentialRow)[]>;

/** A one-time use is a count of one. */
function maxUsesOf({ is_one_time_use: once, max_uses: most }: CreateParams): number | null {
  if (once && most !== undefined && most !== 1)
    throw refused('invalid_input', 'max_uses', 'is 1 with is_one_time_use. Remedy: leave one of them out');
  return once ? 1 : (most ?? null);
}

/** What was used stays used. `usedUpAtMs`: when one counts as used up that may not open as often; null: that is refused. */
function countedAnew(
  row: CredentialRow,
  most: number | null,
  usedUpAtMs: number | null,
): Pick<CredentialRow, 'max_uses' | 'uses_left' | 'used_at'> {
  const made = row.max_uses === null ? 0 : usesMade(row);
  if (most !== null && most <= made && most !== row.max_uses && usedUpAtMs !== null)
    return { max_uses: most, uses_left: 1, used_at: row.used_at ?? usedUpAtMs };
  if (most !== null && most <= made && most !== row.max_uses)
    throw refused(
      'invalid_input',
      'max_uses',
      `it was used ${made} time${made === 1 ? '' : 's'} already. Remedy: more than that, or credentials/delete`,
    );
  if (most === row.max_uses) return row;
  return { max_uses: most, uses_left: countFrom(most, made), used_at: null };
}

const idsOf = (
  acsCredentialId: string,
  acsUserId: string | null,
): { acs_credential_id: string; acs_user_id: string | null } => ({
  acs_credential_id: acsCredentialId,
  acs_user_id: acsUserId,
});

const ownerIdOf = (room: Room, row: CredentialRow): string | null =>
  row.user_key === null ? null : (room.store.users.byKey(row.user_key)?.acs_user_id ?? null);

export function deleteCredential(
  room: Room,
  params: ParamsOf<'credentials/delete'>,
  call: Call,
): Outcome<'credentials/delete'> {
  const { store } = room;
  const row = store.credentials.byId(params.acs_credential_id);
  if (row === undefined) {
    if (store.tombstones.has('credential', params.acs_credential_id)) return { result: {} };
    throw credentialNotFound(params.acs_credential_id);
  }
  const wake = store.targets.ofCredential(row.credential_key).map((target) => target.controller);
  const ids = idsOf(row.acs_credential_id, ownerIdOf(room, row));
  buryPhones(room, store.phones.of(row.credential_key), call);
  release(store, row.credential_key, call.nowMs);
  store.digest.track('credential', row.acs_credential_id, () => store.credentials.delete(row.credential_key));
  store.tombstones.add('credential', row.acs_credential_id, call.nowMs);
  store.raiseRevision();
  recordChange(room, call, { eventType: 'acs_credential.deleted', ids });
  return { result: {}, wake };
}

export function getCredential(room: Room, params: ParamsOf<'credentials/get'>): Outcome<'credentials/get'> {
  return { result: { acs_credential: credentialObject(room, findCredential(room, params.acs_credential_id)) } };
}

export function listCredentials(
  room: Room,
  params: ParamsOf<'credentials/list'>,
  call: Call,
): Outcome<'credentials/list'> {
  const userKey = params.acs_user_id === undefined ? null : findUser(room, params.acs_user_id).user_key;
  const rows = room.store.credentials.list({
    after: readPage(params.page_cursor),
    userKey,
    identity: params.user_identity_id ?? null,
    search: folded(params.search),
    createdBefore: params.created_before ?? null,
    limit: params.limit + 1,
  });
  return {
    result: writePage(
      'acs_credentials',
      rows,
      { items: params.limit, bytes: pageBytes(call.mostReplyBytes) },
      (row) => credentialObject(room, row),
      (row) => row.credential_key,
    ),
  };
}

export function assignCredential(
  room: Room,
  params: ParamsOf<'credentials/assign'>,
  call: Call,
): Outcome<'credentials/assign'> {
  const row = findCredential(room, params.acs_credential_id);
  const user = ownerOf(room, params);
  if (user === undefined)
    throw new OperatingError('invalid_input', 'params: give acs_user_id or user_identity_id', [
      'params',
      'acs_user_id',
    ]);
  return reassign(room, row, user.user_key, call);
}

export function unassignCredential(
  room: Room,
  params: ParamsOf<'credentials/unassign'>,
  call: Call,
): Outcome<'credentials/unassign'> {
  const row = findCredential(room, params.acs_credential_id);
  const named = ownerOf(room, params);
  if (named !== undefined && row.user_key !== null && row.user_key !== named.user_key) {
    throw refused('invalid_input', 'acs_user_id', 'the credential belongs to somebody else');
  }
  return reassign(room, row, null, call);
}

export function reassign(
  room: Room,
  row: CredentialRow,
  userKey: number | null,
  call: Call,
): Outcome<'credentials/assign'> {
  if (row.user_key === userKey) return { result: { acs_credential: credentialObject(room, row) }, isSecret: true };
  const changed = { ...row, user_key: userKey, synced_at: null };
  const factor = factorOf(row);
  if (row.has_own_entrances === 0 && userKey !== null)
    accept(
      room,
      factor,
      changed,
      row.credential_key,
      factor.open(room, row),
      entrancesAt(room, room.store.reach.entrancesOfUser(userKey)),
    );
  room.store.digest.track('credential', row.acs_credential_id, () => room.store.credentials.update(changed));
  room.store.raiseRevision();
  const ownerId = ownerIdOf(room, userKey === null ? row : changed);
  recordChange(room, call, {
    eventType: userKey === null ? 'acs_credential.unassigned' : 'acs_credential.assigned',
    ids: idsOf(row.acs_credential_id, ownerId),
  });
  const wake = follow(room, changed, call.nowMs);
  return {
    result: { acs_credential: credentialObject(room, findCredential(room, row.acs_credential_id)) },
    isSecret: true,
    wake,
  };
}

// ---- helpers --------------------------------------------------------------------------------------------------------

const codeOf = (row: NewCredential): { hash: Buffer; length: number } | null =>
  row.code_hash === null || row.code_length === null ? null : { hash: row.code_hash, length: row.code_length };

const keysOfList = (list: readonly { entrance_key: number }[]): number[] => list.map(({ entrance_key: key }) => key);

const sameSet = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((value) => b.includes(value));

const OPAQUE = [
  'user_identity_id',
  'is_multi_phone_sync_credential',
  'credential_manager_acs_system_id',
  'visionline_metadata',
  'salto_space_metadata',
  'assa_abloy_vostio_metadata',
  'hotek_metadata',
] as const;

function opaque(params: CreateParams): string | null {
  const kept: Record<string, unknown> = {};
  for (const name of OPAQUE) if (params[name] !== undefined && params[name] !== false) kept[name] = params[name];
  return Object.keys(kept).length === 0 ? null : JSON.stringify(kept);
}
