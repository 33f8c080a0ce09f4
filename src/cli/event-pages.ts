// The events of an agent, page by page.

import { OperatingError } from '../domain/errors.ts';
import type { Channel } from './channel.ts';
import { mintCommandId } from './local-channel.ts';
import { isFields, type Fields } from '../domain/fields.ts';

const PAGE = 200;

export async function newestSequence(channel: Channel, timeoutMs: number): Promise<number> {
  const { last_sequence: last } = await page(channel, Number.MAX_SAFE_INTEGER, 1, timeoutMs);
  return typeof last === 'number' ? last : 0;
}

/** Those from `from` to `to`, in order, as fast as they are used. */
export async function eachEvent(
  channel: Channel,
  from: number,
  to: number,
  timeoutMs: number,
  use: (event: Fields) => void | Promise<void>,
): Promise<void> {
  let next = Math.max(1, from);
  while (next <= to) {
    const { events, next_sequence: following } = await page(channel, next, PAGE, timeoutMs);
    for (const event of Array.isArray(events) ? events.filter(isFields) : []) {
      if (typeof event['sequence'] === 'number' && event['sequence'] > to) return;
      await use(event);
    }
    if (typeof following !== 'number' || following === next) return;
    next = following;
  }
}

async function page(channel: Channel, fromSequence: number, limit: number, timeoutMs: number): Promise<Fields> {
  const params = { from_sequence: fromSequence, limit };
  const reply = await channel.command('events/list', { command_id: mintCommandId(), params }, timeoutMs);
  if (!reply.ok) throw new OperatingError(reply.error.type, reply.error.message);
  return reply.result;
}
