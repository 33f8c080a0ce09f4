// Modes of entrances by command: what is wanted becomes a row, the strongest of all rows holds. What closes doors, or
// lets everybody out, is in force also where the disk takes nothing.

import { OperatingError } from '../domain/errors.ts';
import { newEvent, type NewEvent } from '../domain/events.ts';
import { iso } from '../domain/iso.ts';
import {
  BY_ENTRANCE,
  BY_FACILITY,
  byInput,
  canBeIn,
  EVERYWHERE,
  keyOf,
  kindOf,
  type Mode,
  type ModeSource,
} from '../domain/modes.ts';
import type { SiteEntrance } from '../domain/site.ts';
import type { ParamsOf } from './contract.ts';
import type { ResultOf } from './contract/results.ts';
import { findEntrance } from './entrances.ts';
import type { Call, Outcome, Room } from './room.ts';
import { attribution } from './trace.ts';

const MOST_AHEAD_MS = 31 * 86_400_000;

/** What a command wants of modes; null: taken back. */
type Wanted<R> = { changes: Map<string, ModeSource | null>; events: NewEvent[]; result: R };

// ---- entrances/set_mode ---------------------------------------------------------------------------------------------

export const setMode = (
  room: Room,
  params: ParamsOf<'entrances/set_mode'>,
  call: Call,
): Outcome<'entrances/set_mode'> => stored(room, modeWanted(room, params, call, true));

/** Where the disk takes nothing. */
export const setModeUnstored = (room: Room, params: ParamsOf<'entrances/set_mode'>, call: Call) =>
  unstored(room, modeWanted(room, params, call, false));

function modeWanted(
  room: Room,
  params: ParamsOf<'entrances/set_mode'>,
  call: Call,
  isStored: boolean,
): Wanted<ResultOf<'entrances/set_mode'>> {
  const entrance = findEntrance(room, params.acs_entrance_id);
  const { mode, until } = params;
  if (!canBeIn(mode, entrance)) throw new OperatingError('not_supported', whyNot(entrance, mode), ['params', 'mode']);
  checkUntil(until, call);
  const place = entrance.acsEntranceId;
  const changes: Wanted<unknown>['changes'] = new Map();
  if (mode === 'normal' && until === undefined) {
    for (const source of room.doors.modes.sources())
      if (source.place === place && source.origin === BY_ENTRANCE) changes.set(keyOf(source), null);
  } else {
    const source = sourceOf(place, BY_ENTRANCE, mode, until, call);
    changes.set(keyOf(source), source);
  }
  const standing = room.doors.modes.preview(entrance, changes);
  const result = { acs_entrance_id: place, mode: standing.mode, mode_source: standing.source?.kind ?? null };
  return { changes, events: [], result: { ...result, is_stored: isStored } };
}

// ---- facility/lockdown, facility/all_clear --------------------------------------------------------------------------

export const lockDown = (room: Room, params: ParamsOf<'facility/lockdown'>, call: Call): Outcome<'facility/lockdown'> =>
  stored(room, lockdownWanted(room, params, call, true));

export const lockDownUnstored = (room: Room, params: ParamsOf<'facility/lockdown'>, call: Call) =>
  unstored(room, lockdownWanted(room, params, call, false));

function lockdownWanted(
  room: Room,
  params: ParamsOf<'facility/lockdown'>,
  call: Call,
  isStored: boolean,
): Wanted<ResultOf<'facility/lockdown'>> {
  const { acs_entrance_ids: ids, until, reason } = params;
  checkUntil(until, call);
  const named = ids?.map((id) => findEntrance(room, id)) ?? null;
  const concerned = [...new Set(named ?? room.site.entrances)];
  const locked = concerned.filter((entrance) => canBeIn('lockdown', entrance));
  const others = concerned.filter((entrance) => !locked.includes(entrance));
  if (locked.length === 0)
    throw new OperatingError('not_supported', `nothing was locked down: ${others.map((one) => whyNot(one, 'lockdown')).join('; ') || 'there is no entrance'}`); // prettier-ignore
  const places = named === null ? [EVERYWHERE] : locked.map(({ acsEntranceId }) => acsEntranceId);
  const sources = places.map((place) => sourceOf(place, BY_FACILITY, 'lockdown', until, call));
  const event = newEvent('facility.locked_down', {
    acs_system_id: room.acsSystemId,
    acs_entrance_ids: named === null ? null : idsOf(locked),
    acs_entrance_ids_not_locked: idsOf(others),
    until: iso(until ?? null),
    reason: reason ?? null,
    ...attribution(call),
  });
  const notLocked = others.map((entrance) => ({
    acs_entrance_id: entrance.acsEntranceId,
    message: whyNot(entrance, 'lockdown'),
  }));
  return {
    changes: new Map(sources.map((source) => [keyOf(source), source])),
    events: [event],
    result: { acs_entrance_ids: idsOf(locked), not_locked: notLocked, is_stored: isStored },
  };
}

