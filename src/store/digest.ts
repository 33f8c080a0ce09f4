// The facility's digest: the sum, modulo 2^256, of the SHA-256 of one line per user, credential, group, and part of a
// group. A sum does not care about order and changes by one line at a time, so it costs the same at ten credentials and at a million, and a
// sender computes it from its own list. Lines are documented in docs/mqtt-api.md.

import { createHash } from 'node:crypto';
import type { Db } from './db.ts';
import type { Meta } from './meta.ts';
import { LISTED_IDS } from './own-lists.ts';
import { PHONE_IDS } from './phones.ts';

const MODULUS = 2n ** 256n;
const SUM = 'digest_sum';

export type CredentialLine = {
  acs_credential_id: string;
  acs_user_id: string | null;
  access_method: string;
  starts_at: number | null;
  ends_at: number | null;
  has_own_entrances: 0 | 1;
  max_uses: number | null;
  is_duress: 0 | 1;
  secret_revision: number | null;
  schedule_id: string | null;
  entrances: string | null;
  /** Ids of the phones of a mobile key, separated by commas; null: none. */
  phones: string | null;
};
type UserLine = { acs_user_id: string; starts_at: number | null; ends_at: number | null; is_suspended: 0 | 1 };

const iso = (atMs: number | null): string => (atMs === null ? '' : new Date(atMs).toISOString());

export const userLine = (row: UserLine): string =>
  ['user', row.acs_user_id, iso(row.starts_at), iso(row.ends_at), row.is_suspended === 1 ? 'suspended' : ''].join('|');

export const credentialLine = (row: CredentialLine): string =>
  [
    'credential',
    row.acs_credential_id,
    row.acs_user_id ?? '',
    row.access_method,
    iso(row.starts_at),
    iso(row.ends_at),
    row.has_own_entrances === 1 ? (row.entrances ?? '').split(',').sort().join(',') : '*',
    row.max_uses === null ? '' : row.max_uses === 1 ? 'one_time' : `uses ${row.max_uses}`,
    row.secret_revision ?? '',
    // Left out where there is none: the line of a credential without them is what it always was.
    ...(row.schedule_id === null ? [] : [row.schedule_id]),
    ...(row.phones === null ? [] : [`phones ${row.phones.split(',').sort().join(',')}`]),
    ...(row.is_duress === 1 ? ['duress'] : []),
  ].join('|');

type Bounds = { starts_at: number | null; ends_at: number | null };
export type GroupLine = { acs_access_group_id: string; schedule_id: string | null };
export type GroupUserLine = Bounds & { acs_access_group_id: string; acs_user_id: string };
export type AccessLine = Bounds & { acs_user_id: string; acs_entrance_id: string; schedule_id: string | null };

export const groupLine = ({ acs_access_group_id: id, schedule_id: schedule }: GroupLine): string =>
  ['access_group', id, schedule ?? ''].join('|');
export const groupEntranceLine = (acsAccessGroupId: string, acsEntranceId: string): string =>
  ['access_group_entrance', acsAccessGroupId, acsEntranceId].join('|');
export const groupUserLine = ({ acs_access_group_id: id, acs_user_id: userId, ...window }: GroupUserLine): string =>
  ['access_group_user', id, userId, iso(window.starts_at), iso(window.ends_at)].join('|');
/** What was granted to a person at an entrance. */
export const accessLine = ({ acs_user_id: id, acs_entrance_id: entranceId, ...terms }: AccessLine): string =>
  ['access', id, entranceId, iso(terms.starts_at), iso(terms.ends_at), terms.schedule_id ?? ''].join('|');

export type GrantLine = Bounds & {
  access_grant_id: string;
  acs_user_id: string;
  schedule_id: string | null;
  entrances: string | null;
};
export const grantLine = ({ access_grant_id: id, acs_user_id: userId, ...terms }: GrantLine): string =>
  [
    'access_grant',
    id,
    userId,
    iso(terms.starts_at),
    iso(terms.ends_at),
    terms.schedule_id ?? '',
    (terms.entrances ?? '').split(',').sort().join(','),
  ].join('|');
const GRANT_LINES = `SELECT g.access_grant_id, u.acs_user_id, g.starts_at, g.ends_at, s.schedule_id,
    (SELECT group_concat(ue.acs_entrance_id) FROM user_entrances ue WHERE ue.user_key = g.user_key AND ue.grant_key = g.grant_key) AS entrances
  FROM access_grants g JOIN users u USING (user_key) LEFT JOIN schedules s USING (schedule_key)`;

/** Of every row beside those of people and credentials, for whoever counts them all. `kind` says how a row reads. */
export const FURTHER_LINES = [
  {
    sql: `SELECT g.acs_access_group_id, s.schedule_id FROM access_groups g LEFT JOIN schedules s USING (schedule_key)`,
    line: (row: GroupLine) => groupLine(row),
  },
  {
    sql: `SELECT g.acs_access_group_id, u.acs_user_id, m.starts_at, m.ends_at
          FROM access_group_users m JOIN access_groups g USING (group_key) JOIN users u USING (user_key)`,
    line: (row: GroupUserLine) => groupUserLine(row),
  },
  {
    sql: `SELECT g.acs_access_group_id, ge.acs_entrance_id FROM access_group_entrances ge JOIN access_groups g USING (group_key)`,
    line: (row: { acs_access_group_id: string; acs_entrance_id: string }) =>
      groupEntranceLine(row.acs_access_group_id, row.acs_entrance_id),
  },
  {
    sql: `SELECT u.acs_user_id, ue.acs_entrance_id, ue.starts_at, ue.ends_at, s.schedule_id
          FROM user_entrances ue JOIN users u USING (user_key) LEFT JOIN schedules s USING (schedule_key) WHERE ue.grant_key = 0`,
    line: (row: AccessLine) => accessLine(row),
  },
  { sql: GRANT_LINES, line: (row: GrantLine) => grantLine(row) },
] as const;

