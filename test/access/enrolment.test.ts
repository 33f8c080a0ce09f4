// Fingers that are enrolled at a reader: read until they are good, compared with themselves, kept sealed, and gone with
// their person.

import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { OperatingError } from '../../src/domain/errors.ts';
import { LOBBY, USER, type ParsedReply } from '../support/room.ts';
import { settled } from '../support/sensor.ts';
import { ENCODER, ID, withCard, type World } from './world.ts';

const FINGER = 'her right index finger';

const desk = (): Promise<World> => withCard({ readsFingers: true });
const inSeconds = (here: World, seconds: number): string =>
  new Date(here.clock.nowMs() + seconds * 1_000).toISOString();
let count = 0;

/** Asks for a finger; the reader waits for it when this resolves. */
async function ask(here: World, params: Record<string, unknown> = {}): Promise<{ reply: Promise<ParsedReply> }> {
  const envelope = { command_id: `enroll-${count++}`, expires_at: inSeconds(here, 30) };
  const whose = params['acs_credential_id'] === undefined ? { acs_user_id: USER } : {};
  const reply = here.caller.call(
    'encoders/enroll_biometric',
    { acs_encoder_id: ENCODER, ...whose, ...params },
    envelope,
  );
  await settled();
  return { reply };
}

async function enroll(here: World, finger = FINGER, params: Record<string, unknown> = {}) {
  const { reply } = await ask(here, params);
  await here.sensor.touch(finger);
  await here.sensor.touch(finger);
  const { error, result } = await reply;
  expect(error).toBeUndefined();
  return (result as { action_attempt: { result: Record<string, unknown> } }).action_attempt.result;
}

const listed = async (here: World, whose: Record<string, unknown> = { acs_user_id: USER }): Promise<unknown[]> =>
  ((await here.caller.call('users/list_biometrics', whose)).result as { biometrics: unknown[] }).biometrics;
const kinds = (here: World): string[] => here.events().filter((type) => /biometric|scan|duress/.test(type));

