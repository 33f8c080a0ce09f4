import { createHash } from 'node:crypto';
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import type { Incoming } from '../../src/commands/incoming.ts';
import type { ApiError } from '../../src/domain/errors.ts';
import { turn } from '../support/manual-clock.ts';
import { buildRoom, Caller, LOBBY, STORE_ROOM, USER, type ParsedReply } from '../support/room.ts';
import { openStore } from '../support/store.ts';
import { card, code, errorOf, eventTypes, setUp, uuid } from './set-up.ts';

describe('the journal', () => {
  it('answers the same command again with the stored reply and no second effect', async () => {
    const { caller, room } = await setUp();
    const first = await caller.call('credentials/create', code(), { command_id: 'once' });
    const again = await caller.call('credentials/create', code(), { command_id: 'once' });
    expect(again).toEqual(first);
    expect(room.store.credentials.count()).toBe(1);
  });

  it('knows the same command in another order of members, and refuses the same id with other params or another verb', async () => {
    const { caller } = await setUp();
    await caller.call('users/create', { acs_user_id: uuid(1), full_name: 'A' }, { command_id: 'x' });
    expect((await caller.call('users/create', { full_name: 'A', acs_user_id: uuid(1) }, { command_id: 'x' })).ok).toBe(
      true,
    );
    expect(
      (await caller.call('users/create', { full_name: 'B', acs_user_id: uuid(1) }, { command_id: 'x' })).error?.type,
    ).toBe('command_conflict');
    expect(
      (await caller.call('users/update', { full_name: 'A', acs_user_id: uuid(1) }, { command_id: 'x' })).error?.type,
    ).toBe('command_conflict');
  });

  it('remembers failures too, and across a restart', async () => {
    const { caller, room, clock, folder } = await setUp();
    const failed = await caller.call('credentials/create', code({ acs_user_id: uuid(5) }), { command_id: 'f' });
    room.store.close();
    const next = new Caller(buildRoom(openStore(folder, clock), clock));
    await next.call('users/create', { acs_user_id: uuid(5), full_name: 'Late' });
    expect(await next.call('credentials/create', code({ acs_user_id: uuid(5) }), { command_id: 'f' })).toEqual(failed);
  });
});

describe('what is no command', () => {
  const rejected = async (
    payload: string,
    command = 'credentials/create',
    more = {},
  ): Promise<ParsedReply & { events: string[] }> => {
    const { caller, room } = await setUp();
    const reply = JSON.parse((await caller.send(command, Buffer.from(payload), more)).json) as ParsedReply;
    return { ...reply, events: eventTypes(room) };
  };

  it('is answered and recorded: malformed JSON, wrong types, no command_id, unknown verbs, verbs of later versions', async () => {
    expect(await rejected('{"command_id": "a", ')).toMatchObject({
      error: { type: 'invalid_input' },
      events: ['agent.command_rejected'],
    });
    expect(await rejected('[]')).toMatchObject({
      error: { type: 'invalid_input' },
      events: ['agent.command_rejected'],
    });
    expect(await rejected('{"params":{}}')).toMatchObject({ error: { type: 'invalid_input', path: ['command_id'] } });
    expect(await rejected('{"command_id":"a b","params":{}}')).toMatchObject({
      command_id: null,
      error: { path: ['command_id'] },
    });
    expect(await rejected('{"command_id":"a","params":[]}')).toMatchObject({
      command_id: 'a',
      error: { path: ['params'] },
    });
    expect(await rejected('{"command_id":"a"}', 'credentials/frob')).toMatchObject({
      command_id: 'a',
      error: { type: 'unknown_command' },
    });
  });

  it('does not repeat the text around a mistake, which may hold a PIN', async () => {
    const reply = await rejected('{"command_id":"a","params":{"code":"824759",}}');
    expect(JSON.stringify(reply)).not.toContain('824759');
  });

  it('is a payload of more than 256 KiB; one of 256 KiB is a command', async () => {
    const head = `{"command_id":"a","params":{"acs_user_id":"${uuid(1)}","full_name":"A","pad":"`;
    const fill = (bytes: number): string => `${head}${'x'.repeat(bytes - head.length - 3)}"}}`;
    expect((await rejected(fill(256 * 1024 + 1), 'users/create')).error?.message).toContain('at most 262144 bytes');
    expect(errorOf(await rejected(fill(256 * 1024), 'users/create'))).toContain('params.pad: not a parameter');
  });

  it('is a retained command', async () => {
    expect(await rejected('{"command_id":"a","params":{}}', 'users/create', { isRetained: true })).toMatchObject({
      command_id: 'a',
      error: { type: 'retained_command' },
    });
  });

  it('cannot flood the event log', async () => {
    const { caller, room } = await setUp();
    for (let i = 0; i < 500; i++) await caller.send('users/create', Buffer.from('nonsense'));
    expect(eventTypes(room).length).toBeLessThanOrEqual(60);
  });
});

