// What a person opens by groups and by what was granted: commands go in, cards are shown, doors answer.

import { describe, expect, it } from 'vitest';
import { verify } from '../../src/store/verification.ts';
import { entranceId, keypads, type Keypads } from '../support/keypads.ts';
import { USER, type ParsedReply } from '../support/room.ts';

const [FRONT, BACK] = [entranceId('front'), entranceId('back')];
const CARD = 'H10301:123:1';
const ID = '66666666-6666-6666-6666-666666666666';
const GROUP = '44444444-4444-4444-4444-444444444444';
const OTHER = '44444444-4444-4444-4444-000000000002';
const JOE = '33333333-3333-3333-3333-000000000002';
const OFFICE = '99999999-9999-9999-9999-999999999999';
const HOUR_MS = 3_600_000;

type Here = Keypads & {
  call: (command: string, params?: Record<string, unknown>, envelope?: Record<string, unknown>) => Promise<ParsedReply>;
  /** Carried out, or the test fails. */
  done: (command: string, params?: Record<string, unknown>) => Promise<ParsedReply>;
  opens: (door?: 'front' | 'back') => boolean;
  in: (ms: number) => string;
};

async function house(): Promise<Here> {
  const pads = await keypads([
    { name: 'front', readers: ['front-in'] },
    { name: 'back', readers: ['back-in'] },
  ]);
  const call: Here['call'] = (command, params = {}, envelope = {}) => pads.caller().call(command, params, envelope);
  const done: Here['done'] = async (command, params) => {
    const reply = await call(command, params);
    expect(reply.error).toBeUndefined();
    return reply;
  };
  await done('credentials/create', {
    acs_credential_id: ID,
    acs_user_id: USER,
    access_method: 'card',
    card_number: CARD,
  });
  return {
    ...pads,
    call,
    done,
    opens: (door = 'front') => pads.card(`${door}-in`, CARD) === 'granted',
    in: (ms) => new Date(pads.clock().nowMs() + ms).toISOString(),
  };
}

async function withGroup(more: Record<string, unknown> = {}, membership: Record<string, unknown> = {}): Promise<Here> {
  const here = await house();
  await here.done('access_groups/create', {
    acs_access_group_id: GROUP,
    name: 'Staff',
    acs_entrance_ids: [FRONT],
    ...more,
  });
  await here.done('access_groups/add_user', { acs_access_group_id: GROUP, acs_user_id: USER, ...membership });
  return here;
}

/** What the sender’s own list would come to, and what the rows come to. */
function isDigestRight(here: Here): boolean {
  const { path, past, secrets } = here.store();
  here.store().flush();
  return verify({ path, key: secrets.rowKey(past.storeId) }).digest === null;
}

const listed = (reply: ParsedReply, name: string, id: string): unknown[] =>
  (reply.result?.[name] as Record<string, unknown>[]).map((one) => one[id]);

