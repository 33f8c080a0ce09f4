// Names for ids: an entrance may be given by its name in the facility file, a person by name or e-mail address, a group by
// its name. Their ids are asked for before the command is sent, and nobody is guessed at: of two of a name, both are shown.

import type { CommandName } from '../commands/contract.ts';
import { fold } from '../domain/fold.ts';
import { UUID_FORM } from '../domain/ids.ts';
import { meantWord, printable } from '../domain/words.ts';
import type { Channel } from './channel.ts';
import { mintCommandId } from './local-channel.ts';
import { eachOf, type Ask } from './pages.ts';
import { memberOf } from '../domain/named.ts';
import { isFields } from '../domain/fields.ts';
import { UsageError } from './terminal.ts';

export const ENTRANCE = 'acs_entrance_id';
export const ENTRANCE_LISTS: readonly string[] = ['allowed_acs_entrance_ids', 'acs_entrance_ids'];
export const USER = 'acs_user_id';
export const GROUP = 'acs_access_group_id';
/** Stands for the id of a name while the rest is checked. */
const ANY_ID = '00000000-0000-0000-0000-000000000000';
/** The id of what is yet to be created is minted, not looked up. */
const MINTED: Readonly<Partial<Record<CommandName, string>>> = {
  'users/create': USER,
  'access_groups/create': GROUP,
};

const isName = (value: unknown): value is string => typeof value === 'string' && !UUID_FORM.test(value.toLowerCase());

/** What stands for the value of this parameter; undefined: it holds no name. */
type Named = (param: string, value: string) => string;

/** The parameters with each name exchanged; the same object where there are none. */
function exchanged(name: CommandName, params: Record<string, unknown>, named: Named): Record<string, unknown> {
  const changed = Object.entries(params).flatMap(([param, value]): [string, unknown][] => {
    if (MINTED[name] === param) return [];
    if ([ENTRANCE, USER, GROUP].includes(param)) return isName(value) ? [[param, named(param, value)]] : [];
    if (!ENTRANCE_LISTS.includes(param) || !Array.isArray(value) || !value.some(isName)) return [];
    return [[param, value.map((one: unknown) => (isName(one) ? named(ENTRANCE, one) : one))]];
  });
  return changed.length === 0 ? params : { ...params, ...Object.fromEntries(changed) };
}

/** The same object where there are no names. */
export function withoutNames(name: CommandName, params: Record<string, unknown>): Record<string, unknown> {
  return exchanged(name, params, () => ANY_ID);
}

export async function resolveNames(
  name: CommandName,
  params: Record<string, unknown>,
  channel: Channel,
  timeoutMs: number,
): Promise<Record<string, unknown>> {
  const wanted: [param: string, value: string][] = [];
  exchanged(name, params, (param, value) => (wanted.push([param, value]), value));
  const takesEntrance = wanted.some(([param]) => param === ENTRANCE);
  const known = takesEntrance ? await entrancesOf(channel, timeoutMs) : [];
  const ids = new Map<string, string>();
  for (const [param, value] of wanted) {
    const looked = memberOf(LISTED, param);
    const id = looked === undefined ? entranceNamed(value, known).id : await idNamed(looked, value, channel, timeoutMs);
    ids.set(`${param} ${value}`, id);
  }
  return exchanged(name, params, (param, value) => ids.get(`${param} ${value}`) ?? value);
}

// ---- people and groups ----------------------------------------------------------------------------------------------

const MOST_SHOWN = 5;

type Listed = {
  list: CommandName;
  items: string;
  id: string;
  names: readonly string[];
  who: string;
  nobody: string;
  all: string;
};
const LISTED: Readonly<Record<string, Listed>> = {
  [USER]: {
    list: 'users/list',
    items: 'acs_users',
    id: USER,
    names: ['full_name', 'email_address'],
    who: 'who',
    nobody: 'nobody here is called',
    all: 'People',
  },
  [GROUP]: {
    list: 'access_groups/list',
    items: 'acs_access_groups',
    id: GROUP,
    names: ['name'],
    who: 'which group',
    nobody: 'no group here is called',
    all: 'Groups',
  },
};

async function idNamed(of: Listed, name: string, channel: Channel, timeoutMs: number): Promise<string> {
  const params = { search: name, limit: 100 };
  const reply = await channel.command(of.list, { command_id: mintCommandId(), params }, timeoutMs);
  if (!reply.ok)
    throw new UsageError(`${of.who} is ${printable(name)}? ${of.all} cannot be listed: ${reply.error.message}`);
  const items = memberOf(reply.result, of.items);
  const found = Array.isArray(items) ? items.filter(isFields) : [];
  const wanted = fold(name);
  const exact = found.filter((one) =>
    of.names.some((field) => {
      const text = memberOf(one, field);
      return typeof text === 'string' && fold(text) === wanted;
    }),
  );
  const [only] = exact;
  const id = only === undefined ? undefined : memberOf(only, of.id);
  if (exact.length === 1 && typeof id === 'string') return id;
  const near = exact.length > 0 ? exact : found;
  if (near.length === 0) throw new UsageError(`${of.nobody} ${printable(name)}`);
  const shown = near
    .slice(0, MOST_SHOWN)
    .map((one) => `  ${text(memberOf(one, of.id))}  ${text(memberOf(one, of.names[0] ?? ''))}`);
  const more = near.length > MOST_SHOWN ? `\n  and ${near.length - MOST_SHOWN} more` : '';
  throw new UsageError(`${of.who} is meant by ${printable(name)}? Give the id:\n${shown.join('\n')}${more}`);
}

const text = (value: unknown): string => (typeof value === 'string' ? printable(value) : '');

// ---- entrances ------------------------------------------------------------------------------------------------------

export type NamedEntrance = { id: string; name: string; displayName: string };

export async function entrancesOf(channel: Pick<Channel, 'command'>, timeoutMs: number): Promise<NamedEntrance[]> {
  const found: NamedEntrance[] = [];
  const ask: Ask = async (name, params) => {
    const reply = await channel.command(name, { command_id: mintCommandId(), params: { ...params } }, timeoutMs);
    if (!reply.ok) throw new UsageError(`the entrances cannot be listed: ${reply.error.message}`);
    return reply.result;
  };
  for await (const entrance of eachOf(ask, 'entrances/list', 'acs_entrances')) {
    const { acs_entrance_id: id, name, display_name: displayName } = entrance;
    if (typeof id === 'string' && typeof name === 'string')
      found.push({ id, name, displayName: typeof displayName === 'string' ? displayName : name });
  }
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
