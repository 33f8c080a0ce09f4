// Entrances: get, list, unlock, explain. What an entrance is comes from the facility file; what it does comes from the
// doors.

import { canonicalCard } from '../domain/card-formats.ts';
import { OperatingError, refused } from '../domain/errors.ts';
import { fold } from '../domain/fold.ts';
import type { SiteEntrance } from '../domain/site.ts';
import type { ParamsOf } from './contract.ts';
import { findCredential } from './found.ts';
import { entranceObject } from './entrance-object.ts';
import { folded, pageBytes, readPage, writePage } from './paging.ts';
import type { Asked, Call, Outcome, Room, Work } from './room.ts';
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

export function explainEntrance(room: Room, params: ParamsOf<'entrances/explain'>, { asker }: Call): Outcome {
  const entrance = findEntrance(room, params.acs_entrance_id);
  const time = params.at === undefined ? room.time() : { ...room.time(), trusted: true, nowMs: params.at };
  const reader = params.reader ?? entrance.readers[0] ?? null;
  if (params.reader !== undefined && !entrance.readers.includes(params.reader))
    throw refused(
      'acs_encoder_not_found',
      'reader',
      `entrance ${entrance.name} has ${entrance.readers.join(', ') || 'no reader'}`,
    );
  const how = { time, isNow: params.at === undefined, reader, asker };
  const explanation = room.doors.explain(entrance, askedOf(room, params), how);
  return {
    result: {
      outcome: explanation.outcome,
      reason: explanation.reason,
      acs_entrance_id: entrance.acsEntranceId,
      acs_credential_id: explanation.acsCredentialId,
      acs_user_id: explanation.acsUserId,
      steps: explanation.steps,
    },
  };
}

function askedOf(room: Room, params: ParamsOf<'entrances/explain'>): Asked {
  const given = [params.acs_credential_id, params.card_number, params.code].filter((value) => value !== undefined);
  if (given.length !== 1)
    throw new OperatingError('invalid_input', 'params: give exactly one of acs_credential_id, card_number, code', [
      'params',
    ]);
  if (params.acs_credential_id !== undefined)
    return { acsCredentialId: findCredential(room, params.acs_credential_id).acs_credential_id };
  if (params.code !== undefined) return { code: params.code };
  return {
    cards: [canonicalCard(params.card_number ?? '', params.card_format ?? null, room.policy.defaultCardFormat)],
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