describe('a group', () => {
  it('opens its entrances to whoever is in it, for as long as they are, and to no card with a list of its own', async () => {
    const here = await house();
    expect(here.opens()).toBe(false);
    expect(here.details.at(-1)).toBe('entrance_not_allowed');
    await here.done('access_groups/create', { acs_access_group_id: GROUP, name: 'Staff', acs_entrance_ids: [FRONT] });
    expect(here.opens()).toBe(false);
    await here.done('users/add_to_access_group', { acs_access_group_id: GROUP, acs_user_id: USER });
    expect([here.opens('front'), here.opens('back')]).toEqual([true, false]);
    await here.done('entrances/grant_access', { acs_access_group_id: GROUP, acs_entrance_id: BACK });
    expect([here.opens('front'), here.opens('back')]).toEqual([true, true]);
    await here.done('credentials/update', { acs_credential_id: ID, allowed_acs_entrance_ids: [] });
    expect([here.opens('front'), here.opens('back')]).toEqual([false, false]);
    await here.done('credentials/update', { acs_credential_id: ID, allowed_acs_entrance_ids: null });
    await here.done('entrances/revoke_access', { acs_access_group_id: GROUP, acs_entrance_id: FRONT });
    expect([here.opens('front'), here.opens('back')]).toEqual([false, true]);
    await here.done('users/remove_from_access_group', { acs_access_group_id: GROUP, acs_user_id: USER });
    expect([here.opens('front'), here.opens('back')]).toEqual([false, false]);
    expect(isDigestRight(here)).toBe(true);
  });

  it('that is deleted opens nothing at once, and its id is never used again', async () => {
    const here = await withGroup();
    expect(here.opens()).toBe(true);
    await here.done('access_groups/delete', { acs_access_group_id: GROUP });
    expect(here.opens()).toBe(false);
    expect(isDigestRight(here)).toBe(true);
    // Said twice, and too late, is said.
    await here.done('access_groups/delete', { acs_access_group_id: GROUP });
    await here.done('access_groups/remove_user', { acs_access_group_id: GROUP, acs_user_id: USER });
    await here.done('entrances/revoke_access', { acs_access_group_id: GROUP, acs_entrance_id: FRONT });
    const again = await here.call('access_groups/create', { acs_access_group_id: GROUP, name: 'Staff' });
    expect(again.error).toMatchObject({ type: 'acs_access_group_exists', path: ['params', 'acs_access_group_id'] });
    const late = await here.call('access_groups/add_user', { acs_access_group_id: GROUP, acs_user_id: USER });
    expect(late.error?.type).toBe('acs_access_group_not_found');
    expect(here.opens()).toBe(false);
  });

  it('lets each member in within a window of its own, which holds over a restart', async () => {
    const here = await withGroup();
    const [from, until] = [here.in(HOUR_MS), here.in(2 * HOUR_MS)];
    await here.done('access_groups/add_user', {
      acs_access_group_id: GROUP,
      acs_user_id: USER,
      starts_at: from,
      ends_at: until,
    });
    expect(here.opens()).toBe(false);
    expect(here.details.at(-1)).toBe('not_yet_valid');
    await here.clock().advance(HOUR_MS);
    expect(here.opens()).toBe(true);
    here.restart('killed');
    await here.clock().advance(HOUR_MS - 1);
    expect(here.opens()).toBe(true);
    await here.clock().advance(1);
    expect(here.opens()).toBe(false);
    expect(here.details.at(-1)).toBe('expired');
    expect(isDigestRight(here)).toBe(true);
  });

  it('opens by its schedule, whatever other path is shut', async () => {
    const here = await withGroup();
    // It is a Monday in March.
    await here.done('schedules/create', { schedule_id: OFFICE, name: 'Sundays', week: 'sun 08:00-12:00' });
    await here.done('access_groups/update', { acs_access_group_id: GROUP, schedule_id: OFFICE });
    expect(here.opens()).toBe(false);
    expect(here.details.at(-1)).toBe('outside_schedule');
    const inUse = await here.call('schedules/delete', { schedule_id: OFFICE });
    expect(inUse.error).toMatchObject({ type: 'schedule_in_use' });
    await here.done('access_groups/create', { acs_access_group_id: OTHER, name: 'All', acs_entrance_ids: [FRONT] });
    await here.done('access_groups/add_user', { acs_access_group_id: OTHER, acs_user_id: USER });
    expect(here.opens()).toBe(true);
    await here.done('access_groups/delete', { acs_access_group_id: OTHER });
    await here.done('access_groups/update', { acs_access_group_id: GROUP, schedule_id: null });
    expect(here.opens()).toBe(true);
    await here.done('schedules/delete', { schedule_id: OFFICE });
  });

  it('is named by the explanation of a door, with the person’s own grants', async () => {
    const here = await withGroup({ name: 'Night shift "B"' });
    await here.done('entrances/grant_access', { acs_entrance_id: FRONT, acs_user_id: USER, ends_at: here.in(HOUR_MS) });
    const { result } = await here.done('entrances/explain', { acs_entrance_id: FRONT, acs_credential_id: ID });
    expect(result?.['outcome']).toBe('granted');
    const steps = result?.['steps'] as { step: string; detail: string }[];
    const said = steps.find(({ step }) => step === 'entrance')?.detail ?? '';
    expect(said).toContain(`access group "Night shift \\"B\\"" (${GROUP}) of its user opens it`);
    expect(said).toContain('it was granted to its user');
    expect(steps.find(({ step }) => step === 'window')?.detail).toMatch(/^access group .* opens it: open/);
  });

  it('loses whoever is deleted, and takes nobody in who is not there', async () => {
    const here = await withGroup();
    await here.done('users/create', { acs_user_id: JOE, full_name: 'Joe', acs_access_group_ids: [GROUP] });
    const members = async (): Promise<unknown[]> =>
      listed(await here.done('access_groups/list_users', { acs_access_group_id: GROUP }), 'acs_users', 'acs_user_id');
    expect(await members()).toEqual([USER, JOE]);
    await here.done('users/delete', { acs_user_id: JOE });
    expect(await members()).toEqual([USER]);
    const { result } = await here.done('access_groups/get', { acs_access_group_id: GROUP });
    expect(result?.['acs_access_group']).toMatchObject({ user_count: 1, acs_entrance_count: 1, errors: [] });
    const dead = await here.call('access_groups/add_user', { acs_access_group_id: GROUP, acs_user_id: JOE });
    expect(dead.error?.type).toBe('acs_user_not_found');
    await here.done('access_groups/remove_user', { acs_access_group_id: GROUP, acs_user_id: JOE });
    expect(isDigestRight(here)).toBe(true);
  });

  it('is told from outside what it cannot be', async () => {
    const here = await withGroup();
    const typeOf = async (command: string, params: Record<string, unknown>): Promise<string | undefined> =>
      (await here.call(command, params)).error?.type;
    const ids = (count: number): string[] =>
      Array.from({ length: count }, (_, i) => `55555555-5555-5555-5555-${String(i).padStart(12, '0')}`);
    expect(await typeOf('access_groups/update', { acs_access_group_id: GROUP, acs_entrance_ids: ids(1001) })).toBe(
      'invalid_input',
    );
    expect(await typeOf('access_groups/update', { acs_access_group_id: GROUP, acs_entrance_ids: ids(3) })).toBe(
      'acs_entrance_not_found',
    );
    expect(await typeOf('access_groups/create', { name: 'x', parent_acs_access_group_id: GROUP })).toBe(
      'invalid_input',
    );
    expect(await typeOf('access_groups/create', { name: '   ' })).toBe('invalid_input');
    expect(await typeOf('access_groups/create', { acs_access_group_id: GROUP, name: 'Other' })).toBe(
      'acs_access_group_exists',
    );
    expect(await typeOf('access_groups/add_user', { acs_access_group_id: GROUP })).toBe('invalid_input');
    const backwards = { starts_at: here.in(HOUR_MS), ends_at: here.in(0) };
    expect(
      await typeOf('access_groups/add_user', { acs_access_group_id: GROUP, acs_user_id: USER, ...backwards }),
    ).toBe('invalid_input');
    expect(
      await typeOf('entrances/grant_access', { acs_entrance_id: FRONT, acs_user_id: USER, acs_access_group_id: GROUP }),
    ).toBe('invalid_input');
    expect(
      await typeOf('entrances/grant_access', {
        acs_entrance_id: FRONT,
        acs_access_group_id: GROUP,
        ends_at: here.in(1000),
      }),
    ).toBe('invalid_input');
    const odd = 'Ünïcode \u202E"; DROP TABLE users; -- 💡';
    await here.done('access_groups/create', { acs_access_group_id: OTHER, name: odd });
    const { result } = await here.done('access_groups/list', { search: 'UNICODE' });
    expect(result?.['acs_access_groups']).toMatchObject([{ name: odd }]);
    expect(here.opens()).toBe(true);
  });

  it('takes a person in up to a bound, beyond which a decision would have to look through too many', async () => {
    const here = await house();
    const groupOf = (n: number): string => `44444444-4444-4444-4444-${String(n).padStart(12, '0')}`;
    for (let n = 0; n < 129; n++)
      await here.done('access_groups/create', { acs_access_group_id: groupOf(n), name: `G${n}` });
    for (let n = 0; n < 128; n++)
      await here.done('access_groups/add_user', { acs_access_group_id: groupOf(n), acs_user_id: USER });
    const more = await here.call('access_groups/add_user', { acs_access_group_id: groupOf(128), acs_user_id: USER });
    expect(more.error).toMatchObject({ type: 'invalid_input', path: ['params', 'acs_access_group_id'] });
    // Those that are gone no longer count.
    await here.done('access_groups/delete', { acs_access_group_id: groupOf(5) });
    await here.done('access_groups/add_user', { acs_access_group_id: groupOf(128), acs_user_id: USER });
  });

  it('is changed once by a command that comes twice, and not by one that comes late', async () => {
    const here = await withGroup();
    const stream = (seq: number) => ({ stream: { id: 'tower', seq } });
    const removal = { acs_access_group_id: GROUP, acs_user_id: USER };
    await here.call('access_groups/remove_user', removal, { command_id: 'out', ...stream(7) });
    expect((await here.call('access_groups/remove_user', removal, { command_id: 'out', ...stream(7) })).ok).toBe(true);
    const late = await here.call('access_groups/add_user', removal, { command_id: 'in', ...stream(6) });
    expect(late.error?.type).toBe('stale_revision');
    expect(here.opens()).toBe(false);
    expect(here.events('acs_access_group.user_removed')).toHaveLength(1);
    await here.done('access_groups/add_user', removal);
    // What takes away is done even when it is late.
    expect((await here.call('access_groups/remove_user', removal, { command_id: 'late', ...stream(5) })).ok).toBe(true);
    expect(here.opens()).toBe(false);
  });
});

