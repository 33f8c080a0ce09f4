// Access grants: a person, ways to doors, and the codes and cards for them, made, changed and taken back as a whole in
// one transaction. Each code or card is a credential whose list is what the grant opens; whoever has a card already and
// no list opens it as well.

import { OperatingError, refused } from '../domain/errors.ts';
import type { SiteEntrance } from '../domain/site.ts';
import type { GrantRow, MethodRow, NewGrant } from '../store/access-grants.ts';
import type { UserRow } from '../store/users.ts';
import type { ParamsOf } from './contract.ts';
import type { AccessMethod } from './contract/results.ts';
import { createCredential, deleteCredential, updateCredential } from './credentials.ts';
import { entrancesAt, findEntrances, findUser, personOf } from './found.ts';
import { findGrant, findMethod, grantObject, methodObject } from './grant-objects.ts';
import { acceptFollowers, retargetFollowers } from './issue.ts';
import { folded, pageBytes, readPage, writePage } from './paging.ts';
import type { Call, Outcome, Room } from './room.ts';
import { findSchedule } from './schedules.ts';
import { findSpace } from './spaces.ts';
import { changedFields, recordChange } from './trace.ts';
import { createUser } from './users.ts';

type CreateParams = ParamsOf<'access_grants/create'>;
type Requested = CreateParams['requested_access_methods'][number];

export function createGrant(room: Room, params: CreateParams, call: Call): Outcome<'access_grants/create'> {
  const { store } = room;
  const { accessGrants } = store;
  const id = params.access_grant_id ?? room.random.uuid();
  const exists = (param: string, why: string): OperatingError => refused('access_grant_exists', param, why);
  if (store.tombstones.has('access_grant', id))
    throw exists('access_grant_id', 'it was deleted, and a deleted id is never used again');
  const byKey = params.access_grant_key === undefined ? undefined : accessGrants.byGivenKey(params.access_grant_key);
  const existing = accessGrants.byId(id) ?? byKey;
  const entrances = openedBy(room, params.acs_entrance_ids, params.space_ids);
  if (existing !== undefined) {
    const isSame = existing.access_grant_key === (params.access_grant_key ?? null) && isRepeat(existing, params);
    if (!isSame || (params.access_grant_id !== undefined && existing.access_grant_id !== id))
      throw exists(
        byKey === undefined ? 'access_grant_id' : 'access_grant_key',
        'it exists with other details. Remedy: access_grants/update',
      );
    return shown(
      room,
      existing,
      accessGrants.methodsOf(existing.grant_key).map((method) => methodObject(room, method)),
      [],
    );
  }
  if (entrances.length === 0)
    throw refused('invalid_input', 'acs_entrance_ids', 'it names no entrance and no space with one');
  if (room.isAccepted !== true && params.ends_at != null && params.ends_at <= call.nowMs && room.time().trusted)
    throw refused('invalid_input', 'ends_at', 'lies in the past');
  const user = granteeOf(room, params, call);
  const wanted: NewGrant = {
    access_grant_id: id,
    user_key: user.user_key,
    name: params.name ?? null,
    access_grant_key: params.access_grant_key ?? null,
    reservation_key: params.reservation_key ?? null,
    starts_at: params.starts_at ?? null,
    ends_at: params.ends_at ?? null,
    schedule_key: params.schedule_id == null ? null : findSchedule(room, params.schedule_id).schedule_key,
    space_ids: JSON.stringify(params.space_ids),
    ended_by: null,
    metadata: params.metadata === undefined ? null : JSON.stringify(params.metadata),
    created_at: call.nowMs,
  };
  const key = accessGrants.track(id, () => accessGrants.insert(wanted));
  recordChange(room, call, {
    eventType: 'access_grant.created',
    ids: { access_grant_id: id, acs_user_id: user.acs_user_id },
  });
  const replaced = params.replaces === undefined ? [] : replace(room, params.replaces, grantAt(room, key), call);
  const wake = new Set([...replaced, ...settle(room, grantAt(room, key), entrances, call)]);
  const made = params.requested_access_methods.map((one, i) =>
    within(['requested_access_methods', i], () => make(room, grantAt(room, key), one, call, wake)),
  );
  return shown(room, grantAt(room, key), made, [...wake]);
}

