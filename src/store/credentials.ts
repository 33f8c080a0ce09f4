// Credentials. Look-ups that a decision needs are single index probes, prepared once; which entrances they open, and by
// which path, is a matter of reach.ts.

import type { Db } from './db.ts';
import { OVERLAPPING, type ListCode, type OwnLists } from './own-lists.ts';

export type AccessMethod = 'code' | 'card' | 'mobile_key';

export type CredentialRow = {
  credential_key: number;
  acs_credential_id: string;
  user_key: number | null;
  access_method: AccessMethod;
  starts_at: number | null;
  ends_at: number | null;
  has_own_entrances: 0 | 1;
  /** 0: nobody counts; else how many are left (domain/uses.ts). */
  uses_left: number;
  used_at: number | null;
  invalidated_at: number | null;
  card_hash: Buffer | null;
  card_sealed: Buffer | null;
  code_hash: Buffer | null;
  code_sealed: Buffer | null;
  code_length: number | null;
  secret_revision: number | null;
  display_name: string | null;
  metadata: string | null;
  opaque: string | null;
  schedule_modified: 0 | 1;
  issued_at: number | null;
  synced_at: number | null;
  created_at: number;
  /** The weekly schedule it follows; null: none. */
  schedule_key: number | null;
  /** No command has brought it (yet): it was made of what its credential manager signed. */
  is_from_token: 0 | 1;
  /** How often it opens in all; null: any number. What decides is `uses_left`. */
  max_uses: number | null;
  /** 1: a code that is typed under threat. */
  is_duress: 0 | 1;
};
export type NewCredential = Omit<CredentialRow, 'credential_key' | 'is_from_token'>;

/** What decisions and controllers need of a credential and its user, wherever it opens. */
export type CredentialWithUser = Pick<
  CredentialRow,
  | 'credential_key'
  | 'acs_credential_id'
  | 'user_key'
  | 'access_method'
  | 'starts_at'
  | 'ends_at'
  | 'has_own_entrances'
  | 'uses_left'
  | 'used_at'
  | 'invalidated_at'
  | 'card_hash'
  | 'code_hash'
  | 'schedule_key'
  | 'is_duress'
> & {
  acs_user_id: string | null;
  user_starts_at: number | null;
  user_ends_at: number | null;
  user_is_suspended: 0 | 1 | null;
  /** Needs longer at a door. */
  user_is_extended: 0 | 1 | null;
  /** The text of its schedule (domain/schedule.ts) and what people call it; null: none. */
  schedule: string | null;
  schedule_name: string | null;
  schedule_id: string | null;
} & Seals;

/** Which list of entrances is the present one, and the seals over what decides (seal.ts). */
type Seals = { list_revision: number; seal: Buffer | null; user_seal: Buffer | null; schedule_seal: Buffer | null };

const COLUMNS = [
  'acs_credential_id', 'user_key', 'access_method', 'starts_at', 'ends_at', 'has_own_entrances', 'uses_left', 'used_at', 'invalidated_at', 'card_hash', 'card_sealed',
  'code_hash', 'code_sealed', 'code_length', 'secret_revision', 'display_name', 'metadata', 'opaque', 'schedule_modified', 'issued_at', 'synced_at', 'created_at',
  'schedule_key', 'max_uses', 'is_duress',
] as const; // prettier-ignore

const WITH_USER = `c.credential_key, c.acs_credential_id, c.user_key, c.access_method, c.starts_at, c.ends_at, c.has_own_entrances, c.uses_left, c.used_at,
  c.invalidated_at, c.card_hash, c.code_hash, c.schedule_key, c.is_duress, c.list_revision, c.seal, u.seal AS user_seal, u.acs_user_id, u.starts_at AS user_starts_at, u.ends_at AS user_ends_at, u.is_suspended AS user_is_suspended,
  u.is_extended_access AS user_is_extended`;
const FOR_DECISION = `${WITH_USER}, s.content AS schedule, s.name AS schedule_name, s.schedule_id, s.seal AS schedule_seal`;
const JOINED = 'LEFT JOIN users u USING (user_key) LEFT JOIN schedules s ON s.schedule_key = c.schedule_key';

