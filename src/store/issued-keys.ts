// Keys that a credential manager has signed for a mobile key. As a phone, each is known by its public key; unlike one it
// has a window and entrances of its own, within those of its mobile key, and goes with its end.

import type { Db } from './db.ts';
import { sealedColumns } from './seal.ts';
import type { Link } from './stored-path.ts';
import type { Tombstones } from './tombstones.ts';

export type IssuedKeyRow = {
  issued_key: number;
  /** Its own, as a credential; that of its mobile key is behind `credential_key`. */
  acs_credential_id: string;
  credential_key: number;
  key_hash: Buffer;
  public_key: Buffer;
  /** The credential manager that signed it, by its acs_system_id, and the number that it gave, hexadecimal. */
  issuer: string;
  token_id: string;
  starts_at: number;
  ends_at: number;
  /** By which revocations go. */
  issued_at: number;
  /** Ids, in order, separated by commas. */
  entrances: string;
  created_at: number;
  seal: Buffer | null;
};
export type NewIssuedKey = Omit<IssuedKeyRow, 'issued_key' | 'seal'>;

/** What a manager takes back: one key that it signed, all that it signed for a phone, or all before an instant. */
export type Revocation = { tokenId: string } | { publicKey: Buffer } | { issuedBeforeMs: number };

/** Long enough for every clock and log; as many as one statement may take. */
const KEPT_BEHIND_END_MS = 86_400_000;
const MOST_FORGOTTEN = 500;
const INSTANT_DIGITS = 15;

export class IssuedKeys {
  readonly #tombstones: Tombstones;
  readonly #byKeyHash;
  readonly #byId;
  readonly #byToken;
  readonly #of;
  readonly #insert;
  readonly #delete;
  readonly #ended;
  readonly #issuers;
  readonly #deleteOfIssuer;
  readonly #revoked;
  readonly #entranceId;

