import Database from 'better-sqlite3';
import { describe, expect, it, vi } from 'vitest';
import { SimulatedCard } from '../../drivers/osdp/pkoc/simulated-card.ts';
import { LOBBY, USER } from '../support/room.ts';
import { world, type Given, type World } from './world.ts';

const KEY = '66666666-6666-6666-6666-666666666666';
const PHONE = '88888888-8888-8888-8888-888888888888';

const newPoint = (): Buffer => new SimulatedCard().point;

async function door(given: Given = {}): Promise<World> {
  const here = world({ ...given, takesPhones: true });
  await here.caller.call('users/create', { acs_user_id: USER, full_name: 'Jane' });
  return here;
}

const mobileKey = (more: Record<string, unknown> = {}): Record<string, unknown> => ({
  acs_credential_id: KEY,
  acs_user_id: USER,
  access_method: 'mobile_key',
  is_multi_phone_sync_credential: true,
  allowed_acs_entrance_ids: [LOBBY],
  ...more,
});

/** A door, a mobile key for it, and a phone that is enrolled. */
async function withPhone(more: Record<string, unknown> = {}, given: Given = {}) {
  const here = await door(given);
  const point = newPoint();
  const created = await here.caller.call('credentials/create', mobileKey(more));
  expect(created.error).toBeUndefined();
  const enrolled = await here.caller.call('credentials/enroll_phone', {
    acs_credential_id: KEY,
    phone_acs_credential_id: PHONE,
    public_key: point.toString('hex'),
    display_name: 'Jane’s phone',
  });
  expect(enrolled.error).toBeUndefined();
  return { ...here, point, show: () => here.present({ kind: 'mobile_key', key: point }) };
}
const denial = (here: World): unknown => (here.told()['reason'] as { detail?: string } | undefined)?.detail;

