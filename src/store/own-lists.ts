// The list of entrances that a credential has itself: what commands say of it, and the first kind of path (reach.ts).
// Codes are copied into it, so that a typed code is one point look-up at its entrance however many the site has.

import { AT_ALL_TIMES } from '../domain/path.ts';
import type { Db } from './db.ts';
import { LIST } from './seal.ts';
import type { StoredPath } from './stored-path.ts';

/** What an entry's seal and code are compared with. */
export type ListOwner = { acs_credential_id: string; list_revision: number; code_hash: Buffer | null };
export type ListEntry = {
  credential_key: number;
  entrance_key: number;
  /** Null: no such entrance. */
  acs_entrance_id: string | null;
  seal: Buffer | null;
  code_hash: Buffer | null;
};
export type ListCode = { hash: Buffer; length: number };

/** For a query over `credentials c`: the ids of its own list, in no order, separated by commas. */
export const LISTED_IDS = `(SELECT group_concat(e.acs_entrance_id) FROM ${LIST} ce JOIN entrances e USING (entrance_key) WHERE ce.credential_key = c.credential_key)`;

/** Of others in use: `c` overlaps the window from `:starts` to `:ends`. */
export const OVERLAPPING = `(:ends IS NULL OR c.starts_at IS NULL OR c.starts_at < :ends) AND (:starts IS NULL OR c.ends_at IS NULL OR :starts < c.ends_at)
           AND c.credential_key <> :except AND c.invalidated_at IS NULL`;

const ENTRY = `SELECT ce.credential_key, ce.entrance_key, e.acs_entrance_id, ce.seal, ce.code_hash
  FROM ${LIST} ce LEFT JOIN entrances e USING (entrance_key)`;

export class OwnLists {
  readonly #idsOf;
  readonly #keysOf;
  readonly #entryAt;
  readonly #entriesOf;
  readonly #withCode;
  readonly #ownersAt;
  readonly #add;
  readonly #clear;
  readonly #next;
  readonly #setCode;
  readonly #freeCodes;
  readonly #sameCode;
  readonly #sameAnywhere;
  readonly #codesAt;
  readonly #codesAtAny;

