// Keys that a credential manager has signed, at the door and by command.

import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { SignedKeys } from '../../src/agent/signed-keys.ts';
import { MANAGER, manager, p256, uuidBytes } from '../support/issuer.ts';
import { LOBBY, STORE_ROOM, SYSTEM, USER } from '../support/room.ts';
import { door, hand, HOUR_MS, issuer, KEY, newPoint, show, withKey } from './signed-phone.ts';

describe('a phone that hands over what an issuer has signed for it', () => {
  it('is let in, then and without it afterwards, and the events say by whom and by which phone', async () => {
    const here = await withKey();
    expect(show(here)).toBe('unknown_credential');
    expect(show(here, here.signed())).toBe('granted');
    expect(here.told()).toMatchObject({ acs_credential_id: KEY, access_method: 'mobile_key', acs_user_id: USER });
    expect(here.events()).toContain('acs_credential.key_issued');
    expect(show(here)).toBe('granted');
    expect(here.pulses.length).toBe(2);
    const [phone] = (await here.caller.call('credentials/list_phones', { acs_credential_id: KEY })).result?.[
      'phones'
    ] as Record<string, unknown>[];
    expect(phone).toMatchObject({
      parent_acs_credential_id: KEY,
      credential_manager_acs_system_id: MANAGER,
      token_id: '0102030405060708',
      allowed_acs_entrance_ids: [LOBBY],
    });
    expect(here.told()['phone_acs_credential_id']).toBe(phone?.['acs_credential_id']);
  });

  it('is denied by what is wrong with it, and nothing of it stays', async () => {
    const here = await withKey();
    const cases: readonly (readonly [Buffer, string])[] = [
      [here.signed({}, p256()), 'signature_invalid'],
      [here.signed({ keyId: 'aa' }), 'issuer_unknown'],
      [here.signed({ audience: STORE_ROOM }), 'token_refused'],
      [
        here.signed({
          endsAtMs: Math.floor(here.clock.nowMs() / 1_000) * 1_000 - 1_000,
        }),
        'expired',
      ],
      [here.signed({ credentialId: LOBBY }), 'unknown_credential'],
      [Buffer.from('00', 'hex'), 'token_refused'],
      // Signed for somebody else's phone.
      [here.signed({ point: newPoint() }), 'token_refused'],
    ];
    for (const [token, detail] of cases) expect(show(here, token)).toBe(detail);
    here.room.isTrusted = false;
    expect(show(here, here.signed())).toBe('clock_untrusted');
    here.room.isTrusted = true;
    expect(here.pulses.length).toBe(0);
    expect(show(here)).toBe('unknown_credential');
    expect(show(here, here.signed())).toBe('granted');
  });

  it('opens where and when both it and its mobile key are good, and ends with either', async () => {
    const here = await withKey();
    expect(show(here, here.signed({ entranceIds: [STORE_ROOM], tokenId: '01' }))).toBe('entrance_not_allowed');
    expect(show(here, here.signed({ tokenId: '02' }))).toBe('granted');
    await here.caller.call('users/suspend', { acs_user_id: USER });
    expect(show(here)).toBe('user_suspended');
    await here.caller.call('users/unsuspend', { acs_user_id: USER });
    await here.caller.call('credentials/update', { acs_credential_id: KEY, allowed_acs_entrance_ids: [] });
    expect(show(here)).toBe('entrance_not_allowed');
    await here.caller.call('credentials/update', { acs_credential_id: KEY, allowed_acs_entrance_ids: [LOBBY] });
    expect(show(here)).toBe('granted');
    await here.clock.advance(2 * HOUR_MS);
    expect(show(here)).toBe('expired');
    await here.caller.call('credentials/delete', { acs_credential_id: KEY });
    expect(show(here)).toBe('unknown_credential');
    expect(
      show(here, here.signed({ tokenId: '03', endsAtMs: here.clock.nowMs() + HOUR_MS - (here.clock.nowMs() % 1_000) })),
    ).toBe('key_revoked');
  });

  it('whose row was changed behind our back opens nothing', async () => {
    const here = await withKey();
    expect(show(here, here.signed())).toBe('granted');
    const db = new Database(here.store.path);
    db.prepare('UPDATE issued_keys SET ends_at = ends_at + 86400000').run();
    db.close();
    expect(show(here)).toBe('record_tampered');
  });
});

