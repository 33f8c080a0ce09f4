// Issuers, holders of what they signed, and senders that mean ill or go mad: what they hand over opens nothing beyond what
// the facility file allows, is said to be wrong in words, and leaves nothing behind.

import { describe, expect, it, vi } from 'vitest';
import { MOST_KEYS } from '../../src/store/issued-keys.ts';
import { cbor, issue, MANAGER, KEY_ID, p256, uuidBytes } from '../support/issuer.ts';
import { LOBBY, STORE_ROOM, USER } from '../support/room.ts';
import { bytesOf, ORDER, twinOf } from '../support/pkoc-cards.ts';
import { door, hand, HOUR_MS, KEY, newPoint, show, today, withKey, type Here } from './signed-phone.ts';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const OTHER = '33333333-3333-3333-3333-000000000002';
const coseKey = (x: Buffer, y: Buffer, more: readonly (readonly [number, unknown])[] = []): Map<number, unknown> =>
  new Map<number, unknown>([[1, new Map<number, unknown>([[1, 2], [-1, 1], [-2, x], [-3, y], ...more])]]); // prettier-ignore
const withClaim = (here: Here, claim: number, value: unknown): Buffer => here.signed({ claims: new Map([[claim, value]]) }); // prettier-ignore
const endOf = (token: Buffer, signature: Buffer): Buffer =>
  Buffer.concat([token.subarray(0, -signature.length), signature]);

describe('a claim that is none', () => {
  const half = Buffer.alloc(32, 1);
  const zero = Buffer.alloc(32);
  const cases: readonly (readonly [string, number, unknown, RegExp])[] = [
    ['an end in fractions', 4, 1_900_000_000.5, /claims 4 and 5/],
    ['an end before all time', 4, -1, /claims 4 and 5/],
    ['an end beyond all time', 4, 2 ** 50, /claims 4 and 5/],
    ['an end in a number without bound', 4, 2n ** 64n - 1n, /claims 4 and 5/],
    ['an end that is a text', 4, '1900000000', /claims 4 and 5/],
    ['an end that is no number', 4, NaN, /claims 4 and 5/],
    ['no end', 4, null, /claims 4 and 5/],
    ['a start without bound', 5, -(2n ** 63n), /claims 4 and 5/],
    ['an issue in fractions', 6, 0.25, /claims 4 and 5, and 6/],
    ['a credential of fifteen bytes', 2, Buffer.alloc(15), /claims 2 and 3/],
    ['a facility in a list', 3, [Buffer.alloc(16)], /claims 2 and 3/],
    ['a person that is a text', -70_002, USER, /-70002/],
    ['an empty number', 7, Buffer.alloc(0), /claim 7/],
    ['a point off the curve', 8, coseKey(half, half), /claim 8 .*curve P-256/],
    ['a point at nought', 8, coseKey(zero, zero), /claim 8/],
    ['a coordinate beyond the field', 8, coseKey(Buffer.alloc(32, 0xff), half), /claim 8/],
    ['a key with a private part', 8, coseKey(half, half, [[-4, half]]), /claim 8/],
    ['a key by its sign', 8, new Map([[1, new Map<number, unknown>([[1, 2], [-1, 1], [-2, half], [-3, true]])]]), /claim 8/],
    ['a key of another curve', 8, new Map([[1, new Map<number, unknown>([[1, 2], [-1, 2], [-2, half], [-3, half]])]]), /claim 8/],
    ['a key by its name alone', 8, new Map([[3, hex('c0ffee')]]), /claim 8/],
    ['entrances by name', -70_001, ['lobby'], /claim -70001/],
    ['thirty-three entrances', -70_001, Array.from({ length: 33 }, (_, n) => Buffer.alloc(16, n)), /claim -70001/],
    ['a claim of its own', -70_003, 'all doors', /claim -70003 is none that Lintel knows/],
  ]; // prettier-ignore

  it.each(cases)('%s is refused, and said to be that', async (_what, claim, value, says) => {
    const here = await withKey();
    const token = withClaim(here, claim, value);
    expect(show(here, token)).toBe('token_refused');
    const { error } = await hand(here, token);
    expect(error).toMatchObject({ type: 'invalid_input', path: ['params', 'token'] });
    expect(error?.message).toMatch(says);
    expect(here.pulses).toHaveLength(0);
    expect(here.store.issuedKeys.of(here.store.credentials.byId(KEY)?.credential_key ?? 0)).toEqual([]);
  });
});

