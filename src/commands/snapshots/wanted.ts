// What a facility is to be by a snapshot, as far as its items speak of each other: who and what there is, who is in which
// group, which door opens by what. Built from the pages in slices, and thrown away when the snapshot is applied.

import { OperatingError } from '../../domain/errors.ts';
import { scheduleText } from '../../domain/schedule.ts';
import { MOST_GROUPS_OF_USER } from '../../store/groups.ts';
import { SNAPSHOT_COMMANDS, type SnapshotCommand } from '../contract/snapshots.ts';
import type { Item } from './items.ts';
import { type StagedItems, type Turns } from './staged.ts';

export type Terms = { startsAtMs: number | null; endsAtMs: number | null; scheduleId: string | null };
type Place = { page: number; position: number };
/** A grant, and a group, as whoever follows them is held to them. */
type Grant = Terms & { acsUserId: string; entranceIds: readonly string[] };
type Group = { scheduleId: string | null; entranceIds: readonly string[] };
/** A credential, whether an item of its own or made for a grant. */
export type Made = Place & {
  /** Its number in the snapshot, from 1. */
  n: number;
  id: string;
  acsUserId: string;
  startsAtMs: number | null;
  endsAtMs: number | null;
  /** Null: it follows its person. */
  entranceIds: readonly string[] | null;
  isMobile: boolean;
};

const FIRST: readonly SnapshotCommand[] = ['schedules/create', 'holidays/create', 'spaces/create'];
const CREDENTIALS: readonly SnapshotCommand[] = ['credentials/create', 'credentials/enroll_phone'];
const PEOPLE = SNAPSHOT_COMMANDS.filter((command) => !FIRST.includes(command) && !CREDENTIALS.includes(command));

export class Wanted {
  /** The text of each schedule, by its id, and its number. */
  readonly schedules = new Map<string, { key: number; content: string }>();
  readonly holidays = new Set<string>();
  readonly spaces = new Map<string, readonly string[]>();
  readonly users = new Set<string>();
  readonly suspended = new Set<string>();
  readonly groups = new Map<string, Group>();
  /** By person, then by group. */
  readonly members = new Map<string, Map<string, { startsAtMs: number | null; endsAtMs: number | null }>>();
  /** By person, then by entrance. */
  readonly access = new Map<string, Map<string, Terms>>();
  readonly grants = new Map<string, Grant>();
  readonly grantsOf = new Map<string, Grant[]>();
  readonly grantKeys = new Set<string>();
  readonly credentials = new Map<string, Made>();
  /** Ids of what was asked for with a grant, also of cards that have no number yet. */
  readonly methods = new Set<string>();
  readonly phones = new Set<string>();

