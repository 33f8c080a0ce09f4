// An issuer of keys for tests: it signs whatever it is told to, right or wrong.

import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { encode, rfc8949EncodeOptions } from 'cborg';
import type { CredentialManager } from '../../src/domain/credential-manager.ts';
import { LOBBY, SYSTEM } from './room.ts';

export const MANAGER = '99999999-9999-9999-9999-999999999999';
export const KEY_ID = 'c0ffee0000000001';

export const uuidBytes = (id: string): Buffer => Buffer.from(id.replaceAll('-', ''), 'hex');
const hexOf = (key: KeyObject): string => {
  const { x = '', y } = createPublicKey(key).export({ format: 'jwk' });
  const part = (text: string): string => Buffer.from(text, 'base64url').toString('hex');
  return y === undefined ? part(x) : `04${part(x)}${part(y)}`;
};

export const p256 = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
export const ed25519 = (): KeyObject => generateKeyPairSync('ed25519').privateKey;

/** A private key of P-256 by its number. */
export function p256Of(d: Buffer, point: Buffer): KeyObject {
  const x = point.subarray(1, 33).toString('base64url');
  const y = point.subarray(33).toString('base64url');
  return createPrivateKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-256', d: d.toString('base64url'), x, y } });
}

export const manager = (key: KeyObject, more: Partial<CredentialManager> = {}): CredentialManager => ({
  name: 'tower',
  acsSystemId: MANAGER,
  displayName: 'Tower',
  keys: [{ keyId: KEY_ID, publicKey: hexOf(key) }],
  maxLifetimeMs: 7 * 86_400_000,
  unknownCredentials: 'refuse',
  entranceIds: null,
  ...more,
});

export type Stated = {
  point: Buffer;
  credentialId: string;
  startsAtMs: number;
  endsAtMs: number;
  tokenId?: string;
  entranceIds?: readonly string[];
  audience?: string;
  keyId?: string;
  /** Claims that stand in place of those, or beside them. */
  claims?: ReadonlyMap<number, unknown>;
  header?: ReadonlyMap<number, unknown>;
  unprotected?: ReadonlyMap<number, unknown>;
};

export const cbor = (value: unknown): Buffer => Buffer.from(encode(value, rfc8949EncodeOptions));

/** A CWT in COSE_Sign1, by whatever key. */
export function issue(key: KeyObject, stated: Stated): Buffer {
  const isEd = key.asymmetricKeyType === 'ed25519';
  const header = cbor(stated.header ?? new Map<number, unknown>([[1, isEd ? -8 : -7], [4, Buffer.from(stated.keyId ?? KEY_ID, 'hex')]])); // prettier-ignore
  const { point } = stated;
  const confirmation = new Map([
    [1, new Map<number, unknown>([[1, 2], [-1, 1], [-2, point.subarray(1, 33)], [-3, point.subarray(33)]])], // prettier-ignore
  ]);
  const claims = new Map<number, unknown>([
    [2, uuidBytes(stated.credentialId)],
    [3, uuidBytes(stated.audience ?? SYSTEM)],
    [4, stated.endsAtMs / 1_000],
    [5, stated.startsAtMs / 1_000],
    [7, Buffer.from(stated.tokenId ?? '0102030405060708', 'hex')],
    [8, confirmation],
    [-70_001, (stated.entranceIds ?? [LOBBY]).map(uuidBytes)],
  ]);
  for (const [claim, value] of stated.claims ?? []) {
    if (value === undefined) claims.delete(claim);
    else claims.set(claim, value);
  }
  const payload = cbor(claims);
  const signed = cbor(['Signature1', header, Buffer.alloc(0), payload]);
  const signature = isEd ? sign(null, signed, key) : sign('sha256', signed, { key, dsaEncoding: 'ieee-p1363' });
  return cbor([header, stated.unprotected ?? new Map(), payload, signature]);
}
