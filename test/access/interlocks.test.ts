// Interlocks: of a set of doors at most one is open or unlocked, and what nobody can keep back is told.

import { expect, it } from 'vitest';
import { entranceId } from '../support/keypads.ts';
import { areaWorld } from './area-world.ts';

const AIRLOCK = [{ name: 'airlock', acsEntranceIds: [entranceId('outer'), entranceId('inner')] }];
const DOORS = [
  { name: 'outer', more: { rex: { controller: 'outer-board', input: 1 } } },
  { name: 'inner', more: { rex: { controller: 'inner-board', input: 1 } } },
  { name: 'other' },
];
const airlock = (): ReturnType<typeof areaWorld> => areaWorld([], DOORS, AIRLOCK);

it('while one door is unlocked or open nobody is let through at the other, from either side; at the rest they are', async () => {
  const here = await airlock();
  expect(await here.show(0, 'outer-in')).toBe('granted');
  for (const reader of ['inner-in', 'inner-out']) {
    expect(here.explain(1, reader)).toMatchObject({ reason: 'interlocked' });
    expect([await here.show(1, reader), here.reason()]).toEqual(['denied', 'interlocked']);
  }
  expect(await here.show(1, 'other-in')).toBe('granted');
  here.leaf('outer', true);
  await here.clock().advance(10_000);
  expect(await here.show(1, 'inner-in')).toBe('denied');
  here.leaf('outer', false);
  expect(await here.show(1, 'inner-in')).toBe('granted');
});

it('a door whose contact does not answer counts as open', async () => {
  const here = await airlock();
  here.away.add('outer-board');
  expect(await here.show(0, 'inner-in')).toBe('denied');
  expect(here.explain(0, 'inner-in').steps.at(-1)?.detail).toContain('contact does not answer');
});

it('a command waits as well, unless it says that it is meant', async () => {
  const here = await airlock();
  await here.show(0, 'outer-in');
  const unlock = async (params: object = {}): Promise<unknown> => {
    const expires_at = new Date(here.clock().nowMs() + 30_000).toISOString();
    const reply = await here.caller().call('entrances/unlock', { acs_entrance_id: entranceId('inner'), ...params }, { expires_at }); // prettier-ignore
    return reply.error?.type ?? 'done';
  };
  expect(await unlock()).toBe('not_permitted');
  expect(await unlock({ is_override: true })).toBe('done');
});

it('the exit button opens all the same, and a second open door is told once', async () => {
  const here = await airlock();
  const rex = (door: string, active: boolean): void => {
    const now = here.clock().monotonicMs();
    here.access().input({ type: 'input', device: `${door}-board`, input: 1, active, atMonotonicMs: now, changedAfterMonotonicMs: now }); // prettier-ignore
  };
  rex('inner', false);
  here.leaf('outer', true);
  const before = here.pulses();
  rex('inner', true);
  await here.clock().advance(1);
  expect(here.pulses()).toBe(before + 1);
  here.leaf('inner', true);
  expect(here.events('acs_entrance.interlock_violated')).toMatchObject([
    { interlock: 'airlock', acs_entrance_id: entranceId('inner'), other_acs_entrance_ids: [entranceId('outer')] },
  ]);
});

it('an evacuation opens all of them, lets everybody through, and is no violation', async () => {
  const here = await airlock();
  const expires_at = new Date(here.clock().nowMs() + 30_000).toISOString();
  for (const name of ['outer', 'inner'])
    await here.caller().call('entrances/set_mode', { acs_entrance_id: entranceId(name), mode: 'evacuate' }, { expires_at }); // prettier-ignore
  expect(await here.show(0, 'inner-out')).toBe('granted');
  expect(here.access().state(here.entrance('outer'))).toMatchObject({ isLocked: false, mode: { mode: 'evacuate' } });
  expect(here.events('acs_entrance.interlock_violated')).toEqual([]);
});
