// `lintel phones`, by the commands that it sends.

import { expect, it } from 'vitest';
import { SimulatedCard } from '../../drivers/osdp/pkoc/simulated-card.ts';
import { readReply } from '../../src/cli/channel.ts';
import { phonesOf } from '../../src/cli/phones.ts';
import { showResult } from '../../src/cli/show.ts';
import { processTerminal } from '../../src/cli/terminal.ts';
import { setUp, uuid } from '../commands/set-up.ts';
import { LOBBY, USER } from '../support/room.ts';

it('shows every phone with what holds for it and its mobile key, and how it stands now', async () => {
  const { caller, clock } = await setUp();
  const nowMs = clock.nowMs();
  const at = (hours: number): string => new Date(nowMs + hours * 3_600_000).toISOString();
  const windows = [{}, { ends_at: at(1) }, { starts_at: at(1), ends_at: at(2) }];
  for (const [n, window] of windows.entries()) {
    const id = uuid(n + 1);
    const created = await caller.call('credentials/create', {
      acs_credential_id: id, acs_user_id: USER, access_method: 'mobile_key', is_multi_phone_sync_credential: true, allowed_acs_entrance_ids: [LOBBY], ...window,
    }); // prettier-ignore
    expect(created.error).toBeUndefined();
    const public_key = new SimulatedCard().point.toString('hex');
    await caller.call('credentials/enroll_phone', { acs_credential_id: id, public_key, display_name: `Phone ${n}` });
  }
  await caller.call('credentials/create', { acs_user_id: USER, access_method: 'card', card_number: 'uid:01020304' });
  const channel = {
    command: async (name: string, { command_id, params }: { command_id: string; params: unknown }) => {
      const reply = readReply(await caller.call(name, params, { command_id }));
      if (reply === null) throw new Error('it was answered');
      return reply;
    },
  };
  const phones = await phonesOf(channel, {}, 1_000, nowMs + 3_600_000 - 1);
  expect(phones.map(({ display_name, state, ends_at }) => [display_name, state, ends_at])).toEqual([
    ['Phone 0', 'valid', null],
    ['Phone 1', 'valid', at(1)],
    ['Phone 2', 'not_yet_valid', at(2)],
  ]);
  expect((await phonesOf(channel, {}, 1_000, nowMs + 3_600_000)).map(({ state }) => state)).toEqual([
    'valid',
    'expired',
    'valid',
  ]);
  const text = showResult({ phones }, processTerminal(), null, new Map([[LOBBY, 'lobby']]));
  expect(text).toMatch(/Phone 1.*lobby.*valid/);
});
