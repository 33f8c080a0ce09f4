// What becomes of events: which share a commit, and where those stay that the disk refuses.

import Database from 'better-sqlite3';
import { describe, expect, it, vi } from 'vitest';
import { Recorder } from '../../src/access/recorder.ts';
import { newEvent, type NewEvent } from '../../src/domain/events.ts';
import type { Store } from '../../src/store/store.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { LOBBY, silentLog, SYSTEM } from '../support/room.ts';
import { openStore, temporaryFolder } from '../support/store.ts';

const SOURCE = { acs_system_id: SYSTEM, acs_entrance_id: LOBBY, device: null };
const EXIT: NewEvent = newEvent('acs_entrance.rex', { acs_system_id: SYSTEM, acs_entrance_id: LOBBY });
const FULL = new Database.SqliteError('database or disk is full', 'SQLITE_FULL');

type Disk = { clock: ManualClock; store: Store; recorder: Recorder; told: () => { type: string; at: number }[] };

function disk(): Disk {
  const clock = new ManualClock();
  const store = openStore(temporaryFolder(), clock);
  const startMs = clock.nowMs();
  const told: Disk['told'] = () =>
    store.events.after(0, 10_000).map(({ event_type: type, body }) => {
      const { occurred_at: at } = JSON.parse(body) as { occurred_at: string };
      return { type, at: Date.parse(at) - startMs };
    });
  return { clock, store, recorder: new Recorder(store, clock, silentLog), told };
}
const failing = (store: Store) =>
  vi.spyOn(store, 'now').mockImplementation(() => {
    throw FULL;
  });

describe('what is recorded', () => {
  it('says at the end what became of its events, by the reason that there was', () => {
    const said = (store: Store | null, events: number): string[] => {
      const lines: string[] = [];
      const error = (message: string, fields?: object): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
      const recorder = new Recorder(store, new ManualClock(), { ...silentLog, error });
      for (let i = 0; i < events; i++) recorder.record([{ event_type: 'acs_entrance.rex', body: {} }]);
      lines.length = 0;
      recorder.stop();
      return lines;
    };
    const { store: full } = disk();
    failing(full);
    expect(said(full, 2)).toEqual(['events are lost: the disk failed until the end {"count":2}']);
    expect(said(null, 1)).toEqual(['events are lost: there was no database to keep them in {"count":1}']);
    expect(said(null, 1003)).toEqual(['events are lost: there was no database to keep them in {"count":1003}']);
    expect(said(null, 0)).toEqual([]);
  });

  it('and refused by the disk is tried again every five seconds, and stored in its order and with its own time', async () => {
    const { clock, store, recorder, told } = disk();
    const tries = failing(store);
    for (let i = 0; i < 3; i++) {
      expect(recorder.record([EXIT])).toBe(false);
      await clock.advance(10);
    }
    expect(tries).toHaveBeenCalledTimes(1);
    await clock.advance(4_969);
    expect(tries).toHaveBeenCalledTimes(1);
    await clock.advance(1);
    expect(tries).toHaveBeenCalledTimes(2);
    tries.mockRestore();
    // Whatever comes meanwhile waits behind them.
    expect(recorder.record([EXIT])).toBe(false);
    expect(recorder.isDegraded).toBe(true);
    await clock.advance(4_999);
    expect(recorder.isDegraded).toBe(true);
    await clock.advance(1);
    expect(recorder.isDegraded).toBe(false);
    expect(recorder.record([EXIT])).toBe(true);
    expect(told().map(({ at }) => at)).toEqual([0, 10, 20, 5_000, 10_000]);
  });

  it('beyond what memory holds is counted, and the count is told behind the rest', async () => {
    const { clock, store, recorder, told } = disk();
    const tries = failing(store);
    for (let i = 0; i < 1_007; i++) recorder.record([EXIT]);
    expect(recorder.kept).toHaveLength(1_000);
    tries.mockRestore();
    await clock.advance(5_000);
    expect(recorder.isDegraded).toBe(false);
    expect(told()).toHaveLength(1_001);
    expect(told().at(-1)?.type).toBe('agent.events_dropped');
    expect(JSON.parse(store.events.after(0, 10_000).at(-1)?.body ?? '{}')).toMatchObject({ count: 7 });
    recorder.record([EXIT]);
    expect(told().slice(-2).map(({ type }) => type)).toEqual(['agent.events_dropped', 'acs_entrance.rex']); // prettier-ignore
  });

  it('and refused by itself is stored later as well, but not once the database is known to be damaged', async () => {
    for (const condition of ['ok', 'damaged'] as const) {
      const { clock, store, recorder, told } = disk();
      const tries = failing(store);
      recorder.record([EXIT]);
      expect(recorder.isDegraded).toBe(true);
      tries.mockRestore();
      vi.spyOn(store, 'condition', 'get').mockReturnValue(condition);
      await clock.advance(5_000);
      expect([recorder.isDegraded, told().length]).toEqual(condition === 'ok' ? [false, 1] : [true, 0]);
    }
  });

  it('is not tried where the database is known to be damaged', async () => {
    const { clock, store, recorder } = disk();
    vi.spyOn(store, 'condition', 'get').mockReturnValue('damaged');
    const tries = vi.spyOn(store, 'now');
    expect(recorder.record([EXIT])).toBe(false);
    await clock.advance(60_000);
    expect(tries).not.toHaveBeenCalled();
    expect(recorder.kept).toHaveLength(1);
  });

  it('is not kept where not the disk failed: that is a fault of the program, and seen', () => {
    const { recorder, told } = disk();
    const change = (): void => {
      throw new TypeError('no such thing');
    };
    expect(() => recorder.record([EXIT], change)).toThrow('no such thing');
    expect([recorder.isDegraded, told()]).toEqual([false, []]);
  });
});

