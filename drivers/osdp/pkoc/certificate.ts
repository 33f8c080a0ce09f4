// The certificate that a PKOC card of version 2 carries (PKOC-CVC): an issuer vouches for a key, from one day to another.
// It names no door. Who the
// issuer is, and whether that has signed it, is not judged here: what opens is a key that was enrolled.

import { POINT_BYTES } from '../../../src/domain/p256.ts';
import { SIGNATURE_BYTES } from './proof.ts';
import { onlyValue, readTlvs, writeTlv } from './tlv.ts';

const TAG = {
  certificate: 0x7f21,
  body: 0x7f4e,
  signature: 0x5f37,
  issuer: 0x42,
  publicKey: 0x7f49,
  point: 0x86,
  curve: 0x06,
  subject: 0x5f20,
  from: 0x5f25,
  until: 0x5f24,
} as const;
/** prime256v1, as an object identifier. */
const P256 = Buffer.from('2A8648CE3D030107', 'hex');
const REFERENCE = /^[A-Z0-9]{16}$/;
const DATE_DIGITS = 6;
const DAY_MS = 86_400_000;

export type Certificate = {
  /** 16 of A-Z 0-9. */
  issuer: string;
  subject: string;
  /** The uncompressed point of the key that it vouches for. */
  key: Buffer;
  /** Begin of its first day, epoch ms UTC. */
  fromMs: number;
  /** End of its last day, epoch ms UTC, excluded. */
  untilMs: number;
  /** What is signed, and the signature. */
  signed: Buffer;
  signature: Buffer;
};

/** Null where it has not the form of one. */
export function readCertificate(bytes: Buffer): Certificate | null {
  const outer = valueOf(bytes, TAG.certificate);
  const [body, signature, ...more] = outer === null ? [] : (readTlvs(outer) ?? []);
  // The body comes first, whole: what is signed is all that stands before the signature.
  if (outer === null || body?.tag !== TAG.body || signature?.tag !== TAG.signature || more.length > 0) return null;
  const parts = readTlvs(body.value);
  if (parts === null || signature.value.length !== SIGNATURE_BYTES) return null;
  const issuer = onlyValue(parts, TAG.issuer)?.toString('latin1') ?? '';
  const subject = onlyValue(parts, TAG.subject)?.toString('latin1') ?? '';
  const publicKey = readTlvs(onlyValue(parts, TAG.publicKey) ?? Buffer.alloc(0)) ?? [];
  const key = onlyValue(publicKey, TAG.point);
  const fromMs = dayOf(onlyValue(parts, TAG.from));
  const untilMs = dayOf(onlyValue(parts, TAG.until));
  const isNamed = REFERENCE.test(issuer) && subject.length === 16;
  const isKey = onlyValue(publicKey, TAG.curve)?.equals(P256) === true && key?.length === POINT_BYTES;
  if (!isNamed || !isKey || fromMs === null || untilMs === null) return null;
  const signed = outer.subarray(0, outer.length - writeTlv(TAG.signature, signature.value).length);
  return {
    issuer,
    subject,
    key: Buffer.from(key),
    fromMs,
    untilMs: untilMs + DAY_MS,
    signed: Buffer.from(signed),
    signature: Buffer.from(signature.value),
  };
}

function valueOf(bytes: Buffer, tag: number): Buffer | null {
  const tlvs = readTlvs(bytes);
  return tlvs === null || tlvs.length !== 1 ? null : onlyValue(tlvs, tag);
}

/** Six digits, one to a byte: YYMMDD. */
function dayOf(digits: Buffer | null): number | null {
  if (digits?.length !== DATE_DIGITS || digits.some((digit) => digit > 9)) return null;
  const [year = 0, month = 0, day = 0] = [0, 2, 4].map((at) => (digits[at] ?? 0) * 10 + (digits[at + 1] ?? 0));
  const at = Date.UTC(2000 + year, month - 1, day);
  const read = new Date(at);
  return read.getUTCMonth() === month - 1 && read.getUTCDate() === day ? at : null;
}
