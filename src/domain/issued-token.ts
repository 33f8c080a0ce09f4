// Keys that an issuer has signed: a CWT (RFC 8392) in COSE_Sign1 (RFC 9052), by ES256 or EdDSA, which says that the holder of a
// key (`cnf`, RFC 8747) has a credential, at which entrances, from when until when. One encoding of it is taken, the
// deterministic one of RFC 8949; whatever else it holds could be a restriction that is not understood here, and is refused.

import { verify } from 'node:crypto';
import { decode, encode, rfc8949EncodeOptions } from 'cborg';
import { entranceBeyond, livesTooLong, signingKey, type CredentialManager } from './credential-manager.ts';
import { importPoint, POINT_BYTES } from './p256.ts';

/** With forty entrances. */
export const MOST_TOKEN_BYTES = 1_024;
const MOST_ENTRANCES = 32;
const MOST_ID_BYTES = 32;
/** So much may the clock of the issuer go before ours. */
const MOST_SKEW_MS = 5_000;

export type IssuedToken = {
  manager: CredentialManager;
  /** `cti`, hexadecimal. */
  tokenId: string;
  acsCredentialId: string;
  /** Null: it does not say whose it is. */
  acsUserId: string | null;
  /** The uncompressed point of the key that it vouches for. */
  key: Buffer;
  entranceIds: readonly string[];
  startsAtMs: number;
  endsAtMs: number;
  /** By which revocations go: when it was issued, or where it does not say, its start. */
  issuedAtMs: number;
};

export type TokenRefusal = {
  detail: 'issuer_unknown' | 'signature_invalid' | 'token_refused' | 'expired' | 'clock_untrusted';
  /** For people. */
  message: string;
};

export type TokenTerms = {
  managers: readonly CredentialManager[];
  acsSystemId: string;
  nowMs: number;
  isTrusted: boolean;
};

const HEADER = { algorithm: 1, keyId: 4 } as const;
const ALGORITHMS = new Map<unknown, 'ES256' | 'EdDSA'>([
  [-7, 'ES256'],
  [-8, 'EdDSA'],
]);
const CLAIM = { issuer: 1, subject: 2, audience: 3, expires: 4, notBefore: 5, issuedAt: 6, tokenId: 7, confirmation: 8, entrances: -70_001, user: -70_002 } as const; // prettier-ignore
const CLAIMS: ReadonlySet<unknown> = new Set(Object.values(CLAIM));
const SIGNATURE_BYTES = 64;

/** What it says, once its signature and its terms hold. */
export function readToken(bytes: Buffer, terms: TokenTerms): IssuedToken | TokenRefusal {
  if (bytes.length > MOST_TOKEN_BYTES) return refusal(`it has more than ${MOST_TOKEN_BYTES} bytes`);
  const parts = partsOf(untagged(bytes));
  if (parts === null) return refusal('it is no COSE_Sign1 in the deterministic encoding of CBOR, with its algorithm and key id in the protected header and nothing else'); // prettier-ignore
  const manager = terms.managers.find(({ keys }) => keys.some(({ keyId }) => keyId === parts.keyId));
  const known = manager?.keys.find(({ keyId }) => keyId === parts.keyId);
  if (manager === undefined || known === undefined)
    return { detail: 'issuer_unknown', message: `no credential manager of the facility file has the key id ${parts.keyId}` }; // prettier-ignore
  if (!isSigned(parts, known.publicKey))
    return { detail: 'signature_invalid', message: `${manager.name} has not signed it` };
  const claims = claimsOf(parts.payload);
  return typeof claims === 'string' ? refusal(claims) : judged(claims, manager, terms);
}

export const isRefused = (read: IssuedToken | TokenRefusal): read is TokenRefusal => 'detail' in read;

const refusal = (message: string): TokenRefusal => ({ detail: 'token_refused', message });

// ---- the envelope ---------------------------------------------------------------------------------------------------

type Parts = {
  header: Uint8Array;
  algorithm: 'ES256' | 'EdDSA';
  keyId: string;
  payload: Uint8Array;
  signature: Uint8Array;
};

