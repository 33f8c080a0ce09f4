// Weekly schedules at a controller that keeps them itself: told before any slot names them, again when they may be
// lost, and never given to another schedule while a slot may still name them.

import { describe, expect, it } from 'vitest';
import { describePlan } from '../../src/sync/describe.ts';
import { ENTRANCES } from '../support/room.ts';
import { HOUR } from '../support/sync-house.ts';
import { keeping, opened, heldZones, statesOf, card, A, B, C } from './schedule-house.ts';

describe('a credential with a schedule', () => {
  it('is written once the controller was told the holidays and every part of the schedule, the named one last', async () => {
    const house = await opened();
    house.holiday('2026-12-25', true);
    house.schedule(A, 'mon-fri 08:00-12:00, 13:00-17:00');
    let toldBefore: string[] = [];
    house.device.onSent = () => (toldBefore = [...house.device.told]);
    const id = house.create({ ...card(1), schedule_id: A });
    await house.settle();
    expect(house.state(id)).toBe('set');
    expect(toldBefore).toEqual(['holidays', 'zone 3', 'zone 2']);
    expect(heldZones(house)).toEqual([2]);
    const [first, second] = [house.device.zones.get(2), house.device.zones.get(3)];
    const range = (from: number, until: number) => ({ fromMinute: from * 60, untilMinute: until * 60 });
    const working = (range: unknown) => [...Array<unknown>(5).fill(range), null, null];
    expect(first).toEqual({ days: working(range(8, 12)), onHolidays: false, link: 3 });
    expect(second).toEqual({ days: working(range(13, 17)), onHolidays: false, link: null });
    expect(house.device.holidays).toEqual(['12-25']);
  });

  it('shares the zones of its schedule, and nothing is told twice', async () => {
    const house = await opened();
    house.schedule(A, 'mon 08:00-12:00');
    for (let n = 1; n <= 20; n++) house.create({ ...card(n), schedule_id: A });
    await house.settle();
    await house.pass(2 * HOUR);
    expect(heldZones(house)).toEqual(Array(20).fill(2));
    expect(house.device.told).toEqual(['holidays', 'zone 2']);
  });

  it('is written anew when it gets one, another one, or none', async () => {
    const house = await opened();
    house.schedule(A, 'mon 08:00-12:00');
    house.schedule(B, 'tue 08:00-12:00');
    const id = house.create(card(1));
    await house.settle();
    expect(heldZones(house)).toEqual([undefined]);
    for (const [schedule, zone] of [[A, 2], [B, 3], [null, undefined]] as const) {
      house.update(id, { schedule_id: schedule });
      await house.settle();
      expect(heldZones(house)).toEqual([zone]);
      expect(house.state(id)).toBe('set');
    } // prettier-ignore
  });

  it('of a card and a code that follow two schedules is not written, and says why; with one it is', async () => {
    const entrances = [{ ...ENTRANCES.storeRoom, factors: 'card_and_code' as const }];
    const house = await opened(keeping(), { entrances });
    house.schedule(A, 'mon 08:00-12:00');
    house.schedule(B, 'tue 08:00-12:00');
    const id = house.create({ ...card(1), schedule_id: A });
    const code = house.create({ code: '4711', schedule_id: B });
    await house.settle();
    expect(house.device.held().size).toBe(0);
    expect(house.target(id)).toMatchObject({ state: 'failed', error_type: 'not_supported' });
    expect(house.target(id)?.error_message).toContain('It follows two schedules at once');
    for (const schedule of [A, null]) {
      house.update(code, { schedule_id: schedule });
      await house.settle();
      expect(heldZones(house)).toEqual([2]);
      expect([house.state(id), house.state(code)]).toEqual(['set', 'set']);
    }
  });
});

