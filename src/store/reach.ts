// Who opens which door, by which path: the one answer for decisions, synchronisation, acceptance and lists. A credential
// with a list of its own has exactly that as its paths; one without follows its user, and has those of its groups and
// what was granted. Each kind of path has a file of its own, and nobody who asks here knows how many there are. Each
// answer is a few point look-ups, whatever the size of the building.

import { intersect } from '../domain/window.ts';
import type { CredentialRow, CredentialTable, CredentialWithUser } from './credentials.ts';
import type { Db } from './db.ts';
import { issuedLink, issuedWindow, type IssuedKeys } from './issued-keys.ts';
import { pathOf, type ListOwner, type OwnLists } from './own-lists.ts';
import { phoneLink, type Phones } from './phones.ts';
import { LIST } from './seal.ts';
import type { PathTo, StoredPath, UserPaths } from './stored-path.ts';

/** Whom a card or code may stand for, and the paths by which it opens the entrance that was asked about. */
export type Candidate = {
  credential: CredentialWithUser;
  paths: readonly StoredPath[];
  /** By which of its phones a mobile key was found; null: by none. */
  phone: { acs_credential_id: string } | null;
};

type Owner = ListOwner & Pick<CredentialRow, 'credential_key' | 'has_own_entrances' | 'user_key'>;

/** A query: the keys of credentials that have the code `:hash` at any entrance. */
export const KEYS_WITH_CODE = `SELECT credential_key FROM ${LIST} WHERE code_hash = :hash
  UNION ALL SELECT credential_key FROM credentials WHERE code_hash = :hash AND has_own_entrances = 0`;

/** Under which codes are counted that follow their users: no entrance has this key. */
const ANY_ENTRANCE = 0;

/** More than this many credentials behind one card or code is no building: the rest is not looked at. */
const MOST_PER_SECRET = 64;

export class Reach {
  readonly #credentials: CredentialTable;
  readonly #ownLists: OwnLists;
  readonly #phones: Phones;
  readonly #issuedKeys: IssuedKeys;
  readonly #kinds: readonly (UserPaths & { isOpenedByAny(entranceKey: number): boolean })[];
  readonly #followersAt;

  /** `kinds`: of paths that a credential without a list has from its user. */
  constructor(
    db: Db,
    credentials: CredentialTable,
    ownLists: OwnLists,
    phones: Phones,
    issuedKeys: IssuedKeys,
    kinds: readonly (UserPaths & { isOpenedByAny(entranceKey: number): boolean })[],
  ) {
    this.#credentials = credentials;
    this.#ownLists = ownLists;
    this.#phones = phones;
    this.#issuedKeys = issuedKeys;
    this.#kinds = kinds;
    this.#followersAt = db
      .prepare<[{ entrance: number; after: number; limit: number }], number>(
        `SELECT credential_key FROM credentials c WHERE credential_key > :after AND has_own_entrances = 0
           AND (EXISTS (SELECT 1 FROM user_entrances ue WHERE ue.user_key = c.user_key AND ue.entrance_key = :entrance)
             OR EXISTS (SELECT 1 FROM access_group_users m JOIN access_groups g ON g.group_key = m.group_key
                        JOIN access_group_entrances ge ON ge.group_key = m.group_key AND ge.entrance_key = :entrance WHERE m.user_key = c.user_key))
         ORDER BY credential_key LIMIT :limit`,
      )
      .pluck();
  }

  // ---- for a decision -----------------------------------------------------------------------------------------------

  /** Everyone this card could stand for, whatever the window. */
  byCard(cardHash: Buffer, entranceKey: number): Candidate[] {
    return this.#credentials
      .byCard(cardHash, MOST_PER_SECRET)
      .map((credential) => ({ credential, paths: this.at(credential, entranceKey), phone: null }));
  }

