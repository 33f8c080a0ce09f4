// A code that is typed under threat: it opens as any other, nothing at the door tells it apart, and an event goes out.

import { expect, it } from 'vitest';
import { code, last, withCard, world, type Given, type World } from './world.ts';
import { setUp, errorOf } from '../commands/set-up.ts';
import { behindItsBack, openStore } from '../support/store.ts';
import { dirname } from 'node:path';
import { LOBBY, STORE_ROOM, USER, type ParsedReply } from '../support/room.ts';

const OWN = '77777777-7777-7777-7777-000000000001';
const DURESS = '77777777-7777-7777-7777-000000000002';

async function withBoth(given: Given = {}, more: Record<string, unknown> = {}): Promise<World> {
  const here = given.factors === 'card_and_code' ? await withCard(given) : world(given);
  if (given.factors !== 'card_and_code')
    await here.caller.call('users/create', { acs_user_id: USER, full_name: 'Jane' });
  await code(here, '824759', { acs_credential_id: OWN });
  const reply = (await code(here, '935861', { acs_credential_id: DURESS, is_duress: true, ...more })) as ParsedReply;
  expect(reply.error).toBeUndefined();
  return here;
}
const alarms = (here: World): Record<string, unknown>[] =>
  here.store.events
    .after(0, 1000)
    .filter(({ event_type: type }) => type === 'acs_entrance.duress')
    .map(({ body }) => JSON.parse(body) as Record<string, unknown>);

it('it opens, the reader shows what it shows for any code, and the alarm says where and who', async () => {
  const here = await withBoth();
  here.digits('824759');
  const usual = [here.shown.splice(0), here.looks.splice(0), here.pulses.splice(0)];
  expect(alarms(here)).toEqual([]);
  here.digits('935861');
  expect([here.shown, here.looks, here.pulses]).toEqual(usual);
  expect(here.events().slice(-2)).toEqual(['lock.unlocked', 'acs_entrance.duress']);
  expect(alarms(here)).toMatchObject([
    { acs_entrance_id: LOBBY, acs_credential_id: DURESS, acs_user_id: USER, reader: 'lobby-reader', opened: true },
  ]);
  expect(JSON.stringify(alarms(here))).not.toContain('935861');
});

it('it follows the card of its person where both are asked for', async () => {
  const here = await withBoth({ factors: 'card_and_code' });
  here.card();
  here.digits('935861');
  expect(here.events().slice(-2)).toEqual(['lock.unlocked', 'acs_entrance.duress']);
  expect(here.pulses).toHaveLength(1);
});

it('it is told also where nobody is let in', async () => {
  const here = await withBoth({}, { ends_at: '2026-03-02T10:00:00Z' });
  await here.clock.advance(2 * 3_600_000);
  here.digits('935861');
  expect(here.shown.at(-1)).toBe('denied');
  await here.clock.advance(1_000);
  expect(alarms(here)).toMatchObject([{ acs_credential_id: DURESS, opened: false }]);
  await here.caller.call('users/suspend', { acs_user_id: USER });
  here.digits('935861');
  expect(last(here)).toMatch(/duress|user_suspended/);
  expect(alarms(here)).toHaveLength(2);
});

it('one that is used up opens no more, and a locked keypad looks at no code at all', async () => {
  const here = await withBoth({}, { max_uses: 1 });
  here.digits('935861');
  here.digits('935861');
  expect(here.pulses).toHaveLength(1);
  expect(alarms(here).map(({ opened }) => opened)).toEqual([true, false]);
  for (let i = 0; i < 5; i++) here.digits(`60413${i}`);
  here.digits('935861');
  expect(here.shown.at(-1)).toBe('locked_out');
  expect(alarms(here)).toHaveLength(2);
});

it('it is no slip of the finger away from another code of the same person, whichever comes first', async () => {
  const here = await withBoth();
  const make = async (pin: string, more: Record<string, unknown> = {}): Promise<string> =>
    errorOf((await code(here, pin, more)) as ParsedReply);
  expect(await make('824750', { is_duress: true })).toMatch(
    /^code_constraints_violated.*one mistyped digit.*usual code/,
  );
  expect(await make('935816')).toMatch(/^code_constraints_violated.*one mistyped digit.*duress code/);
  expect(await make('935861')).toMatch(/^duplicate_access_code/);
  const changed = await here.caller.call('credentials/update', { acs_credential_id: DURESS, code: '824758' });
  expect(errorOf(changed)).toMatch(/^code_constraints_violated/);
  expect(await make('824758')).toBe('ok: ');
});

it('only a code can be one, and it is shown to whoever asks, in the digest too', async () => {
  const here = await withBoth();
  const { error } = await here.caller.call('credentials/create', { acs_user_id: USER, access_method: 'card', card_number: 'H10301:1:1', is_duress: true }); // prettier-ignore
  expect(error).toMatchObject({ type: 'invalid_input', path: ['params', 'is_duress'] });
  const { result } = await here.caller.call('credentials/get', { acs_credential_id: DURESS });
  expect(result?.['acs_credential']).toMatchObject({ is_duress: true, code: null, has_code: true });
  const again = (await code(here, '935861', { acs_credential_id: DURESS })) as ParsedReply;
  expect(again.error?.type).toBe('acs_credential_exists');
});

it('a door that its controller decides is refused', async () => {
  const { caller } = await setUp();
  const asked = { acs_user_id: USER, access_method: 'code', code: '824759', is_duress: true };
  const reply = await caller.call('credentials/create', { ...asked, allowed_acs_entrance_ids: [STORE_ROOM] });
  expect(errorOf(reply)).toMatch(/^not_supported.*is_duress/);
});

it('whoever takes the mark from its row makes a row that opens nothing', async () => {
  const here = await withBoth();
  const { entranceKey } = here.entrance;
  here.store.close();
  const folder = dirname(here.store.path);
  behindItsBack(folder, 'UPDATE credentials SET is_duress = 1 - is_duress');
  const store = openStore(folder, here.clock);
  for (const pin of ['824759', '935861']) {
    const [found] = store.reach.byCode(store.secrets.codeHash(pin), entranceKey);
    const [path] = found?.paths ?? [];
    expect(found !== undefined && path !== undefined && store.seals.holds(found.credential, path)).toBe(false);
  }
});
