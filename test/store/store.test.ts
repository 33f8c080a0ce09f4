// What is stored, and how: in groups that are committed together, bounded, with secrets sealed.

import Database from 'better-sqlite3';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { backUpInBackground, inWorkers } from '../../src/store/background.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { Upkeep } from '../../src/agent/upkeep.ts';
import { until } from '../support/ports.ts';
import { buildRoom, Caller, LOBBY, silentLog, USER } from '../support/room.ts';
import { ManualClock, turn } from '../support/manual-clock.ts';
import { openStore, temporaryFolder } from '../support/store.ts';
import { systemCron } from '../../src/ops/cron.ts';

const event = { event_type: 'agent.started', body: { version: 'test' } };

describe('group and now', () => {
  it('commits a group together, on the next turn at the latest, and only then tells its members', async () => {
    const store = openStore(temporaryFolder());
    const order: string[] = [];
    const before = store.commits;
    store.group(() => store.events.add(event, 1), { committed: () => order.push('first') });
    store.group(() => store.events.add(event, 2), { committed: () => order.push('second') });
    expect(order).toEqual([]);
    await turn();
    expect(order).toEqual(['first', 'second']);
    expect(store.commits).toBe(before + 1);
  });

  it('lets slices share a commit over a few turns, unless somebody waits for it, and never for long', async () => {
    const store = openStore(temporaryFolder());
    const before = store.commits;
    const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    for (let i = 0; i < 4; i++) {
      store.group(() => store.events.add(event, i), { isSlice: true });
      await nextTurn();
    }
    expect(store.commits).toBe(before);
    let isCommitted = false;
    store.group(() => store.events.add(event, 5), { committed: () => (isCommitted = true) });
    await turn();
    expect({ isCommitted, commits: store.commits - before }).toEqual({ isCommitted: true, commits: 1 });
    store.group(() => store.events.add(event, 6), { isSlice: true });
    store.now(() => store.events.add(event, 7));
    expect(store.commits).toBe(before + 3);
    store.group(() => store.events.add(event, 8), { isSlice: true });
    for (let i = 0; i < 20; i++) await nextTurn();
    expect(store.commits).toBe(before + 4);
    expect(store.events.after(0, 20)).toHaveLength(8);
  });

  it('undoes only the member that throws', () => {
    const store = openStore(temporaryFolder());
    store.group(() => store.events.add(event, 1));
    expect(() =>
      store.group(() => {
        store.events.add(event, 2);
        throw new Error('no');
      }),
    ).toThrow('no');
    store.group(() => store.events.add(event, 3));
    store.flush();
    expect(store.events.after(0, 10).map((row) => row.created_at)).toEqual([1, 3]);
  });

  it('commits the open group before a decision, whose event stays when a later group fails', () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    let committed = false;
    store.group(() => store.events.add(event, 1), { committed: () => (committed = true) });
    store.now(() => store.events.add(event, 2));
    expect(committed).toBe(true);
    expect(() =>
      store.group(() => {
        store.events.add(event, 3);
        throw new Error('a later one');
      }),
    ).toThrow('a later one');
    store.flush();
    const other = new Database(store.path, { readonly: true });
    onTestFinished(() => void other.close());
    expect(other.prepare('SELECT created_at FROM events ORDER BY sequence').pluck().all()).toEqual([1, 2]);
  });

  it('tells everybody that it is committed, also behind one whose own mistake throws', () => {
    const store = openStore(temporaryFolder());
    const told: string[] = [];
    store.group(() => store.events.add(event, 1), { committed: () => told.push('first') });
    store.group(() => store.events.add(event, 2), {
      committed: () => {
        throw new Error('a mistake');
      },
    });
    store.group(() => store.events.add(event, 3), { committed: () => told.push('third') });
    expect(() => store.flush()).toThrow('a mistake');
    expect(told).toEqual(['first', 'third']);
    store.now(() => store.events.add(event, 4));
    expect(store.events.after(0, 10)).toHaveLength(4);
  });

  it('refuses to nest', () => {
    const store = openStore(temporaryFolder());
    expect(() => store.now(() => store.now(() => undefined))).toThrow('do not nest');
    expect(() => store.group(() => store.now(() => undefined))).toThrow('do not nest');
  });

  it('numbers events without gaps across rollbacks, restarts and retention', () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    store.now(() => store.events.add(event, 1));
    expect(() =>
      store.now(() => {
        store.events.add(event, 2);
        throw new Error('undone');
      }),
    ).toThrow('undone');
    store.now(() => store.events.add(event, 3));
    store.now(() => store.events.trim(1000, 10, 100));
    store.close();
    const again = openStore(folder);
    again.now(() => again.events.add(event, 4));
    expect(again.events.after(0, 10).map((row) => row.sequence)).toEqual([2, 3]);
  });
});