export function allClear(
  room: Room,
  { reason }: ParamsOf<'facility/all_clear'>,
  call: Call,
): Outcome<'facility/all_clear'> {
  const sources = room.doors.modes.sources().filter(({ kind }) => kind === 'lockdown' || kind === 'evacuate');
  const judged = sources.map((source) => ({ source, why: whyKept(room, source, call) }));
  const cleared = judged.filter(({ why }) => why === null);
  const remaining = judged.flatMap(({ source, why }) =>
    why === null
      ? []
      : [
          {
            acs_entrance_id: source.place === EVERYWHERE ? null : source.place,
            mode: source.mode,
            origin: source.origin,
            message: why,
          },
        ],
  );
  const event = newEvent('facility.cleared', {
    acs_system_id: room.acsSystemId,
    remaining: remaining.length,
    reason: reason ?? null,
    ...attribution(call),
  });
  const changes = new Map(cleared.map(({ source }) => [keyOf(source), null]));
  return stored(room, { changes, events: [event], result: { cleared: cleared.length, remaining } });
}

/** Null: a word that this command may take back. */
function whyKept(room: Room, { kind, origin }: ModeSource, { asker }: Call): string | null {
  if (!origin.startsWith(byInput(''))) return null;
  const name = origin.slice(byInput('').length);
  if (room.doors.modes.isInputActive(name))
    return `the input ${name} is still active: reset what drives it, then give the all-clear again`;
  return kind === 'evacuate' && asker.source !== 'local'
    ? `an evacuation by the input ${name} is taken back on site: lintel facility all-clear on the gateway`
    : null;
}

// ---- all of them ----------------------------------------------------------------------------------------------------

/** With whatever was in force and had no room on the disk until now. */
function stored<R>(
  { store, doors, clock }: Room,
  { changes, events, result }: Wanted<R>,
): { result: R; after: () => void } {
  const known = new Map(doors.modes.sources().map((source) => [keyOf(source), source]));
  for (const [key, source] of [...doors.modes.unstored(), ...changes]) {
    const before = known.get(key);
    if (source !== null) store.modeSources.put(source);
    else if (before !== undefined) store.modeSources.delete(before);
  }
  for (const event of events) store.events.add(event, clock.nowMs());
  return { result, after: () => doors.modes.changed() };
}

function unstored<R>({ doors }: Room, { changes, events, result }: Wanted<R>): R {
  doors.modes.holdUnstored(
    [...changes.values()].filter((source) => source !== null),
    events,
  );
  return result;
}

function sourceOf(place: string, origin: string, mode: Mode, until: number | undefined, call: Call): ModeSource {
  const command = attribution(call);
  return { place, kind: kindOf(mode), origin, mode, untilMs: until ?? null, sinceMs: call.nowMs, command };
}

function checkUntil(until: number | undefined, { nowMs }: Call): void {
  const path = ['params', 'until'];
  if (until === undefined) return;
  if (until <= nowMs) throw new OperatingError('invalid_input', 'params.until: it is over', path);
  if (until - nowMs > MOST_AHEAD_MS)
    throw new OperatingError('invalid_input', 'params.until: at most 31 days ahead', path);
}

const idsOf = (entrances: readonly SiteEntrance[]): string[] => entrances.map(({ acsEntranceId }) => acsEntranceId);

const whyNot = ({ name, controller, strike }: SiteEntrance, mode: Mode): string =>
  strike === null
    ? `entrance ${name} has no strike in the facility file, so it cannot be held ${mode}`
    : `${controller ?? 'its controller'} decides at entrance ${name} by its own table, and cannot be told to let nobody in. Remedy: suspend people, or lock the door by hand`;
