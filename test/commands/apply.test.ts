import { readFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Reply } from '../../src/commands/incoming.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { turn } from '../support/manual-clock.ts';
import { buildRoom, Caller } from '../support/room.ts';
import { openStore } from '../support/store.ts';
import { code, errorOf, setUp, uuid } from './set-up.ts';

describe('credentials/apply', () => {
  const operations = (count: number): unknown[] =>
    Array.from({ length: count }, (_, i) => ({
      op: 'create',
      params: code({ acs_credential_id: uuid(i), code: String(10_000_000 + i * 7919) }),
    }));

  it('answers each operation by its position; one that fails leaves the others whole', async () => {
    const { caller, room } = await setUp();
    const list = [
      ...operations(3),
      { op: 'create', params: code({ code: 'abc' }) },
      { op: 'delete', params: { acs_credential_id: uuid(1) } },
    ];
    const results = (await caller.call('credentials/apply', { operations: list })).result?.['results'];
    expect(results).toMatchObject([
      { ok: true },
      { ok: true },
      { ok: true },
      { ok: false, error: { type: 'invalid_input', path: ['params', 'operations', 3, 'params', 'code'] } },
      { ok: true },
    ]);
    expect(room.store.credentials.count()).toBe(2);
  });

  it('does all or nothing when atomic', async () => {
    const { caller, room } = await setUp();
    const list = [...operations(3), { op: 'delete', params: { acs_credential_id: uuid(77) } }];
    const reply = await caller.call('credentials/apply', { atomic: true, operations: list });
    expect(errorOf(reply)).toMatch(/^acs_credential_not_found: params.operations.3: .*nothing was done/);
    expect(room.store.credentials.count()).toBe(0);
    expect((await caller.call('credentials/apply', { atomic: true, operations: operations(101) })).error?.path).toEqual(
      ['params', 'operations'],
    );
  });

  it('carries 500 operations in slices between which decisions are durable, and is answered once', async () => {
    const { caller, room } = await setUp({}, systemClock);
    // Another connection sees what is durable, and nothing else.
    const other = new Database(room.store.path, { readonly: true });
    onTestFinished(() => void other.close());
    const durable = other.prepare(`SELECT count(*) FROM events WHERE event_type = 'lock.unlocked'`).pluck();
    let decisions = 0;
    let lost = 0;
    let isDone = false;
    const decide = (): void => {
      if (isDone) return;
      room.store.now(() => room.store.events.add({ event_type: 'lock.unlocked', body: {} }, 1));
      decisions += 1;
      if (durable.get() !== decisions) lost += 1;
      setImmediate(decide);
    };
    setImmediate(decide);
    let answers = 0;
    const dispatch = caller.dispatcher.dispatch.bind(caller.dispatcher);
    caller.dispatcher.dispatch = (incoming, answer, failed) => {
      const counted = (reply: Reply): void => {
        answers += 1;
        answer(reply);
      };
      return dispatch(incoming, counted, failed);
    };
    const reply = await caller.call('credentials/apply', { operations: operations(500) });
    await turn();
    isDone = true;
    expect({ lost, answers }).toEqual({ lost: 0, answers: 1 });
    expect((reply.result?.['results'] as unknown[]).length).toBe(500);
    expect(Buffer.byteLength(JSON.stringify(reply))).toBeLessThan(128 * 1024);
    expect(room.store.credentials.count()).toBe(500);
    expect(decisions).toBeGreaterThan(3);
  });

  it('shows generated codes again for ten minutes and no longer, and keeps none of them in the clear', async () => {
    for (const atomic of [true, false]) {
      const { caller, clock, folder } = await setUp();
      const list = Array.from({ length: 3 }, () => ({ op: 'create', params: code({ code: undefined }) }));
      const codes = async (): Promise<unknown[]> => {
        const reply = await caller.call('credentials/apply', { atomic, operations: list }, { command_id: 'many' });
        const results = reply.result?.['results'] as { acs_credential: { code: unknown } }[];
        return results.map((result) => result.acs_credential.code);
      };
      const shown = await codes();
      expect(shown).toEqual(shown.map((): unknown => expect.stringMatching(/^[0-9]{6}$/)));
      expect(await codes()).toEqual(shown);
      await clock.advance(10 * 60_000);
      expect(await codes()).toEqual([null, null, null]);
      for (const file of ['lintel.db', 'lintel.db-wal'])
        for (const one of shown) expect(readFileSync(`${folder}/${file}`).includes(String(one))).toBe(false);
    }
  });

  it('goes on where a restart cut it off, without doing anything twice', async () => {
    const { caller, room, folder } = await setUp({}, systemClock);
    const body = Buffer.from(
      JSON.stringify({
        command_id: 'long',
        params: {
          operations: Array.from({ length: 300 }, () => ({ op: 'create', params: code({ code: undefined }) })),
        },
      }),
    );
    const cut = caller.send('credentials/apply', body).catch((error: unknown) => error);
    await turn();
    caller.dispatcher.stop();
    expect(await cut).toBeInstanceOf(Error);
    const before = room.store.credentials.count();
    expect(before).toBeGreaterThan(0);
    expect(before).toBeLessThan(300);
    room.store.close();
    const again = buildRoom(openStore(folder, systemClock), systemClock);
    const next = new Caller(again);
    next.dispatcher.recover();
    const reply = JSON.parse((await next.send('credentials/apply', body)).json) as {
      result: { results: { acs_credential: { acs_credential_id: string; code: string } }[] };
    };
    expect(again.store.credentials.count()).toBe(300);
    expect(new Set(reply.result.results.map((result) => result.acs_credential.acs_credential_id)).size).toBe(300);
    expect(reply.result.results.every((result) => /^[0-9]{6}$/.test(result.acs_credential.code))).toBe(true);
  });
});
