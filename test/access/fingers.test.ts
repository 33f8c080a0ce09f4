// A card, and then a finger of the same person: compared by the reader, decided here, and judged again when it is there.

import { describe, expect, it } from 'vitest';
import { OperatingError } from '../../src/domain/errors.ts';
import { strictestOf, widestOf, type FactorsByTime } from '../../src/domain/factors.ts';
import { parseWeek } from '../../src/domain/schedule.ts';
import { LOBBY, USER } from '../support/room.ts';
import { settled } from '../support/sensor.ts';
import { asked, CARD, code, contact, ENCODER, ID, last, withCard, type Given, type World } from './world.ts';

const HERS = 'her right index finger';
const HIS = 'his left thumb';
const BOB = '33333333-3333-3333-3333-000000000002';
const BOBS_ID = '66666666-6666-6666-6666-000000000002';
const BOBS_CARD = 'H10301:123:45679';

async function enroll(here: World, finger: string, params: Record<string, unknown> = {}): Promise<string> {
  const envelope = {
    command_id: `enroll-${finger.replaceAll(' ', '-')}`,
    expires_at: new Date(here.clock.nowMs() + 30_000).toISOString(),
  };
  const whose = { acs_encoder_id: ENCODER, acs_user_id: USER, ...params };
  const reply = here.caller.call('encoders/enroll_biometric', whose, envelope);
  await settled();
  await here.sensor.touch(finger);
  await here.sensor.touch(finger);
  const { error, result } = await reply;
  expect(error).toBeUndefined();
  return (result as { action_attempt: { result: { acs_biometric_id: string } } }).action_attempt.result
    .acs_biometric_id;
}

/** Jane has a card and a finger; nobody is asked for anything yet. */
async function door(given: Given = {}): Promise<World & { finger: string }> {
  const here = await withCard({ factors: 'card_and_biometric', readsFingers: true, ...given });
  const finger = await enroll(here, HERS);
  here.sensor.heard.length = 0;
  here.shown.length = 0;
  return Object.assign(here, { finger });
}

/** Bob has a card, and a finger of his own. */
async function withBob(here: World): Promise<void> {
  await here.caller.call('users/create', { acs_user_id: BOB, full_name: 'Bob' });
  const card = { acs_credential_id: BOBS_ID, acs_user_id: BOB, access_method: 'card', card_number: BOBS_CARD };
  await here.caller.call('credentials/create', { ...card, allowed_acs_entrance_ids: [LOBBY] });
  await enroll(here, HIS, { acs_user_id: BOB });
  here.sensor.heard.length = 0;
}

const show = async (here: World, card = CARD): Promise<void> => {
  here.card(card);
  await settled();
};
const denials = (here: World): string[] => here.events().filter((told) => told.startsWith('lock.'));

