// The contract with whoever commands a facility, as data: every resource and verb, the shape of its parameters, and
// what it answers. Validation, the generated reference (docs/mqtt-api.md) and the command line's help all come from
// here. One file per resource stands in contract/.

import type { z } from 'zod';
import { AREAS } from './contract/areas.ts';
import { BIOMETRICS } from './contract/biometrics.ts';
import { CONTROLLERS } from './contract/controllers.ts';
import { CREDENTIALS } from './contract/credentials.ts';
import { ENCODERS } from './contract/encoders.ts';
import { ENTRANCES } from './contract/entrances.ts';
import { EVENTS } from './contract/events.ts';
import { FACILITY } from './contract/facility.ts';
import { ACCESS_GRANTS, SPACES } from './contract/grants.ts';
import { ACCESS_GROUPS } from './contract/groups.ts';
import { HOLIDAYS } from './contract/holidays.ts';
import { SCHEDULES } from './contract/schedules.ts';
import { SNAPSHOTS } from './contract/snapshots.ts';
import { USERS } from './contract/users.ts';
import type { CommandSpec } from './contract/spec.ts';

export const COMMANDS = {
  ...USERS,
  ...BIOMETRICS,
  ...CREDENTIALS,
  ...ACCESS_GROUPS,
  ...ACCESS_GRANTS,
  ...SPACES,
  ...SCHEDULES,
  ...HOLIDAYS,
  ...ENTRANCES,
  ...AREAS,
  ...ENCODERS,
  ...CONTROLLERS,
  ...EVENTS,
  ...FACILITY,
  ...SNAPSHOTS,
} as const;

export type CommandName = keyof typeof COMMANDS;
export type ParamsOf<N extends CommandName> = z.output<(typeof COMMANDS)[N]['params']>;

export const isCommandName = (name: string): name is CommandName => Object.hasOwn(COMMANDS, name);

/** Whether a command must say until when it is wanted. */
export const mustExpire = (name: CommandName): boolean => {
  const spec: CommandSpec = COMMANDS[name];
  return spec.kind === 'moves' || spec.mustExpire === true;
};

/** Whether it is taken though nobody knows the time. */
export const isUrgent = (name: CommandName): boolean => {
  const spec: CommandSpec = COMMANDS[name];
  return spec.isUrgent === true;
};
