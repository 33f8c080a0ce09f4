// The log as others read it back: from any number on, by type and by time, told what is not there any more, and never
// what may still be undone.

import { describe, expect, it } from 'vitest';
import { newEvent } from '../../src/domain/events.ts';
import type { Store } from '../../src/store/store.ts';
import { errorOf, setUp, type Setup } from './set-up.ts';

type Page = {
  events: { sequence: number; event_type: string }[];
  first_sequence: number | null;
  last_sequence: number | null;
  next_sequence: number;
  forgotten: { from_sequence: number; to_sequence: number } | null;
};

const HOUR_MS = 3_600_000;
const DAY = Date.parse('2026-03-01T00:00:00Z');
const at = (hour: number): string => new Date(DAY + hour * HOUR_MS).toISOString();

/** One an hour, of two kinds in turn; each happened an hour before it was recorded, as at a controller. */
function addHours(store: Store, hours: number): number {
  const before = store.events.lastSequence();
  store.now(() => {
    for (let hour = 0; hour < hours; hour += 1) {
      const event =
        hour % 2 === 0
          ? newEvent('agent.storage_low', { free_bytes: hour })
          : newEvent('agent.events_dropped', { why: `hour ${hour}` });
      store.events.add({ ...event, occurredAtMs: DAY + (hour - 1) * HOUR_MS }, DAY + hour * HOUR_MS);
    }
  });
  return before + 1;
}

async function list({ caller }: Setup, params: Record<string, unknown>): Promise<Page> {
  const reply = await caller.call('events/list', params);
  expect(errorOf(reply)).toBe('ok: ');
  return reply.result as Page;
}
const numbers = ({ events }: Page): number[] => events.map(({ sequence }) => sequence);

describe('the log, asked for by type and time', () => {
  it('gives one type, several, and none but what both ways of saying it name', async () => {
    const here = await setUp();
    const first = addHours(here.room.store, 6);
    const low = [first, first + 2, first + 4];
    expect(numbers(await list(here, { event_type: 'agent.storage_low' }))).toEqual(low);
    const both = { from_sequence: first, event_type: 'agent.storage_low', event_types: ['agent.events_dropped'] };
    expect(numbers(await list(here, both))).toHaveLength(6);
    expect(numbers(await list(here, { event_types: [] }))).toEqual([]);
    expect(errorOf(await here.caller.call('events/list', { event_type: 'agent.storage_lo' }))).toContain(
      'did you mean agent.storage_low',
    );
  });

  it('gives what happened, or was recorded, from one instant up to another', async () => {
    const here = await setUp();
    const first = addHours(here.room.store, 6);
    const range = { created_since: at(2), created_before: at(4) };
    expect(numbers(await list(here, range))).toEqual([first + 2, first + 3]);
    expect(numbers(await list(here, { ...range, occurred_since: at(2) }))).toEqual([first + 3]);
    expect(numbers(await list(here, { occurred_since: at(-1), occurred_before: '2026-03-01T01:30:00+01:30' }))).toEqual(
      [first],
    );
    expect(errorOf(await here.caller.call('events/list', { created_since: at(4), created_before: at(4) }))).toContain(
      'params.created_before',
    );
  });

  it('goes through a long log page by page though few of it are wanted, and comes to its end', async () => {
    const here = await setUp();
    const { store } = here.room;
    const first = addHours(store, 1);
    store.now(() => {
      for (let i = 0; i < 12_000; i += 1) store.events.add(newEvent('agent.events_dropped', { why: 'many' }), DAY);
    });
    const wanted = addHours(store, 1);
    const found: number[] = [];
    let pages = 0;
    for (let next = 1; next <= store.events.lastSequence(); pages += 1) {
      const page = await list(here, { from_sequence: next, event_type: 'agent.storage_low' });
      found.push(...numbers(page));
      expect(page.next_sequence).toBeGreaterThan(next);
      next = page.next_sequence;
    }
    expect(found).toEqual([first, wanted]);
    expect(pages).toBe(3);
  });
});

describe('the log, asked for from a number on', () => {
  it('says which of the numbers asked for are kept no more', async () => {
    const here = await setUp();
    const { store } = here.room;
    addHours(store, 6);
    store.now(() => store.events.trim(0, 4, 50));
    const first = store.events.lastSequence() - 3;
    const all = await list(here, {});
    expect(all).toMatchObject({ first_sequence: first, forgotten: { from_sequence: 1, to_sequence: first - 1 } });
    expect(numbers(all)[0]).toBe(first);
    expect((await list(here, { from_sequence: first - 1 })).forgotten).toEqual({
      from_sequence: first - 1,
      to_sequence: first - 1,
    });
    expect((await list(here, { from_sequence: first })).forgotten).toBeNull();
  });

  it('never shows an event that may still be undone', async () => {
    const here = await setUp();
    const { store } = here.room;
    const last = store.events.lastSequence();
    store.group(() => store.events.add(newEvent('agent.storage_low', { free_bytes: 1 }), DAY), { isSlice: true });
    // In the very turn, before the group is committed.
    const reply = here.caller.call('events/list', { from_sequence: last + 1 });
    expect(((await reply).result as Page).events).toEqual([]);
    store.flush();
    expect(numbers(await list(here, { from_sequence: last + 1 }))).toEqual([last + 1]);
  });
});
