// Between a credential and the controllers that must hold it: which rows there are, and which wait for erasure. Called
// inside the transaction of the command, so that no credential is ever stored without its rows.

import { scheduleFrom } from '../domain/schedule.ts';
import type { Site } from '../domain/site.ts';
import type { CredentialRow } from './credentials.ts';
import { zonesFor } from './schedule-fit.ts';
import type { Store } from './store.ts';
import { AT_ONCE, type TargetRow } from './target-row.ts';

/**
 * Makes the rows of a credential follow its entrances, all to be judged at once; returns the controllers to wake.
 * `only`: those that the change concerns; the others are left as they are.
 */
export function retarget(
  store: Store,
  site: Site,
  credentialKey: number,
  only: ReadonlySet<string> | null = null,
): string[] {
  const row = store.credentials.byKey(credentialKey);
  if (row === undefined) return [];
  const isMeant = (controller: string): boolean => only === null || only.has(controller);
  const wanted = new Set([...wantedControllers(store, site, row)].filter(isMeant));
  const existing = store.targets.ofCredential(credentialKey).filter(({ controller }) => isMeant(controller));
  for (const target of existing) {
    if (!wanted.has(target.controller) && target.slot === null) store.targets.delete(target.target_key);
    else store.targets.update(judgeAnew(target));
  }
  const known = new Set(existing.map((target) => target.controller));
  for (const controller of wanted) {
    if (!known.has(controller)) store.targets.insert(controller, credentialKey, row.acs_credential_id);
    for (const key of schedulesOf(store, site, row, controller)) claimZones(store, site, controller, key);
  }
  const all = new Set([...known, ...wanted]);
  touchPartners(
    store,
    credentialKey,
    row.user_key,
    [...all].filter((name) => hasPairs(site, name)),
  );
  return [...all];
}

/** Its own, and those of the paths by which it opens doors of this controller. */
function schedulesOf(store: Store, site: Site, row: CredentialRow, controller: string): Set<number> {
  const doors = row.has_own_entrances === 1 ? [] : site.doorsOf(controller);
  const paths = doors.flatMap(({ entranceKey }) => store.reach.ofUserAt(row.user_key, entranceKey));
  const keys = [row.schedule_key, ...paths.map((path) => path.schedule?.scheduleKey ?? null)];
  return new Set(keys.filter((key) => key !== null));
}

/** Inside a transaction: the schedule has its time zones at this controller, where it can have them. */
export function claimZones(store: Store, site: Site, controller: string, scheduleKey: number): void {
  const found = site.slotController(controller);
  const schedule = store.schedules.byKey(scheduleKey);
  if (found !== undefined && schedule !== undefined)
    zonesFor(store, found, scheduleFrom(schedule.content), scheduleKey);
}

/**
 * The credential is being deleted: what holds a slot waits for its erasure, the rest goes with it. Call it before the
 * credential's row is deleted.
 */
export function release(store: Store, credentialKey: number, nowMs: number): void {
  touchPartners(store, credentialKey, null, []);
  for (const target of store.targets.ofCredential(credentialKey)) {
    if (target.slot === null) store.targets.delete(target.target_key);
    else {
      store.targets.update({
        ...judgeAnew(target),
        state: 'removing',
        erase_since: target.erase_since ?? nowMs,
        erase_reason: target.erase_reason ?? 'revoked',
      });
    }
  }
}

/** A refusal for good was about what the credential was: it is tried again as it is now. */
const judgeAnew = (target: TargetRow): TargetRow => ({
  ...target,
  due_at: AT_ONCE,
  attempts: 0,
  state: target.state === 'failed' ? 'writing' : target.state,
  error_type: null,
  error_message: null,
});

function wantedControllers(store: Store, site: Site, credential: CredentialRow): Set<string> {
  // No controller has a place for the key of a phone.
  if (credential.access_method === 'mobile_key') return new Set();
  const names = [...site.controllersOf(store.reach.entrancesOf(credential)).keys()];
  return new Set(names.filter((name) => site.slotController(name) !== undefined));
}

/** True when a door of the controller asks for card and code together. */
const hasPairs = (site: Site, controller: string): boolean =>
  site.entrances.some(({ factors, controller: decider }) => factors === 'card_and_code' && decider === controller);

/** Where a door asks for card and code, one slot holds both: a change of the one concerns the slot of the other. */
function touchPartners(
  store: Store,
  credentialKey: number,
  userKey: number | null,
  controllers: readonly string[],
): void {
  for (const target of store.targets.ofPartner(credentialKey)) store.targets.update(judgeAnew(target));
  if (userKey === null) return;
  for (const controller of controllers) {
    for (const target of store.targets.besides(userKey, credentialKey, controller))
      store.targets.touchRow(target.target_key);
  }
}
