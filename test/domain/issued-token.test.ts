// Keys that an issuer signs: the vector of docs/mobile-keys.md, what is refused of them, and a second implementation in
// another language that reads ours and writes what we read.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encode } from 'cborg';
import { SimulatedCard } from '../../drivers/osdp/pkoc/simulated-card.ts';
import { isRefused, MOST_TOKEN_BYTES, readToken, type TokenTerms } from '../../src/domain/issued-token.ts';
import { ed25519, issue, KEY_ID, manager, MANAGER, p256, p256Of, uuidBytes, type Stated } from '../support/issuer.ts';
import { LOBBY, STORE_ROOM, SYSTEM } from '../support/room.ts';

const NOW_MS = Date.parse('2026-12-01T06:00:00Z');
const HOUR_MS = 3_600_000;
const CREDENTIAL = '66666666-6666-6666-6666-666666666666';
const PAGE = readFileSync(join(import.meta.dirname, '../../docs/mobile-keys.md'), 'utf8');

/** What stands in the page behind these words, in backquotes. */
function shown(words: string): string {
  const found = new RegExp(`\\| ${words} \\| \`([0-9A-Fa-f-]+)\` \\|`).exec(PAGE)?.[1];
  if (found === undefined) throw new Error(`docs/mobile-keys.md shows no ${words}`);
  return found;
}
const python = (...asked: unknown[]): Record<string, unknown>[] =>
  execFileSync('python3', [join(import.meta.dirname, '../conformance/issued_key.py')], {
    input: asked.map((one) => `${JSON.stringify(one)}\n`).join(''),
    encoding: 'utf8',
  })
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

const key = p256();
const { point } = new SimulatedCard();
const stated = (more: Partial<Stated> = {}): Stated => ({
  point,
  credentialId: CREDENTIAL,
  startsAtMs: NOW_MS - HOUR_MS,
  endsAtMs: NOW_MS + HOUR_MS,
  ...more,
});
const terms = (more: Partial<TokenTerms> = {}): TokenTerms => ({
  managers: [manager(key)],
  acsSystemId: SYSTEM,
  nowMs: NOW_MS,
  isTrusted: true,
  ...more,
});
/** Why it is refused; `taken` where it is not. */
function outcome(token: Buffer, more: Partial<TokenTerms> = {}): string {
  const read = readToken(token, terms(more));
  return isRefused(read) ? `${read.detail}: ${read.message}` : 'taken';
}
const altered = (more: Partial<Stated>): string => outcome(issue(key, stated(more)));

