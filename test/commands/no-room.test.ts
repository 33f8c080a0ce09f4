// Commands while the disk does not take what it is given.

import { describe, expect, it, vi } from 'vitest';
import { Dispatcher } from '../../src/commands/dispatcher.ts';
import type { Incoming, Reply } from '../../src/commands/incoming.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { buildRoom, USER } from '../support/room.ts';
import { openStore, temporaryFolder } from '../support/store.ts';

function house() {
  const clock = new ManualClock();
  const store = openStore(temporaryFolder(), clock);
  const dispatcher = new Dispatcher(buildRoom(store, clock), { replyTopicFor: (id) => `reply/${id}` });
  let count = 0;
  const send = (
    name: string,
    params: Record<string, unknown>,
    source: Incoming['source'] = 'mqtt',
    commandId = `c${++count}`,
  ) => {
    const replies: Reply[] = [];
    const failures: Error[] = [];
    const [resource = '', verb = ''] = name.split('/');
    const payload = Buffer.from(JSON.stringify({ command_id: commandId, params }));
    const incoming: Incoming = {
      resource,
      verb,
      payload,
      source,
      isRetained: false,
      responseTopic: null,
      isResponseTopicAllowed: true,
      correlation: null,
      expiresAtMs: null,
    };
    const outcome = dispatcher.dispatch(
      incoming,
      (reply) => void replies.push(reply),
      (error) => void failures.push(error),
    );
    store.flush();
    const json = replies[0] === undefined ? null : (JSON.parse(replies[0].json) as { error?: { type: string } });
    return { outcome, failures, ok: json !== null && json.error === undefined, error: json?.error?.type ?? null };
  };
  return { store, dispatcher, send };
}

const user = { acs_user_id: USER, full_name: 'Jane' };

describe('a disk that fails', () => {
  it('holds what is to be stored at the broker, answers questions, and tells the local console', () => {
    const { store, send } = house();
    expect(send('users/create', user).ok).toBe(true);
    const failing = vi.spyOn(store, 'condition', 'get').mockReturnValue('failing');
    expect(send('users/suspend', { acs_user_id: USER })).toMatchObject({ outcome: 'held', error: null, failures: [] });
    expect(send('users/get', { acs_user_id: USER }).ok).toBe(true);
    expect(send('users/suspend', { acs_user_id: USER }, 'local')).toMatchObject({ outcome: null, error: 'internal' });
    failing.mockRestore();
    expect(send('users/suspend', { acs_user_id: USER }).ok).toBe(true);
  });
});

describe('a full disk', () => {
  it('is found out at the commit as well: each command of the batch is answered or holds, by itself', () => {
    const { store, dispatcher, send } = house();
    expect(send('users/create', user).ok).toBe(true);
    const group = store.group.bind(store);
    const full = vi.spyOn(store, 'group').mockImplementation((fn, hooks) => {
      const result = group(fn, {});
      hooks?.rolledBack?.(Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' }));
      return result;
    });
    expect(send('users/update', { acs_user_id: USER, full_name: 'J' })).toMatchObject({
      error: 'storage_full',
      failures: [],
    });
    expect(send('users/suspend', { acs_user_id: USER })).toMatchObject({ outcome: 'held', error: null, failures: [] });
    expect(send('users/suspend', { acs_user_id: USER }, 'local').error).toBe('storage_full');
    const someone = { acs_credential_id: 'a', acs_user_id: USER };
    expect(store.withdrawn.has(someone)).toBe(true);
    expect(send('users/unsuspend', { acs_user_id: USER }).error).toBe('storage_full');
    full.mockRestore();
    expect(dispatcher.carryOutHeld()).toBe(true);
    expect(store.withdrawn.has(someone)).toBe(false);
    expect(store.users.byId(USER)?.is_suspended).toBe(1);
    expect(send('users/unsuspend', { acs_user_id: USER }).ok).toBe(true);
  });

  it('answers what it held back once: delivered again when there is room, it is the same command and no second one', () => {
    const { store, dispatcher, send } = house();
    expect(send('users/create', user).ok).toBe(true);
    const full = vi.spyOn(store, 'group').mockImplementation(() => {
      throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });
    });
    expect(send('users/suspend', { acs_user_id: USER }, 'mqtt', 'again')).toMatchObject({
      outcome: 'held',
      error: null,
    });
    full.mockRestore();
    expect(dispatcher.isHolding).toBe(true);
    // The broker delivers it at a new connection, before anything else has found that there is room.
    expect(send('users/suspend', { acs_user_id: USER }, 'mqtt', 'again')).toMatchObject({
      ok: true,
      error: null,
      failures: [],
    });
    expect(dispatcher.isHolding).toBe(false);
    expect(store.users.byId(USER)?.is_suspended).toBe(1);
  });
});
