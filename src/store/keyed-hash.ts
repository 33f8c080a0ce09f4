// HMAC-SHA256 (RFC 2104) by the one-shot hash of Node: an HMAC object of its own for each row costs twice as much as
// what it computes, and a synchronisation needs half a dozen of them for a credential.

import { hash } from 'node:crypto';
import { assert } from '../domain/errors.ts';

const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
/** Texts up to this size, which rows and records are far below, need no memory of their own. */
const SCRATCH_BYTES = 4096;

/** Hashes under one key. Keys are derived ones, never longer than a block. */
export class KeyedHash {
  /** The padded key, and behind it what is hashed, which is wiped by the next. */
  readonly #inner = Buffer.alloc(BLOCK_BYTES + SCRATCH_BYTES);
  readonly #outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES);

  constructor(key: Uint8Array) {
    assert(key.length <= BLOCK_BYTES, 'a key is not longer than a block');
    for (let i = 0; i < BLOCK_BYTES; i++) {
      this.#inner[i] = (key[i] ?? 0) ^ 0x36;
      this.#outer[i] = (key[i] ?? 0) ^ 0x5c;
    }
  }

  /** The first `bytes` of the HMAC of a text or of bytes. */
  over(content: string | Uint8Array, bytes = DIGEST_BYTES): Buffer {
    this.#outer.write(this.#innerHash(content), BLOCK_BYTES, 'hex');
    return Buffer.from(hash('sha256', this.#outer, 'hex').slice(0, 2 * bytes), 'hex');
  }

  #innerHash(content: string | Uint8Array): string {
    const inner = this.#inner;
    // A character takes three bytes at most.
    if (content.length * (typeof content === 'string' ? 3 : 1) > SCRATCH_BYTES) {
      const long = typeof content === 'string' ? Buffer.from(content) : content;
      return hash('sha256', Buffer.concat([inner.subarray(0, BLOCK_BYTES), long]), 'hex');
    }
    const length = typeof content === 'string' ? inner.write(content, BLOCK_BYTES) : content.length;
    if (typeof content !== 'string') inner.set(content, BLOCK_BYTES);
    const digest = hash('sha256', inner.subarray(0, BLOCK_BYTES + length), 'hex');
    // It may have been a PIN.
    inner.fill(0, BLOCK_BYTES, BLOCK_BYTES + length);
    return digest;
  }
}