describe('a finger', () => {
  it('is read, put there once more, and is then that of its person; its template is nowhere', async () => {
    const here = await desk();
    const { reply } = await ask(here, { biometric_type: 'right_index_finger', display_name: 'right hand' });
    expect(here.shown.at(-1)).toBe('prompt_biometric');
    await here.sensor.touch(FINGER, { quality: 77 });
    await here.sensor.touch(FINGER);
    const text = JSON.stringify(await reply);
    expect(here.shown.at(-1)).toBe('granted');
    expect(here.sensor.heard).toEqual(['read right_index_finger', `match ${FINGER}`]);
    expect(await listed(here)).toEqual([
      expect.objectContaining({
        acs_user_id: USER,
        biometric_type: 'right_index_finger',
        format: 'default',
        quality: 77,
        is_duress: false,
        display_name: 'right hand',
      }),
    ]);
    expect(await listed(here, { acs_credential_id: ID })).toHaveLength(1);
    expect(kinds(here)).toEqual([
      'acs_encoder.scan_started',
      'acs_user.biometric_enrolled',
      'action_attempt.enroll_biometric.succeeded',
    ]);
    here.store.flush();
    const folder = dirname(here.store.path);
    const files = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'latin1'));
    const everything = [text, JSON.stringify(here.store.events.after(0, 100)), ...files].join();
    for (const form of [FINGER, Buffer.from(FINGER).toString('base64'), Buffer.from(FINGER).toString('hex')])
      expect(everything).not.toContain(form);
    const [row] = here.store.biometrics.of(here.store.users.byId(USER)?.user_key ?? 0);
    expect(row === undefined ? null : here.store.biometrics.open(row).template.toString()).toBe(FINGER);
    expect(here.pulses).toEqual([]);
  });

  it('that is not good enough is asked for again, and after three times no more', async () => {
    const here = await desk();
    const { reply } = await ask(here);
    await here.sensor.touch(FINGER, { quality: 10 });
    await here.sensor.give('nothing');
    await here.sensor.give('unreadable');
    await here.sensor.touch(FINGER, { quality: 49 });
    expect((await reply).error).toMatchObject({
      type: 'no_credential_on_encoder',
      message: expect.stringContaining('of quality 49, and 50 are wanted'.replace('are', 'is')),
    });
    expect(await listed(here)).toEqual([]);
    expect(kinds(here).at(-1)).toBe('action_attempt.enroll_biometric.failed');
  });

  it('that the reader does not take for itself is not kept', async () => {
    const here = await desk();
    const { reply } = await ask(here);
    await here.sensor.touch(FINGER);
    for (let i = 0; i < 3; i++) await here.sensor.touch('somebody else’s');
    expect((await reply).error?.message).toContain('nothing was enrolled');
    expect(await listed(here)).toEqual([]);
    expect(here.shown.at(-1)).toBe('denied');
  });

  it('opens nothing while it is enrolled, and neither does a card that is shown meanwhile', async () => {
    const here = await desk();
    const { reply } = await ask(here);
    here.card();
    here.present({ kind: 'biometric', factor: 'match' });
    await here.sensor.touch(FINGER);
    await here.sensor.touch(FINGER);
    expect((await reply).error).toBeUndefined();
    // The card that lies there still.
    here.card();
    expect(here.pulses).toEqual([]);
    await here.clock.advance(3_000);
    here.card();
    expect(here.pulses).toHaveLength(1);
  });

  it('is waited for until somebody cancels it, or its reader goes', async () => {
    const here = await desk();
    const cancelled = await ask(here);
    const cancel = { command_id: 'cancel', expires_at: inSeconds(here, 30) };
    await here.caller.call('encoders/cancel_scan', { acs_encoder_id: ENCODER }, cancel);
    expect((await cancelled.reply).error?.type).toBe('interrupted');
    expect(here.sensor.isWaiting).toBe(false);
    const lost = await ask(here);
    await here.sensor.fail(new OperatingError('controller_offline', 'lobby-reader does not answer any more'));
    expect((await lost.reply).error).toMatchObject({ type: 'controller_offline' });
  });

  it.each([
    ['nobody is named', { acs_user_id: undefined }, 'invalid_input'],
    ['the person is not known', { acs_user_id: LOBBY }, 'acs_user_not_found'],
    ['the encoder is not known', { acs_encoder_id: LOBBY }, 'acs_encoder_not_found'],
  ])('is asked of nobody where %s', async (_, params, type) => {
    const here = await desk();
    const { reply } = await ask(here, params);
    expect((await reply).error?.type).toBe(type);
    expect(here.sensor.heard).toEqual([]);
  });

  it('is asked of nobody at a reader that reads none, or cannot now', async () => {
    const without = await withCard();
    expect((await (await ask(without)).reply).error).toMatchObject({
      type: 'not_supported',
      message: expect.stringContaining('biometrics: {}'),
    });
    const here = await desk();
    here.sensor.whyNot = 'it says that it reads no fingers';
    expect((await (await ask(here)).reply).error?.message).toContain('it says that it reads no fingers');
  });

  it('is one of four at most, the ones for a threat among them', async () => {
    const here = await desk();
    for (const n of [1, 2, 3, 4]) await enroll(here, `finger ${n}`, { is_duress: n === 1 });
    const { reply } = await ask(here);
    expect((await reply).error?.message).toContain('4 are enrolled of this person already');
    // Those for a threat are tried last.
    expect((await listed(here)).map((one) => (one as { is_duress: boolean }).is_duress)).toEqual([false, false, false, true]); // prettier-ignore
  });
});

describe('an enrolled finger', () => {
  it('is taken back by its id, once and for good', async () => {
    const here = await desk();
    const { acs_biometric_id: id } = await enroll(here);
    expect((await here.caller.call('users/remove_biometric', { acs_biometric_id: id })).error).toBeUndefined();
    expect(await listed(here)).toEqual([]);
    expect(here.told()).toMatchObject({ event_type: 'acs_user.biometric_removed', acs_biometric_id: id });
    expect((await here.caller.call('users/remove_biometric', { acs_biometric_id: id })).error).toBeUndefined();
    const unknown = await here.caller.call('users/remove_biometric', { acs_biometric_id: LOBBY });
    expect(unknown.error?.type).toBe('acs_biometric_not_found');
  });

  it('stays with its person when a card goes, and goes with the person, to the last byte', async () => {
    const here = await desk();
    await enroll(here);
    const row = here.store.biometrics.of(here.store.users.byId(USER)?.user_key ?? 0)[0];
    expect((await here.caller.call('credentials/delete', { acs_credential_id: ID })).error).toBeUndefined();
    expect(await listed(here)).toHaveLength(1);
    expect((await here.caller.call('users/delete', { acs_user_id: USER })).error).toBeUndefined();
    expect(here.events().filter((type) => type === 'acs_user.biometric_removed')).toHaveLength(1);
    here.store.flush();
    here.store.close();
    expect(row?.template_sealed.length).toBeGreaterThan(20);
    expect(readFileSync(here.store.path).includes(row?.template_sealed ?? '-')).toBe(false);
  });
});
