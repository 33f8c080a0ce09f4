// A room with one person in it, and the credentials that most tests of commands begin with.

import { expect } from 'vitest';
import type { Clock } from '../../src/domain/ports.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { buildRoom, Caller, LOBBY, USER, type ParsedReply, type TestRoom } from '../support/room.ts';
import { openStore, temporaryFolder } from '../support/store.ts';

export const ID = '66666666-6666-6666-6666-666666666666';
export const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

export type Setup = { caller: Caller; room: TestRoom; clock: ManualClock; folder: string };

export async function setUp(policy: Parameters<typeof buildRoom>[2] = {}, running?: Clock): Promise<Setup> {
  const manual = new ManualClock();
  const clock = running ?? manual;
  const folder = temporaryFolder();
  const room = buildRoom(openStore(folder, clock), clock, policy);
  const caller = new Caller(room);
  const created = await caller.call('users/create', { acs_user_id: USER, full_name: 'Jane Doe' });
  expect(created.ok).toBe(true);
  return { caller, room, clock: manual, folder };
}

export const code = (more: Record<string, unknown> = {}): Record<string, unknown> => ({
  acs_user_id: USER,
  access_method: 'code',
  code: '824759',
  allowed_acs_entrance_ids: [LOBBY],
  ...more,
});
export const card = (more: Record<string, unknown> = {}): Record<string, unknown> => ({
  acs_user_id: USER,
  access_method: 'card',
  card_number: 'H10301:123:45678',
  allowed_acs_entrance_ids: [LOBBY],
  ...more,
});
/** Of all that came behind the person whom `setUp` creates. */
export const eventTypes = (room: TestRoom): string[] =>
  room.store.events.after(1, 1000).map((event) => event.event_type);
export const errorOf = (reply: ParsedReply): string => `${reply.error?.type ?? 'ok'}: ${reply.error?.message ?? ''}`;
