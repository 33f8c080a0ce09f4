// Access grants: a stay is one message, and so is its end. Commands go in, codes are typed, doors answer.

import { describe, expect, it } from 'vitest';
import { verify } from '../../src/store/verification.ts';
import { entranceId, keypads, type Keypads } from '../support/keypads.ts';
import { USER, type ParsedReply } from '../support/room.ts';

const [ROOM, NEXT, LOBBY] = [entranceId('room'), entranceId('next'), entranceId('lobby')];
const CARD = 'H10301:123:1';
const GRANT = 'bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb';
const SPACE = 'dddddddd-dddd-dddd-dddd-dddddddddddd';
const METHOD = 'cccccccc-cccc-cccc-cccc-cccccccccccc';
const HOUR_MS = 3_600_000;

type Stay = { id: string; userId: string; code: string; endsAt: string | null };
type Hotel = Keypads & {
  call: (command: string, params?: Record<string, unknown>, envelope?: Record<string, unknown>) => Promise<ParsedReply>;
  done: (command: string, params?: Record<string, unknown>) => Promise<Record<string, unknown>>;
  /** One message: a new guest with a code for a room and the lobby, from and until so many hours from now. */
  checkIn: (reservation: string, from: number, until: number, more?: Record<string, unknown>) => Promise<Stay>;
  opens: (stay: Stay, door?: string) => boolean;
  in: (hours: number) => string;
};

async function hotel(): Promise<Hotel> {
  const pads = await keypads([
    { name: 'room', readers: ['room-in'], isGuestRoom: true },
    { name: 'next', readers: ['next-in'], isGuestRoom: true },
    { name: 'lobby', readers: ['lobby-in'] },
  ]);
  const call: Hotel['call'] = (command, params = {}, envelope = {}) => pads.caller().call(command, params, envelope);
  const done: Hotel['done'] = async (command, params) => {
    const reply = await call(command, params);
    expect(reply.error).toBeUndefined();
    return reply.result ?? {};
  };
  const startMs = pads.clock().nowMs();
  const at = (hours: number): string => new Date(startMs + hours * HOUR_MS).toISOString();
  await done('spaces/create', { space_id: SPACE, name: 'Common', acs_entrance_ids: [LOBBY] });
  const checkIn: Hotel['checkIn'] = async (reservation, from, until, more = {}) => {
    const result = await done('access_grants/create', {
      user: { full_name: `Guest of ${reservation}` },
      acs_entrance_ids: [ROOM],
      space_ids: [SPACE],
      starts_at: at(from),
      ends_at: at(until),
      requested_access_methods: [{ mode: 'code' }],
      reservation_key: reservation,
      ...more,
    });
    const grant = result['access_grant'] as Record<string, string>;
    const [method] = result['access_methods'] as { code: string }[];
    return {
      id: grant['access_grant_id'] ?? '',
      userId: grant['acs_user_id'] ?? '',
      code: method?.code ?? '',
      endsAt: grant['ends_at'] ?? null,
    };
  };
  return {
    ...pads,
    call,
    done,
    checkIn,
    opens: ({ code }, door = 'room') => pads.type(`${door}-in`, code) === 'granted',
    in: at,
  };
}

const grantOf = async (here: Hotel, { id }: Pick<Stay, 'id'>): Promise<Record<string, unknown>> =>
  (await here.done('access_grants/get', { access_grant_id: id }))['access_grant'] as Record<string, unknown>;

function isDigestRight(here: Hotel): boolean {
  const { path, past, secrets } = here.store();
  here.store().flush();
  return verify({ path, key: secrets.rowKey(past.storeId) }).digest === null;
}

