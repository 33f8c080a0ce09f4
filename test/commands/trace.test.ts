import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/commands/contract.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { buildRoom, Caller, LOBBY, STORE_ROOM, USER, type TestRoom } from '../support/room.ts';
import { openStore, temporaryFolder } from '../support/store.ts';

const OTHER = '33333333-3333-3333-3333-000000000000';
const ID = '66666666-6666-6666-6666-666666666666';
const GROUP = '44444444-4444-4444-4444-444444444444';
const GRANT = 'bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb';
const METHOD = 'cccccccc-cccc-cccc-cccc-cccccccccccc';
const SPACE = 'dddddddd-dddd-dddd-dddd-dddddddddddd';
const OFFICE = '99999999-9999-9999-9999-999999999999';
const XMAS = 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa';

const PARENT = '66666666-6666-6666-6666-000000000000';
const PHONE = '88888888-8888-8888-8888-888888888888';
/** The public key of RFC 6979, A.2.5. */
const POINT =
  '0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299';

/** `ahead`: events that come before it, one of each thing that goes. */
type Step = {
  command: string;
  params: Record<string, unknown>;
  ahead?: string[];
  event: Record<string, unknown>;
};

/**
 * Every command that stores something, in an order in which each finds what it needs, with the event that it leaves.
 */
