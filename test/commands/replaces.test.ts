// A credential that replaces an earlier one: that ends at the instant at which this one begins, or neither happens.

import { expect, it } from 'vitest';
import { card, code, errorOf, eventTypes, ID, setUp, uuid, type Setup } from './set-up.ts';
import { STORE_ROOM } from '../support/room.ts';

const NEXT = uuid(2);
const make = (here: Setup, params: Record<string, unknown>) => here.caller.call('credentials/create', params);

it('ends now where the new one begins now, with its card free for it', async () => {
  const here = await setUp();
  await make(here, card({ acs_credential_id: ID }));
  const reply = await make(here, card({ acs_credential_id: NEXT, replaces: ID }));
  expect(errorOf(reply)).toBe('ok: ');
  expect(here.room.store.credentials.byId(ID)).toBeUndefined();
  expect(eventTypes(here.room).slice(-3)).toEqual([
    'acs_credential.deleted',
    'acs_credential.created',
    'acs_credential.issued',
  ]);
  // The same again is the same credential, and ends nothing else.
  expect(errorOf(await make(here, card({ acs_credential_id: NEXT, replaces: ID })))).toBe('ok: ');
});

it('ends with the start of the new one where that is ahead, and no later than it would have', async () => {
  const here = await setUp();
  await make(here, code({ acs_credential_id: ID }));
  const starts_at = new Date(here.clock.nowMs() + 3_600_000).toISOString();
  expect(errorOf(await make(here, code({ acs_credential_id: NEXT, starts_at, replaces: ID })))).toBe('ok: ');
  expect(here.room.store.credentials.byId(ID)?.ends_at).toBe(Date.parse(starts_at));
  const later = new Date(here.clock.nowMs() + 7_200_000).toISOString();
  const third = code({ acs_credential_id: uuid(3), code: '935861', starts_at: later, replaces: ID });
  expect(errorOf(await make(here, third))).toBe('ok: ');
  expect(here.room.store.credentials.byId(ID)?.ends_at).toBe(Date.parse(starts_at));
});

it('stays as it was where the new one is refused', async () => {
  const here = await setUp();
  await make(here, code({ acs_credential_id: ID }));
  await make(here, code({ acs_credential_id: uuid(3), code: '935861' }));
  const reply = await make(here, code({ acs_credential_id: NEXT, code: '935861', replaces: ID }));
  expect(errorOf(reply)).toMatch(/^duplicate_access_code/);
  expect(here.room.store.credentials.byId(ID)).toBeDefined();
});

it('is erased at its controller before the new one is written there', async () => {
  const here = await setUp();
  await make(here, code({ acs_credential_id: ID, allowed_acs_entrance_ids: [STORE_ROOM] }));
  await make(here, code({ acs_credential_id: NEXT, allowed_acs_entrance_ids: [STORE_ROOM], replaces: ID }));
  const row = here.room.store.credentials.byId(NEXT);
  expect(here.room.store.targets.ofCredential(row?.credential_key ?? 0)).toHaveLength(1);
  expect(here.room.store.credentials.byId(ID)).toBeUndefined();
});

it('must be there, unless it was deleted already', async () => {
  const here = await setUp();
  const reply = await make(here, code({ replaces: uuid(9) }));
  expect(reply.error).toMatchObject({ type: 'acs_credential_not_found', path: ['params', 'replaces'] });
  await make(here, code({ acs_credential_id: ID }));
  await here.caller.call('credentials/delete', { acs_credential_id: ID });
  expect(errorOf(await make(here, code({ replaces: ID })))).toBe('ok: ');
});