describe('entrances/unlock', () => {
  const soon = { issued_at: '2026-03-02T09:00:00Z', expires_at: '2026-03-02T09:00:30Z' };

  it('is accepted durably, done once, and answered when done', async () => {
    const { caller, room } = await setUp();
    let finish: (value: { confirmed: boolean }) => void = () => undefined;
    room.unlockAnswer = () => new Promise((resolve) => (finish = resolve));
    const first = caller.call('entrances/unlock', { acs_entrance_id: LOBBY }, { command_id: 'u', ...soon });
    await turn();
    expect(room.store.journal.get('u')?.state).toBe('accepted');
    const repeat = caller.call('entrances/unlock', { acs_entrance_id: LOBBY }, { command_id: 'u', ...soon });
    await turn();
    finish({ confirmed: true });
    expect(await first).toMatchObject({
      ok: true,
      result: { action_attempt: { status: 'success', result: { was_confirmed_by_device: true } } },
    });
    expect(await repeat).toEqual(await first);
    expect(room.unlocked).toHaveLength(1);
    expect(await caller.call('entrances/unlock', { acs_entrance_id: LOBBY }, { command_id: 'u', ...soon })).toEqual(
      await first,
    );
    expect(room.unlocked).toHaveLength(1);
  });

  it('moves nothing before its acceptance is committed, and never when that could not be', async () => {
    const { caller, room } = await setUp();
    const ask = (commandId: string): { failed: unknown[]; answers: unknown[] } => {
      const told = { failed: [] as unknown[], answers: [] as unknown[] };
      const payload = Buffer.from(
        JSON.stringify({ command_id: commandId, ...soon, params: { acs_entrance_id: LOBBY } }),
      );
      const incoming: Incoming = { resource: 'entrances', verb: 'unlock', payload, source: 'mqtt', isRetained: false, responseTopic: null, isResponseTopicAllowed: true, correlation: null, expiresAtMs: null }; // prettier-ignore
      void caller.dispatcher.dispatch(incoming, (reply) => told.answers.push(reply), (error) => told.failed.push(error)); // prettier-ignore
      return told;
    };
    ask('kept');
    expect(room.store.journal.get('kept')?.state).toBe('accepted');
    expect(room.unlocked).toHaveLength(0);
    room.store.flush();
    expect(room.unlocked).toHaveLength(1);
    await turn();

    const lost = ask('lost');
    expect(() => room.store.group(() => { throw new Database.SqliteError('disk I/O error', 'SQLITE_IOERR'); })).toThrow(); // prettier-ignore
    await turn();
    expect(room.unlocked).toHaveLength(1);
    expect(lost).toMatchObject({ failed: [expect.any(Error)], answers: [] });
    expect(room.store.journal.get('lost')).toBeUndefined();
  });

  it('is never repeated after a restart: it is answered interrupted', async () => {
    const { caller, room, clock, folder } = await setUp();
    room.unlockAnswer = () => new Promise(() => undefined);
    void caller.call('entrances/unlock', { acs_entrance_id: LOBBY }, { command_id: 'u', ...soon });
    await turn();
    room.store.close();
    const next = buildRoom(openStore(folder, clock), clock);
    const other = new Caller(next);
    other.dispatcher.recover();
    const undelivered = other.dispatcher.undelivered(0, 10);
    expect(
      undelivered.map((reply) => [reply.topic, (JSON.parse(reply.json) as ParsedReply).error?.type]),
    ).toContainEqual(['lintel/v1/riverside/reply/u', 'interrupted']);
    expect(
      (await other.call('entrances/unlock', { acs_entrance_id: LOBBY }, { command_id: 'u', ...soon })).error?.type,
    ).toBe('interrupted');
    expect(next.unlocked).toHaveLength(0);
    expect(eventTypes(next)).toContain('acs_entrance.unlock_failed');
  });

  it('needs an expiry at most 60 s ahead that has not passed, and a clock that can tell', async () => {
    const { caller, room } = await setUp();
    const unlock = (envelope: Record<string, unknown>, more = {}): Promise<ParsedReply> =>
      caller.call('entrances/unlock', { acs_entrance_id: LOBBY }, envelope, more);
    expect(errorOf(await unlock({}))).toMatch(/^invalid_input: expires_at: required/);
    expect(errorOf(await caller.call('controllers/adopt_slot', { controller: 'store-panel', slot: 7 }))).toMatch(
      /^invalid_input: expires_at: required/,
    );
    expect(errorOf(await unlock({ issued_at: '2026-03-02T09:00:00Z', expires_at: '2026-03-02T09:01:01Z' }))).toMatch(
      /^invalid_input: expires_at: at most 60 s/,
    );
    expect(errorOf(await unlock({ issued_at: '2026-03-02T08:58:00Z', expires_at: '2026-03-02T08:58:30Z' }))).toMatch(
      /^command_expired/,
    );
    expect(errorOf(await unlock(soon, { expiresAtMs: Date.parse('2026-03-02T09:00:00Z') }))).toMatch(
      /^command_expired/,
    );
    room.isTrusted = false;
    expect(errorOf(await unlock(soon))).toMatch(/^clock_untrusted/);
    expect(room.unlocked).toHaveLength(0);
    expect((await unlock(soon, { source: 'local' })).ok).toBe(true);
    expect(room.unlocked).toHaveLength(1);
  });

  it('says what the door said when it failed', async () => {
    const { caller, room } = await setUp();
    const error: ApiError = { type: 'controller_offline', message: 'lobby: relay-board does not answer' };
    room.unlockAnswer = () => Promise.resolve({ error });
    expect((await caller.call('entrances/unlock', { acs_entrance_id: LOBBY }, soon)).error).toEqual(error);
  });
});

