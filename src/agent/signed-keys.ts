// Keys that an issuer has signed, at the door: which phone is asked for what it carries, and what becomes of it, within a
// transaction of its own and before anybody is judged by it.

import type { Detail } from '../access/details.ts';
import { takeToken } from '../commands/issued-keys.ts';
import type { Room } from '../commands/room.ts';
import { isAllowed, type SignedTerms } from '../domain/credential-manager.ts';
import { OperatingError } from '../domain/errors.ts';
import type { SiteEntrance } from '../domain/site.ts';
import { isStorageError } from '../store/disk-errors.ts';
import type { IssuedKeyRow } from '../store/issued-keys.ts';

export class SignedKeys {
  readonly #room: Room;

  constructor(room: Room) {
    this.#room = room;
  }

  /**
   * A key that opens here is asked for nothing: whoever stands there need not wait for it. One that opens elsewhere, or
   * opened until now, may carry a newer one.
   */
  wants(key: Buffer, reader: string): boolean {
    const { store, credentialManagers, clock, site } = this.#room;
    if (credentialManagers.length === 0) return false;
    const entrances = site.entrances.filter(({ readers }) => readers.includes(reader));
    const nowMs = clock.nowMs();
    try {
      const hash = store.secrets.keyHash(key);
      const opens = ({ entranceKey }: SiteEntrance): boolean =>
        store.reach
          .byPhone(hash, entranceKey)
          .some(({ paths }) => paths.some(({ window: { endsAtMs } }) => endsAtMs === null || endsAtMs > nowMs));
      return entrances.length > 0 && !entrances.some(opens);
    } catch (error) {
      if (!isStorageError(error)) throw error;
      return false;
    }
  }

  /** Why what was handed over opens nothing; null: it was taken, and decides as a phone that is enrolled. */
  take(token: Buffer, key: Buffer): Detail | null {
    const { store, log } = this.#room;
    try {
      return store.now(() =>
        store.attempt(() => {
          const taken = takeToken(this.#room, token, key, null);
          if (!('detail' in taken)) return null;
          throw new Untaken(taken.detail, taken.message);
        }),
      );
    } catch (error) {
      if (isStorageError(error)) return 'store_unavailable';
      if (error instanceof Untaken || error instanceof OperatingError) {
        log.warn(`a key that an issuer has signed was handed over and refused: ${error.message}`);
        return error instanceof Untaken ? error.detail : 'token_refused';
      }
      throw error;
    }
  }

  /** What the facility file accepts no more opens nothing: keys of others, for other entrances, or that live too long. */
  forgetOthers(): void {
    const { store, credentialManagers, log } = this.#room;
    const accepted = credentialManagers.map(({ acsSystemId }) => acsSystemId);
    const gone = store.now(() => store.issuedKeys.keepIssuers(accepted));
    for (const issuer of gone)
      log.warn('keys of a credential manager that is not in the facility file open nothing any more', { issuer });
    for (const manager of credentialManagers) {
      const isGood = (row: IssuedKeyRow): boolean => isAllowed(manager, termsOf(row));
      const keys = store.now(() => store.issuedKeys.keepGood(manager.acsSystemId, isGood));
      if (keys > 0)
        log.warn('keys that the facility file does not allow their credential manager any more open nothing', {
          issuer: manager.acsSystemId,
          keys,
        });
    }
  }
}

const termsOf = (row: IssuedKeyRow): SignedTerms => ({
  startsAtMs: row.starts_at,
  endsAtMs: row.ends_at,
  issuedAtMs: row.issued_at,
  entranceIds: row.entrances.split(','),
});

/** Undoes what was written on the way to it. */
class Untaken extends Error {
  readonly detail: Detail;

  constructor(detail: Detail, message: string) {
    super(message);
    this.detail = detail;
  }
}
