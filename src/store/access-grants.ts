// Access grants and the access methods that were asked for with them. What they open decides elsewhere: in the rows that
// a grant has among those of its user (user-entrances.ts), and in the lists of its credentials.

import type { Db } from './db.ts';
import { grantLine, type Digest } from './digest.ts';

export type GrantRow = {
  grant_key: number;
  access_grant_id: string;
  user_key: number;
  name: string | null;
  access_grant_key: string | null;
  reservation_key: string | null;
  starts_at: number | null;
  ends_at: number | null;
  schedule_key: number | null;
  space_ids: string;
  ended_by: string | null;
  metadata: string | null;
  created_at: number;
};
export type NewGrant = Omit<GrantRow, 'grant_key'>;
export type MethodMode = 'code' | 'card' | 'mobile_key';
export type MethodRow = {
  method_key: number;
  access_method_id: string;
  grant_key: number;
  mode: MethodMode;
  created_at: number;
};
export type GrantFilter = {
  after: number;
  userKey: number | null;
  reservationKey: string | null;
  grantKey: string | null;
  search: string | null;
  limit: number;
};

export class AccessGrants {
  readonly #digest: Digest;
  readonly #byId;
  readonly #byKey;
  readonly #byGivenKey;
  readonly #insert;
  readonly #update;
  readonly #delete;
  readonly #list;
  readonly #ofUser;
  readonly #rivals;
  readonly #method;
  readonly #methodsOf;
  readonly #listMethods;
  readonly #addMethod;
  readonly #deleteMethod;

  constructor(db: Db, digest: Digest) {
    this.#digest = digest;
    this.#byId = db.prepare<[string], GrantRow>('SELECT * FROM access_grants WHERE access_grant_id = ?');
    this.#byKey = db.prepare<[number], GrantRow>('SELECT * FROM access_grants WHERE grant_key = ?');
    this.#byGivenKey = db.prepare<[string], GrantRow>('SELECT * FROM access_grants WHERE access_grant_key = ?');
    this.#insert = db.prepare<[NewGrant]>(
      `INSERT INTO access_grants (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map((name) => `:${name}`).join(', ')})`,
    );
    this.#update = db.prepare<[GrantRow]>(
      `UPDATE access_grants SET ${COLUMNS.map((name) => `${name} = :${name}`).join(', ')} WHERE grant_key = :grant_key`,
    );
    this.#delete = db.prepare<[number]>('DELETE FROM access_grants WHERE grant_key = ?');
    this.#list = db.prepare<[GrantFilter], GrantRow>(
      `SELECT * FROM access_grants WHERE grant_key > :after AND (:userKey IS NULL OR user_key = :userKey)
         AND (:reservationKey IS NULL OR reservation_key = :reservationKey) AND (:grantKey IS NULL OR access_grant_key = :grantKey)
         AND (:search IS NULL OR (name IS NOT NULL AND instr(fold(name), :search)) OR access_grant_id = :search)
       ORDER BY grant_key LIMIT :limit`,
    );
    this.#ofUser = db.prepare<[number], GrantRow>('SELECT * FROM access_grants WHERE user_key = ? ORDER BY grant_key');
    this.#rivals = db.prepare<
      [{ entrance: number; reservation: string; starts: number | null; ends: number | null; except: number }],
      GrantRow
    >(
      `SELECT g.* FROM user_entrances ue JOIN access_grants g ON g.grant_key = ue.grant_key
       WHERE ue.entrance_key = :entrance AND g.reservation_key IS NOT NULL AND g.reservation_key <> :reservation AND g.grant_key <> :except
         AND (:ends IS NULL OR g.starts_at IS NULL OR g.starts_at < :ends) AND (:starts IS NULL OR g.ends_at IS NULL OR :starts < g.ends_at)
       ORDER BY g.grant_key`,
    );
    this.#method = db.prepare<[string], MethodRow>('SELECT * FROM access_methods WHERE access_method_id = ?');
    this.#methodsOf = db.prepare<[number], MethodRow>(
      'SELECT * FROM access_methods WHERE grant_key = ? ORDER BY method_key',
    );
    this.#listMethods = db.prepare<[{ after: number; grant: number | null; limit: number }], MethodRow>(
      `SELECT * FROM access_methods WHERE method_key > :after AND (:grant IS NULL OR grant_key = :grant)
       ORDER BY method_key LIMIT :limit`,
    );
    this.#addMethod = db.prepare<[Omit<MethodRow, 'method_key'>]>(
      `INSERT INTO access_methods (access_method_id, grant_key, mode, created_at)
       VALUES (:access_method_id, :grant_key, :mode, :created_at)`,
    );
    this.#deleteMethod = db.prepare<[string]>('DELETE FROM access_methods WHERE access_method_id = ?');
  }

  byId(accessGrantId: string): GrantRow | undefined {
    return this.#byId.get(accessGrantId);
  }

  byKey(grantKey: number): GrantRow | undefined {
    return this.#byKey.get(grantKey);
  }

  /** By the key that its sender gave it. */
  byGivenKey(accessGrantKey: string): GrantRow | undefined {
    return this.#byGivenKey.get(accessGrantKey);
  }

  list(filter: GrantFilter): GrantRow[] {
    return this.#list.all(filter);
  }

  ofUser(userKey: number): GrantRow[] {
    return this.#ofUser.all(userKey);
  }

  /** Grants of other reservations that open the entrance at some time of the window. */
  rivals(
    entranceKey: number,
    {
      reservation_key: reservation,
      starts_at: starts,
      ends_at: ends,
    }: Pick<GrantRow, 'starts_at' | 'ends_at'> & { reservation_key: string },
    except: number,
  ): GrantRow[] {
    return this.#rivals.all({ entrance: entranceKey, reservation, starts, ends, except });
  }

  /** Runs what changes a grant, or its rows, and moves the digest. */
  track<T>(accessGrantId: string, change: () => T): T {
    const lineOf = (): string | null => {
      const line = this.#digest.grantLineOf(accessGrantId);
      return line === undefined ? null : grantLine(line);
    };
    const before = lineOf();
    const result = change();
    this.#digest.replace(before, lineOf());
    return result;
  }

  insert(grant: NewGrant): number {
    return Number(this.#insert.run(grant).lastInsertRowid);
  }

  update(grant: GrantRow): void {
    this.#update.run(grant);
  }

  /** With its methods. */
  delete(grantKey: number): void {
    this.#delete.run(grantKey);
  }

  // ---- methods ------------------------------------------------------------------------------------------------------

  method(accessMethodId: string): MethodRow | undefined {
    return this.#method.get(accessMethodId);
  }

  methodsOf(grantKey: number): MethodRow[] {
    return this.#methodsOf.all(grantKey);
  }

  listMethods(filter: { after: number; grant: number | null; limit: number }): MethodRow[] {
    return this.#listMethods.all(filter);
  }

  addMethod(method: Omit<MethodRow, 'method_key'>): void {
    this.#addMethod.run(method);
  }

  deleteMethod(accessMethodId: string): void {
    this.#deleteMethod.run(accessMethodId);
  }
}

const COLUMNS = [
  'access_grant_id',
  'user_key',
  'name',
  'access_grant_key',
  'reservation_key',
  'starts_at',
  'ends_at',
  'schedule_key',
  'space_ids',
  'ended_by',
  'metadata',
  'created_at',
] as const;
