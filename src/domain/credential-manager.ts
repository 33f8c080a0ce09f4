// Credential managers: issuers whose signature over somebody's key this facility accepts. Each is named in the facility
// file, with its public keys and what it may do here.

import { createPublicKey, type KeyObject } from 'node:crypto';
import { importPoint } from './p256.ts';

/** What a facility file may allow at most: all that a manager signs today has ended so long after its start. */
export const LONGEST_LIFETIME_MS = 366 * 86_400_000;

export type CredentialManager = {
  /** As the facility file calls it. */
  name: string;
  acsSystemId: string;
  displayName: string;
  keys: readonly ManagerKey[];
  /** From the start of what it signs to its end. */
  maxLifetimeMs: number;
  /** What it signs for a credential that is not known here (yet). */
  unknownCredentials: 'refuse' | 'take';
  /** Ids of the entrances that it may open; null: every one where the gateway decides. */
  entranceIds: readonly string[] | null;
};

/** `keyId`: hexadecimal, lower case; unique in the facility. */
export type ManagerKey = { keyId: string; publicKey: string };

/** What it signs, as far as the facility file has a say in it. */
export type SignedTerms = {
  startsAtMs: number;
  endsAtMs: number;
  issuedAtMs: number;
  entranceIds: readonly string[];
};

/** From its issue or its start, whichever is earlier. */
export const livesTooLong = (
  { maxLifetimeMs }: CredentialManager,
  { startsAtMs, endsAtMs, issuedAtMs }: SignedTerms,
): boolean => endsAtMs - Math.min(startsAtMs, issuedAtMs) > maxLifetimeMs;

/** An entrance that it may not open; undefined: it may open them all. */
export const entranceBeyond = ({ entranceIds }: CredentialManager, signed: SignedTerms): string | undefined =>
  entranceIds === null ? undefined : signed.entranceIds.find((id) => !entranceIds.includes(id));

export const isAllowed = (manager: CredentialManager, signed: SignedTerms): boolean =>
  !livesTooLong(manager, signed) && entranceBeyond(manager, signed) === undefined;

export type SigningKey = { algorithm: 'ES256' | 'EdDSA'; key: KeyObject };

/** P-256: the uncompressed point, 130 digits; Ed25519: 64 digits. Null where it is no key. */
export function signingKey(digits: string): SigningKey | null {
  if (!/^([0-9a-f]{64}|[0-9a-f]{130})$/i.test(digits)) return null;
  const bytes = Buffer.from(digits, 'hex');
  if (bytes.length === 32) {
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: bytes.toString('base64url') };
    try {
      return { algorithm: 'EdDSA', key: createPublicKey({ format: 'jwk', key: jwk }) };
    } catch {
      return null;
    }
  }
  const key = importPoint(bytes);
  return key === null ? null : { algorithm: 'ES256', key };
}