/** The earlier one is over before anything is made: the new one may have its cards and codes. Whom to wake. */
function replace(room: Room, accessGrantId: string, by: GrantRow, call: Call): string[] {
  const { store } = room;
  if (store.tombstones.has('access_grant', accessGrantId)) return [];
  const earlier = store.accessGrants.byId(accessGrantId);
  if (earlier === undefined || earlier.grant_key === by.grant_key)
    throw refused('access_grant_not_found', 'replaces', `there is no other access grant ${accessGrantId}`);
  const atMs = by.starts_at ?? -Infinity;
  if (atMs <= call.nowMs || (earlier.starts_at ?? -Infinity) >= atMs) return takeBack(room, earlier, call);
  return earlier.ends_at !== null && earlier.ends_at <= atMs ? [] : end(room, earlier, by, atMs, call);
}

const isRepeat = (row: GrantRow, params: CreateParams): boolean =>
  row.reservation_key === (params.reservation_key ?? null) &&
  (row.ended_by !== null || (row.starts_at === (params.starts_at ?? null) && row.ends_at === (params.ends_at ?? null)));

/** Whom it is for: somebody who is there, or a new person. */
function granteeOf(room: Room, params: CreateParams, call: Call): UserRow {
  const given = [params.acs_user_id, params.user_identity_id, params.user].filter((one) => one !== undefined);
  if (given.length !== 1)
    throw new OperatingError('invalid_input', 'params: give exactly one of acs_user_id, user_identity_id, user', [
      'params',
    ]);
  if (params.user === undefined) return personOf(room, params);
  const { user } = params;
  return within(['user'], () => findUser(room, createUser(room, user, call).result.acs_user.acs_user_id));
}

export function updateGrant(
  room: Room,
  params: ParamsOf<'access_grants/update'>,
  call: Call,
): Outcome<'access_grants/update'> {
  const { store } = room;
  const row = findGrant(room, params.access_grant_id);
  const changed: GrantRow = {
    ...row,
    starts_at: params.starts_at === undefined ? row.starts_at : params.starts_at,
    ends_at: params.ends_at === undefined ? row.ends_at : params.ends_at,
    name: params.name === undefined ? row.name : params.name,
    metadata: params.metadata === undefined ? row.metadata : JSON.stringify(params.metadata),
    space_ids: params.space_ids === undefined ? row.space_ids : JSON.stringify(params.space_ids),
  };
  if (changed.starts_at !== null && changed.ends_at !== null && changed.ends_at <= changed.starts_at)
    throw refused('invalid_input', 'ends_at', 'must be later than starts_at');
  if (params.schedule_id !== undefined)
    changed.schedule_key = params.schedule_id === null ? null : findSchedule(room, params.schedule_id).schedule_key;
  const before = store.userEntrances.said(row.user_key, row.grant_key);
  const areNamed = params.acs_entrance_ids !== undefined || params.space_ids !== undefined;
  const entrances = areNamed
    ? openedBy(room, params.acs_entrance_ids ?? [], params.space_ids ?? [])
    : entrancesAt(
        room,
        before.map(({ entranceKey }) => entranceKey),
      );
  store.accessGrants.track(row.access_grant_id, () => store.accessGrants.update(changed));
  const known = new Set(before.map(({ entranceKey }) => entranceKey));
  const isOther = known.size !== entrances.length || entrances.some(({ entranceKey }) => !known.has(entranceKey));
  recordChange(room, call, {
    eventType: 'access_grant.updated',
    ids: idsOf(room, row),
    fields: [
      ...changedFields(row, changed, {
        starts_at: ['starts_at'],
        ends_at: ['ends_at'],
        schedule_id: ['schedule_key'],
        name: ['name'],
        metadata: ['metadata'],
      }),
      ...(isOther ? ['acs_entrance_ids'] : []),
    ],
  });
  const wake = settle(room, grantAt(room, row.grant_key), entrances, call);
  return { result: { access_grant: grantObject(room, grantAt(room, row.grant_key)) }, wake };
}

export function deleteGrant(
  room: Room,
  params: ParamsOf<'access_grants/delete'>,
  call: Call,
): Outcome<'access_grants/delete'> {
  const { store } = room;
  if (store.tombstones.has('access_grant', params.access_grant_id)) return { result: {} };
  return { result: {}, wake: takeBack(room, findGrant(room, params.access_grant_id), call) };
}

/** The grant, its ways and what was made for it are gone; whom to wake. */
export function takeBack(room: Room, row: GrantRow, call: Call): string[] {
  const { store } = room;
  const wake = store.accessGrants.methodsOf(row.grant_key).flatMap((method) => unmake(room, method, call));
  const opened = store.userEntrances.said(row.user_key, row.grant_key);
  store.accessGrants.track(row.access_grant_id, () => {
    for (const { entranceKey } of opened) store.userEntrances.deleteOfGrant(row.grant_key, row.user_key, entranceKey);
    store.accessGrants.delete(row.grant_key);
  });
  store.tombstones.add('access_grant', row.access_grant_id, call.nowMs);
  store.raiseRevision();
  recordChange(room, call, { eventType: 'access_grant.deleted', ids: idsOf(room, row) });
  const keys = opened.map(({ entranceKey }) => entranceKey);
  return [...new Set([...wake, ...retargetFollowers(room, row.user_key, keys)])];
}

