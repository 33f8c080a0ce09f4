// Keys that a credential manager has signed for a mobile key. As a phone, each is known by its public key; unlike one it
// has a window and entrances of its own, within those of its mobile key, and goes with its end.

import { LONGEST_LIFETIME_MS } from '../domain/credential-manager.ts';
import type { Db } from './db.ts';
import { sealedColumns } from './seal.ts';
import type { Link } from './stored-path.ts';
import type { TombstoneKind, Tombstones } from './tombstones.ts';

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

/** When it was taken back; until when it would have been good, null: nobody knows. */
export type RevokedAt = { nowMs: number; isTrusted: boolean; endsAtMs: number | null };

/** So many single revocations of one manager are kept; the other half is for phones that are removed here. */
export const MOST_REVOCATIONS = 10_000;
const MOST_REMOVALS = 2 * MOST_REVOCATIONS;
/**
 * What was signed before that moment ends at the latest so long after it, whatever the facility file comes to say: the
 * longest life that it may allow, for what begins at the latest that long after it was signed.
 */
const LONGEST_GOOD_MS = 2 * LONGEST_LIFETIME_MS;

/** Of one manager, at a time: an issuer that is out of its senses fills no disk. */
export const MOST_KEYS = 100_000;
/** Long enough for every clock and log. */
export const KEPT_BEHIND_END_MS = 86_400_000;
/** More than come at a time, and few enough for whoever stands at the door meanwhile. */
const MOST_FORGOTTEN = 8;
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
  readonly #ofIssuer;
  readonly #count;
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
    this.#count = db.prepare<[string], number>('SELECT count(*) FROM issued_keys WHERE issuer = ?').pluck();
    this.#ofIssuer = db.prepare<[string], IssuedKeyRow>('SELECT * FROM issued_keys WHERE issuer = ?');
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

  /** Those that ended long since make way, some of them each time. Returns the keys of their mobile keys. */
  insert(row: NewIssuedKey, nowMs: number): number[] {
    const ended = this.#ended.all(nowMs - KEPT_BEHIND_END_MS, MOST_FORGOTTEN);
    for (const { issued_key } of ended) this.#delete.run(issued_key);
    this.#insert.run(row);
    return ended.map((one) => one.credential_key);
  }

  countOf(issuer: string): number {
    return this.#count.get(issuer) ?? 0;
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

  /** What of somebody's is good no more by what he may sign now opens nothing; says how many those were. */
  keepGood(issuer: string, isGood: (row: IssuedKeyRow) => boolean): number {
    const refused = this.#ofIssuer.all(issuer).filter((row) => !isGood(row));
    for (const row of refused) this.#delete.run(row.issued_key);
    return refused.length;
  }

  // ---- what was taken back ------------------------------------------------------------------------------------------

  /**
   * From now on; those that are here already are gone. Returns how many. It is forgotten when nothing that it names can
   * be good any more; by a clock that nobody trusts, never.
   */
  revoke(issuer: string, what: Revocation, at: RevokedAt): number {
    const tokenId = 'tokenId' in what ? what.tokenId : '';
    const publicKey = 'publicKey' in what ? hexOf(what.publicKey) : '';
    const beforeMs = 'issuedBeforeMs' in what ? what.issuedBeforeMs : Number.MIN_SAFE_INTEGER;
    const found = this.#revoked.all(issuer, tokenId, publicKey, beforeMs);
    if ('issuedBeforeMs' in what) this.#keepLatest(`${issuer} `, ordered(beforeMs), at.nowMs);
    else {
      const kind = tokenId === '' ? 'token_key' : 'token';
      this.#keepLatest(`${issuer} ${tokenId}${publicKey} `, ordered(keptUntil(kind, found, at)), at.nowMs, kind);
    }
    for (const row of found) this.#delete.run(row.issued_key);
    return found.length;
  }

  #keepLatest(prefix: string, instant: string, nowMs: number, kind: TombstoneKind = 'tokens_before'): void {
    const before = this.#tombstones.latest(kind, prefix);
    if (before !== null && before.slice(prefix.length) >= instant) return;
    if (before !== null) this.#tombstones.forget(kind, before);
    this.#tombstones.add(kind, `${prefix}${instant}`, nowMs);
  }

  /**
   * Null: there is room for one more revocation, now that what can be forgotten is forgotten. Otherwise from when on
   * there is.
   */
  roomAtMs(
    issuer: string,
    { nowMs, isTrusted }: Pick<RevokedAt, 'nowMs' | 'isTrusted'>,
    isRemoval: boolean,
  ): number | null {
    let count = 0;
    let firstMs = NEVER_MS;
    for (const kind of ['token', 'token_key'] as const)
      for (const { id, deleted_at } of this.#tombstones.startingWith(kind, `${issuer} `)) {
        const untilMs = forgettableAtMs(id, deleted_at);
        if (isTrusted && untilMs <= nowMs) this.#tombstones.forget(kind, id);
        else count++;
        if (untilMs > nowMs) firstMs = Math.min(firstMs, untilMs);
      }
    return count < (isRemoval ? MOST_REMOVALS : MOST_REVOCATIONS) ? null : firstMs;
  }

  /** Whether it was taken back before: it needs no more room. */
  isKnown(issuer: string, what: Revocation): boolean {
    if ('tokenId' in what) return this.#isNamed('token', `${issuer} ${what.tokenId}`);
    return 'issuedBeforeMs' in what || this.#isNamed('token_key', `${issuer} ${hexOf(what.publicKey)}`);
  }

  isRevoked(issuer: string, token: { tokenId: string; key: Buffer; issuedAtMs: number }): boolean {
    const before = this.#tombstones.latest('tokens_before', `${issuer} `);
    return (
      this.#isNamed('token', `${issuer} ${token.tokenId}`) ||
      this.#isNamed('token_key', `${issuer} ${hexOf(token.key)}`) ||
      (before !== null && ordered(token.issuedAtMs) < before.slice(issuer.length + 1))
    );
  }

  /** Those of before stand without an instant. */
  #isNamed(kind: TombstoneKind, name: string): boolean {
    return this.#tombstones.has(kind, name) || this.#tombstones.latest(kind, `${name} `) !== null;
  }
}

const NEVER_MS = 999_999_999_999_999;
const hexOf = (key: Buffer): string => key.toString('hex').toUpperCase();

/** A number is given once, and where it is here its end is known; a phone may be handed another one tomorrow. */
function keptUntil(kind: TombstoneKind, found: readonly IssuedKeyRow[], at: RevokedAt): number {
  if (!at.isTrusted) return NEVER_MS;
  const ends = found.map((row) => row.ends_at);
  if (at.endsAtMs !== null) ends.push(at.endsAtMs);
  const isEndKnown = at.endsAtMs !== null || (kind === 'token' && found.length > 0);
  return (isEndKnown ? Math.max(...ends) : at.nowMs + LONGEST_GOOD_MS) + KEPT_BEHIND_END_MS;
}

function forgettableAtMs(id: string, deletedAtMs: number): number {
  const [, , instant] = id.split(' ');
  return instant === undefined ? deletedAtMs + LONGEST_GOOD_MS + KEPT_BEHIND_END_MS : Number(instant);
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
