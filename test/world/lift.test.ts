// A lift end to end: a card at a simulated OSDP reader in the cabin, over a real line, lets the floors be chosen at a
// simulated Modbus board, and what is told of it comes over a real broker.

import { expect, it } from 'vitest';
import { say } from '../cli/lintel.ts';
import { EVERY_DEVICE, online, present, raiseOsdpSite, type OsdpSite } from '../support/osdp-site.ts';
import { until } from '../support/ports.ts';

const JANE = '33333333-3333-3333-3333-000000000001';
const [GROUND, FIRST, ROOF] = [1, 2, 3].map((n) => `55555555-5555-5555-5555-00000000010${n}`) as [
  string,
  string,
  string,
];

/** The reader of the office is in a cabin; the relays of the floors are those that no door has. */
const FLOORS = `  ground: {acs_entrance_id: ${GROUND}, lift: tower, release: {controller: relay-board, output: 4}, selected: {controller: relay-board, input: 4}}
  first: {acs_entrance_id: ${FIRST}, lift: tower, release: {controller: relay-board, output: 5}, selected: {controller: relay-board, input: 5}}
  roof: {acs_entrance_id: ${ROOF}, lift: tower, release: {controller: relay-board, output: 6}, selected: {controller: relay-board, input: 6}}
lifts:
  tower: {readers: [office-reader], factors: card_or_code, floor_time: 30s, one_floor: true}
policy:
`;
const withLift = (facility: string): string => facility.replace(/ {2}office:\n[^]*?policy:\n/, FLOORS);

const relaysOn = ({ relays }: OsdpSite): number[] => [4, 5, 6].filter((output) => relays.output(output));

it('a card in the cabin lets all floors be chosen to which its person may go, until one was', async () => {
  const site = await raiseOsdpSite({}, withLift);
  const serving = await site.serve();
  await online(site, serving, EVERY_DEVICE);
  const done = async (name: string, params: Record<string, unknown>): Promise<void> =>
    expect(await site.command(name, params)).toMatchObject({ ok: true });
  await done('users/create', { acs_user_id: JANE, full_name: 'Jane Doe' });
  await done('credentials/create', { access_method: 'card', card_number: '45678', acs_user_id: JANE, allowed_acs_entrance_ids: [GROUND, ROOF] }); // prettier-ignore
  present(site.reader('office-reader'), 'H10301:123:45678');
  await until(() => relaysOn(site).length === 2, 'two floors to be released');
  expect(relaysOn(site)).toEqual([4, 6]);
  expect(await site.event('lift.presented')).toMatchObject({
    ...{ lift: 'tower', acs_user_id: JANE, granted_acs_entrance_ids: [GROUND, ROOF] },
    denied: [{ detail: 'entrance_not_allowed', acs_entrance_ids: [FIRST] }],
  });
  await site.event('lock.unlocked', 2);
  expect(site.heard('lock.unlocked').map((one) => one['acs_entrance_id'])).toEqual([GROUND, ROOF]);

  const doors = await say('doors', '--socket', site.socket);
  expect(doors.stdout).toMatch(/roof \(tower\) +normal +free/);
  expect(doors.stdout).toMatch(/first \(tower\) +normal +locked/);

  site.relays.setInput(6, true);
  expect(await site.event('acs_entrance.floor_selected')).toMatchObject({ acs_entrance_id: ROOF, acs_user_id: JANE });
  await until(() => !site.relays.output(4), 'the other floor to end');
  expect(relaysOn(site)).toEqual([6]);

  present(site.reader('office-reader'), 'H10301:123:11111');
  expect(await site.event('lift.presented', 2)).toMatchObject({ granted_acs_entrance_ids: [], acs_user_id: null });
  expect(site.heard('lock.access_denied')).toMatchObject([{ reason: { detail: 'unknown_credential' } }]);
  await serving.stop();
  expect(relaysOn(site)).toEqual([]);
});