export function getGrant(room: Room, params: ParamsOf<'access_grants/get'>): Outcome<'access_grants/get'> {
  return { result: { access_grant: grantObject(room, findGrant(room, params.access_grant_id)) } };
}

export function listGrants(
  room: Room,
  params: ParamsOf<'access_grants/list'>,
  call: Call,
): Outcome<'access_grants/list'> {
  const rows = room.store.accessGrants.list({
    after: readPage(params.page_cursor),
    userKey: params.acs_user_id === undefined ? null : findUser(room, params.acs_user_id).user_key,
    reservationKey: params.reservation_key ?? null,
    grantKey: params.access_grant_key ?? null,
    search: folded(params.search),
    limit: params.limit + 1,
  });
  return {
    result: writePage(
      'access_grants',
      rows,
      { items: params.limit, bytes: pageBytes(call.mostReplyBytes) },
      (row) => grantObject(room, row),
      (row) => row.grant_key,
    ),
  };
}

// ---- what it opens --------------------------------------------------------------------------------------------------

function openedBy(room: Room, ids: readonly string[], spaceIds: readonly string[]): SiteEntrance[] {
  const named = findEntrances(room, ids, 'acs_entrance_ids');
  const held = spaceIds.flatMap((id) => room.store.spaces.entrances(findSpace(room, id).space_key));
  return [...new Set([...named, ...entrancesAt(room, held)])];
}

/**
 * The grant opens exactly these entrances within its window from now on, with all that was made for it. Rivals in its
 * guest rooms end first: a code of theirs may be given anew. Whom to wake.
 */
function settle(room: Room, row: GrantRow, entrances: readonly SiteEntrance[], call: Call): string[] {
  const { store } = room;
  const wake = new Set(endRivals(room, row, entrances, call));
  const grant = grantAt(room, row.grant_key);
  for (const name of open(room, grant, entrances, call)) wake.add(name);
  store.raiseRevision();
  return [...wake];
}

/** What is new is there before anything is taken away. */
function open(room: Room, grant: GrantRow, entrances: readonly SiteEntrance[], call: Call): string[] {
  const { store } = room;
  const { grant_key: key, user_key: userKey, starts_at, ends_at, schedule_key } = grant;
  const keys = new Set(entrances.map(({ entranceKey }) => entranceKey));
  const before = store.userEntrances.said(userKey, key).map(({ entranceKey }) => entranceKey);
  store.accessGrants.track(grant.access_grant_id, () => {
    const terms = { starts_at, ends_at, schedule_key };
    for (const entrance of entrances) store.userEntrances.setOfGrant(key, userKey, entrance, terms);
    for (const gone of before.filter((one) => !keys.has(one))) store.userEntrances.deleteOfGrant(key, userKey, gone);
  });
  const touched = [...new Set([...before, ...keys])];
  acceptFollowers(room, userKey, touched, 'acs_entrance_ids');
  const wake = store.accessGrants.methodsOf(key).flatMap(({ access_method_id: id }) => {
    if (store.credentials.byId(id) === undefined) return [];
    const ids = entrances.map(({ acsEntranceId }) => acsEntranceId);
    const params = { acs_credential_id: id, starts_at, ends_at, allowed_acs_entrance_ids: ids };
    return updateCredential(room, { ...params, schedule_id: scheduleIdOf(room, grant) }, call).wake ?? [];
  });
  return [...wake, ...retargetFollowers(room, userKey, touched)];
}

const scheduleIdOf = ({ store }: Room, { schedule_key: key }: GrantRow): string | null =>
  key === null ? null : (store.schedules.byKey(key)?.schedule_id ?? null);

/**
 * A guest room belongs to the reservation that began last: of two that overlap the earlier one ends when the later one
 * begins, whichever of them was told first. Whom to wake.
 */
