// Credentials and the entrances they were given. Look-ups that a decision needs are single index probes, prepared once.

import type { Db } from './db.ts';

export type AccessMethod = 'code' | 'card';

export type CredentialRow = {
  credential_key: number;
  acs_credential_id: string;
  user_key: number | null;
  access_method: AccessMethod;
  starts_at: number | null;
  ends_at: number | null;
  has_own_entrances: 0 | 1;
  is_one_time_use: 0 | 1;
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
};
export type NewCredential = Omit<CredentialRow, 'credential_key'>;

/** What a decision needs of a credential and its user. */
export type CredentialForDecision = Pick<
  CredentialRow,
  | 'credential_key'
  | 'acs_credential_id'
  | 'user_key'
  | 'access_method'
  | 'starts_at'
  | 'ends_at'
  | 'has_own_entrances'
  | 'is_one_time_use'
  | 'used_at'
  | 'invalidated_at'
  | 'card_hash'
  | 'code_hash'
  | 'schedule_key'
> & {
  acs_user_id: string | null;
  user_starts_at: number | null;
  user_ends_at: number | null;
  user_is_suspended: 0 | 1 | null;
  /** 1 when the entrance asked about is on the credential's own list. */
  is_listed: 0 | 1;
  /** The text of its schedule (domain/schedule.ts) and what people call it; null: none. */
  schedule: string | null;
  schedule_name: string | null;
  schedule_id: string | null;
} & Seals &
  ListEntry;

/** Which list of entrances is the present one, and the seals over what decides (seal.ts). */
type Seals = { list_revision: number; seal: Buffer | null; user_seal: Buffer | null; schedule_seal: Buffer | null };
/** The entry for the entrance asked about; nulls where there is none. */
type ListEntry = { list_seal: Buffer | null; list_code_hash: Buffer | null; list_entrance_id: string | null };
export type EntranceOfList = {
  entrance_key: number;
  acs_entrance_id: string;
  seal: Buffer | null;
  code_hash: Buffer | null;
};

const COLUMNS = [
  'acs_credential_id', 'user_key', 'access_method', 'starts_at', 'ends_at', 'has_own_entrances', 'is_one_time_use', 'used_at', 'invalidated_at', 'card_hash', 'card_sealed',
  'code_hash', 'code_sealed', 'code_length', 'secret_revision', 'display_name', 'metadata', 'opaque', 'schedule_modified', 'issued_at', 'synced_at', 'created_at',
  'schedule_key',
] as const; // prettier-ignore

const WITH_USER = `c.credential_key, c.acs_credential_id, c.user_key, c.access_method, c.starts_at, c.ends_at, c.has_own_entrances, c.is_one_time_use, c.used_at,
  c.invalidated_at, c.card_hash, c.code_hash, c.schedule_key, c.list_revision, c.seal, u.seal AS user_seal, u.acs_user_id, u.starts_at AS user_starts_at, u.ends_at AS user_ends_at, u.is_suspended AS user_is_suspended`;
const FOR_DECISION = `${WITH_USER}, s.content AS schedule, s.name AS schedule_name, s.schedule_id, s.seal AS schedule_seal`;
const ENTRY = 'ce.seal AS list_seal, ce.code_hash AS list_code_hash, e.acs_entrance_id AS list_entrance_id';
const NO_ENTRY = 'NULL AS list_seal, NULL AS list_code_hash, NULL AS list_entrance_id';
const ENTRY_AT =
  'LEFT JOIN credential_entrances ce ON ce.credential_key = c.credential_key AND ce.entrance_key = ? LEFT JOIN entrances e ON e.entrance_key = ce.entrance_key';
const JOINED = 'LEFT JOIN users u USING (user_key) LEFT JOIN schedules s ON s.schedule_key = c.schedule_key';

export type CredentialWithUser = Omit<CredentialForDecision, 'is_listed' | keyof ListEntry>;
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

/** More than this many credentials behind one card or code is no building: the rest is not looked at. */
const MOST_PER_SECRET = 64;

export class CredentialTable {
  readonly #byId;
  readonly #byKey;
  readonly #insert;
  readonly #update;
  readonly #delete;
  readonly #list;
  readonly #ofUser;
  readonly #entrancesOf;
  readonly #listOf;
  readonly #nextList;
  readonly #entranceKeysOf;
  readonly #toldOf;
  readonly #addEntrance;
  readonly #clearEntrances;
  readonly #setCode;
  readonly #freeCodes;
  readonly #byCard;
  readonly #byCodeHere;
  readonly #byCodeOfUser;
  readonly #oneForDecision;
  readonly #withUser;
  readonly #forSlot;
  readonly #sameCard;
  readonly #sameCode;
  readonly #markUsed;
  readonly #ended;
  readonly #nextEnd;
  readonly #markInvalidated;
  readonly #count;
  readonly #setSynced;
  readonly #withAccess;
  readonly #codesAt;
  /** The one inserted last, which has had no list yet. */
  #newestKey: number | null = null;