/** What a controller's slot depends on: as a decision sees it, with the secrets that go over the wire. */
export type CredentialForSlot = CredentialWithUser &
  Pick<CredentialRow, 'card_sealed' | 'code_sealed'> & { is_buried: 0 | 1 };
/** What events about it name, and whether one is owed that says it is issued. */
export type ToldOf = { acs_user_id: string | null; issued_at: number | null; is_unsynced: 0 | 1 };

/** What the content of a slot depends on: sealed, and as hashes. */
export type CredentialSecrets = Pick<
  CredentialRow,
  'acs_credential_id' | 'card_sealed' | 'code_sealed' | 'card_hash' | 'code_hash'
>;

export type CredentialFilter = {
  after: number;
  userKey: number | null;
  identity: string | null;
  search: string | null;
  createdBefore: number | null;
  limit: number;
};

export class CredentialTable {
  readonly #ownLists: OwnLists;
  readonly #byId;
  readonly #byKey;
  readonly #insert;
  readonly #update;
  readonly #delete;
  readonly #list;
  readonly #ofUser;
  readonly #duressOf;
  readonly #toldOf;
  readonly #byCard;
  readonly #byCodeWithoutList;
  readonly #withUser;
  readonly #forSlot;
  readonly #sameCard;
  readonly #sameFollowingCode;
  readonly #following;
  readonly #markUsed;
  readonly #countUse;
  readonly #ended;
  readonly #startingBehind;
  readonly #nextEnd;
  readonly #markInvalidated;
  readonly #count;
  readonly #setSynced;
  readonly #setFromToken;
  /** The one inserted last, which has had no list yet. */
  #newestKey: number | null = null;

