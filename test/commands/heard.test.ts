// Which commands are word from above.

import { expect, it } from 'vitest';
import { ManualClock } from '../support/manual-clock.ts';
import { buildRoom, Caller } from '../support/room.ts';
import { openStore, temporaryFolder } from '../support/store.ts';

it('a command over the broker is word from above, also a question; a repeat, one that has expired, and one on the gateway are not', async () => {
  const clock = new ManualClock();
  const room = buildRoom(openStore(temporaryFolder(), clock), clock);
  const heard: (number | null)[] = [];
  room.heard = (issuedAtMs) => void heard.push(issuedAtMs);
  const caller = new Caller(room);
  const issued_at = new Date(clock.nowMs() - 1000).toISOString();
  await caller.call('users/list', {}, { issued_at });
  await caller.call('users/create', { full_name: 'Jane' }, { command_id: 'once' });
  expect(heard).toEqual([clock.nowMs() - 1000, null]);
  await caller.call('users/create', { full_name: 'Jane' }, { command_id: 'once' });
  await caller.call('users/list', {}, { expires_at: issued_at });
  await caller.call('users/list', {}, {}, { source: 'local' });
  await caller.call('users/list', {}, {}, { isRetained: true });
  await caller.call('users/lists', {});
  expect(heard.length).toBe(2);
});