const STORY: readonly Step[] = [
  {
    command: 'users/create',
    params: { acs_user_id: USER, full_name: 'Jane Doe' },
    event: { event_type: 'acs_user.created', acs_user_id: USER },
  },
  {
    command: 'users/create',
    params: { acs_user_id: OTHER, full_name: 'John Doe' },
    event: { event_type: 'acs_user.created', acs_user_id: OTHER },
  },
  {
    command: 'users/update',
    params: { acs_user_id: USER, full_name: 'Jane Roe', access_schedule: { ends_at: '2031-01-01T00:00:00Z' } },
    event: { event_type: 'acs_user.updated', acs_user_id: USER, changed: ['full_name', 'access_schedule'] },
  },
  {
    command: 'users/suspend',
    params: { acs_user_id: USER },
    event: { event_type: 'acs_user.suspended', acs_user_id: USER },
  },
  {
    command: 'users/unsuspend',
    params: { acs_user_id: USER },
    event: { event_type: 'acs_user.unsuspended', acs_user_id: USER },
  },
  {
    command: 'schedules/create',
    params: { schedule_id: OFFICE, name: 'Office', week: 'mon-fri 08:00-17:00' },
    event: { event_type: 'schedule.created', schedule_id: OFFICE },
  },
  {
    command: 'schedules/update',
    params: { schedule_id: OFFICE, name: 'Office', week: 'mon-fri 08:00-17:00', on_holidays: 'as_usual' },
    event: { event_type: 'schedule.updated', schedule_id: OFFICE, changed: ['on_holidays'] },
  },
  {
    command: 'holidays/create',
    params: { holiday_id: XMAS, name: 'Christmas', date: '2026-12-25' },
    event: { event_type: 'holiday.created', holiday_id: XMAS },
  },
  {
    command: 'holidays/update',
    params: { holiday_id: XMAS, last_date: '2026-12-26', every_year: true },
    event: { event_type: 'holiday.updated', holiday_id: XMAS, changed: ['last_date', 'every_year'] },
  },
  {
    command: 'holidays/delete',
    params: { holiday_id: XMAS },
    event: { event_type: 'holiday.deleted', holiday_id: XMAS },
  },
  {
    command: 'credentials/create',
    params: {
      acs_credential_id: ID,
      acs_user_id: USER,
      access_method: 'code',
      code: '824759',
      allowed_acs_entrance_ids: [LOBBY],
    },
    event: { event_type: 'acs_credential.created', acs_credential_id: ID, acs_user_id: USER },
  },
  {
    command: 'credentials/update',
    params: { acs_credential_id: ID, code: '775533', schedule_id: OFFICE, allowed_acs_entrance_ids: [] },
    event: {
      event_type: 'acs_credential.updated',
      acs_credential_id: ID,
      acs_user_id: USER,
      changed: ['code', 'schedule_id', 'allowed_acs_entrance_ids'],
    },
  },
  {
    command: 'credentials/apply',
    params: { operations: [{ op: 'update', params: { acs_credential_id: ID, schedule_id: null } }] },
    event: { event_type: 'acs_credential.updated', acs_credential_id: ID, changed: ['schedule_id'] },
  },
  {
    command: 'schedules/delete',
    params: { schedule_id: OFFICE },
    event: { event_type: 'schedule.deleted', schedule_id: OFFICE },
  },
  {
    command: 'credentials/assign',
    params: { acs_credential_id: ID, acs_user_id: OTHER },
    event: { event_type: 'acs_credential.assigned', acs_credential_id: ID, acs_user_id: OTHER },
  },
  {
    command: 'credentials/unassign',
    params: { acs_credential_id: ID },
    event: { event_type: 'acs_credential.unassigned', acs_credential_id: ID, acs_user_id: OTHER },
  },
  {
    command: 'access_groups/create',
    params: { acs_access_group_id: GROUP, name: 'Cleaners', acs_entrance_ids: [LOBBY] },
    event: { event_type: 'acs_access_group.created', acs_access_group_id: GROUP },
  },
  {
    command: 'access_groups/update',
    params: { acs_access_group_id: GROUP, name: 'Staff', acs_entrance_ids: [] },
    event: {
      event_type: 'acs_access_group.updated',
      acs_access_group_id: GROUP,
      changed: ['name', 'acs_entrance_ids'],
    },
  },
  {
    command: 'entrances/grant_access',
    params: { acs_entrance_id: LOBBY, acs_access_group_id: GROUP },
    event: { event_type: 'acs_entrance.access_granted', acs_access_group_id: GROUP, acs_user_id: null },
  },
  {
    command: 'entrances/revoke_access',
    params: { acs_entrance_id: LOBBY, acs_access_group_id: GROUP },
    event: { event_type: 'acs_entrance.access_revoked', acs_access_group_id: GROUP, acs_user_id: null },
  },
  {
    command: 'access_groups/add_user',
    params: { acs_access_group_id: GROUP, acs_user_id: USER, ends_at: '2031-01-01T00:00:00Z' },
    event: {
      event_type: 'acs_access_group.user_added',
      acs_access_group_id: GROUP,
      acs_user_id: USER,
      ends_at: '2031-01-01T00:00:00.000Z',
    },
  },
  {
    command: 'access_groups/remove_user',
    params: { acs_access_group_id: GROUP, acs_user_id: USER },
    event: { event_type: 'acs_access_group.user_removed', acs_access_group_id: GROUP, acs_user_id: USER },
  },
  {
    command: 'users/add_to_access_group',
    params: { acs_access_group_id: GROUP, acs_user_id: USER },
    event: { event_type: 'acs_access_group.user_added', acs_access_group_id: GROUP, acs_user_id: USER, ends_at: null },
  },
  {
    command: 'users/remove_from_access_group',
    params: { acs_access_group_id: GROUP, acs_user_id: USER },
    event: { event_type: 'acs_access_group.user_removed', acs_access_group_id: GROUP, acs_user_id: USER },
  },
  {
    command: 'entrances/grant_access',
    params: { acs_entrance_id: LOBBY, acs_user_id: USER },
    event: { event_type: 'acs_entrance.access_granted', acs_entrance_id: LOBBY, acs_user_id: USER },
  },
  {
    command: 'spaces/create',
    params: { space_id: SPACE, name: 'Ground floor' },
    event: { event_type: 'space.created', space_id: SPACE },
  },
  {
    command: 'spaces/add_acs_entrances',
    params: { space_id: SPACE, acs_entrance_ids: [LOBBY, STORE_ROOM] },
    event: { event_type: 'space.updated', space_id: SPACE, changed: ['acs_entrance_ids'] },
  },
  {
    command: 'spaces/remove_acs_entrances',
    params: { space_id: SPACE, acs_entrance_ids: [STORE_ROOM] },
    event: { event_type: 'space.updated', space_id: SPACE, changed: ['acs_entrance_ids'] },
  },
  {
    command: 'spaces/update',
    params: { space_id: SPACE, name: 'Garden' },
    event: { event_type: 'space.updated', space_id: SPACE, changed: ['name'] },
  },
  {
    command: 'access_grants/create',
    params: { access_grant_id: GRANT, acs_user_id: USER, space_ids: [SPACE] },
    event: { event_type: 'access_grant.created', access_grant_id: GRANT, acs_user_id: USER },
  },
  {
    command: 'access_grants/request_access_methods',
    params: { access_grant_id: GRANT, requested_access_methods: [{ mode: 'card', access_method_id: METHOD }] },
    event: { event_type: 'access_method.created', access_method_id: METHOD, access_grant_id: GRANT },
  },
  {
    command: 'access_methods/assign_card',
    params: { access_method_id: METHOD, card_number: 'H10301:9:9' },
    event: { event_type: 'acs_credential.created', acs_credential_id: METHOD, acs_user_id: USER },
  },
  {
    command: 'access_grants/update',
    params: { access_grant_id: GRANT, name: 'Visit' },
    event: { event_type: 'access_grant.updated', access_grant_id: GRANT, changed: ['name'] },
  },
  {
    command: 'access_methods/delete',
    params: { access_method_id: METHOD },
    ahead: ['acs_credential.deleted'],
    event: { event_type: 'access_method.deleted', access_method_id: METHOD, access_grant_id: GRANT },
  },
  {
    command: 'access_grants/delete',
    params: { access_grant_id: GRANT },
    event: { event_type: 'access_grant.deleted', access_grant_id: GRANT, acs_user_id: USER },
  },
  {
    command: 'spaces/delete',
    params: { space_id: SPACE },
    event: { event_type: 'space.deleted', space_id: SPACE },
  },
  {
    command: 'users/revoke_access_to_all_entrances',
    params: { acs_user_id: USER },
    ahead: ['acs_entrance.access_revoked'],
    event: { event_type: 'acs_user.access_revoked', acs_user_id: USER },
  },
  {
    command: 'access_groups/delete',
    params: { acs_access_group_id: GROUP },
    event: { event_type: 'acs_access_group.deleted', acs_access_group_id: GROUP },
  },
  {
    command: 'credentials/delete',
    params: { acs_credential_id: ID },
    event: { event_type: 'acs_credential.deleted', acs_credential_id: ID, acs_user_id: null },
  },
  {
    command: 'credentials/create',
    params: {
      acs_credential_id: PARENT,
      acs_user_id: USER,
      access_method: 'mobile_key',
      is_multi_phone_sync_credential: true,
    },
    event: { event_type: 'acs_credential.created', acs_credential_id: PARENT, acs_user_id: USER },
  },
  {
    command: 'credentials/enroll_phone',
    params: { acs_credential_id: PARENT, phone_acs_credential_id: PHONE, public_key: POINT },
    event: { event_type: 'acs_credential.phone_enrolled', acs_credential_id: PARENT, phone_acs_credential_id: PHONE },
  },
  {
    command: 'credentials/remove_phone',
    params: { acs_credential_id: PHONE },
    event: { event_type: 'acs_credential.phone_removed', acs_credential_id: PARENT, phone_acs_credential_id: PHONE },
  },
  {
    command: 'credentials/delete',
    params: { acs_credential_id: PARENT },
    event: { event_type: 'acs_credential.deleted', acs_credential_id: PARENT, acs_user_id: USER },
  },
  {
    command: 'areas/forgive',
    params: { area: 'workshop', acs_user_id: USER },
    event: { event_type: 'area.forgiven', area: 'workshop', acs_user_id: USER, why: 'command' },
  },
  {
    command: 'facility/reset_stream',
    params: { stream_id: 'tower-1' },
    event: { event_type: 'agent.stream_reset', stream_id: 'tower-1', last_seq: 7 },
  },
  {
    command: 'users/delete',
    params: { acs_user_id: USER },
    event: { event_type: 'acs_user.deleted', acs_user_id: USER },
  },
  {
    command: 'users/erase',
    params: { acs_user_id: USER },
    event: { event_type: 'acs_user.erased', acs_user_id: USER },
  },
];