describe('a card where a finger is asked for as well', () => {
  it('opens by a finger of its person, and by nothing else', async () => {
    const here = await door();
    await show(here);
    expect(here.shown).toEqual(['prompt_biometric']);
    expect(here.pulses).toEqual([]);
    await here.sensor.touch(HERS);
    expect(here.pulses).toHaveLength(1);
    expect(here.told()).toMatchObject({ event_type: 'lock.unlocked', acs_credential_id: ID, acs_biometric_id: here.finger }); // prettier-ignore
    expect(here.shown.at(-1)).toBe('granted');
    // Nothing of it is left for whoever comes next.
    await show(here);
    await here.sensor.touch(HIS);
    expect(here.pulses).toHaveLength(1);
    expect(last(here)).toBe('lock.access_denied biometric_mismatch');
    expect(here.shown.at(-1)).toBe('denied');
  });

  it.each([
    [128, 'lock.unlocked'],
    [127, 'lock.access_denied biometric_mismatch'],
  ])('by a score of %i is told %s where the threshold is 128', async (score, told) => {
    const here = await door();
    await show(here);
    await here.sensor.touch(HERS, { score });
    expect(last(here)).toBe(told);
  });

  it('is asked for no finger where it would not be let in anyway', async () => {
    const here = await door();
    for (const [change, detail] of [
      [() => show(here, BOBS_CARD), 'unknown_credential'],
      [() => here.caller.call('users/suspend', { acs_user_id: USER }), 'user_suspended'],
    ] as const) {
      await change();
      if (detail === 'user_suspended') await show(here);
      expect(last(here)).toBe(`lock.access_denied ${detail}`);
    }
    expect(here.sensor.heard).toEqual([]);
  });

  it('is tried with each finger of its person in turn, and with no more', async () => {
    const here = await door();
    await enroll(here, 'her left index finger');
    here.sensor.heard.length = 0;
    await show(here);
    await here.sensor.touch('her left index finger');
    await here.sensor.touch('her left index finger');
    expect(last(here)).toBe('lock.unlocked');
    await show(here);
    for (let i = 0; i < 2; i++) await here.sensor.touch(HIS);
    expect(last(here)).toBe('lock.access_denied biometric_mismatch');
    expect(here.sensor.isWaiting).toBe(false);
  });

  it('whose finger never comes is denied, and asked for nothing more', async () => {
    const here = await door();
    await show(here);
    await here.sensor.give('nothing');
    expect(last(here)).toBe('lock.access_denied biometric_required');
    expect(here.shown.at(-1)).toBe('denied');
    expect(here.sensor.isWaiting).toBe(false);
  });

  it('of somebody of whom no finger is enrolled is denied by that name', async () => {
    const here = await withCard({ factors: 'card_and_biometric', readsFingers: true });
    await show(here);
    expect(last(here)).toBe('lock.access_denied biometric_not_enrolled');
  });

  it('takes no code, and none takes its place', async () => {
    const here = await door();
    await code(here, '4711');
    here.digits('4711');
    expect(last(here)).toBe('lock.access_denied factor_not_accepted');
    const { result } = await here.caller.call('entrances/get', { acs_entrance_id: LOBBY });
    expect(result?.['acs_entrance']).toMatchObject({
      factors: 'card_and_biometric',
      can_unlock_with_card: true,
      can_unlock_with_code: false,
    });
  });

  it('is explained as the door decides', async () => {
    const here = await door();
    const explain = () => here.access.explain(here.entrance, { acsCredentialId: ID }, { ...asked(here.room.time()), isNow: true }); // prettier-ignore
    expect(explain()).toMatchObject({ outcome: 'denied', reason: 'biometric_required' });
    here.sensor.whyNot = 'its sensor is gone';
    expect(explain()).toMatchObject({ reason: 'biometric_unavailable' });
    await show(here);
    expect(last(here)).toBe('lock.access_denied biometric_unavailable');
    here.sensor.whyNot = null;
    await here.caller.call('users/remove_biometric', { acs_biometric_id: here.finger });
    expect(explain()).toMatchObject({ reason: 'biometric_not_enrolled' });
  });
});

describe('while a finger is asked for', () => {
  it.each([
    ['the person is suspended', 'users/suspend', () => ({ acs_user_id: USER }), 'user_suspended'],
    ['the card is deleted', 'credentials/delete', () => ({ acs_credential_id: ID }), 'unknown_credential'],
    ['the finger is taken back', 'users/remove_biometric', (id: string) => ({ acs_biometric_id: id }), 'biometric_not_enrolled'], // prettier-ignore
  ])('%s, and the finger opens nothing', async (_, command, params, detail) => {
    const here = await door();
    await show(here);
    expect((await here.caller.call(command, params(here.finger))).error).toBeUndefined();
    await here.sensor.touch(HERS);
    expect(here.pulses).toEqual([]);
    expect(last(here)).toBe(`lock.access_denied ${detail}`);
  });

  it('another card takes its place, and the finger of the former opens nothing for it', async () => {
    const here = await door();
    await withBob(here);
    await show(here);
    await show(here, BOBS_CARD);
    expect(here.sensor.heard).toEqual([`match ${HERS}`, `match ${HIS}`]);
    await here.sensor.touch(HERS);
    expect(denials(here)).toEqual(['lock.access_denied biometric_mismatch']);
    expect(here.told()).toMatchObject({ acs_credential_id: BOBS_ID });
    expect(here.pulses).toEqual([]);
  });

  it('the same card, read again and again, asks once', async () => {
    const here = await door();
    for (let i = 0; i < 5; i++) await show(here);
    expect(here.sensor.heard).toEqual([`match ${HERS}`]);
    await here.sensor.touch(HERS);
    expect(here.pulses).toHaveLength(1);
  });

  it('the reader goes away: nobody is let in, and nobody by the card alone', async () => {
    const here = await door();
    await show(here);
    await here.sensor.fail(new OperatingError('controller_offline', 'lobby-reader does not answer any more'));
    expect(last(here)).toBe('lock.access_denied biometric_unavailable');
    expect(here.pulses).toEqual([]);
  });

  it('Lintel stops, and nothing opens any more', async () => {
    const here = await door();
    await show(here);
    here.access.rest();
    await settled();
    expect(here.sensor.isWaiting).toBe(false);
    expect(here.pulses).toEqual([]);
    expect(denials(here)).toEqual([]);
  });

  it('a match that nobody has asked for opens nothing', async () => {
    const here = await door();
    for (const factor of ['match', 'template']) here.present({ kind: 'biometric', factor });
    expect(last(here)).toBe('lock.access_denied factor_not_accepted');
    await show(here);
    here.present({ kind: 'biometric', factor: 'match' });
    await settled();
    expect(here.pulses).toEqual([]);
  });
});