  constructor(db: Db, tombstones: Tombstones) {
    this.#tombstones = tombstones;
    this.#byKeyHash = db.prepare<[Buffer, number], IssuedKeyRow>(
      'SELECT * FROM issued_keys WHERE key_hash = ? LIMIT ?',
    );
    this.#byId = db.prepare<[string], IssuedKeyRow>('SELECT * FROM issued_keys WHERE acs_credential_id = ?');
    this.#byToken = db.prepare<[string, string], IssuedKeyRow>(
      'SELECT * FROM issued_keys WHERE issuer = ? AND token_id = ?',
    );
    this.#of = db.prepare<[number], IssuedKeyRow>(
      'SELECT * FROM issued_keys WHERE credential_key = ? ORDER BY issued_key',
    );
    this.#insert = db.prepare<[NewIssuedKey]>(
      `INSERT INTO issued_keys (acs_credential_id, credential_key, key_hash, public_key, issuer, token_id, starts_at, ends_at, issued_at, entrances, created_at)
       VALUES (:acs_credential_id, :credential_key, :key_hash, :public_key, :issuer, :token_id, :starts_at, :ends_at, :issued_at, :entrances, :created_at)`,
    );
    this.#delete = db.prepare<[number]>('DELETE FROM issued_keys WHERE issued_key = ?');
    this.#ended = db.prepare<[number, number], IssuedKeyRow>('SELECT * FROM issued_keys WHERE ends_at < ? LIMIT ?');
    this.#issuers = db.prepare<[], string>('SELECT DISTINCT issuer FROM issued_keys').pluck();
    this.#deleteOfIssuer = db.prepare<[string]>('DELETE FROM issued_keys WHERE issuer = ?');
    this.#entranceId = db
      .prepare<[number], string>('SELECT acs_entrance_id FROM entrances WHERE entrance_key = ?')
      .pluck();
    this.#revoked = db.prepare<[string, string, string, number], IssuedKeyRow>(
      'SELECT * FROM issued_keys WHERE issuer = ? AND (token_id = ? OR hex(public_key) = ? OR issued_at < ?)',
    );
  }

  /** Everyone whom this key stands for. */
  withKey(keyHash: Buffer, most: number): IssuedKeyRow[] {
    return this.#byKeyHash.all(keyHash, most).filter((row) => row.key_hash.equals(keyHash));
  }

  byId(acsCredentialId: string): IssuedKeyRow | undefined {
    return this.#byId.get(acsCredentialId);
  }

  byToken(issuer: string, tokenId: string): IssuedKeyRow | undefined {
    return this.#byToken.get(issuer, tokenId);
  }

  /** Of one mobile key, in the order in which they came. */
  of(credentialKey: number): IssuedKeyRow[] {
    return this.#of.all(credentialKey);
  }

  /** Whether the manager has signed it for this entrance as well. */
  isFor({ entrances }: IssuedKeyRow, entranceKey: number): boolean {
    const id = this.#entranceId.get(entranceKey);
    return id !== undefined && entrances.split(',').includes(id);
  }

  /** Those that ended long since make way. */
  insert(row: NewIssuedKey, nowMs: number): void {
    for (const { issued_key } of this.#ended.all(nowMs - KEPT_BEHIND_END_MS, MOST_FORGOTTEN))
      this.#delete.run(issued_key);
    this.#insert.run(row);
  }

  delete(issuedKey: number): void {
    this.#delete.run(issuedKey);
  }

  /** What somebody signed who is accepted no more opens nothing; says whose it was. */
  keepIssuers(accepted: readonly string[]): string[] {
    const gone = this.#issuers.all().filter((issuer) => !accepted.includes(issuer));
    for (const issuer of gone) this.#deleteOfIssuer.run(issuer);
    return gone;
  }

  // ---- what was taken back ------------------------------------------------------------------------------------------

  /** From now on, for good; those that are here already are gone. Returns how many. */
  revoke(issuer: string, what: Revocation, nowMs: number): number {
    const tokenId = 'tokenId' in what ? what.tokenId : '';
    const publicKey = 'publicKey' in what ? what.publicKey.toString('hex').toUpperCase() : '';
    const beforeMs = 'issuedBeforeMs' in what ? what.issuedBeforeMs : Number.MIN_SAFE_INTEGER;
    if ('tokenId' in what) this.#tombstones.add('token', `${issuer} ${tokenId}`, nowMs);
    else if ('publicKey' in what) this.#tombstones.add('token_key', `${issuer} ${publicKey}`, nowMs);
    else this.#tombstones.add('tokens_before', `${issuer} ${ordered(beforeMs)}`, nowMs);
    const found = this.#revoked.all(issuer, tokenId, publicKey, beforeMs);
    for (const row of found) this.#delete.run(row.issued_key);
    return found.length;
  }

  isRevoked(issuer: string, token: { tokenId: string; key: Buffer; issuedAtMs: number }): boolean {
    const before = this.#tombstones.latest('tokens_before', `${issuer} `);
    return (
      this.#tombstones.has('token', `${issuer} ${token.tokenId}`) ||
      this.#tombstones.has('token_key', `${issuer} ${token.key.toString('hex').toUpperCase()}`) ||
      (before !== null && ordered(token.issuedAtMs) < before.slice(issuer.length + 1))
    );
  }
}

/** As a text that sorts as the instant does. */
const ordered = (ms: number): string => String(Math.max(0, ms)).padStart(INSTANT_DIGITS, '0');

/** Its row, as a part of the path by which it opens. */
export const issuedLink = (row: IssuedKeyRow): Link => ({
  table: 'issued_keys',
  id: row.acs_credential_id,
  values: sealedColumns('issued_keys').map((name) => row[name as Exclude<keyof IssuedKeyRow, 'seal'>]),
  seal: row.seal,
});

export const issuedWindow = ({ starts_at, ends_at }: IssuedKeyRow): { startsAtMs: number; endsAtMs: number } => ({
  startsAtMs: starts_at,
  endsAtMs: ends_at,
});
