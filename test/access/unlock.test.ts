// A door that is opened by command, and what is told of it.

import { expect, it } from 'vitest';
import { ID, lobby, withCard, type World } from './world.ts';
import { LOBBY, USER } from '../support/room.ts';

const ATTEMPT = '77777777-7777-7777-7777-777777777777';

const unlock = (here: World) =>
  here.access.unlock({
    entrance: lobby(),
    acsUserId: USER,
    acsCredentialId: ID,
    reason: 'parcel',
    commandId: 'c-1',
    asker: { source: 'mqtt', sender: 'front desk' },
    actionAttemptId: ATTEMPT,
  });
const told = (here: World): unknown => JSON.parse(here.store.events.after(0, 100).at(-1)?.body ?? '{}');
const ASKED = {
  acs_entrance_id: LOBBY,
  acs_user_id: USER,
  acs_credential_id: ID,
  method: 'remote',
  decided_by: 'command',
  command_id: 'c-1',
  source: 'mqtt',
  sender: 'front desk',
  action_attempt_id: ATTEMPT,
  reason: 'parcel',
};

it.each([true, false])(
  'is told with who asked, why, and whether the controller has confirmed it (%s)',
  async (confirmed) => {
    const here = await withCard();
    here.strike.outcome = { outcome: 'done', confirmed };
    expect(await unlock(here)).toEqual({ confirmed });
    expect(here.pulses).toEqual([{ output: 0, ms: 5000 }]);
    expect(told(here)).toMatchObject({ ...ASKED, event_type: 'lock.unlocked', was_confirmed_by_device: confirmed });
  },
);

it.each([
  ['controller_offline', 'controller_offline'],
  ['timed_out', 'timed_out'],
  ['too_late', 'timed_out'],
  ['device_error', 'device_error'],
] as const)('whose strike fails (%s) is answered and told as %s', async (failure, type) => {
  const here = await withCard();
  here.strike.outcome = { outcome: 'failed', error: failure, message: 'relay-board does not answer' };
  const error = { type, message: 'lobby: relay-board does not answer' };
  expect(await unlock(here)).toEqual({ error });
  expect(told(here)).toMatchObject({ ...ASKED, event_type: 'acs_entrance.unlock_failed', error });
});
