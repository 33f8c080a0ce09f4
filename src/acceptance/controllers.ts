// Whether a controller that decides by its own table could hold a credential: what its table knows, the factors of its
// doors, its schedules, codes that it takes once only, and whether a slot is free over the whole window.

import { brokenConstraint, CODE_CONSTRAINTS } from '../domain/code-constraints.ts';
import { paramError, type ApiError } from '../domain/errors.ts';
import { scheduleFrom } from '../domain/schedule.ts';
import type { Site, SiteEntrance, SlotController } from '../domain/site.ts';
import { keysOf, type Ground, type PathTerms, type Wanted } from './ground.ts';
import { refusalOfSchedule } from './schedules.ts';

/** Why a controller concerned could not hold this credential; null when all of them can. */
export function refusalByController(ground: Ground, wanted: Wanted): ApiError | null {
  const { site } = ground;
  for (const name of site.controllersOf(keysOf(wanted.entrances)).keys()) {
    const controller = site.slotController(name);
    if (controller === undefined) continue;
    const error =
      checkAbility(controller, wanted) ??
      checkSchedule(ground, controller, wanted) ??
      checkDuplicate(ground, controller, wanted) ??
      checkRoom(ground, controller, wanted);
    if (error !== null) return error;
  }
  return null;
}

function checkAbility(controller: SlotController, wanted: Wanted): ApiError | null {
  const { name, slots } = controller;
  if (wanted.isDuress)
    return paramError(
      'not_supported',
      'is_duress',
      `${name} decides by its own table: it would open, and nobody be told at that moment. Remedy: a list of entrances without its doors`,
    );
  if (wanted.maxUses !== null && wanted.maxUses > 1)
    return paramError(
      'not_supported',
      'max_uses',
      `${name} decides by its own table and counts no uses. Remedy: leave its entrances out, or max_uses`,
    );
  if (wanted.maxUses === 1 && !slots.oneTimeUse)
    return paramError(
      'not_supported',
      'is_one_time_use',
      `${name} decides by its own table and does not know one-time use`,
    );
  if (wanted.card !== null) return checkCard(controller, wanted.card.canonical, wanted);
  return wanted.code === null ? null : checkCode(controller, wanted.code.digits, wanted);
}

function checkCard({ name, slots }: SlotController, card: string, wanted: Wanted): ApiError | null {
  const format = card.slice(0, card.indexOf(':'));
  if (!slots.cardFormats.includes(format)) {
    const known = slots.cardFormats.length === 0 ? 'no cards' : `cards of ${slots.cardFormats.join(', ')}`;
    return paramError('not_supported', 'card_number', `${name} holds ${known}, not ${format}`);
  }
  return checkFactors(name, wanted, 'code', 'takes codes only, no cards');
}

function checkCode({ name, slots }: SlotController, digits: string, wanted: Wanted): ApiError | null {
  if (slots.pin === null) return paramError('not_supported', 'access_method', `${name} holds no codes`);
  if (!slots.pinWithoutCard && !isPairOnly(name, wanted))
    return paramError('not_supported', 'access_method', `${name} holds no code without a card`);
  const { lengths, constraints = [] } = slots.pin;
  const violated = (message: string): ApiError => paramError('code_constraints_violated', 'code', message);
  if (!lengths.includes(digits.length))
    return violated(`${name} takes codes of ${lengths.join(', ')} digits, this one has ${digits.length}`);
  const broken = brokenConstraint(digits, constraints);
  if (broken !== null) return violated(`${name} takes codes ${CODE_CONSTRAINTS[broken].says} (${broken})`);
  return checkFactors(name, wanted, 'card', 'takes cards only, no codes');
}

const decidesAt = (controller: string, entrance: SiteEntrance): boolean =>
  entrance.decidedBy === 'controller' && entrance.controller === controller;

const entrancesAt = (controller: string, { entrances }: Wanted): SiteEntrance[] =>
  entrances.filter((entrance) => decidesAt(controller, entrance));

/** At all these doors the code is asked for together with a card, whose slot takes it in. */
const isPairOnly = (controller: string, wanted: Wanted): boolean =>
  entrancesAt(controller, wanted).every(({ factors }) => factors === 'card_and_code');

/** A door for the other factor alone: the table would let in whom the facility file does not. */
function checkFactors(controller: string, wanted: Wanted, other: 'card' | 'code', why: string): ApiError | null {
  const entrance = entrancesAt(controller, wanted).find(({ factors }) => factors === other);
  return entrance === undefined
    ? null
    : paramError('not_supported', 'allowed_acs_entrance_ids', `${entrance.name} ${why}. Remedy: leave it out`);
}

