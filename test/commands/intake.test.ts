import { beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../support/manual-clock.ts';
import { buildRoom, Caller, LOBBY, USER, type ParsedReply, type TestRoom } from '../support/room.ts';
import { openStore, temporaryFolder } from '../support/store.ts';

const KIB = 1024;
const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

let room: TestRoom;
let caller: Caller;
let clock: ManualClock;

beforeEach(() => {
  clock = new ManualClock();
  room = buildRoom(openStore(temporaryFolder(), clock), clock);
  caller = new Caller(room);
});

const send = async (command: string, payload: string | Buffer, more = {}): Promise<ParsedReply> =>
  JSON.parse((await caller.send(command, Buffer.from(payload), more)).json) as ParsedReply;
type Told = Record<string, unknown> & { event_type: string };
const events = (): Told[] =>
  room.store.events.after(0, 10_000).map(({ event_type, body }) => ({ ...(JSON.parse(body) as Told), event_type }));
const rejections = (): Told[] => events().filter((event) => event.event_type === 'agent.command_rejected');
const text = (reply: ParsedReply): string => `${reply.error?.type ?? 'ok'}: ${reply.error?.message ?? ''}`;

describe('a message that breaks a bound is one rejection', () => {
  it.each([
    ['users/list', `{"command_id":"z","params":{"a":${nested(5_000)}}}`, 'nests deeper than 32'],
    ['users/create', `{"command_id":"z","params":{"full_name":"A","metadata":{"a":${nested(1_500)}}}}`, 'nests deeper'],
    ['users/create', `{"command_id":"z","params":{"full_name":"A","metadata":{"a":${nested(30)}}}}`, 'nests deeper'],
    ['users/list', `{"command_id":"z","params":{"a":[${'1,'.repeat(2_000)}1]}}`, 'more than 2000 members'],
    ['users/list', `{"command_id":"z","params":{"${'k'.repeat(150_000)}":1}}`, 'a key of more than 256 characters'],
    ['users/create', '{"command_id":"z","params":{"full_name":"\\ud800"}}', 'half of a surrogate pair'],
    [
      'users/create',
      Buffer.from('{"command_id":"z","params":{"full_name":"B\xf8e"}}', 'latin1'),
      'not UTF-8 text: byte 0xf8 at offset 42',
    ],
  ])('%s %#: answered, told once, and known when it comes again', async (command, payload, why) => {
    const reply = await send(command, payload);
    expect(reply).toMatchObject({ command_id: 'z', ok: false, error: { type: 'invalid_input' } });
    expect(text(reply)).toContain(why);
    expect(room.store.journal.get('z')?.state).toBe('done');
    expect(await send(command, payload)).toEqual(reply);
    expect(rejections()).toHaveLength(1);
  });

  it('over the local socket as well, where no bytes are left to look at', async () => {
    const value: unknown = JSON.parse(`{"command_id":"z","params":{"a":${nested(20_000)}}}`);
    const ask = async (): Promise<ParsedReply> =>
      await new Promise((resolve, reject) => {
        void caller.dispatcher.dispatch(
          {
            resource: 'users',
            verb: 'list',
            payload: { value },
            source: 'local',
            isRetained: false,
            responseTopic: null,
            isResponseTopicAllowed: true,
            correlation: null,
            expiresAtMs: null,
          },
          (reply) => resolve(JSON.parse(reply.json) as ParsedReply),
          reject,
        );
        room.store.flush();
      });
    expect(text(await ask())).toContain('nests deeper than 32');
    expect(text(await ask())).toContain('nests deeper than 32');
    expect(rejections()).toHaveLength(1);
  });

  it('and what meets a mistake of ours before its handler is answered too, where it would come again for ever', async () => {
    const broken = new Caller({
      ...room,
      time: () => {
        throw new TypeError('ours');
      },
    });
    const reply = JSON.parse((await broken.send('users/list', Buffer.from('{"command_id":"z"}'))).json) as ParsedReply;
    expect(reply).toMatchObject({ command_id: 'z', ok: false, error: { type: 'internal' } });
    expect(rejections()).toHaveLength(1);
  });

  it('and the same id for something else afterwards is a conflict; a retained one leaves its id free', async () => {
    await send('users/create', '{"command_id":"z","parms":{}}');
    expect(text(await send('users/create', '{"command_id":"z","params":{"full_name":"A"}}'))).toContain(
      'command_conflict',
    );
    await send('users/create', '{"command_id":"r","params":{"full_name":"A"}}', { isRetained: true });
    expect((await send('users/create', '{"command_id":"r","params":{"full_name":"A"}}')).ok).toBe(true);
  });

  it('but 500 operations in one command, and a credential for a thousand entrances, are within bounds', async () => {
    await caller.call('users/create', { acs_user_id: USER, full_name: 'A' });
    const operations = Array.from({ length: 500 }, (_, i) => ({
      op: 'create',
      params: {
        acs_credential_id: uuid(i),
        acs_user_id: USER,
        access_method: 'card',
        card_number: `H10301:123:${i + 1}`,
        allowed_acs_entrance_ids: [LOBBY],
        display_name: 'A',
        metadata: { a: 1, b: [1, 2] },
      },
    }));
    const applied = await caller.call('credentials/apply', { operations });
    expect((applied.result?.['results'] as { ok: boolean }[]).filter(({ ok }) => ok)).toHaveLength(500);
    const many = await caller.call('credentials/create', {
      acs_user_id: USER,
      access_method: 'card',
      card_number: 'H10301:123:700',
      allowed_acs_entrance_ids: Array.from({ length: 1_000 }, (_, i) => uuid(i)),
    });
    expect(many.error?.type).toBe('acs_entrance_not_found');
    const heavy = [{ op: 'delete', params: { a: Array.from({ length: 2_001 }, () => 1) } }];
    expect(text(await caller.call('credentials/apply', { operations: heavy }))).toContain('more than 2000 members');
  });
});

describe('text', () => {
  it('with a byte order mark in front is read as without it', async () => {
    const body = '{"command_id":"z","params":{"full_name":"Bøe"}}';
    expect((await send('users/create', `\ufeff${body}`)).result?.acs_user).toMatchObject({ full_name: 'Bøe' });
    expect((await send('users/create', body)).ok).toBe(true);
  });

  it('that is not UTF-8 is refused with its place, and another such byte is another command', async () => {
    const body = (byte: string): Buffer =>
      Buffer.from(`{"command_id":"k","params":{"full_name":"B${byte}e"}}`, 'latin1');
    expect(text(await send('users/create', body('\xf8')))).toBe(
      'invalid_input: the payload is not UTF-8 text: byte 0xf8 at offset 42, behind the key "full_name". Remedy: write it as UTF-8',
    );
    expect(text(await send('users/create', body('\xe9')))).toContain('0xe9');
    expect(rejections()).toHaveLength(2);
  });
});

describe('what is repeated of what came', () => {
  it('is 64 characters of a name, and an event has at most 4 KiB', async () => {
    const keys = Array.from({ length: 300 }, (_, i) => `"${String(i).repeat(30)}\\u001b[31m":1`).join(',');
    const reply = await send('users/list', `{"command_id":"a","params":{${keys}}}`);
    expect(reply.error?.message.length).toBeLessThanOrEqual(1_000);
    expect(reply.error?.path?.every((step) => String(step).length <= 64)).toBe(true);
    expect(JSON.stringify(reply)).not.toContain('\\u001b');
    await send(`users/${'x'.repeat(60_000)}`, '{"command_id":"b"}');
    await send('users/list', `{"command_id":"c",${keys}}`);
    for (const { body } of room.store.events.after(0, 100))
      expect(Buffer.byteLength(body)).toBeLessThanOrEqual(4 * KIB);
    expect(JSON.stringify(rejections())).not.toContain('x'.repeat(65));
  });

  it('in an event of whatever maker is cut to 4 KiB, and the event says what was cut', () => {
    const body = {
      acs_entrance_id: LOBBY,
      problems: Array.from({ length: 900 }, (_, i) => `row ${i}`),
      note: 'é'.repeat(9_000),
    };
    room.store.now(() => room.store.events.add({ event_type: 'agent.storage_damaged', body }, clock.nowMs()));
    const [event] = events();
    expect(Buffer.byteLength(JSON.stringify(event))).toBeLessThanOrEqual(4 * KIB);
    expect(event).toMatchObject({ acs_entrance_id: LOBBY, cut: ['problems', 'note'] });
  });
});

describe('rejections', () => {
  it('have a budget in bytes as well as in number, and what is not told is counted', async () => {
    const keys = Array.from({ length: 20 }, (_, i) => `"${'é'.repeat(60)}${i}":1`).join(',');
    for (let i = 0; i < 55; i++) await send('users/list', `{"command_id":"${i}",${keys}}`);
    const told = rejections();
    const bytes = room.store.events.after(0, 100).reduce((sum, { body }) => sum + Buffer.byteLength(body), 0);
    expect(bytes).toBeLessThanOrEqual(64 * KIB);
    expect(told.length).toBeLessThan(55);
    await clock.advance(60_000);
    await send('users/list', 'nonsense');
    expect(rejections().at(-1)?.['suppressed']).toBe(55 - told.length);
  });
});

describe('a stream', () => {
  const create = (seq: number, n: number): Promise<ParsedReply> =>
    caller.call('users/create', { acs_user_id: uuid(n), full_name: 'A' }, { stream: { id: 'tower-1', seq } });
  const missing = (): Told[] => events().filter((event) => event.event_type === 'agent.commands_missing');

  it('does not believe a number that is far ahead, and says so', async () => {
    expect((await create(5, 1)).ok).toBe(true);
    const far = await create(Number.MAX_SAFE_INTEGER, 2);
    expect(text(far)).toMatch(
      /^invalid_input: stream.seq: 9007199254740991 is more than 1000000 ahead of 5.*reset_stream/,
    );
    expect(missing()).toMatchObject([{ stream_id: 'tower-1', from_seq: 6, is_believed: false }]);
    expect((await create(6, 3)).ok).toBe(true);
    expect((await create(9, 4)).ok).toBe(true);
    expect(missing().at(-1)).toMatchObject({ from_seq: 7, to_seq: 8, is_believed: true });
  });

  it('never refuses to take access away, whatever its number', async () => {
    await create(Number.MAX_SAFE_INTEGER, 1);
    expect(text(await create(7, 2))).toContain('stale_revision');
    const stream = { id: 'tower-1', seq: 7 };
    const made = await caller.call('credentials/create', {
      acs_user_id: uuid(1),
      access_method: 'code',
      code: '824759',
    });
    const id = made.result?.acs_credential?.['acs_credential_id'];
    for (const [command, params] of [
      ['users/suspend', { acs_user_id: uuid(1) }],
      ['credentials/unassign', { acs_credential_id: id }],
      ['credentials/delete', { acs_credential_id: id }],
      ['users/delete', { acs_user_id: uuid(1) }],
    ] as const)
      expect(text(await caller.call(command, params, { stream }))).toBe('ok: ');
  });

  it('takes the deletions of an old apply and leaves what it would grant', async () => {
    await create(9, 1);
    for (const n of [1, 2])
      await caller.call('credentials/create', {
        acs_credential_id: uuid(n),
        acs_user_id: uuid(1),
        access_method: 'card',
        card_number: `uid:0401020${n}`,
      });
    const operations = [
      { op: 'delete', params: { acs_credential_id: uuid(1) } },
      { op: 'update', params: { acs_credential_id: uuid(2), display_name: 'B' } },
    ];
    const old = await caller.call('credentials/apply', { operations }, { stream: { id: 'tower-1', seq: 3 } });
    expect(old.result?.['results']).toMatchObject([{ ok: true }, { ok: false, error: { type: 'stale_revision' } }]);
    const next = await caller.call(
      'credentials/apply',
      { operations: operations.slice(1) },
      { stream: { id: 'tower-1', seq: 10 } },
    );
    expect(next.result?.['results']).toMatchObject([{ ok: true }]);
    expect(text(await create(10, 3))).toContain('stale_revision');
  });

  it('is followed by every command that came: read, moved, refused, or unknown', async () => {
    await create(1, 1);
    const stream = (seq: number): { stream: unknown } => ({ stream: { id: 'tower-1', seq } });
    await caller.call('users/list', {}, stream(2));
    await caller.call('users/create', {}, stream(3));
    await caller.call('users/list', {}, { ...stream(4), expires_at: '2001-01-01T00:00:00Z' });
    await caller.call('users/frobnicate', {}, stream(5));
    const at = new Date(clock.nowMs() + 30_000).toISOString();
    await caller.call('entrances/unlock', { acs_entrance_id: LOBBY }, { ...stream(6), expires_at: at });
    expect((await create(7, 2)).ok).toBe(true);
    expect(missing()).toEqual([]);
    const old = await caller.call('entrances/unlock', { acs_entrance_id: LOBBY }, { ...stream(6), expires_at: at });
    expect(old.error?.type).toBe('stale_revision');
    expect(room.unlocked).toHaveLength(1);
    expect((await caller.call('users/list', {}, stream(2))).ok).toBe(true);
  });

  it('begins anew after facility/reset_stream', async () => {
    await create(Number.MAX_SAFE_INTEGER, 1);
    expect((await caller.call('facility/reset_stream', { stream_id: 'tower-1' })).result).toEqual({
      stream_id: 'tower-1',
      last_seq: Number.MAX_SAFE_INTEGER,
    });
    expect(events().at(-1)).toMatchObject({ event_type: 'agent.stream_reset', stream_id: 'tower-1' });
    expect((await create(1, 2)).ok).toBe(true);
    expect((await caller.call('facility/reset_stream', { stream_id: 'none' })).result).toMatchObject({
      last_seq: null,
    });
  });
});

describe('times in a command', () => {
  const at = (ms: number): string => new Date(clock.nowMs() + ms).toISOString();
  const unlock = (times: Record<string, unknown>, more = {}): Promise<ParsedReply> =>
    caller.call('entrances/unlock', { acs_entrance_id: LOBBY }, times, more);

  it('that its sender made up do not let an unlock wait for years', async () => {
    const reply = await unlock({ issued_at: '2099-01-01T00:00:00Z', expires_at: '2099-01-01T00:00:30Z' });
    expect(text(reply)).toMatch(
      /^invalid_input: issued_at: 2099-01-01T00:00:00.000Z is ahead of the gateway’s clock, which shows 2026-/,
    );
    expect(text(await unlock({ expires_at: at(61_000) }))).toMatch(
      /^invalid_input: expires_at: at most 60 s ahead of the gateway/,
    );
    expect(text(await unlock({ issued_at: at(5_001), expires_at: at(30_000) }))).toContain('issued_at');
    expect((await unlock({ issued_at: at(4_000), expires_at: at(60_000) })).ok).toBe(true);
    expect(room.unlocked).toHaveLength(1);
  });

  it('are the local console’s own where the clock is not trusted, and judge nothing that came over the broker then', async () => {
    room.isTrusted = false;
    const ahead = { issued_at: at(3_600_000), expires_at: at(3_630_000) };
    expect(text(await unlock(ahead))).toContain('clock_untrusted');
    expect(text(await unlock(ahead, { source: 'local' }))).toContain('issued_at');
    expect((await unlock({ expires_at: at(30_000) }, { source: 'local' })).ok).toBe(true);
    expect((await caller.call('users/create', { full_name: 'A' }, { issued_at: at(3_600_000) })).ok).toBe(true);
  });

  it('do not keep access that is to be taken away', async () => {
    await caller.call('users/create', { acs_user_id: USER, full_name: 'A' });
    const ahead = { issued_at: at(3_600_000) };
    expect(text(await caller.call('users/unsuspend', { acs_user_id: USER }, ahead))).toContain('issued_at');
    expect((await caller.call('users/suspend', { acs_user_id: USER }, ahead)).ok).toBe(true);
  });
});