describe('what events weigh', () => {
  it('is bounded: the oldest go, as many as it takes', async () => {
    const clock = new ManualClock();
    const store = openStore(temporaryFolder(), clock);
    for (let i = 0; i < 3000; i++)
      store.group(() =>
        store.events.add({ event_type: 'agent.started', body: { note: 'x'.repeat(800) } }, clock.nowMs()),
      );
    store.flush();
    expect(store.events.averageBytes()).toBeGreaterThan(800);
    const upkeep = new Upkeep({
      background: inWorkers,
      store,
      clock,
      cron: systemCron,
      random: systemRandom,
      log: silentLog,
      timeZone: 'Europe/Oslo',
      eventsKeepMs: 365 * 24 * 3_600_000,
      endedKeepMs: 400 * 24 * 3_600_000,
      certainNowMs: () => null,
      eventsMax: 1_000_000,
      eventsMaxBytes: 2_000_000,
      onEventsTrimmed: () => undefined,
      onDamage: () => undefined,
      compareControllers: () => undefined,
      seal: null,
      verifyRows: () => Promise.resolve(),
    });
    onTestFinished(() => upkeep.stop());
    upkeep.start();
    const weight = (): number => store.events.count() * store.events.averageBytes();
    // What tells of it comes on top.
    await until(() => weight() <= 2_010_000, 'the oldest are gone', 20_000);
    expect(store.events.count()).toBeGreaterThanOrEqual(1000);
    expect(store.events.lastSequence()).toBeGreaterThanOrEqual(3000);
  });
});

describe('retention', () => {
  it('drops the oldest by age and by number, tells what the broker never had, and keeps the newest', () => {
    const store = openStore(temporaryFolder());
    store.now(() => {
      for (let i = 1; i <= 20; i++) store.events.add(event, i * 1000);
      store.events.acknowledge(3);
    });
    expect(store.now(() => store.events.trim(5001, 1000, 100))).toMatchObject({
      removed: 5,
      unsent: 2,
      first: 1,
      last: { sequence: 5 },
    });
    expect(store.now(() => store.events.trim(0, 10, 100))).toMatchObject({
      removed: 5,
      unsent: 5,
      first: 6,
      last: { sequence: 10 },
    });
    expect(store.events.span()).toEqual({ first: 11, last: 20 });
    expect(store.events.acknowledged()).toBe(10);
    store.now(() => store.events.trim(10 ** 9, 0, 100));
    expect(store.events.span()).toEqual({ first: 20, last: 20 });
  });
});

describe('secrets', () => {
  it('are nowhere in its files in the clear: not in the database, nor in its log, nor in a backup', async () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    const caller = new Caller(buildRoom(store, new ManualClock()));
    await caller.call('users/create', { acs_user_id: USER, full_name: 'Jane Doe' });
    const of = { acs_user_id: USER, allowed_acs_entrance_ids: [LOBBY] };
    const [pin, changed, card] = ['82475913', '91638204', '3735928559'];
    const made = await caller.call('credentials/create', { ...of, access_method: 'code', code: pin });
    const acs_credential_id = made.result?.acs_credential?.['acs_credential_id'];
    await caller.call('credentials/update', { acs_credential_id, code: changed });
    await caller.call('credentials/create', { ...of, access_method: 'card', card_number: card });
    const operation = { op: 'create', params: { ...of, access_method: 'code', code: '70615243' } };
    expect((await caller.call('credentials/apply', { operations: [operation] })).ok).toBe(true);
    expect(store.credentials.count()).toBe(3);
    const copy = await backUpInBackground(store.path, 'test', 1, 5);
    const files = [...readdirSync(folder).map((file) => join(folder, file)), copy].filter((file) =>
      statSync(file).isFile(),
    );
    expect(files).toEqual(expect.arrayContaining([store.path, `${store.path}-wal`, copy]));
    const number = Buffer.alloc(8);
    number.writeBigUInt64BE(BigInt(card));
    for (const file of files) {
      const bytes = readFileSync(file);
      for (const value of [pin, changed, card, '70615243', number.subarray(4)])
        expect({ file, value, isThere: bytes.includes(value) }).toEqual({ file, value, isThere: false });
    }
  });

  it('are sealed anew each time, each for its own record, and codes and cards are hashed apart', () => {
    const folder = temporaryFolder();
    const store = openStore(folder, new ManualClock());
    const { secrets } = store;
    const sealed = secrets.seal('82475913', 'code a');
    expect(secrets.open(sealed, 'code a')).toBe('82475913');
    expect(() => secrets.open(sealed, 'code b')).toThrow('altered or belongs to another record');
    expect(secrets.seal('82475913', 'code a').equals(sealed)).toBe(false);
    expect(secrets.codeHash('82475913').equals(secrets.codeHash('82475913'))).toBe(true);
    expect(secrets.codeHash('1234').equals(secrets.cardHash('1234'))).toBe(false);
  });
});
