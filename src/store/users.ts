// People. A deleted user leaves a tombstone: its id is never used again.

import type { Db } from './db.ts';

export type UserRow = {
  user_key: number;
  acs_user_id: string;
  full_name: string | null;
  email_address: string | null;
  phone_number: string | null;
  user_identity_id: string | null;
  starts_at: number | null;
  ends_at: number | null;
  is_suspended: 0 | 1;
  /** Needs longer at a door. */
  is_extended_access: 0 | 1;
  metadata: string | null;
  created_at: number;
  /** Over what decides (seal.ts); never written from here. */
  seal?: Buffer | null;
};
export type NewUser = Omit<UserRow, 'user_key' | 'seal'>;

/** Name and e-mail address as people search for them. */
const FOLDED = `fold(coalesce(:full_name, '') || char(10) || coalesce(:email_address, ''))`;

export class UserTable {
  readonly #byId;
  readonly #byKey;
  readonly #byIdentity;
  readonly #insert;
  readonly #update;
  readonly #delete;
  readonly #list;

  constructor(db: Db) {
    this.#byId = db.prepare<[string], UserRow>('SELECT * FROM users WHERE acs_user_id = ?');
    this.#byKey = db.prepare<[number], UserRow>('SELECT * FROM users WHERE user_key = ?');
    this.#byIdentity = db.prepare<[string], UserRow>(
      'SELECT * FROM users WHERE user_identity_id = ? ORDER BY user_key LIMIT 1',
    );
    this.#insert = db.prepare<[NewUser]>(
      `INSERT INTO users (acs_user_id, full_name, email_address, phone_number, user_identity_id, starts_at, ends_at, is_suspended, is_extended_access, metadata, created_at, folded)
       VALUES (:acs_user_id, :full_name, :email_address, :phone_number, :user_identity_id, :starts_at, :ends_at, :is_suspended, :is_extended_access, :metadata, :created_at, ${FOLDED})`,
    );
    this.#update = db.prepare<[UserRow]>(
      `UPDATE users SET full_name = :full_name, email_address = :email_address, phone_number = :phone_number, user_identity_id = :user_identity_id,
         starts_at = :starts_at, ends_at = :ends_at, is_suspended = :is_suspended, is_extended_access = :is_extended_access, metadata = :metadata, folded = ${FOLDED} WHERE user_key = :user_key`,
    );
    this.#delete = db.prepare<[number]>('DELETE FROM users WHERE user_key = ?');
    this.#list = db.prepare<
      [{ after: number; search: string | null; identity: string | null; limit: number }],
      UserRow
    >(
      `SELECT * FROM users WHERE user_key > :after
         AND (:search IS NULL OR instr(folded, :search) OR acs_user_id = :search)
         AND (:identity IS NULL OR user_identity_id = :identity)
       ORDER BY user_key LIMIT :limit`,
    );
  }

  byId(acsUserId: string): UserRow | undefined {
    return this.#byId.get(acsUserId);
  }

  byKey(userKey: number): UserRow | undefined {
    return this.#byKey.get(userKey);
  }

  /** The first user of this identity. */
  byIdentity(userIdentityId: string): UserRow | undefined {
    return this.#byIdentity.get(userIdentityId);
  }

  insert(user: NewUser): number {
    return Number(this.#insert.run(user).lastInsertRowid);
  }

  update(user: UserRow): void {
    this.#update.run(user);
  }

  delete(userKey: number): void {
    this.#delete.run(userKey);
  }

  /** In order of creation, behind the key `after`. */
  list(filter: { after: number; search: string | null; identity: string | null; limit: number }): UserRow[] {
    return this.#list.all(filter);
  }
}