describe('a phone that has proved its key', () => {
  it('opens what its mobile key opens, and the event names both', async () => {
    const here = await withPhone();
    here.show();
    expect(here.pulses.length).toBe(1);
    expect(here.told()).toMatchObject({
      event_type: 'lock.unlocked',
      access_method: 'mobile_key',
      method: null,
      acs_credential_id: KEY,
      phone_acs_credential_id: PHONE,
      acs_user_id: USER,
    });
  });

  it('that nobody has enrolled opens nothing, and is no guess of a code', async () => {
    const here = await withPhone();
    for (let i = 0; i < 20; i++) here.present({ kind: 'mobile_key', key: newPoint() });
    expect(here.pulses.length).toBe(0);
    expect(here.told()).toMatchObject({ event_type: 'lock.access_denied', access_method: 'mobile_key' });
    expect(denial(here)).toBe('unknown_credential');
    here.show();
    expect(here.pulses.length).toBe(1);
  });

  it('is denied with its mobile key: before its start, after its end, suspended, taken from its user, deleted', async () => {
    const hour = (hours: number): string =>
      new Date(Date.parse('2026-03-02T09:00:00Z') + hours * 3_600_000).toISOString();
    const here = await withPhone({ starts_at: hour(1), ends_at: hour(2) });
    const shows = (): unknown => {
      here.show();
      return here.told()['event_type'] === 'lock.unlocked' ? 'granted' : denial(here);
    };
    expect(shows()).toBe('not_yet_valid');
    await here.clock.advance(90 * 60_000);
    expect(shows()).toBe('granted');
    await here.caller.call('users/suspend', { acs_user_id: USER });
    expect(shows()).toBe('user_suspended');
    await here.caller.call('users/unsuspend', { acs_user_id: USER });
    await here.caller.call('credentials/unassign', { acs_credential_id: KEY });
    expect(shows()).toBe('unassigned');
    await here.caller.call('credentials/assign', { acs_credential_id: KEY, acs_user_id: USER });
    expect(shows()).toBe('granted');
    await here.clock.advance(40 * 60_000);
    expect(shows()).toBe('expired');
    await here.caller.call('credentials/update', { acs_credential_id: KEY, ends_at: null });
    expect(shows()).toBe('granted');
    await here.caller.call('credentials/delete', { acs_credential_id: KEY });
    expect(shows()).toBe('unknown_credential');
    expect(here.store.phones.byId(PHONE)).toBeUndefined();
  });

  it('is removed alone: the others go on, and its id comes never back', async () => {
    const here = await withPhone();
    const other = newPoint();
    await here.caller.call('credentials/enroll_phone', { acs_credential_id: KEY, public_key: other.toString('hex') });
    expect((await here.caller.call('credentials/remove_phone', { acs_credential_id: PHONE })).ok).toBe(true);
    expect((await here.caller.call('credentials/remove_phone', { acs_credential_id: PHONE })).ok).toBe(true);
    here.show();
    expect(denial(here)).toBe('unknown_credential');
    here.present({ kind: 'mobile_key', key: other });
    expect(here.pulses.length).toBe(1);
    const again = await here.caller.call('credentials/enroll_phone', {
      acs_credential_id: KEY,
      phone_acs_credential_id: PHONE,
      public_key: here.point.toString('hex'),
    });
    expect(again.error?.type).toBe('acs_credential_deleted');
  });

  it('that is removed while the disk is full opens nothing from that moment on, and other phones do', async () => {
    const here = await withPhone();
    const other = newPoint();
    await here.caller.call('credentials/enroll_phone', { acs_credential_id: KEY, public_key: other.toString('hex') });
    const full = vi.spyOn(here.store, 'group').mockImplementation((_change, hooks) => {
      hooks?.rolledBack?.(Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' }));
      return undefined;
    });
    void here.caller.call('credentials/remove_phone', { acs_credential_id: PHONE });
    full.mockRestore();
    expect(here.store.phones.byId(PHONE)).toBeDefined();
    here.present({ kind: 'mobile_key', key: other });
    expect(here.pulses).toHaveLength(1);
    here.show();
    expect(here.pulses).toHaveLength(1);
  });

  it('counts as a card: where a code is asked for as well it is asked for next, and where only codes count it is refused', async () => {
    const both = await withPhone({}, { factors: 'card_and_code' });
    both.show();
    expect(both.shown).toEqual(['prompt_pin']);
    await both.caller.call('credentials/create', {
      acs_user_id: USER,
      access_method: 'code',
      code: '824759',
      allowed_acs_entrance_ids: [LOBBY],
    });
    both.present({ kind: 'digits', digits: '824759' });
    expect(both.pulses.length).toBe(1);
    const codes = await withPhone({}, { factors: 'code' });
    codes.show();
    expect(denial(codes)).toBe('factor_not_accepted');
  });

  it('whose row was changed behind our back opens nothing', async () => {
    const here = await withPhone();
    const strange = newPoint();
    const db = new Database(here.store.path);
    db.prepare('UPDATE phones SET key_hash = ?').run(here.store.secrets.keyHash(strange));
    db.close();
    here.present({ kind: 'mobile_key', key: strange });
    expect(here.pulses.length).toBe(0);
    expect(denial(here)).toBe('record_tampered');
  });
});

it('a phone that did not prove its key is told as that, and moves nothing', async () => {
  const here = await withPhone();
  for (const failure of ['signature_invalid', 'transaction_expired'] as const) {
    here.present({ kind: 'unproved', failure });
    expect(denial(here)).toBe(failure);
    expect(here.told()).toMatchObject({ access_method: 'mobile_key', acs_credential_id: null });
  }
  expect(here.pulses.length).toBe(0);
});

describe('the phones of a mobile key', () => {
  it('are listed in order, enrolled once however often it is sent, and no more than 16', async () => {
    const here = await withPhone();
    const points = Array.from({ length: 15 }, newPoint);
    for (const point of points)
      await here.caller.call('credentials/enroll_phone', { acs_credential_id: KEY, public_key: point.toString('hex') });
    const again = await here.caller.call('credentials/enroll_phone', {
      acs_credential_id: KEY,
      public_key: here.point.toString('hex').toUpperCase(),
    });
    expect(again.result?.['phone']).toMatchObject({ acs_credential_id: PHONE, parent_acs_credential_id: KEY });
    const more = await here.caller.call('credentials/enroll_phone', {
      acs_credential_id: KEY,
      public_key: newPoint().toString('hex'),
    });
    expect(more.error?.message).toContain('16 phones already');
    const listed = await here.caller.call('credentials/list_phones', { acs_credential_id: KEY });
    expect((listed.result?.['phones'] as { public_key: string }[]).map(({ public_key: key }) => key)).toEqual(
      [here.point, ...points].map((point) => point.toString('hex')),
    );
  });

  it('change the digest of the facility, and leave it as it was when they are gone', async () => {
    const here = await door();
    await here.caller.call('credentials/create', mobileKey());
    const digest = () => here.store.digest.read().digest;
    const before = digest();
    await here.caller.call('credentials/enroll_phone', {
      acs_credential_id: KEY,
      phone_acs_credential_id: PHONE,
      public_key: newPoint().toString('hex'),
    });
    expect(digest()).not.toBe(before);
    await here.caller.call('credentials/remove_phone', { acs_credential_id: PHONE });
    expect(digest()).toBe(before);
  });

  it.each([
    ['a key that is none', { public_key: '04aa' }, /^invalid_input: params.public_key: a public key of P-256/],
    [
      'a point off the curve',
      { public_key: `04${'11'.repeat(64)}` },
      /^invalid_input: params.public_key: no point of the curve P-256/,
    ],
    ['a point at nought', { public_key: `04${'00'.repeat(64)}` }, /no point of the curve P-256/],
    ['a coordinate beyond the field', { public_key: `04${'ff'.repeat(64)}` }, /no point of the curve P-256/],
    ['the point at infinity', { public_key: '00' }, /a public key of P-256: 130 hexadecimal digits/],
    ['a compressed key', { public_key: `02${'11'.repeat(32)}` }, /a public key of P-256: 130 hexadecimal digits/],
    ['a key in another form', { public_key: `06${'11'.repeat(64)}` }, /no point of the curve P-256/],
    ['a key that is no text', { public_key: [4] }, /a public key of P-256/],
    ['a mobile key that there is not', { acs_credential_id: PHONE }, /^acs_credential_not_found/],
  ])('are not enrolled with %s', async (_what, params, says) => {
    const here = await door();
    await here.caller.call('credentials/create', mobileKey());
    const good = { acs_credential_id: KEY, public_key: newPoint().toString('hex') };
    const { error } = await here.caller.call('credentials/enroll_phone', { ...good, ...params });
    expect(`${error?.type ?? ''}: ${error?.message ?? ''}`).toMatch(says);
  });

  it('have ids of their own, which no credential may have', async () => {
    const here = await withPhone();
    const { error } = await here.caller.call('credentials/create', mobileKey({ acs_credential_id: PHONE }));
    expect(error?.type).toBe('acs_credential_exists');
  });

  it('are none of a card', async () => {
    const here = await door();
    await here.caller.call('credentials/create', {
      acs_credential_id: KEY,
      acs_user_id: USER,
      access_method: 'card',
      card_number: 'H10301:1:1',
      allowed_acs_entrance_ids: [LOBBY],
    });
    const { error } = await here.caller.call('credentials/enroll_phone', {
      acs_credential_id: KEY,
      public_key: newPoint().toString('hex'),
    });
    expect(error?.message).toContain('phones are those of a mobile_key');
  });
});

it('a mobile key is explained by its id, and has no card and no code', async () => {
  const here = await withPhone();
  const credential = (await here.caller.call('credentials/get', { acs_credential_id: KEY })).result?.acs_credential;
  expect(credential).toMatchObject({ access_method: 'mobile_key', has_code: false, card_number: null, warnings: [] });
  expect(credential?.['is_issued']).toBe(true);
  const wrong = await here.caller.call('credentials/update', { acs_credential_id: KEY, code: '824759' });
  expect(wrong.error?.message).toContain('a mobile key has none');
});
