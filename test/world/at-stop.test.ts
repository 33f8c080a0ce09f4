// An upgrade in the middle of an evacuation: the agent stops in good order and starts again, and the relays of the doors
// that keep their outputs never move. Over a real line of OSDP readers and a Modbus relay board.

import { expect, it } from 'vitest';
import { EVERY_DEVICE, FRONT, online, raiseOsdpSite, STOCK, VAULT, type OsdpSite } from '../support/osdp-site.ts';
import { until } from '../support/ports.ts';

/** The reader's own output at the front, relays of the board at vault and stock; the stock does not keep. */
const withKept = (facility: string): string =>
  facility
    .replace('output: 0, pulse: 700ms}\n    contact', 'output: 0, pulse: 700ms}\n    at_stop: keep\n    contact')
    .replace(
      '{controller: relay-board, output: 0, pulse: 700ms}',
      '{controller: relay-board, output: 0, pulse: 700ms}\n    at_stop: keep',
    );

async function evacuate(site: OsdpSite, acsEntranceId: string): Promise<void> {
  const command_id = `evacuate-${acsEntranceId}`;
  const expires_at = new Date(Date.now() + 30_000).toISOString();
  await site.tower.publish('entrances/set_mode', {
    command_id,
    expires_at,
    params: { acs_entrance_id: acsEntranceId, mode: 'evacuate' },
  });
  await until(() => site.tower.replies().some((one) => one.command_id === command_id), 'its reply');
  expect(site.tower.replies().find((one) => one.command_id === command_id)).toMatchObject({ ok: true });
}

it('an evacuation outlives an orderly stop and the start behind it without a moment in which a door locks', async () => {
  const site = await raiseOsdpSite({}, withKept);
  const first = await site.serve();
  await online(site, first, EVERY_DEVICE);
  for (const id of [FRONT, VAULT, STOCK]) await evacuate(site, id);
  const front = site.reader('front-reader');
  const isFrontOn = (): boolean => front.terminals.outputStates()[0] === true;
  await until(() => site.relays.output(0) && site.relays.output(1) && isFrontOn(), 'three doors to be free');
  const moved = (): number => site.relays.outputChanges.filter(({ output }) => output === 0).length;
  const before = moved();
  await first.stop();
  expect([site.relays.output(0), site.relays.output(1), isFrontOn()]).toEqual([true, false, true]);

  const second = await site.serve();
  await online(site, second, EVERY_DEVICE);
  await until(() => site.relays.output(1), 'the door that does not keep to be freed again');
  expect([moved(), isFrontOn()]).toEqual([before, true]);

  const command_id = 'clear';
  await site.tower.publish('facility/all_clear', {
    command_id,
    params: {},
    expires_at: new Date(Date.now() + 30_000).toISOString(),
  });
  await until(() => !site.relays.output(0) && !site.relays.output(1) && !isFrontOn(), 'all doors to lock');
}, 120_000);