/** The tags of a CWT and of COSE_Sign1 may stand before it. */
function untagged(bytes: Buffer): Buffer {
  const within = bytes[0] === 0xd8 && bytes[1] === 0x3d ? bytes.subarray(2) : bytes;
  return within[0] === 0xd2 ? within.subarray(1) : within;
}

function partsOf(bytes: Uint8Array): Parts | null {
  const items = readCbor(bytes);
  if (!Array.isArray(items) || items.length !== 4) return null;
  const [header, unprotected, payload, signature] = items as unknown[];
  if (!(header instanceof Uint8Array) || !(payload instanceof Uint8Array) || !(signature instanceof Uint8Array))
    return null;
  const fields = readCbor(header);
  if (!(fields instanceof Map) || fields.size !== 2 || !(unprotected instanceof Map) || unprotected.size > 0)
    return null;
  const algorithm = ALGORITHMS.get(fields.get(HEADER.algorithm));
  const keyId: unknown = fields.get(HEADER.keyId);
  if (algorithm === undefined || !(keyId instanceof Uint8Array) || keyId.length > MOST_ID_BYTES) return null;
  return { header, algorithm, keyId: hex(keyId), payload, signature };
}

/** `Sig_structure` of RFC 9052, 4.4. */
function isSigned({ header, algorithm, payload, signature }: Parts, publicKey: string): boolean {
  const signer = signingKey(publicKey);
  if (signer?.algorithm !== algorithm || signature.length !== SIGNATURE_BYTES) return false;
  const signed = encode(['Signature1', header, new Uint8Array(), payload], rfc8949EncodeOptions);
  return algorithm === 'ES256'
    ? verify('sha256', signed, { key: signer.key, dsaEncoding: 'ieee-p1363' }, signature)
    : verify(null, signed, signer.key, signature);
}

/** Null where it is not well formed, or not in the one encoding that is taken. */
function readCbor(bytes: Uint8Array): unknown {
  try {
    const value: unknown = decode(bytes, {
      useMaps: true,
      strict: true,
      allowIndefinite: false,
      allowUndefined: false,
      rejectDuplicateMapKeys: true,
    });
    return Buffer.from(encode(value, rfc8949EncodeOptions)).equals(bytes) ? value : null;
  } catch {
    return null;
  }
}

// ---- the claims -----------------------------------------------------------------------------------------------------

type Claims = Omit<IssuedToken, 'manager'> & { issuer: string | null; audience: string; saysWhenIssued: boolean };

/** What of them is not as it must be is said. */
function claimsOf(payload: Uint8Array): Claims | string {
  const map = readCbor(payload);
  if (!(map instanceof Map)) return 'its claims are no map in the deterministic encoding of CBOR, each of them once';
  const strange: unknown = [...map.keys()].find((key) => !CLAIMS.has(key));
  if (strange !== undefined)
    return `${typeof strange === 'number' ? `claim ${strange}` : 'one of its claims'} is none that Lintel knows, and could be a restriction`;
  const of = (claim: number): unknown => map.get(claim);
  const optional = (claim: number): string | null | undefined => (map.has(claim) ? uuidOf(of(claim)) : null);
  const [issuer, user] = [optional(CLAIM.issuer), optional(CLAIM.user)];
  const [acsCredentialId, audience] = [uuidOf(of(CLAIM.subject)), uuidOf(of(CLAIM.audience))];
  if (issuer === undefined || user === undefined || acsCredentialId === undefined || audience === undefined)
    return 'claims 2 and 3, and 1 and -70002 where they stand there, must be ids of 16 bytes';
  const [endsAtMs, startsAtMs] = [instantOf(of(CLAIM.expires)), instantOf(of(CLAIM.notBefore))];
  const saysWhenIssued = map.has(CLAIM.issuedAt);
  const issuedAtMs = saysWhenIssued ? instantOf(of(CLAIM.issuedAt)) : startsAtMs;
  if (endsAtMs === null || startsAtMs === null || issuedAtMs === null)
    return 'claims 4 and 5, and 6 where it stands there, must be whole seconds since 1970';
  const tokenId = of(CLAIM.tokenId);
  if (!(tokenId instanceof Uint8Array) || tokenId.length === 0 || tokenId.length > MOST_ID_BYTES)
    return `claim 7 must be a number of 1 to ${MOST_ID_BYTES} bytes`;
  const key = confirmedKey(of(CLAIM.confirmation));
  if (key === null) return 'claim 8 must be {1: {1: 2, -1: 1, -2: X, -3: Y}}, with a point of the curve P-256';
  const entranceIds = listOf(of(CLAIM.entrances));
  if (entranceIds === null) return `claim -70001 must be a list of 1 to ${MOST_ENTRANCES} ids of 16 bytes`;
  return { issuer, audience, acsCredentialId, acsUserId: user, tokenId: hex(tokenId), key, entranceIds, startsAtMs, endsAtMs, issuedAtMs, saysWhenIssued }; // prettier-ignore
}

