// Names for ids: an entrance may be given by its name in the facility file, a person by name or e-mail address. Their
// ids are asked for before the command is sent, and nobody is guessed at: of two of a name, both are shown.

import type { CommandName } from '../commands/contract.ts';
import { fold } from '../domain/fold.ts';
import { UUID_FORM } from '../domain/ids.ts';
import { meantWord, printable } from '../domain/words.ts';
import type { Channel } from './channel.ts';
import { mintCommandId } from './local-channel.ts';
import { isFields, type Fields } from './show.ts';
import { UsageError } from './terminal.ts';

export const ENTRANCE = 'acs_entrance_id';
export const ENTRANCES = 'allowed_acs_entrance_ids';
export const USER = 'acs_user_id';
/** Stands for the id of a name while the rest is checked. */
const ANY_ID = '00000000-0000-0000-0000-000000000000';

const isName = (value: unknown): value is string => typeof value === 'string' && !UUID_FORM.test(value.toLowerCase());
/** The id of somebody who is yet to be created is minted, not looked up. */
const isUserNamed = (name: CommandName, params: Fields): boolean => name !== 'users/create' && isName(params[USER]);

/** The same object where there are no names. */
export function withoutNames(name: CommandName, params: Record<string, unknown>): Record<string, unknown> {
  const one = params[ENTRANCE];
  const many = params[ENTRANCES];
  const hasMany = Array.isArray(many) && many.some(isName);
  const hasUser = isUserNamed(name, params);
  if (!isName(one) && !hasMany && !hasUser) return params;
  return {
    ...params,
    ...(isName(one) ? { [ENTRANCE]: ANY_ID } : {}),
    ...(hasMany ? { [ENTRANCES]: many.map((value: unknown) => (isName(value) ? ANY_ID : value)) } : {}),
    ...(hasUser ? { [USER]: ANY_ID } : {}),
  };
}

export async function resolveNames(
  name: CommandName,
  params: Record<string, unknown>,
  channel: Channel,
  timeoutMs: number,
): Promise<Record<string, unknown>> {
  const user = params[USER];
  const many = params[ENTRANCES];
  const listed: readonly unknown[] = Array.isArray(many) ? many : [];
  const known = [params[ENTRANCE], ...listed].some(isName) ? await entrancesOf(channel, timeoutMs) : [];
  const idOf = (value: unknown): unknown => (isName(value) ? entranceNamed(value, known).id : value);
  return {
    ...params,
    ...(ENTRANCE in params ? { [ENTRANCE]: idOf(params[ENTRANCE]) } : {}),
    ...(Array.isArray(many) ? { [ENTRANCES]: many.map(idOf) } : {}),
    ...(isUserNamed(name, params) ? { [USER]: await userNamed(String(user), channel, timeoutMs) } : {}),
  };
}

// ---- people ---------------------------------------------------------------------------------------------------------

const MOST_SHOWN = 5;

async function userNamed(name: string, channel: Channel, timeoutMs: number): Promise<string> {
  const params = { search: name, limit: 100 };
  const reply = await channel.command('users/list', { command_id: mintCommandId(), params }, timeoutMs);
  if (!reply.ok) throw new UsageError(`who is ${printable(name)}? People cannot be listed: ${reply.error.message}`);
  const { acs_users: users } = reply.result;
  const found = Array.isArray(users) ? users.filter(isFields) : [];
  const wanted = fold(name);
  const exact = found.filter(({ full_name: fullName, email_address: email }) =>
    [fullName, email].some((text) => typeof text === 'string' && fold(text) === wanted),
  );
  const [only] = exact;
  const id = only?.[USER];
  if (exact.length === 1 && typeof id === 'string') return id;
  const near = exact.length > 0 ? exact : found;
  if (near.length === 0) throw new UsageError(`nobody here is called ${printable(name)}`);
  const shown = near.slice(0, MOST_SHOWN).map((user) => `  ${text(user[USER])}  ${text(user['full_name'])}`);
  const more = near.length > MOST_SHOWN ? `\n  and ${near.length - MOST_SHOWN} more` : '';
  throw new UsageError(`who is meant by ${printable(name)}? Give the id:\n${shown.join('\n')}${more}`);
}

const text = (value: unknown): string => (typeof value === 'string' ? printable(value) : '');

// ---- entrances ------------------------------------------------------------------------------------------------------

export type NamedEntrance = { id: string; name: string; displayName: string };

export async function entrancesOf(channel: Channel, timeoutMs: number): Promise<NamedEntrance[]> {
  const found: NamedEntrance[] = [];
  let cursor: unknown = null;
  do {
    const params = { limit: 500, ...(typeof cursor === 'string' ? { page_cursor: cursor } : {}) };
    const reply = await channel.command('entrances/list', { command_id: mintCommandId(), params }, timeoutMs);
    if (!reply.ok) throw new UsageError(`the entrances cannot be listed: ${reply.error.message}`);
    const { acs_entrances: entrances, pagination } = reply.result;
    for (const entrance of Array.isArray(entrances) ? entrances.filter(isFields) : []) {
      const { acs_entrance_id: id, name, display_name: displayName } = entrance;
      if (typeof id === 'string' && typeof name === 'string')
        found.push({ id, name, displayName: typeof displayName === 'string' ? displayName : name });
    }
    cursor = isFields(pagination) ? pagination['next_page_cursor'] : null;
  } while (typeof cursor === 'string');
  return found;
}

export function entranceNamed(name: string, known: readonly NamedEntrance[]): NamedEntrance {
  const found = known.find((entrance) => entrance.name === name || entrance.id === name.toLowerCase());
  const shown = known.filter((entrance) => entrance.displayName === name);
  const [only] = shown;
  if (found !== undefined) return found;
  if (only !== undefined && shown.length === 1) return only;
  const names = known.map((entrance) => entrance.name);
  const meant = meantWord(name, names);
  throw new UsageError(`there is no entrance ${name}.${meant === '' ? '' : ` ${meant}`} There are ${names.join(', ')}`);
}
