import { expect, it } from 'vitest';
import type { Policy } from '../../src/domain/facility.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { buildRoom, Caller, LOBBY, USER, type ParsedReply } from '../support/room.ts';
import { openStore, temporaryFolder } from '../support/store.ts';

const ID = '66666666-6666-6666-6666-666666666666';

async function people(pinQuality: Policy['pinQuality']): Promise<Caller> {
  const clock = new ManualClock();
  const caller = new Caller(buildRoom(openStore(temporaryFolder(), clock), clock, { pinQuality }));
  await caller.call('users/create', { acs_user_id: USER, full_name: 'Jane' });
  return caller;
}

const create = (caller: Caller, code: string): Promise<ParsedReply> =>
  caller.call('credentials/create', {
    acs_credential_id: ID,
    acs_user_id: USER,
    access_method: 'code',
    code,
    allowed_acs_entrance_ids: [LOBBY],
  });
const update = (caller: Caller, code: string): Promise<ParsedReply> =>
  caller.call('credentials/update', { acs_credential_id: ID, code });
const warned = (reply: ParsedReply): unknown => reply.result?.acs_credential?.['warnings'];

it('a PIN that people try first is taken with a warning that names the rule, at creation, its repeat and a change, and in no other reply', async () => {
  const caller = await people('warn');
  const warning = [{ warning_code: 'trivial_code', constraint_type: 'no_all_same_digits' }];
  expect(warned(await create(caller, '111111'))).toMatchObject(warning);
  expect(warned(await create(caller, '111111'))).toMatchObject(warning);
  expect(warned(await caller.call('credentials/get', { acs_credential_id: ID }))).toEqual([]);
  expect(warned(await update(caller, '824759'))).toEqual([]);
  expect(warned(await update(caller, '123456'))).toMatchObject([
    { constraint_type: 'no_ascending_or_descending_sequence' },
  ]);
  expect(warned(await caller.call('credentials/update', { acs_credential_id: ID, display_name: 'Hers' }))).toEqual([]);
});

it('is refused where the facility wants it so, at creation and at a change, with the rule, the remedy and never the code', async () => {
  const caller = await people('refuse');
  const refused = await create(caller, '1990');
  expect(refused.error).toMatchObject({ type: 'code_constraints_violated', path: ['params', 'code'] });
  expect(refused.error?.message).toMatch(/no_year.*Remedy: choose another, or leave code out/);
  expect(refused.error?.message).not.toContain('1990');
  expect((await create(caller, '8247')).ok).toBe(true);
  expect((await update(caller, '4444')).error?.type).toBe('code_constraints_violated');
  const applied = await caller.call('credentials/apply', {
    operations: [{ op: 'update', params: { acs_credential_id: ID, code: '2580' } }],
  });
  expect(applied.result?.['results']).toMatchObject([{ ok: false, error: { type: 'code_constraints_violated' } }]);
});

it('is taken without a word where the facility does not care', async () => {
  const caller = await people('off');
  expect(warned(await create(caller, '0000'))).toEqual([]);
});
