// The chain of the event log: each event names the hash of the one before it, so that none can be changed, taken out or
// put in between without all behind it telling. What is hashed is the event to the byte as it is published and listed;
// no other spelling of it has to be agreed on.

import { createPrivateKey, createPublicKey, hash, sign, type KeyObject } from 'node:crypto';

/** SHA-256, base64url without padding: 43 characters. */
export const eventHash = (json: string): string => hash('sha256', json, 'base64url');

/** Where the log stood at an instant, signed by the gateway: what is older cannot be made anew, by nobody. */
export type Checkpoint = {
  /** The newest event, and its hash; 0 and null while there is none. */
  sequence: number;
  hash: string | null;
  /** ISO 8601 with milliseconds. */
  signed_at: string;
  /** Ed25519, base64url of the 32 bytes. */
  public_key: string;
  /** Of `signedText`, base64url of the 64 bytes. */
  signature: string;
};

export const signedText = (
  facility: string,
  { sequence, hash: hashed, signed_at: at }: Pick<Checkpoint, 'sequence' | 'hash' | 'signed_at'>,
): string => `lintel checkpoint v1\n${facility}\n${sequence}\n${hashed ?? ''}\n${at}\n`;

/** RFC 8410: what stands before the 32 bytes of an Ed25519 seed in PKCS #8. */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');

export class CheckpointKey {
  readonly #key: KeyObject;
  /** base64url of the 32 bytes. */
  readonly publicKey: string;

  constructor(seed: Buffer) {
    this.#key = createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, seed]), format: 'der', type: 'pkcs8' });
    this.publicKey = createPublicKey(this.#key).export({ format: 'jwk' }).x ?? '';
  }

  sign(facility: string, newest: { sequence: number; hash: string | null }, nowMs: number): Checkpoint {
    const said = { ...newest, signed_at: new Date(nowMs).toISOString() };
    return { ...said, public_key: this.publicKey, signature: this.signText(signedText(facility, said)) };
  }

  /** base64url of the 64 bytes; the text says what it is, so that nothing signed for one purpose serves another. */
  signText(text: string): string {
    return sign(null, Buffer.from(text), this.#key).toString('base64url');
  }
}
