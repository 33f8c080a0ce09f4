// The controller's user table as slots. A write is one frame a slot, and what was acknowledged is only believed once it
// was read back: that is the caller's part. A write without an answer is never repeated here.

import { assert, OperatingError } from '../../src/domain/errors.ts';
import type { SlotContent, SlotDevice, SlotOutcome, SlotReading, SlotRefusal } from '../driver.ts';
import { MAX_USERS_PER_READ, REQUESTS } from './codec.ts';
import type { ExchangeResult, Priority } from './line-terms.ts';
import { failure, type Talk } from './talk.ts';
import { encodeUser, NO_USER, slotImage, USER_BYTES, userOf, type User, type UserTraits } from './users.ts';

export type SlotTable = {
  first: number;
  /** Addresses end before this one. */
  end: number;
  group: number | null;
  /** As many users as a reply may carry without keeping the inputs waiting. */
  usersPerRead: number;
  traits(): UserTraits;
  /** Why nothing may be written at all; null: it may. */
  closed(): string | null;
};

const ERROR_TYPES: Readonly<Record<SlotRefusal, OperatingError['type']>> = {
  full: 'no_space_for_access_code_on_device',
  duplicate: 'duplicate_access_code',
  bad_pin: 'code_constraints_violated',
  bad_card: 'not_supported',
  not_supported: 'not_supported',
  device_error: 'controller_offline',
};

export function slotDevice(talk: Talk, table: SlotTable): SlotDevice {
  const checkSlot = (slot: number): void => {
    assert(slot >= table.first && slot < table.end, `slot ${slot} is outside of ${table.first} to ${table.end - 1}`);
  };

  const put = async (slot: number, user: User, priority: Priority): Promise<SlotOutcome> => {
    const closed = table.closed();
    if (closed !== null) return { slot, outcome: 'refused', error: 'device_error', message: closed };
    return slotOutcome(slot, await talk(REQUESTS.setUser(slot, user, table.group), { priority, stores: true }));
  };

  const readRun = async (run: Run): Promise<SlotReading[]> => {
    const result = await talk(REQUESTS.readUsers(run.first, run.count), { priority: 'read', retries: 2 });
    // Firmware that gives one user at a time says no to more.
    if (result.outcome === 'refused' && run.count > 1) {
      const singles: SlotReading[] = [];
      for (let i = 0; i < run.count; i++) singles.push(...(await readRun({ first: run.first + i, count: 1 })));
      return singles;
    }
    if (result.outcome !== 'answered') throw failure(`reading ${run.count} slots from ${run.first}`, result);
    assert(result.reply.kind === 'echo', 'users come as an echo');
    const { data } = result.reply;
    const size = data.length / run.count;
    return Array.from({ length: run.count }, (_, i) => ({
      slot: run.first + i,
      ...slotImage(data.subarray(i * size, (i + 1) * size)),
    }));
  };

  return {
    image(slot, content) {
      checkSlot(slot);
      if (content === null) return encodeUser(NO_USER);
      const encoded = userOf(content, table.traits());
      if ('error' in encoded) throw new OperatingError(ERROR_TYPES[encoded.error], encoded.message);
      return encodeUser(encoded.user);
    },
    async read(slots) {
      slots.forEach(checkSlot);
      const readings: SlotReading[] = [];
      for (const run of runs(slots, table.usersPerRead)) readings.push(...(await readRun(run)));
      return readings;
    },
    async write(writes) {
      const outcomes: SlotOutcome[] = [];
      for (const { slot, content } of writes) outcomes.push(await writeOne(slot, content));
      return outcomes;
    },
    async erase(slots) {
      const outcomes: SlotOutcome[] = [];
      for (const slot of slots) {
        checkSlot(slot);
        outcomes.push(await put(slot, NO_USER, 'erase'));
      }
      return outcomes;
    },
  };

  async function writeOne(slot: number, content: SlotContent): Promise<SlotOutcome> {
    checkSlot(slot);
    const encoded = userOf(content, table.traits());
    if ('error' in encoded) return { slot, outcome: 'refused', ...encoded };
    return await put(slot, encoded.user, 'write');
  }
}

function slotOutcome(slot: number, result: ExchangeResult): SlotOutcome {
  if (result.outcome === 'answered') return { slot, outcome: 'written' };
  if (result.outcome === 'refused') return { slot, outcome: 'refused', error: 'device_error', message: result.message };
  const message = result.outcome === 'not_sent' ? `nothing was sent: ${result.message}` : result.message;
  return { slot, outcome: 'unknown', message };
}

type Run = { first: number; count: number };

/** Neighbours together, in ascending order. */
function runs(slots: readonly number[], longest: number): Run[] {
  const found: Run[] = [];
  for (const slot of [...new Set(slots)].sort((a, b) => a - b)) {
    const last = found.at(-1);
    if (last !== undefined && last.first + last.count === slot && last.count < longest) last.count++;
    else found.push({ first: slot, count: 1 });
  }
  return found;
}

/** Both frames of a read without the users in it. */
const READ_OVERHEAD_BYTES = 16;

/** How many users one read may bring so that it takes no longer than `budgetMs` on the wire. */
export function usersWithin(budgetMs: number, byteMs: number): number {
  const fitting = Math.floor((budgetMs / byteMs - READ_OVERHEAD_BYTES) / USER_BYTES);
  return Math.max(1, Math.min(MAX_USERS_PER_READ, fitting));
}