/** `cnf` with one COSE_Key of P-256, its coordinates whole. */
function confirmedKey(value: unknown): Buffer | null {
  if (!(value instanceof Map) || value.size !== 1) return null;
  const key: unknown = value.get(1);
  if (!(key instanceof Map) || key.size !== 4 || key.get(1) !== 2 || key.get(-1) !== 1) return null;
  const x: unknown = key.get(-2);
  const y: unknown = key.get(-3);
  if (!(x instanceof Uint8Array) || !(y instanceof Uint8Array) || x.length !== 32 || y.length !== 32) return null;
  const point = Buffer.concat([Buffer.from([4]), x, y], POINT_BYTES);
  return importPoint(point) === null ? null : point;
}

function listOf(value: unknown): string[] | null {
  if (!Array.isArray(value) || value.length === 0 || value.length > MOST_ENTRANCES) return null;
  const ids = value.map(uuidOf);
  return ids.every((id) => typeof id === 'string') ? [...new Set(ids)].sort() : null;
}

/** Sixteen bytes as the text of a UUID; undefined where they are none. */
function uuidOf(value: unknown): string | undefined {
  if (!(value instanceof Uint8Array) || value.length !== 16) return undefined;
  return hex(value).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Whole seconds, within what a date can be. */
const instantOf = (value: unknown): number | null =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff_f ? value * 1_000 : null;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

// ---- the terms ------------------------------------------------------------------------------------------------------

function judged(claims: Claims, manager: CredentialManager, terms: TokenTerms): IssuedToken | TokenRefusal {
  const { issuer, audience, saysWhenIssued, ...token } = claims;
  const { startsAtMs, endsAtMs, issuedAtMs } = token;
  if (issuer !== null && issuer !== manager.acsSystemId) return refusal(`it names ${issuer} as its issuer, and the key is that of ${manager.name}`); // prettier-ignore
  if (audience !== terms.acsSystemId) return refusal(`it is for the facility ${audience}`);
  if (!terms.isTrusted)
    return {
      detail: 'clock_untrusted',
      message: 'the gateway’s clock is not trusted: nobody can tell whether it is valid',
    };
  if (endsAtMs <= startsAtMs) return refusal('it ends before it begins');
  if (endsAtMs <= terms.nowMs) return { detail: 'expired', message: `it ended at ${new Date(endsAtMs).toISOString()}` };
  if (livesTooLong(manager, token))
    return refusal(
      `it is good for longer than max_lifetime of ${manager.name} allows, from its issue or its start to its end`,
    );
  // Otherwise it would outlive whatever is taken back until then.
  if (saysWhenIssued && issuedAtMs - terms.nowMs > MOST_SKEW_MS)
    return refusal('it was issued in the future, by the gateway’s clock');
  const beyond = entranceBeyond(manager, token);
  if (beyond !== undefined) return refusal(`${manager.name} may not open the entrance ${beyond}`);
  return { ...token, manager };
}
