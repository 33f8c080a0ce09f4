// What a facility has already, asked page by page.

import type { CommandName } from '../../commands/contract.ts';
import { OperatingError } from '../../domain/errors.ts';
import { memberOf } from '../../domain/named.ts';
import type { Channel } from '../channel.ts';
import { mintCommandId } from '../local-channel.ts';
import { entrancesOf } from '../names.ts';
import { isFields, type Fields } from '../show.ts';
import type { Known, KnownUser } from './plan.ts';

const PAGE = 500;

export type Asking = Pick<Channel, 'command' | 'status' | 'timeZone'>;

/** Every item of a list, in its order. */
export async function* eachOf(
  channel: Pick<Channel, 'command'>,
  name: CommandName,
  items: string,
  timeoutMs: number,
): AsyncGenerator<Fields> {
  let cursor: unknown = null;
  do {
    const params = { limit: PAGE, ...(typeof cursor === 'string' ? { page_cursor: cursor } : {}) };
    const reply = await channel.command(name, { command_id: mintCommandId(), params }, timeoutMs);
    if (!reply.ok) throw new OperatingError(reply.error.type, reply.error.message);
    const page = memberOf(reply.result, items);
    for (const item of Array.isArray(page) ? page : []) if (isFields(item)) yield item;
    const { pagination } = reply.result;
    cursor = isFields(pagination) ? pagination['next_page_cursor'] : null;
  } while (typeof cursor === 'string');
}

export async function knownHere(channel: Asking, timeoutMs: number): Promise<Known> {
  const users: KnownUser[] = [];
  for await (const user of eachOf(channel, 'users/list', 'acs_users', timeoutMs))
    users.push({
      acs_user_id: textOf(user['acs_user_id']),
      full_name: textOf(user['full_name']),
      email_address: textOf(user['email_address']) || null,
    });
  const credentialIds = new Set<string>();
  for await (const one of eachOf(channel, 'credentials/list', 'acs_credentials', timeoutMs))
    credentialIds.add(textOf(one['acs_credential_id']));
  const groups: { acs_access_group_id: string; name: string }[] = [];
  for await (const group of eachOf(channel, 'access_groups/list', 'acs_access_groups', timeoutMs))
    groups.push({ acs_access_group_id: textOf(group['acs_access_group_id']), name: textOf(group['name']) });
  const entrances = await entrancesOf(channel, timeoutMs);
  const timeZone = (await channel.timeZone()) ?? 'UTC';
  return { timeZone, users, credentialIds, groups, entrances };
}

export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
