import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../support/manual-clock.ts';
import { buildRoom, Caller, LOBBY, STORE_ROOM, USER, type ParsedReply, type TestRoom } from '../support/room.ts';
import { openStore, temporaryFolder } from '../support/store.ts';

const OFFICE = '99999999-9999-9999-9999-999999999999';
const OTHER = '99999999-9999-9999-9999-000000000000';
const XMAS = 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa';
const ID = '66666666-6666-6666-6666-666666666666';

async function setUp(): Promise<{ caller: Caller; room: TestRoom }> {
  const clock = new ManualClock();
  const room = buildRoom(openStore(temporaryFolder(), clock), clock);
  const caller = new Caller(room);
  await caller.call('users/create', { acs_user_id: USER, full_name: 'Jane Doe' });
  return { caller, room };
}

const office = (more: Record<string, unknown> = {}): Record<string, unknown> => ({
  schedule_id: OFFICE,
  name: 'Office hours',
  week: 'mon-fri 08:00-12:00, 13:00-17:00',
  ...more,
});
const card = (more: Record<string, unknown> = {}): Record<string, unknown> => ({
  acs_credential_id: ID,
  acs_user_id: USER,
  access_method: 'card',
  card_number: 'H10301:123:45678',
  allowed_acs_entrance_ids: [LOBBY],
  schedule_id: OFFICE,
  ...more,
});
const errorOf = (reply: ParsedReply): string => `${reply.error?.type ?? 'ok'}: ${reply.error?.message ?? ''}`;

describe('schedules', () => {
  it('are created from one line or day by day, and answered day by day', async () => {
    const { caller } = await setUp();
    const line = await caller.call('schedules/create', office());
    expect(line.result?.['schedule']).toMatchObject({
      schedule_id: OFFICE,
      name: 'Office hours',
      week: { monday: ['08:00-12:00', '13:00-17:00'], saturday: [], sunday: [] },
      on_holidays: 'closed',
      credential_count: 0,
      controller_states: [],
    });
    const days = await caller.call('schedules/create', {
      name: 'Weekend',
      week: { sunday: ['14:00-16:00', '10:00-14:00'], saturday: ['00:00-24:00'] },
      on_holidays: ['10:00-12:00'],
    });
    expect(days.result?.['schedule']).toMatchObject({
      week: { monday: [], saturday: ['00:00-24:00'], sunday: ['10:00-16:00'] },
      on_holidays: ['10:00-12:00'],
    });
    const listed = await caller.call('schedules/list', { search: 'week' });
    expect(listed.result?.['schedules']).toMatchObject([{ name: 'Weekend' }]);
  });

  it('are the same again when they come again, and a conflict with other details', async () => {
    const { caller } = await setUp();
    await caller.call('schedules/create', office());
    expect((await caller.call('schedules/create', office())).ok).toBe(true);
    expect(errorOf(await caller.call('schedules/create', office({ week: 'mon 08:00-09:00' })))).toContain(
      'schedule_exists: schedule 99999999-9999-9999-9999-999999999999 exists with other details',
    );
  });

  it.each([
    [{ week: 'mon 22:00-06:00' }, 'params.week: "22:00-06:00" ends before it begins'],
    [{ week: { monday: ['8-12'] } }, 'params.week.monday: "8-12" is no range of the day'],
    [{ week: { mon: ['08:00-12:00'] } }, 'params.week.mon: not a parameter of this command'],
    [{ week: {} }, 'params.week: opens on no day at all'],
    [{ week: 7 }, 'params.week: days and ranges as mon-fri'],
    [{ on_holidays: 'never' }, 'params.on_holidays: closed, as_usual, or ranges of the day'],
    [{ name: ' ' }, 'params.name: must not be empty'],
  ])('with %j are refused with the place and the remedy', async (more, message) => {
    const { caller } = await setUp();
    const reply = await caller.call('schedules/create', office(more));
    expect(errorOf(reply)).toContain(`invalid_input: ${message}`);
  });

  it('change for everybody who follows them, and are deleted only when nobody does', async () => {
    const { caller } = await setUp();
    await caller.call('schedules/create', office());
    const created = await caller.call('credentials/create', card());
    expect(created.result?.acs_credential).toMatchObject({ schedule_id: OFFICE });
    const updated = await caller.call('schedules/update', { schedule_id: OFFICE, on_holidays: 'as_usual' });
    expect(updated.result?.['schedule']).toMatchObject({
      on_holidays: 'as_usual',
      credential_count: 1,
      name: 'Office hours',
    });

    expect(errorOf(await caller.call('schedules/delete', { schedule_id: OFFICE }))).toContain(
      'schedule_in_use: 1 credential(s) follow schedule',
    );
    await caller.call('credentials/update', { acs_credential_id: ID, schedule_id: null });
    expect((await caller.call('schedules/delete', { schedule_id: OFFICE })).ok).toBe(true);
    expect((await caller.call('schedules/delete', { schedule_id: OFFICE })).ok).toBe(true);
    expect(errorOf(await caller.call('schedules/get', { schedule_id: OFFICE }))).toContain('schedule_not_found');
    expect(errorOf(await caller.call('schedules/create', office()))).toContain('a deleted id is never used again');
  });

  it('are refused at a controller that keeps none, when the credential comes and when it is changed', async () => {
    const { caller, room } = await setUp();
    await caller.call('schedules/create', office());
    const entrances = { allowed_acs_entrance_ids: [LOBBY, STORE_ROOM] };
    expect(errorOf(await caller.call('credentials/create', card(entrances)))).toContain(
      'not_supported: params.schedule_id: store-panel decides by its own table and keeps no weekly schedules for Lintel',
    );
    expect(room.store.credentials.count()).toBe(0);
    expect((await caller.call('credentials/create', card({ ...entrances, schedule_id: null }))).ok).toBe(true);
    expect(errorOf(await caller.call('credentials/update', { acs_credential_id: ID, schedule_id: OFFICE }))).toContain(
      'not_supported: params.schedule_id: store-panel',
    );
    expect((await caller.call('credentials/get', { acs_credential_id: ID })).result?.acs_credential).toMatchObject({
      schedule_id: null,
    });
  });

  it('that are not here are no schedules to follow', async () => {
    const { caller } = await setUp();
    expect(errorOf(await caller.call('credentials/create', card()))).toContain('schedule_not_found: no schedule');
  });

  it('make another credential of one with the same id, and another digest', async () => {
    const { caller, room } = await setUp();
    await caller.call('schedules/create', office());
    await caller.call('schedules/create', office({ schedule_id: OTHER }));
    const before = room.store.digest.read().digest;
    await caller.call('credentials/create', card({ secret_revision: 7 }));
    const line = `credential|${ID}|${USER}|card|||${LOBBY}||7|${OFFICE}`;
    const sum = BigInt(`0x${before}`) + BigInt(`0x${createHash('sha256').update(line).digest('hex')}`);
    expect(room.store.digest.read().digest).toBe((sum % 2n ** 256n).toString(16).padStart(64, '0'));
    expect((await caller.call('credentials/create', card({ secret_revision: 7 }))).ok).toBe(true);
    expect(errorOf(await caller.call('credentials/create', card({ schedule_id: OTHER })))).toContain(
      'acs_credential_exists',
    );
  });
});