/** As it is kept: 64 hexadecimal digits. */
export const addedUp = (sum: bigint, more: bigint): string =>
  ((((sum + more) % MODULUS) + MODULUS) % MODULUS).toString(16).padStart(64, '0');

export const hashOf = (line: string): bigint => BigInt(`0x${createHash('sha256').update(line).digest('hex')}`);

export class Digest {
  readonly #meta: Meta;
  readonly #credential;
  readonly #user;
  readonly #group;
  readonly #grant;
  readonly #counts;
  readonly #setSum;
  readonly #getSum;

  constructor(db: Db, meta: Meta) {
    this.#meta = meta;
    this.#credential = db.prepare<[string], CredentialLine>(
      `SELECT c.acs_credential_id, u.acs_user_id, c.access_method, c.starts_at, c.ends_at, c.has_own_entrances, c.max_uses, c.is_duress, c.secret_revision,
         (SELECT s.schedule_id FROM schedules s WHERE s.schedule_key = c.schedule_key) AS schedule_id,
         ${LISTED_IDS} AS entrances, ${PHONE_IDS} AS phones
       FROM credentials c LEFT JOIN users u USING (user_key) WHERE c.acs_credential_id = ?`,
    );
    this.#user = db.prepare<[string], UserLine>(
      'SELECT acs_user_id, starts_at, ends_at, is_suspended FROM users WHERE acs_user_id = ?',
    );
    this.#grant = db.prepare<[string], GrantLine>(`${GRANT_LINES} WHERE g.access_grant_id = ?`);
    this.#group = db.prepare<[number], GroupLine>(
      `SELECT g.acs_access_group_id, (SELECT s.schedule_id FROM schedules s WHERE s.schedule_key = g.schedule_key) AS schedule_id
       FROM access_groups g WHERE g.group_key = ?`,
    );
    this.#counts = { users: 'count_users', credentials: 'count_credentials' } as const;
    this.#getSum = db.prepare<[], { value: string }>(`SELECT value FROM meta WHERE key = '${SUM}'`);
    this.#setSum = db.prepare<[string]>(
      `INSERT INTO meta (key, value) VALUES ('${SUM}', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
    );
  }

  /**
   * Runs what changes one credential or user, inside its transaction, and moves the sum from the line before to the
   * line after.
   */
  track<T>(kind: 'user' | 'credential', id: string, change: () => T): T {
    const before = this.#lineOf(kind, id);
    const result = change();
    const after = this.#lineOf(kind, id);
    if (before !== after) this.#move(kind, before, after);
    return result;
  }

  /** A new user or credential, whose line the caller has at hand. */
  added(kind: 'user' | 'credential', line: string): void {
    this.#move(kind, null, line);
  }

  grantLineOf(accessGrantId: string): GrantLine | undefined {
    return this.#grant.get(accessGrantId);
  }

  groupLineOf(groupKey: number): GroupLine | undefined {
    return this.#group.get(groupKey);
  }

  /** Of anything but a user or a credential, whose line was, and is. */
  replace(before: string | null, after: string | null): void {
    if (before !== after) this.shift((after === null ? 0n : hashOf(after)) - (before === null ? 0n : hashOf(before)));
  }

  /** Many lines at once, as what they come to. */
  shift(by: bigint): void {
    this.#setSum.run(addedUp(this.#sum(), by));
  }

  #move(kind: 'user' | 'credential', before: string | null, after: string | null): void {
    this.replace(before, after);
    if ((before === null) !== (after === null)) {
      const name = kind === 'user' ? this.#counts.users : this.#counts.credentials;
      this.#meta.set(name, (this.#meta.number(name) ?? 0) + (after === null ? -1 : 1));
    }
  }

  /** Takes what a count of all rows found to be missing (verification.ts); what has changed since then stays in. */
  correct(off: { sum: string; users: number; credentials: number }): void {
    this.shift(BigInt(`0x${off.sum}`));
    for (const kind of ['users', 'credentials'] as const)
      this.#meta.set(this.#counts[kind], (this.#meta.number(this.#counts[kind]) ?? 0) + off[kind]);
  }

  read(): { digest: string; users: number; credentials: number } {
    return {
      digest: this.#sum().toString(16).padStart(64, '0'),
      users: this.#meta.number(this.#counts.users) ?? 0,
      credentials: this.#meta.number(this.#counts.credentials) ?? 0,
    };
  }

  #sum(): bigint {
    const value = this.#getSum.get()?.value;
    return value === undefined ? 0n : BigInt(`0x${value}`);
  }

  #lineOf(kind: 'user' | 'credential', id: string): string | null {
    if (kind === 'user') {
      const row = this.#user.get(id);
      return row === undefined ? null : userLine(row);
    }
    const row = this.#credential.get(id);
    return row === undefined ? null : credentialLine(row);
  }
}
