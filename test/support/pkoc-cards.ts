// What tests of cards with a key need besides the simulated card: one of version 2 with its certificate, and signatures
// that are not what they seem.

import { createECDH, createPrivateKey, type KeyObject } from 'node:crypto';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');

/** Order of the curve P-256. */
export const ORDER = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
/** RFC 6979, A.2.5. */
const RFC_SCALAR = hex('C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721');
export const CERTIFICATE = hex(
  '7F2181D27F4E818B5F29010042104C494E54454C544553544953533030317F494D06082A8648CE3D03010786410460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB67903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D44622995F2010435245443030303030303030303030315F25060206010100015F24060206010203015F37400C954C5FD46D9B9DC264684B341DE78A265A460A88EA19668013D5EF1B28BA0E2967050D7661CE42F8D7085DF9B7E19DB5C3430E0352086366EA2CCE1F89E66A',
);

/** The key that the certificate names. */
export function certifiedKey(): KeyObject {
  const ecdh = createECDH('prime256v1');
  ecdh.setPrivateKey(RFC_SCALAR);
  const point = ecdh.getPublicKey();
  const part = (from: number): string => point.subarray(from, from + 32).toString('base64url');
  return createPrivateKey({
    format: 'jwk',
    key: { kty: 'EC', crv: 'P-256', x: part(1), y: part(33), d: RFC_SCALAR.toString('base64url') },
  });
}

const numberOf = (bytes: Buffer): bigint => BigInt(`0x${bytes.toString('hex')}`);
export const bytesOf = (number: bigint): Buffer => hex(number.toString(16).padStart(64, '0'));

/** The other signature that is as valid: (r, n - s). */
export const twinOf = (signature: Buffer): Buffer =>
  Buffer.concat([signature.subarray(0, 32), bytesOf(ORDER - numberOf(signature.subarray(32)))]);
