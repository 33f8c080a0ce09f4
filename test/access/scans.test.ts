// Enrolment at the door: what is shown next at a reader is said, or becomes a credential, and opens nothing meanwhile.

import { describe, expect, it, vi } from 'vitest';
import { SimulatedCard } from '../../drivers/osdp/pkoc/simulated-card.ts';
import { USER, LOBBY, Caller, buildRoom, type ParsedReply } from '../support/room.ts';
import { ENCODER, ID, withCard, world, type Given, type World } from './world.ts';

const OTHER_CARD = 'H10301:123:45679';
const NEW_ID = '66666666-6666-6666-6666-000000000001';

async function desk(given: Given = {}): Promise<World> {
  const here = world({ ...given, takesPhones: true });
  await here.caller.call('users/create', { acs_user_id: USER, full_name: 'Jane' });
  return here;
}

/** Asks for a scan; the reader waits when this returns. */
function ask(
  here: World,
  command: string,
  params: Record<string, unknown> = {},
  commandId = 'scan',
): Promise<ParsedReply> {
  const expiresAt = new Date(here.clock.nowMs() + 30_000).toISOString();
  const envelope = { command_id: commandId, expires_at: expiresAt };
  return here.caller.call(`encoders/${command}`, { acs_encoder_id: ENCODER, ...params }, envelope);
}
const assign = (here: World, params: Record<string, unknown> = {}): Promise<ParsedReply> =>
  ask(here, 'scan_to_assign_credential', { acs_user_id: USER, allowed_acs_entrance_ids: [LOBBY], ...params });
const resultOf = (reply: ParsedReply): Record<string, unknown> => {
  expect(reply.error).toBeUndefined();
  return (reply.result as { action_attempt: { result: Record<string, unknown> } }).action_attempt.result;
};
const newKey = (): Buffer => new SimulatedCard().point;
const phone = (here: World, key: Buffer): void => here.present({ kind: 'mobile_key', key });
const kinds = (here: World): string[] => here.events().filter((type) => !type.startsWith('acs_user'));

