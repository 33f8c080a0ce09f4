// What leaves the log, in which order, and how it is told: by age, by number, and by the room on the disk, which a test
// says how much there is of.

import { describe, expect, it } from 'vitest';
import { newEvent } from '../../src/domain/events.ts';
import { forgetOld, isTooMuch, type RetentionOptions } from '../../src/agent/retention.ts';
import type { Store } from '../../src/store/store.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { openStore, temporaryFolder } from '../support/store.ts';

const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;

type House = { store: Store; clock: ManualClock; disk: { free: number; total: number }; options: RetentionOptions };

function house(more: Partial<RetentionOptions> = {}): House {
  const clock = new ManualClock();
  const store = openStore(temporaryFolder(), clock);
  const disk = { free: 100_000 * MIB, total: 200_000 * MIB };
  const options: RetentionOptions = {
    store,
    clock,
    eventsKeepMs: 24 * HOUR_MS,
    eventsMax: 1_000_000,
    eventsMaxBytes: null,
    certainNowMs: () => clock.nowMs(),
    disk: () => disk,
    isStopped: () => false,
    ...more,
  };
  return { store, clock, disk, options };
}

function add({ store, clock }: House, count: number, ageMs = 0): void {
  store.now(() => {
    for (let i = 0; i < count; i += 1)
      store.events.add(newEvent('agent.events_dropped', { why: 'x'.repeat(400) }), clock.nowMs() - ageMs);
  });
}

const told = ({ store }: House, type: string): Record<string, unknown>[] =>
  store.events
    .after(0, 100_000)
    .filter(({ event_type }) => event_type === type)
    .map(({ body }) => JSON.parse(body) as Record<string, unknown>);

describe('what is too old', () => {
  it('goes, delivered or not, and is told with its range and last hash, and how much of it nobody had', async () => {
    const here = house();
    add(here, 120, 25 * HOUR_MS);
    add(here, 5);
    here.store.now(() => here.store.events.acknowledge(100));
    expect(await forgetOld(here.options)).toBe(true);
    const [next] = here.store.events.after(0, 1);
    expect(next?.sequence).toBe(121);
    const { previous_hash: hash } = JSON.parse(next?.body ?? '{}') as { previous_hash: string };
    expect(told(here, 'agent.events_forgotten')).toMatchObject([
      { from_sequence: 1, to_sequence: 120, last_hash: hash, why: 'age' },
    ]);
    expect(told(here, 'agent.events_dropped').at(-1)).toMatchObject({ count: 20, why: 'older than store.events.keep' });
  });

  it('stays while nobody knows how late it is', async () => {
    const here = house({ certainNowMs: () => null });
    add(here, 50, 25 * HOUR_MS);
    here.clock.leap(10_000 * HOUR_MS);
    expect(await forgetOld(here.options)).toBe(false);
    expect(here.store.events.count()).toBe(50);
  });

  it('is told at the next start where the process ended in the middle', async () => {
    let slices = 0;
    const here = house({ isStopped: () => ++slices > 2 });
    add(here, 500, 25 * HOUR_MS);
    const crash = forgetOld({ ...here.options, store: withoutEnd(here.store) });
    await expect(crash).rejects.toThrow('the process ends');
    expect(here.store.events.span().first).toBe(101);
    expect(told(here, 'agent.events_forgotten')).toEqual([]);
    add(here, 1);
    await forgetOld({ ...here.options, isStopped: () => false });
    const ranges = told(here, 'agent.events_forgotten').map(({ from_sequence, to_sequence }) => [
      from_sequence,
      to_sequence,
    ]);
    expect(ranges[0]).toEqual([1, 100]);
  });
});

/** A store whose process ends once three transactions were made. */
function withoutEnd(store: Store): Store {
  let left = 3;
  return new Proxy(store, {
    get(target, name) {
      if (name === 'group' && left-- === 0) throw new Error('the process ends');
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
  });
}

describe('what is too much', () => {
  it('goes by the number in the facility file, a little more than must, and then there is peace', async () => {
    const here = house({ eventsMax: 2_000 });
    add(here, 2_100);
    expect(isTooMuch(here.options)).toBe(true);
    await forgetOld(here.options);
    expect(here.store.events.span().first).toBe(141);
    expect(told(here, 'agent.events_forgotten')).toMatchObject([{ why: 'count', to_sequence: 140 }]);
    for (let i = 0; i < 10; i += 1) {
      expect(isTooMuch(here.options)).toBe(false);
      expect(await forgetOld(here.options)).toBe(false);
    }
    expect(told(here, 'agent.events_forgotten')).toHaveLength(1);
  });

  it('by the share of the disk goes only where it was delivered', async () => {
    const here = house();
    Object.assign(here.disk, { free: 9 * MIB, total: 8 * MIB });
    add(here, 3_000);
    expect(isTooMuch(here.options)).toBe(false);
    await forgetOld(here.options);
    expect(here.store.events.count()).toBe(3_000);
    here.store.now(() => here.store.events.acknowledge(600));
    expect(isTooMuch(here.options)).toBe(true);
    expect(await forgetOld(here.options)).toBe(false);
    expect(here.store.events.span().first).toBe(601);
  });
});

describe('a disk that has little room', () => {
  it('costs the oldest that were delivered, until their places are room enough, and no other', async () => {
    const here = house({ eventsMaxBytes: 1_000_000_000 });
    add(here, 4_000);
    here.store.now(() => here.store.events.acknowledge(3_000));
    // A sixteenth is 1.5 MiB: what goes makes as much room inside the file, and gives nothing back to the disk.
    Object.assign(here.disk, { free: MIB, total: 24 * MIB });
    expect(isTooMuch(here.options)).toBe(true);
    expect(await forgetOld(here.options)).toBe(false);
    const { first } = here.store.events.span();
    expect(first).toBeGreaterThan(500);
    expect(first).toBeLessThan(2_000);
    expect(told(here, 'agent.events_forgotten')).toMatchObject([{ why: 'disk', from_sequence: 1 }]);
    expect(isTooMuch(here.options)).toBe(false);
  });

  it('costs those that nobody had only at the very last, the newest never, and says so', async () => {
    const here = house({ eventsMaxBytes: 1_000_000_000 });
    add(here, 4_000);
    Object.assign(here.disk, { free: 20 * MIB, total: 1_000 * MIB });
    expect(isTooMuch(here.options)).toBe(false);
    await forgetOld(here.options);
    expect(here.store.events.count()).toBe(4_000);
    here.disk.free = 0;
    expect(isTooMuch(here.options)).toBe(true);
    expect(await forgetOld(here.options)).toBe(true);
    expect(here.store.events.span().first).toBe(3_001);
    expect(told(here, 'agent.events_dropped').at(-1)).toMatchObject({ count: 3_000 });
    expect(here.store.events.acknowledged()).toBe(3_000);
  });
});
