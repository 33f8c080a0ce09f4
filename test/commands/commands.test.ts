import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Incoming, Reply } from '../../src/commands/incoming.ts';
import type { ApiError } from '../../src/domain/errors.ts';
import type { Clock } from '../../src/domain/ports.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { ManualClock, turn } from '../support/manual-clock.ts';
import {
  buildRoom,
  buildSite,
  Caller,
  ENTRANCES,
  LOBBY,
  STORE_ROOM,
  SYSTEM,
  USER,
  type ParsedReply,
  type TestRoom,
} from '../support/room.ts';
import { openStore, temporaryFolder } from '../support/store.ts';

const ID = '66666666-6666-6666-6666-666666666666';
const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

type Setup = { caller: Caller; room: TestRoom; clock: ManualClock; folder: string };

async function setUp(policy: Parameters<typeof buildRoom>[2] = {}, running?: Clock): Promise<Setup> {
  const manual = new ManualClock();
  const clock = running ?? manual;
  const folder = temporaryFolder();
  const room = buildRoom(openStore(folder, clock), clock, policy);
  const caller = new Caller(room);
  const created = await caller.call('users/create', { acs_user_id: USER, full_name: 'Jane Doe' });
  expect(created.ok).toBe(true);
  return { caller, room, clock: manual, folder };
}

const code = (more: Record<string, unknown> = {}): Record<string, unknown> => ({
  acs_user_id: USER,
  access_method: 'code',
  code: '824759',
  allowed_acs_entrance_ids: [LOBBY],
  ...more,
});
const card = (more: Record<string, unknown> = {}): Record<string, unknown> => ({
  acs_user_id: USER,
  access_method: 'card',
  card_number: 'H10301:123:45678',
  allowed_acs_entrance_ids: [LOBBY],
  ...more,
});
/** Of all that came behind the person whom `setUp` creates. */
const eventTypes = (room: TestRoom): string[] => room.store.events.after(1, 1000).map((event) => event.event_type);
const errorOf = (reply: ParsedReply): string => `${reply.error?.type ?? 'ok'}: ${reply.error?.message ?? ''}`;

