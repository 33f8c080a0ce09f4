// Items of a snapshot: commands that would make the facility from nothing, each checked by the schema of its command,
// with ids that its sender has minted, for what has no id of its own could not be found again.

import { OperatingError, type ApiError } from '../../domain/errors.ts';
import { memberOf } from '../../domain/named.ts';
import { fit } from '../answers.ts';
import { COMMANDS, type ParamsOf } from '../contract.ts';
import type { SnapshotCommand } from '../contract/snapshots.ts';

export type Item = { [C in SnapshotCommand]: { command: C; params: ParamsOf<C> } }[SnapshotCommand];

/** What must be given, beside what the command asks for. */
const IDS: Readonly<Record<SnapshotCommand, readonly string[]>> = {
  'schedules/create': ['schedule_id'],
  'holidays/create': ['holiday_id'],
  'spaces/create': ['space_id'],
  'users/create': ['acs_user_id'],
  'users/suspend': ['acs_user_id'],
  'access_groups/create': ['acs_access_group_id'],
  'access_groups/add_user': ['acs_access_group_id', 'acs_user_id'],
  'entrances/grant_access': ['acs_entrance_id', 'acs_user_id'],
  'access_grants/create': ['access_grant_id', 'acs_user_id'],
  'credentials/create': ['acs_credential_id', 'acs_user_id'],
  'credentials/enroll_phone': ['acs_credential_id', 'phone_acs_credential_id'],
};

/** What means something else than the list of a facility. */
const NOT_HERE: Readonly<Partial<Record<SnapshotCommand, readonly string[]>>> = {
  'entrances/grant_access': ['acs_access_group_id', 'user_identity_id'],
  'access_groups/add_user': ['user_identity_id'],
  'access_grants/create': ['user', 'user_identity_id', 'replaces'],
  'credentials/create': ['replaces'],
};

type Given = { command: SnapshotCommand; params: Readonly<Record<string, unknown>> };

/** The item with its parameters as the command means them; throws with its place on the page. */
export function readItem(given: Given, position: number, acsSystemId: string): Item {
  const { command, params } = given;
  const fitted = fit(COMMANDS[command].params, params, ['params']);
  if ('error' in fitted) throw at(position, fitted.error);
  for (const name of memberOf(IDS, command) ?? [])
    if (memberOf(params, name) === undefined)
      throw at(position, wrong(name, 'required in a snapshot, minted by its sender'));
  for (const name of memberOf(NOT_HERE, command) ?? [])
    if (memberOf(params, name) !== undefined)
      throw at(position, wrong(name, 'has no place in a snapshot. Remedy: leave it out'));
  const { acs_system_id: system } = fitted.data as { acs_system_id?: string };
  if (system !== undefined && system !== acsSystemId)
    throw at(position, { type: 'acs_system_not_found', message: `this facility is acs_system ${acsSystemId}` });
  if (command === 'access_grants/create') checkMethods(params, position);
  return { command, params: fitted.data } as Item;
}

function checkMethods({ requested_access_methods: methods }: Given['params'], position: number): void {
  for (const [i, method] of (Array.isArray(methods) ? (methods as unknown[]) : []).entries()) {
    const isMinted = typeof method === 'object' && method !== null && 'access_method_id' in method;
    if (isMinted) continue;
    const message = 'required in a snapshot, minted by its sender';
    const path = ['params', 'requested_access_methods', i, 'access_method_id'];
    throw at(position, { type: 'invalid_input', message: `${path.join('.')}: ${message}`, path });
  }
}

const wrong = (name: string, why: string): ApiError => ({
  type: 'invalid_input',
  message: `params.${name}: ${why}`,
  path: ['params', name],
});

function at(position: number, { type, message, path = [] }: ApiError): OperatingError {
  const place = ['params', 'items', position];
  return new OperatingError(type, `params.items.${position}: ${message}`, [...place, ...path]);
}
