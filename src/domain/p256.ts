// Points of the curve P-256, as public keys are told: 04, X, Y.

import { createPublicKey, type KeyObject } from 'node:crypto';

export const POINT_BYTES = 65;
const COORDINATE_BYTES = 32;

/** The key of an uncompressed point; null where it is none of the curve. */
export function importPoint(point: Buffer): KeyObject | null {
  if (point.length !== POINT_BYTES || point[0] !== 0x04) return null;
  const x = point.subarray(1, 1 + COORDINATE_BYTES).toString('base64url');
  const y = point.subarray(1 + COORDINATE_BYTES).toString('base64url');
  try {
    return createPublicKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-256', x, y } });
  } catch {
    return null;
  }
}