describe('order and permission', () => {
  it('notices gaps in a stream and refuses what is older than it has', async () => {
    const { caller, room } = await setUp();
    const user = (n: number, seq: number): Promise<ParsedReply> =>
      caller.call('users/create', { acs_user_id: uuid(n), full_name: 'S' }, { stream: { id: 'tower-1', seq } });
    expect((await user(1, 10)).ok).toBe(true);
    expect((await user(2, 13)).ok).toBe(true);
    expect((await user(3, 12)).error?.type).toBe('stale_revision');
    const missing = room.store.events.after(0, 10).find((event) => event.event_type === 'agent.commands_missing');
    expect(JSON.parse(missing?.body ?? '{}')).toMatchObject({ stream_id: 'tower-1', from_seq: 11, to_seq: 12 });
  });

  it('answers on the default topic when the Response Topic is not allowed, and does nothing', async () => {
    const { caller, room } = await setUp();
    const body = Buffer.from(JSON.stringify({ command_id: 'r', params: code() }));
    const reply = await caller.send('credentials/create', body, {
      responseTopic: 'somewhere/else',
      isResponseTopicAllowed: false,
    });
    expect(reply.topic).toBe('lintel/v1/riverside/reply/r');
    expect(JSON.parse(reply.json)).toMatchObject({ error: { type: 'not_permitted' } });
    expect(room.store.credentials.count()).toBe(0);
  });
});

describe('facility/digest', () => {
  it('can be computed by the sender from its own list, whatever the order of commands', async () => {
    const { caller } = await setUp();
    await caller.call(
      'credentials/create',
      code({
        acs_credential_id: uuid(1),
        secret_revision: 4,
        ends_at: '2026-06-01T00:00:00Z',
        allowed_acs_entrance_ids: [STORE_ROOM, LOBBY],
      }),
    );
    await caller.call('credentials/create', card({ acs_credential_id: uuid(2) }));
    await caller.call('credentials/create', code({ acs_credential_id: uuid(3), code: '9753' }));
    await caller.call('credentials/delete', { acs_credential_id: uuid(3) });
    await caller.call('credentials/update', { acs_credential_id: uuid(2), starts_at: '2026-03-03T00:00:00Z' });
    const lines = [
      `user|${USER}|||`,
      `credential|${uuid(1)}|${USER}|code||2026-06-01T00:00:00.000Z|${[LOBBY, STORE_ROOM].sort().join(',')}||4`,
      `credential|${uuid(2)}|${USER}|card|2026-03-03T00:00:00.000Z||${LOBBY}||`,
    ];
    const sum =
      lines.reduce((total, line) => total + BigInt(`0x${createHash('sha256').update(line).digest('hex')}`), 0n) %
      2n ** 256n;
    const reply = await caller.call('facility/digest', {});
    expect(reply.result).toMatchObject({ digest: sum.toString(16).padStart(64, '0'), users: 1, credentials: 2 });
  });
});