  constructor(db: Db) {
    this.#idsOf = db.prepare<[number], { entrance_key: number; acs_entrance_id: string }>(
      `SELECT e.entrance_key, e.acs_entrance_id FROM ${LIST} ce JOIN entrances e USING (entrance_key) WHERE ce.credential_key = ? ORDER BY e.entrance_key`,
    );
    this.#keysOf = db
      .prepare<[number], number>(`SELECT entrance_key FROM ${LIST} WHERE credential_key = ? ORDER BY entrance_key`)
      .pluck();
    this.#entryAt = db.prepare<[number, number], ListEntry>(
      `${ENTRY} WHERE ce.credential_key = ? AND ce.entrance_key = ?`,
    );
    this.#entriesOf = db.prepare<[number], ListEntry>(`${ENTRY} WHERE ce.credential_key = ? ORDER BY ce.entrance_key`);
    this.#withCode = db.prepare<[Buffer, number, number], ListEntry>(
      `${ENTRY} WHERE ce.code_hash = ? AND ce.entrance_key = ? LIMIT ?`,
    );
    this.#ownersAt = db
      .prepare<[number, number, number], number>(
        `SELECT credential_key FROM ${LIST} WHERE entrance_key = ? AND credential_key > ? ORDER BY credential_key LIMIT ?`,
      )
      .pluck();
    this.#add = db.prepare<[number, number, Buffer | null, number | null]>(
      `INSERT OR IGNORE INTO ${LIST} (credential_key, entrance_key, code_hash, code_length) VALUES (?, ?, ?, ?)`,
    );
    this.#clear = db.prepare<[number]>(`DELETE FROM ${LIST} WHERE credential_key = ?`);
    this.#next = db.prepare<[number]>(
      'UPDATE credentials SET list_revision = list_revision + 1 WHERE credential_key = ?',
    );
    this.#setCode = db.prepare<[Buffer | null, number | null, number]>(
      `UPDATE ${LIST} SET code_hash = ?, code_length = ? WHERE credential_key = ?`,
    );
    this.#freeCodes = db.prepare<[number]>(`UPDATE ${LIST} SET code_length = NULL WHERE credential_key = ?`);
    this.#sameAnywhere = db
      .prepare<[{ hash: Buffer; starts: number | null; ends: number | null; except: number }], string>(
        `SELECT c.acs_credential_id FROM ${LIST} ce JOIN credentials c USING (credential_key) WHERE ce.code_hash = :hash AND ${OVERLAPPING} LIMIT 1`,
      )
      .pluck();
    this.#sameCode = db
      .prepare<
        [{ hash: Buffer; entrance: number; starts: number | null; ends: number | null; except: number }],
        string
      >(
        `SELECT c.acs_credential_id FROM ${LIST} ce JOIN credentials c USING (credential_key)
         WHERE ce.code_hash = :hash AND ce.entrance_key = :entrance AND ${OVERLAPPING} LIMIT 1`,
      )
      .pluck();
    this.#codesAt = db
      .prepare<[number, number], number>('SELECT count FROM code_counts WHERE entrance_key = ? AND code_length = ?')
      .pluck();
    this.#codesAtAny = db
      .prepare<[string, number], number>(
        `SELECT count(DISTINCT credential_key) FROM ${LIST} WHERE entrance_key IN (SELECT value FROM json_each(?)) AND code_length = ?`,
      )
      .pluck();
  }

  /** As it was said: the entrances that there are. */
  of(credentialKey: number): { entrance_key: number; acs_entrance_id: string }[] {
    return this.#idsOf.all(credentialKey);
  }

  /** Without a look at the entrances. */
  keysOf(credentialKey: number): number[] {
    return this.#keysOf.all(credentialKey);
  }

  /**
   * Replaces it. It is sealed with a revision: whoever puts an entry of an earlier list back has one that fits no more.
   * `isFirst`: it follows none.
   */
  replace(credentialKey: number, entranceKeys: readonly number[], code: ListCode | null, isFirst: boolean): void {
    if (!isFirst) {
      this.#clear.run(credentialKey);
      this.#next.run(credentialKey);
    }
    for (const entranceKey of entranceKeys)
      this.#add.run(credentialKey, entranceKey, code?.hash ?? null, code?.length ?? null);
  }

  /** `length` null: it can no longer be used, and takes no room among the codes of its length. */
  setCode(credentialKey: number, hash: Buffer | null, length: number | null): void {
    this.#setCode.run(hash, length, credentialKey);
  }

  freeCodes(credentialKey: number): void {
    this.#freeCodes.run(credentialKey);
  }

  // ---- as paths -----------------------------------------------------------------------------------------------------

  at(credentialKey: number, entranceKey: number): ListEntry | undefined {
    return this.#entryAt.get(credentialKey, entranceKey);
  }

  entriesOf(credentialKey: number): ListEntry[] {
    return this.#entriesOf.all(credentialKey);
  }

  /** What an index says is compared with the entry, and not the other way round. */
  withCode(hash: Buffer, entranceKey: number, most: number): ListEntry[] {
    return this.#withCode.all(hash, entranceKey, most).filter(({ code_hash }) => code_hash?.equals(hash) === true);
  }

  /** The keys of credentials that list the entrance, behind `after`. */
  ownersAt(entranceKey: number, after: number, limit: number): number[] {
    return this.#ownersAt.all(entranceKey, after, limit);
  }

  overlappingCode(
    hash: Buffer,
    entrance: number,
    starts: number | null,
    ends: number | null,
    except: number,
  ): string | null {
    return this.#sameCode.get({ hash, entrance, starts, ends, except }) ?? null;
  }

  /** As `overlappingCode`, at any entrance. */
  overlappingAnywhere(hash: Buffer, starts: number | null, ends: number | null, except: number): string | null {
    return this.#sameAnywhere.get({ hash, starts, ends, except }) ?? null;
  }

  /** Entrance 0: of codes that follow their user. */
  codesAt(entranceKey: number, length: number): number {
    return this.#codesAt.get(entranceKey, length) ?? 0;
  }

  /** How many there are at these entrances together: reads each of them. */
  codesAtAny(entranceKeys: readonly number[], length: number): number {
    return this.#codesAtAny.get(JSON.stringify(entranceKeys), length) ?? 0;
  }
}

/** An entry as a path. One whose code is not its credential's was not written by us: no seal is right for it. */
export const pathOf = (owner: ListOwner, { acs_entrance_id, seal, code_hash }: ListEntry): StoredPath => ({
  kind: 'own_list',
  id: null,
  name: null,
  ...AT_ALL_TIMES,
  links: [
    {
      table: LIST,
      id: owner.acs_credential_id,
      values: [owner.acs_credential_id, owner.list_revision, acs_entrance_id],
      seal: isSame(code_hash, owner.code_hash) ? seal : null,
    },
  ],
});

const isSame = (a: Buffer | null, b: Buffer | null): boolean => a === b || (a !== null && b !== null && a.equals(b));
