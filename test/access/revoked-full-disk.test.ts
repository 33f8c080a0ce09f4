// What takes access away while the disk takes nothing at all: in force at the doors at once, whatever way to them was
// taken, and stored when there is room again.

import { afterEach, describe, expect, it, vi } from 'vitest';
import { LOBBY, USER } from '../support/room.ts';
import { CARD, ID, withCard, world, type World } from './world.ts';

afterEach(() => vi.restoreAllMocks());

const GROUP = '22222222-2222-2222-2222-222222222222';
const OTHER = '22222222-2222-2222-2222-222222222223';
const IDENTITY = '99999999-9999-4999-8999-999999999999';
const FULL = Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });

function fill(here: World): void {
  vi.spyOn(here.store, 'condition', 'get').mockReturnValue('full');
  vi.spyOn(here.store, 'group').mockImplementation((_fn, hooks) => {
    hooks?.rolledBack?.(FULL);
    throw FULL;
  });
}

type Way = 'group' | 'granted' | 'granted to a group' | 'access grant' | 'list';

/** Jane with a card that opens the lobby by one way. */
async function jane(way: Way): Promise<World> {
  const here = way === 'list' ? await withCard() : world();
  const { caller } = here;
  const call = async (name: string, params: object): Promise<void> =>
    expect((await caller.call(name, params)).error).toBeUndefined();
  if (way === 'list') return here;
  await call('users/create', { acs_user_id: USER, full_name: 'Jane', user_identity_id: IDENTITY });
  for (const id of [GROUP, OTHER]) {
    await call('access_groups/create', { acs_access_group_id: id, name: id });
    await call('access_groups/add_user', { acs_access_group_id: id, acs_user_id: USER });
  }
  if (way === 'group') await call('access_groups/update', { acs_access_group_id: GROUP, acs_entrance_ids: [LOBBY] });
  if (way === 'granted') await call('entrances/grant_access', { acs_entrance_id: LOBBY, acs_user_id: USER });
  if (way === 'granted to a group')
    await call('entrances/grant_access', { acs_entrance_id: LOBBY, acs_access_group_id: GROUP });
  if (way === 'access grant')
    await call('access_grants/create', {
      access_grant_id: OTHER, acs_user_id: USER, acs_entrance_ids: [LOBBY],
      requested_access_methods: [{ access_method_id: ID, mode: 'card', card_number: CARD }],
    }); // prettier-ignore
  else await call('credentials/create', { acs_credential_id: ID, acs_user_id: USER, access_method: 'card', card_number: CARD }); // prettier-ignore
  return here;
}

const opens = (here: World): boolean => {
  const before = here.pulses.length;
  here.card();
  return here.pulses.length > before;
};

const REVOCATIONS: readonly (readonly [Way, string, Record<string, unknown>])[] = [
  ['group', 'access_groups/delete', { acs_access_group_id: GROUP }],
  ['group', 'access_groups/remove_user', { acs_access_group_id: GROUP, acs_user_id: USER }],
  ['group', 'access_groups/remove_user', { acs_access_group_id: GROUP.toUpperCase(), user_identity_id: IDENTITY }],
  ['group', 'users/remove_from_access_group', { acs_access_group_id: GROUP, acs_user_id: USER }],
  ['group', 'entrances/revoke_access', { acs_entrance_id: LOBBY, acs_access_group_id: GROUP }],
  ['granted to a group', 'entrances/revoke_access', { acs_entrance_id: LOBBY, acs_access_group_id: GROUP }],
  ['granted', 'entrances/revoke_access', { acs_entrance_id: LOBBY, acs_user_id: USER }],
  ['granted', 'users/revoke_access_to_all_entrances', { user_identity_id: IDENTITY }],
  ['list', 'users/revoke_access_to_all_entrances', { acs_user_id: USER }],
  ['access grant', 'access_grants/delete', { access_grant_id: OTHER }],
  ['access grant', 'access_methods/delete', { access_method_id: ID }],
];

describe('on a disk that has not even the room that is kept', () => {
  it.each(REVOCATIONS)('a way that is a %s is shut by %s %j', async (way, name, params) => {
    const here = await jane(way);
    expect(opens(here)).toBe(true);
    fill(here);
    const reply = await here.caller.call(name, params, { command_id: 'take' }, { source: 'local' });
    expect(reply.error).toMatchObject({
      type: 'storage_full',
      message: expect.stringContaining('this is in force') as string,
    });
    expect(opens(here)).toBe(false);
    vi.restoreAllMocks();
    // Whatever comes next finds it stored, and nothing of it is left in memory.
    expect((await here.caller.call('users/create', { full_name: 'Joe' })).error).toBeUndefined();
    expect(here.store.journal.get('take')?.state).toBe('done');
    expect(opens(here)).toBe(false);
    expect(here.store.withdrawn.has({ acs_credential_id: ID, acs_user_id: USER })).toBe(false);
  });

  it('nobody else and no other way is shut with it', async () => {
    const here = await jane('group');
    await here.caller.call('entrances/grant_access', { acs_entrance_id: LOBBY, acs_user_id: USER });
    fill(here);
    const take = (name: string, params: object): Promise<unknown> =>
      here.caller.call(name, params, undefined, { source: 'local' });
    await take('access_groups/delete', { acs_access_group_id: OTHER });
    expect(opens(here)).toBe(true);
    await take('access_groups/delete', { acs_access_group_id: GROUP });
    expect(opens(here)).toBe(true);
    await take('entrances/revoke_access', { acs_entrance_id: LOBBY, acs_user_id: USER });
    expect(opens(here)).toBe(false);
  });
});