describe('credentials', () => {
  it('are created with a minted id, issued at once where only the gateway decides, and never show their PIN', async () => {
    const { caller, room } = await setUp();
    const reply = await caller.call('credentials/create', code({ acs_credential_id: ID }));
    expect(reply.result?.acs_credential).toMatchObject({
      acs_credential_id: ID,
      acs_user_id: USER,
      acs_system_id: SYSTEM,
      code: null,
      has_code: true,
      is_issued: true,
      is_latest_desired_state_synced_with_provider: true,
      allowed_acs_entrance_ids: [LOBBY],
      controller_states: [],
      warnings: [],
    });
    expect(eventTypes(room)).toEqual(['acs_credential.created', 'acs_credential.issued']);
    expect(JSON.stringify(room.store.events.after(0, 10))).not.toContain('824759');
  });

  it('wait for their controllers, with the warning that says so', async () => {
    const { caller, room } = await setUp();
    const reply = await caller.call('credentials/create', code({ allowed_acs_entrance_ids: [LOBBY, STORE_ROOM] }));
    expect(reply.result?.acs_credential).toMatchObject({
      is_issued: false,
      controller_states: [{ controller: 'store-panel', slot: null, state: 'scheduled' }],
      warnings: [{ warning_code: 'waiting_to_be_issued' }],
    });
    expect(room.woken).toEqual(['store-panel']);
    expect(eventTypes(room)).toEqual(['acs_credential.created']);
  });

  it('are listed, and so are people and events, when somebody has put what is no JSON into the database', async () => {
    const { caller, room } = await setUp();
    const visionline_metadata = { joiner_acs_credential_ids: [] };
    const made = await caller.call('credentials/create', card({ metadata: { a: 1 }, visionline_metadata }));
    expect(made.ok).toBe(true);
    room.store.flush();
    const db = new Database(room.store.path);
    db.exec("UPDATE credentials SET metadata = '{', opaque = '7'");
    db.exec("UPDATE users SET metadata = 'x'");
    db.exec("UPDATE events SET body = '{' || body WHERE sequence = 1");
    db.close();
    expect((await caller.call('credentials/list', {})).result?.['acs_credentials']).toMatchObject([{ metadata: null }]);
    expect((await caller.call('users/list', {})).result?.['acs_users']).toMatchObject([{ metadata: null }]);
    const { events } = (await caller.call('events/list', { from_sequence: 1 })).result as { events: unknown[] };
    expect(events[0]).toMatchObject({ sequence: 1, event_type: 'acs_user.created', is_stub: true });
    expect(events.length).toBeGreaterThan(1);
  });

  it('warn of entrances that take only the other kind, and of no others', async () => {
    const { caller, room } = await setUp();
    room.site = buildSite(room.store, [
      { ...ENTRANCES.lobby, displayName: 'Lobby', factors: 'card' },
      { ...ENTRANCES.lobby, name: 'store-room', acsEntranceId: STORE_ROOM, displayName: 'Store room', factors: 'code' },
    ]);
    const warningsOf = async (params: Record<string, unknown>): Promise<unknown[]> => {
      const reply = await caller.call('credentials/create', code(params));
      expect(reply.error).toBeUndefined();
      const { warnings } = reply.result?.acs_credential as { warnings: { warning_code: string }[] };
      return warnings.filter(({ warning_code }) => warning_code === 'factor_not_accepted');
    };
    expect(await warningsOf({ allowed_acs_entrance_ids: [LOBBY, STORE_ROOM] })).toEqual([
      {
        warning_code: 'factor_not_accepted',
        message: 'Lobby takes cards only: this code opens nothing there.',
        acs_entrance_ids: [LOBBY],
        created_at: expect.any(String) as unknown,
      },
    ]);
    expect(await warningsOf(card({ code: undefined, allowed_acs_entrance_ids: [LOBBY, STORE_ROOM] }))).toMatchObject([
      { message: 'Store room takes codes only: this card opens nothing there.', acs_entrance_ids: [STORE_ROOM] },
    ]);
    expect(await warningsOf({ code: '935861', allowed_acs_entrance_ids: [STORE_ROOM] })).toEqual([]);
    expect(await warningsOf({ code: '714263', allowed_acs_entrance_ids: [] })).toEqual([]);
    room.site = buildSite(room.store, [{ ...ENTRANCES.lobby, factors: 'card_and_code' }]);
    expect(await warningsOf({ code: '628411', allowed_acs_entrance_ids: [LOBBY] })).toEqual([]);
  });

  it('of a caller who repeats a create with the same id are the same object; anything else is a conflict', async () => {
    const { caller, room } = await setUp();
    await caller.call('credentials/create', code({ acs_credential_id: ID }));
    expect((await caller.call('credentials/create', code({ acs_credential_id: ID }))).ok).toBe(true);
    expect(room.store.credentials.count()).toBe(1);
    expect((await caller.call('credentials/create', code({ acs_credential_id: ID, code: '111222' }))).error?.type).toBe(
      'acs_credential_exists',
    );
    expect(
      (await caller.call('credentials/create', code({ acs_credential_id: ID, ends_at: '2026-12-01T00:00:00Z' }))).error
        ?.type,
    ).toBe('acs_credential_exists');
  });

  it('get a generated code once, in the reply that made it', async () => {
    const { caller, clock, folder } = await setUp();
    const envelope = { command_id: 'make-one' };
    const params = code({ code: undefined, acs_credential_id: ID, allowed_acs_entrance_ids: [LOBBY, STORE_ROOM] });
    const first = await caller.call('credentials/create', params, envelope);
    const shown = String(first.result?.acs_credential?.['code']);
    expect(shown).toMatch(/^[0-9]{6}$/);
    expect((await caller.call('credentials/create', params, envelope)).result?.acs_credential?.['code']).toBe(shown);
    await clock.advance(10 * 60_000);
    expect((await caller.call('credentials/create', params, envelope)).result?.acs_credential).toMatchObject({
      code: null,
      has_code: true,
    });
    expect((await caller.call('credentials/get', { acs_credential_id: ID })).result?.acs_credential).toMatchObject({
      code: null,
      has_code: true,
    });
    for (const file of ['lintel.db', 'lintel.db-wal'])
      expect(readFileSync(`${folder}/${file}`).includes(shown)).toBe(false);
  });

  it('take card numbers in every spelling, answer them canonically, and keep the value out of the file', async () => {
    const { caller, folder } = await setUp({ defaultCardFormat: { format: 'H10301', facility_code: 123 } });
    const spellings: [Record<string, unknown>, string, string][] = [
      [{ card_number: 'H10301:007:00042' }, 'H10301', '7:42'],
      [{ card_number: undefined, code: '45678' }, 'H10301', '123:45678'],
      [{ card_number: '99:1', card_format: 'H10301' }, 'H10301', '99:1'],
      [{ card_number: 'uid:04a1b2c3d4e5f6' }, 'uid', '04A1B2C3D4E5F6'],
      [{ card_number: '1234567890', card_format: 'H10302' }, 'H10302', '1234567890'],
      [{ card_number: 'raw:26:BDD93740' }, 'raw', '26:BDD93740'],
    ];
    for (const [params, card_format, card_number] of spellings) {
      const reply = await caller.call('credentials/create', card(params));
      expect(reply.result?.acs_credential).toMatchObject({ card_format, card_number });
    }
    expect(readFileSync(`${folder}/lintel.db-wal`).includes('04A1B2C3D4E5F6')).toBe(false);
  });

  it('are refused for each thing a caller can get wrong, with the place and the remedy', async () => {
    const { caller, room } = await setUp();
    await caller.call('credentials/create', code({ acs_credential_id: ID, ends_at: '2026-04-01T00:00:00Z' }));
    const wrong: [string, Record<string, unknown>, RegExp][] = [
      ['letters in a PIN', code({ code: '12a4' }), /^invalid_input: params.code: digits only, 4 to 12/],
      ['a number for a PIN', code({ code: 824759 }), /^invalid_input: params.code: a string of digits/],
      [
        'an end before its start',
        code({ code: '1357', starts_at: '2026-05-02T00:00:00Z', ends_at: '2026-05-01T00:00:00Z' }),
        /^invalid_input: params.ends_at: ends_at must be later/,
      ],
      [
        'an end in the past',
        code({ code: '1357', ends_at: '2020-05-01T00:00:00Z' }),
        /^invalid_input: params.ends_at: lies in the past/,
      ],
      [
        'an instant without offset',
        code({ ends_at: '2026-05-01 00:00' }),
        /^invalid_input: params.ends_at: an RFC 3339 instant/,
      ],
      [
        'an unknown entrance',
        code({ allowed_acs_entrance_ids: [LOBBY, uuid(9)] }),
        /^acs_entrance_not_found: no entrance 0{8}/,
      ],
      ['an unknown user', code({ acs_user_id: uuid(8) }), /^acs_user_not_found: .*users\/create/],
      ['nobody', code({ acs_user_id: undefined }), /^invalid_input: params: give acs_user_id/],
      [
        'an id that is none',
        code({ acs_user_id: 'jane' }),
        /^invalid_input: params.acs_user_id: an id in the form of a UUID/,
      ],
      ['a field nobody knows', code({ colour: 'red' }), /^invalid_input: params.colour: not a parameter/],
      [
        'a PIN that is taken there and then',
        code({ starts_at: '2026-03-31T00:00:00Z' }),
        /^duplicate_access_code: .*66666666/,
      ],
      ['a mobile key', code({ access_method: 'mobile_key', code: undefined }), /^not_supported: mobile_key/],
      ['another system', code({ acs_system_id: uuid(7) }), /^acs_system_not_found/],
      [
        'a card number out of range',
        card({ card_number: 'H10301:256:1' }),
        /^invalid_input: params.card_number: .*facility code is a decimal from 0 to 255/,
      ],
      ['a random UID', card({ card_number: 'uid:08AABBCC' }), /^invalid_input: .*every tap/],
      ['a card without number', card({ card_number: undefined }), /^invalid_input: params.card_number: required/],
      [
        'a PIN too long for the controller',
        code({ code: '1234567', allowed_acs_entrance_ids: [STORE_ROOM] }),
        /^code_constraints_violated: .*store-panel takes codes of 4, 5, 6/,
      ],
      [
        'a one-time PIN the controller cannot keep',
        code({ code: '1357', is_one_time_use: true, allowed_acs_entrance_ids: [STORE_ROOM] }),
        /^not_supported: .*one-time/,
      ],
      [
        'a card the controller cannot keep',
        card({ card_number: 'H10302:5', allowed_acs_entrance_ids: [STORE_ROOM] }),
        /^not_supported: .*H10301, uid, not H10302/,
      ],
      [
        'too much metadata',
        code({ code: '1357', metadata: { a: 'x'.repeat(5000) } }),
        /^invalid_input: params.metadata: at most 4 KiB/,
      ],
    ];
    for (const [what, params, expected] of wrong)
      expect(errorOf(await caller.call('credentials/create', params)), what).toMatch(expected);
    expect(room.store.credentials.count()).toBe(1);
  });

  it('share a PIN or a card over windows that do not overlap', async () => {
    const { caller } = await setUp();
    const march = { starts_at: '2026-03-05T00:00:00Z', ends_at: '2026-04-01T00:00:00Z' };
    const april = { starts_at: '2026-04-01T00:00:00Z', ends_at: '2026-05-01T00:00:00Z' };
    expect((await caller.call('credentials/create', code(march))).ok).toBe(true);
    expect((await caller.call('credentials/create', code(april))).ok).toBe(true);
    expect((await caller.call('credentials/create', card(march))).ok).toBe(true);
    expect((await caller.call('credentials/create', card(april))).ok).toBe(true);
    expect(
      (await caller.call('credentials/create', card({ ...march, allowed_acs_entrance_ids: [STORE_ROOM] }))).error?.type,
    ).toBe('duplicate_card_number');
  });

  it('are refused when the table of a controller is full over their window, and not outside it', async () => {
    const { caller } = await setUp();
    const at = { allowed_acs_entrance_ids: [STORE_ROOM], ends_at: '2026-04-01T00:00:00Z' };
    for (const pin of ['7001', '7002', '7003'])
      expect((await caller.call('credentials/create', code({ ...at, code: pin }))).ok).toBe(true);
    expect(errorOf(await caller.call('credentials/create', code({ ...at, code: '7004' })))).toMatch(
      /^no_space_for_access_code_on_device: store-panel has 3 slots.*Remedy/,
    );
    expect(
      (
        await caller.call(
          'credentials/create',
          code({ ...at, code: '7004', starts_at: '2026-04-01T00:00:00Z', ends_at: '2026-05-01T00:00:00Z' }),
        )
      ).ok,
    ).toBe(true);
  });

  it('carry at most one four-digit code in a thousand at an entrance', async () => {
    const { caller } = await setUp();
    for (let i = 0; i < 10; i++)
      expect((await caller.call('credentials/create', code({ code: `70${i}9` }))).ok).toBe(true);
    expect(errorOf(await caller.call('credentials/create', code({ code: '8888' })))).toMatch(
      /^code_constraints_violated: .*use more digits/,
    );
    expect((await caller.call('credentials/create', code({ code: '88881' }))).ok).toBe(true);
  });

  it('change by update, keep the rest, and are synchronised again', async () => {
    const { caller, room } = await setUp();
    await caller.call('credentials/create', code({ acs_credential_id: ID, metadata: { a: 1 } }));
    const reply = await caller.call('credentials/update', {
      acs_credential_id: ID,
      code: '135790',
      ends_at: '2026-06-01T00:00:00Z',
    });
    expect(reply.result?.acs_credential).toMatchObject({
      ends_at: '2026-06-01T00:00:00.000Z',
      metadata: { a: 1 },
      code: null,
    });
    const entranceKey = room.site.byId(LOBBY)?.entranceKey ?? 0;
    expect(room.store.reach.byCode(room.store.secrets.codeHash('824759'), entranceKey)).toEqual([]);
    expect(room.store.reach.byCode(room.store.secrets.codeHash('135790'), entranceKey)).toHaveLength(1);
    expect(eventTypes(room)).toEqual([
      'acs_credential.created',
      'acs_credential.issued',
      'acs_credential.updated',
      'acs_credential.reissued',
    ]);
    expect(
      (await caller.call('credentials/update', { acs_credential_id: ID, ends_at: null })).result?.acs_credential?.[
        'ends_at'
      ],
    ).toBe(null);
  });

  it('are gone with the transaction that deletes them, and their id is never used again', async () => {
    const { caller } = await setUp();
    await caller.call('credentials/create', code({ acs_credential_id: ID }));
    expect((await caller.call('credentials/delete', { acs_credential_id: ID })).ok).toBe(true);
    expect((await caller.call('credentials/delete', { acs_credential_id: ID })).ok).toBe(true);
    expect((await caller.call('credentials/get', { acs_credential_id: ID })).error?.type).toBe(
      'acs_credential_deleted',
    );
    expect((await caller.call('credentials/create', code({ acs_credential_id: ID }))).error?.type).toBe(
      'acs_credential_deleted',
    );
    expect((await caller.call('credentials/create', code())).ok).toBe(true);
  });

  it('go with their user, each with its events', async () => {
    const { caller, room } = await setUp();
    await caller.call('credentials/create', code({ acs_credential_id: ID }));
    await caller.call('users/delete', { acs_user_id: USER });
    expect(eventTypes(room)).toEqual([
      'acs_credential.created',
      'acs_credential.issued',
      'acs_credential.invalidated',
      'acs_credential.deleted',
      'acs_user.deleted',
    ]);
    expect(room.store.credentials.count()).toBe(0);
    expect((await caller.call('users/create', { acs_user_id: USER, full_name: 'Jane' })).error?.type).toBe(
      'acs_user_exists',
    );
  });

  it('are assigned and unassigned; unassigned they open nothing', async () => {
    const { caller } = await setUp();
    await caller.call('credentials/create', code({ acs_credential_id: ID }));
    expect(
      (await caller.call('credentials/unassign', { acs_credential_id: ID })).result?.acs_credential?.['acs_user_id'],
    ).toBe(null);
    expect((await caller.call('credentials/list_accessible_entrances', { acs_credential_id: ID })).result).toEqual({
      acs_entrances: [],
    });
    await caller.call('credentials/assign', { acs_credential_id: ID, acs_user_id: USER });
    const opens = await caller.call('credentials/list_accessible_entrances', { acs_credential_id: ID });
    expect(opens.result?.['acs_entrances']).toMatchObject([{ acs_entrance_id: LOBBY }]);
  });

  it('are listed in pages that lose nobody', async () => {
    const { caller } = await setUp();
    for (let i = 0; i < 25; i++)
      await caller.call(
        'credentials/create',
        code({ acs_credential_id: uuid(i), code: String(10_000_000 + i * 7919) }),
      );
    const seen: string[] = [];
    let cursor: unknown = undefined;
    do {
      const reply = await caller.call('credentials/list', { limit: 10, page_cursor: cursor });
      seen.push(
        ...(reply.result?.['acs_credentials'] as { acs_credential_id: string }[]).map((one) => one.acs_credential_id),
      );
      cursor = (reply.result?.['pagination'] as { next_page_cursor: string | null }).next_page_cursor ?? undefined;
    } while (cursor !== undefined);
    expect(seen).toEqual(Array.from({ length: 25 }, (_, i) => uuid(i)));
    expect((await caller.call('credentials/list', { page_cursor: '!!' })).error?.type).toBe('invalid_input');
  });
});

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
    expect(await rejected('{"command_id":"a"}', 'access_groups/create')).toMatchObject({
      error: { type: 'not_supported' },
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