function checkSchedule({ store, site }: Ground, controller: SlotController, wanted: Wanted): ApiError | null {
  const { paths, scheduleKey } = wanted;
  if (paths === null) return scheduleKey === null ? null : refusalOfKey(store, controller, scheduleKey);
  const doors = entrancesAt(controller.name, wanted);
  const unheld = doorsUnheld(doors, paths, scheduleKey);
  const [first] = unheld;
  if (first !== undefined) {
    const { name } = site.byKey(first) ?? { name: '' };
    const message = `${controller.name} decides by its own table, and one of its records names one schedule for all of its doors: ${name} would be opened at other times than the others, or by two schedules at once. Remedy: the same schedule everywhere, or leave its entrances out`;
    return paramError('not_supported', 'schedule_id', message);
  }
  const keys = [scheduleKey, ...paths.map((path) => path.scheduleKey)].filter((key) => key !== null);
  for (const key of new Set(keys)) {
    const error = refusalOfKey(store, controller, key);
    if (error !== null) return error;
  }
  return null;
}

function refusalOfKey(store: Ground['store'], controller: SlotController, scheduleKey: number): ApiError | null {
  const row = store.schedules.byKey(scheduleKey);
  if (row === undefined) return null;
  return refusalOfSchedule(store, controller, scheduleFrom(row.content), row.schedule_key, 'schedule_id');
}

/**
 * Of doors of one controller, those that a record cannot open as it should: it names one schedule, or none, for all of
 * its doors. The keys of entrances.
 */
export function doorsUnheld(
  doors: readonly SiteEntrance[],
  paths: readonly PathTerms[],
  ownKey: number | null,
): number[] {
  const zonesOf = (entranceKey: number): Set<number | null> => {
    const keys = paths
      .filter((path) => path.entranceKey === entranceKey)
      .map(({ scheduleKey }) => new Set([ownKey, scheduleKey].filter((key) => key !== null)))
      .filter((both) => both.size < 2)
      .map((both) => [...both][0] ?? null);
    return new Set(keys);
  };
  const zones = doors.map(({ entranceKey }) => ({ entranceKey, at: zonesOf(entranceKey) }));
  const counts = new Map<number | null, number>();
  for (const { at } of zones) for (const zone of at) counts.set(zone, (counts.get(zone) ?? 0) + 1);
  // As a slot is made of it: of as many doors those that open at all times.
  const [widest] = [...counts].sort(([x, a], [y, b]) => b - a || (x ?? -1) - (y ?? -1));
  return zones.filter(({ at }) => widest === undefined || !at.has(widest[0])).map(({ entranceKey }) => entranceKey);
}

/**
 * A table that refuses the same code twice does so whatever the doors: two people with one code need two controllers.
 */
function checkDuplicate(
  { store, site }: Ground,
  { name, slots }: SlotController,
  { code, followsUser, startsAtMs, endsAtMs, credentialKey }: Wanted,
): ApiError | null {
  // What follows its user is alone in the whole facility as it is.
  if (code === null || followsUser || slots.duplicatePins !== 'reject') return null;
  for (const { entranceKey, name: entrance } of doorsOf(site, name)) {
    const other = store.reach.overlappingCode(code.hash, entranceKey, startsAtMs, endsAtMs, credentialKey);
    if (other !== null) {
      return paramError(
        'duplicate_access_code',
        'code',
        `${name} takes each code once, and credential ${other} has it at ${entrance} over an overlapping window`,
      );
    }
  }
  return null;
}

const doorsOf = ({ entrances }: Site, controller: string): SiteEntrance[] =>
  entrances.filter((entrance) => decidesAt(controller, entrance));

function checkRoom(
  { store }: Ground,
  { name, slots, foreignSlots }: SlotController,
  { credentialKey, startsAtMs, endsAtMs }: Wanted,
): ApiError | null {
  const own = store.targets.ofCredential(credentialKey).some((target) => target.controller === name) ? 1 : 0;
  // Below its size the table has room for everybody whatever the windows: then nothing is counted by window.
  const foreign = foreignSlots === 'erase' ? 0 : store.foreignSlots.of(name).length;
  const room = slots.count - foreign;
  if (store.targets.countOf(name) - own < room) return null;
  if (store.targets.mostAtOnce(name, startsAtMs, endsAtMs, credentialKey) < room) return null;
  const taken = foreign === 0 ? '' : `, ${foreign} of them taken by others`;
  return {
    type: 'no_space_for_access_code_on_device',
    message: `${name} has ${slots.count} slots${taken}, and all are taken at some time of this window. Remedy: delete credentials that have ended, or leave out its entrances`,
    path: ['params', 'allowed_acs_entrance_ids'],
  };
}