describe('an access grant', () => {
  it('is a guest, a room, the common doors and a code in one message, for as long as it says', async () => {
    const here = await hotel();
    const stay = await here.checkIn('R-1', 1, 3);
    expect(stay.code).toMatch(/^[0-9]{6}$/);
    expect([here.opens(stay), here.details.at(-1)]).toEqual([false, 'not_yet_valid']);
    await here.clock().advance(HOUR_MS);
    expect([here.opens(stay), here.opens(stay, 'lobby'), here.opens(stay, 'next')]).toEqual([true, true, false]);
    here.restart('killed');
    expect(here.opens(stay)).toBe(true);
    await here.clock().advance(2 * HOUR_MS);
    expect([here.opens(stay), here.details.at(-1)]).toEqual([false, 'expired']);
    expect(isDigestRight(here)).toBe(true);
  });

  it('is all or nothing', async () => {
    const here = await hotel();
    const before = here.store().events.lastSequence();
    const { error } = await here.call('access_grants/create', {
      user: { full_name: 'Nobody' },
      acs_entrance_ids: [ROOM],
      requested_access_methods: [{ mode: 'code' }, { mode: 'card', card_number: 'nonsense' }],
    });
    expect(error).toMatchObject({
      type: 'invalid_input',
      path: ['params', 'requested_access_methods', 1, 'card_number'],
    });
    expect(here.store().events.lastSequence()).toBe(before);
    expect((await here.done('users/list', { search: 'Nobody' }))['acs_users']).toEqual([]);
    expect((await here.done('access_grants/list'))['access_grants']).toEqual([]);
    expect(isDigestRight(here)).toBe(true);
  });

  it('that is sent again is the same one, and its code is shown again for a while only', async () => {
    const here = await hotel();
    const params = {
      access_grant_id: GRANT,
      access_grant_key: 'PMS-1',
      acs_user_id: USER,
      acs_entrance_ids: [ROOM],
      requested_access_methods: [{ mode: 'code' }],
    };
    const codeOf = (reply: ParsedReply): unknown => (reply.result?.['access_methods'] as { code: unknown }[])[0]?.code;
    const first = await here.call('access_grants/create', params, { command_id: 'once' });
    expect(codeOf(first)).toMatch(/^[0-9]+$/);
    expect(codeOf(await here.call('access_grants/create', params, { command_id: 'once' }))).toBe(codeOf(first));
    const again = await here.call('access_grants/create', params, { command_id: 'anew' });
    expect([again.error, codeOf(again)]).toEqual([undefined, null]);
    await here.clock().advance(11 * 60_000);
    expect(codeOf(await here.call('access_grants/create', params, { command_id: 'once' }))).toBeNull();
    expect((await here.done('access_methods/list', { access_grant_id: GRANT }))['access_methods']).toHaveLength(1);
    const other = await here.call('access_grants/create', { ...params, reservation_key: 'R-9' });
    expect(other.error?.type).toBe('access_grant_exists');
    expect(JSON.stringify(here.store().events.after(0, 1000))).not.toContain(String(codeOf(first)));
  });

  it('is changed as a whole, and taken back as a whole', async () => {
    const here = await hotel();
    const stay = await here.checkIn('R-1', 0, 2);
    await here.done('access_grants/update', {
      access_grant_id: stay.id,
      ends_at: here.in(5),
      acs_entrance_ids: [NEXT],
      space_ids: [],
    });
    expect([here.opens(stay), here.opens(stay, 'lobby'), here.opens(stay, 'next')]).toEqual([false, false, true]);
    await here.clock().advance(4 * HOUR_MS);
    expect(here.opens(stay, 'next')).toBe(true);
    expect(isDigestRight(here)).toBe(true);
    await here.done('access_grants/delete', { access_grant_id: stay.id });
    await here.done('access_grants/delete', { access_grant_id: stay.id });
    expect([here.opens(stay, 'next'), here.details.at(-1)]).toEqual([false, 'unknown_credential']);
    const anew = await here.call('access_grants/create', {
      access_grant_id: stay.id,
      acs_user_id: stay.userId,
      acs_entrance_ids: [ROOM],
    });
    expect(anew.error?.type).toBe('access_grant_exists');
    expect(isDigestRight(here)).toBe(true);
  });

  it('opens its doors to a card that its person has already, and the explanation names it', async () => {
    const here = await hotel();
    await here.done('credentials/create', {
      acs_credential_id: METHOD,
      acs_user_id: USER,
      access_method: 'card',
      card_number: CARD,
    });
    await here.done('access_grants/create', {
      access_grant_id: GRANT,
      acs_user_id: USER,
      acs_entrance_ids: [ROOM],
      ends_at: here.in(1),
    });
    expect(here.card('room-in', CARD)).toBe('granted');
    const said = await here.done('entrances/explain', { acs_entrance_id: ROOM, acs_credential_id: METHOD });
    expect(JSON.stringify(said['steps'])).toContain(`access grant ${GRANT} of its user opens it`);
    await here.clock().advance(HOUR_MS);
    expect(here.card('room-in', CARD)).toBe('denied');
  });

  it('waits for its card, which is assigned at the desk and may be exchanged', async () => {
    const here = await hotel();
    await here.done('access_grants/create', {
      access_grant_id: GRANT,
      acs_user_id: USER,
      acs_entrance_ids: [ROOM],
      requested_access_methods: [{ mode: 'card', access_method_id: METHOD }],
    });
    const method = await here.done('access_methods/get', { access_method_id: METHOD });
    expect(method['access_method']).toMatchObject({
      is_ready_for_assignment: true,
      is_issued: false,
      acs_credential_id: null,
    });
    const assigned = await here.done('access_methods/assign_card', { access_method_id: METHOD, card_number: CARD });
    expect(assigned['access_method']).toMatchObject({
      is_ready_for_assignment: false,
      is_issued: true,
      acs_credential_id: METHOD,
    });
    expect(here.card('room-in', CARD)).toBe('granted');
    await here.done('access_methods/assign_card', { access_method_id: METHOD, card_number: 'H10301:123:2' });
    expect([here.card('room-in', CARD), here.card('room-in', 'H10301:123:2')]).toEqual(['denied', 'granted']);
    // Its window and its doors are the grant’s.
    const alone = await here.call('credentials/update', {
      acs_credential_id: METHOD,
      allowed_acs_entrance_ids: [LOBBY],
    });
    expect(alone.error).toMatchObject({ type: 'invalid_input', path: ['params', 'allowed_acs_entrance_ids'] });
    await here.done('credentials/delete', { acs_credential_id: METHOD });
    expect(here.card('room-in', 'H10301:123:2')).toBe('denied');
    expect((await here.call('access_methods/get', { access_method_id: METHOD })).error?.type).toBe(
      'access_method_not_found',
    );
  });

  it('goes with its person', async () => {
    const here = await hotel();
    const [gone, revoked] = [
      await here.checkIn('R-1', 0, 9),
      await here.checkIn('R-2', 0, 9, { acs_entrance_ids: [NEXT] }),
    ];
    await here.done('users/delete', { acs_user_id: gone.userId });
    await here.done('users/revoke_access_to_all_entrances', { acs_user_id: revoked.userId });
    expect([here.opens(gone), here.opens(gone, 'lobby'), here.opens(revoked, 'next')]).toEqual([false, false, false]);
    expect((await here.done('access_grants/list'))['access_grants']).toEqual([]);
    expect(isDigestRight(here)).toBe(true);
  });
});

