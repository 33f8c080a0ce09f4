// Which function carries out which command. `NOW` is done within one transaction, `LATER` is checked now and done
// behind the commit of its acceptance.

import { grantAccess, revokeAccess, revokeAll } from './access.ts';
import {
  listCredentialsWithAccess,
  listEntrancesOfCredential,
  listEntrancesOfGroup,
  listEntrancesOfUser,
} from './accessible.ts';
import { readParams } from './answers.ts';
import { forgive, getArea, listAreas, listOccupants } from './areas.ts';
import { listBiometrics, prepareEnroll, removeBiometric } from './biometrics.ts';
import { COMMANDS, type CommandName, type ParamsOf } from './contract.ts';
import { adoptSlot, getController, listControllers, prepareResync } from './controllers.ts';
import { getCredential, listCredentials, unassignCredential } from './credentials.ts';
import { assignAlone, createAlone, deleteAlone, updateAlone } from './credentials-alone.ts';
import { getEntrance, listEntrances, prepareUnlock } from './entrances.ts';
import { explainEntrance } from './explain.ts';
import { prepareErase } from './erase.ts';
import { listEncoders, prepareAssign, prepareCancel, prepareScan } from './encoders.ts';
import { acknowledgeEvents, listEvents } from './events.ts';
import { digestFacility, resetStream } from './facility.ts';
import {
  assignCard,
  createGrant,
  deleteGrant,
  deleteMethod,
  getGrant,
  getMethod,
  listGrants,
  listMethods,
  requestMethods,
  updateGrant,
} from './grants.ts';
import {
  addUser,
  createGroup,
  deleteGroup,
  getGroup,
  listGroups,
  listGroupUsers,
  removeUser,
  updateGroup,
} from './groups.ts';
import { createHoliday, deleteHoliday, getHoliday, listHolidays, updateHoliday } from './holidays.ts';
import { enrollIssuedKey, revokeIssuedKeys } from './issued-keys.ts';
import { allClear, lockDown, lockDownUnstored, setMode, setModeUnstored } from './modes.ts';
import { explainDecision } from './past-decisions.ts';
import { enrollPhone, listPhones, removePhone } from './phones.ts';
import type { Call, Outcome, Room, Work } from './room.ts';
import { createSchedule, deleteSchedule, getSchedule, listSchedules, updateSchedule } from './schedules.ts';
import { beginSnapshot, prepareCommit, putPage } from './snapshots/snapshots.ts';
import { addToSpace, createSpace, deleteSpace, getSpace, listSpaces, removeFromSpace, updateSpace } from './spaces.ts';
import { getTimeline } from './timeline.ts';
import { createUser, deleteUser, getUser, listUsers, suspendUser, unsuspendUser, updateUser } from './users.ts';
import { OperatingError } from '../domain/errors.ts';

type Now<N extends CommandName> = (room: Room, params: unknown, call: Call) => Outcome<N>;
type Later<N extends CommandName> = (room: Room, params: unknown, call: Call) => Work<N>;

/** Validates the parameters of `name`, then runs `handler` on what they mean. */
function checked<N extends CommandName, R>(
  name: N,
  handler: (room: Room, params: ParamsOf<N>, call: Call) => R,
): (room: Room, params: unknown, call: Call) => R {
  const schema = COMMANDS[name].params;
  return (room, params, call) => {
    const valid = readParams(schema, params) as ParamsOf<N> & { acs_system_id?: string };
    if (valid.acs_system_id !== undefined && valid.acs_system_id !== room.acsSystemId) {
      throw new OperatingError('acs_system_not_found', `this facility is acs_system ${room.acsSystemId}`, [
        'params',
        'acs_system_id',
      ]);
    }
    return handler(room, valid, call);
  };
}

