// Entrances: get, list, unlock. What an entrance is comes from the facility file; what it does comes from the
// doors.

import { OperatingError } from '../domain/errors.ts';
import { fold } from '../domain/fold.ts';
import type { SiteEntrance } from '../domain/site.ts';
import type { ParamsOf } from './contract.ts';
import { findCredential } from './found.ts';
import { entranceObject } from './entrance-object.ts';
import { folded, pageBytes, readPage, writePage } from './paging.ts';
import type { Call, Outcome, Room, Work } from './room.ts';
import { findUser } from './found.ts';

export function getEntrance(room: Room, params: ParamsOf<'entrances/get'>): Outcome<'entrances/get'> {
  return { result: { acs_entrance: entranceObject(room, findEntrance(room, params.acs_entrance_id)) } };
}

export function listEntrances(room: Room, params: ParamsOf<'entrances/list'>, call: Call): Outcome<'entrances/list'> {
  const opened =
    params.acs_credential_id === undefined
      ? null
      : new Set(room.store.reach.entrancesOf(findCredential(room, params.acs_credential_id)));
  const after = readPage(params.page_cursor);
  const search = folded(params.search);
  const rows = room.site.entrances
    .filter((entrance) => entrance.entranceKey > after && (opened === null || opened.has(entrance.entranceKey)))
    .filter(
      (entrance) =>
        search === null ||
        fold(entrance.displayName).includes(search) ||
        entrance.name.includes(search) ||
        entrance.acsEntranceId === search,
    )
    .sort((a, b) => a.entranceKey - b.entranceKey);
  return {
    result: writePage(
      'acs_entrances',
      rows,
      { items: params.limit, bytes: pageBytes(call.mostReplyBytes) },
      (row) => entranceObject(room, row),
      (row) => row.entranceKey,
    ),
  };
}

/** The effect of `entrances/unlock`: checked now, done behind the commit of its acceptance. */
export function prepareUnlock(room: Room, params: ParamsOf<'entrances/unlock'>, call: Call): Work<'entrances/unlock'> {
  const entrance = findEntrance(room, params.acs_entrance_id);
  if (entrance.strike === null)
    throw new OperatingError('not_supported', `entrance ${entrance.name} has no strike in the facility file`, [
      'params',
      'acs_entrance_id',
    ]);
  const { mode: standing, interlockedBy } = room.doors.state(entrance);
  const { mode } = standing;
  if ((mode === 'locked' || mode === 'lockdown') && params.is_override !== true)
    throw new OperatingError(
      'not_permitted',
      `entrance ${entrance.name} is ${mode === 'locked' ? 'locked' : 'in lockdown'}. Remedy: is_override, where it is to be opened all the same; else entrances/set_mode or facility/all_clear`,
      ['params', 'acs_entrance_id'],
    );
  if (interlockedBy !== null && mode !== 'evacuate' && params.is_override !== true)
    throw new OperatingError(
      'not_permitted',
      `entrance ${entrance.name} is interlocked with ${interlockedBy}, which is not shut. Remedy: wait until it is; or is_override`,
      ['params', 'acs_entrance_id'],
    );
  const acsUserId = params.acs_user_id === undefined ? null : findUser(room, params.acs_user_id).acs_user_id;
  const acsCredentialId =
    params.acs_credential_id === undefined ? null : findCredential(room, params.acs_credential_id).acs_credential_id;
  const actionAttemptId = room.random.uuid();
  return async () => {
    const done = await room.doors.unlock({
      entrance,
      acsUserId,
      acsCredentialId,
      reason: params.reason ?? null,
      commandId: call.commandId,
      asker: call.asker,
      actionAttemptId,
    });
    if ('error' in done) return done;
    return {
      result: {
        action_attempt: {
          action_attempt_id: actionAttemptId,
          action_type: 'UNLOCK_DOOR',
          status: 'success',
          result: { was_confirmed_by_device: done.confirmed },
          error: null,
        },
      },
    };
  };
}

export function findEntrance(room: Room, acsEntranceId: string): SiteEntrance {
  const entrance = room.site.byId(acsEntranceId);
  if (entrance === undefined)
    throw new OperatingError('acs_entrance_not_found', `no entrance ${acsEntranceId} in the facility file`, [
      'params',
      'acs_entrance_id',
    ]);
  return entrance;
}
