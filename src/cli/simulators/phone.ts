// The phone that lies at a simulated reader, and an issuer for it, whose keys last as long as the simulator: what is
// said to them, so that everything about mobile keys can be tried at a desk.

import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { encode, rfc8949EncodeOptions } from 'cborg';
import { SimulatedCard } from '../../../drivers/osdp/pkoc/simulated-card.ts';
import type { SimulatedReader } from '../../../drivers/osdp/simulated-reader.ts';
import { DURATION_FORM, parseDuration } from '../../domain/duration.ts';
import { OperatingError } from '../../domain/errors.ts';
import { UUID_FORM } from '../../domain/ids.ts';
import { MOST_TOKEN_BYTES } from '../../domain/issued-token.ts';
import type { Clock, Random } from '../../domain/ports.ts';
import { isOn, wrong, type Actions } from './played.ts';

const PHONE_USAGE = 'phone on|off|key';
const TOKEN_USAGE = 'token issuer|none|HEX|FACILITY MOBILE_KEY ENTRANCE,… 12h [USER]';
const SECOND_MS = 1_000;
const ID_BYTES = 8;

export type PhonePorts = { clock: Clock; random: Random; issuer: SimulatedIssuer; said: (what: string) => string };

/** `speaksItself`: the reader holds the conversation with the phone, and hands over what that signed. */
export function phoneActions(reader: SimulatedReader, speaksItself: boolean, ports: PhonePorts): Actions {
  const { clock, random, issuer, said } = ports;
  const phone = new SimulatedCard();
  const carry = (token: Buffer): string => {
    phone.token = token;
    return speaksItself
      ? 'this reader asks no phone for it: give it to credentials/enroll_issued_key'
      : 'the phone carries it';
  };
  return {
    phone: {
      usage: PHONE_USAGE,
      about: 'lays a phone with a key of its own on it, or takes it away; key: says its public key',
      needsPower: true,
      run([word]) {
        if (word === 'key') return phone.point.toString('hex');
        const laid = isOn(word, PHONE_USAGE) ? phone : null;
        if (speaksItself) reader.messages.lay(laid);
        else reader.field.lay(laid);
        return said(laid === null ? 'the phone is gone' : 'a phone lies there');
      },
    },
    token: {
      usage: TOKEN_USAGE,
      about:
        'what an issuer has signed for the phone: signed here and now, by an issuer whose key `token issuer` says, or given',
      run([first = '', mobileKey, entrances, lifetime, user]) {
        if (first === 'issuer') return `key_id: ${issuer.keyId}\npublic_key: ${issuer.publicKey}`;
        if (first === 'none') {
          phone.token = null;
          return 'the phone carries none';
        }
        if (mobileKey === undefined) return carry(given(first));
        const entranceIds = (entrances ?? '').split(',');
        const ids = [first, mobileKey, ...entranceIds, ...(user === undefined ? [] : [user])];
        if (!ids.every((id) => UUID_FORM.test(id)) || !DURATION_FORM.test(lifetime ?? '')) throw wrong(TOKEN_USAGE);
        const startsAtMs = Math.floor(clock.nowMs() / SECOND_MS) * SECOND_MS;
        const token = issuer.sign(phone.point, {
          tokenId: random.bytes(ID_BYTES),
          acsSystemId: first,
          acsCredentialId: mobileKey,
          acsUserId: user ?? null,
          entranceIds,
          startsAtMs,
          endsAtMs: startsAtMs + parseDuration(lifetime ?? ''),
        });
        return `${token.toString('hex')}\n${carry(token)}`;
      },
    },
  };
}

function given(digits: string): Buffer {
  const token = Buffer.from(digits, 'hex');
  if (token.length === 0 || token.length * 2 !== digits.length) throw wrong(TOKEN_USAGE);
  if (token.length <= MOST_TOKEN_BYTES) return token;
  throw new OperatingError('invalid_input', `a signed key has ${MOST_TOKEN_BYTES} bytes at most`);
}

type Stated = {
  tokenId: Buffer;
  acsSystemId: string;
  acsCredentialId: string;
  acsUserId: string | null;
  entranceIds: readonly string[];
  startsAtMs: number;
  endsAtMs: number;
};

/** Signs keys by ES256, as docs/mobile-keys.md has it. */
export class SimulatedIssuer {
  readonly keyId: string;
  /** As the facility file has it. */
  readonly publicKey: string;
  readonly #privateKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

  constructor(random: Random) {
    this.keyId = random.bytes(ID_BYTES).toString('hex');
    const { x = '', y = '' } = createPublicKey(this.#privateKey).export({ format: 'jwk' });
    this.publicKey = `04${Buffer.from(x, 'base64url').toString('hex')}${Buffer.from(y, 'base64url').toString('hex')}`;
  }

  sign(point: Buffer, stated: Stated): Buffer {
    const coseKey = new Map<number, unknown>([
      [1, 2],
      [-1, 1],
      [-2, point.subarray(1, 33)],
      [-3, point.subarray(33)],
    ]);
    const claims = new Map<number, unknown>([
      [2, bytesOf(stated.acsCredentialId)],
      [3, bytesOf(stated.acsSystemId)],
      [4, stated.endsAtMs / SECOND_MS],
      [5, stated.startsAtMs / SECOND_MS],
      [7, stated.tokenId],
      [8, new Map([[1, coseKey]])],
      [-70_001, stated.entranceIds.map(bytesOf)],
    ]);
    if (stated.acsUserId !== null) claims.set(-70_002, bytesOf(stated.acsUserId));
    const header = cbor(new Map<number, unknown>([[1, -7], [4, Buffer.from(this.keyId, 'hex')]])); // prettier-ignore
    const payload = cbor(claims);
    const signed = cbor(['Signature1', header, Buffer.alloc(0), payload]);
    const signature = sign('sha256', signed, { key: this.#privateKey, dsaEncoding: 'ieee-p1363' });
    return cbor([header, new Map(), payload, signature]);
  }
}

const cbor = (value: unknown): Buffer => Buffer.from(encode(value, rfc8949EncodeOptions));
const bytesOf = (id: string): Buffer => Buffer.from(id.replaceAll('-', ''), 'hex');
