// The phones of mobile keys. A phone is known by its public key, which it proves to hold; it opens what its parent opens,
// for as long as that does.

import type { Db } from './db.ts';
import { sealedColumns } from './seal.ts';
import type { Link } from './stored-path.ts';

export type PhoneRow = {
  phone_key: number;
  /** Its own, as a credential; that of its parent is behind `credential_key`. */
  acs_credential_id: string;
  credential_key: number;
  key_hash: Buffer;
  /** The uncompressed point of P-256, 65 bytes. */
  public_key: Buffer;
  display_name: string | null;
  created_at: number;
  seal: Buffer | null;
};
export type NewPhone = Omit<PhoneRow, 'phone_key' | 'seal'>;

/** For a query over `credentials c`: the ids of its phones, in no order, separated by commas; null: none. */
export const PHONE_IDS =
  '(SELECT group_concat(p.acs_credential_id) FROM phones p WHERE p.credential_key = c.credential_key)';

export class Phones {
  readonly #byKeyHash;
  readonly #byId;
  readonly #of;
  readonly #insert;
  readonly #delete;

  constructor(db: Db) {
    this.#byKeyHash = db.prepare<[Buffer, number], PhoneRow>('SELECT * FROM phones WHERE key_hash = ? LIMIT ?');
    this.#byId = db.prepare<[string], PhoneRow>('SELECT * FROM phones WHERE acs_credential_id = ?');
    this.#of = db.prepare<[number], PhoneRow>('SELECT * FROM phones WHERE credential_key = ? ORDER BY phone_key');
    this.#insert = db.prepare<[NewPhone]>(
      `INSERT INTO phones (acs_credential_id, credential_key, key_hash, public_key, display_name, created_at)
       VALUES (:acs_credential_id, :credential_key, :key_hash, :public_key, :display_name, :created_at)`,
    );
    this.#delete = db.prepare<[number]>('DELETE FROM phones WHERE phone_key = ?');
  }

  /** Everyone whom this key stands for: the same phone may be good for several stays. */
  withKey(keyHash: Buffer, most: number): PhoneRow[] {
    // What an index says is compared with the row, which is sealed, and not the other way round.
    return this.#byKeyHash.all(keyHash, most).filter((row) => row.key_hash.equals(keyHash));
  }

  byId(acsCredentialId: string): PhoneRow | undefined {
    return this.#byId.get(acsCredentialId);
  }

  /** Of one mobile key, in order of enrolment. */
  of(credentialKey: number): PhoneRow[] {
    return this.#of.all(credentialKey);
  }

  insert(phone: NewPhone): void {
    this.#insert.run(phone);
  }

  delete(phoneKey: number): void {
    this.#delete.run(phoneKey);
  }
}

/** Its row, as a part of the path by which it opens. */
export const phoneLink = (phone: PhoneRow): Link => ({
  table: 'phones',
  id: phone.acs_credential_id,
  values: sealedColumns('phones').map((name) => phone[name as 'phone_key' | 'acs_credential_id' | 'key_hash']),
  seal: phone.seal,
});