/** Told by tests of their own: they need a controller behind them, or several commands until something changes. */
const ELSEWHERE = new Set([
  'controllers/adopt_slot',
  'controllers/resync',
  'credentials/enroll_issued_key',
  'credentials/revoke_issued_keys',
  'entrances/set_mode',
  'facility/begin_snapshot',
  'facility/put_snapshot_page',
  'facility/commit_snapshot',
  'facility/lockdown',
  'facility/all_clear',
  'users/remove_biometric',
]);

type Traced = Record<string, unknown> & { event_type: string };
const eventsOf = (room: TestRoom, commandId: string): Traced[] =>
  room.store.events
    .after(0, 1000)
    .map((event) => JSON.parse(event.body) as Traced)
    .filter((event) => event['command_id'] === commandId);

function setUp(): { caller: Caller; room: TestRoom } {
  const clock = new ManualClock();
  const room = buildRoom(openStore(temporaryFolder(), clock), clock);
  return { caller: new Caller(room), room };
}

describe('what a command changes', () => {
  it('leaves an event: what it was about, which fields, by which command, over which way, and who is said to have sent it', async () => {
    const { caller, room } = setUp();
    for (const [i, { command, params, ahead = [], event }] of STORY.entries()) {
      const commandId = `story-${i}`;
      const stream = command === 'users/suspend' ? { stream: { id: 'tower-1', seq: 7 } } : {};
      const reply = await caller.call(command, params, { command_id: commandId, sender: 'frontdesk', ...stream });
      expect(reply, command).toMatchObject({ ok: true });
      const found = eventsOf(room, commandId);
      expect(found, command).toEqual([
        ...ahead.map((type) => expect.objectContaining({ event_type: type, command_id: commandId }) as unknown),
        expect.objectContaining({ ...event, command_id: commandId, source: 'mqtt', sender: 'frontdesk' }),
      ]);
    }
    expect(JSON.stringify(room.store.events.after(0, 1000))).not.toMatch(/824759|775533|Jane Roe/);
  });

  it('is an event whatever the command: none that stores something is missing here', () => {
    const told = new Set([...STORY.map(({ command }) => command), ...ELSEWHERE]);
    const storing = Object.entries(COMMANDS).filter(([, { kind }]) => kind === 'stores' || kind === 'works');
    expect(storing.map(([name]) => name).filter((name) => !told.has(name))).toEqual([]);
  });

  it('tells of each credential that goes with its person, and of the local console as such', async () => {
    const { caller, room } = setUp();
    await caller.call('users/create', { acs_user_id: USER, full_name: 'Jane Doe' });
    const params = {
      acs_credential_id: ID,
      acs_user_id: USER,
      access_method: 'code',
      code: '824759',
      allowed_acs_entrance_ids: [STORE_ROOM],
    };
    await caller.call('credentials/create', params);
    await caller.call(
      'users/delete',
      { acs_user_id: USER },
      { command_id: 'bye', sender: 'root' },
      { source: 'local' },
    );
    const found = eventsOf(room, 'bye');
    expect(found.map((event) => event.event_type)).toEqual([
      'acs_credential.invalidated',
      'acs_credential.deleted',
      'acs_user.deleted',
    ]);
    expect(found.every((event) => event['source'] === 'local' && event['sender'] === 'root')).toBe(true);
  });

  it('leaves none where nothing changed: a repeat, or an update to what is there already', async () => {
    const { caller, room } = setUp();
    await caller.call('users/create', { acs_user_id: USER, full_name: 'Jane Doe' });
    const before = room.store.events.lastSequence();
    await caller.call('users/create', { acs_user_id: USER, full_name: 'Jane Doe' });
    await caller.call('users/update', { acs_user_id: USER, full_name: 'Jane Doe' });
    await caller.call('users/unsuspend', { acs_user_id: USER });
    expect(room.store.events.lastSequence()).toBe(before);
  });

  it('is undone with it: an operation that fails leaves no trace', async () => {
    const { caller, room } = setUp();
    await caller.call('users/create', { acs_user_id: USER, full_name: 'Jane Doe' });
    const code = { acs_user_id: USER, access_method: 'code', code: '824759', allowed_acs_entrance_ids: [LOBBY] };
    const operations = [code, code].map((params) => ({ op: 'create', params }));
    const reply = await caller.call('credentials/apply', { atomic: true, operations }, { command_id: 'both' });
    expect(reply.error?.type).toBe('duplicate_access_code');
    expect(eventsOf(room, 'both')).toEqual([]);
  });
});
