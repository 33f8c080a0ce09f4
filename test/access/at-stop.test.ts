// `at_stop: keep`: a door that a mode frees is not locked by an orderly stop, nor by the start behind it, before its mode
// is known.

import { expect, it } from 'vitest';
import type { ModeInput } from '../../src/domain/facility.ts';
import { LOBBY, strikeOf } from '../support/room.ts';
import { withCard, type Given, type World } from './world.ts';

const KEEP = { entrance: { atStop: 'keep' } } as const;
const FIRE: ModeInput = {
  ...{ name: 'fire', controller: 'relay-board', input: 5, isNormallyClosed: false },
  ...{ mode: 'evacuate', isLatched: false, entrances: null },
};
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function freed(mode: 'evacuate' | 'unlocked', given: Given = KEEP, forMs: number | null = null): Promise<World> {
  const here = await withCard(given);
  here.access.start();
  const at = (ms: number): string => new Date(here.clock.nowMs() + ms).toISOString();
  const params = { acs_entrance_id: LOBBY, mode, ...(forMs === null ? {} : { until: at(forMs) }) };
  expect(await here.caller.call('entrances/set_mode', params, { expires_at: at(30_000) })).toMatchObject({ ok: true });
  await turn();
  return here;
}
const input = (here: World, active: boolean, access = here.access): void =>
  access.input({
    ...{ type: 'input', device: 'relay-board', input: 5, active },
    ...{ atMonotonicMs: here.clock.monotonicMs(), changedAfterMonotonicMs: null },
  });

it('keeps the outputs of a door that is free, and of no other', async () => {
  const here = await freed('evacuate');
  const keeps = here.access.keptAtStop();
  expect([keeps('relay-board', 0), keeps('relay-board', 1), keeps('other', 0)]).toEqual([true, false, false]);
  const locked = await withCard(KEEP);
  locked.access.start();
  expect(locked.access.keptAtStop()('relay-board', 0)).toBe(false);
  const resting = await freed('evacuate', {});
  expect(resting.access.keptAtStop()('relay-board', 0)).toBe(false);
});

it('an evacuation is told at the next start that it goes on, and nothing else before', async () => {
  const here = await freed('evacuate', { ...KEEP, modeInputs: [FIRE] });
  here.access.rest();
  here.sets.length = 0;
  const again = here.restarted();
  again.start();
  await here.clock.advance(9_000);
  input(here, false, again);
  await here.clock.advance(30_000);
  expect(new Set(here.sets)).toEqual(new Set(['0 on']));
  again.rest();
});

it('an unlocked door is told nothing at the next start before its inputs were read, or ten seconds are over', async () => {
  for (const isRead of [true, false]) {
    const here = await freed('unlocked', { ...KEEP, modeInputs: [FIRE] }, 3_600_000);
    input(here, false);
    here.access.rest();
    here.sets.length = 0;
    const again = here.restarted();
    again.start();
    again.deviceOnline('relay-board');
    await here.clock.advance(9_000);
    expect(here.sets).toEqual([]);
    // Stopped once more before anybody knows: as it is.
    expect(again.keptAtStop()('relay-board', 0)).toBe(true);
    if (isRead) input(here, false, again);
    await here.clock.advance(1_500);
    expect(new Set(here.sets)).toEqual(new Set(['0 on']));
    again.rest();
  }
});

it('is locked at the next start where its mode is over, at once where that is known and else in twelve seconds', async () => {
  const here = await freed('unlocked', KEEP, 3_600_000);
  here.access.rest();
  here.clock.leap(7_200_000);
  here.sets.length = 0;
  const again = here.restarted();
  again.start();
  await turn();
  expect(here.sets).toEqual(['0 off']);
  again.rest();

  const doubted = await freed('unlocked', KEEP, 3_600_000);
  doubted.access.rest();
  doubted.sets.length = 0;
  doubted.time.witness = { trusted: false };
  const later = doubted.restarted();
  later.start();
  await doubted.clock.advance(11_000);
  expect(doubted.sets).toEqual([]);
  await doubted.clock.advance(1_500);
  expect(doubted.sets).toEqual(['0 off']);
  doubted.time.witness = {};
  await doubted.clock.advance(5_000);
  expect(doubted.sets).toEqual(['0 off', '0 on']);
  later.rest();
});

it('a lock that power locks is not given it before its mode is known', async () => {
  const strike = strikeOf('relay-board', { energised: 'locks', fail: 'safe' });
  const here = await freed('evacuate', { entrance: { atStop: 'keep', strike }, modeInputs: [FIRE] });
  here.access.rest();
  here.sets.length = 0;
  const again = here.restarted();
  again.start();
  await here.clock.advance(5_000);
  input(here, false, again);
  await here.clock.advance(10_000);
  expect(new Set(here.sets)).toEqual(new Set(['0 off']));
  again.rest();
});
