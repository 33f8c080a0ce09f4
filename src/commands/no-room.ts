// Commands while the disk takes nothing. What gives or changes is answered `storage_full` and is not done. What takes access away uses the room that is kept for it;
// where even that is gone it holds in memory, is not acknowledged, and is tried again until it is stored: before anything else that comes meanwhile.

import type { ApiError } from '../domain/errors.ts';
import type { Store } from '../store/store.ts';
import type { CommandName } from './contract.ts';
import type { Answerer, Incoming } from './incoming.ts';
import type { Parsed } from './intake.ts';

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

type Taken = { acsCredentialId: string } | { acsUserId: string };
export type HeldCommand = { incoming: Incoming; parsed: Parsed; answer: Answerer };

/** As many as a broker lets be under way. */
const MOST_HELD = 256;
const TAKES: Readonly<Partial<Record<CommandName, 'acs_credential_id' | 'acs_user_id'>>> = {
  'users/suspend': 'acs_user_id',
  'users/delete': 'acs_user_id',
  'credentials/delete': 'acs_credential_id',
  'credentials/unassign': 'acs_credential_id',
};

/** Whether the command takes access away. */
export const takesAway = (name: CommandName): boolean => TAKES[name] !== undefined;

export class HeldCommands {
  readonly #store: Store;
  readonly #held = new Map<string, HeldCommand>();

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
    const taken = takenBy(command.parsed);
    if (taken === null || this.#held.size >= MOST_HELD) return false;
    this.#held.set(commandId, command);
    this.#store.withdrawn.add(taken);
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
    const taken = takenBy(held.parsed);
    if (taken !== null) this.#store.withdrawn.remove(taken);
  }
}

function takenBy({ name, envelope }: Parsed): Taken | null {
  const key = TAKES[name];
  const id = key === undefined ? undefined : Object.entries(envelope.params).find(([param]) => param === key)?.[1];
  if (typeof id !== 'string') return null;
  return key === 'acs_user_id' ? { acsUserId: id.toLowerCase() } : { acsCredentialId: id.toLowerCase() };
}
