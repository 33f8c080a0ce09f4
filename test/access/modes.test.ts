// Modes of an entrance: what wants them, which one holds, and what the door does in each.

import { describe, expect, it } from 'vitest';
import type { ModeInput } from '../../src/domain/facility.ts';
import { scheduleFrom, scheduleText } from '../../src/domain/schedule.ts';
import { parseWeek } from '../../src/domain/schedule.ts';
import { turn } from '../support/manual-clock.ts';
import { LOBBY, USER, type ParsedReply } from '../support/room.ts';
import { asked, contact, exit, ID, last, withCard, world, type Given, type World } from './world.ts';

const FIRE: ModeInput = {
  name: 'fire',
  controller: 'relay-board',
  input: 5,
  isNormallyClosed: true,
  mode: 'evacuate',
  isLatched: true,
  entrances: null,
};
const PANIC: ModeInput = { ...FIRE, name: 'panic', input: 6, isNormallyClosed: false, mode: 'lockdown' };
const KEY: ModeInput = { ...PANIC, name: 'key', input: 7, mode: 'unlocked', isLatched: false };

const weekly = (week: string, more = {}) => {
  const parsed = parseWeek(week);
  if (typeof parsed === 'string') throw new Error(parsed);
  const schedule = scheduleFrom(scheduleText({ week: parsed, holidays: [] }));
  return { mode: 'unlocked', schedule, firstPerson: false, ...more } as const;
};

async function served(given: Given = {}): Promise<World> {
  const here = await withCard(given);
  here.access.start();
  await turn();
  return here;
}

let commands = 0;
const send = async (
  here: World,
  name: string,
  params: object,
  source: 'mqtt' | 'local' = 'mqtt',
): Promise<ParsedReply> => {
  const expires_at = new Date(here.clock.nowMs() + 30_000).toISOString();
  const reply = await here.caller.call(name, params, { command_id: `m-${++commands}`, expires_at }, { source });
  await turn();
  return reply;
};
const inMs = (here: World, ms: number): string => new Date(here.clock.nowMs() + ms).toISOString();
const setMode = (here: World, mode: string, forMs: number | null = null): Promise<ParsedReply> =>
  send(here, 'entrances/set_mode', {
    acs_entrance_id: LOBBY,
    mode,
    ...(forMs === null ? {} : { until: inMs(here, forMs) }),
  });
const modeOf = (here: World): string => here.access.state(here.entrance).mode.mode;
const lockedOf = (here: World): boolean => here.access.state(here.entrance).isLocked;
const input = async (here: World, at: number, active: boolean): Promise<void> => {
  const atMonotonicMs = here.clock.monotonicMs();
  here.access.input({
    type: 'input',
    device: 'relay-board',
    input: at,
    active,
    atMonotonicMs,
    changedAfterMonotonicMs: atMonotonicMs,
  });
  await turn();
};