function endRivals(room: Room, row: GrantRow, entrances: readonly SiteEntrance[], call: Call): string[] {
  const { accessGrants } = room.store;
  const { reservation_key: reservation } = row;
  if (reservation === null) return [];
  const begin = (grant: GrantRow): number => Math.max(grant.starts_at ?? 0, call.nowMs);
  const wake: string[] = [];
  for (const { entranceKey } of entrances.filter(({ isGuestRoom }) => isGuestRoom)) {
    const mine = { ...grantAt(room, row.grant_key), reservation_key: reservation };
    for (const rival of accessGrants.rivals(entranceKey, mine, row.grant_key)) {
      if ((rival.ends_at ?? Infinity) <= call.nowMs) continue;
      const isRivalLater = begin(rival) > begin(mine);
      const [earlier, later] = isRivalLater ? [grantAt(room, row.grant_key), rival] : [rival, mine];
      wake.push(...end(room, earlier, later, begin(later), call));
    }
  }
  return wake;
}

function end(room: Room, grant: GrantRow, by: GrantRow, atMs: number, call: Call): string[] {
  const { store } = room;
  const hasBegun = (grant.starts_at ?? -Infinity) < atMs;
  const ended: GrantRow = { ...grant, ended_by: by.access_grant_id, ...(hasBegun ? { ends_at: atMs } : {}) };
  store.accessGrants.track(grant.access_grant_id, () => store.accessGrants.update(ended));
  const ids = { ...idsOf(room, grant), ended_by_access_grant_id: by.access_grant_id };
  const endsAt = new Date(atMs).toISOString();
  recordChange(room, call, { eventType: 'access_grant.ended', ids: { ...ids, ends_at: endsAt } });
  // What would begin together with the other never begins.
  const opened = store.userEntrances.said(grant.user_key, grant.grant_key).map(({ entranceKey }) => entranceKey);
  return open(room, ended, hasBegun ? entrancesAt(room, opened) : [], call);
}

// ---- methods --------------------------------------------------------------------------------------------------------

export function requestMethods(
  room: Room,
  params: ParamsOf<'access_grants/request_access_methods'>,
  call: Call,
): Outcome<'access_grants/request_access_methods'> {
  const grant = findGrant(room, params.access_grant_id);
  const wake = new Set<string>();
  const made = params.requested_access_methods.map((one, i) =>
    within(['requested_access_methods', i], () => make(room, grant, one, call, wake)),
  );
  return shown(room, grantAt(room, grant.grant_key), made, [...wake]);
}

function make(room: Room, grant: GrantRow, asked: Requested, call: Call, wake: Set<string>): AccessMethod {
  const { store } = room;
  const id = asked.access_method_id ?? room.random.uuid();
  const existing = store.accessGrants.method(id);
  if (existing?.grant_key === grant.grant_key && existing.mode === asked.mode) return methodObject(room, existing);
  if (existing !== undefined || store.credentials.byId(id) !== undefined)
    throw refused('acs_credential_exists', 'access_method_id', 'something else has this id');
  if (store.tombstones.has('access_method', id))
    throw refused('acs_credential_deleted', 'access_method_id', 'it was deleted, and a deleted id is never used again');
  for (const [param, mode] of [
    ['code', 'code'],
    ['card_number', 'card'],
    ['card_format', 'card'],
  ] as const)
    if (asked[param] !== undefined && asked.mode !== mode)
      throw refused('invalid_input', param, `only for mode ${mode}`);
  store.accessGrants.addMethod({
    access_method_id: id,
    grant_key: grant.grant_key,
    mode: asked.mode,
    created_at: call.nowMs,
  });
  store.raiseRevision();
  recordChange(room, call, {
    eventType: 'access_method.created',
    ids: { access_method_id: id, access_grant_id: grant.access_grant_id },
  });
  const method = findMethod(room, id);
  if (asked.mode === 'card' && asked.card_number === undefined) return methodObject(room, method);
  return materialise(room, grant, method, asked, call, wake);
}

/** Makes its credential. */
function materialise(
  room: Room,
  grant: GrantRow,
  method: MethodRow,
  asked: Pick<Requested, 'code' | 'card_number' | 'card_format' | 'is_one_time_use'> & {
    max_uses?: number | undefined;
  },
  call: Call,
  wake: Set<string>,
): AccessMethod {
  const { store } = room;
  const user = store.users.byKey(grant.user_key);
  const { code, card_number, card_format, max_uses } = asked;
  const made = createCredential(
    room,
    {
      acs_credential_id: method.access_method_id,
      acs_user_id: user?.acs_user_id,
      access_method: method.mode,
      ...(code === undefined ? {} : { code }),
      ...(card_number === undefined ? {} : { card_number }),
      ...(card_format === undefined ? {} : { card_format }),
      ...(grant.starts_at === null ? {} : { starts_at: grant.starts_at }),
      ends_at: grant.ends_at,
      schedule_id: scheduleIdOf(room, grant),
      allowed_acs_entrance_ids: store.userEntrances
        .said(grant.user_key, grant.grant_key)
        .map(({ acsEntranceId }) => acsEntranceId),
      is_one_time_use: asked.is_one_time_use,
      ...(max_uses === undefined ? {} : { max_uses }),
      is_multi_phone_sync_credential: method.mode === 'mobile_key',
    },
    call,
  );
  for (const name of made.wake ?? []) wake.add(name);
  return methodObject(room, method, made.result.acs_credential);
}