export const NOW: { readonly [N in CommandName]?: Now<N> } = {
  'users/create': checked('users/create', createUser),
  'users/get': checked('users/get', getUser),
  'users/list': checked('users/list', listUsers),
  'users/update': checked('users/update', updateUser),
  'users/delete': checked('users/delete', deleteUser),
  'users/suspend': checked('users/suspend', suspendUser),
  'users/unsuspend': checked('users/unsuspend', unsuspendUser),
  'users/add_to_access_group': checked('users/add_to_access_group', addUser),
  'users/remove_from_access_group': checked('users/remove_from_access_group', removeUser),
  'users/revoke_access_to_all_entrances': checked('users/revoke_access_to_all_entrances', revokeAll),
  'users/list_biometrics': checked('users/list_biometrics', listBiometrics),
  'users/remove_biometric': checked('users/remove_biometric', removeBiometric),
  'users/list_accessible_entrances': checked('users/list_accessible_entrances', listEntrancesOfUser),
  'credentials/create': checked('credentials/create', createAlone),
  'credentials/get': checked('credentials/get', getCredential),
  'credentials/list': checked('credentials/list', listCredentials),
  'credentials/update': checked('credentials/update', updateAlone),
  'credentials/delete': checked('credentials/delete', deleteAlone),
  'credentials/assign': checked('credentials/assign', assignAlone),
  'credentials/unassign': checked('credentials/unassign', unassignCredential),
  'credentials/list_accessible_entrances': checked('credentials/list_accessible_entrances', listEntrancesOfCredential),
  'credentials/enroll_phone': checked('credentials/enroll_phone', enrollPhone),
  'credentials/remove_phone': checked('credentials/remove_phone', removePhone),
  'credentials/enroll_issued_key': checked('credentials/enroll_issued_key', enrollIssuedKey),
  'credentials/revoke_issued_keys': checked('credentials/revoke_issued_keys', revokeIssuedKeys),
  'credentials/get_timeline': checked('credentials/get_timeline', getTimeline),
  'credentials/list_phones': checked('credentials/list_phones', listPhones),
  'access_groups/create': checked('access_groups/create', createGroup),
  'access_groups/get': checked('access_groups/get', getGroup),
  'access_groups/list': checked('access_groups/list', listGroups),
  'access_groups/update': checked('access_groups/update', updateGroup),
  'access_groups/delete': checked('access_groups/delete', deleteGroup),
  'access_groups/add_user': checked('access_groups/add_user', addUser),
  'access_groups/remove_user': checked('access_groups/remove_user', removeUser),
  'access_groups/list_users': checked('access_groups/list_users', listGroupUsers),
  'access_groups/list_accessible_entrances': checked('access_groups/list_accessible_entrances', listEntrancesOfGroup),
  'access_grants/create': checked('access_grants/create', createGrant),
  'access_grants/get': checked('access_grants/get', getGrant),
  'access_grants/list': checked('access_grants/list', listGrants),
  'access_grants/update': checked('access_grants/update', updateGrant),
  'access_grants/delete': checked('access_grants/delete', deleteGrant),
  'access_grants/request_access_methods': checked('access_grants/request_access_methods', requestMethods),
  'access_methods/get': checked('access_methods/get', getMethod),
  'access_methods/list': checked('access_methods/list', listMethods),
  'access_methods/assign_card': checked('access_methods/assign_card', assignCard),
  'access_methods/delete': checked('access_methods/delete', deleteMethod),
  'spaces/create': checked('spaces/create', createSpace),
  'spaces/get': checked('spaces/get', getSpace),
  'spaces/list': checked('spaces/list', listSpaces),
  'spaces/update': checked('spaces/update', updateSpace),
  'spaces/add_acs_entrances': checked('spaces/add_acs_entrances', addToSpace),
  'spaces/remove_acs_entrances': checked('spaces/remove_acs_entrances', removeFromSpace),
  'spaces/delete': checked('spaces/delete', deleteSpace),
  'schedules/create': checked('schedules/create', createSchedule),
  'schedules/get': checked('schedules/get', getSchedule),
  'schedules/list': checked('schedules/list', listSchedules),
  'schedules/update': checked('schedules/update', updateSchedule),
  'schedules/delete': checked('schedules/delete', deleteSchedule),
  'holidays/create': checked('holidays/create', createHoliday),
  'holidays/get': checked('holidays/get', getHoliday),
  'holidays/list': checked('holidays/list', listHolidays),
  'holidays/update': checked('holidays/update', updateHoliday),
  'holidays/delete': checked('holidays/delete', deleteHoliday),
  'entrances/get': checked('entrances/get', getEntrance),
  'entrances/list': checked('entrances/list', listEntrances),
  'entrances/list_credentials_with_access': checked(
    'entrances/list_credentials_with_access',
    listCredentialsWithAccess,
  ),
  'entrances/grant_access': checked('entrances/grant_access', grantAccess),
  'entrances/revoke_access': checked('entrances/revoke_access', revokeAccess),
  'entrances/set_mode': checked('entrances/set_mode', setMode),
  'entrances/explain': checked('entrances/explain', explainEntrance),
  'entrances/explain_decision': checked('entrances/explain_decision', explainDecision),
  'areas/list': checked('areas/list', listAreas),
  'areas/get': checked('areas/get', getArea),
  'areas/list_occupants': checked('areas/list_occupants', listOccupants),
  'areas/forgive': checked('areas/forgive', forgive),
  'encoders/list': checked('encoders/list', listEncoders),
  'controllers/get': checked('controllers/get', getController),
  'controllers/list': checked('controllers/list', listControllers),
  'controllers/adopt_slot': checked('controllers/adopt_slot', adoptSlot),
  'events/list': checked('events/list', listEvents),
  'events/acknowledge': checked('events/acknowledge', acknowledgeEvents),
  'facility/digest': checked('facility/digest', digestFacility),
  'facility/reset_stream': checked('facility/reset_stream', resetStream),
  'facility/begin_snapshot': checked('facility/begin_snapshot', beginSnapshot),
  'facility/put_snapshot_page': checked('facility/put_snapshot_page', putPage),
  'facility/lockdown': checked('facility/lockdown', lockDown),
  'facility/all_clear': checked('facility/all_clear', allClear),
};

/** Done where the disk takes nothing: in force, told to whoever asks, and stored when it can be. */
export const UNSTORED: Readonly<Partial<Record<CommandName, (room: Room, params: unknown, call: Call) => object>>> = {
  'entrances/set_mode': checked('entrances/set_mode', setModeUnstored),
  'facility/lockdown': checked('facility/lockdown', lockDownUnstored),
};

export const LATER: { readonly [N in CommandName]?: Later<N> } = {
  'users/erase': checked('users/erase', prepareErase),
  'entrances/unlock': checked('entrances/unlock', prepareUnlock),
  'encoders/scan_credential': checked('encoders/scan_credential', prepareScan),
  'encoders/scan_to_assign_credential': checked('encoders/scan_to_assign_credential', prepareAssign),
  'encoders/enroll_biometric': checked('encoders/enroll_biometric', prepareEnroll),
  'encoders/cancel_scan': checked('encoders/cancel_scan', prepareCancel),
  'controllers/resync': checked('controllers/resync', prepareResync),
  'facility/commit_snapshot': checked('facility/commit_snapshot', prepareCommit),
};
