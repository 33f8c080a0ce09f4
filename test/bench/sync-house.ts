// The house of the measurements of the synchronisation: a store, one entrance, and one controller behind it.

import { EventBudgets } from '../../src/domain/event-budget.ts';
import type { Device } from '../../src/domain/ports.ts';
import { Site } from '../../src/domain/site.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { Sync } from '../../src/sync/sync.ts';
import type { Store } from '../../src/store/store.ts';
import { ENTRANCES, silentLog, STORE_ROOM, SYSTEM, USER } from '../support/room.ts';
import { benchFolder, openBenchStore } from './building.ts';

export type BenchHouse = { store: Store; site: Site; sync: Sync };

/** A store, a site and the synchronisation of one controller, the device; taken down behind `work`. */
export async function inHouse<T>(device: Device, work: (house: BenchHouse) => Promise<T>): Promise<T> {
  const { folder, remove } = benchFolder();
  const store = openBenchStore(folder);
  const slots = device.capabilities.slots;
  if (slots === null) throw new Error('the controller has a table');
  const site = store.now(() => {
    store.users.insert({
      acs_user_id: USER,
      full_name: 'Bench',
      email_address: null,
      phone_number: null,
      user_identity_id: null,
      starts_at: null,
      ends_at: null,
      is_suspended: 0,
      is_extended_access: 0,
      metadata: null,
      created_at: 0,
    });
    const entranceKey = store.entrances.declare(STORE_ROOM, 'store-room');
    return new Site(
      [{ ...ENTRANCES.storeRoom, entranceKey }],
      ['store-panel'],
      [{ name: 'store-panel', slots, foreignSlots: 'report' }],
    );
  });
  const sync = new Sync({
    store,
    site,
    devices: new Map([['store-panel', device]]),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    time: () => ({ trusted: true, nowMs: Date.now(), floorMs: null, isGraceLeft: true }),
    preloadMs: 72 * 3_600_000,
    arrivalMs: 0,
    acsSystemId: SYSTEM,
    eventBudgets: new EventBudgets(systemClock, () => undefined),
    onChange: () => undefined,
  });
  try {
    return await work({ store, site, sync });
  } finally {
    await sync.stop();
    store.close();
    remove();
  }
}
