// What is asked of the event log while doors are served costs the same at ten events and at a million.

import Database from 'better-sqlite3';
import { afterEach, expect, it, vi } from 'vitest';
import { newEvent } from '../../src/domain/events.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { openStore, temporaryFolder } from '../support/store.ts';

afterEach(() => void vi.restoreAllMocks());

it('is never read as a whole', () => {
  const asked = vi.spyOn(Database.prototype, 'prepare');
  const store = openStore(temporaryFolder(), new ManualClock());
  store.now(() => store.events.add(newEvent('agent.storage_low', { free_bytes: 1 }), 1_000));
  const questions = asked.mock.calls.map(([sql]) => sql).filter((sql) => /\b(FROM|INTO) events\b/.test(sql));
  expect(questions.length).toBeGreaterThan(8);
  store.close();
  const db = new Database(store.path, { readonly: true });
  for (const sql of questions) {
    // As they are compiled there: what is bound is not looked at.
    const bound = sql.replaceAll(/\?|:\w+/g, '1');
    const plan = db.prepare(`EXPLAIN QUERY PLAN ${bound}`).all() as { detail: string }[];
    const whole = plan.filter(({ detail }) => detail.startsWith('SCAN events'));
    expect(whole.length === 0 || /\bLIMIT\b/.test(sql), sql).toBe(true);
  }
  db.close();
});