describe('wrong fingers', () => {
  it('lock the card that they are tried with, over a restart, and no other', async () => {
    const here = await door();
    await withBob(here);
    for (let i = 0; i < 5; i++) {
      await show(here);
      await here.sensor.touch(HIS);
    }
    expect(here.events()).toContain('acs_entrance.locked_out');
    expect(here.shown.at(-1)).toBe('locked_out');
    here.restart();
    await show(here);
    expect(last(here)).toBe('lock.access_denied locked_out');
    await show(here, BOBS_CARD);
    await here.sensor.touch(HIS);
    expect(last(here)).toBe('lock.unlocked');
  });

  it('cost the card alone: no budget of its reader, its entrance or the building', async () => {
    const here = await door();
    for (let i = 0; i < 5; i++) {
      await show(here);
      await here.sensor.touch(HIS);
    }
    expect(here.room.store.guesses.all().map(({ name }) => name)).toEqual([`card ${ID}`]);
  });

  it('of a threat opens as any other, says nothing at the door, and is told', async () => {
    const here = await door();
    await enroll(here, 'her little finger', { is_duress: true });
    await show(here);
    await here.sensor.touch('her little finger');
    await here.sensor.touch('her little finger');
    expect(here.pulses).toHaveLength(1);
    expect(here.events().slice(-2)).toEqual(['lock.unlocked', 'acs_entrance.duress']);
    expect(here.told()).toMatchObject({ acs_credential_id: ID, opened: true });
    expect(here.shown.at(-1)).toBe('granted');
  });
});

describe('a finger in the database', () => {
  it('that was moved to another person behind the back of Lintel opens nothing', async () => {
    const here = await door();
    await withBob(here);
    here.tamper(`UPDATE biometrics SET user_key = (SELECT user_key FROM users WHERE acs_user_id = '${USER}')`);
    await show(here);
    await here.sensor.touch(HERS);
    await show(here, BOBS_CARD);
    expect(last(here)).toBe('lock.access_denied biometric_not_enrolled');
    await show(here);
    expect(here.sensor.heard.at(-1)).toBe(`match ${HERS}`);
    expect(here.room.store.seals.tampered().rows).toContainEqual(expect.objectContaining({ table: 'biometrics' }));
  });
});

it('is one entry for a card that is good for one, and none where the finger is another', async () => {
  const here = await withCard({ factors: 'card_and_biometric', readsFingers: true }, { is_one_time_use: true });
  await enroll(here, HERS);
  await show(here);
  await here.sensor.touch(HIS);
  await show(here);
  await here.sensor.touch(HERS);
  contact(here, true);
  expect(here.pulses).toHaveLength(1);
  await show(here);
  expect(last(here)).toBe('lock.access_denied already_used');
});

it('is asked for by the clock, and whoever was asked is let in by it though the clock has changed', async () => {
  const week = parseWeek('mon-sun 10:10-24:00');
  if (typeof week === 'string') throw new Error(week);
  const factorsByTime: FactorsByTime = {
    schedules: [{ factors: 'card', schedule: { week, holidays: [] } }],
    otherwise: 'card_and_biometric',
  };
  const here = await door({ entrance: { factorsByTime, factors: widestOf(factorsByTime) } });
  await here.clock.advance(10 * 60_000 - 2_000);
  await show(here);
  expect(here.sensor.isWaiting).toBe(true);
  await here.clock.advance(4_000);
  await here.sensor.touch(HIS);
  expect(last(here)).toBe('lock.access_denied biometric_mismatch');
  await show(here);
  expect(last(here)).toBe('lock.unlocked');
  expect(strictestOf({ ...factorsByTime, otherwise: 'card_and_code' })).toBe('card_and_code');
  expect(strictestOf(factorsByTime)).toBe('card_and_biometric');
});
