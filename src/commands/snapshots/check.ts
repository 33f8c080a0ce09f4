// Can the facility hold a snapshot, all of it? Asked of every item before anything is changed: what it speaks of is in the
// snapshot, its id was never deleted, and every door and controller can hold it beside all the others.

import { refusalOf } from '../../acceptance/acceptance.ts';
import type { Wanted as Asked } from '../../acceptance/ground.ts';
import { keysOf } from '../../acceptance/ground.ts';
import { OperatingError, refuse } from '../../domain/errors.ts';
import { isSlip } from '../../domain/slip.ts';
import type { SiteEntrance } from '../../domain/site.ts';
import type { CredentialRow } from '../../store/credentials.ts';
import type { TombstoneKind } from '../../store/tombstones.ts';
import { SNAPSHOT_COMMANDS, type SnapshotCommand } from '../contract/snapshots.ts';
import { duressOf } from '../duress.ts';
import type { CreateParams } from '../factors/factor.ts';
import { factorOf } from '../factors/factors.ts';
import { findEntrances } from '../found.ts';
import { daysOf } from '../holidays.ts';
import { OTHER_FACTOR } from '../issue.ts';
import { MOST_PHONES } from '../phone-object.ts';
import type { Room } from '../room.ts';
import type { Item } from './items.ts';
import { paramsOfMethod } from './methods.ts';
import { type StagedItems, type Turns } from './staged.ts';
import { SnapshotStanding } from './standing.ts';
import { at, missing, type Made, type Wanted } from './wanted.ts';

const MOST_TOLD = 10;

export class SnapshotCheck {
  readonly #room: Room;
  readonly #wanted: Wanted;
  readonly #staged: StagedItems;
  readonly #turns: Turns;
  readonly #standing: SnapshotStanding;
  readonly #problems: OperatingError[] = [];
  #count = 0;
  /** Codes of people who have one for a threat. */
  readonly #duress = new Map<string, { id: string; isDuress: boolean; code: string }[]>();
  readonly #phonesOf = new Map<string, Set<string>>();

  constructor(room: Room, wanted: Wanted, staged: StagedItems, turns: Turns) {
    this.#room = room;
    this.#wanted = wanted;
    this.#staged = staged;
    this.#turns = turns;
    this.#standing = new SnapshotStanding(room, wanted);
  }