describe('a schedule', () => {
  it('that is changed is told again, and no slot is touched', async () => {
    const house = await opened();
    house.schedule(A, 'mon 08:00-12:00');
    house.create({ ...card(1), schedule_id: A });
    await house.settle();
    const writes = house.device.calls.filter(({ what }) => what === 'write').length;
    const state = (): unknown => statesOf(house);
    house.schedule(A, 'mon 08:00-10:00, 14:00-16:00', 'as_usual');
    expect(state()).toEqual([{ controller: 'store-panel', time_zones: [2, 3], state: 'writing' }]);
    await house.settle();
    expect(state()).toEqual([{ controller: 'store-panel', time_zones: [2, 3], state: 'unconfirmed' }]);
    expect(house.device.told.slice(2)).toEqual(['zone 3', 'zone 2']);
    expect(house.device.zones.get(2)).toMatchObject({ onHolidays: true, link: 3 });
    house.schedule(A, 'mon 08:00-10:00');
    await house.settle();
    expect(house.device.zones.get(2)).toMatchObject({ onHolidays: false, link: null });
    expect(house.device.calls.filter(({ what }) => what === 'write')).toHaveLength(writes);
    expect(house.store.zones.ofController('store-panel').map(({ zone }) => zone)).toEqual([2]);
  });

  it('that is changed while the controller is being told is not said to be held as it is now', async () => {
    const house = await opened();
    house.schedule(A, 'mon 08:00-12:00');
    house.create({ ...card(1), schedule_id: A });
    house.device.onTold = (what) => {
      if (what !== 'zone 2') return;
      house.device.onTold = () => undefined;
      house.schedule(A, 'mon 08:00-09:00');
      house.offline();
    };
    await house.settle();
    expect(house.device.zones.get(2)?.days[0]).toEqual({ fromMinute: 480, untilMinute: 720 });
    expect(statesOf(house)).toMatchObject([{ state: 'writing' }]);
    house.online();
    await house.settle();
    expect(house.device.zones.get(2)?.days[0]).toEqual({ fromMinute: 480, untilMinute: 540 });
    expect(statesOf(house)).toMatchObject([{ state: 'unconfirmed' }]);
  });

  it('of which a controller does not know the holidays yet is not held by it, and the plan says so', async () => {
    const house = await opened();
    house.schedule(A, 'mon 08:00-12:00');
    house.create({ ...card(1), schedule_id: A });
    const christmas = house.holiday('2026-12-25');
    await house.settle();
    const plan = (): unknown => describePlan(house.store, house.room.site, house.device, house.time(), 0);
    const changes = [() => void house.holiday('2026-12-26'), () => house.deleteHoliday(christmas)];
    for (const change of changes) {
      house.offline();
      change();
      await house.settle();
      expect(statesOf(house)).toMatchObject([{ state: 'writing' }]);
      expect(plan()).toMatchObject([{ action: 'schedule', why: 'the holidays' }]);
      house.online();
      await house.settle();
      expect(statesOf(house)).toMatchObject([{ state: 'unconfirmed' }]);
      expect(plan()).toEqual([]);
    }
    // One that is too far off to be told changes nothing there.
    house.offline();
    house.holiday('2029-12-25');
    expect(plan()).toEqual([]);
    expect(house.device.holidays).toEqual(['12-26']);
  });

  it('that finds no zone left is refused with the remedy; deleting one that nobody follows makes room', async () => {
    const house = await opened(keeping(3));
    house.schedule(A, 'mon 08:00-12:00');
    house.schedule(B, 'tue 08:00-12:00');
    house.schedule(C, 'wed 08:00-12:00');
    const [first, second] = [A, B].map((schedule, n) => house.create({ ...card(n), schedule_id: schedule }));
    await house.settle();
    expect(() => house.create({ ...card(9), schedule_id: C })).toThrow(
      'params.schedule_id: store-panel has the time zones 2 to 3 for schedules, and fewer are free than the 1 that it needs',
    );
    expect(() => house.schedule(A, 'mon 08:00-10:00, 11:00-12:00')).toThrow(
      'params.week: store-panel has the time zones 2 to 3 for schedules, and fewer are free than the 2 that it needs',
    );
    expect(() => house.schedule(A, 'mon 08:00-10:00', '10:00-12:00')).toThrow('Remedy: on_holidays closed or as_usual');
    house.delete(first ?? '');
    await house.settle();
    const third = house.create({ ...card(3), schedule_id: C });
    await house.settle();
    expect([house.state(second ?? ''), house.state(third)]).toEqual(['set', 'set']);
    expect(house.device.zones.get(2)?.days[2]).toEqual({ fromMinute: 480, untilMinute: 720 });
  });

  it('may be changed into what a controller cannot keep once nobody follows it there', async () => {
    const house = await opened(keeping(2));
    house.schedule(A, 'mon 08:00-12:00');
    const id = house.create({ ...card(1), schedule_id: A });
    await house.settle();
    house.delete(id);
    await house.settle();
    house.schedule(A, 'mon 08:00-12:00, 13:00-17:00', '10:00-12:00');
    await house.settle();
    expect(house.store.zones.ofController('store-panel')).toEqual([]);
    expect(() => house.create({ ...card(1), schedule_id: A })).toThrow('Remedy: on_holidays closed or as_usual');
  });

  it('keeps its zone as long as a slot may name it, however long the controller is off', async () => {
    const house = await opened(keeping(2));
    house.schedule(A, 'mon 08:00-12:00');
    house.schedule(B, 'tue 08:00-12:00');
    const id = house.create({ ...card(1), schedule_id: A });
    await house.settle();
    house.offline();
    house.delete(id);
    house.deleteSchedule(A);
    expect(() => house.create({ ...card(2), schedule_id: B })).toThrow('fewer are free than the 1 that it needs');
    house.online();
    await house.settle();
    expect(house.device.held().size).toBe(0);
    const other = house.create({ ...card(2), schedule_id: B });
    await house.settle();
    expect(house.state(other)).toBe('set');
    expect(house.device.zones.get(2)?.days[1]).toEqual({ fromMinute: 480, untilMinute: 720 });
  });
});

