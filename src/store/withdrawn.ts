// What was taken away by a command that the disk had no room for: it holds in memory at once, at the doors that Lintel
// decides for, until the command could be stored.

import type { StoredPath } from './stored-path.ts';

/** A credential, everything of a person, or ways to doors that a group, a membership or a grant is. */
export type Taken =
  | { acsCredentialId: string }
  | { acsBiometricId: string }
  | { acsUserId: string }
  | { acsAccessGroupId: string }
  | { acsAccessGroupId: string; acsUserId: string }
  | { acsAccessGroupId: string; acsEntranceId: string }
  | { acsUserId: string; acsEntranceId: string }
  | { accessGrantId: string };

type Whose = { acs_credential_id: string; acs_user_id: string | null };

export class Withdrawn {
  /** Counted: two commands may take the same away, and one of them be stored first. */
  readonly #counts = new Map<string, number>();

  add(what: Taken): void {
    this.#count(what, 1);
  }

  remove(what: Taken): void {
    this.#count(what, -1);
  }

  has({ acs_credential_id: acsCredentialId, acs_user_id: acsUserId }: Whose): boolean {
    if (this.#counts.size === 0) return false;
    return this.#holds({ acsCredentialId }) || (acsUserId !== null && this.#holds({ acsUserId }));
  }

  hasBiometric(acsBiometricId: string): boolean {
    return this.#counts.size > 0 && this.#holds({ acsBiometricId });
  }

  /** Whether one way of a credential to an entrance was taken away. */
  closes(path: Pick<StoredPath, 'kind' | 'id'>, { acs_user_id: acsUserId }: Whose, acsEntranceId: string): boolean {
    if (this.#counts.size === 0 || path.kind === 'own_list') return false;
    const { id } = path;
    if (path.kind === 'grant' && id !== null) return this.#holds({ accessGrantId: id });
    if (id === null) return acsUserId !== null && this.#holds({ acsUserId, acsEntranceId });
    return (
      this.#holds({ acsAccessGroupId: id }) ||
      this.#holds({ acsAccessGroupId: id, acsEntranceId }) ||
      (acsUserId !== null && this.#holds({ acsAccessGroupId: id, acsUserId }))
    );
  }

  #holds(what: Taken): boolean {
    return this.#counts.has(keyOf(what));
  }

  #count(what: Taken, by: number): void {
    const key = keyOf(what);
    const now = (this.#counts.get(key) ?? 0) + by;
    if (now > 0) this.#counts.set(key, now);
    else this.#counts.delete(key);
  }
}

/** Ids may be alike: which of them it is stands beside each. */
const keyOf = (what: Taken): string =>
  Object.entries(what)
    .map(([name, id]) => `${name} ${id}`)
    .sort()
    .join(' ');