describe('an unlocked entrance', () => {
  it('is held free until the end that was said, told again meanwhile, and locked then', async () => {
    const here = await served();
    const reply = await setMode(here, 'unlocked', 120_000);
    expect(reply.result).toEqual({ acs_entrance_id: LOBBY, mode: 'unlocked', mode_source: 'command', is_stored: true });
    expect(here.sets).toEqual(['0 on']);
    expect(here.told()).toMatchObject({
      event_type: 'acs_entrance.mode_changed',
      mode: 'unlocked',
      before: null,
      origin: 'entrance',
      source: 'mqtt',
    });
    await here.clock.advance(119_000);
    expect(here.sets.length).toBe(6);
    expect(lockedOf(here)).toBe(false);
    await here.clock.advance(2_000);
    expect(here.sets.at(-1)).toBe('0 off');
    expect(lockedOf(here)).toBe(true);
    expect(here.told()).toMatchObject({ mode: 'normal', before: 'unlocked', mode_source: null });
    await here.clock.advance(600_000);
    expect(here.sets.at(-1)).toBe('0 off');
    expect(here.sets.filter((set) => set === '0 off').length).toBe(1);
  });

  it('forces nothing, holds nothing and awaits nobody; whoever stands in the door at the end has the usual time', async () => {
    const here = await served();
    contact(here, false);
    await setMode(here, 'unlocked', 120_000);
    here.card();
    expect(here.pulses).toEqual([]);
    expect(last(here)).toBe('lock.unlocked');
    contact(here, true);
    await here.clock.advance(119_000);
    expect(here.events()).not.toContain('acs_entrance.held');
    expect(here.events()).not.toContain('acs_entrance.not_opened');
    await here.clock.advance(40_000);
    expect(here.events().slice(-2)).toEqual(['acs_entrance.held_warning', 'acs_entrance.held']);
    expect(here.events()).not.toContain('acs_entrance.forced');
  });

  it('needs an end', async () => {
    const here = await served();
    expect((await setMode(here, 'unlocked')).error).toMatchObject({ type: 'invalid_input', path: ['params', 'until'] });
    expect((await setMode(here, 'unlocked', -1)).error).toMatchObject({ path: ['params', 'until'] });
    expect((await setMode(here, 'unlocked', 32 * 86_400_000)).error).toMatchObject({ path: ['params', 'until'] });
    expect(here.sets).toEqual([]);
  });

  it('whose board does not answer says so until it does', async () => {
    const here = await served();
    here.strike.outcome = { outcome: 'failed', error: 'controller_offline', message: 'relay-board does not answer' };
    await setMode(here, 'unlocked', 600_000);
    const entrance = async () =>
      (await send(here, 'entrances/get', { acs_entrance_id: LOBBY })).result?.['acs_entrance'];
    expect(await entrance()).toMatchObject({ mode: 'unlocked', warnings: [{ warning_code: 'lock_not_as_kept' }] });
    here.strike.outcome = { outcome: 'done', confirmed: true };
    here.access.deviceOnline('relay-board');
    await turn();
    expect(await entrance()).toMatchObject({ mode: 'unlocked', mode_source: 'command', warnings: [] });
  });

  it('whose board ends pulses itself is held by pulses, so that a gateway that died leaves it locked', async () => {
    const outputs = [{ devicePulse: true, pulseMinMs: 100, pulseMaxMs: 600_000, readBack: true }];
    const here = await served({ outputs });
    await setMode(here, 'unlocked', 90_000);
    await here.clock.advance(61_000);
    expect(here.pulses.map(({ ms }) => ms)).toEqual([60_000, 60_000, 60_000, 60_000]);
    expect(here.sets).toEqual([]);
    await here.clock.advance(30_000);
    expect(here.sets).toEqual(['0 off']);
    await setMode(here, 'evacuate');
    // Out of a building people get also when the gateway has burnt.
    expect(here.sets).toEqual(['0 off', '0 on']);
  });

  it('ends by elapsed time when the clock is set back, and by the clock when it is set forward', async () => {
    for (const leapMs of [-3_600_000, 3_600_000]) {
      const here = await served();
      await setMode(here, 'unlocked', 600_000);
      here.clock.leap(leapMs);
      await here.clock.advance(leapMs > 0 ? 6_000 : 600_000);
      expect(modeOf(here)).toBe('normal');
    }
  });
});

