// One credential's life, out of the log: what was done to it and by whom, where it was written, where it was used, and
// what happened to its person. It is read in slices, a page each, for the log is long and doors come first; a page may
// be empty and another follow. Uses between two other entries are one entry for each door.

import { refused } from '../domain/errors.ts';
import { memberOf } from '../domain/named.ts';
import type { StoredEvent } from '../store/events.ts';
import { storedJson, storedObject } from '../store/stored-json.ts';
import type { ParamsOf } from './contract.ts';
import type { ResultOf } from './contract/results.ts';
import { credentialObject } from './credential-object.ts';
import { findEntrance } from './entrances.ts';
import { credentialNotFound } from './found.ts';
import { pageBytes } from './paging.ts';
import type { Call, Outcome, Room } from './room.ts';

type Timeline = ResultOf<'credentials/get_timeline'>;
/** It grows while further uses of the same kind follow. */
type Entry = { -readonly [K in keyof Shown]: Shown[K] };
type Shown = Timeline['timeline'][number];
type Body = Readonly<Record<string, unknown>>;

/** Events looked at for one page. */
const MOST_ROWS = 2_000;
/** What is told of the credential's state, and the rest of the reply. */
const FIXED_BYTES = 24 * 1024;
const MOST_GROUPS = 24;

/** Behind which event the next page begins, and whose the credential was there. */
type Place = { sequence: number; owner: string | null; groups: readonly string[] };

export function getTimeline(
  room: Room,
  params: ParamsOf<'credentials/get_timeline'>,
  call: Call,
): Outcome<'credentials/get_timeline'> {
  const { store } = room;
  const { acs_credential_id: id, acs_entrance_id: entranceId } = params;
  const row = store.credentials.byId(id);
  if (row === undefined && !store.tombstones.has('credential', id)) throw credentialNotFound(id);
  if (entranceId !== undefined) findEntrance(room, entranceId);
  const { first, last } = store.events.span();
  const now = row === undefined ? null : credentialObject(room, row);
  // What a forgotten event has said of its owner is not known: then it is the one of today.
  const presumed = (first ?? 1) > 1 ? (now?.acs_user_id ?? null) : null;
  const start = params.page_cursor === undefined
    ? { sequence: (first ?? 1) - 1, owner: presumed, groups: groupsOf(room, presumed) }
    : readPlace(params.page_cursor); // prettier-ignore
  const upTo = Math.min(last ?? 0, Math.max(start.sequence, (first ?? 1) - 1) + MOST_ROWS);
  const mostBytes = Math.max(1_024, pageBytes(call.mostReplyBytes) - FIXED_BYTES);
  const teller = new Teller(room, id, start, entranceId ?? null);
  const end =
    teller.tell(store.events.about(id, start.sequence, upTo), { entries: params.limit, bytes: mostBytes }) ?? upTo;
  const hasNext = end < (last ?? 0);
  return {
    result: {
      acs_credential_id: id,
      now: now === null ? null : stateOf(now),
      log: { first_sequence: first, last_sequence: last, reaches_back: reachesBack(room, now?.created_at ?? null) },
      timeline: teller.entries,
      pagination: {
        has_next_page: hasNext,
        next_page_cursor: hasNext ? writePlace({ ...teller.place, sequence: end }) : null,
      },
    },
  };
}

const stateOf = (credential: ReturnType<typeof credentialObject>): NonNullable<Timeline['now']> => ({
  acs_user_id: credential.acs_user_id,
  created_at: credential.created_at,
  starts_at: credential.starts_at,
  ends_at: credential.ends_at,
  is_issued: credential.is_issued,
  issued_at: credential.issued_at,
  used_at: credential.used_at,
  controller_states: credential.controller_states,
});

/** Whether nothing of its life is forgotten. Of one that is gone nobody knows when it began. */
function reachesBack({ store }: Room, createdAt: string | null): boolean {
  const { first } = store.events.span();
  if (first === null || first === 1) return true;
  const [oldest] = store.events.after(first - 1, 1);
  return createdAt !== null && oldest !== undefined && oldest.created_at < Date.parse(createdAt);
}

const groupsOf = ({ store }: Room, acsUserId: string | null): string[] => {
  const user = acsUserId === null ? undefined : store.users.byId(acsUserId);
  if (user === undefined) return [];
  const keys = store.groups.ofUser(user.user_key).slice(0, MOST_GROUPS);
  return keys.flatMap((key) => store.groups.byKey(key)?.acs_access_group_id ?? []);
};

class Teller {
  readonly entries: Entry[] = [];
  readonly #room: Room;
  readonly #id: string;
  readonly #door: string | null;
  #owner: string | null;
  #groups: Set<string>;
  /** Uses since the last entry of another kind, by door and outcome. */
  readonly #uses = new Map<string, Entry>();

  constructor(room: Room, acsCredentialId: string, { owner, groups }: Place, door: string | null) {
    this.#room = room;
    this.#id = acsCredentialId;
    this.#owner = owner;
    this.#groups = new Set(groups);
    this.#door = door;
  }

