// Who opens which door, by which path: the one answer for decisions, synchronisation, acceptance and lists. A credential
// with a list of its own has exactly that as its paths; one without has none yet. Each kind of path has a file of its
// own, and nobody who asks here knows how many there are. Each answer is a few point look-ups, whatever the size of the
// building.

import type { CredentialRow, CredentialTable, CredentialWithUser } from './credentials.ts';
import { pathOf, type ListOwner, type OwnLists } from './own-lists.ts';
import { phoneLink, type PhoneRow, type Phones } from './phones.ts';
import { LIST } from './seal.ts';
import type { StoredPath } from './stored-path.ts';

export type PathTo = { entranceKey: number; path: StoredPath };

/** Whom a card or code may stand for, and the paths by which it opens the entrance that was asked about. */
export type Candidate = {
  credential: CredentialWithUser;
  paths: readonly StoredPath[];
  /** By which of its phones a mobile key was found; null: by none. */
  phone: PhoneRow | null;
};

type Owner = ListOwner & Pick<CredentialRow, 'credential_key' | 'has_own_entrances'>;

/** A query: the keys of credentials that have the code `:hash` at any entrance. */
export const KEYS_WITH_CODE = `SELECT credential_key FROM ${LIST} WHERE code_hash = :hash
  UNION ALL SELECT credential_key FROM credentials WHERE code_hash = :hash AND has_own_entrances = 0`;

/** More than this many credentials behind one card or code is no building: the rest is not looked at. */
const MOST_PER_SECRET = 64;

export class Reach {
  readonly #credentials: CredentialTable;
  readonly #ownLists: OwnLists;
  readonly #phones: Phones;

  constructor(credentials: CredentialTable, ownLists: OwnLists, phones: Phones) {
    this.#credentials = credentials;
    this.#ownLists = ownLists;
    this.#phones = phones;
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
    return this.#phones.withKey(keyHash, MOST_PER_SECRET).flatMap((phone): Candidate[] => {
      const credential = this.#credentials.withUser(phone.credential_key);
      if (credential === undefined) return [];
      const link = phoneLink(phone);
      const paths = this.at(credential, entranceKey).map((path) => ({ ...path, links: [...path.links, link] }));
      return [{ credential, paths, phone }];
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
    if (owner.has_own_entrances !== 1) return [];
    const entry = this.#ownLists.at(owner.credential_key, entranceKey);
    return entry === undefined ? [] : [pathOf(owner, entry)];
  }

  // ---- for controllers and lists ------------------------------------------------------------------------------------

  /** Every path of a credential, in the order of the entrances. */
  pathsOf(owner: Owner): PathTo[] {
    if (owner.has_own_entrances !== 1) return [];
    return this.#ownLists
      .entriesOf(owner.credential_key)
      .map((entry) => ({ entranceKey: entry.entrance_key, path: pathOf(owner, entry) }));
  }

  /** The entrances that it may open, each once. */
  entrancesOf(owner: Pick<Owner, 'credential_key' | 'has_own_entrances'>): number[] {
    return owner.has_own_entrances === 1 ? this.#ownLists.keysOf(owner.credential_key) : [];
  }

  /** The keys of credentials that may open the entrance, behind `after` in ascending order. */
  credentialsAt(entranceKey: number, after: number, limit: number): number[] {
    return this.#ownLists.ownersAt(entranceKey, after, limit);
  }

  // ---- for acceptance -----------------------------------------------------------------------------------------------

  /** Another credential with this code at this entrance over an overlapping window. */
  overlappingCode(
    hash: Buffer,
    entranceKey: number,
    starts: number | null,
    ends: number | null,
    except: number,
  ): string | null {
    return this.#ownLists.overlappingCode(hash, entranceKey, starts, ends, except);
  }

  /** How many codes of this length may still be valid at the entrance. */
  codesAt(entranceKey: number, length: number): number {
    return this.#ownLists.codesAt(entranceKey, length);
  }
}
