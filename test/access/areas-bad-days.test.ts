// Areas on bad days: ends without notice, readers that went dark, people who were deleted, copies that came back.

import Database from 'better-sqlite3';
import { describe, expect, it, vi } from 'vitest';
import { area, areaWorld, PEOPLE } from './area-world.ts';

const HARD = area({ antiPassback: { kind: 'hard' } });

describe('who is inside', () => {
  it('may be, of those who were on their way when the process was killed; and they may show up once more', async () => {
    const here = await areaWorld([HARD]);
    await here.show(0, 'front-in');
    here.again('killed');
    expect([here.listed(), here.count()]).toEqual([['0 unknown'], 0]);
    expect(await here.go(0, 'front-in')).toBe('granted');
    expect(await here.show(0, 'front-in')).toBe('denied');
  });

  it('is in doubt once a way out went dark, or stood open: listed and counted, and not held against anybody', async () => {
    const here = await areaWorld([HARD]);
    await here.go(0, 'front-in');
    here.access().deviceOffline('front-out');
    expect([here.listed(), here.count()]).toEqual([['0 unsure'], 1]);
    expect(await here.go(0, 'front-in')).toBe('granted');
    expect(here.events('area.passback_violation')).toMatchObject([{ was_let_in: true, was_unsure: true }]);
    expect([here.listed(), await here.show(0, 'front-in')]).toEqual([['0 inside'], 'denied']);
    // A way in that is dark lets nobody out.
    here.access().deviceOffline('front-in');
    expect(here.listed()).toEqual(['0 inside']);
    const expires_at = new Date(here.clock().nowMs() + 30_000).toISOString();
    const { error } = await here.caller().call('entrances/set_mode', { acs_entrance_id: here.entrance('front').acsEntranceId, mode: 'evacuate' }, { expires_at }); // prettier-ignore
    expect(error).toBeUndefined();
    expect(here.listed()).toEqual(['0 unsure']);
  });

  it('is never kept there by a full disk, which lets nobody more enter', async () => {
    const here = await areaWorld([area({ antiPassback: { kind: 'hard' }, limit: 5 })]);
    await here.go(0, 'front-in');
    const full = (): never => {
      throw new Database.SqliteError('database or disk is full', 'SQLITE_FULL');
    };
    const writes = [vi.spyOn(here.store(), 'now'), vi.spyOn(here.store(), 'group')];
    for (const write of writes) write.mockImplementation(full);
    expect(await here.show(1, 'front-in')).toBe('denied');
    expect(await here.show(0, 'front-out')).toBe('granted');
    for (const write of writes) write.mockRestore();
    await here.clock().advance(60_000);
    expect(await here.show(1, 'front-in')).toBe('granted');
  });

  it('has still who was deleted, by name, until they are forgiven or the area is reset', async () => {
    const here = await areaWorld([area({ resets: [240] })]);
    await here.go(1, 'front-in');
    await here.caller().call('users/delete', { acs_user_id: PEOPLE[1] });
    const list = async (): Promise<unknown> =>
      (await here.caller().call('areas/list_occupants', {})).result?.['occupants'];
    expect(await list()).toMatchObject([{ acs_user_id: PEOPLE[1], display_name: 'Person 1', state: 'inside' }]);
    await here.caller().call('areas/forgive', { acs_user_id: PEOPLE[1] });
    expect(await list()).toMatchObject([{ acs_user_id: PEOPLE[1], state: 'unknown' }]);
    await here.clock().advance(24 * 3_600_000);
    expect(await list()).toEqual([]);
    expect((await here.caller().call('areas/forgive', { acs_user_id: PEOPLE[1] })).error?.type).toBe('acs_user_not_found');
  }); // prettier-ignore

  it('is nobody at the time of the reset, however late it is seen; who entered since stays', async () => {
    const here = await areaWorld([area({ resets: [240], antiPassback: { kind: 'hard' } })]);
    await here.go(0, 'front-in');
    await here.go(1, 'front-in');
    // Nobody knows the time when it is 04:00 in Oslo.
    here.witness.time = { trusted: false };
    await here.clock().advance(19 * 3_600_000);
    expect(here.count()).toBe(2);
    await here.go(2, 'front-in');
    here.witness.time = {};
    await here.clock().advance(60_000);
    expect(here.listed()).toEqual(['2 inside']);
    const told = here.events('area.forgiven').map(({ why, acs_user_id: id }) => [why, id]);
    expect(told).toEqual([['reset', PEOPLE[0]], ['reset', PEOPLE[1]]]); // prettier-ignore
    // A clock that is set back does it no second time.
    here.clock().leap(-3_600_000);
    await here.clock().advance(120_000);
    expect(here.listed()).toEqual(['2 inside']);
  });

  it('is known of nobody in an older copy of the database: everybody is forgiven once', async () => {
    const here = await areaWorld([HARD]);
    await here.go(0, 'front-in');
    here.store().now(() => here.store().meta.set('areas_restored', 1));
    here.again('orderly');
    expect([here.listed(), here.count()]).toEqual([['0 unknown'], 0]);
    expect(here.events('area.forgiven')).toMatchObject([{ acs_user_id: null, count: 1, why: 'restored' }]);
    expect(await here.go(0, 'front-in')).toBe('granted');
    here.again('orderly');
    expect(await here.show(0, 'front-in')).toBe('denied');
  });

  it('is forgotten of areas that left the facility file', async () => {
    const here = await areaWorld([HARD]);
    here.store().now(() => here.store().areas.enter('attic', { acs_user_id: PEOPLE[0], atMs: 0, acs_entrance_id: 'x', reader: 'x' })); // prettier-ignore
    here.again('orderly');
    expect(here.store().areas.counts('attic').inside).toBe(0);
  });
});

