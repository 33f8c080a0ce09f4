// The plan in words, for people: what would be written where, and why, and what waits for which instant. Looks only;
// changes nothing.

import type { Device } from '../domain/ports.ts';
import type { Site } from '../domain/site.ts';
import type { TimeWitness } from '../domain/window.ts';
import type { Store } from '../store/store.ts';
import type { TargetRow } from '../store/target-row.ts';
import { certainInstant, whyUnheld } from './desired.ts';
import { Judge, type Judged } from './judge.ts';
import { SlotMap } from './slot-map.ts';
import { untold } from './zones.ts';

export type PlannedChange = {
  controller: string;
  /** Null when it gets one only when it is written, or has none. */
  slot: number | null;
  /** Null: a slot that somebody else filled, and that is to be emptied; or no slot at all but a weekly schedule. */
  acsCredentialId: string | null;
  action: 'erase' | 'schedule' | 'write' | 'rewrite' | 'check' | 'wait' | 'no_space' | 'refused';
  /** A reason word such as `expired` or `not_yet_valid`, or what the controller answered. */
  why: string;
  /** When it happens by itself, epoch ms; null: as soon as the controller answers, or not before something changes. */
  atMs: number | null;
};

const ROWS_PER_LOOK = 256;

/**
 * What the controller's rows wait for, erasures first, then writes, then what is for later. Rows that are as they
 * should be are left out.
 */
export function describePlan(
  store: Store,
  site: Site,
  device: Device,
  time: TimeWitness,
  preloadMs: number,
): PlannedChange[] {
  const controller = site.slotController(device.name);
  if (controller === undefined) return [];
  const judge = new Judge(store, site, controller, preloadMs);
  const map = takenSlots(store, controller.name, controller.slots.firstSlot, controller.slots.count);
  const found: PlannedChange[] = [];
  for (let after = 0; ;) {
    const rows = store.targets.ofController(device.name, after, ROWS_PER_LOOK);
    for (const row of rows) {
      const change = changeOf(judge, row, judge.judge(row, time));
      if (change !== null) found.push(change);
    }
    const last = rows.at(-1);
    if (last === undefined) break;
    after = last.target_key;
  }
  for (const what of untold(store, device.name))
    found.push({
      controller: device.name,
      slot: null,
      acsCredentialId: null,
      action: 'schedule',
      why: what,
      atMs: null,
    });
  for (const { slot } of store.foreignSlots.unwanted(device.name))
    found.push({ controller: device.name, slot, acsCredentialId: null, action: 'erase', why: 'adopted', atMs: null });
  const instant = certainInstant(time);
  const later = instant === null ? 0 : store.targets.notBegun(device.name, instant, found.length).length;
  return placed(found, map, later).sort((a, b) => ORDER[a.action] - ORDER[b.action] || (a.atMs ?? 0) - (b.atMs ?? 0));
}

const ORDER: Readonly<Record<PlannedChange['action'], number>> = {
  erase: 0,
  schedule: 1,
  check: 2,
  rewrite: 3,
  write: 4,
  no_space: 5,
  refused: 6,
  wait: 7,
};

function changeOf(judge: Judge, row: TargetRow, judged: Judged): PlannedChange | null {
  const { desired } = judged;
  const base = { controller: row.controller, slot: row.slot, acsCredentialId: row.acs_credential_id };
  if (desired.kind === 'present') {
    if (judge.isSettled(row, judged)) return null;
    if (row.state === 'failed' && row.waits === null)
      return { ...base, action: 'refused', why: row.error_message ?? row.error_type ?? 'refused', atMs: null };
    if (row.slot === null) return { ...base, action: 'write', why: 'valid', atMs: null };
    const isDoubtful = row.read_hash === null;
    return {
      ...base,
      action: isDoubtful ? 'check' : 'rewrite',
      why: isDoubtful ? 'outcome_unknown' : 'changed',
      atMs: null,
    };
  }
  const why = desired.kind === 'absent' ? desired.why : 'in_the_slot_of_a_card';
  if (row.slot !== null) return { ...base, action: 'erase', why, atMs: row.erase_since };
  const unheld = desired.kind === 'absent' ? whyUnheld(desired.why) : null;
  if (unheld !== null) return { ...base, action: 'refused', why: unheld, atMs: null };
  return desired.nextDueMs === null ? null : { ...base, action: 'wait', why, atMs: desired.nextDueMs };
}

function takenSlots(store: Store, controller: string, firstSlot: number, count: number): SlotMap {
  const map = new SlotMap(firstSlot, count);
  for (let from = firstSlot; ;) {
    const rows = store.targets.withSlotsFrom(controller, from, ROWS_PER_LOOK);
    for (const { slot } of rows) map.take(slot);
    const last = rows.at(-1);
    if (last === undefined) break;
    from = last.slot + 1;
  }
  for (const { slot } of store.foreignSlots.of(controller)) map.take(slot);
  return map;
}

/** Gives each new write the slot it would get; `later`: so many more have one ahead of their start, and make way. */
function placed(changes: readonly PlannedChange[], map: SlotMap, later: number): PlannedChange[] {
  const writes = changes.filter(({ action }) => action === 'write');
  const free = map.lowestFree(writes.length);
  let next = 0;
  return changes.map((change) => {
    if (change.action !== 'write') return change;
    const slot = free[next];
    next += 1;
    return slot === undefined && next > free.length + later
      ? { ...change, action: 'no_space', why: 'no_space_for_access_code_on_device' }
      : { ...change, slot: slot ?? null };
  });
}
