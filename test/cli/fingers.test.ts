// A finger from its enrolment to the door: over the control socket, a real line and a reader under Secure Channel, with
// the agent as it runs.

import { expect, it } from 'vitest';
import { online, present, raiseOsdpSite, VAULT } from '../support/osdp-site.ts';
import { until } from '../support/ports.ts';
import { USER } from '../support/room.ts';
import { say } from './lintel.ts';

const ENCODER = '77777777-7777-7777-7777-777777777777';
const CARD = 'H10301:123:45678';
const HERS = { template: Buffer.from('her right index finger, as the reader of the vault sees it') };
const HIS = { template: Buffer.from('his left thumb') };

const withFingers = (facility: string): string =>
  facility
    .replace('vault-reader: {bus: north, address: 2,', 'vault-reader: {bus: north, address: 2, biometrics: {},')
    .replace('factors: card_and_code', `factors: card_and_biometric\n    encoder: {acs_encoder_id: ${ENCODER}, reader: vault-reader}`); // prettier-ignore

it('a finger that is enrolled at its reader opens with its card, and is told nowhere', async () => {
  const site = await raiseOsdpSite({}, withFingers);
  const { sensor } = site.reader('vault-reader');
  sensor.finger = null;
  await online(site, await site.serve(), ['vault-reader', 'relay-board']);
  const put = async (finger: typeof HERS): Promise<void> => {
    await until(() => sensor.isWaiting, 'a finger to be asked for');
    sensor.touch(finger);
  };
  await site.command('users/create', { acs_user_id: USER, full_name: 'Jane' });
  const card = { acs_user_id: USER, access_method: 'card', card_number: CARD, allowed_acs_entrance_ids: [VAULT] };
  await site.command('credentials/create', card);

  const enrolled = say('encoders', 'enroll_biometric', '--acs-encoder-id', ENCODER, '--acs-user-id', USER, '--json', '--socket', site.socket); // prettier-ignore
  await put(HERS);
  await put(HERS);
  expect(await enrolled).toMatchObject({ code: 0 });
  await site.event('acs_user.biometric_enrolled');

  present(site.reader('vault-reader'), CARD);
  await put(HIS);
  expect(await site.event('lock.access_denied')).toMatchObject({ reason: { detail: 'biometric_mismatch' } });
  expect(site.heard('lock.unlocked')).toEqual([]);

  present(site.reader('vault-reader'), CARD);
  await put(HERS);
  expect(await site.event('lock.unlocked')).toMatchObject({
    acs_entrance_id: VAULT,
    acs_user_id: USER,
    acs_biometric_id: expect.any(String),
  });

  expect((await site.command('users/delete', { acs_user_id: USER })).ok).toBe(true);
  await site.event('acs_user.biometric_removed');
  const told = site.everythingTold().toString('latin1');
  for (const form of [HERS.template.toString(), HERS.template.toString('base64'), HERS.template.toString('hex')])
    expect(told).not.toContain(form);
});