describe('commands', () => {
  it('tell how many are inside, who, since when and where they were seen last', async () => {
    const yard = area({ name: 'yard', displayName: 'Yard', inReaders: ['back-in'], outReaders: [], limit: 1 });
    const here = await areaWorld([area(), yard], [{ name: 'front' }, { name: 'back' }]);
    await here.go(0, 'front-in');
    await here.clock().advance(60_000);
    await here.go(0, 'back-in');
    const call = async (verb: string, params: object = {}): Promise<Record<string, unknown>> => {
      const reply = await here.caller().call(`areas/${verb}`, params);
      return reply.result ?? { ...reply.error };
    };
    expect(await call('list')).toMatchObject({ areas: [{ area: 'workshop', occupancy: 1, is_full: false }, { area: 'yard', occupancy: 1, is_full: true }] }); // prettier-ignore
    expect(await call('get', { area: 'yard' })).toMatchObject({ area: { display_name: 'Yard', limit: 1, unknown: 0 } });
    expect(await call('get', { area: 'workshp' })).toMatchObject({ type: 'area_not_found', message: expect.stringContaining('workshop') as string }); // prettier-ignore
    const { occupants } = await call('list_occupants', { area: 'workshop' });
    expect(occupants).toMatchObject([
      { display_name: 'Jane', entered_at: '2026-03-02T09:00:00.001Z', last_seen_at: '2026-03-02T09:01:00.001Z', last_reader: 'back-in' },
    ]); // prettier-ignore
    const first = await call('list_occupants', { limit: 1 });
    const { next_page_cursor: cursor } = first['pagination'] as { next_page_cursor: string };
    expect(await call('list_occupants', { limit: 1, page_cursor: cursor })).toMatchObject({ occupants: [{ area: 'yard' }], pagination: { has_next_page: false } }); // prettier-ignore
    expect(await call('forgive', {})).toMatchObject({ type: 'invalid_input' });
    expect(await call('forgive', { is_everybody: true })).toEqual({ forgiven: 2 });
    expect(await call('forgive', { area: 'yard', is_everybody: true })).toEqual({ forgiven: 0 });
  });
});
