import { describe, expect, it } from 'vitest';
import { ManualClock } from '../support/manual-clock.ts';
import { buildRoom, buildSite, Caller, ENTRANCES, LOBBY, STORE_ROOM, USER, type TestRoom } from '../support/room.ts';
import { openStore, temporaryFolder } from '../support/store.ts';

type Warned = { warning_code: string; message: string; acs_entrance_ids?: string[] };

async function setUp(): Promise<{ caller: Caller; room: TestRoom }> {
  const clock = new ManualClock();
  const room = buildRoom(openStore(temporaryFolder(), clock), clock);
  room.site = buildSite(room.store, [{ ...ENTRANCES.lobby, cardFormats: ['H10301', 'uid'] }, ENTRANCES.storeRoom]);
  const caller = new Caller(room);
  await caller.call('users/create', { acs_user_id: USER, full_name: 'Jane Doe' });
  return { caller, room };
}

async function warnings(caller: Caller, params: Record<string, unknown>): Promise<Warned[]> {
  const reply = await caller.call('credentials/create', { acs_user_id: USER, access_method: 'card', ...params });
  expect(reply.error).toBeUndefined();
  return reply.result?.acs_credential?.['warnings'] as Warned[];
}

describe('a credential that opens nothing', () => {
  it('is told of: a card that no reader at its doors reads, with the question whether it is a serial number', async () => {
    const { caller } = await setUp();
    const found = await warnings(caller, { card_number: '388575490', allowed_acs_entrance_ids: [LOBBY] });
    expect(found).toMatchObject([
      {
        warning_code: 'card_format_not_read',
        message:
          'lobby does not read H10302, but H10301, uid: this card opens nothing there. If 388575490 is the serial number of the card in decimal, it is uid:17293102.',
        acs_entrance_ids: [LOBBY],
      },
    ]);
    for (const card of ['H10301:123:45678', 'uid:04A1B2C3'])
      expect(await warnings(caller, { card_number: card, allowed_acs_entrance_ids: [LOBBY] })).toEqual([]);
  });

  it('is told of: one without entrances, and one that follows a user who has none', async () => {
    const { caller } = await setUp();
    expect(await warnings(caller, { card_number: 'uid:04A1B2C3', allowed_acs_entrance_ids: [] })).toMatchObject([
      { warning_code: 'no_entrances' },
    ]);
    expect(await warnings(caller, { card_number: 'uid:04A1B2C4' })).toMatchObject([{ warning_code: 'no_entrances' }]);
  });

  it('is told of: one whose entrance left the facility file', async () => {
    const { caller, room } = await setUp();
    const id = '66666666-6666-6666-6666-666666666666';
    const params = { acs_credential_id: id, card_number: 'uid:04A1B2C3', allowed_acs_entrance_ids: [LOBBY] };
    expect(await warnings(caller, params)).toEqual([]);
    room.site = buildSite(room.store, [ENTRANCES.storeRoom]);
    const reply = await caller.call('credentials/get', { acs_credential_id: id });
    expect(reply.result?.acs_credential?.['warnings']).toMatchObject([
      {
        warning_code: 'entrance_left_facility',
        message: '1 of its entrances is not in the facility file any more: it opens nothing.',
        acs_entrance_ids: [LOBBY],
      },
    ]);
  });
});

describe('a card number', () => {
  it('is taken as phones and desk readers show it, and asked about where its format cannot be known', async () => {
    const { caller } = await setUp();
    const create = (card_number: string) =>
      caller.call('credentials/create', {
        acs_user_id: USER,
        access_method: 'card',
        card_number,
        allowed_acs_entrance_ids: [STORE_ROOM],
      });
    expect((await create('DD:17:38:0A')).result?.acs_credential).toMatchObject({
      card_format: 'uid',
      card_number: 'DD17380A',
    });
    expect((await create('04-a1-b2-c3-d4-e5-f6')).result?.acs_credential).toMatchObject({
      card_number: '04A1B2C3D4E5F6',
    });
    expect((await create('123:45678')).error?.message).toContain(
      'Remedy: say how the card is read, as H10301:facility:number, or in card_format',
    );
  });

  it('that has begun just now is valid, without a word', async () => {
    const { caller, room } = await setUp();
    const starts_at = new Date(room.clock.nowMs() - 900).toISOString();
    expect(
      await warnings(caller, { card_number: 'uid:04A1B2C3', allowed_acs_entrance_ids: [LOBBY], starts_at }),
    ).toEqual([]);
  });
});

describe('searching', () => {
  it('finds names in any letters, with and without their marks', async () => {
    const { caller } = await setUp();
    await caller.call('users/create', { full_name: 'Øystein Åsen', email_address: 'Oystein@example.no' });
    const found = async (search: string): Promise<unknown> =>
      (await caller.call('users/list', { search })).result?.['acs_users'];
    for (const search of ['Øystein Åsen', 'øystein', 'ÅSEN', 'asen', 'oystein@EXAMPLE'])
      expect(await found(search), search).toMatchObject([{ full_name: 'Øystein Åsen' }]);
    expect(await found('åge')).toEqual([]);
  });

  it('by a type of event that does not exist is refused with what was meant', async () => {
    const { caller } = await setUp();
    const reply = await caller.call('events/list', { event_types: ['lock.unlockd'] });
    expect(reply.error?.message).toContain('did you mean lock.unlocked?');
  });
});
