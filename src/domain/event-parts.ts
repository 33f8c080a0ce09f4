// What the bodies of several events have in common, each part once with its words.

import { z } from 'zod';
import { BIOMETRIC_TYPES } from './biometrics.ts';
import { ERROR_TYPES } from './errors.ts';

/** Made together with the catalogue (events.ts), when that is first asked for. */
export function eventParts() {
  const text = (says: string): z.ZodString => z.string().describe(says);
  const instant = (says: string): z.ZodISODateTime => z.iso.datetime().describe(says);
  const count = (says: string): z.ZodNumber => z.number().int().min(0).describe(says);
  const ms = (says: string): z.ZodNumber => z.number().describe(`${says}, milliseconds`);
  const tally = (says: string): z.ZodRecord<z.ZodString, z.ZodNumber> =>
    z.record(z.string(), z.number()).describe(says);

  // ---- what several bodies hold ----

  const system = { acs_system_id: text('the facility').optional() };
  const inSystem = { acs_system_id: text('the facility') };
  const person = { acs_user_id: text('whose it is').nullable().optional() };
  const credential = { acs_credential_id: text('which credential').nullable() };
  const entrance = { acs_entrance_id: text('which entrance') };
  const device = { device: text('which reader or controller, by its name in the facility file') };
  const onController = { controller: text('which controller, by its name in the facility file') };
  const apiError = z
  .strictObject({ type: z.enum(ERROR_TYPES), message: z.string(), path: z.array(z.union([z.string(), z.number()])).optional() })
  .describe('why, as in a reply'); // prettier-ignore
  const deviceError = z
    .strictObject({ type: z.string(), message: z.string().nullable() })
    .describe('why; tried again unless it says otherwise');
  const span = { since: instant('the first of them'), until: instant('the last of them') };

  /** Of what a command did: by which command, over which way, and who its sender says it is. */
  const byCommand = {
    command_id: text('the command that did it'),
    source: z.enum(['mqtt', 'local']).describe('over the broker, or the control socket of the gateway'),
    sender: text('who the envelope says has sent it: stated, not proved').nullable(),
  };
  const maybeByCommand = {
    command_id: byCommand.command_id.optional(),
    source: byCommand.source.optional(),
    sender: byCommand.sender.optional(),
  };
  const changed = z.array(z.string()).describe('names of the fields that hold something else now, never a value');

  /** Of what a controller that decides for itself has told. */
  const fromController = {
    controller: onController.controller.optional(),
    slot: count('where at the controller').optional(),
    controller_event: z
      .strictObject({ code: z.number().nullable(), detail: z.string().nullable() })
      .describe('as the controller says it')
      .optional(),
  };

  const decision = {
    ...inSystem,
    acs_entrance_id: text('which entrance; null: a door that is no entrance of the facility file').nullable(),
    ...credential,
    acs_user_id: text('who, as far as is known').nullable(),
    access_method: z.enum(['card', 'code', 'mobile_key', 'cloud_key']).describe('what was shown').optional(),
    method: z.enum(['card', 'keycode', 'remote']).describe('by what way; `remote`: by a command').nullable().optional(),
    card_format: text('how the card was read; null: not by a format').nullable().optional(),
    card_width_bits: count('how many bits the reader sent').optional(),
    phone_acs_credential_id: text('which phone of a mobile key').optional(),
    acs_biometric_id: text('which finger, face or the like behind the card').optional(),
    reader: text('at which of our readers').optional(),
    revision: count('what was stored, as the decision was made by it (`revision` of the state)').optional(),
    gates: z
      .array(z.string())
      .describe(
        'what was asked, in order, for `entrances/explain_decision`; `!` in front: there it ended. In words where they say more than the name does',
      )
      .optional(),
    ...fromController,
  };

  const door = { ...inSystem, ...entrance };
  /** As a door, where a controller may tell of one that the facility file does not have. */
  const doorEvent = { ...inSystem, acs_entrance_id: decision.acs_entrance_id, ...fromController };
  const target = { ...inSystem, ...credential, ...person, ...onController, slot: count('where').nullable() };

  const event = <S extends z.core.$ZodLooseShape>(says: string, shape: S, since = '0.1') =>
    ({ says, since, body: z.strictObject(shape) }) as const;
  const changeOf = <S extends z.core.$ZodLooseShape>(says: string, ids: S) =>
    event(says, { ...inSystem, ...ids, ...byCommand });
  const updateOf = <S extends z.core.$ZodLooseShape>(says: string, ids: S) =>
    event(says, { ...inSystem, ...ids, changed, ...byCommand });

  const user = { acs_user_id: text('who') };
  const owned = { acs_credential_id: text('which credential'), acs_user_id: text('whose it is').nullable() };
  const phone = {
    acs_credential_id: text('which mobile key'),
    phone_acs_credential_id: text('which phone, by its own id'),
  };
  const signed = { credential_manager_acs_system_id: text('who has signed it') };
  /** Of somebody who enrols at a reader; after a restart the command is all that is known of it. */
  const scanning = {
    ...inSystem,
    acs_encoder_id: text('at which encoder').optional(),
    acs_entrance_id: text('the entrance whose reader it is').optional(),
    reader: text('at which reader').optional(),
    action_attempt_id: text('of the command').optional(),
    ...maybeByCommand,
  };
  const scanned = event('What was shown at an encoder was read; what it was is in the reply alone.', {
    ...scanning,
    ...credential,
    phone_acs_credential_id: text('which phone of a mobile key').nullable(),
  });
  const unscanned = event('A scan at an encoder came to nothing, and nothing was changed.', {
    ...scanning,
    error: apiError,
  });
  const biometric = {
    acs_user_id: text('whose'),
    acs_biometric_id: text('which'),
    biometric_type: z.enum(BIOMETRIC_TYPES).describe('which finger, or what else'),
  };
  const schedule = { schedule_id: text('which schedule') };
  const group = { acs_access_group_id: text('which group') };
  const holiday = { holiday_id: text('which holiday') };

  return {
    text,
    instant,
    count,
    ms,
    tally,
    system,
    person,
    credential,
    device,
    onController,
    apiError,
    deviceError,
    byCommand,
    decision,
    door,
    doorEvent,
    target,
    event,
    changeOf,
    updateOf,
    user,
    owned,
    phone,
    signed,
    scanning,
    scanned,
    unscanned,
    biometric,
    schedule,
    holiday,
    group,
    inSystem,
    span,
    maybeByCommand,
    fromController,
  };
}
