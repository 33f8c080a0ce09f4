// What was taken away by a command that the disk had no room for: it holds in memory at once, at the doors that Lintel
// decides for, until the command could be stored.

export class Withdrawn {
  readonly #credentials = new Map<string, number>();
  readonly #users = new Map<string, number>();

  /** Counted: two commands may take the same away, and one of them be stored first. */
  add(what: { acsCredentialId: string } | { acsUserId: string }): void {
    if ('acsUserId' in what) count(this.#users, what.acsUserId, 1);
    else count(this.#credentials, what.acsCredentialId, 1);
  }

  remove(what: { acsCredentialId: string } | { acsUserId: string }): void {
    if ('acsUserId' in what) count(this.#users, what.acsUserId, -1);
    else count(this.#credentials, what.acsCredentialId, -1);
  }

  has(credential: { acs_credential_id: string; acs_user_id: string | null }): boolean {
    return (
      this.#credentials.has(credential.acs_credential_id) ||
      (credential.acs_user_id !== null && this.#users.has(credential.acs_user_id))
    );
  }
}

function count(counts: Map<string, number>, key: string, by: number): void {
  const now = (counts.get(key) ?? 0) + by;
  if (now > 0) counts.set(key, now);
  else counts.delete(key);
}