export function assignCard(
  room: Room,
  params: ParamsOf<'access_methods/assign_card'>,
  call: Call,
): Outcome<'access_methods/assign_card'> {
  const { store } = room;
  const method = findMethod(room, params.access_method_id);
  if (method.mode !== 'card') throw refused('invalid_input', 'access_method_id', `it is a ${method.mode}, not a card`);
  const { card_number, card_format } = params;
  const card = { card_number, ...(card_format === undefined ? {} : { card_format }) };
  const wake = new Set<string>();
  if (store.credentials.byId(method.access_method_id) === undefined) {
    const grant = grantAt(room, method.grant_key);
    materialise(room, grant, method, { ...card, is_one_time_use: false }, call, wake);
  } else {
    const changed = updateCredential(room, { acs_credential_id: method.access_method_id, ...card }, call);
    for (const name of changed.wake ?? []) wake.add(name);
  }
  return { result: { access_method: methodObject(room, method) }, isSecret: true, wake: [...wake] };
}

export function deleteMethod(
  room: Room,
  params: ParamsOf<'access_methods/delete'>,
  call: Call,
): Outcome<'access_methods/delete'> {
  if (room.store.tombstones.has('access_method', params.access_method_id)) return { result: {} };
  return { result: {}, wake: unmake(room, findMethod(room, params.access_method_id), call) };
}

/** Whom to wake. */
export function unmake(room: Room, method: MethodRow, call: Call): string[] {
  const { store } = room;
  const id = method.access_method_id;
  const wake =
    store.credentials.byId(id) === undefined ? [] : deleteCredential(room, { acs_credential_id: id }, call).wake;
  store.accessGrants.deleteMethod(id);
  store.tombstones.add('access_method', id, call.nowMs);
  store.raiseRevision();
  const ids = { access_method_id: id, access_grant_id: grantAt(room, method.grant_key).access_grant_id };
  recordChange(room, call, { eventType: 'access_method.deleted', ids });
  return [...(wake ?? [])];
}

export function getMethod(room: Room, params: ParamsOf<'access_methods/get'>): Outcome<'access_methods/get'> {
  return { result: { access_method: methodObject(room, findMethod(room, params.access_method_id)) } };
}

export function listMethods(
  room: Room,
  params: ParamsOf<'access_methods/list'>,
  call: Call,
): Outcome<'access_methods/list'> {
  const { access_grant_id: grantId } = params;
  const rows = room.store.accessGrants.listMethods({
    after: readPage(params.page_cursor),
    grant: grantId === undefined ? null : findGrant(room, grantId).grant_key,
    limit: params.limit + 1,
  });
  return {
    result: writePage(
      'access_methods',
      rows,
      { items: params.limit, bytes: pageBytes(call.mostReplyBytes) },
      (row) => methodObject(room, row),
      (row) => row.method_key,
    ),
  };
}

// ---- helpers --------------------------------------------------------------------------------------------------------

function shown(
  room: Room,
  grant: GrantRow,
  methods: AccessMethod[],
  wake: readonly string[],
): Outcome<'access_grants/create'> {
  return {
    result: { access_grant: grantObject(room, grant), access_methods: methods },
    isSecret: true,
    hasCode: methods.some(({ code }) => code !== null),
    wake,
  };
}

function grantAt(room: Room, grantKey: number): GrantRow {
  const row = room.store.accessGrants.byKey(grantKey);
  if (row === undefined) throw new Error('a grant that is worked on is there');
  return row;
}

const idsOf = ({ store }: Room, row: GrantRow): { access_grant_id: string; acs_user_id: string } => ({
  access_grant_id: row.access_grant_id,
  acs_user_id: store.users.byKey(row.user_key)?.acs_user_id ?? '',
});

/** What is wrong inside is told with its place in the command. */
function within<T>(place: readonly (string | number)[], run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof OperatingError)) throw error;
    const path = ['params', ...place, ...(error.path ?? []).slice(1)];
    const why = error.message.replace(/^params(\.[a-z_.0-9]+)?: /, '');
    throw new OperatingError(error.type, `${path.join('.')}: ${why}`, path);
  }
}