describe('an entrance that is locked, or in lockdown', () => {
  it.each([
    ['locked', 'entrance_locked'],
    ['lockdown', 'entrance_locked_down'],
  ])('(%s) lets nobody in, and everybody out', async (mode, detail) => {
    const here = await served({ entrance: { readers: ['lobby-reader', 'lobby-out'], exitReaders: ['lobby-out'] } });
    await setMode(here, mode);
    here.card();
    expect(last(here)).toBe(`lock.access_denied ${detail}`);
    expect(here.pulses).toEqual([]);
    exit(here);
    expect(here.pulses.length).toBe(1);
    here.card(undefined, 'lobby-out');
    expect(last(here)).toBe('lock.unlocked');
    expect((await setMode(here, 'normal')).result).toMatchObject({ mode: 'normal', mode_source: null });
    here.card();
    expect(last(here)).toBe('lock.unlocked');
  });

  it('calls back a strike for somebody on the way in, and none for the way out', async () => {
    const here = await served();
    contact(here, false);
    here.card();
    await setMode(here, 'lockdown');
    expect(here.sets).toEqual(['0 off']);
    expect(lockedOf(here)).toBe(true);
    await here.clock.advance(60_000);
    expect(here.events()).not.toContain('acs_entrance.not_opened');
    exit(here);
    await setMode(here, 'locked');
    await send(here, 'facility/lockdown', {});
    expect(here.sets).toEqual(['0 off']);
  });

  it('is opened by a command that says it means it, and by no other', async () => {
    const here = await served();
    await send(here, 'facility/lockdown', {});
    const params = { acs_entrance_id: LOBBY };
    expect((await send(here, 'entrances/unlock', params)).error).toMatchObject({ type: 'not_permitted' });
    expect(here.pulses).toEqual([]);
    expect((await send(here, 'entrances/unlock', { ...params, is_override: true })).ok).toBe(true);
    expect(here.pulses.length).toBe(1);
  });

  it('lets in whom a group lets in that the facility file names for it, by that group alone and no longer than it does', async () => {
    const group = '77777777-7777-7777-7777-000000000000';
    const here = await served({ policy: { overrideGroups: [group] } });
    const call = async (name: string, params: object) =>
      expect(await here.caller.call(name, params)).toMatchObject({ ok: true });
    await call('access_groups/create', { acs_access_group_id: group, name: 'Guards', acs_entrance_ids: [LOBBY] });
    await call('access_groups/add_user', { acs_access_group_id: group, acs_user_id: USER });
    await call('credentials/create', { acs_user_id: USER, access_method: 'card', card_number: 'H10301:123:7' });
    await send(here, 'facility/lockdown', {});
    here.card('H10301:123:7');
    expect(last(here)).toBe('lock.unlocked');
    // Its own list is no group.
    here.card();
    expect(last(here)).toBe('lock.access_denied entrance_locked_down');
    await call('access_groups/remove_user', { acs_access_group_id: group, acs_user_id: USER });
    here.card('H10301:123:7');
    expect(last(here)).toBe('lock.access_denied entrance_not_allowed');
  });

  it('is explained as it is, also for a moment at which it is over', async () => {
    const here = await served();
    await setMode(here, 'lockdown', 3_600_000);
    const at = (nowMs: number, isNow: boolean) =>
      here.access.explain(
        here.entrance,
        { acsCredentialId: ID },
        { ...asked({ trusted: true, nowMs, floorMs: null, isGraceLeft: true }), isNow },
      );
    expect(at(here.clock.nowMs(), true).reason).toBe('entrance_locked_down');
    expect(at(here.clock.nowMs() + 3_599_000, false).reason).toBe('entrance_locked_down');
    expect(at(here.clock.nowMs() + 3_600_000, false).outcome).toBe('granted');
  });
});