  /** Everyone this key of a phone could stand for, whatever the window. The phone's row is a part of each path. */
  byPhone(keyHash: Buffer, entranceKey: number): Candidate[] {
    const enrolled = this.#phones.withKey(keyHash, MOST_PER_SECRET).flatMap((phone): Candidate[] => {
      const credential = this.#credentials.withUser(phone.credential_key);
      if (credential === undefined) return [];
      const link = phoneLink(phone);
      const paths = this.at(credential, entranceKey).map((path) => ({ ...path, links: [...path.links, link] }));
      return [{ credential, paths, phone }];
    });
    return [...enrolled, ...this.#byIssuedKey(keyHash, entranceKey)];
  }

  /** Where its mobile key opens, and the manager has signed it for: at no other door, and no other time. */
  #byIssuedKey(keyHash: Buffer, entranceKey: number): Candidate[] {
    return this.#issuedKeys.withKey(keyHash, MOST_PER_SECRET).flatMap((issued): Candidate[] => {
      const credential = this.#credentials.withUser(issued.credential_key);
      if (credential === undefined) return [];
      const isOpen = this.#issuedKeys.isFor(issued, entranceKey);
      const paths = (isOpen ? this.at(credential, entranceKey) : []).map((path) => ({
        ...path,
        window: intersect(path.window, issuedWindow(issued)),
        links: [...path.links, issuedLink(issued)],
      }));
      return [{ credential, paths, phone: issued }];
    });
  }

  /** Everyone this code could stand for at this entrance, whatever the window. */
  byCode(codeHash: Buffer, entranceKey: number): Candidate[] {
    const listed = this.#ownLists.withCode(codeHash, entranceKey, MOST_PER_SECRET).flatMap((entry): Candidate[] => {
      const credential = this.#credentials.withUser(entry.credential_key);
      return credential === undefined ? [] : [{ credential, paths: [pathOf(credential, entry)], phone: null }];
    });
    const following = this.#credentials
      .byCodeWithoutList(codeHash, MOST_PER_SECRET)
      .map((credential) => ({ credential, paths: this.at(credential, entranceKey), phone: null }));
    return [...listed, ...following];
  }

  /** One credential as a decision at this entrance sees it. */
  one(credentialKey: number, entranceKey: number): Candidate | undefined {
    const credential = this.#credentials.withUser(credentialKey);
    return credential === undefined ? undefined : { credential, paths: this.at(credential, entranceKey), phone: null };
  }

  at(owner: Owner, entranceKey: number): StoredPath[] {
    if (owner.has_own_entrances !== 1) return this.ofUserAt(owner.user_key, entranceKey);
    const entry = this.#ownLists.at(owner.credential_key, entranceKey);
    return entry === undefined ? [] : [pathOf(owner, entry)];
  }

  /** The paths that a user has to an entrance, whatever credential without a list is shown. */
  ofUserAt(userKey: number | null, entranceKey: number): StoredPath[] {
    return userKey === null ? [] : this.#kinds.flatMap((kind) => kind.at(userKey, entranceKey));
  }

  // ---- for controllers and lists ------------------------------------------------------------------------------------

  /** The paths of a credential to these entrances, which are few. */
  pathsTo(owner: Owner, entranceKeys: readonly number[]): PathTo[] {
    if (owner.has_own_entrances === 1)
      return this.pathsOf(owner).filter(({ entranceKey }) => entranceKeys.includes(entranceKey));
    return entranceKeys.flatMap((entranceKey) =>
      this.ofUserAt(owner.user_key, entranceKey).map((path) => ({ entranceKey, path })),
    );
  }

  /** Every path of a credential, in the order of the entrances. */
  pathsOf(owner: Owner): PathTo[] {
    const { user_key: userKey } = owner;
    if (owner.has_own_entrances !== 1)
      return userKey === null
        ? []
        : this.#kinds.flatMap((kind) => kind.of(userKey)).sort((a, b) => a.entranceKey - b.entranceKey);
    return this.#ownLists
      .entriesOf(owner.credential_key)
      .map((entry) => ({ entranceKey: entry.entrance_key, path: pathOf(owner, entry) }));
  }

  /** The entrances that it may open, each once. */
  entrancesOf(owner: Pick<Owner, 'credential_key' | 'has_own_entrances' | 'user_key'>): number[] {
    return owner.has_own_entrances === 1
      ? this.#ownLists.keysOf(owner.credential_key)
      : this.entrancesOfUser(owner.user_key);
  }

  /** The entrances that any credential of the user without a list may open, each once. */
  entrancesOfUser(userKey: number | null): number[] {
    if (userKey === null) return [];
    return [...new Set(this.#kinds.flatMap((kind) => kind.entrancesOf(userKey)))].sort((a, b) => a - b);
  }

  /** The keys of credentials that may open the entrance, behind `after` in ascending order. */
  credentialsAt(entranceKey: number, after: number, limit: number): number[] {
    const owners = this.#ownLists.ownersAt(entranceKey, after, limit);
    // Whoever follows is found by a look at each: not where nobody can be found.
    if (!this.#kinds.some((kind) => kind.isOpenedByAny(entranceKey))) return owners;
    const followers = this.#followersAt.all({ entrance: entranceKey, after, limit });
    return [...owners, ...followers].sort((a, b) => a - b).slice(0, limit);
  }

  // ---- for acceptance -----------------------------------------------------------------------------------------------

  /**
   * Another credential with this code over an overlapping window that opens, or could come to open, this entrance: a
   * code that follows its user may be given any entrance at any time.
   */
  overlappingCode(
    hash: Buffer,
    entranceKey: number,
    starts: number | null,
    ends: number | null,
    except: number,
  ): string | null {
    return (
      this.#ownLists.overlappingCode(hash, entranceKey, starts, ends, except) ??
      this.#credentials.overlappingFollowingCode(hash, starts, ends, except)
    );
  }

  /** As `overlappingCode`, at any entrance: what a code is held to that follows its user. */
  overlappingAnywhere(hash: Buffer, starts: number | null, ends: number | null, except: number): string | null {
    return (
      this.#credentials.overlappingFollowingCode(hash, starts, ends, except) ??
      this.#ownLists.overlappingAnywhere(hash, starts, ends, except)
    );
  }

  /** How many codes of this length may still be valid at the entrance, or may come to be. */
  codesAt(entranceKey: number, length: number): number {
    return this.#ownLists.codesAt(entranceKey, length) + this.followingCodes(length);
  }

  /** The same where codes are tried at several entrances at once; one that may be used at several of them is one. */
  codesAtAny(entranceKeys: readonly number[], length: number): number {
    return this.#ownLists.codesAtAny(entranceKeys, length) + this.followingCodes(length);
  }

  /** How many codes of this length follow their users. */
  followingCodes(length: number): number {
    return this.#ownLists.codesAt(ANY_ENTRANCE, length);
  }
}