describe('a schedule of two ranges that is gone', () => {
  it('keeps both its zones while a slot names the first, which leads to the second', async () => {
    const house = await opened();
    house.schedule(A, 'mon 08:00-09:00, 10:00-11:00');
    house.schedule(B, 'mon-sun 00:00-24:00');
    house.schedule(C, 'mon 08:00-09:00');
    const id = house.create({ ...card(1), schedule_id: A });
    await house.settle();
    house.offline();
    house.update(id, { schedule_id: C });
    house.deleteSchedule(A);
    const widen = (): string => house.create({ ...card(2), schedule_id: B });
    expect(widen).toThrow('fewer are free than the 1 that it needs');
    house.online();
    await house.settle();
    const other = widen();
    await house.settle();
    expect([house.state(id), house.state(other)]).toEqual(['set', 'set']);
    expect(new Set(heldZones(house)).size).toBe(2);
  });
});

describe('the clock of a controller', () => {
  it('is looked at behind every half hour, and set where it is wrong', async () => {
    const house = await opened(keeping(), { withClock: true });
    house.device.clockDriftMs = -HOUR;
    await house.pass(40 * 60_000);
    expect(house.device.clockDriftMs).toBe(0);
  });

  it('is looked at again within two minutes when that failed', async () => {
    const house = await opened(keeping(), { withClock: true });
    house.device.clockFailures = 1;
    house.device.clockDriftMs = HOUR;
    await house.pass(32 * 60_000);
    expect(house.device.clockFailures).toBe(0);
    expect(house.device.clockDriftMs).toBe(0);
  });

  it('is left alone while nobody vouches for ours', async () => {
    const house = await opened(keeping(), { withClock: true });
    house.isTrusted = false;
    house.device.clockDriftMs = -HOUR;
    await house.pass(40 * 60_000);
    expect(house.device.clockDriftMs).toBe(-HOUR);
  });
});