describe('what wants a mode', () => {
  it('holds as the strongest, and leaves the next when it goes', async () => {
    const here = await served({ modeInputs: [FIRE, PANIC], entrance: { modeSchedules: [weekly('mon 09:00-12:00')] } });
    await input(here, 5, true);
    await input(here, 6, false);
    expect(modeOf(here)).toBe('unlocked');
    await setMode(here, 'normal', 7_200_000);
    expect(modeOf(here)).toBe('normal');
    await send(here, 'facility/lockdown', { until: inMs(here, 600_000) });
    expect((await setMode(here, 'unlocked', 300_000)).result).toMatchObject({
      mode: 'lockdown',
      mode_source: 'lockdown',
    });
    await input(here, 6, true);
    await input(here, 5, false);
    expect(modeOf(here)).toBe('evacuate');
    await input(here, 5, true);
    await input(here, 6, false);
    expect(modeOf(here)).toBe('evacuate');
    const { result } = await send(here, 'entrances/get', { acs_entrance_id: LOBBY });
    expect(result?.['acs_entrance']).toMatchObject({
      mode_sources: [
        { mode: 'evacuate', origin: 'input fire' },
        { mode: 'lockdown' },
        { mode: 'lockdown' },
        { mode: 'unlocked', source: 'command', origin: 'entrance' },
        { mode: 'unlocked', source: 'schedule', origin: 'mode_schedules[0]' },
      ],
    });
    expect((await send(here, 'facility/all_clear', {}, 'local')).result).toMatchObject({ cleared: 3, remaining: [] });
    expect(modeOf(here)).toBe('unlocked');
    await setMode(here, 'normal');
    expect(here.access.state(here.entrance).mode.source?.kind).toBe('schedule');
  });

  it('over a lockdown lets everybody out by an evacuation, and locks down again behind it', async () => {
    const here = await served({ modeInputs: [FIRE] });
    await input(here, 5, true);
    await send(here, 'facility/lockdown', {});
    await input(here, 5, false);
    expect(here.sets.at(-1)).toBe('0 on');
    await input(here, 5, true);
    const clear = await send(here, 'facility/all_clear', {});
    expect(clear.result).toMatchObject({ cleared: 1, remaining: [{ mode: 'evacuate', origin: 'input fire' }] });
    await send(here, 'facility/lockdown', {});
    expect(modeOf(here)).toBe('evacuate');
    await input(here, 5, false);
    expect((await send(here, 'facility/all_clear', {}, 'local')).result).toMatchObject({
      cleared: 1,
      remaining: [{ origin: 'input fire' }],
    });
  });

  it('may be an input as long as it is active', async () => {
    const here = await served({ modeInputs: [KEY] });
    await input(here, 7, true);
    expect(modeOf(here)).toBe('unlocked');
    await input(here, 7, false);
    expect(modeOf(here)).toBe('normal');
    expect(here.sets.at(-1)).toBe('0 off');
  });

  it('may be a schedule, by the wall clock and with no other than a trusted one', async () => {
    const here = await served({ entrance: { modeSchedules: [weekly('mon 10:02-12:00')] } });
    expect(modeOf(here)).toBe('normal');
    await here.clock.advance(120_000);
    expect(here.sets).toEqual(['0 on']);
    here.time.witness = { trusted: false };
    await here.clock.advance(5_000);
    expect(modeOf(here)).toBe('normal');
    expect(here.sets.at(-1)).toBe('0 off');
    here.time.witness = {};
    await here.clock.advance(7_200_000 - 125_000);
    expect(modeOf(here)).toBe('normal');
  });

  it('by a schedule follows the clock through the night in which it is changed', async () => {
    // In Oslo 02:00 becomes 03:00 on 29 March 2026: from 01:30 to 03:30 is one hour.
    const here = world({ entrance: { modeSchedules: [weekly('sun 01:30-03:30')] } });
    here.clock.leap(Date.parse('2026-03-29T00:00:00Z') - here.clock.nowMs());
    here.access.start();
    const changes: string[] = [];
    for (let minute = 0; minute < 180; minute++) {
      const before = modeOf(here);
      await here.clock.advance(60_000);
      if (modeOf(here) !== before) changes.push(new Date(here.clock.nowMs()).toISOString().slice(11, 16));
    }
    expect(changes).toEqual(['00:30', '01:30']);
  });

  it('by a schedule may wait for the first person, each time anew, and remembers over a restart that somebody came', async () => {
    const given = { entrance: { modeSchedules: [weekly('mon-tue 10:00-11:00', { firstPerson: true })] } };
    const here = await served(given);
    await here.clock.advance(60_000);
    expect(modeOf(here)).toBe('normal');
    here.card('H10301:1:1');
    expect(modeOf(here)).toBe('normal');
    here.card();
    expect(modeOf(here)).toBe('unlocked');
    const again = here.restarted();
    again.start();
    expect(again.state(here.entrance).mode.mode).toBe('unlocked');
    await here.clock.advance(86_400_000);
    expect(modeOf(here)).toBe('normal');
  });
});

