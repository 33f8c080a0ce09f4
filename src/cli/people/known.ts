// What a facility has already, asked page by page.

import { plainText } from '../../domain/fields.ts';
import type { Channel } from '../channel.ts';
import { entrancesOf } from '../names.ts';
import { asker, eachOf } from '../pages.ts';
import type { Known, KnownUser } from './plan.ts';

export async function knownHere(channel: Pick<Channel, 'command' | 'timeZone'>, timeoutMs: number): Promise<Known> {
  const ask = asker(channel, timeoutMs);
  const users: KnownUser[] = [];
  for await (const user of eachOf(ask, 'users/list', 'acs_users'))
    users.push({
      acs_user_id: plainText(user['acs_user_id']),
      full_name: plainText(user['full_name']),
      email_address: plainText(user['email_address']) || null,
    });
  const credentialIds = new Set<string>();
  for await (const one of eachOf(ask, 'credentials/list', 'acs_credentials'))
    credentialIds.add(plainText(one['acs_credential_id']));
  const groups: { acs_access_group_id: string; name: string }[] = [];
  for await (const group of eachOf(ask, 'access_groups/list', 'acs_access_groups'))
    groups.push({ acs_access_group_id: plainText(group['acs_access_group_id']), name: plainText(group['name']) });
  const entrances = await entrancesOf(channel, timeoutMs);
  const timeZone = (await channel.timeZone()) ?? 'UTC';
  return { timeZone, users, credentialIds, groups, entrances };
}
