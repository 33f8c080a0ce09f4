// Between a credential and the controllers that must hold it: which rows there are, which wait for erasure, and whether
// a controller could hold it at all. Called inside the transaction of the command, so that no credential is ever stored
// without its rows.

import type { ApiError } from '../domain/errors.ts';
import { scheduleFrom } from '../domain/schedule.ts';
import { brokenConstraint, CODE_CONSTRAINTS } from '../domain/code-constraints.ts';
import type { Site, SlotController } from '../domain/site.ts';
import { refusesSchedule, zonesFor } from './schedule-fit.ts';
import type { Store } from './store.ts';
import { AT_ONCE, type TargetRow } from './targets.ts';

/** Makes the rows of a credential follow its entrances, all to be judged at once; returns the controllers to wake. */
export function retarget(store: Store, site: Site, credentialKey: number, _nowMs: number): string[] {
  const row = store.credentials.byKey(credentialKey);
  if (row === undefined) return [];
  const wanted = wantedControllers(store, site, credentialKey);
  const existing = store.targets.ofCredential(credentialKey);
  for (const target of existing) {
    if (!wanted.has(target.controller) && target.slot === null) store.targets.delete(target.target_key);
    else store.targets.update(judgeAnew(target));
  }
  const known = new Set(existing.map((target) => target.controller));
  for (const controller of wanted) {
    if (!known.has(controller)) store.targets.insert(controller, credentialKey, row.acs_credential_id);
    if (row.schedule_key !== null) claimZones(store, site, controller, row.schedule_key);
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

function wantedControllers(store: Store, site: Site, credentialKey: number): Set<string> {
  const entranceKeys = store.credentials.entranceKeysOf(credentialKey);
  const names = [...site.controllersOf(entranceKeys).keys()];
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

// ---- acceptance -----------------------------------------------------------------------------------------------------

export type CredentialFacts = {
  /** -1 for one that is not stored yet. */
  credentialKey: number;
  entranceKeys: readonly number[];
  startsAtMs: number | null;
  endsAtMs: number | null;
  /** Canonical; null for a code. */
  card: string | null;
  /** In the clear, for as long as it is judged; null for a card. */
  code: string | null;
  /**
   * Keyed hash of the code: a controller that refuses the same code twice is asked about all its doors, not only those
   * listed.
   */
  codeHash: Buffer | null;
  isOneTimeUse: boolean;
  /** Its weekly schedule; null or left out: none. */
  scheduleKey?: number | null;
};

/** Why a controller concerned could not hold this credential; null when all of them can. */
export function checkTargets(store: Store, site: Site, facts: CredentialFacts): ApiError | null {
  for (const name of site.controllersOf(facts.entranceKeys).keys()) {
    const controller = site.slotController(name);
    if (controller === undefined) continue;
    const error =
      checkAbility(site, controller, facts) ??
      checkSchedule(store, controller, facts) ??
      checkDuplicate(store, site, controller, facts) ??
      checkRoom(store, controller, facts);
    if (error !== null) return error;
  }
  return null;
}

const refusal = (type: ApiError['type'], param: string, message: string): ApiError => ({
  type,
  message: `params.${param}: ${message}`,
  path: ['params', param],
});

function checkAbility(site: Site, { name, slots }: SlotController, facts: CredentialFacts): ApiError | null {
  if (facts.isOneTimeUse && !slots.oneTimeUse)
    return refusal(
      'not_supported',
      'is_one_time_use',
      `${name} decides by its own table and does not know one-time use`,
    );
  if (facts.card !== null) {
    const format = facts.card.slice(0, facts.card.indexOf(':'));
    if (!slots.cardFormats.includes(format)) {
      const known = slots.cardFormats.length === 0 ? 'no cards' : `cards of ${slots.cardFormats.join(', ')}`;
      return refusal('not_supported', 'card_number', `${name} holds ${known}, not ${format}`);
    }
    return checkFactors(site, name, facts, 'code', 'takes codes only, no cards');
  }
  if (facts.code === null) return null;
  if (slots.pin === null) return refusal('not_supported', 'access_method', `${name} holds no codes`);
  if (!slots.pinWithoutCard && !isPairOnly(site, name, facts))
    return refusal('not_supported', 'access_method', `${name} holds no code without a card`);
  const { lengths, constraints = [] } = slots.pin;
  const violated = (message: string): ApiError => refusal('code_constraints_violated', 'code', message);
  if (!lengths.includes(facts.code.length))
    return violated(`${name} takes codes of ${lengths.join(', ')} digits, this one has ${facts.code.length}`);
  const broken = brokenConstraint(facts.code, constraints);
  if (broken !== null) return violated(`${name} takes codes ${CODE_CONSTRAINTS[broken].says} (${broken})`);
  return checkFactors(site, name, facts, 'card', 'takes cards only, no codes');
}

function checkSchedule(store: Store, controller: SlotController, facts: CredentialFacts): ApiError | null {
  const row = facts.scheduleKey == null ? undefined : store.schedules.byKey(facts.scheduleKey);
  if (row === undefined) return null;
  return refusesSchedule(store, controller, scheduleFrom(row.content), row.schedule_key, 'schedule_id');
}

const entrancesAt = (site: Site, controller: string, facts: CredentialFacts) =>
  facts.entranceKeys.flatMap((key) => {
    const entrance = site.byKey(key);
    return entrance?.decidedBy === 'controller' && entrance.controller === controller ? [entrance] : [];
  });

/** At all these doors the code is asked for together with a card, whose slot takes it in. */
const isPairOnly = (site: Site, controller: string, facts: CredentialFacts): boolean =>
  entrancesAt(site, controller, facts).every((entrance) => entrance.factors === 'card_and_code');

/** A door for the other factor alone: the table would let in whom the facility file does not. */
function checkFactors(
  site: Site,
  controller: string,
  facts: CredentialFacts,
  other: 'card' | 'code',
  why: string,
): ApiError | null {
  const entrance = entrancesAt(site, controller, facts).find(({ factors }) => factors === other);
  return entrance === undefined
    ? null
    : refusal('not_supported', 'allowed_acs_entrance_ids', `${entrance.name} ${why}. Remedy: leave it out`);
}

/**
 * A table that refuses the same code twice does so whatever the doors: two people with one code need two controllers.
 */
function checkDuplicate(
  store: Store,
  site: Site,
  { name, slots }: SlotController,
  facts: CredentialFacts,
): ApiError | null {
  const hash = facts.codeHash;
  if (hash === null || slots.duplicatePins !== 'reject') return null;
  for (const entrance of site.entrances) {
    if (entrance.decidedBy !== 'controller' || entrance.controller !== name) continue;
    const { startsAtMs, endsAtMs, credentialKey } = facts;
    const other = store.credentials.overlappingCode(hash, entrance.entranceKey, startsAtMs, endsAtMs, credentialKey);
    if (other !== null) {
      return refusal(
        'duplicate_access_code',
        'code',
        `${name} takes each code once, and credential ${other} has it at ${entrance.name} over an overlapping window`,
      );
    }
  }
  return null;
}

function checkRoom(
  store: Store,
  { name, slots, foreignSlots }: SlotController,
  facts: CredentialFacts,
): ApiError | null {
  const own = store.targets.ofCredential(facts.credentialKey).some((target) => target.controller === name) ? 1 : 0;
  // Below its size the table has room for everybody whatever the windows: then nothing is counted by window.
  const foreign = foreignSlots === 'erase' ? 0 : store.targets.foreign(name).length;
  const room = slots.count - foreign;
  if (store.targets.countOf(name) - own < room) return null;
  if (store.targets.mostAtOnce(name, facts.startsAtMs, facts.endsAtMs, facts.credentialKey) < room) return null;
  const taken = foreign === 0 ? '' : `, ${foreign} of them taken by others`;
  return {
    type: 'no_space_for_access_code_on_device',
    message: `${name} has ${slots.count} slots${taken}, and all are taken at some time of this window. Remedy: delete credentials that have ended, or leave out its entrances`,
    path: ['params', 'allowed_acs_entrance_ids'],
  };
}
