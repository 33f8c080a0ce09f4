// Lockdown and evacuation while the disk takes nothing: in force at once, said so, and stored when there is room again.

import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Condition } from '../../src/store/disk-errors.ts';
import { turn } from '../support/manual-clock.ts';
import { LOBBY } from '../support/room.ts';
import { last, withCard, type World } from './world.ts';

afterEach(() => vi.restoreAllMocks());

const FULL = Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });
const FIRE = {
  name: 'fire',
  controller: 'relay-board',
  input: 5,
  isNormallyClosed: false,
  mode: 'evacuate',
  isLatched: true,
  entrances: null,
} as const;

/** From now on nothing is written. */
function fill(here: World, condition: Condition): void {
  vi.spyOn(here.store, 'condition', 'get').mockReturnValue(condition);
  vi.spyOn(here.store, 'now').mockImplementation(() => {
    throw FULL;
  });
  vi.spyOn(here.store, 'group').mockImplementation((_fn, hooks) => {
    hooks?.rolledBack?.(FULL);
    throw FULL;
  });
}

const send = (here: World, name: string, params: object, id = name.replace('/', '-')) =>
  here.caller.call(name, params, {
    command_id: id,
    expires_at: new Date(here.clock.nowMs() + 30_000).toISOString(),
  });

describe.each(['full', 'failing'] as const)('on a disk that is %s', (condition) => {
  it('a lockdown is in force and answered, kept in memory, and stored when there is room', async () => {
    const here = await withCard({ modeInputs: [FIRE] });
    here.access.start();
    await here.clock.advance(10_000);
    fill(here, condition);
    const reply = await send(here, 'facility/lockdown', {});
    expect(reply).toMatchObject({ ok: true, result: { acs_entrance_ids: [LOBBY], is_stored: false } });
    expect(here.access.state(here.entrance).mode.mode).toBe('lockdown');
    here.card();
    expect(here.pulses).toEqual([]);
    expect(here.shown.at(-1)).toBe('denied');
    await here.clock.advance(20_000);
    vi.restoreAllMocks();
    expect(here.store.modeSources.all().sources).toEqual([]);
    await here.clock.advance(10_000);
    expect(here.store.modeSources.all().sources).toMatchObject([{ mode: 'lockdown', origin: 'facility' }]);
    expect(here.events()).toContain('facility.locked_down');
    const again = here.restarted();
    again.start();
    expect(again.state(here.entrance).mode.mode).toBe('lockdown');
  });

  it('an evacuation by an input opens the doors', async () => {
    const here = await withCard({ modeInputs: [FIRE] });
    here.access.start();
    fill(here, condition);
    here.access.input({
      type: 'input',
      device: 'relay-board',
      input: 5,
      active: true,
      atMonotonicMs: 0,
      changedAfterMonotonicMs: null,
    });
    await turn();
    expect(here.sets).toEqual(['0 on']);
    expect(here.access.state(here.entrance).mode.mode).toBe('evacuate');
  });

  it('what would free a door is not done', async () => {
    const here = await withCard();
    here.access.start();
    fill(here, condition);
    const until = new Date(here.clock.nowMs() + 600_000).toISOString();
    const outcome = await Promise.race([
      send(here, 'entrances/set_mode', { acs_entrance_id: LOBBY, mode: 'unlocked', until }),
      turn().then(() => ({ ok: false })),
    ]);
    expect(outcome.ok).toBe(false);
    expect(here.access.state(here.entrance).mode.mode).toBe('normal');
    expect(here.sets).toEqual([]);
    here.card();
    expect(here.pulses.length).toBe(1);
  });

  it('a command that has expired, or is wrong, is not done all the same', async () => {
    const here = await withCard();
    here.access.start();
    fill(here, condition);
    const late = { command_id: 'late', expires_at: new Date(here.clock.nowMs() - 1).toISOString() };
    expect((await here.caller.call('facility/lockdown', {}, late)).error?.type).toBe('command_expired');
    expect((await send(here, 'facility/lockdown', { acs_entrance_ids: ['x'] })).error?.type).toBe('invalid_input');
    expect(here.access.state(here.entrance).mode.mode).toBe('normal');
    expect(last(here)).not.toBe('acs_entrance.mode_changed');
  });
});
