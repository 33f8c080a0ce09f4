// Weekly schedules at the door.

import { describe, expect, it } from 'vitest';
import { LOBBY, USER } from '../support/room.ts';
import { asked, CARD, code, ID, lobby, world, type Given, type World } from './world.ts';

describe('a weekly schedule', () => {
  const OFFICE = '99999999-9999-9999-9999-999999999999';
  const office = { schedule_id: OFFICE, name: 'Office hours', week: 'mon-fri 08:00-12:00, 13:00-17:00' };

  /** Monday, ten in the morning by the wall clock. */
  async function withSchedule(given: Given = {}): Promise<World> {
    const here = world(given);
    await here.caller.call('users/create', { acs_user_id: USER, full_name: 'Jane' });
    await here.caller.call('schedules/create', office);
    const reply = await here.caller.call('credentials/create', {
      acs_credential_id: ID, acs_user_id: USER, access_method: 'card', card_number: CARD, allowed_acs_entrance_ids: [LOBBY], schedule_id: OFFICE,
    }); // prettier-ignore
    expect(reply.error).toBeUndefined();
    return here;
  }
  const hours = (count: number): number => count * 3_600_000;

  it('lets in within its ranges and at no other time, across the week', async () => {
    const here = await withSchedule();
    here.card();
    expect(here.events().at(-1)).toBe('lock.unlocked');
    // 12:00, 13:00, 17:00, and Saturday at 10:00.
    for (const later of [2, 1, 4, 113]) {
      await here.clock.advance(hours(later));
      here.card();
    }
    expect(here.events().filter((event) => event.startsWith('lock.'))).toEqual([
      'lock.unlocked',
      'lock.access_denied outside_schedule',
      'lock.unlocked',
      'lock.access_denied outside_schedule',
      'lock.access_denied outside_schedule',
    ]);
  });

  it('as it is changed holds from the same transaction on', async () => {
    const here = await withSchedule();
    await here.caller.call('schedules/update', { schedule_id: OFFICE, week: 'tue 08:00-17:00' });
    here.card();
    expect(here.events().at(-1)).toBe('lock.access_denied outside_schedule');
    await here.caller.call('schedules/update', { schedule_id: OFFICE, week: 'mon 10:00-11:00' });
    here.card();
    expect(here.events().at(-1)).toBe('lock.unlocked');
  });

  it('holds on holidays what it says of them', async () => {
    const here = await withSchedule();
    await here.caller.call('holidays/create', { name: 'Today', date: '2026-03-02' });
    here.card();
    expect(here.events().at(-1)).toBe('lock.access_denied outside_schedule');
    await here.caller.call('schedules/update', { schedule_id: OFFICE, on_holidays: 'as_usual' });
    here.card();
    expect(here.events().at(-1)).toBe('lock.unlocked');
    await here.caller.call('schedules/update', { schedule_id: OFFICE, on_holidays: '12:00-14:00' });
    here.card();
    expect(here.events().at(-1)).toBe('lock.access_denied outside_schedule');
    await here.clock.advance(hours(2.5));
    here.card();
    expect(here.events().at(-1)).toBe('lock.unlocked');
  });

  it('lets nobody in by a clock that nobody vouches for, for no floor knows the time of day', async () => {
    const here = await withSchedule();
    here.time.witness = { trusted: false, floorMs: here.clock.nowMs() };
    here.card();
    expect(here.events().at(-1)).toBe('lock.access_denied clock_untrusted');
  });

  it('counts for the card and for the code where both are asked for', async () => {
    const here = await withSchedule({ factors: 'card_and_code' });
    await here.caller.call('schedules/create', {
      ...office,
      schedule_id: ID,
      name: 'Tuesdays',
      week: 'tue 08:00-17:00',
    });
    await code(here, '824759', { schedule_id: ID });
    here.card();
    here.digits('824759');
    expect(here.events().at(-1)).toBe('lock.access_denied outside_schedule');
    await here.clock.advance(hours(24));
    here.card();
    here.digits('824759');
    expect(here.events().at(-1)).toBe('lock.unlocked');
  });

  it('is explained with the day, its ranges and the time on the wall', async () => {
    const here = await withSchedule();
    const explained = here.access.explain(
      lobby(here.store),
      { acsCredentialId: ID },
      asked({ trusted: true, nowMs: Date.parse('2026-03-02T11:30:00Z'), floorMs: null, isGraceLeft: true }),
    );
    expect(explained).toMatchObject({ outcome: 'denied', reason: 'outside_schedule' });
    expect(explained.steps.at(-1)).toEqual({
      step: 'schedule',
      passed: false,
      detail: 'Office hours on monday 2026-03-02: 08:00-12:00, 13:00-17:00; the wall clock says 12:30',
    });
  });
});
