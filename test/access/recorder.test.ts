// What becomes of events that cannot be stored.

import Database from 'better-sqlite3';
import { describe, expect, it, vi } from 'vitest';
import { Recorder } from '../../src/access/recorder.ts';
import type { Store } from '../../src/store/store.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { silentLog } from '../support/room.ts';
import { openStore, temporaryFolder } from '../support/store.ts';

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
    const failing = openStore(temporaryFolder());
    vi.spyOn(failing, 'now').mockImplementation(() => {
      throw new Database.SqliteError('database or disk is full', 'SQLITE_FULL');
    });
    expect(said(failing, 2)).toEqual(['events are lost: the disk failed until the end {"count":2}']);
    expect(said(null, 1)).toEqual(['events are lost: there was no database to keep them in {"count":1}']);
    expect(said(null, 1003)).toEqual(['events are lost: there was no database to keep them in {"count":1003}']);
    expect(said(null, 0)).toEqual([]);
  });
});