  get place(): Omit<Place, 'sequence'> {
    return { owner: this.#owner, groups: [...this.#groups].slice(0, MOST_GROUPS) };
  }

  /** Behind which event the page ended because it was full; null: they are all told. */
  tell(events: readonly StoredEvent[], most: { entries: number; bytes: number }): number | null {
    let bytes = 0;
    for (const event of events) {
      const body = storedObject(event.body);
      const entry = this.#isAbout(event, body) ? this.#entryOf(event, body) : null;
      const use = entry === null ? null : this.#useOf(entry, body);
      if (use !== null && entry !== null) {
        use.count += 1;
        use.last_sequence = entry.sequence;
        use.last_occurred_at = entry.occurred_at;
      } else if (entry !== null) {
        bytes += Buffer.byteLength(JSON.stringify(entry)) + 1;
        const isFull = this.entries.length >= most.entries || bytes > most.bytes;
        if (isFull && this.entries.length > 0) return event.sequence - 1;
        this.#add(entry, body);
      }
      this.#follow(event, body);
    }
    return null;
  }

  /** It, or its person, or a group that its person is in. */
  #isAbout({ body: json, event_type: type }: StoredEvent, body: Body): boolean {
    if (json.includes(this.#id)) return true;
    const user = memberOf(body, 'acs_user_id');
    if (typeof user === 'string') return user === this.#owner && type !== 'acs_user.created';
    const group = memberOf(body, 'acs_access_group_id');
    return typeof group === 'string' && this.#groups.has(group);
  }

  #entryOf({ sequence, event_type }: StoredEvent, body: Body): Entry | null {
    const text = (key: string): string | null => textOf(memberOf(body, key));
    const entrances = this.#entrancesOf(text('acs_entrance_id'), text('controller'));
    if (this.#door !== null && entrances.length > 0 && !entrances.includes(this.#door)) return null;
    const occurredAt = text('occurred_at') ?? '';
    const source = text('source');
    const changed = memberOf(body, 'changed');
    const slot = memberOf(body, 'slot');
    return {
      sequence,
      event_type,
      occurred_at: occurredAt,
      count: 1,
      last_sequence: sequence,
      last_occurred_at: occurredAt,
      acs_entrance_ids: entrances,
      controller: text('controller'),
      slot: typeof slot === 'number' ? slot : null,
      acs_user_id: text('acs_user_id'),
      acs_access_group_id: text('acs_access_group_id'),
      access_grant_id: text('access_grant_id'),
      changed: Array.isArray(changed) ? changed.filter((name) => typeof name === 'string') : null,
      reason: reasonOf(body),
      by:
        source === 'mqtt' || source === 'local'
          ? { source, sender: text('sender'), command_id: text('command_id') }
          : null,
    };
  }

  /** Where it happened: at a door, or at each that a controller decides for. */
  #entrancesOf(acsEntranceId: string | null, controller: string | null): string[] {
    if (acsEntranceId !== null) return [acsEntranceId];
    if (controller === null) return [];
    const { entrances } = this.#room.site;
    return entrances
      .filter((one) => one.controller === controller)
      .map((one) => one.acsEntranceId)
      .slice(0, 20);
  }

  #useOf(entry: Entry, body: Body): Entry | null {
    return isUse(entry, body) ? (this.#uses.get(useKey(entry)) ?? null) : null;
  }

  #add(entry: Entry, body: Body): void {
    this.entries.push(entry);
    if (isUse(entry, body)) this.#uses.set(useKey(entry), entry);
    else this.#uses.clear();
  }

  /** Whose it is behind this event, and in which groups that one is. */
  #follow({ event_type: type }: StoredEvent, body: Body): void {
    const user = textOf(memberOf(body, 'acs_user_id'));
    if (memberOf(body, 'acs_credential_id') === this.#id && 'acs_user_id' in body) {
      const owner = type === 'acs_credential.unassigned' ? null : user;
      if (owner !== this.#owner) this.#groups = new Set(groupsOf(this.#room, owner));
      this.#owner = owner;
    }
    const group = textOf(memberOf(body, 'acs_access_group_id'));
    if (group === null || user === null || user !== this.#owner) return;
    if (type === 'acs_access_group.user_added') this.#groups.add(group);
    if (type === 'acs_access_group.user_removed') this.#groups.delete(group);
  }
}

const isUse = ({ event_type: type }: Entry, body: Body): boolean =>
  (type === 'lock.unlocked' || type === 'lock.access_denied') && memberOf(body, 'decided_by') !== 'command';
const useKey = ({ acs_entrance_ids: at, reason, event_type: type }: Entry): string =>
  `${type} ${at.join()} ${reason ?? ''}`;

function reasonOf(body: Body): string | null {
  const reason = memberOf(body, 'reason') ?? memberOf(body, 'error');
  if (typeof reason === 'string') return reason;
  if (typeof reason !== 'object' || reason === null) return null;
  const { detail, reason_code, type } = reason as Body;
  return textOf(detail) ?? textOf(reason_code) ?? textOf(type);
}

const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null);

const writePlace = ({ sequence, owner, groups }: Place): string =>
  Buffer.from(JSON.stringify([sequence, owner, ...groups])).toString('base64url');

function readPlace(cursor: string): Place {
  const value = storedJson(Buffer.from(cursor, 'base64url').toString());
  const [sequence, owner, ...groups] = Array.isArray(value) ? (value as unknown[]) : [];
  const isOwner = owner === null || typeof owner === 'string';
  if (
    !Number.isSafeInteger(sequence) ||
    Number(sequence) < 0 ||
    !isOwner ||
    !groups.every((one) => typeof one === 'string')
  )
    throw refused('invalid_input', 'page_cursor', 'not a cursor of ours; take next_page_cursor of the page before');
  return { sequence: Number(sequence), owner, groups };
}
