// Why somebody was let in or not, asked afterwards: the answer is that of the moment, whatever became since of the
// credential, its person and its groups.

import { describe, expect, it } from 'vitest';
import { MOST_EVENT_BYTES } from '../../src/store/event-body.ts';
import { CARD, code, ID, world, withCard, type World } from '../access/world.ts';
import { LOBBY, USER } from '../support/room.ts';

const GROUP = '22222222-2222-2222-2222-222222222222';

const newest = (here: World, type: string): number =>
  here.store.events
    .after(0, 1_000)
    .filter(({ event_type }) => event_type === type)
    .at(-1)?.sequence ?? 0;

const afterwards = async (here: World, sequence: number): Promise<Record<string, unknown>> => {
  const reply = await here.caller.call('entrances/explain_decision', { sequence });
  expect(reply.error).toBeUndefined();
  return reply.result ?? {};
};

const now = async (here: World): Promise<Record<string, unknown>> =>
  (await here.caller.call('entrances/explain', { acs_entrance_id: LOBBY, acs_credential_id: ID })).result ?? {};

/** Jane has a card that follows her; a group that is in by office hours opens the lobby. */
async function inGroup(week = 'mon-sun 00:00-24:00'): Promise<World> {
  const here = world();
  const { caller } = here;
  await caller.call('users/create', { acs_user_id: USER, full_name: 'Jane' });
  const made = await caller.call('schedules/create', { name: 'Office', week });
  const { schedule_id } = made.result?.['schedule'] as { schedule_id: string };
  const group = { acs_access_group_id: GROUP, name: 'Staff', schedule_id, acs_entrance_ids: [LOBBY] };
  expect((await caller.call('access_groups/create', group)).error).toBeUndefined();
  await caller.call('access_groups/add_user', { acs_access_group_id: GROUP, acs_user_id: USER, ends_at: '2027-01-01T00:00:00Z' }); // prettier-ignore
  const card = { acs_credential_id: ID, acs_user_id: USER, access_method: 'card', card_number: CARD };
  expect((await caller.call('credentials/create', card)).error).toBeUndefined();
  return here;
}