  constructor(db: Db) {
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
    this.#entrancesOf = db.prepare<[number], { entrance_key: number; acs_entrance_id: string }>(
      `SELECT e.entrance_key, e.acs_entrance_id FROM credential_entrances ce JOIN entrances e USING (entrance_key) WHERE ce.credential_key = ? ORDER BY e.entrance_key`,
    );
    this.#listOf = db.prepare<[number], EntranceOfList>(
      `SELECT ce.entrance_key, e.acs_entrance_id, ce.seal, ce.code_hash FROM credential_entrances ce JOIN entrances e USING (entrance_key)
       WHERE ce.credential_key = ? ORDER BY ce.entrance_key`,
    );
    this.#nextList = db.prepare<[number]>(
      'UPDATE credentials SET list_revision = list_revision + 1 WHERE credential_key = ?',
    );
    this.#entranceKeysOf = db.prepare<[number], { entrance_key: number }>(
      'SELECT entrance_key FROM credential_entrances WHERE credential_key = ? ORDER BY entrance_key',
    );
    this.#toldOf = db.prepare<[number], ToldOf>(
      `SELECT u.acs_user_id, c.issued_at, u.user_key IS NOT NULL AND c.synced_at IS NULL AND c.invalidated_at IS NULL AS is_unsynced
       FROM credentials c LEFT JOIN users u USING (user_key) WHERE c.credential_key = ?`,
    );
    this.#addEntrance = db.prepare<[number, number, Buffer | null, number | null]>(
      'INSERT OR IGNORE INTO credential_entrances (credential_key, entrance_key, code_hash, code_length) VALUES (?, ?, ?, ?)',
    );
    this.#clearEntrances = db.prepare<[number]>('DELETE FROM credential_entrances WHERE credential_key = ?');
    this.#setCode = db.prepare<[Buffer | null, number | null, number]>(
      'UPDATE credential_entrances SET code_hash = ?, code_length = ? WHERE credential_key = ?',
    );
    this.#freeCodes = db.prepare<[number]>(
      'UPDATE credential_entrances SET code_length = NULL WHERE credential_key = ?',
    );
    this.#byCard = db.prepare<[number, Buffer], CredentialForDecision>(
      `SELECT ${FOR_DECISION}, ce.entrance_key IS NOT NULL AS is_listed, ${ENTRY} FROM credentials c ${JOINED} ${ENTRY_AT}
       WHERE c.card_hash = ? LIMIT ${MOST_PER_SECRET}`,
    );
    this.#byCodeHere = db.prepare<[Buffer, number], CredentialForDecision>(
      `SELECT ${FOR_DECISION}, 1 AS is_listed, ${ENTRY} FROM credential_entrances ce JOIN credentials c ON c.credential_key = ce.credential_key ${JOINED}
         LEFT JOIN entrances e ON e.entrance_key = ce.entrance_key
       WHERE ce.code_hash = ? AND ce.entrance_key = ? LIMIT ${MOST_PER_SECRET}`,
    );
    this.#byCodeOfUser = db.prepare<[Buffer], CredentialForDecision>(
      `SELECT ${FOR_DECISION}, 0 AS is_listed, ${NO_ENTRY} FROM credentials c ${JOINED} WHERE c.code_hash = ? AND c.has_own_entrances = 0 LIMIT ${MOST_PER_SECRET}`,
    );
    this.#oneForDecision = db.prepare<[number, number], CredentialForDecision>(
      `SELECT ${FOR_DECISION}, ce.entrance_key IS NOT NULL AS is_listed, ${ENTRY} FROM credentials c ${JOINED} ${ENTRY_AT} WHERE c.credential_key = ?`,
    );
    this.#withUser = db.prepare<[number], CredentialWithUser>(
      `SELECT ${FOR_DECISION} FROM credentials c ${JOINED} WHERE c.credential_key = ?`,
    );
    this.#forSlot = db.prepare<[number], CredentialForSlot>(
      `SELECT ${FOR_DECISION}, c.card_sealed, c.code_sealed,
         EXISTS (SELECT 1 FROM tombstones WHERE kind = 'credential' AND id = c.acs_credential_id) AS is_buried
       FROM credentials c ${JOINED} WHERE c.credential_key = ?`,
    );
    const overlaps = `(:ends IS NULL OR c.starts_at IS NULL OR c.starts_at < :ends) AND (:starts IS NULL OR c.ends_at IS NULL OR :starts < c.ends_at)
      AND c.credential_key <> :except AND c.invalidated_at IS NULL`;
    this.#sameCard = db.prepare<
      [{ hash: Buffer; starts: number | null; ends: number | null; except: number }],
      { acs_credential_id: string }
    >(`SELECT c.acs_credential_id FROM credentials c WHERE c.card_hash = :hash AND ${overlaps} LIMIT 1`);
    this.#sameCode = db.prepare<
      [{ hash: Buffer; entrance: number; starts: number | null; ends: number | null; except: number }],
      { acs_credential_id: string }
    >(
      `SELECT c.acs_credential_id FROM credential_entrances ce JOIN credentials c USING (credential_key)
       WHERE ce.code_hash = :hash AND ce.entrance_key = :entrance AND ${overlaps} LIMIT 1`,
    );
    this.#markUsed = db.prepare<[number, number]>(
      'UPDATE credentials SET used_at = ? WHERE credential_key = ? AND used_at IS NULL',
    );
    this.#ended = db.prepare<[number, number], CredentialRow>(
      'SELECT * FROM credentials WHERE ends_at IS NOT NULL AND invalidated_at IS NULL AND ends_at <= ? ORDER BY ends_at LIMIT ?',
    );
    this.#nextEnd = db.prepare<[], { next: number | null }>(
      'SELECT min(ends_at) AS next FROM credentials WHERE ends_at IS NOT NULL AND invalidated_at IS NULL',
    );
    this.#markInvalidated = db.prepare<[number, number]>(
      'UPDATE credentials SET invalidated_at = ? WHERE credential_key = ?',
    );
    this.#setSynced = db.prepare<[number, number, number]>(
      'UPDATE credentials SET synced_at = ?, issued_at = coalesce(issued_at, ?) WHERE credential_key = ?',
    );
    this.#count = db.prepare<[], { count: number }>('SELECT count(*) AS count FROM credentials');
    this.#withAccess = db.prepare<[{ entrance: number; after: number; limit: number }], CredentialRow>(
      `SELECT c.* FROM credential_entrances ce JOIN credentials c USING (credential_key)
       WHERE ce.entrance_key = :entrance AND ce.credential_key > :after ORDER BY ce.credential_key LIMIT :limit`,
    );
    this.#codesAt = db.prepare<[number, number], { count: number }>(
      'SELECT count FROM code_counts WHERE entrance_key = ? AND code_length = ?',
    );
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
    this.#setCode.run(credential.code_hash, length, credential.credential_key);
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

  withAccessTo(entranceKey: number, after: number, limit: number): CredentialRow[] {
    return this.#withAccess.all({ entrance: entranceKey, after, limit });
  }

  entrancesOf(credentialKey: number): { entrance_key: number; acs_entrance_id: string }[] {
    return this.#entrancesOf.all(credentialKey);
  }

  /** Its own list with the seal of each entry, for whoever lets somebody in by it. */
  listOf(credentialKey: number): EntranceOfList[] {
    return this.#listOf.all(credentialKey);
  }

  /** The keys of its own list, without a look at the entrances. */
  entranceKeysOf(credentialKey: number): number[] {
    return this.#entranceKeysOf.all(credentialKey).map((row) => row.entrance_key);
  }

  /** Replaces the credential's own list. */
  setEntrances(
    credentialKey: number,
    entranceKeys: readonly number[],
    code: { hash: Buffer; length: number } | null,
  ): void {
    this.#clearEntrances.run(credentialKey);
    // Sealed with the revision: whoever puts an entry of an earlier list back has one that fits no more. A first list
    // follows none.
    if (credentialKey !== this.#newestKey) this.#nextList.run(credentialKey);
    this.#newestKey = null;
    for (const entranceKey of entranceKeys)
      this.#addEntrance.run(credentialKey, entranceKey, code?.hash ?? null, code?.length ?? null);
  }

  /** Everyone this card could stand for, whatever the window. */
  byCard(cardHash: Buffer, entranceKey: number): CredentialForDecision[] {
    // What an index says is compared with the row, which is sealed, and not the other way round.
    return this.#byCard.all(entranceKey, cardHash).filter((row) => row.card_hash?.equals(cardHash) === true);
  }

  /** Everyone this code could stand for at this entrance, whatever the window. */
  byCode(codeHash: Buffer, entranceKey: number): CredentialForDecision[] {
    const here = this.#byCodeHere.all(codeHash, entranceKey);
    return [
      ...here.filter((row) => row.list_code_hash?.equals(codeHash) === true),
      ...this.#byCodeOfUser.all(codeHash),
    ];
  }

  /** One credential as a decision at this entrance sees it. */
  forDecision(credentialKey: number, entranceKey: number): CredentialForDecision | undefined {
    return this.#oneForDecision.get(entranceKey, credentialKey);
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

  /** Another credential with this code at this entrance over an overlapping window. */
  overlappingCode(
    hash: Buffer,
    entrance: number,
    starts: number | null,
    ends: number | null,
    except: number,
  ): string | null {
    return this.#sameCode.get({ hash, entrance, starts, ends, except })?.acs_credential_id ?? null;
  }

  /** How many codes of this length may still be valid at the entrance. */
  codesAt(entranceKey: number, length: number): number {
    return this.#codesAt.get(entranceKey, length)?.count ?? 0;
  }

  /** False when somebody was faster. */
  markUsed(credentialKey: number, atMs: number): boolean {
    return this.#markUsed.run(atMs, credentialKey).changes === 1;
  }

  /** Credentials whose end has come and for which no acs_credential.invalidated has been recorded. */
  ended(nowMs: number, limit: number): CredentialRow[] {
    return this.#ended.all(nowMs, limit);
  }

  /** The next end that has not been recorded yet. */
  nextEndMs(): number | null {
    return this.#nextEnd.get()?.next ?? null;
  }

  markInvalidated(credentialKey: number, atMs: number): void {
    this.#markInvalidated.run(atMs, credentialKey);
    this.#freeCodes.run(credentialKey);
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