describe('a scan', () => {
  it('says of a card that nobody has what its bits are and what they fit, and the door stays shut', async () => {
    const here = await desk();
    const reply = ask(here, 'scan_credential');
    expect(here.shown).toEqual(['prompt_pin']);
    here.card();
    const { acs_credential_on_encoder: read, ...more } = resultOf(await reply);
    expect(read).toMatchObject({
      kind: 'card',
      card_number: '123:45678',
      card_format: 'H10301',
      width_bits: 26,
      bytes: 'BDD93740',
      is_issued: false,
      card_formats: [
        { card_format: 'H10301', card_number: '123:45678', is_read_at_encoder: true },
        { card_format: 'raw', card_number: '26:BDD93740', is_read_at_encoder: false },
      ],
    });
    expect(more).toMatchObject({
      acs_credential_on_seam: null,
      warnings: [{ warning_code: 'acs_credential_on_seam_not_found' }],
    });
    expect(here.pulses).toEqual([]);
    expect(kinds(here)).toEqual(['acs_encoder.scan_started', 'action_attempt.scan_credential.succeeded']);
    expect(JSON.stringify(here.store.events.after(0, 100))).not.toMatch(/45678|BDD93740/);
  });

  it('says whose card it is, and what is typed meanwhile is no code', async () => {
    const here = await withCard();
    const reply = ask(here, 'scan_credential');
    for (let i = 0; i < 10; i++) here.digits('111111');
    here.card();
    expect(resultOf(await reply)['acs_credential_on_seam']).toMatchObject({
      acs_credential_id: ID,
      card_number: '123:45678',
    });
    expect(here.pulses).toEqual([]);
    expect(here.told()).toMatchObject({ acs_credential_id: ID, reader: 'lobby-reader', command_id: 'scan' });
    expect(kinds(here).some((type) => type.startsWith('lock.'))).toBe(false);
  });

  it('leaves what lies there undecided until it was away; other cards are decided at once', async () => {
    const here = await withCard();
    const reply = ask(here, 'scan_credential');
    here.card();
    await reply;
    for (let i = 0; i < 5; i++) {
      await here.clock.advance(1_500);
      here.card();
    }
    expect(here.pulses).toEqual([]);
    await here.clock.advance(2_000);
    here.card();
    expect(here.pulses.length).toBe(1);

    const again = ask(here, 'scan_credential', {}, 'scan-2');
    here.card(OTHER_CARD);
    await again;
    here.card();
    expect(here.pulses.length).toBe(2);
  });

  it('ends with its deadline, and the reader decides again', async () => {
    const here = await withCard();
    const reply = ask(here, 'scan_credential', { timeout_seconds: 5 });
    await here.clock.advance(5_000);
    expect((await reply).error).toMatchObject({ type: 'no_credential_on_encoder' });
    expect(here.told()).toMatchObject({
      event_type: 'action_attempt.scan_credential.failed',
      error: { type: 'no_credential_on_encoder' },
    });
    expect(here.shown.at(-1)).toBe('ready');
    here.card();
    expect(here.pulses.length).toBe(1);
  });

  it('ends when it is cancelled; there is one at a time', async () => {
    const here = await withCard();
    const first = ask(here, 'scan_credential');
    expect((await ask(here, 'scan_credential', {}, 'second')).error?.type).toBe('not_permitted');
    const list = await here.caller.call('encoders/list', {});
    expect(list.result?.['acs_encoders']).toMatchObject([
      { acs_encoder_id: ENCODER, reader: 'lobby-reader', is_online: true, is_scanning: true },
    ]);
    expect((await ask(here, 'cancel_scan', {}, 'cancel')).result).toEqual({ was_scanning: true });
    expect((await first).error?.type).toBe('interrupted');
    expect((await ask(here, 'cancel_scan', {}, 'cancel-2')).result).toEqual({ was_scanning: false });
    here.card();
    expect(here.pulses.length).toBe(1);
  });

  it('ends when Lintel stops', async () => {
    const here = await desk();
    const reply = ask(here, 'scan_credential');
    here.access.rest();
    expect((await reply).error?.type).toBe('interrupted');
  });

  it('is cut off by a restart: answered so, told, and never gone on with', async () => {
    const here = await withCard();
    void ask(here, 'scan_to_assign_credential', { acs_user_id: USER });
    new Caller(buildRoom(here.store, here.clock)).dispatcher.recover();
    expect(here.told()).toMatchObject({
      event_type: 'action_attempt.scan_to_assign_credential.failed',
      command_id: 'scan',
      error: { type: 'interrupted' },
    });
    const kept = here.store.journal.get('scan');
    expect(kept?.state).toBe('done');
  });

  it('at a reader that does not answer says so at once, and at one that is none of ours which there are', async () => {
    const here = await desk();
    here.reader.isOnline = false;
    expect((await ask(here, 'scan_credential')).error?.type).toBe('controller_offline');
    const reply = await ask(here, 'scan_credential', { acs_encoder_id: ID }, 'other');
    expect(reply.error).toMatchObject({
      type: 'acs_encoder_not_found',
      message: expect.stringContaining('lobby-reader') as string,
    });
  });

  it('must say until when it is wanted, and waits two minutes at most', async () => {
    const here = await desk();
    expect((await here.caller.call('encoders/scan_credential', { acs_encoder_id: ENCODER })).error?.message).toMatch(
      /expires_at/,
    );
    expect((await ask(here, 'scan_credential', { timeout_seconds: 121 })).error?.path).toEqual([
      'params',
      'timeout_seconds',
    ]);
  });

  it('takes a phone that proves its key, and waits on for one that does not', async () => {
    const here = await desk();
    const key = newKey();
    const reply = ask(here, 'scan_credential');
    here.present({ kind: 'unproved', failure: 'signature_invalid' });
    expect(here.shown.at(-1)).toBe('denied');
    phone(here, key);
    expect(resultOf(await reply)['acs_credential_on_encoder']).toMatchObject({
      kind: 'mobile_key',
      public_key: key.toString('hex'),
      card_formats: [],
    });
    expect(kinds(here).some((type) => type.startsWith('lock.'))).toBe(false);
  });
});