describe('an entrance granted to a person', () => {
  it('opens within its window and schedule, until it is taken back', async () => {
    const here = await house();
    const grant = { acs_entrance_id: FRONT, acs_user_id: USER };
    await here.done('entrances/grant_access', { ...grant, starts_at: here.in(HOUR_MS) });
    expect(here.opens()).toBe(false);
    await here.done('entrances/grant_access', { ...grant, ends_at: here.in(HOUR_MS) });
    expect([here.opens('front'), here.opens('back')]).toEqual([true, false]);
    const lists = await here.done('users/list_accessible_entrances', { acs_user_id: USER });
    expect(listed(lists, 'acs_entrances', 'acs_entrance_id')).toEqual([FRONT]);
    await here.done('entrances/revoke_access', grant);
    await here.done('entrances/revoke_access', grant);
    expect(here.opens()).toBe(false);
    expect(here.events('acs_entrance.access_revoked')).toHaveLength(1);
    expect(isDigestRight(here)).toBe(true);
  });

  it('is shown wherever anybody asks who opens what', async () => {
    const here = await withGroup();
    await here.done('entrances/grant_access', { acs_entrance_id: BACK, acs_user_id: USER });
    const of = async (command: string, params: Record<string, unknown>): Promise<unknown[]> =>
      listed(await here.done(command, params), 'acs_entrances', 'acs_entrance_id').sort();
    const both = [FRONT, BACK].sort();
    expect(await of('credentials/list_accessible_entrances', { acs_credential_id: ID })).toEqual(both);
    expect(await of('users/list_accessible_entrances', { acs_user_id: USER })).toEqual(both);
    expect(await of('access_groups/list_accessible_entrances', { acs_access_group_id: GROUP })).toEqual([FRONT]);
    expect(await of('entrances/list', { acs_credential_id: ID })).toEqual(both);
    for (const at of both) {
      const { result } = await here.done('entrances/list_credentials_with_access', { acs_entrance_id: at });
      expect(result?.['acs_credentials']).toMatchObject([{ acs_credential_id: ID, warnings: [] }]);
    }
    const mine = await here.done('access_groups/list', { acs_user_id: USER });
    expect(listed(mine, 'acs_access_groups', 'acs_access_group_id')).toEqual([GROUP]);
  });

  it('goes with everything else when all is taken from its person', async () => {
    const here = await withGroup();
    await here.done('entrances/grant_access', { acs_entrance_id: BACK, acs_user_id: USER });
    await here.done('credentials/create', {
      acs_user_id: USER,
      access_method: 'code',
      code: '824759',
      allowed_acs_entrance_ids: [FRONT],
    });
    expect(here.type('front-in', '824759')).toBe('granted');
    await here.done('users/revoke_access_to_all_entrances', { acs_user_id: USER });
    expect([here.opens('front'), here.opens('back'), here.type('front-in', '824759')]).toEqual([
      false,
      false,
      'denied',
    ]);
    await here.done('users/revoke_access_to_all_entrances', { acs_user_id: USER });
    expect(here.events('acs_user.access_revoked')).toHaveLength(1);
    expect(isDigestRight(here)).toBe(true);
  });
});

