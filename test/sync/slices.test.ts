// Bulk work of the store in slices: called durable only when all of it is.

import { expect, test, vi } from 'vitest';
import { inSlices } from '../../src/sync/post.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { openStore, temporaryFolder } from '../support/store.ts';

const MANY = Array.from({ length: 600 }, (_, i) => i);
const event = { event_type: 'agent.started', body: {} };

test('slices share one commit, and all is durable when they are done', async () => {
  const store = openStore(temporaryFolder());
  const slicer = { store, clock: new ManualClock(), isStopping: () => false };
  const before = store.commits;
  await inSlices(slicer, MANY, (i) => store.events.add(event, i));
  expect(store.commits).toBe(before + 1);
  expect(store.events.durableAfter(0, 1000)).toHaveLength(MANY.length);
});

test('a part that the disk loses in somebody else’s commit is not called durable', async () => {
  const store = openStore(temporaryFolder());
  const slicer = { store, clock: new ManualClock(), isStopping: () => false };
  const group = store.group.bind(store);
  let slices = 0;
  vi.spyOn(store, 'group').mockImplementation((fn, hooks) => {
    const result = group(fn, hooks);
    slices += 1;
    const full = Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });
    if (slices === 2) hooks?.rolledBack?.(full);
    return result;
  });
  await expect(inSlices(slicer, MANY, (i) => store.events.add(event, i))).rejects.toThrow('disk is full');
  expect(slices).toBe(2);
});
