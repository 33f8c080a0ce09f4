import { readFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { buildSite, ENTRANCES, LOBBY, STORE_ROOM, SYSTEM, USER } from '../support/room.ts';
import { card, code, errorOf, eventTypes, ID, setUp, uuid } from './set-up.ts';

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
      [{ card_number: `raw:2040:${'37'.repeat(255)}` }, 'raw', `2040:${'37'.repeat(255)}`],
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
      [
        'a mobile key that is not for several phones',
        code({ access_method: 'mobile_key', code: undefined }),
        /^invalid_input: params.is_multi_phone_sync_credential: must be true/,
      ],
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
    expect(
      (await caller.call('credentials/list_accessible_entrances', { acs_credential_id: ID })).result,
    ).toMatchObject({
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