describe('one for a mobile key that no command has brought', () => {
  it('makes it where the facility file says so, for a person who is known; a later command takes it over', async () => {
    const here = await door({ unknownCredentials: 'take' });
    const forJane = new Map<number, unknown>([[-70_002, uuidBytes(USER)]]);
    expect(show(here, here.signed({ tokenId: '01' }))).toBe('unknown_credential');
    expect(show(here, here.signed({ tokenId: '02', claims: new Map([[-70_002, uuidBytes(STORE_ROOM)]]) }))).toBe(
      'unknown_credential',
    );
    expect(here.store.credentials.byId(KEY)).toBeUndefined();
    expect(show(here, here.signed({ tokenId: '03', claims: forJane }))).toBe('granted');
    expect(here.told()).toMatchObject({ acs_user_id: USER, acs_credential_id: KEY });
    // Tomorrow's visit: what was made of the first one follows.
    await here.clock.advance(24 * HOUR_MS);
    const startsAtMs = Math.floor(here.clock.nowMs() / 1_000) * 1_000;
    expect(
      show(here, here.signed({ tokenId: '04', claims: forJane, startsAtMs, endsAtMs: startsAtMs + HOUR_MS })),
    ).toBe('granted');
    const taken = await here.caller.call('credentials/create', {
      acs_credential_id: KEY,
      acs_user_id: USER,
      access_method: 'mobile_key',
      is_multi_phone_sync_credential: true,
      allowed_acs_entrance_ids: [],
    });
    expect(taken.result?.acs_credential).toMatchObject({ ends_at: null, allowed_acs_entrance_ids: [] });
    expect(show(here)).toBe('entrance_not_allowed');
    expect(
      (
        await here.caller.call('credentials/create', {
          acs_credential_id: KEY,
          acs_user_id: USER,
          access_method: 'card',
          card_number: 'uid:01020304',
        })
      ).error?.type,
    ).toBe('acs_credential_exists');
  });
});

describe('an explanation', () => {
  it('says of a phone, by its id, its key or what it would hand over, what the door would do; and nothing of it stays', async () => {
    const here = await withKey();
    const explain = async (asked: Record<string, unknown>): Promise<Record<string, unknown> | undefined> =>
      (await here.caller.call('entrances/explain', { acs_entrance_id: LOBBY, ...asked })).result;
    const byKey = { public_key: here.point.toString('hex') };
    const before = here.events();
    expect(await explain(byKey)).toMatchObject({ outcome: 'denied', reason: 'unknown_credential' });
    expect(await explain({ token: here.signed().toString('hex') })).toMatchObject({
      outcome: 'granted',
      acs_credential_id: KEY,
      acs_user_id: USER,
    });
    const refusals = [
      [here.signed({}, p256()), 'signature_invalid'],
      [here.signed({ credentialId: LOBBY }), 'unknown_credential'],
      [here.signed({ entranceIds: [STORE_ROOM] }), 'entrance_not_allowed'],
    ] as const;
    for (const [token, reason] of refusals)
      expect(await explain({ token: token.toString('hex') })).toMatchObject({ outcome: 'denied', reason });
    expect(here.events()).toEqual(before);
    expect(await explain(byKey)).toMatchObject({ reason: 'unknown_credential' });

    const { result } = await hand(here, here.signed());
    const { acs_credential_id: phone } = result?.['phone'] as { acs_credential_id: string };
    for (const asked of [byKey, { acs_credential_id: phone }])
      expect(await explain(asked)).toMatchObject({ outcome: 'granted', acs_credential_id: KEY });
    await here.caller.call('users/suspend', { acs_user_id: USER });
    expect(await explain({ acs_credential_id: phone })).toMatchObject({ outcome: 'denied', reason: 'user_suspended' });
    const both = await here.caller.call('entrances/explain', { acs_entrance_id: LOBBY, ...byKey, code: '1234' });
    expect(both.error?.message).toMatch(/exactly one of acs_credential_id, card_number, code, public_key, token/);
  });
});