describe('what is noted', () => {
  /** So many of a source are stored at once, each by itself; it then counts as one that comes fast. */
  const AT_ONCE = 10;
  const note = ({ recorder }: Disk, count: number): void => {
    for (let i = 0; i < count; i++) recorder.note(SOURCE, [EXIT]);
  };

  it.each([
    ['a fifth of a second on a disk that is quick', 0, 200],
    ['twenty times as long as a flush where that is slow', 40, 800],
    ['a second at most', 90, 1_000],
  ])('and comes fast waits for others: %s', async (_how, flushMs, joinMs) => {
    const here = disk();
    const { clock, store } = here;
    const flushes = { ms: 0 };
    const monotonicMs = clock.monotonicMs.bind(clock);
    vi.spyOn(clock, 'monotonicMs').mockImplementation(() => monotonicMs() + flushes.ms);
    const now = store.now.bind(store);
    vi.spyOn(store, 'now').mockImplementation((run) => {
      flushes.ms += flushMs;
      return now(run);
    });
    note(here, AT_ONCE);
    expect(here.told()).toHaveLength(AT_ONCE);
    const { commits } = store;
    note(here, 3);
    await clock.advance(joinMs - 1);
    expect(here.told()).toHaveLength(AT_ONCE);
    await clock.advance(1);
    expect(here.told()).toHaveLength(AT_ONCE + 3);
    expect(store.commits - commits).toBe(1);
  });

  it('and waits is stored with whatever else is recorded, before it; what comes behind waits anew', async () => {
    const here = disk();
    note(here, AT_ONCE + 1);
    await here.clock.advance(150);
    expect(here.recorder.record([newEvent('agent.events_dropped', { count: 1, why: 'for the test' })])).toBe(true);
    expect(here.told().slice(-2)).toEqual([
      { type: 'acs_entrance.rex', at: 0 },
      { type: 'agent.events_dropped', at: 150 },
    ]);
    note(here, 1);
    await here.clock.advance(199);
    expect(here.told()).toHaveLength(AT_ONCE + 2);
    await here.clock.advance(1);
    expect(here.told().at(-1)).toEqual({ type: 'acs_entrance.rex', at: 150 });
  });

  it('and fills the room for those that wait is stored at once', () => {
    const here = disk();
    note(here, AT_ONCE + 499);
    expect(here.told()).toHaveLength(AT_ONCE);
    note(here, 1);
    expect(here.told()).toHaveLength(AT_ONCE + 500);
  });
});
