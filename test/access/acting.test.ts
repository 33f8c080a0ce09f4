// What follows from a decision, beyond the door that opens.

import { expect, it } from 'vitest';
import { entranceId, keypads, type Keypads } from '../support/keypads.ts';
import { USER } from '../support/room.ts';

const READER = 'front-in';
const CARD = 'H10301:123:1';
const CARD_ID = '66666666-6666-6666-6666-000000000001';
const CODE_ID = '66666666-6666-6666-6666-000000000002';
const PIN = '824759';

async function withBoth(factors: 'card_or_code' | 'card_and_code', more: Record<string, unknown>): Promise<Keypads> {
  const here = await keypads([{ name: 'front', readers: [READER], factors }]);
  const of = { acs_user_id: USER, allowed_acs_entrance_ids: [entranceId('front')], ...more };
  const made = [
    { ...of, acs_credential_id: CARD_ID, access_method: 'card', card_number: CARD },
    { ...of, acs_credential_id: CODE_ID, access_method: 'code', code: PIN },
  ];
  for (const params of made) expect((await here.caller().call('credentials/create', params)).error).toBeUndefined();
  return here;
}

it('a one-time code that was used is invalid, gives back its room among the codes, and leaves every controller', async () => {
  const here = await withBoth('card_or_code', { is_one_time_use: true });
  const { credentials, reach, targets } = here.store();
  const entranceKey = here.site().entrances[0]?.entranceKey ?? 0;
  const { credential_key: key } = credentials.byId(CODE_ID) ?? { credential_key: 0 };
  here.store().now(() => {
    targets.insert('side-panel', key, CODE_ID);
    for (const row of targets.ofCredential(key)) targets.update({ ...row, due_at: null });
  });
  expect(reach.codesAt(entranceKey, PIN.length)).toBe(1);
  expect(here.type(READER, PIN)).toBe('granted');
  expect(credentials.byId(CODE_ID)).toMatchObject({
    used_at: here.clock().nowMs(),
    invalidated_at: here.clock().nowMs(),
  });
  expect(reach.codesAt(entranceKey, PIN.length)).toBe(0);
  expect(targets.ofCredential(key)).toMatchObject([{ controller: 'side-panel', due_at: 0 }]);
  expect(here.woken).toEqual(['side-panel']);
  expect(here.events('acs_credential.invalidated')).toMatchObject([{ acs_credential_id: CODE_ID, reason: 'used' }]);
});

it('a card that waits for its code when Lintel stops is told of no more', async () => {
  const here = await withBoth('card_and_code', {});
  expect(here.card(READER, CARD)).toBe('prompt_pin');
  here.shown.clear();
  here.access().stop();
  await here.clock().advance(60_000);
  expect([...here.shown]).toEqual([]);
  expect(here.details).toEqual([]);
});

it('of several who came equally far a denial names the one that was made first', async () => {
  const here = await keypads([{ name: 'front', readers: [READER] }]);
  const nowMs = here.clock().nowMs();
  const window = (fromMs: number): Record<string, string> => ({
    starts_at: new Date(nowMs + fromMs).toISOString(),
    ends_at: new Date(nowMs + fromMs + 3_600_000).toISOString(),
  });
  for (const [i, acs_credential_id] of [CARD_ID, CODE_ID].entries())
    await here.caller().call('credentials/create', {
      acs_credential_id, acs_user_id: USER, access_method: 'card', card_number: CARD, allowed_acs_entrance_ids: [entranceId('front')], ...window((i + 1) * 7_200_000),
    }); // prettier-ignore
  expect(here.card(READER, CARD)).toBe('denied');
  expect(here.details).toEqual(['not_yet_valid']);
  here.access().stop();
  await here.clock().advance(2_000);
  expect(here.events('lock.access_denied')).toMatchObject([{ acs_credential_id: CARD_ID }]);
});

it('events say by what method and how a card was read: its format and its bits, of a UID as of a Wiegand number', async () => {
  const here = await withBoth('card_or_code', {});
  here.card(READER, 'uid:04A1B2C3');
  here.card(READER, 'uid:04A1B2C3D4E5F6');
  here.card(READER, CARD);
  here.type(READER, '999999');
  here.type(READER, PIN);
  here.access().stop();
  await here.clock().advance(2_000);
  const asCard = { access_method: 'card', method: 'card' };
  expect(here.events('lock.access_denied')).toMatchObject([
    { ...asCard, card_format: 'uid', card_width_bits: 32, acs_credential_id: null, acs_user_id: null },
    { ...asCard, card_format: 'uid', card_width_bits: 56 },
    { access_method: 'code', method: 'keycode', reader: READER, decided_by: 'gateway' },
  ]);
  expect(here.events('lock.unlocked')).toMatchObject([
    { ...asCard, card_format: 'H10301', card_width_bits: 26, acs_credential_id: CARD_ID, acs_user_id: USER },
    { access_method: 'code', method: 'keycode', acs_credential_id: CODE_ID, acs_user_id: USER },
  ]);
  for (const { card_format: format } of here.events('lock.unlocked').slice(1)) expect(format).toBeUndefined();
});

it('a lock of a card names the card, one of a reader names none, and both say until when', async () => {
  const here = await withBoth('card_and_code', {});
  for (let i = 0; i < 5; i++) {
    here.card(READER, CARD);
    here.type(READER, `00000${i}`);
  }
  const until = new Date(here.clock().nowMs() + 60_000).toISOString();
  const told = here.events('acs_entrance.locked_out');
  expect(told).toMatchObject([
    { locked: 'reader', why: 'attempts', until, reader: READER },
    { locked: 'card', why: 'attempts', until, reader: READER, acs_credential_id: CARD_ID },
  ]);
  expect(told[0]?.['acs_credential_id']).toBeUndefined();
});

it('a code explained for another time knows nothing of how the keypad stands now', async () => {
  const here = await withBoth('card_or_code', {});
  for (let i = 0; i < 5; i++) here.type(READER, `00000${i}`);
  const [entrance] = here.site().entrances;
  if (entrance === undefined) throw new Error('there is a door');
  const outcome = (isNow: boolean): string => {
    const how = { time: here.time(), isNow, reader: READER, asker: { source: 'local', sender: null } } as const;
    const { reason, steps } = here.access().explain(entrance, { code: PIN }, how);
    return `${reason ?? 'granted'}, ${steps.filter(({ step }) => step === 'keypad').length} of the keypad`;
  };
  expect([outcome(true), outcome(false)]).toEqual(['locked_out, 1 of the keypad', 'granted, 0 of the keypad']);
});