describe('a guest room', () => {
  it('goes from one reservation to the next at the instant at which that begins, and common doors stay', async () => {
    const here = await hotel();
    const [first, neighbour] = [
      await here.checkIn('R-1', 0, 10),
      await here.checkIn('R-3', 0, 10, { acs_entrance_ids: [NEXT] }),
    ];
    const second = await here.checkIn('R-2', 2, 20);
    expect(await grantOf(here, first)).toMatchObject({ ends_at: here.in(2), ended_by_access_grant_id: second.id });
    expect([here.opens(first), here.opens(second)]).toEqual([true, false]);
    await here.clock().advance(2 * HOUR_MS - 1);
    expect([here.opens(first), here.opens(second)]).toEqual([true, false]);
    await here.clock().advance(1);
    expect([here.opens(first), here.opens(second), here.opens(first, 'lobby')]).toEqual([false, true, false]);
    expect([here.opens(neighbour, 'next'), here.opens(neighbour, 'lobby')]).toEqual([true, true]);
    expect(here.events('access_grant.ended')).toHaveLength(1);
    expect(isDigestRight(here)).toBe(true);
  });

  it('changes hands at once when the next guest comes early, and never has two', async () => {
    const here = await hotel();
    const first = await here.checkIn('R-1', -5, 10);
    const second = await here.checkIn('R-2', 0, 20);
    expect([here.opens(first), here.opens(second)]).toEqual([false, true]);
    // Told in any order: of two stays that overlap the earlier ends where the later begins.
    const late = await here.checkIn('R-4', 30, 40);
    const between = await here.checkIn('R-3', 25, 35);
    expect(between.endsAt).toBe(here.in(30));
    expect(await grantOf(here, late)).toMatchObject({ ends_at: here.in(40), ended_by_access_grant_id: null });
  });

  it('is shared by who comes with the same reservation, and no matter of grants without one', async () => {
    const here = await hotel();
    const [one, two] = [await here.checkIn('R-1', 0, 10), await here.checkIn('R-1', 0, 10)];
    await here.done('access_grants/create', {
      access_grant_id: GRANT,
      acs_user_id: USER,
      acs_entrance_ids: [ROOM],
      requested_access_methods: [{ mode: 'card', card_number: CARD }],
    });
    expect([here.opens(one), here.opens(two), here.card('room-in', CARD)]).toEqual([true, true, 'granted']);
    const lobbyOnly = await here.checkIn('R-9', 0, 10, { acs_entrance_ids: [LOBBY] });
    expect((await grantOf(here, lobbyOnly))['warnings']).toMatchObject([{ warning_code: 'no_guest_room' }]);
    expect([here.opens(one), here.opens(two)]).toEqual([true, true]);
    await here.checkIn('R-2', 0, 10);
    expect([here.opens(one), here.opens(two), here.card('room-in', CARD)]).toEqual([false, false, 'granted']);
  });

  it('is taken by an update as by a new grant', async () => {
    const here = await hotel();
    const first = await here.checkIn('R-1', 0, 10);
    const second = await here.checkIn('R-2', 0, 10, { acs_entrance_ids: [NEXT] });
    await here.done('access_grants/update', {
      access_grant_id: second.id,
      acs_entrance_ids: [ROOM],
      space_ids: [SPACE],
    });
    expect([here.opens(first), here.opens(second), here.opens(second, 'lobby')]).toEqual([false, true, true]);
  });
});