describe('an envelope that is none', () => {
  it.each([
    ['nested beyond measure', (): Buffer => Buffer.concat([Buffer.alloc(1_000, 0x81), hex('00')])],
    ['maps nested beyond measure', (): Buffer => Buffer.concat([hex('a100'.repeat(500)), hex('00')])],
    ['a length beyond what is there', (): Buffer => hex('845affffffff00')],
    ['a list as long as memory', (): Buffer => hex('9bffffffffffffffff')],
    ['without end', (here: Here): Buffer => Buffer.concat([hex('9f'), here.signed().subarray(1), hex('ff')])],
    ['with a key twice', (): Buffer => cborTwice()],
    ['nothing at all', (): Buffer => hex('f6')],
    ['another kind of COSE', (here: Here): Buffer => Buffer.concat([hex('d1'), here.signed()])],
  ])('%s is refused', async (_what, of) => {
    const here = await withKey();
    expect(show(here, of(here))).toBe('token_refused');
    expect(here.pulses).toHaveLength(0);
  });

  it.each([
    ['without a key id', new Map<number, unknown>([[1, -7]])],
    ['by no algorithm', new Map<number, unknown>([[1, 0], [4, hex(KEY_ID)]])],
    ['by a shared secret', new Map<number, unknown>([[1, 5], [4, hex(KEY_ID)]])],
    ['by a longer hash', new Map<number, unknown>([[1, -35], [4, hex(KEY_ID)]])],
    ['by an algorithm in words', new Map<number, unknown>([[1, 'ES256'], [4, hex(KEY_ID)]])],
    ['with a key id that is a text', new Map<number, unknown>([[1, -7], [4, KEY_ID]])],
  ])('%s is refused', async (_what, header) => {
    const here = await withKey();
    expect(show(here, here.signed({ header }))).toBe('token_refused');
  }); // prettier-ignore

  it('that says the other algorithm of the same key id is not signed', async () => {
    const here = await withKey();
    const header = new Map<number, unknown>([[1, -8], [4, hex(KEY_ID)]]); // prettier-ignore
    expect(show(here, here.signed({ header }))).toBe('signature_invalid');
  });
});

/** Of the claims map: {4: 0, 4: 0}, in an envelope that nobody signed. */
const cborTwice = (): Buffer => Buffer.concat([hex('84'), cbor(hex('a2040004 00'.replace(' ', ''))), hex('a0'), cbor(hex('a204000400')), cbor(Buffer.alloc(64))]); // prettier-ignore

describe('a signature', () => {
  it('with r or s of nought, or of the order and beyond, is none', async () => {
    const here = await withKey();
    const token = here.signed();
    for (const number of [0n, ORDER, 2n ** 256n - 1n]) {
      const good = token.subarray(-64);
      for (const signature of [
        Buffer.concat([bytesOf(number), good.subarray(32)]),
        Buffer.concat([good.subarray(0, 32), bytesOf(number)]),
      ])
        expect(show(here, endOf(token, signature))).toBe('signature_invalid');
    }
    expect(show(here, endOf(token, Buffer.alloc(64)))).toBe('signature_invalid');
  });

  it('that is the twin of another makes no second key of it', async () => {
    const here = await withKey();
    const token = here.signed();
    expect(show(here, token)).toBe('granted');
    const twin = endOf(token, twinOf(token.subarray(-64)));
    expect((await hand(here, twin)).ok).toBe(true);
    expect(here.events().filter((type) => type === 'acs_credential.key_issued')).toHaveLength(1);
    await here.caller.call('credentials/revoke_issued_keys', { credential_manager_acs_system_id: MANAGER, token_id: '0102030405060708' }); // prettier-ignore
    expect(show(here, twin)).toBe('key_revoked');
  });
});

