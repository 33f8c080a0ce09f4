// The locks of a door: one or two, whichever way round they are wired, for how long and until when they stay free.

import { describe, expect, it } from 'vitest';
import { strikeOf, USER } from '../support/room.ts';
import { turn } from '../support/manual-clock.ts';
import { contact, exit, last, lobby, withCard, type World } from './world.ts';

const state = (here: World) => here.access.state(lobby());

describe('a door with two locks', () => {
  const second = { controller: 'relay-board', output: 3, fail: 'secure', energised: 'unlocks' } as const;

  it('has both driven for one opening, from the outside and from the inside', async () => {
    const here = await withCard({ entrance: { secondLock: second } });
    here.card();
    expect(here.pulses).toEqual([
      { output: 0, ms: 5000 },
      { output: 3, ms: 5000 },
    ]);
    exit(here);
    expect(here.pulses.length).toBe(4);
  });

  it('is free by itself only when both are', async () => {
    const here = await withCard({ entrance: { secondLock: second } });
    const stuck = (output: number): void =>
      here.access.output({
        type: 'output',
        device: 'relay-board',
        output,
        stand: 'stuck',
        energised: true,
        atMonotonicMs: 0,
      });
    stuck(3);
    expect(last(here)).toBe('acs_entrance.strike_stuck');
    expect(state(here)).toMatchObject({ isLocked: true });
    stuck(0);
    expect(state(here)).toMatchObject({ isLocked: false });
  });
});

describe('a lock that power locks', () => {
  const strike = strikeOf('relay-board', { fail: 'safe', energised: 'locks' });

  it('is given power at the start, loses it for an opening, and has it again behind that', async () => {
    const here = await withCard({ entrance: { strike } });
    here.access.start();
    await turn();
    expect(here.sets).toEqual(['0 on']);
    here.card();
    expect(here.sets.at(-1)).toBe('0 off');
    expect(here.pulses).toEqual([]);
    await here.clock.advance(4_999);
    expect(here.sets.at(-1)).toBe('0 off');
    await here.clock.advance(1);
    expect(here.sets.at(-1)).toBe('0 on');
  });

  it('is told again and again to lock, and at once when its board is back', async () => {
    const here = await withCard({ entrance: { strike } });
    here.access.start();
    await turn();
    await here.clock.advance(60_000);
    expect(here.sets.filter((set) => set === '0 on').length).toBe(4);
    here.access.deviceOnline('relay-board');
    expect(here.sets.length).toBe(5);
    here.access.deviceOnline('lobby-reader');
    expect(here.sets.length).toBe(5);
  });

  it('that cannot be told is told every two seconds until it can', async () => {
    const here = await withCard({ entrance: { strike } });
    here.strike.outcome = { outcome: 'failed', error: 'controller_offline', message: 'no answer' };
    here.access.start();
    await turn();
    await here.clock.advance(4_000);
    expect(here.sets.length).toBe(3);
    here.strike.outcome = { outcome: 'done', confirmed: true };
    await here.clock.advance(2_000);
    await here.clock.advance(10_000);
    expect(here.sets.length).toBe(4);
  });

  it('seen without power otherwise than told frees the door', async () => {
    const here = await withCard({ entrance: { strike } });
    here.access.output({
      type: 'output',
      device: 'relay-board',
      output: 0,
      stand: 'astray',
      energised: false,
      atMonotonicMs: 0,
    });
    expect(last(here)).toBe('acs_entrance.unlocked_externally');
    expect(state(here)).toMatchObject({ isLocked: false });
  });

  it('is told nothing any more once the stop has begun', async () => {
    const here = await withCard({ entrance: { strike } });
    here.access.start();
    here.access.rest();
    const { length } = here.sets;
    await here.clock.advance(60_000);
    here.access.deviceOnline('relay-board');
    expect(here.sets.length).toBe(length);
  });
});