describe('a grant that replaces an earlier one', () => {
  const cards = { requested_access_methods: [{ mode: 'card', card_number: CARD }, { mode: 'code' }] };

  it('has its card at the instant at which it begins, and the earlier one is gone where that is now', async () => {
    const here = await hotel();
    const first = await here.checkIn('R-1', -5, 10, cards);
    const params = { user: { full_name: 'Next' }, acs_entrance_ids: [NEXT], ends_at: here.in(20), replaces: first.id };
    const second = { ...params, ...cards, access_grant_id: GRANT };
    await here.done('access_grants/create', second);
    expect((await here.call('access_grants/get', { access_grant_id: first.id })).error).toMatchObject({ type: 'access_grant_not_found' }); // prettier-ignore
    // The same again is the same grant; an earlier one that is gone already is no mistake.
    await here.done('access_grants/create', second);
    await here.done('access_grants/create', { ...params, access_grant_key: 'third' });
    expect(here.events('access_grant.deleted')).toHaveLength(1);
    expect(isDigestRight(here)).toBe(true);
  });

  it('ends the earlier one with its own start where that is ahead, with its codes, and no later than it would have', async () => {
    const here = await hotel();
    const first = await here.checkIn('R-1', -5, 10);
    const second = await here.checkIn('R-1', 2, 20, { replaces: first.id });
    expect(await grantOf(here, first)).toMatchObject({ ends_at: here.in(2), ended_by_access_grant_id: second.id });
    await here.done('access_grants/create', {
      ...{ user: { full_name: 'Later' }, acs_entrance_ids: [NEXT], starts_at: here.in(5), replaces: first.id },
    });
    expect(await grantOf(here, first)).toMatchObject({ ends_at: here.in(2) });
    expect([here.opens(first), here.opens(second)]).toEqual([true, false]);
    await here.clock().advance(2 * HOUR_MS);
    expect([here.opens(first), here.opens(second)]).toEqual([false, true]);
    expect(isDigestRight(here)).toBe(true);
  });

  it('leaves the earlier one as it was where it is refused, and names one that is not there', async () => {
    const here = await hotel();
    const [first, other] = [await here.checkIn('R-1', -5, 10), await here.checkIn('R-1', -5, 10)];
    const params = { user: { full_name: 'Next' }, acs_entrance_ids: [ROOM], replaces: first.id };
    const taken = { requested_access_methods: [{ mode: 'code', code: other.code }] };
    expect((await here.call('access_grants/create', { ...params, ...taken })).error).toMatchObject({ type: 'duplicate_access_code' }); // prettier-ignore
    expect(here.opens(first)).toBe(true);
    const missing = await here.call('access_grants/create', { ...params, replaces: METHOD });
    expect(missing.error).toMatchObject({ type: 'access_grant_not_found', path: ['params', 'replaces'] });
    expect(isDigestRight(here)).toBe(true);
  });
});