describe('an issuer that lies', () => {
  it('about the time of its issue takes nothing out of the reach of a revocation', async () => {
    const here = await withKey();
    const startsAtMs = today(here) + 24 * HOUR_MS;
    const claims = new Map([[6, startsAtMs / 1_000]]);
    const future = here.signed({ startsAtMs, endsAtMs: startsAtMs + HOUR_MS, claims });
    expect((await hand(here, future)).error?.message).toMatch(/issued in the future/);
    const unsaid = here.signed({ startsAtMs, endsAtMs: startsAtMs + HOUR_MS });
    expect((await hand(here, unsaid)).ok).toBe(true);
  });

  it('about the person has nothing signed for the mobile key of somebody else', async () => {
    const here = await withKey();
    await here.caller.call('users/create', { acs_user_id: OTHER, full_name: 'John' });
    const signed = (who: string, tokenId: string): Buffer => here.signed({ tokenId, claims: new Map([[-70_002, uuidBytes(who)]]) }); // prettier-ignore
    for (const who of [OTHER, STORE_ROOM]) {
      expect(show(here, signed(who, '01'))).toBe('token_refused');
      expect((await hand(here, signed(who, '01'))).error?.message).toMatch(/is not theirs/);
    }
    expect(show(here, signed(USER, '02'))).toBe('granted');
  });

  it('by giving one number twice is told from the phone that shows the same again', async () => {
    const here = await withKey();
    expect(show(here, here.signed())).toBe('granted');
    const now = today(here) / 1_000;
    for (const [claim, value] of [
      [6, now - 60],
      [-70_001, [uuidBytes(LOBBY), uuidBytes(STORE_ROOM)]],
      [8, coseKeyOf(newPoint())],
    ] as const)
      // prettier-ignore
      expect((await hand(here, withClaim(here, claim, value))).error?.message).toMatch(/given its number|another/);
  });

  it('makes nobody, and no credential that is something else', async () => {
    const here = await door({ unknownCredentials: 'take' });
    const card = '66666666-6666-6666-6666-000000000009';
    await here.caller.call('credentials/create', { acs_credential_id: card, acs_user_id: USER, access_method: 'card', card_number: 'uid:01020304' }); // prettier-ignore
    expect(show(here, here.signed({ credentialId: card }))).toBe('token_refused');
    expect(show(here, here.signed({ claims: new Map([[-70_002, uuidBytes(OTHER)]]) }))).toBe('unknown_credential');
    expect(here.store.credentials.byId(KEY)).toBeUndefined();
    const foreign = issue(p256(), { point: here.point, credentialId: KEY, startsAtMs: today(here), endsAtMs: today(here) + HOUR_MS }); // prettier-ignore
    expect(show(here, foreign)).toBe('signature_invalid');
  });

  it('fills no disk with mobile keys: what it had made goes a day after its end, and may be made again', async () => {
    const here = await door({ unknownCredentials: 'take' });
    const made = (n: number): string => `66666666-6666-6666-6666-${String(n).padStart(12, '0')}`;
    const forJane = new Map<number, unknown>([[-70_002, uuidBytes(USER)]]);
    const sign = (n: number, tokenId: string): Buffer => {
      const startsAtMs = today(here);
      return here.signed({ credentialId: made(n), tokenId, claims: forJane, startsAtMs, endsAtMs: startsAtMs + HOUR_MS, point: newPoint() }); // prettier-ignore
    };
    const isHere = (n: number): boolean => here.store.credentials.byId(made(n)) !== undefined;
    for (const n of [1, 2, 3]) expect((await hand(here, sign(n, `0${n}`))).ok).toBe(true);
    await here.caller.call('credentials/create', { acs_credential_id: made(3), acs_user_id: USER, access_method: 'mobile_key', is_multi_phone_sync_credential: true, allowed_acs_entrance_ids: [LOBBY] }); // prettier-ignore
    await here.clock.advance(20 * HOUR_MS);
    expect((await hand(here, sign(4, '04'))).ok).toBe(true);
    expect([1, 2, 3, 4].map(isHere)).toEqual([true, true, true, true]);
    await here.clock.advance(6 * HOUR_MS);
    expect((await hand(here, sign(2, '05'))).ok).toBe(true);
    // The second is named again at this very moment, and the third is a command's own by now.
    expect([1, 2, 3, 4].map(isHere)).toEqual([false, true, true, true]);
    expect(here.events()).toContain('acs_credential.deleted');
    expect((await hand(here, sign(1, '06'))).ok).toBe(true);
    expect(isHere(1)).toBe(true);
  });

  it('has so many keys here at a time, and is told when there are no more', async () => {
    const here = await withKey();
    const count = vi.spyOn(here.store.issuedKeys, 'countOf').mockReturnValue(MOST_KEYS);
    expect((await hand(here, here.signed())).error?.message).toMatch(/100000 keys that Tower has signed are here/);
    count.mockRestore();
    expect(show(here, here.signed())).toBe('granted');
  });
});

const coseKeyOf = (point: Buffer): Map<number, unknown> => coseKey(point.subarray(1, 33), point.subarray(33));

describe('the clock', () => {
  it('that goes back, or is trusted no more, brings nothing back that has ended', async () => {
    const here = await withKey();
    const token = here.signed();
    expect(show(here, token)).toBe('granted');
    await here.clock.advance(3 * HOUR_MS);
    expect([show(here), show(here, token)]).toEqual(['expired', 'expired']);
    here.room.isTrusted = false;
    here.time.witness = { trusted: false, nowMs: here.clock.nowMs() - 2 * HOUR_MS, floorMs: here.clock.nowMs() };
    expect([show(here), show(here, token)]).toEqual(['expired', 'clock_untrusted']);
    expect(here.pulses).toHaveLength(1);
  });

  it('and a restart leave what was taken back where it is', async () => {
    const here = await withKey();
    const token = here.signed();
    expect(show(here, token)).toBe('granted');
    await here.caller.call('credentials/revoke_issued_keys', { credential_manager_acs_system_id: MANAGER, public_key: here.point.toString('hex') }); // prettier-ignore
    here.restart();
    expect(show(here, token)).toBe('key_revoked');
    expect(show(here)).toBe('unknown_credential');
  });
});
