// The Secure Channel keys of readers, sealed for the reader that they belong to, and what each reader said it is. A
// reader whose key is forgotten must be reset by hand at its door, so every change is durable before anything is sent.

import { OperatingError } from '../domain/errors.ts';
import type { KeyOrigin, ReaderKeys } from '../domain/ports.ts';
import type { Db } from './db.ts';
import type { Secrets } from './secrets.ts';
import { isStorageError } from './disk-errors.ts';

type Row = {
  active_sealed: Buffer | null;
  pending_sealed: Buffer | null;
  pending_how: KeyOrigin | null;
  identity: string | null;
};
/** `Transactions.now`: durable when it returns, and never from inside another transaction. */
type Now = <T>(fn: () => T) => T;

export class ReaderKeyTable implements ReaderKeys {
  /**
   * Called when a reader has another key, inside the transaction that says so: the event of it must not be lost to
   * whoever asked for the key and went away.
   */
  onInstalled: (device: string, how: KeyOrigin | null) => void = () => undefined;
  /** Called when the keys of a reader are thrown away, inside the transaction that does so. */
  onForgotten: (device: string) => void = () => undefined;
  readonly #db: Db;
  readonly #secrets: Secrets;
  readonly #now: Now;
  readonly #get;
  readonly #setPending;
  readonly #pendingHow;
  readonly #activate;
  readonly #discard;
  readonly #setIdentity;
  readonly #forget;

  constructor(db: Db, secrets: Secrets, now: Now) {
    this.#db = db;
    this.#secrets = secrets;
    this.#now = now;
    this.#get = db.prepare<[string], Row>(
      'SELECT active_sealed, pending_sealed, pending_how, identity FROM reader_keys WHERE device = ?',
    );
    this.#setPending = db.prepare<[string, Buffer, KeyOrigin]>(
      `INSERT INTO reader_keys (device, pending_sealed, pending_how) VALUES (?, ?, ?)
       ON CONFLICT (device) DO UPDATE SET pending_sealed = excluded.pending_sealed, pending_how = excluded.pending_how`,
    );
    this.#pendingHow = db.prepare<[string], { pending_how: KeyOrigin | null }>(
      'SELECT pending_how FROM reader_keys WHERE device = ? AND pending_sealed IS NOT NULL',
    );
    this.#activate = db.prepare<[string]>(
      'UPDATE reader_keys SET active_sealed = pending_sealed, pending_sealed = NULL WHERE device = ?',
    );
    this.#discard = db.prepare<[string]>('UPDATE reader_keys SET pending_sealed = NULL WHERE device = ?');
    this.#setIdentity = db.prepare<[string, string]>(
      'INSERT INTO reader_keys (device, identity) VALUES (?, ?) ON CONFLICT (device) DO UPDATE SET identity = excluded.identity',
    );
    this.#forget = db.prepare<[string]>('DELETE FROM reader_keys WHERE device = ?');
  }

  forget(device: string): void {
    this.#change(device, () => {
      if (this.#forget.run(device).changes > 0) this.onForgotten(device);
    });
  }

  load(device: string): ReturnType<ReaderKeys['load']> {
    return this.#guarded(device, () => {
      const row = this.#get.get(device);
      const pending = this.#open(device, row?.pending_sealed ?? null);
      return {
        active: this.#open(device, row?.active_sealed ?? null),
        pending,
        pendingHow: pending === null ? null : (row?.pending_how ?? null),
        identity: row?.identity ?? null,
      };
    });
  }

  savePending(device: string, key: Buffer, how: KeyOrigin): void {
    const sealed = this.#secrets.seal(key.toString('hex'), contextOf(device));
    this.#change(device, () => this.#setPending.run(device, sealed, how));
  }

  activate(device: string): void {
    this.#change(device, () => {
      const pending = this.#pendingHow.get(device);
      if (pending === undefined) return;
      this.#activate.run(device);
      this.onInstalled(device, pending.pending_how);
    });
  }

  discardPending(device: string): void {
    this.#change(device, () => this.#discard.run(device));
  }

  saveIdentity(device: string, identity: string): void {
    this.#change(device, () => this.#setIdentity.run(device, identity));
  }

  #open(device: string, sealed: Buffer | null): Buffer | null {
    return sealed === null ? null : Buffer.from(this.#secrets.open(sealed, contextOf(device)), 'hex');
  }

  #change(device: string, change: () => unknown): void {
    this.#guarded(device, () => this.#now(change));
  }

  /**
   * A disk that fails is told as the driver understands it; it goes on with the key it has, and doors go on as well.
   */
  #guarded<T>(device: string, work: () => T): T {
    if (!this.#db.open) throw new OperatingError('internal', `the key of ${device}: the database is closed`);
    try {
      return work();
    } catch (error) {
      if (!isStorageError(error)) throw error;
      throw new OperatingError('internal', `the key of ${device}: the disk failed (${String(error)})`);
    }
  }
}

/** A key opens for the reader that it was made for and for no other. */
const contextOf = (device: string): string => `reader key ${device}`;
