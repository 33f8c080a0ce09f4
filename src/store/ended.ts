// What ended long ago is taken out of the database: credentials that expired or were used up, and access grants with
// what was made for them. Their ids stay, so that nothing that comes late makes them anew. A row that a controller still
// holds, or may, stays until it does not.

import type { AccessGrants } from './access-grants.ts';
import type { CredentialTable } from './credentials.ts';
import type { Db } from './db.ts';
import type { Digest } from './digest.ts';
import type { Phones } from './phones.ts';
import type { Tombstones } from './tombstones.ts';
import type { UserEntrances } from './user-entrances.ts';

/** Behind which row a slice begins. */
export type Place = { endedAt: number; key: number };
export const FROM_THE_FIRST: Place = { endedAt: -Infinity, key: 0 };

/** `next` null: nothing that ended before then is left to look at. */
export type Slice = { ids: string[]; next: Place | null };

type Tables = {
  accessGrants: AccessGrants;
  credentials: CredentialTable;
  digest: Digest;
  phones: Phones;
  tombstones: Tombstones;
  userEntrances: UserEntrances;
};
type Ended = { key: number; id: string; ended_at: number };

export class EndedRecords {
  readonly #tables: Tables;
  readonly #credentials;
  readonly #grants;
  readonly #isHeld;
  readonly #dropTargets;

  constructor(db: Db, tables: Tables) {
    this.#tables = tables;
    this.#credentials = db.prepare<[{ after: number; key: number; before: number; limit: number }], Ended>(
      `SELECT credential_key AS key, acs_credential_id AS id, invalidated_at AS ended_at FROM credentials
       WHERE invalidated_at IS NOT NULL AND (invalidated_at, credential_key) > (:after, :key) AND invalidated_at < :before
       ORDER BY invalidated_at, credential_key LIMIT :limit`,
    );
    this.#grants = db.prepare<[{ after: number; key: number; before: number; limit: number }], Ended>(
      `SELECT grant_key AS key, access_grant_id AS id, ends_at AS ended_at FROM access_grants
       WHERE ends_at IS NOT NULL AND (ends_at, grant_key) > (:after, :key) AND ends_at < :before
       ORDER BY ends_at, grant_key LIMIT :limit`,
    );
    // Its code may lie in the slot of a card.
    this.#isHeld = db.prepare<[{ key: number }], { one: number }>(
      `SELECT 1 AS one FROM targets WHERE credential_key = :key AND (state <> 'removed' OR slot IS NOT NULL)
       UNION ALL SELECT 1 FROM targets WHERE partner_key = :key AND state <> 'removed' LIMIT 1`,
    );
    this.#dropTargets = db.prepare<[number]>('DELETE FROM targets WHERE credential_key = ?');
  }

  /** Inside a transaction: looks at so many credentials that ended before then, and takes out those that may go. */
  removeCredentials(beforeMs: number, place: Place, limit: number, nowMs: number): Slice {
    const { accessGrants, credentials } = this.#tables;
    const rows = this.#credentials.all({ ...paramsOf(place), before: beforeMs, limit });
    const gone = rows.filter(({ key, id }) => {
      // What was made for a grant goes with it. What an issuer signs may make the same one anew.
      if (accessGrants.method(id) !== undefined || credentials.byKey(key)?.is_from_token === 1) return false;
      return this.#remove(key, id, nowMs);
    });
    return { ids: gone.map(({ id }) => id), next: nextOf(rows, limit) };
  }

  /** The same of grants, with their methods; whoever was given something by them is not touched. */
  removeGrants(beforeMs: number, place: Place, limit: number, nowMs: number): Slice & { methodIds: string[] } {
    const rows = this.#grants.all({ ...paramsOf(place), before: beforeMs, limit });
    const methodIds: string[] = [];
    const gone = rows.filter(({ key }) => {
      const methods = this.#removeGrant(key, beforeMs, nowMs);
      methodIds.push(...(methods ?? []));
      return methods !== null;
    });
    return { ids: gone.map(({ id }) => id), methodIds, next: nextOf(rows, limit) };
  }

  /** Ids of its methods; null: one of them is still of use somewhere. */
  #removeGrant(grantKey: number, beforeMs: number, nowMs: number): string[] | null {
    const { accessGrants, credentials, tombstones, userEntrances } = this.#tables;
    const grant = accessGrants.byKey(grantKey);
    if (grant === undefined) return null;
    const ids = accessGrants.methodsOf(grantKey).map(({ access_method_id: id }) => id);
    const made = ids.flatMap((id) => credentials.byId(id) ?? []);
    const isOver = made.every((row) => row.invalidated_at !== null && row.invalidated_at < beforeMs);
    if (!isOver || made.some((row) => this.#isHeld.get({ key: row.credential_key }) !== undefined)) return null;
    for (const row of made) this.#remove(row.credential_key, row.acs_credential_id, nowMs);
    accessGrants.track(grant.access_grant_id, () => {
      for (const { entranceKey } of userEntrances.said(grant.user_key, grantKey))
        userEntrances.deleteOfGrant(grantKey, grant.user_key, entranceKey);
      accessGrants.delete(grantKey);
    });
    for (const id of ids) tombstones.add('access_method', id, nowMs, 'ended');
    tombstones.add('access_grant', grant.access_grant_id, nowMs, 'ended');
    return ids;
  }

  /** False: some controller may still hold it. */
  #remove(credentialKey: number, id: string, nowMs: number): boolean {
    const { credentials, digest, phones, tombstones } = this.#tables;
    if (this.#isHeld.get({ key: credentialKey }) !== undefined) return false;
    for (const phone of phones.of(credentialKey)) tombstones.add('credential', phone.acs_credential_id, nowMs, 'ended');
    this.#dropTargets.run(credentialKey);
    digest.track('credential', id, () => credentials.delete(credentialKey));
    tombstones.add('credential', id, nowMs, 'ended');
    return true;
  }
}

const paramsOf = ({ endedAt, key }: Place): { after: number; key: number } => ({
  after: Math.max(endedAt, Number.MIN_SAFE_INTEGER),
  key,
});

function nextOf(rows: readonly Ended[], limit: number): Place | null {
  const last = rows.at(-1);
  return last === undefined || rows.length < limit ? null : { endedAt: last.ended_at, key: last.key };
}
