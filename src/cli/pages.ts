// What an agent answers, asked as a function, and its lists, which it gives page by page.

import type { CommandName } from '../commands/contract.ts';
import { OperatingError } from '../domain/errors.ts';
import { fieldsIn, isFields, type Fields } from '../domain/fields.ts';
import { memberOf } from '../domain/named.ts';
import type { Channel } from './channel.ts';
import { mintCommandId } from './local-channel.ts';

const PAGE = 500;

/** Resolves with the result; throws an OperatingError where the command is refused. */
export type Ask = (name: CommandName, params: Fields) => Promise<Fields>;

export const asker =
  (channel: Pick<Channel, 'command'>, timeoutMs: number): Ask =>
  async (name, params) => {
    const reply = await channel.command(name, { command_id: mintCommandId(), params: { ...params } }, timeoutMs);
    if (reply.ok) return reply.result;
    throw new OperatingError(reply.error.type, reply.error.message);
  };

/** Every one of the `items` that a command lists, in its order. */
export async function* eachOf(ask: Ask, name: CommandName, items: string, params: Fields = {}): AsyncGenerator<Fields> {
  let cursor: unknown = null;
  do {
    const page = await ask(name, {
      ...params,
      limit: PAGE,
      ...(typeof cursor === 'string' ? { page_cursor: cursor } : {}),
    });
    yield* fieldsIn(memberOf(page, items));
    const { pagination } = page;
    cursor = isFields(pagination) ? pagination['next_page_cursor'] : null;
  } while (typeof cursor === 'string');
}

/** As `eachOf`, together. */
export async function allOf(ask: Ask, name: CommandName, items: string, params: Fields = {}): Promise<Fields[]> {
  const found: Fields[] = [];
  for await (const item of eachOf(ask, name, items, params)) found.push(item);
  return found;
}