describe('a door that locks again', () => {
  it('at the end of its time stays free behind the first who goes through', async () => {
    const here = await withCard();
    contact(here, false);
    here.card();
    contact(here, true);
    contact(here, false);
    expect(here.sets).toEqual([]);
    expect(state(here)).toMatchObject({ isLocked: false });
  });

  it('at the opening is locked as soon as it is opened', async () => {
    const here = await withCard({ entrance: { strike: strikeOf('relay-board', { relock: 'opening' }) } });
    contact(here, false);
    here.card();
    contact(here, true);
    await turn();
    expect(here.sets).toEqual(['0 off']);
    expect(state(here)).toMatchObject({ isLocked: true });
    contact(here, false);
    await turn();
    expect(here.sets).toEqual(['0 off']);
  });

  it('at the closing is locked when it was opened and closed, and the next one is let in as ever', async () => {
    const here = await withCard({ entrance: { strike: strikeOf('relay-board', { relock: 'closing' }) } });
    contact(here, false);
    here.card();
    contact(here, true);
    expect(here.sets).toEqual([]);
    contact(here, false);
    await turn();
    expect(here.sets).toEqual(['0 off']);
    here.card();
    expect(here.pulses.length).toBe(2);
    expect(state(here)).toMatchObject({ isLocked: false });
  });

  it('whose relay board does not answer then is told until it does', async () => {
    const here = await withCard({ entrance: { strike: strikeOf('relay-board', { relock: 'opening' }) } });
    contact(here, false);
    here.card();
    here.strike.outcome = { outcome: 'failed', error: 'timed_out', message: 'no answer' };
    contact(here, true);
    await turn();
    await here.clock.advance(2_000);
    expect(here.sets).toEqual(['0 off', '0 off']);
    expect(state(here)).toMatchObject({ isLocked: false });
    here.strike.outcome = { outcome: 'done', confirmed: true };
    await here.clock.advance(2_000);
    expect(state(here)).toMatchObject({ isLocked: true });
  });
});

describe('people who need longer', () => {
  it('have twice the strike time and twice the time in the door, as others have it behind them', async () => {
    const here = await withCard();
    const reply = await here.caller.call('users/update', { acs_user_id: USER, is_extended_access: true });
    expect(reply.result?.acs_user).toMatchObject({ is_extended_access: true });
    contact(here, false);
    here.card();
    expect(here.pulses).toEqual([{ output: 0, ms: 10_000 }]);
    contact(here, true);
    await here.clock.advance(49_000);
    expect(here.events()).not.toContain('acs_entrance.held_warning');
    await here.clock.advance(2_000);
    expect(last(here)).toBe('acs_entrance.held_warning');
    contact(here, false);
    exit(here);
    contact(here, true);
    await here.clock.advance(20_000);
    expect(here.events().filter((event) => event === 'acs_entrance.held_warning').length).toBe(2);
  });

  it('have it by command as well, where it is said for whom', async () => {
    const here = await withCard();
    await here.caller.call('users/update', { acs_user_id: USER, is_extended_access: true });
    const request = {
      entrance: lobby(here.store),
      acsCredentialId: null,
      reason: null,
      commandId: 'c',
      asker: { source: 'local', sender: null },
      actionAttemptId: 'a',
    } as const;
    await here.access.unlock({ ...request, acsUserId: USER });
    await here.access.unlock({ ...request, acsUserId: null });
    expect(here.pulses.map(({ ms }) => ms)).toEqual([10_000, 5_000]);
  });
});

it('a door that stays open warns at its reader, every three seconds until it is closed or held', async () => {
  const here = await withCard();
  contact(here, false);
  here.card();
  contact(here, true);
  here.shown.length = here.looks.length = 0;
  await here.clock.advance(19_999);
  expect(here.shown).toEqual([]);
  await here.clock.advance(7_000);
  expect(here.shown).toEqual(['denied', 'denied', 'denied']);
  expect(here.looks[0]).toEqual({ led: 'amber', beep: 2 });
  contact(here, false);
  await here.clock.advance(10_000);
  expect(here.shown.length).toBe(3);
});