describe('a decision of the past', () => {
  it('is explained as it was at that moment, also when everything of it was changed and deleted since', async () => {
    const here = await inGroup();
    const then = await now(here);
    const revision = here.store.revision();
    here.card();
    const sequence = newest(here, 'lock.unlocked');
    const told = await afterwards(here, sequence);
    expect(told['steps']).toEqual(then['steps']);
    expect(JSON.stringify(told['steps'])).toContain('Office on');
    expect(told).toMatchObject({ outcome: 'granted', reason: null, acs_credential_id: ID, revision, note: null });

    await here.caller.call('access_groups/update', { acs_access_group_id: GROUP, name: 'Nobody', schedule_id: null });
    await here.caller.call('users/suspend', { acs_user_id: USER });
    await here.caller.call('credentials/update', { acs_credential_id: ID, ends_at: '2026-03-02T09:00:00Z' });
    expect((await afterwards(here, sequence))['steps']).toEqual(then['steps']);
    await here.caller.call('credentials/delete', { acs_credential_id: ID });
    await here.caller.call('access_groups/delete', { acs_access_group_id: GROUP });
    await here.caller.call('users/delete', { acs_user_id: USER });
    const last = await afterwards(here, sequence);
    expect({ ...last, revision_now: told['revision_now'] }).toEqual(told);
    expect(last['revision_now']).toBeGreaterThan(revision);
  });

  it('that was a denial ends at the gate that was shut, with the words of that moment', async () => {
    const here = await inGroup('sat 08:00-09:00');
    here.card();
    const sequence = newest(here, 'lock.access_denied');
    const then = await now(here);
    await here.caller.call('credentials/delete', { acs_credential_id: ID });
    const told = await afterwards(here, sequence);
    expect(told).toMatchObject({ outcome: 'denied', reason: 'outside_schedule', acs_credential_id: ID });
    expect(told['steps']).toEqual(then['steps']);
    expect(told['steps']).toHaveLength(9);
  });

  it('names who was shown a prompt and gave no code, and keeps no code and no card number', async () => {
    const here = await withCard({ factors: 'card_and_code' });
    await code(here, '824759');
    here.card();
    await here.clock.advance(60_000);
    const told = await afterwards(here, newest(here, 'lock.access_denied'));
    expect(told).toMatchObject({ outcome: 'denied', reason: 'code_required', acs_credential_id: ID });
    here.card();
    here.digits('824750');
    here.card();
    here.digits('824759');
    await here.clock.advance(1_000);
    const bodies = here.store.events.after(0, 1_000).map(({ body }) => body);
    expect(bodies.join()).toContain('unknown_credential');
    expect(bodies.join()).toContain('lock.unlocked');
    for (const secret of ['824759', '824750', '45678']) expect(bodies.join()).not.toContain(secret);
  });

  it('keeps what fits an event, where hundreds of groups open the door', async () => {
    const here = await withCard({}, { allowed_acs_entrance_ids: undefined });
    for (let i = 0; i < 120; i++) {
      const id = `22222222-2222-2222-2222-${String(i).padStart(12, '0')}`;
      await here.caller.call('access_groups/create', { acs_access_group_id: id, name: 'x'.repeat(150), acs_entrance_ids: [LOBBY] }); // prettier-ignore
      await here.caller.call('access_groups/add_user', { acs_access_group_id: id, acs_user_id: USER });
    }
    here.card();
    const sequence = newest(here, 'lock.unlocked');
    const [event] = here.store.events.after(sequence - 1, 1);
    expect(event?.body.length).toBeLessThan(MOST_EVENT_BYTES / 2);
    const told = await afterwards(here, sequence);
    expect(told).toMatchObject({ outcome: 'granted', note: null });
    expect(told['steps']).toHaveLength(8);
  });

  it('says so where nothing was judged, or nothing was kept of it', async () => {
    const here = await withCard();
    const base = { acs_entrance_id: LOBBY, acs_credential_id: ID, acs_user_id: USER, acs_system_id: 'x' };
    const add = (more: Record<string, unknown>): number =>
      here.store.group(() => here.store.events.add({ event_type: 'lock.unlocked', body: { ...base, ...more } }, 0));
    const note = async (sequence: number): Promise<unknown> => (await afterwards(here, sequence))['note'];
    expect(await note(add({ decided_by: 'controller', controller: 'annex' }))).toContain('annex decided by its own');
    expect(await note(add({ decided_by: 'command' }))).toContain('by a command');
    expect(await note(add({ decided_by: 'gateway' }))).toContain('kept no gates');
    expect(await note(add({ decided_by: 'gateway', gates: ['factor'], cut: ['gates'] }))).toContain('too long');
    // A database that somebody wrote into must not keep anybody from asking.
    expect(await note(add({ decided_by: 7, gates: [{}, 3, '__proto__', '!toString: x'] }))).toBe(null);
  });

  it('that the log no longer reaches, or that is none, is refused with what there is', async () => {
    const here = await withCard();
    here.card();
    await here.clock.advance(1_000);
    const ask = async (params: Record<string, unknown>): Promise<unknown> => {
      const { error } = await here.caller.call('entrances/explain_decision', params);
      return [error?.type, error?.message];
    };
    const created = newest(here, 'acs_user.created');
    const unlocked = newest(here, 'lock.unlocked');
    expect(await ask({ sequence: created })).toEqual(['invalid_input', expect.stringContaining('acs_user.created')]);
    expect(await ask({ sequence: unlocked, event_id: ID })).toEqual(['event_not_found', expect.stringContaining('another event_id')]); // prettier-ignore
    expect(await ask({ sequence: 9_999 })).toEqual(['event_not_found', expect.stringContaining('the newest is')]);
    here.store.group(() => here.store.events.trim(Infinity, 1, 1_000));
    expect(await ask({ sequence: created })).toEqual(['event_not_found', expect.stringContaining('is forgotten')]);
  });
});
