// A phone at a reader, end to end: enrolled over the broker, proved on a real line, and the door opens; ordinary cards at
// the same reader go on.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { SimulatedCard } from '../../drivers/osdp/pkoc/simulated-card.ts';
import { FRONT, online, present, raiseOsdpSite } from '../support/osdp-site.ts';
import { until } from '../support/ports.ts';

const JANE = '33333333-3333-3333-3333-000000000001';
const KEY = '66666666-6666-6666-6666-000000000001';
const PHONE = '88888888-8888-8888-8888-000000000001';

it('a phone opens what its mobile key opens until it is removed, and cards go on at the same reader', async () => {
  const site = await raiseOsdpSite();
  const file = join(site.folder, 'riverside.yaml');
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace('    address: 1\n', '    address: 1\n    transparent: true\n'),
  );
  const reader = site.reader('front-reader');
  reader.field.isKnown = true;
  const serving = await site.serve();
  await online(site, serving, ['front-reader']);
  const done = async (name: string, params: Record<string, unknown>): Promise<void> =>
    expect(await site.command(name, params)).toMatchObject({ ok: true });
  const phone = new SimulatedCard();
  const own = { acs_user_id: JANE, allowed_acs_entrance_ids: [FRONT] };
  await done('users/create', { acs_user_id: JANE, full_name: 'Jane Doe' });
  await done('credentials/create', {
    acs_credential_id: KEY,
    access_method: 'mobile_key',
    is_multi_phone_sync_credential: true,
    ...own,
  });
  await done('credentials/create', { access_method: 'card', card_number: 'H10301:123:45678', ...own });
  const enrol = { acs_credential_id: KEY, phone_acs_credential_id: PHONE, public_key: phone.point.toString('hex') };
  await done('credentials/enroll_phone', enrol);
  expect(await site.command('entrances/get', { acs_entrance_id: FRONT })).toMatchObject({
    result: { acs_entrance: { can_unlock_with_mobile_key: true } },
  });

  reader.field.lay(phone);
  expect(await site.event('lock.unlocked')).toMatchObject({
    access_method: 'mobile_key',
    acs_credential_id: KEY,
    phone_acs_credential_id: PHONE,
    acs_user_id: JANE,
  });
  reader.field.lay(null);
  await until(() => reader.field.mode === 0, 'it reads by itself');
  present(reader, 'H10301:123:45678');
  expect(await site.event('lock.unlocked', 2)).toMatchObject({ access_method: 'card' });

  await done('credentials/remove_phone', { acs_credential_id: PHONE });
  // It is a new presentation once a turn has passed in which nobody was there.
  const before = reader.count('XWR');
  await until(() => reader.count('XWR') > before + 8, 'two turns to pass');
  reader.field.lay(phone);
  expect(await site.event('lock.access_denied')).toMatchObject({
    access_method: 'mobile_key',
    reason: { detail: 'unknown_credential' },
  });
  expect(serving.agent.device('front-reader')?.status().online).toBe(true);
}, 120_000);