describe('a key that an issuer has signed', () => {
  it('says whose it is, where and when, by ES256 and by EdDSA, also behind the tags of a CWT', () => {
    const read = readToken(issue(key, stated({ entranceIds: [STORE_ROOM, LOBBY] })), terms());
    expect(read).toMatchObject({
      tokenId: '0102030405060708',
      acsCredentialId: CREDENTIAL,
      acsUserId: null,
      key: point,
      entranceIds: [STORE_ROOM, LOBBY].sort(),
      startsAtMs: NOW_MS - HOUR_MS,
      endsAtMs: NOW_MS + HOUR_MS,
    });
    const edwards = ed25519();
    expect(outcome(issue(edwards, stated()), { managers: [manager(edwards)] })).toBe('taken');
    const token = issue(key, stated());
    expect(outcome(Buffer.concat([Buffer.from('d2', 'hex'), token]))).toBe('taken');
    expect(outcome(Buffer.concat([Buffer.from('d83dd2', 'hex'), token]))).toBe('taken');
  });

  it('is refused where the issuer is not in the facility file, or has not signed it', () => {
    const token = issue(key, stated());
    expect(outcome(token, { managers: [] })).toMatch(/^issuer_unknown/);
    expect(altered({ keyId: 'c0ffee0000000002' })).toMatch(/^issuer_unknown/);
    expect(outcome(issue(p256(), stated()))).toMatch(/^signature_invalid/);
    // A key of one algorithm is none of the other's, whatever the header says.
    expect(outcome(issue(ed25519(), stated()))).toMatch(/^signature_invalid/);
    for (let at = 0; at < token.length; at += 7) {
      const changed = Buffer.from(token);
      changed.writeUInt8(changed.readUInt8(at) ^ 0x01, at);
      expect(outcome(changed)).not.toBe('taken');
    }
    for (let length = 0; length < token.length; length += 5)
      expect(outcome(token.subarray(0, length))).not.toBe('taken');
  });

  it('is refused for another facility, another issuer’s name, another time, or longer than the facility allows', () => {
    expect(altered({ audience: STORE_ROOM })).toMatch(/token_refused: it is for the facility/);
    expect(altered({ claims: new Map([[1, uuidBytes(STORE_ROOM)]]) })).toMatch(/names .* as its issuer/);
    expect(altered({ claims: new Map([[1, uuidBytes(MANAGER)]]) })).toBe('taken');
    expect(altered({ endsAtMs: NOW_MS })).toMatch(/^expired/);
    expect(altered({ startsAtMs: NOW_MS + HOUR_MS })).toMatch(/ends before it begins/);
    expect(altered({ endsAtMs: NOW_MS + 7 * 24 * HOUR_MS })).toMatch(/max_lifetime of tower/);
    expect(altered({ claims: new Map([[6, NOW_MS / 1_000 - 8 * 86_400]]) })).toMatch(/max_lifetime/);
    expect(altered({ claims: new Map([[6, NOW_MS / 1_000 + 60]]) })).toMatch(/issued in the future/);
    expect(outcome(issue(key, stated()), { isTrusted: false })).toMatch(/^clock_untrusted/);
    expect(outcome(issue(key, stated()), { managers: [manager(key, { entranceIds: [STORE_ROOM] })] })).toMatch(
      /may not open/,
    );
  });

  it('is refused where it holds what Lintel does not know, lacks what it needs, or stands there in another encoding', () => {
    const refusals: Partial<Stated>[] = [
      { claims: new Map([[-70_009, 1]]) },
      { claims: new Map([[-70_001, []]]) },
      { claims: new Map([[-70_001, undefined]]) },
      { claims: new Map([[7, undefined]]) },
      { claims: new Map([[7, Buffer.alloc(33)]]) },
      { claims: new Map([[4, 1.5]]) },
      { claims: new Map([[8, new Map()]]) },
      { claims: new Map([[8, new Map([[1, new Map<number, unknown>([[1, 2], [-1, 1], [-2, Buffer.alloc(32, 1)], [-3, Buffer.alloc(32, 1)]])]])]]) },
      { unprotected: new Map([[4, Buffer.from(KEY_ID, 'hex')]]) },
      { header: new Map<number, unknown>([[1, -7], [4, Buffer.from(KEY_ID, 'hex')], [2, [1]]]) },
      { header: new Map<number, unknown>([[1, -35], [4, Buffer.from(KEY_ID, 'hex')]]) },
    ]; // prettier-ignore
    for (const refusal of refusals) expect(altered(refusal)).toMatch(/^token_refused/);
    // The same content, its map in another order.
    const [header, , payload, signature] = [...itemsOf(issue(key, stated()))];
    const loose = Buffer.from(encode([header, new Map(), payload, signature]));
    expect(outcome(loose)).toBe('taken');
    expect(outcome(Buffer.concat([Buffer.from('9f', 'hex'), loose.subarray(1), Buffer.from('ff', 'hex')]))).toMatch(
      /^token_refused/,
    );
    expect(outcome(Buffer.concat([loose, Buffer.from('00', 'hex')]))).toMatch(/^token_refused/);
    expect(outcome(Buffer.alloc(MOST_TOKEN_BYTES + 1))).toMatch(/more than 1024 bytes/);
    expect(outcome(Buffer.alloc(MOST_TOKEN_BYTES, 0x81))).toMatch(/^token_refused/);
  });
});

function* itemsOf(token: Buffer): Generator<Buffer> {
  // 84, then byte strings with one-byte or two-byte heads, as this token has them.
  let at = 1;
  while (at < token.length) {
    const first = token.readUInt8(at);
    const size = first === 0x58 ? token.readUInt8(at + 1) : first & 0x1f;
    const from = at + (first === 0x58 ? 2 : 1);
    yield token.subarray(from, from + (first === 0xa0 ? 0 : size));
    at = from + (first === 0xa0 ? 0 : size);
  }
}

describe('the vector of the page', () => {
  const token = Buffer.from(shown('the token'), 'hex');
  const issuer = shown('the issuer’s public key').toLowerCase();

  it('is taken by Lintel, and read alike by a second implementation', () => {
    const read = readToken(token, {
      managers: [manager(key, { keys: [{ keyId: shown('its key id'), publicKey: issuer }] })],
      acsSystemId: shown('the facility'),
      nowMs: NOW_MS,
      isTrusted: true,
    });
    expect(read).toMatchObject({
      acsCredentialId: shown('the credential'),
      tokenId: shown('its number'),
      startsAtMs: Date.parse('2026-12-01T00:00:00Z'),
      endsAtMs: Date.parse('2026-12-01T12:00:00Z'),
    });
    const [other] = python({ verify: token.toString('hex'), public_key: issuer });
    expect(other).toMatchObject({
      key_id: shown('its key id'),
      acs_credential_id: shown('the credential').replaceAll('-', ''),
      token_id: shown('its number'),
      public_key: shown('the phone’s public key').toLowerCase(),
    });
  });

  it('is what the second implementation writes, byte by byte, and Lintel’s tests and it read each other', () => {
    const scalar = createHash('sha256').update('Lintel test issuer 1').digest();
    const [read] = python({ verify: token.toString('hex'), public_key: issuer });
    const own = issue(p256Of(scalar, Buffer.from(issuer, 'hex')), stated());
    const [written, ours, foreign] = python(
      { issue: read, scalar: scalar.toString('hex') },
      { verify: own.toString('hex'), public_key: issuer },
      { verify: issue(key, stated()).toString('hex'), public_key: issuer },
    );
    expect(written).toEqual({ token: token.toString('hex') });
    expect(ours).toMatchObject({ public_key: point.toString('hex'), entrances: [LOBBY.replaceAll('-', '')] });
    expect(foreign).toEqual({ error: 'not signed by this key' });
  });
});