describe('a scan to assign', () => {
  it('makes the card a credential of its person, which opens from then on', async () => {
    const here = await desk();
    const reply = assign(here, { acs_credential_id: NEW_ID, display_name: 'Jane’s card' });
    here.card();
    expect(resultOf(await reply)).toMatchObject({
      acs_credential_id: NEW_ID,
      acs_user_id: USER,
      access_method: 'card',
      card_number: '123:45678',
      is_issued: true,
      phone_acs_credential_id: null,
    });
    expect(here.pulses).toEqual([]);
    expect(kinds(here)).toEqual([
      'acs_encoder.scan_started',
      'acs_credential.created',
      'acs_credential.issued',
      'action_attempt.scan_to_assign_credential.succeeded',
    ]);
    await here.clock.advance(2_001);
    here.card();
    expect(here.pulses.length).toBe(1);
  });

  it('gives a credential that is there another card: it is reissued, and the card before opens nothing', async () => {
    const here = await withCard();
    const reply = ask(here, 'scan_to_assign_credential', { acs_credential_id: ID });
    here.card(OTHER_CARD);
    expect(resultOf(await reply)).toMatchObject({ acs_credential_id: ID, card_number: '123:45679' });
    expect(kinds(here)).toContain('acs_credential.reissued');
    here.card();
    expect(here.events().at(-1)).toBe('lock.access_denied unknown_credential');
    await here.clock.advance(2_001);
    here.card(OTHER_CARD);
    expect(here.pulses.length).toBe(1);
  });

  it('leaves everything as it was where the card is somebody else’s', async () => {
    const here = await withCard();
    const reply = assign(here, { acs_credential_id: NEW_ID });
    here.card();
    expect((await reply).error).toMatchObject({ type: 'duplicate_card_number' });
    expect(here.store.credentials.byId(NEW_ID)).toBeUndefined();
    expect(kinds(here).slice(-2)).toEqual([
      'acs_encoder.scan_started',
      'action_attempt.scan_to_assign_credential.failed',
    ]);
  });

  it('reads the card as it is told, or as its reader does, and refuses a serial number of one tap', async () => {
    const here = await desk();
    const raw = assign(here, { card_format: 'raw' });
    here.card();
    expect(resultOf(await raw)).toMatchObject({ card_format: 'raw', card_number: '26:BDD93740' });
    const wide = ask(here, 'scan_to_assign_credential', { acs_user_id: USER }, 'wide');
    here.card('H10302:1234567890');
    expect((await wide).error).toMatchObject({
      type: 'not_supported',
      message: expect.stringMatching(/fits none of card_formats of lobby-reader.*H10302/) as string,
    });
    const tap = ask(here, 'scan_to_assign_credential', { acs_user_id: USER }, 'tap');
    here.present({ kind: 'card', reading: { kind: 'uid', bytes: Buffer.from('08A1B2C3', 'hex') } });
    expect((await tap).error?.message).toMatch(/made anew at every tap/);
  });

  it('makes a phone a mobile key with that phone, and gives a mobile key that is there one more', async () => {
    const here = await desk();
    const [first, second] = [newKey(), newKey()];
    const reply = assign(here, { acs_credential_id: NEW_ID });
    phone(here, first);
    const made = resultOf(await reply);
    expect(made).toMatchObject({ acs_credential_id: NEW_ID, access_method: 'mobile_key' });
    expect(made['phone_acs_credential_id']).toMatch(/-/);
    const more = ask(here, 'scan_to_assign_credential', { acs_credential_id: NEW_ID }, 'more');
    phone(here, second);
    await more;
    expect(here.pulses).toEqual([]);
    await here.clock.advance(2_001);
    phone(here, first);
    phone(here, second);
    expect(here.pulses.length).toBe(2);
  });

  it('makes nobody wait for what cannot be done', async () => {
    const here = await withCard();
    const refusals = [
      [{}, 'acs_user_id'],
      [{ acs_credential_id: ID, acs_user_id: USER }, 'acs_user_id'],
      [{ acs_credential_id: ID, ends_at: '2031-01-01T00:00:00Z' }, 'ends_at'],
    ] as const;
    for (const [i, [params, place]] of refusals.entries()) {
      const reply = await ask(here, 'scan_to_assign_credential', params, `c${i}`);
      expect(reply.error).toMatchObject({ type: 'invalid_input', path: ['params', place] });
    }
    const unlike = ask(here, 'scan_to_assign_credential', { acs_credential_id: ID }, 'unlike');
    phone(here, newKey());
    expect((await unlike).error?.message).toMatch(/it is a card/);
  });

  it('keeps its answer sealed, and says that nothing was stored where the disk is full', async () => {
    const here = await desk();
    const reply = assign(here, { acs_credential_id: NEW_ID });
    here.card();
    await reply;
    expect(here.store.journal.get('scan')?.is_sealed).toBe(1);

    const full = ask(here, 'scan_to_assign_credential', { acs_user_id: USER }, 'full');
    const group = vi.spyOn(here.store, 'group').mockImplementation((_change, hooks) => {
      hooks?.rolledBack?.(Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' }));
      return undefined;
    });
    here.card(OTHER_CARD);
    expect((await full).error?.type).toBe('storage_full');
    group.mockRestore();
    await here.clock.advance(2_001);
    here.card(OTHER_CARD);
    expect(here.events().at(-1)).toBe('lock.access_denied unknown_credential');
  });
});