  /** Throws where two items are the same, or one speaks of what no item is. */
  static async of(staged: StagedItems, turns: Turns): Promise<Wanted> {
    const wanted = new Wanted();
    for (const commands of [FIRST, PEOPLE, CREDENTIALS])
      await staged.each(commands, turns, (item, page, position) => {
        at({ page, position }, () => wanted.#take(item, { page, position }));
      });
    return wanted;
  }

  #take(item: Item, place: Place): void {
    const { params } = item;
    switch (item.command) {
      case 'schedules/create': {
        const content = scheduleText({ week: item.params.week, holidays: item.params.on_holidays });
        this.#once(this.schedules, idOf(item.params.schedule_id));
        this.schedules.set(idOf(item.params.schedule_id), { key: this.schedules.size + 1, content });
        return;
      }
      case 'holidays/create':
        this.#once(this.holidays, idOf(item.params.holiday_id));
        this.holidays.add(idOf(item.params.holiday_id));
        return;
      case 'spaces/create':
        this.#once(this.spaces, idOf(item.params.space_id));
        this.spaces.set(idOf(item.params.space_id), item.params.acs_entrance_ids);
        return;
      case 'users/create': {
        const id = idOf(item.params.acs_user_id);
        this.#once(this.users, id);
        this.users.add(id);
        for (const group of item.params.acs_access_group_ids ?? []) this.#join(id, group, null, null);
        return;
      }
      case 'users/suspend':
        this.suspended.add(item.params.acs_user_id);
        return;
      case 'access_groups/create': {
        const { acs_access_group_id: id, schedule_id: schedule = null, acs_entrance_ids: entranceIds } = item.params;
        this.#once(this.groups, idOf(id));
        this.groups.set(idOf(id), { scheduleId: schedule, entranceIds });
        return;
      }
      case 'access_groups/add_user':
        this.#join(
          idOf(item.params.acs_user_id),
          item.params.acs_access_group_id,
          item.params.starts_at ?? null,
          item.params.ends_at ?? null,
        );
        return;
      case 'entrances/grant_access': {
        const { acs_entrance_id: entrance } = item.params;
        const said = into(this.access, idOf(item.params.acs_user_id));
        if (said.has(entrance)) throw twice(`entrances/grant_access of ${entrance} to this person`);
        said.set(entrance, termsOf(item.params));
        return;
      }
      case 'access_grants/create':
        this.#grant(item.params, place);
        return;
      case 'credentials/create': {
        const { acs_credential_id: id, allowed_acs_entrance_ids: entranceIds = null, access_method } = item.params;
        const { startsAtMs, endsAtMs } = termsOf(item.params);
        this.#once(this.methods, idOf(id));
        const whose = { acsUserId: idOf(item.params.acs_user_id), isMobile: access_method === 'mobile_key' };
        this.#make({ ...place, ...whose, id: idOf(id), startsAtMs, endsAtMs, entranceIds });
        return;
      }
      case 'credentials/enroll_phone': {
        const id = idOf(item.params.phone_acs_credential_id);
        this.#once(this.phones, id);
        this.phones.add(id);
        return;
      }
      default:
        throw new Error(`an item is a command of a snapshot: ${JSON.stringify(params)}`);
    }
  }

  #join(userId: string, groupId: string, startsAtMs: number | null, endsAtMs: number | null): void {
    const groups = into(this.members, userId);
    const known = groups.get(groupId);
    if (known !== undefined && (known.startsAtMs !== startsAtMs || known.endsAtMs !== endsAtMs))
      throw twice(`person ${userId} in group ${groupId}, each time within another window`);
    groups.set(groupId, { startsAtMs, endsAtMs });
    if (groups.size > MOST_GROUPS_OF_USER)
      throw new OperatingError('invalid_input', `a person is in ${MOST_GROUPS_OF_USER} groups at most`);
  }

  #grant(params: Extract<Item, { command: 'access_grants/create' }>['params'], place: Place): void {
    const id = idOf(params.access_grant_id);
    this.#once(this.grants, id);
    const key = params.access_grant_key;
    if (key !== undefined && this.grantKeys.has(key)) throw twice('this access_grant_key');
    if (key !== undefined) this.grantKeys.add(key);
    const spaces = params.space_ids.flatMap((space) => {
      const held = this.spaces.get(space);
      if (held === undefined) throw missing('space_not_found', `space ${space}`, 'spaces/create');
      return held;
    });
    const entranceIds = [...new Set([...params.acs_entrance_ids, ...spaces])];
    if (entranceIds.length === 0)
      throw new OperatingError('invalid_input', 'the grant names no entrance and no space with one');
    const grant = { ...termsOf(params), acsUserId: idOf(params.acs_user_id), entranceIds };
    this.grants.set(id, grant);
    const ofUser = this.grantsOf.get(grant.acsUserId);
    if (ofUser === undefined) this.grantsOf.set(grant.acsUserId, [grant]);
    else ofUser.push(grant);
    for (const method of params.requested_access_methods) {
      const methodId = idOf(method.access_method_id);
      if (this.credentials.has(methodId)) throw twice(methodId);
      this.#once(this.methods, methodId);
      this.methods.add(methodId);
      if (method.mode === 'card' && method.card_number === undefined) continue;
      const { startsAtMs, endsAtMs, acsUserId } = grant;
      this.#make({ ...place, id: methodId, acsUserId, startsAtMs, endsAtMs, entranceIds, isMobile: method.mode === 'mobile_key' }); // prettier-ignore
    }
  }

  #make(made: Omit<Made, 'n'>): void {
    this.#once(this.credentials, made.id);
    this.credentials.set(made.id, { ...made, n: this.credentials.size + 1 });
  }

  #once(known: { has(id: string): boolean }, id: string): void {
    if (known.has(id)) throw twice(id);
  }
}

const idOf = (id: string | undefined): string => id ?? '';

const termsOf = ({
  starts_at,
  ends_at,
  schedule_id,
}: {
  starts_at?: number | null | undefined;
  ends_at?: number | null | undefined;
  schedule_id?: string | null | undefined;
}): Terms => ({ startsAtMs: starts_at ?? null, endsAtMs: ends_at ?? null, scheduleId: schedule_id ?? null });

function into<V>(maps: Map<string, Map<string, V>>, key: string): Map<string, V> {
  const known = maps.get(key);
  if (known !== undefined) return known;
  const made = new Map<string, V>();
  maps.set(key, made);
  return made;
}

const twice = (what: string): OperatingError =>
  new OperatingError('invalid_input', `${what} stands in the snapshot twice`);

export const missing = (type: OperatingError['type'], what: string, command: SnapshotCommand): OperatingError =>
  new OperatingError(type, `${what} is not in the snapshot. Remedy: ${command} on one of its pages`);

/** What is wrong is told with the item that it is about. */
export function at<T>({ page, position }: Place, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof OperatingError)) throw error;
    const path = ['page', page, 'items', position, ...(error.path ?? [])];
    throw new OperatingError(error.type, `page ${page}, item ${position}: ${error.message}`, path);
  }
}
