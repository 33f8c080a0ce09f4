// Weekly schedules at a controller that keeps them itself, on its bad days: memory lost, answers that never come,
// schedules and holidays that it refuses, fewer time zones than before.

import { describe, expect, it } from 'vitest';
import { getSchedule } from '../../src/commands/schedules.ts';
import { HOUR, without } from '../support/sync-house.ts';
import { keeping, opened, heldZones, card, A, B } from './schedule-house.ts';

describe('bad days', () => {
  it('a controller that lost its memory is told its schedules before its slots', async () => {
    const house = await opened();
    house.schedule(A, 'mon 08:00-12:00');
    house.holiday('2026-12-25', true);
    const id = house.create({ ...card(1), schedule_id: A });
    await house.settle();
    house.device.table.clear();
    house.device.zones.clear();
    house.device.holidays = [];
    house.device.told.length = 0;
    let toldBefore: string[] = [];
    house.device.onSent = () => (toldBefore = [...house.device.told]);
    house.sync.deviceRestarted('store-panel');
    await house.settle();
    expect(house.state(id)).toBe('set');
    expect(toldBefore).toEqual(['holidays', 'zone 2']);
    expect(heldZones(house)).toEqual([2]);
  });

  it('a controller that comes back without any slot of ours is told its schedules anew: it may be another', async () => {
    const house = await opened();
    house.schedule(A, 'mon 08:00-12:00');
    const id = house.create({ ...card(1), schedule_id: A, starts_at: house.clock.nowMs() + 2 * HOUR });
    await house.settle();
    expect([...house.device.zones.keys()]).toEqual([2]);
    house.offline();
    house.device.zones.clear();
    house.online();
    await house.pass(3 * HOUR);
    expect(house.state(id)).toBe('set');
    expect([...house.device.zones.keys()]).toEqual([2]);
  });

  it('so is one of which no slot is known for certain', async () => {
    const house = await opened();
    house.schedule(A, 'mon 08:00-12:00');
    const id = house.create({ ...card(1), schedule_id: A });
    house.device.onSent = () => house.offline();
    await house.settle();
    expect(house.target(id)).toMatchObject({ slot: 0, read_hash: null });
    house.device.onSent = () => undefined;
    house.device.zones.clear();
    house.online();
    await house.pass(HOUR);
    expect(house.state(id)).toBe('set');
    expect([...house.device.zones.keys()]).toEqual([2]);
  });

  it('and so is one that is replaced while it is compared', async () => {
    const house = await opened();
    house.schedule(A, 'mon 08:00-12:00');
    const id = house.create({ ...card(1), schedule_id: A });
    await house.settle();
    const replace = (): void => {
      house.device.table.clear();
      house.device.zones.clear();
    };
    const told: boolean[] = [];
    house.device.onSent = () => told.push(house.device.zones.has(2));
    house.offline();
    replace();
    // The first was found out and is being compared when the second takes its place.
    house.device.onTold = (what) => {
      if (what !== 'zone 2') return;
      house.device.onTold = () => undefined;
      house.offline();
      replace();
      setImmediate(() => house.online());
    };
    house.online();
    await house.settle();
    await house.pass(60_000);
    expect(house.state(id)).toBe('set');
    expect(told).toEqual([true]);
  });

  it('the nightly comparison tells them anew, for nobody can read them', async () => {
    const house = await opened();
    house.schedule(A, 'mon 08:00-12:00');
    house.create({ ...card(1), schedule_id: A });
    await house.settle();
    house.device.zones.clear();
    house.sync.compareAll();
    await house.settle();
    expect([...house.device.zones.keys()]).toEqual([2]);
  });

  it('an answer that never came is no proof: it is told again, and no slot is written meanwhile', async () => {
    const house = await opened();
    house.schedule(A, 'mon 08:00-12:00');
    house.device.faults.isAnswerLost = true;
    const id = house.create({ ...card(1), schedule_id: A });
    await house.settle();
    expect(house.device.held().size).toBe(0);
    expect(house.state(id)).toBe('writing');
    house.device.faults.isAnswerLost = false;
    await house.pass(60_000);
    expect(house.state(id)).toBe('set');
  });

  it('a controller that answers all but schedules gets everything else, and who follows one is told of', async () => {
    const house = await opened();
    house.schedule(A, 'mon 08:00-12:00');
    house.device.faults = { ...house.device.faults, isSilent: true, onlySlots: [99] };
    const id = house.create({ ...card(1), schedule_id: A });
    const plain = house.create(card(2));
    await house.pass(60_000);
    expect(house.state(plain)).toBe('set');
    expect(house.target(id)).toMatchObject({
      state: 'failed',
      slot: null,
      error_message: 'The controller does not answer when it is told the holidays, which the schedule needs: no answer',
    });
    house.device.faults = { ...house.device.faults, isSilent: false };
    await house.pass(10 * 60_000);
    expect(house.state(id)).toBe('set');
  });

  it('a zone that the controller refuses fails its credentials with its words, others go on, and it is tried again', async () => {
    const house = await opened();
    house.schedule(A, 'mon 08:00-12:00');
    house.device.zoneRefusal = 'zone 2';
    const id = house.create({ ...card(1), schedule_id: A });
    const plain = house.create(card(2));
    await house.settle();
    expect(house.state(plain)).toBe('set');
    expect(house.target(id)).toMatchObject({
      state: 'failed',
      slot: null,
      error_type: 'failed_to_set_on_device',
      error_message: 'The controller refused time zone 2, which the schedule needs: the device says no',
    });
    expect(house.eventTypes(id)).toContain('access_code.failed_to_set_on_device');
    house.device.zoneRefusal = null;
    await house.pass(HOUR);
    expect(house.state(id)).toBe('set');
    expect(heldZones(house)).toEqual([undefined, 2]);
  });

  it('a change that the controller refuses leaves nobody there by the schedule as it was', async () => {
    const house = await opened();
    house.schedule(A, 'mon 08:00-12:00, 13:00-17:00');
    const ids = [1, 2].map((n) => house.create({ ...card(n), schedule_id: A }));
    const plain = house.create(card(3));
    await house.settle();
    house.device.zoneRefusal = 'zone 2';
    house.schedule(A, 'mon 08:00-09:00, 16:00-17:00');
    await house.pass(60_000);
    expect(heldZones(house)).toEqual([undefined]);
    for (const id of ids) {
      expect(house.state(id)).toBe('failed');
      expect(house.target(id)?.error_message).toContain('The controller refused time zone 2, which the schedule needs');
    }
    expect(house.state(plain)).toBe('set');
    house.device.zoneRefusal = null;
    await house.pass(HOUR);
    expect(ids.map((id) => house.state(id))).toEqual(['set', 'set']);
    expect(house.device.zones.get(2)?.days[0]).toEqual({ fromMinute: 480, untilMinute: 540 });
  });

  it('to refuse once more what it has already takes nothing away', async () => {
    const house = await opened();
    house.schedule(A, 'mon 08:00-12:00');
    const id = house.create({ ...card(1), schedule_id: A });
    await house.settle();
    house.device.zoneRefusal = 'zone 2';
    house.sync.compareAll();
    await house.pass(60_000);
    expect(house.state(id)).toBe('set');
    expect(heldZones(house)).toEqual([2]);
  });

  it('refused holidays hold up whoever may not enter on them, and nobody else', async () => {
    const house = await opened();
    house.schedule(A, 'mon 08:00-12:00');
    house.schedule(B, 'mon 08:00-12:00', 'as_usual');
    house.holiday('2026-12-25', true);
    house.device.zoneRefusal = 'holidays';
    const [id, other] = [house.create({ ...card(1), schedule_id: A }), house.create({ ...card(2), schedule_id: B })];
    await house.settle();
    expect(house.target(id)?.error_message).toContain('The controller refused the holidays, which the schedule needs');
    expect([house.state(id), house.state(other)]).toEqual(['failed', 'set']);
    const statesOf = (schedule_id: string): unknown =>
      (getSchedule(house.room, { schedule_id }).result['schedule'] as Record<string, unknown>)['controller_states'];
    expect([statesOf(A), statesOf(B)]).toMatchObject([[{ state: 'writing' }], [{ state: 'unconfirmed' }]]);
    expect(house.device.held().size).toBe(1);
  });

  it(
    'a narrower schedule takes away what the old one let in, though the power goes at any moment',
    { timeout: 180_000 },
    async () => {
      for (let turns = 0; turns < 14; turns++) {
        const house = await opened();
        house.schedule(A, 'mon 08:00-12:00');
        house.create({ ...card(1), schedule_id: A });
        await house.settle();
        house.schedule(A, 'mon 08:00-09:00');
        await house.turns(turns);
        await house.kill();
        // The other way round as well: what was sent and is not remembered must not stay.
        expect(house.device.zones.get(2)?.days[0]).toEqual({ fromMinute: 480, untilMinute: 540 });
        house.schedule(A, 'mon 08:00-12:00');
        await house.turns(turns);
        await house.kill();
        house.schedule(A, 'mon 08:00-09:00');
        await house.settle();
        expect(house.device.zones.get(2)?.days[0]).toEqual({ fromMinute: 480, untilMinute: 540 });
        await house.close();
      }
    },
  );

  it('fewer time zones in the facility file take away what they do not hold any more, and say so', async () => {
    const house = await opened(keeping(3));
    house.schedule(A, 'mon 08:00-12:00');
    house.schedule(B, 'tue 08:00-12:00');
    const [first = '', second = ''] = [A, B].map((schedule, n) => house.create({ ...card(n), schedule_id: schedule }));
    await house.settle();
    await house.powerCycle(() => Object.assign(house.device.slotCapabilities, keeping(2)));
    expect(house.state(first)).toBe('set');
    expect(house.target(second)).toMatchObject({ state: 'failed', slot: null, error_type: 'not_supported' });
    expect(house.device.held().size).toBe(1);
    await house.powerCycle(() => Object.assign(house.device.slotCapabilities, keeping(3)));
    expect([house.state(first), house.state(second)]).toEqual(['set', 'set']);
  });

  it('a schedule that found no time zone after such a change gets one that is free again', async () => {
    for (const gone of ['deleted', 'followed no more', 'needed no more'] as const) {
      const house = await opened(keeping(3));
      house.schedule(A, 'mon 08:00-12:00');
      house.schedule(B, gone === 'needed no more' ? 'tue 08:00-09:00, 10:00-11:00' : 'tue 08:00-12:00');
      const second = house.create({ ...card(2), schedule_id: B });
      await house.settle();
      const first = gone === 'needed no more' ? null : house.create({ ...card(1), schedule_id: A });
      await house.settle();
      // B has the first zones: only those of A are left.
      const schedules = { firstZone: 2, lastZone: 2, holidays: 5, timeZone: 'Europe/Oslo' };
      await house.powerCycle(() => Object.assign(house.device.slotCapabilities, keeping(2, { schedules })));
      const [left, wanting] = first === null ? [null, second] : [second, first];
      expect(house.target(wanting)).toMatchObject({ state: 'failed', slot: null, error_type: 'not_supported' });
      if (left === null) house.schedule(B, 'tue 08:00-09:00');
      else house.delete(left);
      if (gone === 'deleted') house.deleteSchedule(B);
      await house.pass(60_000);
      expect(house.state(wanting)).toBe('set');
      expect(heldZones(house)).toEqual([2]);
      await house.close();
    }
  });

  it('a schedule of two ranges of which one has no time zone any more is not held by half', async () => {
    const house = await opened(keeping(3));
    house.schedule(A, 'mon 08:00-09:00, 10:00-11:00');
    const id = house.create({ ...card(1), schedule_id: A });
    await house.settle();
    await house.powerCycle(() => Object.assign(house.device.slotCapabilities, keeping(2)));
    expect(house.target(id)).toMatchObject({ state: 'failed', slot: null, error_type: 'not_supported' });
    expect(house.device.held().size).toBe(0);
  });

  it('other time zones in the facility file take a schedule in all its parts, and no part is in two places', async () => {
    const house = await opened(keeping(3));
    house.schedule(A, 'mon 08:00-09:00, 10:00-11:00');
    const id = house.create({ ...card(1), schedule_id: A });
    await house.settle();
    await house.powerCycle(() => {
      const schedules = { firstZone: 3, lastZone: 5, holidays: 5, timeZone: 'Europe/Oslo' };
      Object.assign(house.device.slotCapabilities, keeping(5, { schedules }));
    });
    expect(house.state(id)).toBe('set');
    expect(heldZones(house)).toEqual([4]);
    expect(house.device.zones.get(4)).toMatchObject({ link: 5 });
    expect(house.store.zones.ofController('store-panel').map(({ zone }) => zone)).toEqual([4, 5]);
  });

  it('more holidays than a new controller holds can still be moved, renamed and shortened, and no more are added', async () => {
    const house = await opened(without({ cardAndPin: true }));
    const ids = ['04-01', '04-02', '04-03', '04-04', '04-05', '04-06', '04-07'].map((day) =>
      house.holiday(`2026-${day}`),
    );
    await house.powerCycle(() => Object.assign(house.device.slotCapabilities, keeping()));
    expect(() => house.holiday('2026-04-08')).toThrow(
      'store-panel holds 5 holidays a year, and with this one there are 8',
    );
    house.moveHoliday(ids[0] ?? '', '2026-03-31');
    house.schedule(A, 'mon 08:00-12:00');
    house.create({ ...card(1), schedule_id: A });
    await house.settle();
    // The next come first.
    expect(house.device.holidays).toEqual(['03-31', '04-02', '04-03', '04-04', '04-05']);
  });

  it('holidays that have passed are taken back, those of the coming year are told as the year goes on', async () => {
    const house = await opened();
    const later = async (days: number): Promise<void> => {
      house.clock.leap(days * 24 * HOUR);
      await house.pass(20_000);
    };
    house.schedule(A, 'mon 08:00-12:00');
    house.create({ ...card(1), schedule_id: A });
    house.holiday('2026-03-04');
    house.holiday('2027-03-20');
    await house.settle();
    expect(house.device.holidays).toEqual(['03-04']);
    await later(3);
    expect(house.device.holidays).toEqual([]);
    // Told any earlier, it would be the twentieth of this March.
    await later(15);
    expect(house.device.holidays).toEqual([]);
    await later(1);
    expect(house.device.holidays).toEqual(['03-20']);
    await later(4);
    expect(house.device.holidays).toEqual(['03-20']);
    for (const day of ['04-01', '04-02', '04-03', '04-04']) house.holiday(`2026-${day}`);
    expect(() => house.holiday('2026-04-05')).toThrow(
      'store-panel holds 5 holidays a year, and with this one there are 6',
    );
  });
});