describe('holidays', () => {
  const xmas = { holiday_id: XMAS, name: 'Christmas', date: '2026-12-24', last_date: '2026-12-26', every_year: true };

  it('are days or days in a row, of one year or of every year', async () => {
    const { caller, room } = await setUp();
    expect((await caller.call('holidays/create', xmas)).result?.['holiday']).toMatchObject(xmas);
    await caller.call('holidays/create', { name: 'Moving day', date: '2026-05-04' });
    expect(room.store.holidays.days()).toEqual(['12-24', '12-25', '12-26', '2026-05-04']);
    const { holidays } = room.store;
    expect(['2031-12-25', '2026-05-04', '2027-05-04', '2026-12-27'].map((day) => holidays.isHoliday(day))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect((await caller.call('holidays/list', {})).result?.['holidays']).toMatchObject([
      { name: 'Christmas' },
      { name: 'Moving day', last_date: '2026-05-04', every_year: false },
    ]);
  });

  it('that come every year and reach from February into March have the leap day of every leap year', async () => {
    const { caller, room } = await setUp();
    const winter = { name: 'Winter break', date: '2027-02-27', last_date: '2027-03-02', every_year: true };
    await caller.call('holidays/create', winter);
    expect(room.store.holidays.isHoliday('2028-02-29')).toBe(true);
    await caller.call('holidays/create', { name: 'Two days', date: '2027-02-28', last_date: '2027-03-01' });
    expect(room.store.holidays.days()).toEqual([
      '02-27',
      '02-28',
      '02-29',
      '03-01',
      '03-02',
      '2027-02-28',
      '2027-03-01',
    ]);
  });

  it('are moved and deleted with all their days', async () => {
    const { caller, room } = await setUp();
    await caller.call('holidays/create', xmas);
    await caller.call('holidays/update', { holiday_id: XMAS, every_year: false, last_date: '2026-12-25' });
    expect(room.store.holidays.days()).toEqual(['2026-12-24', '2026-12-25']);
    expect((await caller.call('holidays/delete', { holiday_id: XMAS })).ok).toBe(true);
    expect(room.store.holidays.days()).toEqual([]);
    expect(errorOf(await caller.call('holidays/create', xmas))).toContain('a deleted id is never used again');
  });

  it.each([
    [{ date: '2026-13-01' }, 'params.date: a date as 2026-12-25'],
    [{ last_date: '2026-12-23' }, 'params.last_date: must not be earlier than date'],
    [{ last_date: '2027-12-23' }, 'params.last_date: a holiday has at most 61 days'],
  ])('with %j are refused with the place', async (more, message) => {
    const { caller, room } = await setUp();
    expect(errorOf(await caller.call('holidays/create', { ...xmas, ...more }))).toContain(`invalid_input: ${message}`);
    expect(room.store.holidays.days()).toEqual([]);
  });

  it('cannot be turned round by an update', async () => {
    const { caller, room } = await setUp();
    await caller.call('holidays/create', xmas);
    const reply = await caller.call('holidays/update', { holiday_id: XMAS, date: '2026-12-31' });
    expect(errorOf(reply)).toContain('invalid_input: params.last_date: must not be earlier than date');
    expect(room.store.holidays.days()).toEqual(['12-24', '12-25', '12-26']);
  });
});
