// Commands while the disk takes nothing. What gives or changes is answered `storage_full` and is not done. What takes
// access away uses the room that is kept for it; where even that is gone it holds in memory, is not acknowledged, and
// is tried again until it is stored: before anything else that comes meanwhile.

import type { ApiError } from '../domain/errors.ts';
import { isStorageError } from '../store/disk-errors.ts';
import type { Store } from '../store/store.ts';
import type { Taken } from '../store/withdrawn.ts';
import type { CommandName } from './contract.ts';
import type { Answerer, Incoming } from './incoming.ts';
import type { Parsed } from './intake.ts';
import { takesAccess } from './streams.ts';
import { takenBy } from './taken-away.ts';

export const STORAGE_FULL: ApiError = {
  type: 'storage_full',
  message: 'the disk is full: nothing was done. Remedy: free space on the gateway, then send it again',
};
export const NOT_DONE_YET: ApiError = {
  type: 'storage_full',
  message:
    'the disk is full: this is in force at the doors that Lintel decides for, and not stored. It is tried again until it is, or Lintel is stopped. Remedy: free space on the gateway',
};
export const DISK_FAILS: ApiError = {
  type: 'internal',
  message: 'the disk fails: nothing was done. Remedy: look at the disk of the gateway and its log (dmesg)',
};

export type HeldCommand = { incoming: Incoming; parsed: Parsed; answer: Answerer };

/** As many as a broker lets be under way. */
const MOST_HELD = 256;

/** Modes in which nobody is let in, or everybody gets out. */
const URGENT_MODES: readonly unknown[] = ['locked', 'lockdown', 'evacuate'];
/** Whether it is done also where nothing of it can be stored. */
export const isDoneUnstored = ({ name, envelope }: Parsed): boolean =>
  name === 'facility/lockdown' || (name === 'entrances/set_mode' && URGENT_MODES.includes(envelope.params['mode']));

/** Whether the command only takes access away: it may use the room that is kept for that. */
export const takesAway = (parsed: Parsed, store: Store): boolean =>
  takesAccess(parsed.name) || isDoneUnstored(parsed) || isShortened(parsed.name, parsed.envelope.params, store);

/**
 * An update that does nothing but bring the end of a credential or a person nearer. Without that room it is refused:
 * memory holds no instants.
 */
function isShortened(name: CommandName, params: Readonly<Record<string, unknown>>, store: Store): boolean {
  if (name === 'credentials/update') {
    const { acs_credential_id: id, ends_at: end, ...more } = params;
    const row = typeof id === 'string' ? store.credentials.byId(id.toLowerCase()) : undefined;
    return row !== undefined && isNearer(end, row.ends_at) && isNothing(more);
  }
  if (name !== 'users/update') return false;
  const { acs_user_id: id, access_schedule: window, ...more } = params;
  const row = typeof id === 'string' ? store.users.byId(id.toLowerCase()) : undefined;
  if (row === undefined || typeof window !== 'object' || window === null || !('ends_at' in window)) return false;
  const start = 'starts_at' in window ? window.starts_at : null;
  const isLater = typeof start === 'string' && Date.parse(start) >= (row.starts_at ?? -Infinity);
  return isLater && isNearer(window.ends_at, row.ends_at) && isNothing(more);
}

const isNearer = (end: unknown, presentMs: number | null): boolean =>
  typeof end === 'string' && Date.parse(end) <= (presentMs ?? Infinity);
const isNothing = (more: Readonly<Record<string, unknown>>): boolean =>
  Object.keys(more).every((key) => key === 'acs_system_id');

export class HeldCommands {
  readonly #store: Store;
  readonly #held = new Map<string, HeldCommand & { taken: readonly Taken[] }>();

  constructor(store: Store) {
    this.#store = store;
  }

  get isEmpty(): boolean {
    return this.#held.size === 0;
  }

  /** From here on it is in force; false when it says nothing that could be, or too many are. */
  hold(command: HeldCommand): boolean {
    const { command_id: commandId } = command.parsed.envelope;
    if (this.#held.has(commandId)) return true;
    const taken = takenBy(command.parsed, this.#store);
    if (taken === null || this.#held.size >= MOST_HELD) return false;
    this.#held.set(commandId, { ...command, taken });
    for (const what of taken) this.#store.withdrawn.add(what);
    return true;
  }

  /** Oldest first. */
  list(): HeldCommand[] {
    return [...this.#held.values()];
  }

  /** It is stored, or answered otherwise: memory need not know it any more. */
  settle(commandId: string): void {
    const held = this.#held.get(commandId);
    if (held === undefined) return;
    this.#held.delete(commandId);
    for (const what of held.taken) this.#store.withdrawn.remove(what);
  }
}

/** Its members are told by their own hooks. */
export function flushWhatGoes(store: Store): void {
  try {
    store.flush();
  } catch (error) {
    if (!isStorageError(error)) throw error;
  }
}
