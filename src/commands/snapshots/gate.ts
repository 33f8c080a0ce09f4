// While a snapshot is committed, commands that change people or access wait, in order, and go on behind it. What takes
// access away is in force at the doors meanwhile. Doors, modes and lockdowns wait for nobody.

import type { Store } from '../../store/store.ts';
import { COMMANDS, type CommandName } from '../contract.ts';
import type { Parsed } from '../intake.ts';
import { takenBy } from '../taken-away.ts';

const RESOURCES = ['users', 'credentials', 'access_groups', 'access_grants', 'access_methods', 'spaces', 'schedules', 'holidays']; // prettier-ignore
const OTHERS: readonly CommandName[] = [
  'entrances/grant_access',
  'entrances/revoke_access',
  'encoders/scan_to_assign_credential',
  'encoders/enroll_biometric',
  'facility/begin_snapshot',
  'facility/put_snapshot_page',
  'facility/commit_snapshot',
];

const waits = (name: CommandName): boolean =>
  COMMANDS[name].kind !== 'reads' && (RESOURCES.includes(name.split('/')[0] ?? '') || OTHERS.includes(name));

export class SnapshotGate {
  readonly #store: Store;
  #shut: Promise<void> | null = null;
  #last: Promise<void> = Promise.resolve();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Shut until what is returned is called. */
  shut(): () => void {
    let open: () => void = () => undefined;
    const shut = new Promise<void>((resolve) => (open = resolve));
    this.#shut = shut;
    this.#last = shut;
    return () => {
      if (this.#shut === shut) this.#shut = null;
      open();
    };
  }

  /** On a disk that takes nothing a snapshot waits as well, and nobody waits for it. */
  mustWait({ name }: Parsed): boolean {
    return this.#shut !== null && this.#store.condition === 'ok' && waits(name);
  }

  /** Behind the snapshot, and behind whoever came before. */
  wait(parsed: Parsed, goOn: () => Promise<void>): Promise<void> {
    const { withdrawn } = this.#store;
    const taken = takenBy(parsed, this.#store) ?? [];
    for (const what of taken) withdrawn.add(what);
    this.#last = this.#last.then(goOn).finally(() => {
      for (const what of taken) withdrawn.remove(what);
    });
    return this.#last;
  }
}
