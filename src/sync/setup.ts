// The facility file may have changed since the last run: doors renumbered, an entrance moved to another controller,
// another profile. Then every row of the controller is judged anew, and credentials of its entrances get the rows they
// lack, before anything else.

import { createHash } from 'node:crypto';
import type { Log } from '../domain/ports.ts';
import type { Site, SlotController } from '../domain/site.ts';
import { claimZones, retarget } from '../store/retarget.ts';
import { inSlices, nextTurn, type Post, type Slicer } from './post.ts';

const ROWS_PER_LOOK = 256;

/** What the rows of a controller depend on, as one value. */
export function setupDigest(site: Site, controller: SlotController): string {
  const doors = site.entrances
    .filter(({ decidedBy, controller: decider }) => decidedBy === 'controller' && decider === controller.name)
    .map(({ entranceKey, door, factors }) => [entranceKey, door, factors])
    .sort((a, b) => Number(a[0]) - Number(b[0]));
  return createHash('sha256')
    .update(JSON.stringify([doors, controller.slots]))
    .digest('hex');
}

/** Brings the rows of the controller to the present facility file, in slices; an interrupted one starts over. */
export async function followSetup(post: Post, site: Site): Promise<void> {
  const { store, controller, log } = post;
  const setup = setupDigest(site, controller);
  if (store.controllers.get(controller.name).setup === setup) return;
  log.info('its doors or its table are new or changed: every credential concerned is judged anew', {
    controller: controller.name,
  });
  await followZones(post, site);
  for (const { entranceKey, controller: decider } of site.entrances) {
    if (decider === controller.name) await retargetEntrance(post, site, entranceKey);
  }
  let touched = 0;
  for (let after = 0; ; after = touched) {
    await inSlices(post, [after], (from) => {
      touched = store.targets.touchController(controller.name, from, ROWS_PER_LOOK) ?? from;
    });
    if (touched === after) break;
  }
  await inSlices(post, [null], () => store.controllers.change(controller.name, { setup }));
}

/**
 * The numbers that Lintel may write may be others than before: schedules that are followed here get new ones, and slots
 * are judged by those.
 */
async function followZones({ store, controller, clock, isStopping }: Post, site: Site): Promise<void> {
  const range = controller.slots.schedules ?? { firstZone: 1, lastZone: 0 };
  const slicer = { store, clock, isStopping };
  await inSlices(slicer, [null], () => store.zones.leaveOutside(controller.name, range));
  await inSlices(slicer, store.schedules.all(), ({ schedule_key: key }) => {
    if (store.zones.isFollowed(controller.name, key)) claimZones(store, site, controller.name, key);
  });
}

async function retargetEntrance(post: Post, site: Site, entranceKey: number): Promise<void> {
  const { store } = post;
  for (let after = 0; ;) {
    const keys = store.reach.credentialsAt(entranceKey, after, ROWS_PER_LOOK);
    await inSlices(post, keys, (key) => {
      const hasRow = store.targets.ofCredential(key).some((target) => target.controller === post.controller.name);
      if (!hasRow) retarget(store, site, key);
    });
    const last = keys.at(-1);
    if (last === undefined) return;
    after = last;
  }
}

/**
 * Rows of controllers that the facility file has no longer: what holds a slot there is out of reach, and that is said;
 * the rest goes. Should the controller come back, its rows are judged anew with the others.
 */
export async function abandonUnknown(slicer: Slicer, site: Site, log: Log): Promise<void> {
  const { store } = slicer;
  const unknown = store.targets.controllers().filter((name) => site.slotController(name) === undefined);
  for (const name of unknown) {
    if (store.controllers.get(name).setup === ABANDONED) continue;
    let left = 0;
    for (let after = 0; ;) {
      const rows = store.targets.ofController(name, after, ROWS_PER_LOOK);
      await inSlices(slicer, rows, (row) => {
        if (row.slot === null) store.targets.delete(row.target_key);
        else
          store.targets.update({
            ...row,
            ...OUT_OF_REACH,
            error_message: `The facility file has no controller ${name} any more.`,
          });
        left += row.slot === null ? 0 : 1;
      });
      const last = rows.at(-1);
      if (last === undefined) break;
      after = last.target_key;
    }
    await inSlices(slicer, [null], () => store.controllers.change(name, { setup: ABANDONED }));
    if (left > 0)
      log.warn('a controller left the facility file with credentials of ours in it', { controller: name, count: left });
  }
}

const ABANDONED = 'left the facility file';
const OUT_OF_REACH = {
  state: 'failed',
  error_type: 'controller_not_found',
  due_at: null,
  waits: null,
  urgent_at: null,
  erase_since: null,
  erase_reason: null,
} as const;

/** At a start: what is owned, and what is somebody else's. */
export async function markTaken(post: Post): Promise<void> {
  const { store, controller, map } = post;
  for (let from = controller.slots.firstSlot; ;) {
    const rows = store.targets.withSlotsFrom(controller.name, from, ROWS_PER_LOOK);
    for (const row of rows) map.take(row.slot);
    const last = rows.at(-1);
    if (last === undefined) break;
    from = last.slot + 1;
    await nextTurn(post);
  }
  for (const { slot } of store.foreignSlots.of(controller.name)) map.take(slot);
}