describe('over a restart', () => {
  it('a lockdown and an unlocked door go on, the latter once the clock is trusted', async () => {
    for (const mode of ['lockdown', 'unlocked']) {
      const here = await served();
      await setMode(here, mode, 3_600_000);
      here.access.rest();
      here.time.witness = { trusted: false };
      const again = here.restarted();
      again.start();
      const modeNow = () => again.state(here.entrance).mode.mode;
      expect(modeNow()).toBe(mode === 'lockdown' ? 'lockdown' : 'normal');
      here.time.witness = {};
      await here.clock.advance(5_000);
      expect(modeNow()).toBe(mode);
      await here.clock.advance(3_600_000);
      expect(modeNow()).toBe('normal');
    }
  });

  it('no door is freed before its inputs were read, nor for ever where they cannot be', async () => {
    const here = await served({ modeInputs: [PANIC] });
    await input(here, 6, false);
    await setMode(here, 'unlocked', 3_600_000);
    here.access.rest();
    here.sets.length = 0;
    const again = here.restarted();
    again.start();
    await turn();
    expect(here.sets).toEqual([]);
    again.input({
      type: 'input',
      device: 'relay-board',
      input: 6,
      active: true,
      atMonotonicMs: 0,
      changedAfterMonotonicMs: null,
    });
    await turn();
    expect(here.sets).toEqual([]);
    again.rest();
    const unheard = here.restarted();
    unheard.start();
    await here.clock.advance(10_000);
    expect(here.sets).toEqual([]);
    expect(unheard.state(here.entrance).mode.mode).toBe('lockdown');
  });

  it('a row that somebody else wrote wants nothing, and is told', async () => {
    const here = await served();
    await setMode(here, 'lockdown');
    here.tamper("UPDATE mode_sources SET mode = 'unlocked', kind = 'command'");
    const again = here.restarted();
    again.start();
    expect(again.state(here.entrance).mode.mode).toBe('normal');
    expect(here.told()).toMatchObject({ event_type: 'agent.storage_tampered', table: 'mode_sources' });
  });
});

describe('a command', () => {
  it('that comes twice has one effect, and one that comes late has none', async () => {
    const here = await served();
    const params = { acs_entrance_id: LOBBY, mode: 'unlocked', until: inMs(here, 3_600_000) };
    const envelope = { command_id: 'twice', expires_at: inMs(here, 30_000) };
    expect((await here.caller.call('entrances/set_mode', params, envelope)).ok).toBe(true);
    await setMode(here, 'normal');
    expect((await here.caller.call('entrances/set_mode', params, envelope)).ok).toBe(true);
    expect(modeOf(here)).toBe('normal');
    await here.clock.advance(60_000);
    const late = { command_id: 'late', expires_at: inMs(here, -1) };
    for (const name of ['entrances/set_mode', 'facility/lockdown'])
      expect(
        (
          await here.caller.call(name, name === 'facility/lockdown' ? {} : params, {
            ...late,
            command_id: name.replace('/', '-'),
          })
        ).error,
      ).toMatchObject({ type: 'command_expired' });
    expect(modeOf(here)).toBe('normal');
  });

  it('leaves its trace: who said so, why, and what holds all the same', async () => {
    const here = await served({ modeInputs: [FIRE] });
    await input(here, 5, false);
    const by = { sender: 'guard', expires_at: inMs(here, 30_000) };
    await here.caller.call('facility/lockdown', { reason: 'drill' }, { ...by, command_id: 'down' });
    await here.caller.call('facility/all_clear', { reason: 'over' }, { ...by, command_id: 'up' });
    const told = here.store.events
      .after(0, 100)
      .map(({ event_type, body }) => ({ event_type, ...(JSON.parse(body) as object) }));
    expect(told.find(({ event_type }) => event_type === 'facility.locked_down')).toMatchObject({
      command_id: 'down',
      sender: 'guard',
      reason: 'drill',
      acs_entrance_ids: null,
      acs_entrance_ids_not_locked: [],
    });
    expect(told.find(({ event_type }) => event_type === 'facility.cleared')).toMatchObject({
      command_id: 'up',
      sender: 'guard',
      reason: 'over',
      remaining: 1,
    });
  });

  it('locks down though nobody knows the time, and frees nothing then', async () => {
    const here = await served();
    const expires = { expires_at: inMs(here, 30_000) };
    here.caller.isTrusted(false);
    expect((await here.caller.call('facility/all_clear', {}, expires)).error).toMatchObject({
      type: 'clock_untrusted',
    });
    expect(
      (
        await here.caller.call(
          'entrances/set_mode',
          { acs_entrance_id: LOBBY, mode: 'unlocked', until: inMs(here, 60_000) },
          expires,
        )
      ).error,
    ).toMatchObject({ type: 'clock_untrusted' });
    expect((await here.caller.call('facility/lockdown', {}, expires)).ok).toBe(true);
    expect(modeOf(here)).toBe('lockdown');
  });
});