  /** Throws what is wrong, of several items the first ones. */
  async run(): Promise<void> {
    const { each } = this;
    await each(ALL_BUT_CREDENTIALS, (item) => this.#checkPlain(item));
    this.#throwIfAny();
    await each(CREDENTIALS, (item) => this.#note(item));
    this.#throwIfAny();
    await each(CREDENTIALS, (item) => this.#accept(item));
    await each(['credentials/enroll_phone'], (item) => this.#checkPhone(item));
    this.#throwIfAny();
  }

  readonly each = (commands: readonly SnapshotCommand[], check: (item: Item) => void): Promise<void> =>
    this.#staged.each(commands, this.#turns, (item, page, position) => {
      try {
        at({ page, position }, () => check(item));
      } catch (error) {
        if (!(error instanceof OperatingError)) throw error;
        this.#count += 1;
        if (this.#problems.length < MOST_TOLD) this.#problems.push(error);
      }
    });

  #throwIfAny(): void {
    const [first] = this.#problems;
    if (first === undefined) return;
    const more = this.#count - this.#problems.length;
    const told = this.#problems.map(({ message }) => message).join('; ');
    throw new OperatingError(
      first.type,
      `${told}${more === 0 ? '' : `; and ${more} more`}. Nothing was changed`,
      first.path,
    );
  }

  // ---- what items speak of ------------------------------------------------------------------------------------------

  #checkPlain(item: Item): void {
    const { params } = item;
    switch (item.command) {
      case 'schedules/create':
        this.#refuseBuried('schedule', item.params.schedule_id);
        return;
      case 'holidays/create': {
        const { date, last_date = date, every_year: every } = item.params;
        daysOf({ first_date: date, last_date, is_every_year: every ? 1 : 0 });
        this.#refuseBuried('holiday', item.params.holiday_id);
        return;
      }
      case 'spaces/create':
        findEntrances(this.#room, item.params.acs_entrance_ids, 'acs_entrance_ids');
        this.#refuseBuried('space', item.params.space_id);
        return;
      case 'users/create':
        for (const group of item.params.acs_access_group_ids ?? []) this.#needGroup(group);
        this.#refuseBuried('user', item.params.acs_user_id);
        return;
      case 'users/suspend':
        this.#needUser(item.params.acs_user_id);
        return;
      case 'access_groups/create':
        findEntrances(this.#room, item.params.acs_entrance_ids, 'acs_entrance_ids');
        this.#needSchedule(item.params.schedule_id);
        this.#refuseBuried('access_group', item.params.acs_access_group_id);
        return;
      case 'access_groups/add_user':
        this.#needGroup(item.params.acs_access_group_id);
        this.#needUser(item.params.acs_user_id);
        return;
      case 'entrances/grant_access':
        findEntrances(this.#room, [item.params.acs_entrance_id], 'acs_entrance_id');
        this.#needSchedule(item.params.schedule_id);
        this.#needUser(item.params.acs_user_id);
        return;
      case 'access_grants/create':
        this.#checkGrant(item.params);
        return;
      default:
        throw new Error(`an item is checked once: ${JSON.stringify(Object.keys(params))}`);
    }
  }

  #checkGrant(params: Extract<Item, { command: 'access_grants/create' }>['params']): void {
    const { accessGrants, users, credentials } = this.#room.store;
    this.#needUser(params.acs_user_id);
    this.#needSchedule(params.schedule_id);
    findEntrances(this.#room, params.acs_entrance_ids, 'acs_entrance_ids');
    const id = params.access_grant_id ?? '';
    this.#refuseBuried('access_grant', id);
    for (const method of params.requested_access_methods) {
      const methodId = method.access_method_id ?? '';
      this.#refuseBuried('access_method', methodId);
      const known = accessGrants.method(methodId);
      const isOther = known !== undefined && (known.mode !== method.mode || accessGrants.byKey(known.grant_key)?.access_grant_id !== id); // prettier-ignore
      if (isOther || (known === undefined && credentials.byId(methodId) !== undefined))
        throw changed('access_method', methodId, 'something else has this id here');
    }
    const row = accessGrants.byId(id);
    if (row === undefined) return;
    if (users.byKey(row.user_key)?.acs_user_id !== params.acs_user_id)
      throw changed('access grant', id, 'it is somebody else’s here');
    if (
      row.access_grant_key !== (params.access_grant_key ?? null) ||
      row.reservation_key !== (params.reservation_key ?? null)
    )
      // prettier-ignore
      throw changed('access grant', id, 'it has another access_grant_key or reservation_key here');
  }

  #checkPhone(item: Item): void {
    if (item.command !== 'credentials/enroll_phone') return;
    const { acs_credential_id: parent, phone_acs_credential_id: id = '', public_key: key } = item.params;
    const { store } = this.#room;
    if (this.#wanted.credentials.has(id)) throw changed('phone', id, 'a credential of the snapshot has this id');
    if (this.#wanted.credentials.get(parent)?.isMobile !== true)
      throw new OperatingError('acs_credential_not_found', `mobile key ${parent} is not in the snapshot. Remedy: credentials/create on one of its pages`); // prettier-ignore
    this.#refuseBuried('credential', id);
    const row = store.phones.byId(id);
    const owner = row === undefined ? undefined : store.credentials.byKey(row.credential_key)?.acs_credential_id;
    if (row !== undefined && (owner !== parent || !row.key_hash.equals(store.secrets.keyHash(key))))
      throw changed('phone', id, 'it has another key, or another mobile key, here');
    if (row === undefined && (store.credentials.byId(id) ?? store.issuedKeys.byId(id)) !== undefined)
      throw changed('phone', id, 'something else has this id here');
    const keys = this.#phonesOf.get(parent) ?? new Set<string>();
    this.#phonesOf.set(parent, keys);
    if (keys.has(key.toString('hex'))) throw new OperatingError('invalid_input', 'another phone of this mobile key has this public_key'); // prettier-ignore
    keys.add(key.toString('hex'));
    if (keys.size > MOST_PHONES)
      throw new OperatingError('invalid_input', `a mobile key has ${MOST_PHONES} phones at most`);
  }

  #needUser(id: string | undefined): void {
    if (id === undefined || !this.#wanted.users.has(id))
      throw missing('acs_user_not_found', `user ${id ?? ''}`, 'users/create');
  }

  #needGroup(id: string): void {
    if (!this.#wanted.groups.has(id))
      throw missing('acs_access_group_not_found', `access group ${id}`, 'access_groups/create');
  }

  #needSchedule(id: string | null | undefined): void {
    if (id != null && !this.#wanted.schedules.has(id))
      throw missing('schedule_not_found', `schedule ${id}`, 'schedules/create');
  }

  /** What ended long ago and was removed may stand in its sender's list: it stays removed. */
  #refuseBuried(kind: TombstoneKind, id: string | undefined): void {
    const { tombstones } = this.#room.store;
    if (id === undefined || !tombstones.has(kind, id) || tombstones.endedRemovedAt(kind, id) !== null) return;
    throw new OperatingError('acs_credential_deleted', `${kind.replaceAll('_', ' ')} ${id} was deleted, and a deleted id is never used again. Remedy: a new id`); // prettier-ignore
  }

  // ---- credentials --------------------------------------------------------------------------------------------------

  /** All that others are held to: its secret, its window, where it opens. */
  #note(item: Item): void {
    for (const { made, params } of this.#madeBy(item)) {
      const { store, site } = this.#room;
      this.#needUser(params.acs_user_id);
      this.#needSchedule(params.schedule_id);
      this.#refuseBuried('credential', made.id);
      const listed = made.entranceIds === null ? null : findEntrances(this.#room, made.entranceIds);
      const row = store.credentials.byId(made.id);
      this.#refuseOther(item, params, row);
      const factor = factorOf(params);
      const secret = this.#secretOf(params, row);
      refuse(factor.refusalOf(this.#room, params.code === undefined ? null : secret));
      const opened = listed ?? this.#followed(made.acsUserId).entrances;
      if (!made.isMobile) this.#standing.addTargets(made.n, [...site.controllersOf(keysOf(opened)).keys()], made);
      if (this.#isOver(made, row)) continue;
      const entrances = listed === null ? null : keysOf(listed);
      const holder = { n: made.n, id: made.id, startsAtMs: made.startsAtMs, endsAtMs: made.endsAtMs, entrances };
      if (factor.method === 'card' && secret !== null) this.#standing.addCard(store.secrets.cardHash(secret), holder);
      if (factor.method !== 'code' || secret === null) continue;
      this.#standing.addCode(store.secrets.codeHash(secret), secret.length, holder);
      const ofPerson = this.#duress.get(made.acsUserId);
      const one = { id: made.id, isDuress: duressOf(params) === 1, code: secret };
      if (ofPerson === undefined) this.#duress.set(made.acsUserId, [one]);
      else ofPerson.push(one);
    }
  }

  #accept(item: Item): void {
    const { store, site, policy, controllers } = this.#room;
    for (const { made, params } of this.#madeBy(item)) {
      const row = store.credentials.byId(made.id);
      if (this.#isOver(made, row)) continue;
      const factor = factorOf(params);
      const secret = this.#secretOf(params, row);
      const listed = made.entranceIds === null ? null : findEntrances(this.#room, made.entranceIds);
      if (listed !== null) refuse(factor.refusalAt?.(listed) ?? null);
      const followed = listed === null ? this.#followed(made.acsUserId) : null;
      const opened =
        listed ?? followed?.entrances.filter(({ factors }) => factors !== OTHER_FACTOR[factor.method]) ?? [];
      const keys = new Set(keysOf(opened));
      const asked: Asked = {
        credentialKey: made.n,
        entrances: opened,
        followsUser: listed === null,
        paths: followed?.paths.filter(({ entranceKey }) => keys.has(entranceKey)) ?? null,
        startsAtMs: made.startsAtMs,
        endsAtMs: made.endsAtMs,
        maxUses: params.is_one_time_use ? 1 : (params.max_uses ?? null),
        isDuress: duressOf(params) === 1,
        scheduleKey: this.#scheduleKey(params.schedule_id ?? null),
        card: factor.method === 'card' && secret !== null ? { canonical: secret, hash: store.secrets.cardHash(secret) } : null, // prettier-ignore
        code: factor.method === 'code' && secret !== null ? { digits: secret, hash: store.secrets.codeHash(secret) } : null, // prettier-ignore
      };
      refuse(refusalOf({ store: this.#standing, site, policy, controllers }, asked));
      if (factor.method === 'code' && secret !== null) this.#refuseSlip(made, asked.isDuress, secret);
    }
  }

  #refuseSlip({ id, acsUserId }: Made, isDuress: boolean, code: string): void {
    // Asked of the codes for a threat alone, which are few.
    if (!isDuress) return;
    const close = this.#duress.get(acsUserId)?.find((one) => one.id !== id && !one.isDuress && isSlip(one.code, code));
    if (close !== undefined)
      throw new OperatingError('code_constraints_violated', `it is one mistyped digit away from credential ${close.id} of the same person`); // prettier-ignore
  }

  /** What cannot be changed of a credential that is here. */
  #refuseOther(item: Item, params: CreateParams, row: CredentialRow | undefined): void {
    const { store } = this.#room;
    const id = params.acs_credential_id ?? '';
    if (params.is_one_time_use && params.max_uses !== undefined && params.max_uses !== 1)
      throw new OperatingError('invalid_input', 'max_uses is 1 with is_one_time_use. Remedy: leave one of them out');
    if (store.phones.byId(id) !== undefined || store.issuedKeys.byId(id) !== undefined)
      throw changed('credential', id, 'it is a phone of a mobile key here');
    if (row === undefined) return;
    if (row.access_method !== params.access_method)
      throw changed('credential', id, `it is a ${row.access_method} here`);
    if (row.is_duress !== duressOf(params)) throw changed('credential', id, 'is_duress cannot be changed');
    if (item.command === 'credentials/create' && store.accessGrants.method(id) !== undefined)
      throw changed('credential', id, 'it was made for an access grant here');
  }

  /** As the snapshot gives it, or as it is here. */
  #secretOf(params: CreateParams, row: CredentialRow | undefined): string | null {
    const factor = factorOf(params);
    const isGiven = factor.method !== 'card' || params.card_number !== undefined || params.code !== undefined;
    const given = isGiven || row === undefined ? factor.given(this.#room, params) : null;
    if (given !== null || factor.method === 'mobile_key') return given;
    if (row !== undefined) return factor.open(this.#room, row);
    throw new OperatingError('invalid_input', 'params.code: required in a snapshot for a code that is not here yet, for no reply could show one that is generated', ['params', 'code']); // prettier-ignore
  }

  /** Nobody opens anything by it any more: nobody is held to it. */
  #isOver({ endsAtMs, id }: Made, row: CredentialRow | undefined): boolean {
    const { time, store } = this.#room;
    const { trusted, nowMs } = time();
    if (row?.used_at != null || store.tombstones.has('credential', id)) return true;
    return endsAtMs !== null && endsAtMs <= nowMs && trusted;
  }

  #madeBy(item: Item): { made: Made; params: CreateParams }[] {
    const of = (params: CreateParams): { made: Made; params: CreateParams }[] => {
      const made = this.#wanted.credentials.get(params.acs_credential_id ?? '');
      return made === undefined ? [] : [{ made, params }];
    };
    if (item.command === 'credentials/create') return of(item.params);
    if (item.command !== 'access_grants/create') return [];
    const grant = item.params;
    return grant.requested_access_methods.flatMap((method) => of(paramsOfMethod(grant, method, this.#wanted)));
  }

  /** By what a person opens, with every credential that has no list. */
  #followed(acsUserId: string): { entrances: SiteEntrance[]; paths: NonNullable<Asked['paths']> } {
    const { groups, members, access, grantsOf } = this.#wanted;
    const found = new Map<string, SiteEntrance>();
    const paths: { entranceKey: number; scheduleKey: number | null; endsAtMs: number | null }[] = [];
    const add = (ids: readonly string[], scheduleId: string | null, endsAtMs: number | null): void => {
      for (const id of ids) {
        const entrance = this.#room.site.byId(id);
        if (entrance === undefined) continue;
        found.set(id, entrance);
        paths.push({ entranceKey: entrance.entranceKey, scheduleKey: this.#scheduleKey(scheduleId), endsAtMs });
      }
    };
    for (const [id, { endsAtMs }] of members.get(acsUserId) ?? []) {
      const group = groups.get(id);
      if (group !== undefined) add(group.entranceIds, group.scheduleId, endsAtMs);
    }
    for (const [id, { scheduleId, endsAtMs }] of access.get(acsUserId) ?? []) add([id], scheduleId, endsAtMs);
    for (const grant of grantsOf.get(acsUserId) ?? []) add(grant.entranceIds, grant.scheduleId, grant.endsAtMs);
    return { entrances: [...found.values()], paths };
  }

  #scheduleKey(id: string | null): number | null {
    return id === null ? null : (this.#wanted.schedules.get(id)?.key ?? null);
  }
}

const CREDENTIALS: readonly SnapshotCommand[] = ['access_grants/create', 'credentials/create'];
const ALL_BUT_CREDENTIALS = SNAPSHOT_COMMANDS.filter((command) => !command.startsWith('credentials/'));

const changed = (what: string, id: string, why: string): OperatingError =>
  new OperatingError('invalid_input', `${what} ${id}: ${why}. Remedy: another id`);
