// Proof of possession: an ECDSA signature over P-256 with SHA-256, raw (r, s), by the key that is shown with it. A key is
// known by its point; the object that node:crypto makes of it costs more than a verification and is kept.

import { verify, type KeyObject } from 'node:crypto';
import { importPoint } from '../../../src/domain/p256.ts';

export const SIGNATURE_BYTES = 64;
/** Phones of a building; beyond that the key that was longest unused goes. */
const MOST_KEPT = 4_096;

export class ProofKeys {
  readonly #most: number;
  readonly #kept = new Map<string, KeyObject>();

  constructor(most = MOST_KEPT) {
    this.#most = most;
  }

  /** Whether `signature` over `message` was made by the holder of this key; false as well for what is no key or none. */
  isProved(point: Buffer, message: Uint8Array, signature: Uint8Array): boolean {
    if (signature.length !== SIGNATURE_BYTES) return false;
    const key = this.#keyOf(point);
    return key !== null && verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, signature);
  }

  #keyOf(point: Buffer): KeyObject | null {
    const name = point.toString('latin1');
    const known = this.#kept.get(name);
    const key = known ?? importPoint(point);
    if (key === null) return null;
    // Last in the order of insertion is the one used last.
    if (known !== undefined) this.#kept.delete(name);
    else if (this.#kept.size >= this.#most) this.#kept.delete(this.#kept.keys().next().value ?? '');
    this.#kept.set(name, key);
    return key;
  }
}