  constructor(db: Db, ownLists: OwnLists) {
    this.#ownLists = ownLists;
    this.#byId = db.prepare<[string], CredentialRow>('SELECT * FROM credentials WHERE acs_credential_id = ?');
    this.#byKey = db.prepare<[number], CredentialRow>('SELECT * FROM credentials WHERE credential_key = ?');
    this.#insert = db.prepare<[NewCredential]>(
      `INSERT INTO credentials (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map((name) => `:${name}`).join(', ')})`,
    );
    this.#update = db.prepare<[CredentialRow]>(
      `UPDATE credentials SET ${COLUMNS.filter((name) => name !== 'acs_credential_id' && name !== 'created_at')
        .map((name) => `${name} = :${name}`)
        .join(', ')} WHERE credential_key = :credential_key`,
    );
    this.#delete = db.prepare<[number]>('DELETE FROM credentials WHERE credential_key = ?');
    this.#list = db.prepare<[CredentialFilter], CredentialRow>(
      `SELECT * FROM credentials WHERE credential_key > :after AND (:userKey IS NULL OR user_key = :userKey)
         AND (:identity IS NULL OR json_extract(opaque, '$.user_identity_id') = :identity)
         AND (:search IS NULL OR (display_name IS NOT NULL AND instr(fold(display_name), :search)) OR acs_credential_id = :search)
         AND (:createdBefore IS NULL OR created_at < :createdBefore)
       ORDER BY credential_key LIMIT :limit`,
    );
    this.#ofUser = db.prepare<[number], CredentialRow>(
      'SELECT * FROM credentials WHERE user_key = ? ORDER BY credential_key',
    );
    this.#duressOf = db.prepare<[number], CredentialRow>(
      'SELECT * FROM credentials WHERE user_key = ? AND is_duress = 1',
    );
    this.#toldOf = db.prepare<[number], ToldOf>(
      `SELECT u.acs_user_id, c.issued_at, u.user_key IS NOT NULL AND c.synced_at IS NULL AND c.invalidated_at IS NULL AS is_unsynced
       FROM credentials c LEFT JOIN users u USING (user_key) WHERE c.credential_key = ?`,
    );
    this.#byCard = db.prepare<[Buffer, number], CredentialWithUser>(
      `SELECT ${FOR_DECISION} FROM credentials c ${JOINED} WHERE c.card_hash = ? LIMIT ?`,
    );
    this.#byCodeWithoutList = db.prepare<[Buffer, number], CredentialWithUser>(
      `SELECT ${FOR_DECISION} FROM credentials c ${JOINED} WHERE c.code_hash = ? AND c.has_own_entrances = 0 LIMIT ?`,
    );
    this.#withUser = db.prepare<[number], CredentialWithUser>(
      `SELECT ${FOR_DECISION} FROM credentials c ${JOINED} WHERE c.credential_key = ?`,
    );
    this.#forSlot = db.prepare<[number], CredentialForSlot>(
      `SELECT ${FOR_DECISION}, c.card_sealed, c.code_sealed,
         EXISTS (SELECT 1 FROM tombstones WHERE kind = 'credential' AND id = c.acs_credential_id) AS is_buried
       FROM credentials c ${JOINED} WHERE c.credential_key = ?`,
    );
    this.#sameCard = db.prepare<
      [{ hash: Buffer; starts: number | null; ends: number | null; except: number }],
      { acs_credential_id: string }
    >(`SELECT c.acs_credential_id FROM credentials c WHERE c.card_hash = :hash AND ${OVERLAPPING} LIMIT 1`);
    this.#sameFollowingCode = db.prepare<
      [{ hash: Buffer; starts: number | null; ends: number | null; except: number }],
      { acs_credential_id: string }
    >(
      `SELECT c.acs_credential_id FROM credentials c WHERE c.code_hash = :hash AND c.has_own_entrances = 0 AND ${OVERLAPPING} LIMIT 1`,
    );
    this.#following = db
      .prepare<[number], number>(
        'SELECT credential_key FROM credentials WHERE user_key = ? AND has_own_entrances = 0 ORDER BY credential_key',
      )
      .pluck();
    this.#markUsed = db.prepare<[number, number]>(
      'UPDATE credentials SET used_at = ? WHERE credential_key = ? AND used_at IS NULL',
    );
    this.#countUse = db.prepare<[number]>(
      'UPDATE credentials SET uses_left = uses_left - 1 WHERE credential_key = ? AND uses_left > 1 AND used_at IS NULL',
    );
    this.#ended = db.prepare<[number, number], CredentialRow>(
      'SELECT * FROM credentials WHERE ends_at IS NOT NULL AND invalidated_at IS NULL AND ends_at <= ? ORDER BY ends_at LIMIT ?',
    );
    this.#startingBehind = db.prepare<
      [{ starts_at: number; credential_key: number; until: number; limit: number }],
      CredentialRow
    >(
      `SELECT * FROM credentials WHERE starts_at IS NOT NULL AND (starts_at, credential_key) > (:starts_at, :credential_key) AND starts_at <= :until
         AND invalidated_at IS NULL AND user_key IS NOT NULL ORDER BY starts_at, credential_key LIMIT :limit`,
    );
    this.#nextEnd = db.prepare<[], { next: number | null }>(
      'SELECT min(ends_at) AS next FROM credentials WHERE ends_at IS NOT NULL AND invalidated_at IS NULL',
    );
    this.#markInvalidated = db.prepare<[number, number]>(
      'UPDATE credentials SET invalidated_at = ? WHERE credential_key = ?',
    );
    this.#setFromToken = db.prepare<[0 | 1, number]>(
      'UPDATE credentials SET is_from_token = ? WHERE credential_key = ?',
    );
    this.#setSynced = db.prepare<[number, number, number]>(
      'UPDATE credentials SET synced_at = ?, issued_at = coalesce(issued_at, ?) WHERE credential_key = ?',
    );
    this.#count = db.prepare<[], { count: number }>('SELECT count(*) AS count FROM credentials');
  }

  byId(acsCredentialId: string): CredentialRow | undefined {
    return this.#byId.get(acsCredentialId);
  }

  byKey(credentialKey: number): CredentialRow | undefined {
    return this.#byKey.get(credentialKey);
  }

  insert(credential: NewCredential): number {
    this.#newestKey = Number(this.#insert.run(credential).lastInsertRowid);
    return this.#newestKey;
  }

  update(credential: CredentialRow): void {
    this.#update.run(credential);
    const length = credential.invalidated_at === null ? credential.code_length : null;
    this.#ownLists.setCode(credential.credential_key, credential.code_hash, length);
  }

  delete(credentialKey: number): void {
    this.#delete.run(credentialKey);
  }

  list(filter: CredentialFilter): CredentialRow[] {
    return this.#list.all(filter);
  }

  ofUser(userKey: number): CredentialRow[] {
    return this.#ofUser.all(userKey);
  }

  /** Codes that the user types under threat. */
  duressOf(userKey: number): CredentialRow[] {
    return this.#duressOf.all(userKey);
  }

  /** Replaces the credential's own list. */
  setEntrances(credentialKey: number, entranceKeys: readonly number[], code: ListCode | null): void {
    this.#ownLists.replace(credentialKey, entranceKeys, code, credentialKey === this.#newestKey);
    this.#newestKey = null;
  }

  /** Everyone this card could stand for, whatever the window. */
  setFromToken(credentialKey: number, is: 0 | 1): void {
    this.#setFromToken.run(is, credentialKey);
  }

  byCard(cardHash: Buffer, most: number): CredentialWithUser[] {
    // What an index says is compared with the row, which is sealed, and not the other way round.
    return this.#byCard.all(cardHash, most).filter((row) => row.card_hash?.equals(cardHash) === true);
  }

  /** Everyone with this code whose paths are not a list of its own. */
  byCodeWithoutList(codeHash: Buffer, most: number): CredentialWithUser[] {
    return this.#byCodeWithoutList.all(codeHash, most);
  }

  /** One credential and its user, wherever it opens. */
  withUser(credentialKey: number): CredentialWithUser | undefined {
    return this.#withUser.get(credentialKey);
  }

  /** As `withUser`, with everything else that its slot at a controller depends on. */
  forSlot(credentialKey: number): CredentialForSlot | undefined {
    return this.#forSlot.get(credentialKey);
  }

  /** Another credential with this card over an overlapping window. */
  overlappingCard(hash: Buffer, starts: number | null, ends: number | null, except: number): string | null {
    return this.#sameCard.get({ hash, starts, ends, except })?.acs_credential_id ?? null;
  }

  /** As `overlappingCard`, for codes that follow their users. */
  overlappingFollowingCode(hash: Buffer, starts: number | null, ends: number | null, except: number): string | null {
    return this.#sameFollowingCode.get({ hash, starts, ends, except })?.acs_credential_id ?? null;
  }

  /** The keys of those that follow the user. */
  following(userKey: number): number[] {
    return this.#following.all(userKey);
  }

  /** One use of several; false: it is the last one, or none is left. */
  countUse(credentialKey: number): boolean {
    return this.#countUse.run(credentialKey).changes === 1;
  }

  /** The last use. False when somebody was faster. */
  markUsed(credentialKey: number, atMs: number): boolean {
    return this.#markUsed.run(atMs, credentialKey).changes === 1;
  }

  /** Credentials whose end has come and for which no acs_credential.invalidated has been recorded. */
  ended(nowMs: number, limit: number): CredentialRow[] {
    return this.#ended.all(nowMs, limit);
  }

  /** Of somebody, with a start behind this one and until then, in the order of their starts. */
  startingBehind(
    after: { starts_at: number; credential_key: number },
    untilMs: number,
    limit: number,
  ): CredentialRow[] {
    return this.#startingBehind.all({ ...after, until: untilMs, limit });
  }

  /** The next end that has not been recorded yet. */
  nextEndMs(): number | null {
    return this.#nextEnd.get()?.next ?? null;
  }

  markInvalidated(credentialKey: number, atMs: number): void {
    this.#markInvalidated.run(atMs, credentialKey);
    this.#ownLists.freeCodes(credentialKey);
  }

  /** Every controller concerned holds it as it should be. */
  setSynced(credentialKey: number, atMs: number): void {
    this.#setSynced.run(atMs, atMs, credentialKey);
  }

  /** Undefined: deleted. */
  toldOf(credentialKey: number): ToldOf | undefined {
    return this.#toldOf.get(credentialKey);
  }

  count(): number {
    return this.#count.get()?.count ?? 0;
  }
}