describe('a code that follows its user', () => {
  it('is nobody else’s anywhere, so that no change of a group makes two people of one code', async () => {
    const here = await withGroup();
    await here.done('users/create', { acs_user_id: JOE, full_name: 'Joe' });
    await here.done('credentials/create', { acs_user_id: USER, access_method: 'code', code: '824759' });
    expect(here.type('front-in', '824759')).toBe('granted');
    const typeOf = async (more: Record<string, unknown>): Promise<string | undefined> =>
      (await here.call('credentials/create', { acs_user_id: JOE, access_method: 'code', ...more })).error?.type;
    expect(await typeOf({ code: '824759' })).toBe('duplicate_access_code');
    expect(await typeOf({ code: '824759', allowed_acs_entrance_ids: [BACK] })).toBe('duplicate_access_code');
    expect(await typeOf({ code: '775533', allowed_acs_entrance_ids: [BACK] })).toBeUndefined();
    expect(await typeOf({ code: '775533' })).toBe('duplicate_access_code');
    expect(await typeOf({})).toBeUndefined();
  });

  it('counts at every door for how many codes of a length there may be', async () => {
    const here = await house();
    for (let n = 0; n < 10; n++)
      await here.done('credentials/create', { acs_user_id: USER, access_method: 'code', code: `${8150 + n}` });
    const more = (extra: Record<string, unknown>): Promise<ParsedReply> =>
      here.call('credentials/create', { acs_user_id: USER, access_method: 'code', code: '8247', ...extra });
    expect((await more({})).error?.type).toBe('code_constraints_violated');
    expect((await more({ allowed_acs_entrance_ids: [FRONT] })).error?.type).toBe('code_constraints_violated');
    expect((await more({ code: '82475' })).error).toBeUndefined();
  });
});
