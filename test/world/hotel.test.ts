// A stay in a hotel over a real broker: check-in is one message, the door of the room is decided by a controller of its
// own, and so is the end.

import { expect, it } from 'vitest';
import { allOnline, raiseBuilding } from '../support/building.ts';
import { until } from '../support/ports.ts';
import { STORE_ROOM, type ParsedReply } from '../support/room.ts';

const PATIENCE_MS = 60_000;

it('check-in is one message, whose code opens the room; check-out is one as well', { timeout: 240_000 }, async () => {
  const building = await raiseBuilding();
  const agent = await building.serve();
  await allOnline(agent);
  let count = 0;
  const command = async (name: string, params: Record<string, unknown>): Promise<ParsedReply> => {
    const command_id = `hotel-${++count}`;
    await building.tower.publish(name, { command_id, params });
    const replies = (): ParsedReply[] => building.tower.replies().filter((reply) => reply.command_id === command_id);
    await until(() => replies().length > 0, `a reply to ${name}`, PATIENCE_MS);
    return replies()[0] ?? { command_id, ok: false };
  };
  const hour = (hours: number): string => new Date(Date.now() + hours * 3_600_000).toISOString();
  const { result, error } = await command('access_grants/create', {
    user: { full_name: 'Jane Doe' },
    acs_entrance_ids: [STORE_ROOM],
    starts_at: hour(-1),
    ends_at: hour(48),
    requested_access_methods: [{ mode: 'code' }],
    reservation_key: 'R-4711',
  });
  expect(error).toBeUndefined();
  const grant = result?.['access_grant'] as { access_grant_id: string; acs_user_id: string };
  const [method] = result?.['access_methods'] as { access_method_id: string; code: string }[];
  const pin = method?.code ?? '';
  expect(pin).toMatch(/^[0-9]{4,12}$/);
  await until(() => building.panel.doors.present(1, { pin }).granted, 'the code opens the room', PATIENCE_MS);
  const told = building.tower.heard.filter(({ topic }) => topic.includes('/event/')).map(({ payload }) => payload);
  expect(told.some((text) => text.includes('"access_grant.created"'))).toBe(true);
  expect(told.filter((text) => text.includes(pin))).toEqual([]);
  const { result: list } = await command('users/list_accessible_entrances', { acs_user_id: grant.acs_user_id });
  expect((list?.['acs_entrances'] as { acs_entrance_id: string }[]).map((one) => one.acs_entrance_id)).toEqual([
    STORE_ROOM,
  ]);

  expect((await command('access_grants/delete', { access_grant_id: grant.access_grant_id })).ok).toBe(true);
  await until(() => !building.panel.doors.present(1, { pin }).granted, 'the code opens nothing', PATIENCE_MS);
});
