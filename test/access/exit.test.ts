// The exit button works, whatever else does not.

import Database from 'better-sqlite3';
import { describe, expect, it, vi } from 'vitest';
import { exit, last, withCard, world } from './world.ts';

describe('request to exit', () => {
  it('drives the strike and is an event', async () => {
    const here = await withCard();
    exit(here);
    expect(here.pulses).toEqual([{ output: 0, ms: 5000 }]);
    expect(last(here)).toBe('acs_entrance.rex');
  });

  it('works without a database, with a full disk and during a lockout', async () => {
    const bare = world({ withoutStore: true });
    exit(bare);
    bare.card();
    expect(bare.pulses).toHaveLength(1);
    const here = await withCard();
    for (let i = 0; i < 5; i++) here.digits('9999');
    vi.spyOn(here.store, 'now').mockImplementation(() => {
      throw new Database.SqliteError('database or disk is full', 'SQLITE_FULL');
    });
    exit(here);
    expect(here.pulses).toHaveLength(1);
  });
});
