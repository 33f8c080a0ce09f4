// What a credential manager has signed and takes back.

import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { MOST_REVOCATIONS } from '../../src/store/issued-keys.ts';
import { MANAGER } from '../support/issuer.ts';
import { LOBBY } from '../support/room.ts';
import { hand, HOUR_MS, newPoint, show, today, withKey, type Here } from './signed-phone.ts';

describe('of keys that were signed', () => {
  it('what is taken back opens nothing from that moment on, nor when it is handed over again', async () => {
    const revoke = (here: Here, params: Record<string, unknown>) =>
      here.caller.call('credentials/revoke_issued_keys', { credential_manager_acs_system_id: MANAGER, ...params });
    const here = await withKey();
    const other = newPoint();
    const token = here.signed({ tokenId: '0a' });
    const others = here.signed({ tokenId: '0b', point: other });
    expect([show(here, token), show(here, others, other)]).toEqual(['granted', 'granted']);
    expect((await revoke(here, { token_id: '0A' })).result).toEqual({ revoked: 1 });
    expect(here.told()).toMatchObject({
      event_type: 'acs_credential.issued_keys_revoked',
      token_id: '0a',
      keys: 1,
      source: 'mqtt',
    });
    expect([show(here), show(here, token), show(here, undefined, other)]).toEqual([
      'unknown_credential',
      'key_revoked',
      'granted',
    ]);
    expect((await revoke(here, { public_key: other.toString('hex') })).result).toEqual({ revoked: 1 });
    expect(show(here, here.signed({ tokenId: '0c', point: other }), other)).toBe('key_revoked');

    expect(show(here, here.signed({ tokenId: '0d' }))).toBe('granted');
    expect((await revoke(here, { issued_before: new Date(here.clock.nowMs()).toISOString() })).result).toEqual({
      revoked: 1,
    });
    expect(show(here, here.signed({ tokenId: '0e' }))).toBe('key_revoked');
    const later = new Map([[6, Math.floor(here.clock.nowMs() / 1_000) + 1]]);
    expect(show(here, here.signed({ tokenId: '0f', claims: later }))).toBe('granted');

    expect((await revoke(here, {})).error?.message).toMatch(/exactly one/);
    const unknown = await revoke(here, { token_id: '01', credential_manager_acs_system_id: LOBBY });
    expect(unknown.error).toMatchObject({
      type: 'acs_system_not_found',
      message: expect.stringContaining('tower') as string,
    });
  });

  it('what was taken back is remembered until it can be good no more, and there is a limit', async () => {
    const here = await withKey();
    const revoke = (params: Record<string, unknown>) =>
      here.caller.call('credentials/revoke_issued_keys', { credential_manager_acs_system_id: MANAGER, ...params });
    const kept = (): number => {
      const db = new Database(here.store.path, { readonly: true });
      const count = db.prepare("SELECT count(*) FROM tombstones WHERE kind LIKE 'token%'").pluck().get() as number;
      db.close();
      return count;
    };
    // Here, with an end; not here, with and without one; the same again with an end that is nearer; before an instant, twice.
    await hand(here, here.signed({ tokenId: '0a' }));
    await revoke({ token_id: '0a' });
    await revoke({ token_id: '0b', ends_at: new Date(here.clock.nowMs() + HOUR_MS).toISOString() });
    await revoke({ token_id: '0c' });
    await revoke({ token_id: '0c', ends_at: new Date(here.clock.nowMs() + HOUR_MS).toISOString() });
    await revoke({ public_key: newPoint().toString('hex') });
    for (const earlierMs of [0, 1_000])
      await revoke({ issued_before: new Date(here.clock.nowMs() - 9 * HOUR_MS - earlierMs).toISOString() });
    expect(kept()).toBe(5);
    await here.clock.advance(24 * HOUR_MS);
    await revoke({ token_id: '0d' });
    expect(kept()).toBe(6);
    await here.clock.advance(3 * HOUR_MS);
    // While nobody trusts the clock nothing is forgotten, and what is taken back is kept until somebody does.
    here.room.isTrusted = false;
    await revoke({ token_id: '0e' });
    expect(kept()).toBe(7);
    here.room.isTrusted = true;
    await revoke({ token_id: '0f' });
    expect(kept()).toBe(6);
    expect(show(here, here.signed({ tokenId: '0c', startsAtMs: today(here), endsAtMs: today(here) + HOUR_MS }))).toBe(
      'key_revoked',
    );

    here.store.now(() => {
      for (let i = 0; i < MOST_REVOCATIONS; i++)
        here.store.issuedKeys.revoke(
          MANAGER,
          { tokenId: `ff${i.toString(16).padStart(4, '0')}` },
          { nowMs: here.clock.nowMs(), isTrusted: true, endsAtMs: here.clock.nowMs() + HOUR_MS },
        );
    });
    const full = await revoke({ token_id: 'aa' });
    expect(full.error).toMatchObject({ type: 'invalid_input', message: expect.stringMatching(/10000 revocations of Tower.*makes room at 20.*Remedy: issued_before/) as string }); // prettier-ignore
    expect((await revoke({ token_id: 'ff0000' })).ok).toBe(true);
    expect((await revoke({ issued_before: new Date(here.clock.nowMs()).toISOString() })).ok).toBe(true);
    const issuedAt = new Map([[6, Math.floor(here.clock.nowMs() / 1_000) + 1]]);
    const taken = await hand(here, here.signed({ tokenId: 'bb', startsAtMs: today(here), endsAtMs: today(here) + HOUR_MS, claims: issuedAt })); // prettier-ignore
    const { acs_credential_id: phone } = taken.result?.['phone'] as { acs_credential_id: string };
    expect((await here.caller.call('credentials/remove_phone', { acs_credential_id: phone })).ok).toBe(true);
    await here.clock.advance(26 * HOUR_MS);
    expect((await revoke({ token_id: 'aa' })).ok).toBe(true);
    expect(kept()).toBeLessThan(12);
  });

  it('what shall be signed tomorrow cannot be taken back today', async () => {
    const here = await withKey();
    const { error } = await here.caller.call('credentials/revoke_issued_keys', {
      credential_manager_acs_system_id: MANAGER,
      issued_before: '2999-01-01T00:00:00Z',
    });
    expect(error).toMatchObject({ type: 'invalid_input', path: ['params', 'issued_before'] });
    expect(show(here, here.signed())).toBe('granted');
  });

  it('a phone that is removed is not brought back by what it carries', async () => {
    const here = await withKey();
    const token = here.signed();
    const { result } = await hand(here, token);
    const { acs_credential_id: id } = result?.['phone'] as { acs_credential_id: string };
    expect((await here.caller.call('credentials/remove_phone', { acs_credential_id: id })).ok).toBe(true);
    expect(show(here, token)).toBe('key_revoked');
    expect((await hand(here, token)).error?.type).toBe('acs_credential_deleted');
  });
});