describe('by command', () => {
  it('it is taken ahead of the phone, once however often it comes, and says what is wrong', async () => {
    const here = await withKey();
    const token = here.signed();
    const first = await hand(here, token);
    expect(here.told()).toMatchObject({
      event_type: 'acs_credential.key_issued',
      handed_over: 'by_command',
      source: 'mqtt',
      command_id: expect.stringMatching(/^c-/) as string,
    });
    const again = await hand(here, token);
    expect(again.result).toEqual(first.result);
    expect(here.events().filter((type) => type === 'acs_credential.key_issued').length).toBe(1);
    expect(show(here)).toBe('granted');
    expect((await hand(here, here.signed({ entranceIds: [LOBBY, STORE_ROOM] }))).error?.message).toMatch(
      /given its number/,
    );
    expect((await hand(here, here.signed({}, p256()))).error).toMatchObject({
      type: 'not_permitted',
      message: expect.stringContaining('signature_invalid') as string,
    });
    expect((await here.caller.call('credentials/enroll_issued_key', { token: 'xyz' })).error?.path).toEqual([
      'params',
      'token',
    ]);
  });

  it('a newer one for the same phone takes the place of the older, and not the other way round', async () => {
    const here = await withKey();
    const at = (minutes: number, tokenId: string): Buffer =>
      here.signed({ tokenId, claims: new Map([[6, Math.floor(here.clock.nowMs() / 1_000) - minutes * 60]]) });
    expect((await hand(here, at(30, '01'))).ok).toBe(true);
    expect((await hand(here, at(20, '02'))).ok).toBe(true);
    expect((await hand(here, at(25, '03'))).error?.message).toMatch(/a newer one/);
    const { result } = await here.caller.call('credentials/list_phones', { acs_credential_id: KEY });
    expect(result?.['phones']).toMatchObject([{ token_id: '02' }]);
  });

  it('a mobile key has sixteen phones at most, of both kinds together', async () => {
    const here = await withKey();
    for (let i = 0; i < 15; i++)
      await here.caller.call('credentials/enroll_phone', {
        acs_credential_id: KEY,
        public_key: newPoint().toString('hex'),
      });
    expect((await hand(here, here.signed({ tokenId: '01' }))).ok).toBe(true);
    expect((await hand(here, here.signed({ tokenId: '02', point: newPoint() }))).error?.message).toMatch(/16 phones/);
    const more = await here.caller.call('credentials/enroll_phone', {
      acs_credential_id: KEY,
      public_key: newPoint().toString('hex'),
    });
    expect(more.error?.message).toMatch(/16 phones/);
  });

  it('a mobile key may say whose keys count, of those that the facility file accepts', async () => {
    const here = await withKey({}, { credential_manager_acs_system_id: MANAGER });
    expect(show(here, here.signed())).toBe('granted');
    const foreign = await here.caller.call('credentials/create', {
      acs_user_id: USER,
      access_method: 'mobile_key',
      is_multi_phone_sync_credential: true,
      allowed_acs_entrance_ids: [LOBBY],
      credential_manager_acs_system_id: SYSTEM,
    });
    expect(foreign.error).toMatchObject({
      type: 'acs_system_not_found',
      path: ['params', 'credential_manager_acs_system_id'],
      message: expect.stringContaining(`there are ${MANAGER} (tower)`) as string,
    });
  });
});

describe('whoever', () => {
  it('is in the facility file no more has signed nothing that is good', async () => {
    const here = await withKey();
    expect(show(here, here.signed())).toBe('granted');
    new SignedKeys({ ...here.room, credentialManagers: [] }).forgetOthers();
    expect(show(here)).toBe('unknown_credential');
  });

  it.each([
    ['for other entrances', { entranceIds: [STORE_ROOM] }],
    ['for so long', { maxLifetimeMs: HOUR_MS }],
  ])('may not sign %s any more by the facility file has signed nothing that is good', async (_what, narrowed) => {
    const here = await withKey();
    expect(show(here, here.signed())).toBe('granted');
    new SignedKeys(here.room).forgetOthers();
    expect(show(here)).toBe('granted');
    new SignedKeys({ ...here.room, credentialManagers: [manager(issuer, narrowed)] }).forgetOthers();
    expect(show(here)).toBe('unknown_credential');
  });

  it('shows a key that opens other doors is asked for a newer one, which takes its place', async () => {
    const here = await withKey();
    const keys = new SignedKeys(here.room);
    expect(show(here, here.signed({ tokenId: '01', entranceIds: [STORE_ROOM] }))).toBe('entrance_not_allowed');
    expect(keys.wants(here.point, 'lobby-reader')).toBe(true);
    expect(keys.wants(here.point, 'nobody’s-reader')).toBe(false);
    expect(show(here, here.signed({ tokenId: '02', entranceIds: [LOBBY, STORE_ROOM] }))).toBe('granted');
    expect(keys.wants(here.point, 'lobby-reader')).toBe(false);
    const { result } = await here.caller.call('credentials/list_phones', { acs_credential_id: KEY });
    expect(result?.['phones']).toMatchObject([{ token_id: '02' }]);
  });

  it('shows a key that is good already is asked for nothing', async () => {
    const here = await withKey();
    const keys = new SignedKeys(here.room);
    expect(keys.wants(here.point, 'lobby-reader')).toBe(true);
    await hand(here, here.signed());
    expect(keys.wants(here.point, 'lobby-reader')).toBe(false);
    await here.clock.advance(3 * HOUR_MS);
    expect(keys.wants(here.point, 'lobby-reader')).toBe(true);
    expect(new SignedKeys({ ...here.room, credentialManagers: [] }).wants(newPoint(), 'lobby-reader')).toBe(false);
  });
});
